/* What the ranks of a row move: drawn as the row says and scaled, recorded, or bytes evenly spread
 * over the peers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demand/demand.h"
#include "fidelity/batch.h"
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

/* Distinct destinations of T tokens with n of their T x K selections there, expected. */
static double expected_copies(double n, double tokens, int top_k)
{
    return n <= 0 || tokens <= 0 ? 0 : tokens * (1 - pow(1 - fmin(1, n / (tokens * top_k)), top_k));
}

static void recorded_tokens(struct ms_batch_source *s, const struct ms_measured_row *r)
{
    struct ms_traffic *t = &s->traffic;
    const struct ms_measured_traffic *from = r->traffic;
    int G = t->n_ranks, per_rank = t->n_experts / G;
    for (int a = 0; a < G; a++) {
        const struct ms_measured_sender *sender = &from->rank[a];
        double sum = 0;
        for (int e = 0; e < t->n_experts; e++) {
            int b = e / per_rank < G ? e / per_rank : G - 1;
            double n = sender->selections[e];
            t->selections[ms_cell(a, G, b)] += n;
            t->slot_tokens[e] += n;
            t->expert_tokens[e] += n;
            sum += n;
        }
        t->requested += sum;
        for (int b = 0; b < G; b++) {
            double copies = sender->n_copies ? sender->copies_to[b]
                                             : expected_copies(t->selections[ms_cell(a, G, b)],
                                                               sum / r->top_k, r->top_k);
            t->rank_copies[ms_cell(a, G, b)] = copies;
        }
        /* one node: its column is every token that went anywhere */
        for (int k = 0; k < t->n_nodes; k++)
            t->node_copies[ms_cell(a, t->n_nodes, k)] = t->n_nodes == 1 ? sum / r->top_k : 0;
        for (int b = 0; b < G && t->n_nodes > 1; b++) {
            double *node = &t->node_copies[ms_cell(a, t->n_nodes, b / r->gpus_per_node)];
            *node = fmin(sum / r->top_k, *node + t->rank_copies[ms_cell(a, G, b)]);
        }
    }
}

static void scaled(struct ms_traffic *to, const struct ms_traffic *from, double by)
{
    size_t G = (size_t)from->n_ranks, n = (size_t)from->n_nodes;
    for (size_t i = 0; i < G * G; i++) {
        to->selections[i] = by * from->selections[i];
        to->rank_copies[i] = by * from->rank_copies[i];
    }
    for (size_t i = 0; i < G * n; i++)
        to->node_copies[i] = by * from->node_copies[i];
    for (int i = 0; i < from->n_slots; i++)
        to->slot_tokens[i] = by * from->slot_tokens[i];
    for (int i = 0; i < from->n_experts; i++)
        to->expert_tokens[i] = by * from->expert_tokens[i];
    to->requested = by * from->requested;
    to->dropped = by * from->dropped;
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
    if (!ms_traffic_init(&s->traffic, &s->arena, t->n_ranks, t->n_nodes, t->n_slots, t->n_experts))
        return ms_err_set(err, MS_NOMEM, "out of memory for traffic");
    scaled(&s->traffic, t, (double)r->tokens / (double)drawn * (1 - r->masked_share));
    return MS_OK;
}

/* ---- bytes ---- */

static bool is_peer(const struct ms_measured_row *r, int a, int b)
{
    bool other_node = a / r->gpus_per_node != b / r->gpus_per_node;
    return a != b &&
           (r->peers == MS_PEERS_ALL || (r->peers == MS_PEERS_OTHER_NODES && other_node) ||
            (r->peers == MS_PEERS_SAME_RAIL && other_node &&
             a % r->gpus_per_node == b % r->gpus_per_node));
}

/* Recorded tokens, a copy a selection; combine the other way round. */
static void recorded_bytes(struct ms_traffic *t, const struct ms_measured_row *r)
{
    int G = t->n_ranks, per_rank = r->traffic->n_experts / G;
    bool combine = r->leg == MS_LEG_COMBINE;
    double each = ms_measured_copy_bytes(r, r->leg);
    for (int a = 0; a < G; a++)
        for (int e = 0; e < r->traffic->n_experts; e++) {
            int b = e / per_rank < G ? e / per_rank : G - 1;
            t->selections[combine ? ms_cell(b, G, a) : ms_cell(a, G, b)] +=
                each * r->traffic->rank[a].selections[e];
        }
}

/* Every rank sends what the row says to its peers, evenly; with a rank of its own measured, that one
 * sends and receives it, and pairs of others the mean of both. */
static void even_bytes(struct ms_traffic *t, const struct ms_measured_row *r)
{
    int G = t->n_ranks, n = 0;
    for (int b = 0; b < G; b++)
        n += is_peer(r, 0, b);
    double received = r->bytes_received > 0 || r->rank >= 0 ? r->bytes_received : r->bytes_sent;
    for (int a = 0; a < G; a++)
        for (int b = 0; b < G; b++) {
            double all = r->rank < 0 || r->rank == a ? r->bytes_sent
                         : r->rank == b              ? received
                                                     : (r->bytes_sent + received) / 2;
            t->selections[ms_cell(a, G, b)] = a == b             ? r->self_bytes
                                              : is_peer(r, a, b) ? all / n
                                                                 : 0;
        }
}

static enum ms_status in_bytes(struct ms_batch_source *s, const struct ms_measured_row *r,
                               struct ms_err *err)
{
    struct ms_traffic *t = &s->traffic;
    int G = r->ranks, nodes = (G + r->gpus_per_node - 1) / r->gpus_per_node;
    if (!ms_traffic_init(t, &s->arena, G, nodes, 0, 0))
        return ms_err_set(err, MS_NOMEM, "out of memory for traffic");
    t->is_matrix = 1;
    if (r->traffic)
        recorded_bytes(t, r);
    else
        even_bytes(t, r);
    memcpy(t->rank_copies, t->selections, (size_t)G * (size_t)G * sizeof *t->selections);
    for (int a = 0; a < G; a++)
        for (int b = 0; b < G; b++) {
            double bytes = t->selections[ms_cell(a, G, b)];
            t->node_copies[ms_cell(a, nodes, b / r->gpus_per_node)] += bytes;
            t->requested += bytes;
        }
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
    if (ms_row_in_bytes(r))
        return in_bytes(s, r, err);
    if (!r->traffic)
        return drawn_tokens(s, r, c, run - s->batch->config[c].first_run, err);
    if (!ms_traffic_init(&s->traffic, &s->arena, r->ranks,
                         (r->ranks + r->gpus_per_node - 1) / r->gpus_per_node, r->experts,
                         r->experts))
        return ms_err_set(err, MS_NOMEM, "out of memory for traffic");
    recorded_tokens(s, r);
    return MS_OK;
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
