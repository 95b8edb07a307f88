/* Decides what a layer's slots would cost past batches: over batches, the sum of the fullest rank and
 * of the fullest node's network port, each against an even spread, under the replica choice in
 * use. */
#include "demand/demand_cost.h"

#include <math.h>
#include <string.h>

enum { WITHIN = 1000 }; /* a split's fullest rank, to one part in so many */
/* What the cost of a batch may be above that of the best so far, and the others make up for. */
static const double BY_CHANCE = 0.002;

/* Part of an expert's tokens that reach a node from other nodes: what its copies take beyond the
 * node's own tokens, which go there first. */
static double from_outside(double taken, double own)
{
    return taken > own ? taken - own : 0;
}

/* The fullest node's port against an even spread. Node copies (one a token and node): a token of
 * another node needs the node unless it misses all of its experts. Else every selection counts. */
static double port_load(struct ms_place_costing *c, const double *load, double total)
{
    const struct ms_demand *d = c->d;
    const struct ms_copies *v = &c->copies;
    const int *rank_node = ms_demand_rank_node(d, c->group);
    int N = d->group_nodes[c->group];
    bool by_node = d->in.node_copies;
    double most = 0, even;
    if (N < 2)
        return 0;
    for (int n = 0; n < N; n++)
        c->node_take[n] = 0;
    for (int e = 0; e < d->E; e++) {
        int first = v->start[e], end = v->start[e + 1];
        double pi = fmin(load[e] / total * d->K, 1);
        for (int k = first; k < end && load[e] > 0; k++) {
            int node = rank_node[v->rank[k]];
            double taken = 0, own = (double)c->node_size[node] / d->G;
            bool seen = false;
            for (int i = first; i < end; i++) {
                if (rank_node[v->rank[i]] != node)
                    continue;
                seen |= i < k;
                taken += c->part[i] / load[e];
            }
            if (seen)
                continue;
            double q = from_outside(taken, own) / fmax(1 - own, 1e-9);
            c->node_take[node] += by_node ? log1p(-fmin(pi * q, 0.999999)) : pi * q;
        }
    }
    for (int n = 0; n < N; n++)
        most = fmax(most, by_node ? -expm1(c->node_take[n]) : c->node_take[n]);
    even = by_node ? -expm1(d->K * log1p(-1.0 / N)) : (double)d->K / N;
    return most / even;
}

/* What every copy takes of a batch: the best split, or the planned shares. @return the fullest rank */
static double take(struct ms_place_costing *c, const double *load, bool splits)
{
    const struct ms_copies *v = &c->copies;
    double most = 0;
    if (splits)
        return ms_split_balanced(v, load, 1.0 / WITHIN, &c->scratch, c->part, c->rank_load);
    memset(c->rank_load, 0, (size_t)c->d->G * sizeof *c->rank_load);
    for (int e = 0; e < c->d->E; e++)
        for (int k = v->start[e]; k < v->start[e + 1]; k++) {
            c->part[k] = load[e] * c->share[k];
            c->rank_load[v->rank[k]] += c->part[k];
        }
    for (int r = 0; r < c->d->G; r++)
        most = fmax(most, c->rank_load[r]);
    return most;
}

/* Shares by the best split of all batches together. */
static void plan(struct ms_place_costing *c, int layer)
{
    const struct ms_copies *v = &c->copies;
    const struct ms_demand *d = c->d;
    memset(c->mean, 0, (size_t)d->E * sizeof *c->mean);
    for (int b = 0; b < c->past->n_batches; b++)
        for (int e = 0; e < d->E; e++)
            c->mean[e] += c->past->load[ms_cell(b, d->L, layer) * (size_t)d->E + (size_t)e];
    ms_split_balanced(v, c->mean, 1.0 / WITHIN, &c->scratch, c->part, c->rank_load);
    for (int e = 0; e < d->E; e++)
        for (int k = v->start[e]; k < v->start[e + 1]; k++)
            c->share[k] =
                c->mean[e] > 0 ? c->part[k] / c->mean[e] : 1.0 / (v->start[e + 1] - v->start[e]);
}

/* Are slots that cost `sum` in the first batches, b the last of them, worth a look at the others? Most
 * that cost more in the end do so from the start. */
static bool is_worth(const struct ms_place_costing *c, int layer, int b, double sum)
{
    return c->best_layer != layer || sum <= c->best_sum[b] + BY_CHANCE * sqrt(b + 1.0);
}

/* What every copy takes of its expert where that does not hang on loads: the fixed choice of every
 * source, or all copies alike. */
static void expect(struct ms_place_costing *c, const struct ms_replica_choice *choice)
{
    const struct ms_copies *v = &c->copies;
    const struct ms_demand *d = c->d;
    struct ms_replica_world w = {.n_nodes = d->group_nodes[c->group],
                                 .rank_node = ms_demand_rank_node(d, c->group),
                                 .node_size = c->node_size,
                                 .copies = *v};
    for (int e = 0; e < d->E; e++) {
        int first = v->start[e], n = v->start[e + 1] - first;
        bool fixed = n > 1 && choice->fixed;
        for (int k = first; k < first + n; k++)
            c->share[k] = fixed ? 0 : 1.0 / n;
        for (int r = 0; r < d->G && fixed; r++)
            c->share[choice->fixed(&w, r, e)] += 1.0 / d->G;
    }
}

static double cost(void *ctx, int layer, const int *slot_expert, double limit, int *fullest,
                   double *share)
{
    struct ms_place_costing *c = ctx;
    const struct ms_demand *d = c->d;
    const struct ms_replica_choice *choice = ms_replica_of(d->in.place);
    bool splits = choice->evens;
    double sum = 0, worst = 0;
    ms_copies_fill(&c->copies, slot_expert);
    if (choice->keeps_plan && !splits)
        plan(c, layer);
    else if (!splits)
        expect(c, choice);
    for (int b = 0; b < c->past->n_batches && sum < INFINITY; b++) {
        const double *load = c->past->load + ms_cell(b, d->L, layer) * (size_t)d->E;
        double total = 0, top;
        for (int e = 0; e < d->E; e++)
            total += load[e];
        c->now_sum[b] = sum;
        if (total <= 0)
            continue;
        top = take(c, load, splits) * d->G / total;
        sum += top + port_load(c, load, total);
        c->now_sum[b] = sum;
        if (sum > limit || !is_worth(c, layer, b, sum)) {
            sum = INFINITY;
            break;
        }
        if (!fullest || top <= worst)
            continue;
        worst = top;
        for (int r = 0; r < d->G; r++)
            if (c->rank_load[r] * d->G / total >= top * (1 - 1e-9))
                *fullest = r;
    }
    if (sum < limit) { /* taken over */
        c->best_layer = layer;
        memcpy(c->best_sum, c->now_sum, (size_t)c->past->n_batches * sizeof *c->best_sum);
    }
    for (int i = 0; share && i < d->S; i++)
        share[i] = 0;
    for (int k = 0; share && k < c->copies.start[d->E]; k++)
        share[c->copies.slot[k]] = splits ? 1 : c->share[k];
    return sum;
}

bool ms_demand_costing(struct ms_place_costing *c, struct ms_place_problem *p)
{
    const struct ms_demand *d = c->d;
    size_t S = (size_t)d->S, N = (size_t)d->group_nodes[c->group];
    const int *rank_node = ms_demand_rank_node(d, c->group);
    bool ok = ms_copies_init(&c->copies, &c->arena, d->E, d->G, d->S) &&
              ms_split_init(&c->scratch, &c->arena, d->G, d->S);
    c->mean = MS_NEW(&c->arena, double, (size_t)d->E);
    c->part = MS_NEW(&c->arena, double, S);
    c->share = MS_NEW(&c->arena, double, S);
    c->best_layer = -1;
    c->best_sum = MS_NEW(&c->arena, double, (size_t)c->past->n_batches);
    c->now_sum = MS_NEW(&c->arena, double, (size_t)c->past->n_batches);
    c->rank_load = MS_NEW(&c->arena, double, (size_t)d->G);
    c->node_take = MS_NEW(&c->arena, double, N);
    c->node_size = MS_NEW(&c->arena, int, N);
    ok = ok && c->best_sum && c->now_sum && c->mean && c->part && c->share && c->rank_load &&
         c->node_take && c->node_size;
    for (int r = 0; r < d->G && ok; r++)
        c->node_size[rank_node[r]]++;
    p->cost = cost;
    p->cost_ctx = c;
    return ok;
}

void ms_demand_costing_finish(struct ms_place_costing *c)
{
    ms_arena_finish(&c->arena);
}
