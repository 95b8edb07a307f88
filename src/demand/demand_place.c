/* Decides who holds what: a strategy, the past loads it sees and what its slots would cost; and what
 * crosses when a later placement takes over. One placement serves all groups whose ranks sit alike. */
#include <stdlib.h>

#include "demand/demand_cost.h"
#include "place/moves.h"
#include "routing/preset.h"

static enum ms_status solve(struct ms_demand *d, int epoch, const double *load,
                            const struct ms_demand_past *past, uint64_t stream, struct ms_err *err)
{
    for (int q = 0; q < d->Q; q++) {
        struct ms_placement *mine = &d->placement[ms_cell(epoch, d->Q, q)];
        if (d->group_placement[q] != q)
            continue;
        struct ms_place_problem p = {.n_layers = d->L,
                                     .n_experts = d->E,
                                     .n_ranks = d->G,
                                     .n_slots = d->S,
                                     .n_nodes = d->group_nodes[q],
                                     .n_groups = d->in.model->groups,
                                     .node_copies = d->in.node_copies,
                                     .load = load,
                                     .map = d->strategy->needs_map ? &d->map : NULL,
                                     .moe_layers = d->in.model->moe_layers,
                                     .batch_load = past->load,
                                     .n_batches = past->n_batches,
                                     .follows = past->follows,
                                     .rank_node = ms_demand_rank_node(d, q)};
        if (epoch > 0) {
            p.old = d->placement[ms_cell(epoch - 1, d->Q, q)].slot_expert;
            p.limit_slots = d->in.place->rebalance.limit_slots;
        }
        struct ms_place_costing costing = {.d = d, .group = q, .past = past};
        if (past->load && !ms_demand_costing(&costing, &p))
            return ms_err_set(err, MS_NOMEM, "out of memory");
        struct ms_rng rng;
        ms_rng_init(&rng, d->in.seed, "placement", stream, (uint64_t)epoch, 0);
        struct ms_placement fresh = {0};
        enum ms_status s = ms_place_solve(d->strategy, &p, &rng, &fresh, err);
        ms_demand_costing_finish(&costing);
        if (s != MS_OK)
            return s;
        ms_place_finish(mine);
        *mine = fresh;
    }
    return MS_OK;
}

static enum ms_status find_strategy(struct ms_demand *d, struct ms_err *err)
{
    const char *name = d->in.place->strategy, *names[64];
    char allowed[512];
    size_t n = 0;
    d->strategy = ms_place_find(name);
    if (d->strategy)
        return MS_OK;
    for (const struct ms_place_strategy *const *s = ms_place_strategies(); *s && n < 64; s++)
        names[n++] = (*s)->name;
    return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.strategy", "'%s' is not a placement%s",
                     name, ms_allowed(allowed, sizeof allowed, name, names, n));
}

/* The map of a strategy that copies one: it says how many slots there are. */
static enum ms_status read_map(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_place_params *p = d->in.place;
    if (!d->strategy->needs_map)
        return MS_OK;
    if (!p->map)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.map",
                         "must be given for placement.strategy: %s", p->strategy);
    enum ms_status s = ms_place_map_read(p->map, &d->map, err);
    if (s != MS_OK)
        return s;
    d->S = d->map.n_slots;
    if (d->S >= d->E && d->S % d->G == 0 && d->S <= MS_MOST_SLOTS)
        return MS_OK;
    return ms_err_at(err, MS_INVALID, p->map, 0, 0, "placement.map",
                     "%d slots do not fit: they must be a multiple of the %d ranks, at least the "
                     "%d experts and at most %d",
                     d->S, d->G, d->E, MS_MOST_SLOTS);
}

/* With equal loads for now: what does not fit shows. */
enum ms_status ms_demand_open_placement(struct ms_demand *d, struct ms_err *err)
{
    enum ms_status s = find_strategy(d, err);
    if (s == MS_OK)
        s = read_map(d, err);
    if (s != MS_OK)
        return s;
    if (d->strategy->needs_follows && !d->trace.ids)
        return ms_err_at(
            err, MS_INVALID, NULL, 0, 0, "placement.strategy",
            "'%s' needs to know which experts the same token uses in consecutive layers: "
            "a trace of token ids has them, counts and laws have not",
            d->strategy->name);
    int every = d->in.place->rebalance.every;
    if (every > 0 && every < d->P && d->strategy->needs_load) {
        d->epoch_steps = every;
        d->n_epochs = (d->P + every - 1) / every;
    }
    d->placement = MS_NEW(&d->arena, struct ms_placement, (size_t)d->n_epochs * (size_t)d->Q);
    double *load = MS_NEW(&d->run, double, ms_cell(d->L, d->E, 0));
    if (!d->placement || !load)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < ms_cell(d->L, d->E, 0); i++)
        load[i] = 1;
    return solve(d, 0, load, &(struct ms_demand_past){0}, 0, err);
}

/* How often an expert of a layer follows one of the layer before, over all tokens of the trace. Kept:
 * it is the same in every repeat. */
static const double *follows_of(struct ms_demand *d)
{
    const struct ms_trace *t = &d->trace;
    size_t E = (size_t)d->E, K = (size_t)d->K;
    if (!d->strategy->needs_follows || !t->ids || d->follows || d->L < 2)
        return d->follows;
    d->follows = MS_NEW(&d->arena, double, (size_t)(d->L - 1) * E * E);
    for (int l = 0; l + 1 < d->L && d->follows; l++)
        for (int i = 0; i < t->n_tokens; i++) {
            const uint16_t *a = t->ids + ms_cell(i, t->n_layers, l % t->n_layers) * K;
            const uint16_t *b = t->ids + ms_cell(i, t->n_layers, (l + 1) % t->n_layers) * K;
            for (size_t j = 0; j < K * K; j++)
                if (a[j / K] < E && b[j % K] < E)
                    d->follows[((size_t)l * E + a[j / K]) * E + b[j % K]]++;
        }
    return d->follows;
}

enum ms_status ms_demand_draw_placement(struct ms_demand *d, int repeat, int epoch,
                                        struct ms_err *err)
{
    struct ms_demand_past past = {.follows = follows_of(d)};
    double *load = MS_NEW(&d->run, double, ms_cell(d->L, d->E, 0));
    if (!load)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    enum ms_status s = ms_demand_past_loads(d, repeat, epoch, &past.load, &past.n_batches, err);
    size_t n = ms_cell(d->L, d->E, 0);
    for (size_t i = 0; s == MS_OK && i < n * (size_t)past.n_batches; i++)
        load[i % n] += past.load[i];
    return s == MS_OK ? solve(d, epoch, load, &past, (uint64_t)repeat, err) : s;
}

/* ---- what crosses ---- */

/* The pairs of ranks that anything goes between. count [G][G] is zeroed. */
static enum ms_status list_pairs(struct ms_demand *d, double *count, struct ms_demand_moves *out,
                                 struct ms_err *err)
{
    size_t n = (size_t)d->G * (size_t)d->G, at = 0;
    double bytes = ms_model_expert_bytes(d->in.model);
    for (size_t i = 0; i < n; i++)
        out->n += count[i] > 0;
    out->move = MS_NEW(&d->run, struct ms_move, out->n + 1);
    if (!out->move)
        return ms_err_set(err, MS_NOMEM, "out of memory for %zu moves", out->n);
    for (size_t i = 0; i < n; i++) {
        if (count[i] > 0)
            out->move[at++] = (struct ms_move){(int)(i / (size_t)d->G), (int)(i % (size_t)d->G),
                                               count[i] * bytes};
        count[i] = 0;
    }
    return MS_OK;
}

static enum ms_status moves_of_group(struct ms_demand *d, int epoch, int group, double *count,
                                     int *sent, struct ms_err *err)
{
    const struct ms_placement *to = &d->placement[ms_cell(epoch, d->Q, group)];
    const struct ms_placement *from = &d->placement[ms_cell(epoch - 1, d->Q, group)];
    bool together = d->in.place->rebalance.overlap == MS_REBALANCE_BEFORE;
    enum ms_status s = MS_OK;
    for (int r = 0; r < d->G; r++)
        sent[r] = 0;
    for (int l = 0; l < d->L && s == MS_OK; l++) {
        size_t row = ms_cell(epoch, d->L, together ? 0 : l), at = ms_cell(l, d->S, 0);
        struct ms_demand_moves *m = &d->moves[row * (size_t)d->Q + (size_t)group];
        m->experts += ms_place_moves(ms_demand_rank_node(d, group), d->G, from->slot_expert + at,
                                     d->S, to->slot_expert + at, d->S, sent, count);
        if (!together || l + 1 == d->L)
            s = list_pairs(d, count, m, err);
    }
    return s;
}

enum ms_status ms_demand_list_moves(struct ms_demand *d, int epoch, struct ms_err *err)
{
    double *count = MS_NEW(&d->run, double, (size_t)d->G *(size_t)d->G);
    int *sent = MS_NEW(&d->run, int, (size_t)d->G);
    enum ms_status s = count && sent ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    for (int q = 0; q < d->Q && s == MS_OK; q++) {
        if (d->group_placement[q] == q) {
            s = moves_of_group(d, epoch, q, count, sent, err);
            continue;
        }
        for (int l = 0; l < d->L; l++) { /* the same in every group that sits alike */
            size_t row = ms_cell(epoch, d->L, l) * (size_t)d->Q;
            d->moves[row + (size_t)q] = d->moves[row + (size_t)d->group_placement[q]];
        }
    }
    return s;
}
