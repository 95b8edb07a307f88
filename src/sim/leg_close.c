/* A plan is sorted once: flows by the join that starts them, edges by their source, queues by rank; then
 * checked for what cannot be. */
#include <math.h>
#include <string.h>

#include "sim/leg_parts.h"

/* first[k]..first[k+1]: where the items of key + base = k go. @return whether they are in order
 * already */
static bool count_keys(const uint32_t *key, uint32_t base, uint32_t n, uint32_t n_keys,
                       uint32_t *first)
{
    bool sorted = true;
    memset(first, 0, ((size_t)n_keys + 1) * sizeof *first);
    for (uint32_t i = 0; i < n; i++) {
        first[key[i] + base + 1]++;
        sorted &= !i || key[i - 1] <= key[i];
    }
    for (uint32_t k = 0; k < n_keys; k++)
        first[k + 1] += first[k];
    return sorted;
}

/* to[i] = the place of item i in the order of its key, stable. */
static void places(const uint32_t *key, uint32_t base, uint32_t n, const uint32_t *first,
                   uint32_t n_keys, uint32_t *to, uint32_t *next)
{
    memcpy(next, first, (size_t)n_keys * sizeof *next);
    for (uint32_t i = 0; i < n; i++)
        to[i] = next[key[i] + base]++;
}

static void permute_u32(uint32_t *v, const uint32_t *to, uint32_t n, void *scratch)
{
    uint32_t *t = scratch;
    for (uint32_t i = 0; i < n; i++)
        t[to[i]] = v[i];
    memcpy(v, t, (size_t)n * sizeof *v);
}

static void permute_f64(double *v, const uint32_t *to, uint32_t n, void *scratch)
{
    double *t = scratch;
    for (uint32_t i = 0; i < n; i++)
        t[to[i]] = v[i];
    memcpy(v, t, (size_t)n * sizeof *v);
}

static void permute_flows(struct ms_leg *leg, const uint32_t *to, void *scratch)
{
    uint32_t n = leg->n_flows;
    for (int c = 0; c < MS_LEG_COLUMNS; c++)
        if (leg->written[c])
            permute_u32(leg->column[c], to, n, scratch);
    permute_u32(leg->src, to, n, scratch);
    permute_u32(leg->dst, to, n, scratch);
    permute_f64(leg->bytes, to, n, scratch);
}

/* Index flows by gate, edges by source and queues by rank; sort what is not in order. */
static bool index_all(struct ms_leg *leg)
{
    uint32_t n_max = leg->n_flows > leg->n_edges ? leg->n_flows : leg->n_edges;
    n_max = leg->n_queued > n_max ? leg->n_queued : n_max;
    const uint32_t *gate = leg->written[MS_LEG_GATE] ? leg->column[MS_LEG_GATE] : leg->src;
    uint32_t base = leg->written[MS_LEG_GATE] ? 0 : leg->first_start;
    bool flows = count_keys(gate, base, leg->n_flows, leg->n_joins, leg->gate_first);
    bool edges = count_keys(leg->edge_from, 0, leg->n_edges, leg->n_joins, leg->edge_first);
    uint32_t n_queues = 2 * (uint32_t)leg->n_ranks;
    bool queue = count_keys(leg->queue_of, 0, leg->n_queued, n_queues, leg->queue_first);
    if (flows && edges && queue)
        return true;
    uint32_t *to = ms_huge_alloc((size_t)n_max * sizeof *to);
    uint32_t *next = malloc((size_t)leg->n_joins * sizeof *next);
    void *scratch = ms_huge_alloc((size_t)n_max * sizeof(double));
    bool ok = to && next && scratch;
    if (ok && !flows) {
        places(gate, base, leg->n_flows, leg->gate_first, leg->n_joins, to, next);
        permute_flows(leg, to, scratch);
    }
    if (ok && !edges) {
        places(leg->edge_from, 0, leg->n_edges, leg->edge_first, leg->n_joins, to, next);
        permute_u32(leg->edge_from, to, leg->n_edges, scratch);
        permute_u32(leg->edge_to, to, leg->n_edges, scratch);
        permute_f64(leg->edge_delay_s, to, leg->n_edges, scratch);
    }
    if (ok && !queue) {
        places(leg->queue_of, 0, leg->n_queued, leg->queue_first, n_queues, to, next);
        permute_u32(leg->queue_of, to, leg->n_queued, scratch);
        permute_u32(leg->queue, to, leg->n_queued, scratch);
    }
    free(to);
    free(next);
    free(scratch);
    return ok;
}

/* Flows by the join they meet at, after they are in the order of their gates. */
static bool index_meets(struct ms_leg *leg)
{
    uint32_t *first = leg->meet_first;
    if (!leg->n_meets)
        return true;
    if (leg->n_meets > leg->meet_cap) {
        MS_LEG_GROW(leg, by_meet, leg->n_meets);
        if (leg->failed)
            return false;
        leg->meet_cap = leg->n_meets;
    }
    memset(first, 0, ((size_t)leg->n_joins + 1) * sizeof *first);
    for (uint32_t f = 0; f < leg->n_flows; f++)
        if (ms_leg_meet(leg, f) != MS_LEG_NONE)
            first[ms_leg_meet(leg, f)]++;
    for (uint32_t j = 1; j <= leg->n_joins; j++)
        first[j] += first[j - 1];
    for (uint32_t f = leg->n_flows; f-- > 0;) /* from the back: a join's flows end up in order */
        if (ms_leg_meet(leg, f) != MS_LEG_NONE)
            leg->by_meet[--first[ms_leg_meet(leg, f)]] = f;
    return true;
}

/* The flow or part that cannot be: one was counted when it was added. */
static enum ms_status tell_mistake(const struct ms_leg *leg, struct ms_err *err)
{
    for (uint32_t f = 0; f < leg->n_flows; f++)
        if (leg->src[f] == leg->dst[f] || !(leg->bytes[f] > 0) || !isfinite(leg->bytes[f]))
            return ms_err_set(err, MS_INTERNAL, "flow %u from rank %u to rank %u has %g bytes", f,
                              leg->src[f], leg->dst[f], leg->bytes[f]);
    for (uint32_t f = 0; f < leg->n_flows; f++) {
        struct ms_leg_stream s;
        ms_leg_stream_of(leg, f, &s);
        for (uint32_t i = 0; i < s.n_parts; i++) {
            struct ms_leg_part p = ms_leg_part_of(leg, &s, i);
            if (p.src == p.dst || !(p.bytes > 0) || !isfinite(p.bytes))
                return ms_err_set(err, MS_INTERNAL,
                                  "a stream's part from rank %u to %u has %g bytes", p.src, p.dst,
                                  p.bytes);
        }
    }
    return ms_err_set(err, MS_INTERNAL, "%u flows of the exchange cannot be", leg->mistakes);
}

static enum ms_status check_parts(const struct ms_leg *leg, struct ms_err *err)
{
    const uint32_t *gate = leg->column[MS_LEG_GATE];
    if (leg->mistakes)
        return tell_mistake(leg, err);
    for (uint32_t f = 1; f < leg->n_flows && leg->written[MS_LEG_GATE]; f++)
        if (gate[f] == gate[f - 1] && leg->src[f] != leg->src[f - 1])
            return ms_err_set(err, MS_INTERNAL, "flows of ranks %u and %u start at one gate",
                              leg->src[f - 1], leg->src[f]);
    for (uint32_t e = 0; e < leg->n_edges; e++)
        if (!(leg->edge_delay_s[e] >= 0) || !isfinite(leg->edge_delay_s[e]))
            return ms_err_set(err, MS_INTERNAL, "a step of the exchange waits %g s",
                              leg->edge_delay_s[e]);
    for (uint32_t j = 0; j < leg->n_joins; j++)
        if (!leg->need[j])
            return ms_err_set(err, MS_INTERNAL, "nothing starts join %u of the exchange", j);
    return MS_OK;
}

enum ms_status ms_leg_close(struct ms_leg *leg, struct ms_err *err)
{
    if (!leg->failed && leg->n_joins + 1 > leg->index_cap) {
        uint32_t cap = ms_leg_capacity(leg->index_cap, (size_t)leg->n_joins + 1);
        MS_LEG_GROW(leg, gate_first, cap);
        MS_LEG_GROW(leg, edge_first, cap);
        MS_LEG_GROW(leg, meet_first, cap);
        if (!leg->failed)
            leg->index_cap = cap;
    }
    if (leg->failed || !index_all(leg) || !index_meets(leg))
        return ms_err_set(err, MS_NOMEM, "out of memory planning an exchange of %d ranks",
                          leg->n_ranks);
    return check_parts(leg, err);
}
