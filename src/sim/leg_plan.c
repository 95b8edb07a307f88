/* A plan is built in any order and sorted once: flows by the join that starts them, edges by their
 * source, queues by rank; then checked for what cannot be. */
#include "sim/leg_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROW(leg, array, n)                                                                        \
    do {                                                                                           \
        void *p_ = realloc((leg)->array, (size_t)(n) * sizeof *(leg)->array);                      \
        if (p_)                                                                                    \
            (leg)->array = p_;                                                                     \
        else                                                                                       \
            (leg)->failed = true;                                                                  \
    } while (0)

/* The capacity that holds n: doubled, at least 64. */
static uint32_t capacity_for(uint32_t cap, size_t n)
{
    size_t next = cap > 64 ? cap : 64;
    while (next < n)
        next *= 2;
    return next > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)next;
}

static void reserve_flows(struct ms_leg *leg, size_t n, bool exact)
{
    if (n <= leg->flow_cap || leg->failed)
        return;
    if (n >= UINT32_MAX) {
        leg->failed = true;
        return;
    }
    uint32_t cap = exact ? (uint32_t)n : capacity_for(leg->flow_cap, n);
    GROW(leg, src, cap);
    GROW(leg, dst, cap);
    GROW(leg, end, cap);
    GROW(leg, sent, cap);
    GROW(leg, messages, cap);
    GROW(leg, bytes, cap);
    GROW(leg, gate, cap);
    GROW(leg, meet, cap);
    GROW(leg, stream, cap);
    GROW(leg, phase, cap);
    if (!leg->failed)
        leg->flow_cap = cap;
}

static void reserve_joins(struct ms_leg *leg, size_t n)
{
    if (n <= leg->join_cap || leg->failed)
        return;
    uint32_t cap = capacity_for(leg->join_cap, n);
    GROW(leg, need, cap);
    GROW(leg, ends, cap);
    GROW(leg, send_slot, cap);
    GROW(leg, take_slot, cap);
    if (!leg->failed)
        leg->join_cap = cap;
}

static void reserve_edges(struct ms_leg *leg, size_t n)
{
    if (n <= leg->edge_cap || leg->failed)
        return;
    uint32_t cap = capacity_for(leg->edge_cap, n);
    GROW(leg, edge_from, cap);
    GROW(leg, edge_to, cap);
    GROW(leg, edge_delay_s, cap);
    if (!leg->failed)
        leg->edge_cap = cap;
}

/* Nobody starts before all have entered: one join for the meeting, one a rank behind it. */
static void add_meeting(struct ms_leg *leg)
{
    uint32_t met = ms_leg_join(leg);
    leg->first_start = met + 1;
    for (int r = 0; r < leg->n_ranks; r++)
        ms_leg_edge(leg, ms_leg_entry(r), met, 0);
    for (int r = 0; r < leg->n_ranks; r++)
        ms_leg_edge(leg, met, ms_leg_join(leg), 0);
}

/* A rank starts when it has entered and its sends of the leg before are out, which somebody else
 * tells, as he does when it is clear. */
static void add_queueing(struct ms_leg *leg)
{
    uint32_t n = (uint32_t)leg->n_ranks, first = leg->n_joins;
    for (uint32_t i = 0; i < 3 * n; i++)
        ms_leg_join(leg);
    leg->first_sent = first;
    leg->first_start = first + n;
    leg->first_clear = first + 2 * n;
    for (int r = 0; r < leg->n_ranks && !leg->failed; r++) {
        uint32_t sent = leg->first_sent + (uint32_t)r;
        leg->need[ms_leg_start(leg, r)] = leg->need[ms_leg_clear(leg, r)] = 1;
        ms_leg_edge(leg, ms_leg_entry(r), ms_leg_start(leg, r), 0);
        ms_leg_edge(leg, ms_leg_start(leg, r), sent, 0);
        if (leg->both)
            ms_leg_edge(leg, sent, ms_leg_complete(leg, r), 0);
    }
}

void ms_leg_init(struct ms_leg *leg, int n_ranks, bool group, bool both, bool queued)
{
    leg->n_ranks = n_ranks;
    leg->both = both;
    leg->n_flows = leg->n_joins = leg->n_edges = leg->n_queued = 0;
    leg->n_streams = leg->n_parts = leg->n_meets = 0;
    leg->first_start = 0;
    leg->first_sent = leg->first_clear = MS_LEG_NONE;
    leg->n_phases = 1;
    leg->window = 0;
    leg->total_bytes = 0;
    leg->failed = false;
    if ((uint32_t)n_ranks + 1 > leg->rank_cap) {
        GROW(leg, delivered, n_ranks + 1);
        GROW(leg, queue_first, 2 * n_ranks + 1);
        if (!leg->failed)
            leg->rank_cap = (uint32_t)n_ranks + 1;
    }
    if (leg->failed)
        return;
    memset(leg->delivered, 0, ((size_t)n_ranks + 1) * sizeof *leg->delivered);
    for (int i = 0; i < 2 * n_ranks; i++)
        ms_leg_join(leg);
    for (int r = 0; r < n_ranks && !leg->failed; r++)
        leg->need[r] = 1; /* the entry itself */
    if (group)
        add_meeting(leg);
    if (queued)
        add_queueing(leg);
    for (int r = 0; r < n_ranks && !leg->failed; r++)
        ms_leg_edge(leg, ms_leg_start(leg, r), ms_leg_complete(leg, r), 0);
}

void ms_leg_finish(struct ms_leg *leg)
{
    if (!leg)
        return;
    void *all[] = {leg->src,        leg->dst,        leg->end,         leg->messages,
                   leg->bytes,      leg->gate,       leg->need,        leg->ends,
                   leg->gate_first, leg->edge_first, leg->edge_from,   leg->edge_to,
                   leg->queue,      leg->queue_of,   leg->queue_first, leg->edge_delay_s,
                   leg->send_slot,  leg->delivered,  leg->sent,        leg->meet,
                   leg->stream,     leg->phase,      leg->streams,     leg->parts,
                   leg->meet_first, leg->by_meet,    leg->take_slot};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    memset(leg, 0, sizeof *leg);
}

void ms_leg_reserve(struct ms_leg *leg, size_t n_flows, size_t n_joins, size_t n_edges)
{
    reserve_flows(leg, n_flows, true);
    reserve_joins(leg, n_joins);
    reserve_edges(leg, n_edges);
}

uint32_t ms_leg_join(struct ms_leg *leg)
{
    reserve_joins(leg, (size_t)leg->n_joins + 1);
    if (leg->failed)
        return 0;
    uint32_t j = leg->n_joins++;
    leg->need[j] = leg->ends[j] = leg->send_slot[j] = leg->take_slot[j] = 0;
    return j;
}

void ms_leg_edge(struct ms_leg *leg, uint32_t from, uint32_t to, double delay_s)
{
    reserve_edges(leg, (size_t)leg->n_edges + 1);
    if (leg->failed)
        return;
    uint32_t e = leg->n_edges++;
    leg->edge_from[e] = from;
    leg->edge_to[e] = to;
    leg->edge_delay_s[e] = delay_s;
    leg->need[to]++;
}

/* Join j is told of one more end. */
static void count_end(struct ms_leg *leg, uint32_t j)
{
    if (j != MS_LEG_NONE && !leg->ends[j]++)
        leg->need[j]++;
}

uint32_t ms_leg_sender(const struct ms_leg *leg, int rank)
{
    if (leg->first_sent != MS_LEG_NONE)
        return leg->first_sent + (uint32_t)rank;
    return leg->both ? ms_leg_complete(leg, rank) : MS_LEG_NONE;
}

static void add_flow(struct ms_leg *leg, const struct ms_leg_flow *f, uint32_t sent)
{
    reserve_flows(leg, (size_t)leg->n_flows + 1, false);
    if (leg->failed)
        return;
    uint32_t k = leg->n_flows++;
    leg->src[k] = (uint32_t)f->src;
    leg->dst[k] = (uint32_t)f->dst;
    leg->bytes[k] = f->bytes;
    leg->messages[k] = f->messages;
    leg->gate[k] = f->gate;
    leg->meet[k] = f->meet;
    leg->end[k] = f->end;
    leg->sent[k] = sent;
    leg->stream[k] = 0;
    leg->phase[k] = leg->n_phases - 1;
    leg->n_meets += f->meet != MS_LEG_NONE;
    count_end(leg, f->end);
    count_end(leg, sent);
}

void ms_leg_add(struct ms_leg *leg, const struct ms_leg_flow *f)
{
    add_flow(leg, f, f->passed_on ? MS_LEG_NONE : ms_leg_sender(leg, f->src));
    if (leg->failed)
        return;
    leg->delivered[f->dst] += f->delivered;
    leg->total_bytes += f->bytes;
}

void ms_leg_add_stream(struct ms_leg *leg, enum ms_stream kind, const struct ms_leg_flow *main,
                       double chunk_bytes)
{
    if (leg->n_streams == leg->stream_cap && !leg->failed) {
        uint32_t cap = capacity_for(leg->stream_cap, (size_t)leg->n_streams + 1);
        GROW(leg, streams, cap);
        if (!leg->failed)
            leg->stream_cap = cap;
    }
    add_flow(leg, main, main->passed_on ? MS_LEG_NONE : ms_leg_sender(leg, main->src));
    if (leg->failed)
        return;
    leg->streams[leg->n_streams++] =
        (struct ms_leg_stream){kind, leg->n_parts, 0, chunk_bytes, 0, 0};
    leg->stream[leg->n_flows - 1] = leg->n_streams;
    if (kind == MS_STREAM_LOCAL)
        return;
    leg->delivered[main->dst] += main->delivered;
    leg->total_bytes += main->bytes;
}

void ms_leg_stream_work(struct ms_leg *leg, double owner_s, double forwarder_s)
{
    if (leg->failed || !leg->n_streams)
        return;
    leg->streams[leg->n_streams - 1].owner_s = owner_s;
    leg->streams[leg->n_streams - 1].forwarder_s = forwarder_s;
}

void ms_leg_add_part(struct ms_leg *leg, int src, int dst, double bytes, double delivered,
                     uint32_t end)
{
    if (leg->n_parts == leg->part_cap && !leg->failed) {
        uint32_t cap = capacity_for(leg->part_cap, (size_t)leg->n_parts + 1);
        GROW(leg, parts, cap);
        if (!leg->failed)
            leg->part_cap = cap;
    }
    if (leg->failed)
        return;
    struct ms_leg_stream *s = &leg->streams[leg->n_streams - 1];
    leg->parts[leg->n_parts++] = (struct ms_leg_part){(uint32_t)src, (uint32_t)dst, end, bytes};
    s->n_parts++;
    leg->delivered[dst] += delivered;
    leg->total_bytes += bytes;
    count_end(leg, end);
    if (s->kind == MS_STREAM_IN)
        count_end(leg, ms_leg_sender(leg, src));
}

void ms_leg_phase(struct ms_leg *leg, uint32_t phase)
{
    leg->n_phases = phase + 1;
}

static void add_to_queue(struct ms_leg *leg, uint32_t queue, uint32_t start)
{
    if (leg->n_queued == leg->queue_cap && !leg->failed) {
        uint32_t cap = capacity_for(leg->queue_cap, (size_t)leg->n_queued + 1);
        GROW(leg, queue, cap);
        GROW(leg, queue_of, cap);
        if (!leg->failed)
            leg->queue_cap = cap;
    }
    if (leg->failed)
        return;
    leg->queue[leg->n_queued] = start;
    leg->queue_of[leg->n_queued++] = queue;
    leg->need[start]++;
}

void ms_leg_queue_send(struct ms_leg *leg, int rank, uint32_t start, uint32_t done)
{
    add_to_queue(leg, (uint32_t)rank, start);
    if (!leg->failed)
        leg->send_slot[done] = (uint32_t)rank + 1;
}

void ms_leg_queue_take(struct ms_leg *leg, int rank, uint32_t start, uint32_t done)
{
    add_to_queue(leg, (uint32_t)(leg->n_ranks + rank), start);
    if (!leg->failed)
        leg->take_slot[done] = (uint32_t)rank + 1;
}

/* first[k]..first[k+1]: where the items of key k go. @return whether the keys are in order
 * already */
static bool count_keys(const uint32_t *key, uint32_t n, uint32_t n_keys, uint32_t *first)
{
    bool sorted = true;
    memset(first, 0, ((size_t)n_keys + 1) * sizeof *first);
    for (uint32_t i = 0; i < n; i++) {
        first[key[i] + 1]++;
        sorted &= !i || key[i - 1] <= key[i];
    }
    for (uint32_t k = 0; k < n_keys; k++)
        first[k + 1] += first[k];
    return sorted;
}

/* to[i] = the place of item i in the order of its key, stable. */
static void places(const uint32_t *key, uint32_t n, const uint32_t *first, uint32_t n_keys,
                   uint32_t *to, uint32_t *next)
{
    memcpy(next, first, (size_t)n_keys * sizeof *next);
    for (uint32_t i = 0; i < n; i++)
        to[i] = next[key[i]]++;
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

/* Index flows by gate, edges by source and queues by rank; sort what is not in order. */
static bool index_all(struct ms_leg *leg)
{
    uint32_t n_max = leg->n_flows > leg->n_edges ? leg->n_flows : leg->n_edges;
    n_max = leg->n_queued > n_max ? leg->n_queued : n_max;
    bool flows = count_keys(leg->gate, leg->n_flows, leg->n_joins, leg->gate_first);
    bool edges = count_keys(leg->edge_from, leg->n_edges, leg->n_joins, leg->edge_first);
    uint32_t n_queues = 2 * (uint32_t)leg->n_ranks;
    bool queue = count_keys(leg->queue_of, leg->n_queued, n_queues, leg->queue_first);
    if (flows && edges && queue)
        return true;
    uint32_t *to = malloc((size_t)n_max * sizeof *to);
    uint32_t *next = malloc((size_t)leg->n_joins * sizeof *next);
    void *scratch = malloc((size_t)n_max * sizeof(double));
    bool ok = to && next && scratch;
    if (ok && !flows) {
        uint32_t n = leg->n_flows;
        places(leg->gate, n, leg->gate_first, leg->n_joins, to, next);
        uint32_t *columns[] = {leg->src,  leg->dst,  leg->end,    leg->sent, leg->messages,
                               leg->gate, leg->meet, leg->stream, leg->phase};
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
            permute_u32(columns[c], to, n, scratch);
        permute_f64(leg->bytes, to, n, scratch);
    }
    if (ok && !edges) {
        places(leg->edge_from, leg->n_edges, leg->edge_first, leg->n_joins, to, next);
        permute_u32(leg->edge_from, to, leg->n_edges, scratch);
        permute_u32(leg->edge_to, to, leg->n_edges, scratch);
        permute_f64(leg->edge_delay_s, to, leg->n_edges, scratch);
    }
    if (ok && !queue) {
        places(leg->queue_of, leg->n_queued, leg->queue_first, n_queues, to, next);
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
        GROW(leg, by_meet, leg->n_meets);
        if (leg->failed)
            return false;
        leg->meet_cap = leg->n_meets;
    }
    memset(first, 0, ((size_t)leg->n_joins + 1) * sizeof *first);
    for (uint32_t f = 0; f < leg->n_flows; f++)
        if (leg->meet[f] != MS_LEG_NONE)
            first[leg->meet[f]]++;
    for (uint32_t j = 1; j <= leg->n_joins; j++)
        first[j] += first[j - 1];
    for (uint32_t f = leg->n_flows; f-- > 0;) /* from the back: a join's flows end up in order */
        if (leg->meet[f] != MS_LEG_NONE)
            leg->by_meet[--first[leg->meet[f]]] = f;
    return true;
}

static enum ms_status check_parts(const struct ms_leg *leg, struct ms_err *err)
{
    for (uint32_t f = 0; f < leg->n_flows; f++)
        if (leg->src[f] == leg->dst[f] || !(leg->bytes[f] > 0) || !isfinite(leg->bytes[f]))
            return ms_err_set(err, MS_INTERNAL, "flow %u from rank %u to rank %u has %g bytes", f,
                              leg->src[f], leg->dst[f], leg->bytes[f]);
    for (uint32_t i = 0; i < leg->n_parts; i++) {
        const struct ms_leg_part *p = &leg->parts[i];
        if (p->src == p->dst || !(p->bytes > 0) || !isfinite(p->bytes))
            return ms_err_set(err, MS_INTERNAL, "a stream's part from rank %u to %u has %g bytes",
                              p->src, p->dst, p->bytes);
    }
    for (uint32_t f = 1; f < leg->n_flows; f++)
        if (leg->gate[f] == leg->gate[f - 1] && leg->src[f] != leg->src[f - 1])
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
        uint32_t cap = capacity_for(leg->index_cap, (size_t)leg->n_joins + 1);
        GROW(leg, gate_first, cap);
        GROW(leg, edge_first, cap);
        GROW(leg, meet_first, cap);
        if (!leg->failed)
            leg->index_cap = cap;
    }
    if (leg->failed || !index_all(leg) || !index_meets(leg))
        return ms_err_set(err, MS_NOMEM, "out of memory planning an exchange of %d ranks",
                          leg->n_ranks);
    return check_parts(leg, err);
}
