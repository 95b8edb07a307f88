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

void ms_progress_show(struct ms_progress *p, const struct ms_run_state *s)
{
    char bar[3 * BAR + 1] = "", left[32] = "?", spent[32];
    if (!p->on)
        return;
    size_t filled = s->n_cases ? BAR * s->n_done / s->n_cases : BAR,
           simulated = s->n_done - s->n_reused;
    for (size_t i = 0, at = 0; i < BAR; i++)
        at += (size_t)snprintf(bar + at, sizeof bar - at, "%s", i < filled ? "█" : "░");
    if (s->n_done == s->n_cases)
        snprintf(left, sizeof left, "0 s");
    else if (s->left_s >= 0)
        ms_duration(s->left_s, left, sizeof left);
    fprintf(p->out, "\r%.24s %s%s%s %zu/%zu", p->name, ms_style_begin(MS_GREEN, p->term.colour),
            bar, ms_style_end(MS_GREEN, p->term.colour), s->n_done, s->n_cases);
    if (s->n_failed)
        fprintf(p->out, " %s%zu failed%s", ms_style_begin(MS_RED, p->term.colour), s->n_failed,
                ms_style_end(MS_RED, p->term.colour));
    if (simulated > 0 && s->elapsed_s > 0)
        fprintf(p->out, "  %.3g/s", (double)simulated / s->elapsed_s);
    fprintf(p->out, "  %s  ETA %s\033[K", ms_duration(s->elapsed_s, spent, sizeof spent), left);
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
