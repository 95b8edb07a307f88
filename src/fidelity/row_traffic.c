/* What the ranks of a row move: drawn as the row says and scaled, recorded, or bytes evenly spread
 * over the peers. */
#include <stdlib.h>
#include <string.h>

#include "demand/demand.h"
#include "fidelity/batch.h"
#include "hardware/row_form.h"
#include "sweep/case_run.h"

/* More tokens a rank than these are drawn as so many and scaled: their loads differ by less than one
 * percent between draws as it is. */
enum { MOST_DRAWN = 2048 };

struct ms_batch_source {
    const struct ms_batches *all;
    const struct ms_batch *batch;
    const struct ms_case_input *in;
    size_t config; /* the one that demand is of */
    struct ms_demand *demand;
    struct ms_workload workload;
    struct ms_arena arena;
    struct ms_traffic traffic;
};

static const struct ms_measured_row *row_of(const struct ms_batch_source *s, size_t config)
{
    return s->all->row[s->all->order[s->batch->config[config].first]].row;
}

/* ---- tokens ---- */

static bool scaled(struct ms_traffic *to, const struct ms_traffic *from, double by)
{
    size_t G = (size_t)from->n_ranks, n = (size_t)from->n_nodes;
    double *selections = calloc(2 * G, sizeof *selections), *copies = selections + G;
    bool ok = selections;
    for (int s = 0; s < from->n_ranks && ok; s++) {
        const struct ms_traffic_row *row = &from->row[s];
        memset(selections, 0, 2 * G * sizeof *selections);
        for (int i = 0; i < row->n; i++) {
            selections[row->rank[i]] = by * row->selections[i];
            copies[row->rank[i]] = by * row->copies[i];
        }
        ok = ms_traffic_set_row(to, s, selections, copies);
    }
    free(selections);
    for (size_t i = 0; i < G * n; i++)
        to->node_copies[i] = by * from->node_copies[i];
    for (int i = 0; i < from->n_slots; i++)
        to->slot_tokens[i] = by * from->slot_tokens[i];
    for (int i = 0; i < from->n_experts; i++)
        to->expert_tokens[i] = by * from->expert_tokens[i];
    to->requested = by * from->requested;
    to->dropped = by * from->dropped;
    return ok;
}

static enum ms_status drawn_tokens(struct ms_batch_source *s, const struct ms_measured_row *r,
                                   size_t config, int draw, struct ms_err *err)
{
    int64_t drawn = r->tokens < MOST_DRAWN ? r->tokens : MOST_DRAWN;
    enum ms_status status = MS_OK;
    if (!s->demand || s->config != config) {
        ms_demand_destroy(s->demand);
        s->demand = NULL;
        s->workload = s->in->s.workload;
        s->workload.tokens = (struct ms_tokens){.kind = MS_TOKENS_EQUAL, .count = drawn};
        struct ms_demand_input in = s->in->demand;
        in.workload = &s->workload;
        status = ms_demand_create(&in, &s->demand, err);
        s->config = config;
    }
    if (status == MS_OK)
        status = ms_demand_begin(s->demand, draw, err);
    if (status != MS_OK)
        return status;
    const struct ms_traffic *t = ms_demand_traffic(s->demand, 0, 0, 0);
    double by = (double)r->tokens / (double)drawn * (1 - r->masked_share);
    if (!ms_traffic_init(&s->traffic, &s->arena, t->n_ranks, t->n_nodes, t->n_slots,
                         t->n_experts) ||
        !scaled(&s->traffic, t, by))
        return ms_err_set(err, MS_NOMEM, "out of memory for traffic");
    return MS_OK;
}

/* ---- the source ---- */

static enum ms_status begin(void *ctx, int run, struct ms_err *err)
{
    struct ms_batch_source *s = ctx;
    size_t c = 0;
    while (c + 1 < s->batch->n && s->batch->config[c + 1].first_run <= run)
        c++;
    const struct ms_measured_row *r = row_of(s, c);
    ms_arena_reset(&s->arena);
    if (!r->traffic && !ms_row_in_bytes(r))
        return drawn_tokens(s, r, c, run - s->batch->config[c].first_run, err);
    bool ok = ms_row_in_bytes(r) ? ms_row_bytes(&s->arena, r, &s->traffic)
                                 : ms_row_traffic(&s->arena, r, &s->traffic);
    return ok ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory for traffic");
}

static const struct ms_traffic *traffic(void *ctx, int run, int step, int layer, int group)
{
    const struct ms_batch_source *s = ctx;
    return &s->traffic;
}

struct ms_batch_source *ms_batch_source_create(const struct ms_batches *all,
                                               const struct ms_batch *b,
                                               const struct ms_case_input *in)
{
    struct ms_batch_source *s = calloc(1, sizeof *s);
    if (s)
        *s = (struct ms_batch_source){.all = all, .batch = b, .in = in};
    return s;
}

void ms_batch_source_destroy(struct ms_batch_source *s)
{
    if (!s)
        return;
    ms_demand_destroy(s->demand);
    ms_arena_finish(&s->arena);
    free(s);
}

struct ms_sim_source ms_batch_source_of(struct ms_batch_source *s)
{
    return (struct ms_sim_source){.ctx = s, .traffic = traffic, .begin = begin};
}
