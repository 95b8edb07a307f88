/* Decides what the progress bar says and when it is drawn. */
#include "report/progress.h"

#include <unistd.h>

enum { BAR = 24 };

struct ms_progress ms_progress_start(FILE *out, const char *name, enum ms_progress_when when)
{
    bool on = when == MS_PROGRESS_ALWAYS || (when == MS_PROGRESS_AUTO && isatty(fileno(out)));
    return (struct ms_progress){.out = out, .term = ms_term_of(out), .name = name, .on = on};
}

const char *ms_duration(double seconds, char *out, size_t size)
{
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else if (s >= 60)
        snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, size, "%ld s", s);
    return out;
}

/* What stands behind the bar: counts, rate, times. */
static void say(const struct ms_run_state *s, bool rate, char *out, size_t size)
{
    char left[32] = "?", spent[32];
    size_t simulated = s->n_done - s->n_reused, at;
    if (s->n_done == s->n_cases)
        snprintf(left, sizeof left, "0 s");
    else if (s->left_s >= 0)
        ms_duration(s->left_s, left, sizeof left);
    at = (size_t)snprintf(out, size, "%zu/%zu", s->n_done, s->n_cases);
    if (s->n_failed)
        at += (size_t)snprintf(out + at, size - at, " %zu failed", s->n_failed);
    if (rate && simulated > 0 && s->elapsed_s > 0)
        at += (size_t)snprintf(out + at, size - at, "  %.3g/s", (double)simulated / s->elapsed_s);
    snprintf(out + at, size - at, "  %s  ETA %s", ms_duration(s->elapsed_s, spent, sizeof spent),
             left);
}

/* Columns left for the bar: all 24, fewer, or none, so that a line never wraps. */
static int bar_width(const struct ms_progress *p, const char *name, const char *text)
{
    int left = p->term.columns - 3 - ms_text_width(name) - ms_text_width(text);
    return p->term.columns == 0 || left > BAR ? BAR : left < 4 ? 0 : left;
}

void ms_progress_show(struct ms_progress *p, const struct ms_run_state *s)
{
    char text[160], name[25];
    if (!p->on)
        return;
    int columns = p->term.columns ? p->term.columns : 1000;
    say(s, true, text, sizeof text);
    if (ms_text_width(text) >= columns)
        say(s, false, text, sizeof text);
    snprintf(name, sizeof name, "%.24s", p->name);
    if (ms_text_width(name) + ms_text_width(text) + 2 >= columns)
        name[0] = '\0';
    int width = bar_width(p, name, text),
        filled = s->n_cases ? (int)(width * s->done / (double)s->n_cases) : width;
    fprintf(p->out, "\r%s%s%s", name, *name ? " " : "", ms_style_begin(MS_GREEN, p->term.colour));
    for (int i = 0; i < width; i++)
        fputs(i < filled ? "█" : "░", p->out);
    fprintf(p->out, "%s%s%.*s\033[K", ms_style_end(MS_GREEN, p->term.colour), width ? " " : "",
            columns - 1, text);
    fflush(p->out);
    p->drawn = true;
}

void ms_progress_clear(struct ms_progress *p)
{
    if (p->drawn)
        fprintf(p->out, "\r\033[K");
    fflush(p->out);
    p->drawn = false;
}
