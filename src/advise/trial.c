/* Decides how trials run: a child each, as cases of a run do, and their records read back. */
#include "advise/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "sweep/farm.h"

struct runner {
    struct ms_trial *t;
    int n_threads;
};

/* ---- in the child ---- */

static enum ms_status work(void *ctx, size_t job, struct ms_message *out, struct ms_err *err)
{
    const struct runner *r = ctx;
    struct ms_trial *t = &r->t[job];
    struct ms_case c = {0};
    struct ms_errs errs = {0};
    struct ms_case_options o = t->options;
    enum ms_status s = ms_study_case(t->plan->study, t->index, &c, err);
    if (s != MS_OK)
        return s;
    c.s.in_force = t->plan->c[t->index].hardware;
    o.n_threads = r->n_threads;
    if (t->change)
        s = t->change(t->ctx, &c, err);
    if (s == MS_OK)
        s = ms_case_run(&c.s, &t->plan->c[t->index], &t->plan->inputs->files, &o, out, err);
    ms_errs_finish(&errs);
    ms_case_finish(&c);
    return s;
}

/* ---- in the parent ---- */

static enum ms_status done(void *ctx, const struct ms_farm_answer *a, struct ms_err *err)
{
    struct runner *r = ctx;
    struct ms_trial *t = &r->t[a->job];
    const struct ms_buf *body = &a->message->part[MS_PART_RECORD];
    struct ms_buf text = {0};
    (void)err;
    if (a->message->status != MS_OK) {
        snprintf(t->error, sizeof t->error, "%.399s", a->message->error);
        return MS_OK;
    }
    size_t skip = 0; /* the body is the middle of an object */
    while (skip < body->n && (body->p[skip] == ',' || body->p[skip] == ' '))
        skip++;
    ms_buf_adds(&text, "{");
    ms_buf_add(&text, body->p + skip, body->n - skip);
    ms_buf_adds(&text, "}");
    t->record = text.failed ? NULL : json_loadb(text.p, text.n, 0, NULL);
    if (!t->record)
        snprintf(t->error, sizeof t->error, "its record cannot be read");
    ms_buf_finish(&text);
    return MS_OK;
}

enum ms_status ms_trials_run(struct ms_trial *t, size_t n, int n_procs, int *signal_number,
                             struct ms_err *err)
{
    size_t *job = malloc((n + 1) * sizeof *job), n_jobs = 0;
    struct runner r = {.t = t};
    if (!job)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        if (!t[i].skip && !t[i].record)
            job[n_jobs++] = i;
    int procs = n_jobs < (size_t)n_procs ? (int)n_jobs : n_procs;
    r.n_threads = procs > 0 && n_procs / procs > 1 ? n_procs / procs : 1;
    struct ms_farm f = {.ctx = &r, .n_procs = procs > 0 ? procs : 1, .work = work, .done = done};
    enum ms_status s = n_jobs > 0 ? ms_farm_run(&f, job, n_jobs, signal_number, err) : MS_OK;
    free(job);
    return s;
}

void ms_trials_finish(struct ms_trial *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_decref(t[i].record);
}

double ms_trial_number(const struct ms_trial *t, const char *path)
{
    const json_t *at = t->record;
    char word[64];
    while (at && *path) {
        size_t n = strcspn(path, ".");
        snprintf(word, sizeof word, "%.*s", (int)n, path);
        at = json_object_get(at, word);
        path += path[n] == '.' ? n + 1 : n;
    }
    return json_is_number(at) ? json_number_value(at) : NAN;
}
