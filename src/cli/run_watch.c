/* The words on stderr of a study under way, the same for simulations and trainings. */
#include "cli/run_watch.h"

#include <string.h>

#include "report/overview.h"

static void on_progress(void *ctx, const struct ms_run_state *st)
{
    struct ms_run_talk *t = ctx;
    ms_progress_show(&t->bar, st);
}

/* Names of files, and what SimGrid says of them, are strangers' words. */
static void say(struct ms_run_talk *t, struct ms_buf *text)
{
    ms_progress_clear(&t->bar);
    fputs(text->failed ? "moesim: out of memory for a message\n" : ms_clean_lines(text->p), stderr);
    ms_buf_finish(text);
}

static void on_failure(void *ctx, const char *id, const char *axes, const char *error)
{
    struct ms_run_talk *t = ctx;
    struct ms_buf b = {0};
    bool one = strcmp(axes, "{}") == 0; /* a study of one case has no axes */
    ms_buf_printf(&b, "moesim %s: case %s%s%s failed: %s\n", t->verb, id, one ? "" : " ",
                  one ? "" : axes, error);
    say(t, &b);
}

static void on_talk(void *ctx, const char *id, const char *text)
{
    struct ms_run_talk *t = ctx;
    struct ms_buf b = {0};
    size_t n = strlen(text);
    ms_buf_printf(&b, "moesim %s: case %s said: %s%s", t->verb, id, text,
                  n && text[n - 1] == '\n' ? "" : "\n");
    say(t, &b);
}

struct ms_run_watch ms_run_watch_of(struct ms_run_talk *talk)
{
    return (struct ms_run_watch){talk, on_progress, on_failure, on_talk, &talk->warnings};
}

void ms_run_tell_dropped(struct ms_run_talk *talk)
{
    ms_progress_clear(&talk->bar);
    ms_errs_print(stderr, &talk->warnings);
    ms_errs_finish(&talk->warnings);
}

void ms_run_tell_end(const struct ms_run_talk *talk, const struct ms_run_state *st, const char *dir,
                     enum ms_status status, const struct ms_err *err)
{
    char text[32];
    ms_print_clean(stderr, "moesim %s: %zu of %zu cases in %s", talk->verb, st->n_done, st->n_cases,
                   dir);
    if (st->n_reused)
        fprintf(stderr, " (%zu were there)", st->n_reused);
    fprintf(stderr, ", %s\n", ms_duration(st->elapsed_s, text, sizeof text));
    if (status != MS_OK)
        fprintf(stderr, "moesim %s: %s%s\n", talk->verb, err->text,
                status == MS_INTERRUPTED ? "; what is done is kept, the same command goes on" : "");
}

enum ms_status ms_print_overview(const char *dir)
{
    struct ms_results r = {0};
    struct ms_err err = {0};
    struct ms_term term = ms_term_of(stdout);
    if (term.width > 100)
        term.width = 100;
    enum ms_status s = ms_results_read_brief(&r, dir, &err);
    if (s == MS_OK)
        s = ms_overview_print(&r, stdout, &term);
    if (s == MS_NOMEM) /* what was said before stands */
        ms_err_set(&err, MS_NOMEM, "out of memory for the table");
    if (s != MS_OK)
        ms_err_print(stderr, &err, "error");
    ms_results_finish(&r);
    return s;
}
