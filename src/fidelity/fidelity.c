/* From measured rows to errors: which rows can be simulated at all, simulating them on several
 * processes, and comparing. */
#include "fidelity/fidelity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "fidelity/batch.h"
#include "fidelity/judge.h"
#include "hardware/hardware.h"
#include "sim/compute.h"
#include "sweep/farm.h"

struct profile {
    const char *name;
    struct ms_hardware h;
    bool good;
    struct profile *next;
};

struct study {
    const struct ms_measured *m;
    const struct ms_fidelity_options *o;
    struct ms_fidelity *out;
    struct ms_files files;
    struct profile *profiles;
    const struct ms_hardware **hardware; /* [n] */
    struct ms_batches batches;
    double *us; /* [batches.n_order] */
    size_t n_done;
};

/* ---- which rows ---- */

static const char *say(struct study *t, const char *fmt, const char *a, const char *b)
{
    char text[1024];
    snprintf(text, sizeof text, fmt, a, b);
    const char *kept = ms_arena_strdup(&t->out->arena, text);
    return kept ? kept : "out of memory";
}

/* The profile of a name, read once; NULL: there is none, or it is wrong (errs says how). */
static const struct ms_hardware *profile_of(struct study *t, const char *name, struct ms_errs *errs)
{
    struct profile *p = t->profiles;
    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    if (!p) {
        struct ms_errs own = {0};
        p = MS_NEW(&t->out->arena, struct profile, 1);
        if (!p)
            return NULL;
        *p = (struct profile){.name = name, .next = t->profiles};
        t->profiles = p;
        p->good = ms_hardware_read(&t->files, name, t->o->profile ? NULL : t->o->beside,
                                   &t->out->arena, &p->h, &own) == MS_OK;
        for (size_t i = 0; i < own.n; i++) /* a name without a profile is no error of the file */
            if (*own.e[i].file || t->o->profile)
                ms_errs_add(errs, &own.e[i]);
        ms_errs_finish(&own);
    }
    return p->good ? &p->h : NULL;
}

static const char *why_not(struct study *t, const struct ms_measured_row *r,
                           const struct ms_hardware *h)
{
    const char *leg = ms_measured_leg_name(r->leg);
    if (r->fit == MS_FIT_SKIP)
        return *r->note ? r->note : "marked as not to be simulated";
    if (!h)
        return say(t, "there is no hardware profile '%s'%s", r->hardware, "");
    if (r->leg == MS_LEG_EXPERTS)
        return NULL;
    if (r->leg >= MS_LEG_PERMUTE)
        return say(t, "a leg '%s' is not simulated alone%s", leg, "");
    if (r->ranks < 2)
        return say(t, "a leg '%s' needs two ranks%s", leg, "");
    if (r->ranks % r->gpus_per_node)
        return say(t, "nodes of unequal size cannot be described by gpus_per_node%s%s", "", "");
    if (!ms_row_in_bytes(r) && r->experts % r->ranks)
        return say(t, "its experts do not spread evenly over its ranks%s%s", "", "");
    return NULL;
}

static bool is_wanted(const struct study *t, const struct ms_measured_row *r)
{
    if ((t->o->hardware && strcmp(t->o->hardware, r->hardware) != 0) ||
        (t->o->fit_only && r->fit != MS_FIT_YES))
        return false;
    for (size_t i = 0; i < t->o->n_families; i++)
        if (strcmp(t->o->family[i], r->family) == 0)
            return true;
    return t->o->n_families == 0;
}

static enum ms_status choose(struct study *t, struct ms_errs *errs)
{
    struct ms_fidelity *f = t->out;
    f->row = MS_NEW(&f->arena, struct ms_fidelity_row, t->m->n);
    t->hardware = MS_NEW(&f->arena, const struct ms_hardware *, t->m->n);
    if (!f->row || !t->hardware)
        return MS_NOMEM;
    for (size_t i = 0; i < t->m->n; i++) {
        const struct ms_measured_row *r = &t->m->row[i];
        if (!is_wanted(t, r))
            continue;
        const char *name = t->o->profile ? t->o->profile : r->hardware;
        const struct ms_hardware *h =
            r->fit != MS_FIT_SKIP && *name ? profile_of(t, name, errs) : NULL;
        t->hardware[f->n] = h;
        f->row[f->n++] = (struct ms_fidelity_row){.row = r,
                                                  .simulated_us = NAN,
                                                  .error = NAN,
                                                  .skipped = why_not(t, r, h),
                                                  .judged = t->o->bounds && r->fit == MS_FIT_YES};
    }
    return errs->n > 0 ? MS_INVALID : MS_OK;
}

/* ---- compute ---- */

static void compute_row(struct study *t, struct ms_fidelity_row *f, const struct ms_hardware *h)
{
    const struct ms_measured_row *r = f->row;
    char table[96];
    struct ms_compute_params p = {.profile = table};
    double one = (double)r->tokens;
    /* the profile's table is of a GPU; number format and kind of kernels are the row's */
    snprintf(table, sizeof table, "%.*s%s%s", (int)strcspn(h->experts ? h->experts : "", "-"),
             h->experts ? h->experts : "", strcmp(r->expert_dtype, "fp8") == 0 ? "-fp8" : "",
             strcmp(r->library, "torch-grouped") == 0 ? "-grouped" : "");
    if (!h->experts || !ms_compute_known(&p)) {
        f->skipped = say(t, "profile '%s' has no table of expert times '%s'", h->name, table);
        return;
    }
    f->simulated_us =
        1e6 * ms_compute_ffns_s(&p, r->hidden, r->expert_intermediate, r->n_loads ? r->load : &one,
                                r->n_loads ? r->n_loads : 1);
}

/* ---- the farm ---- */

static enum ms_status work(void *ctx, size_t job, struct ms_message *out, struct ms_err *err)
{
    struct study *t = ctx;
    const struct ms_batch *b = &t->batches.batch[job];
    enum ms_status s = ms_batch_run(&t->batches, b, t->us, err);
    for (size_t c = 0; c < b->n && s == MS_OK; c++)
        for (size_t i = 0; i < b->config[c].n; i++)
            ms_buf_add(&out->part[MS_PART_RECORD], &t->us[b->config[c].first + i], sizeof *t->us);
    return s;
}

static enum ms_status done(void *ctx, const struct ms_farm_answer *a, struct ms_err *err)
{
    struct study *t = ctx;
    const struct ms_batch *b = &t->batches.batch[a->job];
    const struct ms_buf *v = &a->message->part[MS_PART_RECORD];
    const char *why = a->message->status == MS_OK
                          ? NULL
                          : say(t, "its simulation failed: %s%s", a->message->error, "");
    size_t at = 0;
    for (size_t c = 0; c < b->n; c++)
        for (size_t i = 0; i < b->config[c].n; i++) {
            struct ms_fidelity_row *f = &t->out->row[t->batches.order[b->config[c].first + i]];
            if (why) {
                f->skipped = why;
                f->failed = true;
            } else if (at + sizeof f->simulated_us <= v->n) {
                memcpy(&f->simulated_us, v->p + at, sizeof f->simulated_us);
            }
            at += sizeof f->simulated_us;
        }
    t->n_done++;
    if (t->o->progress)
        t->o->progress(t->o->ctx, t->n_done, t->batches.n);
    return MS_OK;
}

static enum ms_status simulate(struct study *t, int *signal_number, struct ms_err *err)
{
    struct ms_fidelity *f = t->out;
    for (size_t i = 0; i < f->n; i++)
        if (!f->row[i].skipped && f->row[i].row->leg == MS_LEG_EXPERTS)
            compute_row(t, &f->row[i], t->hardware[i]);
    enum ms_status s = ms_batches_make(&f->arena, f->row, f->n, t->hardware, &t->batches);
    size_t *jobs = MS_NEW(&f->arena, size_t, t->batches.n);
    t->us = MS_NEW(&f->arena, double, t->batches.n_order);
    if (s != MS_OK || !jobs || !t->us)
        return ms_err_set(err, MS_NOMEM, "out of memory for rows");
    for (size_t i = 0; i < t->batches.n; i++)
        jobs[i] = i;
    struct ms_farm farm = {
        .ctx = t, .n_procs = t->o->n_procs, .timeout_s = 600, .work = work, .done = done};
    s = ms_simgrid_load(err); /* here: the children need not */
    return s == MS_OK ? ms_farm_run(&farm, jobs, t->batches.n, signal_number, err) : s;
}

enum ms_status ms_fidelity_run(const struct ms_measured *m, const struct ms_fidelity_options *o,
                               struct ms_fidelity *out, int *signal_number, struct ms_errs *errs)
{
    struct study t = {.m = m, .o = o, .out = out};
    struct ms_err err = {0};
    *signal_number = 0;
    enum ms_status s = choose(&t, errs);
    if (s == MS_OK)
        s = simulate(&t, signal_number, &err);
    for (size_t i = 0; i < out->n && s == MS_OK; i++) {
        struct ms_fidelity_row *f = &out->row[i];
        f->error = f->simulated_us / f->row->value_us - 1;
        out->n_failed += f->failed;
        out->n_skipped += f->skipped && !f->failed;
        out->n_simulated += !f->skipped;
    }
    if (s == MS_OK)
        s = ms_fidelity_judge(out, o->bounds, &err);
    if (err.status != MS_OK && s != MS_INTERRUPTED)
        ms_errs_add(errs, &err);
    ms_files_finish(&t.files);
    return s;
}

void ms_fidelity_finish(struct ms_fidelity *f)
{
    ms_arena_finish(&f->arena);
    *f = (struct ms_fidelity){0};
}
