/* The frame of the exchange algorithms: what is de-duplicated, pxn, and that every rank is given
 * exactly what the routing asks for. */
#include "sim/exchange.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/compute.h"

#define X(name) extern const struct ms_exchange ms_exchange_##name;
#include "exchange_registry.inc"
#undef X

static const struct ms_exchange *const table[] = {
#define X(name) &ms_exchange_##name,
#include "exchange_registry.inc"
#undef X
    NULL,
};

const struct ms_exchange *const *ms_exchanges(void)
{
    return table;
}

const struct ms_exchange *ms_exchange_find(const char *name)
{
    for (size_t i = 0; name && table[i]; i++)
        if (!strcmp(table[i]->name, name))
            return table[i];
    return NULL;
}

int ms_exchange_dedup(const struct ms_exchange *x, int dedup)
{
    return dedup == MS_DEDUP_AUTO ? x->auto_dedup : dedup;
}

bool ms_exchange_streams(const struct ms_exchange *x, int forwarding)
{
    return x->streams || (forwarding == MS_FORWARD_PXN && !x->forwards);
}

int ms_exchange_meeting(const struct ms_exchange *x, int meeting)
{
    return meeting == MS_MEETING_AUTO ? x->auto_meeting : meeting;
}

int ms_exchange_completion(const struct ms_exchange *x, int completion)
{
    return completion == MS_COMPLETION_AUTO ? x->auto_completion : completion;
}

uint32_t ms_exchange_messages(double n)
{
    return n <= 1 ? 1 : n >= UINT32_MAX ? UINT32_MAX : (uint32_t)ceil(n);
}

double ms_exchange_node_copies(const struct ms_leg_problem *p, int s, int node)
{
    const struct ms_layout *l = p->layout;
    if (p->dedup == MS_DEDUP_NODE && !p->traffic->is_matrix)
        return p->traffic->node_copies[(size_t)s * (size_t)p->traffic->n_nodes + (size_t)node] *
               p->share;
    double sum = 0;
    for (int i = l->first[node]; i < l->first[node + 1]; i++)
        sum += ms_exchange_copies(p, s, l->member[i]);
    return sum;
}

void ms_exchange_row(const struct ms_leg_problem *p, int s, double *to)
{
    const struct ms_traffic_row *row = &p->traffic->row[s];
    const double *counts = ms_exchange_counts(p, row);
    memset(to, 0, (size_t)p->traffic->n_ranks * sizeof *to);
    for (int i = 0; i < row->n; i++)
        to[row->rank[i]] = counts[i] * p->share;
}

/* Senders are the experts' ranks: the columns. */
static void pairs_of_combine(const struct ms_leg_problem *p, struct ms_leg *leg,
                             void (*send)(const struct ms_leg_problem *p, struct ms_leg *leg,
                                          int from, int to, double copies))
{
    struct ms_arena scratch = {0};
    struct ms_traffic_columns c;
    leg->failed |= !ms_traffic_columns_init(&c, &scratch, p->traffic);
    for (int from = 0; from < leg->n_ranks && !leg->failed; from++) {
        ms_traffic_columns_next(&c, from);
        for (int i = 0; i < c.n; i++) {
            const struct ms_traffic_row *row = &p->traffic->row[c.source[i]];
            double copies = ms_exchange_counts(p, row)[c.entry[i]] * p->share;
            if (c.source[i] != (uint32_t)from && copies > 0)
                send(p, leg, from, (int)c.source[i], copies);
        }
    }
    ms_arena_finish(&scratch);
}

void ms_exchange_pairs(const struct ms_leg_problem *p, struct ms_leg *leg,
                       void (*send)(const struct ms_leg_problem *p, struct ms_leg *leg, int from,
                                    int to, double copies))
{
    if (p->forwarding == MS_FORWARD_NONE)
        ms_leg_reserve(leg, ms_traffic_pairs(p->traffic), 0, 0);
    if (p->combine) {
        pairs_of_combine(p, leg, send);
        return;
    }
    for (int from = 0; from < leg->n_ranks; from++) {
        const struct ms_traffic_row *row = &p->traffic->row[from];
        const double *counts = ms_exchange_counts(p, row);
        for (int i = 0; i < row->n; i++) {
            double copies = counts[i] * p->share;
            if (row->rank[i] != (uint32_t)from && copies > 0)
                send(p, leg, from, (int)row->rank[i], copies);
        }
    }
}

double ms_exchange_tokens(const struct ms_leg_problem *p, int r)
{
    return ms_compute_own_tokens(p->traffic, p->top_k, r) * p->share;
}

double ms_exchange_chunk_s(const struct ms_leg_problem *p, int src, int dst, double bytes)
{
    struct ms_route_hint h = p->route(p->ctx, src, dst);
    return h.latency_s + fmin(p->chunk_bytes, bytes) / h.bandwidth_Bps;
}

/* The local GPU on the destination's rail, or src itself where pxn has nothing to do. */
static int pxn_relay(const struct ms_leg_problem *p, int src, int dst)
{
    const struct ms_layout *l = p->layout;
    if (p->forwarding != MS_FORWARD_PXN || l->node[src] == l->node[dst] ||
        l->rail[src] == l->rail[dst])
        return src;
    int relay = ms_layout_on_rail(l, l->node[src], l->rail[dst]);
    return relay >= 0 ? relay : src;
}

void ms_exchange_send(const struct ms_leg_problem *p, struct ms_leg *leg, uint32_t gate,
                      uint32_t posted, int src, int dst, double copies, uint32_t messages,
                      uint32_t end)
{
    double bytes = copies * p->copy_bytes;
    int relay = pxn_relay(p, src, dst);
    if (p->message_bytes > 0)
        messages = ms_exchange_messages(bytes / p->message_bytes);
    struct ms_leg_flow f = {.gate = gate,
                            .meet = ms_exchange_meet(p, leg, posted, dst),
                            .end = end,
                            .src = src,
                            .dst = dst,
                            .bytes = bytes,
                            .messages = messages,
                            .delivered = bytes};
    if (relay == src) {
        ms_leg_add(leg, &f);
        return;
    }
    struct ms_leg_flow up = f;
    up.dst = relay;
    up.delivered = 0;
    if (p->coupled) {
        up.end = MS_LEG_NONE;
        ms_leg_add_stream(leg, MS_STREAM_OUT, &up, p->chunk_bytes);
        ms_leg_add_part(leg, relay, dst, bytes, bytes, end);
        return;
    }
    uint32_t arrived = ms_leg_join(leg), onward = ms_leg_join(leg);
    up.end = arrived;
    ms_leg_add(leg, &up);
    ms_leg_edge(leg, gate, onward, ms_exchange_chunk_s(p, src, relay, bytes));
    f.gate = onward;
    f.src = relay;
    f.passed_on = true;
    ms_leg_add(leg, &f);
    ms_leg_edge(leg, arrived, end, ms_exchange_chunk_s(p, relay, dst, bytes));
}

/* Copies each rank must be given in all: computed from the counts alone, unless the algorithm moves something
 * else. */
static void owed_copies(const struct ms_exchange *x, const struct ms_leg_problem *p, double *owed)
{
    const struct ms_layout *l = p->layout;
    bool by_node = p->combine && x->per_node_leg;
    for (int s = 0; s < l->n_ranks; s++) {
        const struct ms_traffic_row *row = &p->traffic->row[s];
        const double *counts = ms_exchange_counts(p, row);
        for (int i = 0; i < row->n; i++) {
            int o = (int)row->rank[i];
            if (o != s && (!by_node || l->node[o] == l->node[s]))
                owed[p->combine ? s : o] += counts[i] * p->share;
        }
        for (int n = 0; by_node && n < l->n_nodes; n++)
            if (n != l->node[s])
                owed[s] += ms_exchange_node_copies(p, s, n);
    }
}

static enum ms_status check_bytes(const struct ms_exchange *x, const struct ms_leg_problem *p,
                                  const struct ms_leg *leg, struct ms_err *err)
{
    double *copies = calloc((size_t)leg->n_ranks, sizeof *copies);
    enum ms_status s = MS_OK;
    if (!copies)
        return ms_err_set(err, MS_NOMEM, "out of memory checking an exchange of %d ranks",
                          leg->n_ranks);
    if (x->owed)
        x->owed(p, copies);
    else
        owed_copies(x, p, copies);
    for (int r = 0; r < leg->n_ranks && s == MS_OK; r++) {
        double owed = copies[r] * p->copy_bytes, given = leg->delivered[r];
        if (!(fabs(owed - given) <= 1e-9 * owed))
            s = ms_err_set(
                err, MS_INTERNAL,
                "exchange '%s' gives rank %d %.17g bytes where the routing asks for %.17g", x->name,
                r, given, owed);
    }
    free(copies);
    return s;
}

/* What is sent last still has its way to go: the longer of those to the nearest and the last rank. */
static double way_s(const struct ms_leg_problem *p, int n_ranks)
{
    return n_ranks < 2
               ? 0
               : fmax(p->route(p->ctx, 0, 1).latency_s, p->route(p->ctx, 0, n_ranks - 1).latency_s);
}

/* What ranks work beside the network: nobody's leg ends before what everybody's kernels have sent is
 * there. */
static void add_work(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    uint32_t worked = MS_LEG_NONE;
    for (int r = 0; r < leg->n_ranks; r++) {
        if (!(p->beside_s[r] > 0))
            continue;
        if (worked == MS_LEG_NONE)
            worked = ms_leg_join(leg);
        ms_leg_edge(leg, ms_leg_start(leg, r), worked, p->beside_s[r]);
    }
    double way = worked != MS_LEG_NONE ? way_s(p, leg->n_ranks) : 0;
    for (int r = 0; r < leg->n_ranks && worked != MS_LEG_NONE; r++)
        ms_leg_edge(leg, worked, ms_leg_complete(leg, r), way);
}

enum ms_status ms_exchange_plan(const struct ms_exchange *x, const struct ms_leg_problem *p,
                                struct ms_leg *leg, struct ms_err *err)
{
    struct ms_leg_problem q = *p;
    q.dedup = ms_exchange_dedup(x, p->dedup);
    q.meeting = ms_exchange_meeting(x, p->meeting);
    q.completion = ms_exchange_completion(x, p->completion);
    if (q.dedup == MS_DEDUP_NODE && !x->needs_nodes)
        return ms_err_at(
            err, MS_INVALID, NULL, 0, 0, "exchange.deduplicate",
            "'node' needs an algorithm that forwards within nodes: hierarchical, not %s", x->name);
    if (x->needs_tokens && (p->traffic->is_matrix || p->top_k < 1))
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "exchange.algorithm",
                         "'%s' moves tokens: a byte matrix does not say how many there are",
                         x->name);
    if (x->forwards)
        q.forwarding = MS_FORWARD_NONE;
    ms_leg_init(leg, p->layout->n_ranks, q.meeting == MS_MEETING_GROUP,
                q.completion == MS_COMPLETION_BOTH, q.follows && q.meeting == MS_MEETING_NONE);
    if (!leg->failed)
        x->plan(&q, leg);
    if (!leg->failed && p->beside_s)
        add_work(p, leg);
    enum ms_status s = ms_leg_close(leg, err);
    return s ? s : check_bytes(x, &q, leg, err);
}

double ms_exchange_local_bytes(const struct ms_leg_problem *p)
{
    double copies = 0;
    for (int r = 0; r < p->layout->n_ranks; r++)
        copies += ms_exchange_copies(p, r, r);
    return copies * p->copy_bytes;
}
