/* Which rows share a simulation, which simulations a process; and what is measured of each row when
 * its runs are done. */
#define _GNU_SOURCE
#include "fidelity/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "stats/percentile.h"
#include "sweep/case_run.h"
#include "hardware/row_form.h"
#include "sweep/inputs.h"

enum { MOST_CONFIGS = 48 }; /* of a process: two of them shall share the work evenly */

static int by_number(double a, double b)
{
    return (a > b) - (a < b);
}

/* What makes platform and scenario, in one list. */
static void settings_of(const struct ms_measured_row *r, double v[16])
{
    const double all[16] = {r->mode,
                            ms_row_in_bytes(r) ? 1 + (r->leg == MS_LEG_COMBINE) : 0,
                            r->ranks,
                            r->gpus_per_node,
                            r->hidden,
                            r->experts,
                            r->top_k,
                            r->groups,
                            r->group_limit,
                            r->routing,
                            r->dispatch_bytes_per_value,
                            r->combine_bytes_per_value,
                            r->copy_header_bytes,
                            r->sms,
                            r->peers,
                            r->message_bytes};
    memcpy(v, all, sizeof all);
}

/* The same platform and scenario? 0: yes; else an order. */
static int batch_order(const struct ms_measured_row *a, const struct ms_measured_row *b)
{
    double va[16], vb[16];
    int order = strcmp(a->hardware, b->hardware);
    struct ms_row_section sa = {0}, sb = {0};
    ms_row_section(a, &sa);
    ms_row_section(b, &sb);
    order = order ? order : strcmp(sa.library, sb.library);
    settings_of(a, va);
    settings_of(b, vb);
    for (int i = 0; i < 16 && !order; i++)
        order = by_number(va[i], vb[i]);
    return order;
}

/* Within a batch: the same exchange? */
static int config_order(const struct ms_measured_row *a, const struct ms_measured_row *b)
{
    bool bytes = ms_row_in_bytes(a);
    int order = by_number((double)a->tokens, (double)b->tokens);
    order = order ? order : by_number(a->masked_share, b->masked_share);
    order = order ? order : strcmp(a->traffic_key, b->traffic_key);
    order = order ? order : by_number(a->bytes_sent, b->bytes_sent);
    order = order ? order : by_number(a->bytes_received, b->bytes_received);
    order = order ? order : by_number(a->self_bytes, b->self_bytes);
    return order ? order : by_number(bytes ? a->rank : 0, bytes ? b->rank : 0);
}

static int by_batch(const void *a, const void *b, void *rows)
{
    const struct ms_fidelity_row *row = rows;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    int order = batch_order(row[i].row, row[k].row);
    order = order ? order : config_order(row[i].row, row[k].row);
    return order ? order : by_number((double)i, (double)k);
}

/* Roughly, in any unit: flows and draws. */
static double cost_of(const struct ms_batches *all, const struct ms_batch *b)
{
    double sum = 0;
    for (size_t c = 0; c < b->n; c++) {
        const struct ms_measured_row *r = all->row[all->order[b->config[c].first]].row;
        sum +=
            b->config[c].n_runs * (r->ranks * (double)r->ranks +
                                   0.01 * (double)(r->tokens < 2048 ? r->tokens : 2048) * r->ranks);
    }
    return sum;
}

static int by_cost(const void *a, const void *b, void *all)
{
    return -by_number(cost_of(all, a), cost_of(all, b));
}

int ms_config_repeats(const struct ms_measured_row *r)
{
    if (ms_row_in_bytes(r) || r->routing == MS_ROUTED_MATRIX || r->routing == MS_ROUTED_PERFECT)
        return 1;
    return r->tokens <= 16 ? 16 : r->tokens <= 256 ? 4 : 2;
}

/* Cut the order into configurations and batches. */
static void cut(struct ms_batches *all, struct ms_config *config,
                const struct ms_hardware *const *hardware)
{
    struct ms_batch *b = NULL;
    for (size_t i = 0; i < all->n_order; i++) {
        const struct ms_measured_row *r = all->row[all->order[i]].row;
        const struct ms_measured_row *before = i ? all->row[all->order[i - 1]].row : NULL;
        bool same = before && batch_order(before, r) == 0;
        if (same && config_order(before, r) == 0) {
            b->config[b->n - 1].n++;
            continue;
        }
        if (!same || b->n == MOST_CONFIGS) {
            b = &all->batch[all->n++];
            *b = (struct ms_batch){.hardware = hardware[all->order[i]], .config = config};
        }
        int run = b->n ? b->config[b->n - 1].first_run + b->config[b->n - 1].n_runs : 0;
        *config++ = (struct ms_config){i, 1, run, ms_config_repeats(r)};
        b->n++;
    }
}

enum ms_status ms_batches_make(struct ms_arena *arena, const struct ms_fidelity_row *row, size_t n,
                               const struct ms_hardware *const *hardware, struct ms_batches *out)
{
    *out = (struct ms_batches){.row = row};
    out->order = MS_NEW(arena, size_t, n);
    out->batch = MS_NEW(arena, struct ms_batch, n);
    struct ms_config *config = MS_NEW(arena, struct ms_config, n);
    if (!out->order || !out->batch || !config)
        return MS_NOMEM;
    for (size_t i = 0; i < n; i++)
        if (!row[i].skipped && row[i].row->leg != MS_LEG_EXPERTS)
            out->order[out->n_order++] = i;
    qsort_r(out->order, out->n_order, sizeof *out->order, by_batch, (void *)row);
    cut(out, config, hardware);
    qsort_r(out->batch, out->n, sizeof *out->batch, by_cost, out);
    return MS_OK;
}

/* ---- what is measured ---- */

/* One run of a configuration as the row sees it. */
static double of_run(const struct ms_measured_row *r, const struct ms_sim_output *o, int run)
{
    bool second = r->leg == MS_LEG_COMBINE && !ms_row_in_bytes(r);
    size_t at = (size_t)run * (size_t)(o->n_steps * o->n_layers * o->n_groups);
    const double *rank =
        (second ? o->rank_combine_s : o->rank_dispatch_s) + at * (size_t)o->n_ranks;
    double notify_s = (second ? o->combine_notify_s : o->dispatch_notify_s)[at], sum = 0,
           less_s = ms_row_without_notify(r) ? notify_s : 0;
    if (r->leg == MS_LEG_NOTIFY)
        return notify_s;
    if (r->rank >= 0)
        return rank[r->rank] - less_s;
    if (r->statistic == MS_OF_MAX_OVER_RANKS)
        return (second ? o->combine_s : o->dispatch_s)[at] - less_s;
    for (int k = 0; k < o->n_ranks; k++)
        sum += rank[k];
    return sum / o->n_ranks - less_s;
}

static int by_value(const void *a, const void *b)
{
    return by_number(*(const double *)a, *(const double *)b);
}

static double of_row(const struct ms_measured_row *r, const struct ms_config *c,
                     const struct ms_sim_output *o)
{
    double v[64], sum = 0;
    int n = c->n_runs < 64 ? c->n_runs : 64;
    for (int i = 0; i < n; i++)
        sum += v[i] = of_run(r, o, c->first_run + i);
    int percent = r->statistic == MS_OF_P50   ? 50
                  : r->statistic == MS_OF_P95 ? 95
                  : r->statistic == MS_OF_P99 ? 99
                                              : 0;
    if (percent == 0)
        return 1e6 * sum / n;
    qsort(v, (size_t)n, sizeof *v, by_value);
    return 1e6 * ms_percentile(v, (size_t)n, percent);
}

/* ---- the simulation ---- */

/* The platform as a file without a name: it is gone with the process. */
static enum ms_status platform_file(const struct ms_measured_row *r, const struct ms_hardware *h,
                                    char *path, size_t size, struct ms_err *err)
{
    struct ms_buf xml = {0};
    enum ms_status s = ms_row_platform(r, h, &xml, err);
    int fd = s == MS_OK ? memfd_create("platform", 0) : -1;
    if (s == MS_OK && (fd < 0 || !ms_fd_write(fd, xml.p, xml.n)))
        s = ms_err_set(err, MS_INTERNAL, "no memory for a platform file");
    snprintf(path, size, "/proc/self/fd/%d", fd);
    ms_buf_finish(&xml);
    return s;
}

struct setting {
    struct ms_study study;
    struct ms_case c;
    struct ms_inputs inputs;
    struct ms_case_input in;
};

/* Everything a run takes, read as a user's scenario would be. */
static enum ms_status set_up(struct setting *t, const struct ms_measured_row *r,
                             const struct ms_hardware *h, struct ms_err *err)
{
    char path[64];
    struct ms_buf text = {0};
    struct ms_errs errs = {0};
    struct ms_platform *platform = NULL;
    enum ms_status s = platform_file(r, h, path, sizeof path, err);
    ms_row_scenario(r, h, path, &text);
    if (s == MS_OK)
        s = ms_study_parse(&t->study, r->id, text.p, text.n, NULL, 0, &errs);
    if (s == MS_OK)
        s = ms_study_case(&t->study, 0, &t->c, err);
    if (s == MS_OK && !(platform = ms_inputs_platform(&t->inputs, path, &t->c.s, &errs)))
        s = MS_INVALID;
    if (s == MS_OK) {
        t->c.s.in_force = h;
        s = ms_case_input_init(&t->in, &t->c.s, platform, NULL, 1, err);
    }
    if (s == MS_OK && r->leg == MS_LEG_COMBINE && ms_row_in_bytes(r)) {
        struct ms_hardware_params *hw = &t->in.s.sim.hardware;
        ms_hardware_combine_alone(&hw->kernels);
        hw->dispatch_alpha_s = hw->combine_alpha_s;
    }
    if (s != MS_OK && errs.n > 0 && err->status == MS_OK)
        *err = errs.e[0];
    ms_errs_finish(&errs);
    ms_buf_finish(&text);
    return s;
}

enum ms_status ms_batch_run(const struct ms_batches *all, const struct ms_batch *b, double *us,
                            struct ms_err *err)
{
    const struct ms_config *last = &b->config[b->n - 1];
    struct setting t = {0};
    struct ms_sim_output o = {0};
    enum ms_status s = set_up(&t, all->row[all->order[b->config->first]].row, b->hardware, err);
    if (s != MS_OK)
        return s; /* the process ends: nothing is given back */
    struct ms_batch_source *source = ms_batch_source_create(all, b, &t.in);
    if (!source)
        return ms_err_set(err, MS_NOMEM, "out of memory for a batch");
    t.in.sim.source = ms_batch_source_of(source);
    t.in.sim.n_runs = last->first_run + last->n_runs;
    t.in.sim.runs_a_repeat = 1;
    s = ms_sim_run(&t.in.sim, &o, err);
    for (size_t c = 0; c < b->n && s == MS_OK; c++)
        for (size_t i = 0; i < b->config[c].n; i++) {
            size_t at = b->config[c].first + i;
            us[at] = of_row(all->row[all->order[at]].row, &b->config[c], &o);
        }
    ms_sim_finish(&o);
    ms_batch_source_destroy(source);
    return s;
}
