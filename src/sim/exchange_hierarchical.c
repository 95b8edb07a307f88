/* DeepEP's normal kernels (github.com/deepseek-ai/DeepEP): across the network a token goes once
 * to each destination node, to the GPU on its source's rail there, which passes it on over
 * NVLink. Combine is the reverse: partial sums over NVLink to that GPU, one reduced vector a
 * (token, node) back over the network. Within a node everything goes straight over NVLink. */
#include <stdlib.h>

#include "sim/exchange.h"

/* One stream: rank s and a node of others, through the forwarder f there. */
struct stream {
    int s, node, f;
    double copies, own; /* that cross to the node; those among them for f itself */
    const double *row;  /* [G] copies of s for each rank */
};

static double part_bytes(const struct ms_leg_problem *p, const struct stream *t, int r)
{
    return r == t->f ? 0 : t->row[r] * p->copy_bytes;
}

/* Do the kernels' channels cost anything? Then every hop is a stream. */
static bool has_work(const struct ms_leg_problem *p)
{
    return p->owner_copy_s > 0 || p->forwarder_token_s > 0 || p->forwarder_copy_s > 0;
}

/* The channels' time for the tokens of s that are for `node`: `copies` of them cross or, on their own
 * node, stay. */
static void add_work(const struct ms_leg_problem *p, struct ms_leg *leg, const double *row,
                     int node, double copies)
{
    const struct ms_layout *l = p->layout;
    double passed = 0;
    if (!has_work(p))
        return;
    for (int i = l->first[node]; i < l->first[node + 1]; i++)
        passed += row[l->member[i]];
    ms_leg_stream_work(leg, copies * p->owner_copy_s,
                       copies * p->forwarder_token_s + passed * p->forwarder_copy_s);
}

static bool has_parts(const struct ms_leg_problem *p, const struct stream *t)
{
    const struct ms_layout *l = p->layout;
    bool any = false;
    for (int i = l->first[t->node]; i < l->first[t->node + 1]; i++)
        any = any || part_bytes(p, t, l->member[i]) > 0;
    return any;
}

static struct ms_leg_flow network_hop(const struct ms_leg_problem *p, const struct stream *t)
{
    return (struct ms_leg_flow){.meet = MS_LEG_NONE,
                                .end = MS_LEG_NONE,
                                .src = p->combine ? t->f : t->s,
                                .dst = p->combine ? t->s : t->f,
                                .bytes = t->copies * p->copy_bytes,
                                .messages = ms_exchange_messages(t->copies / p->chunk_tokens)};
}

/* Dispatch, tied: the network hop out of s, and the fan-out a chunk behind. */
static void dispatch_tied(const struct ms_leg_problem *p, struct ms_leg *leg,
                          const struct stream *t, struct ms_leg_flow *hop)
{
    const struct ms_layout *l = p->layout;
    uint32_t arrived = ms_leg_join(leg), fan_out = MS_LEG_NONE;
    hop->end = arrived;
    ms_leg_add(leg, hop);
    if (t->own > 0)
        ms_leg_edge(leg, arrived, ms_leg_complete(leg, t->f), 0);
    for (int i = l->first[t->node]; i < l->first[t->node + 1]; i++) {
        int r = l->member[i];
        double part = part_bytes(p, t, r);
        if (!(part > 0))
            continue;
        if (fan_out == MS_LEG_NONE) {
            fan_out = ms_leg_join(leg);
            ms_leg_edge(leg, hop->gate, fan_out, ms_exchange_chunk_s(p, t->s, t->f, hop->bytes));
        }
        ms_leg_add(leg, &(struct ms_leg_flow){.gate = fan_out,
                                              .meet = hop->meet,
                                              .end = ms_leg_complete(leg, r),
                                              .src = t->f,
                                              .dst = r,
                                              .bytes = part,
                                              .messages = 1,
                                              .delivered = part,
                                              .passed_on = true});
        ms_leg_edge(leg, arrived, ms_leg_complete(leg, r), ms_exchange_chunk_s(p, t->f, r, part));
    }
}

static void dispatch_stream(const struct ms_leg_problem *p, struct ms_leg *leg,
                            const struct stream *t)
{
    const struct ms_layout *l = p->layout;
    struct ms_leg_flow hop = network_hop(p, t);
    hop.gate = ms_leg_start(leg, t->s);
    hop.meet = ms_exchange_meet(p, leg, ms_leg_start(leg, t->f), t->f);
    hop.delivered = t->own * p->copy_bytes;
    if (t->own > 0)
        hop.end = ms_leg_complete(leg, t->f);
    if (!has_parts(p, t) && !(p->coupled && has_work(p))) {
        ms_leg_add(leg, &hop);
    } else if (!p->coupled) {
        dispatch_tied(p, leg, t, &hop);
    } else {
        ms_leg_add_stream(leg, MS_STREAM_OUT, &hop, p->chunk_bytes);
        add_work(p, leg, t->row, t->node, t->copies);
        for (int i = l->first[t->node]; i < l->first[t->node + 1]; i++) {
            int r = l->member[i];
            double part = part_bytes(p, t, r);
            if (part > 0)
                ms_leg_add_part(leg, t->f, r, part, part, ms_leg_complete(leg, r));
        }
    }
}

/* Combine, tied: the ranks of the node to f, and the sums to s a chunk behind. */
static void combine_tied(const struct ms_leg_problem *p, struct ms_leg *leg, const struct stream *t,
                         struct ms_leg_flow *hop)
{
    const struct ms_layout *l = p->layout;
    uint32_t onward = ms_leg_join(leg), gathered = MS_LEG_NONE;
    if (t->own > 0)
        ms_leg_edge(leg, ms_leg_start(leg, t->f), onward, 0);
    for (int i = l->first[t->node]; i < l->first[t->node + 1]; i++) {
        int r = l->member[i];
        double part = part_bytes(p, t, r);
        if (!(part > 0))
            continue;
        if (gathered == MS_LEG_NONE) {
            gathered = ms_leg_join(leg);
            ms_leg_edge(leg, gathered, ms_leg_complete(leg, t->s),
                        ms_exchange_chunk_s(p, t->f, t->s, hop->bytes));
        }
        ms_leg_add(leg, &(struct ms_leg_flow){.gate = ms_leg_start(leg, r),
                                              .meet = hop->meet,
                                              .end = gathered,
                                              .src = r,
                                              .dst = t->f,
                                              .bytes = part,
                                              .messages = 1});
        ms_leg_edge(leg, ms_leg_start(leg, r), onward, ms_exchange_chunk_s(p, r, t->f, part));
    }
    hop->gate = onward;
    ms_leg_add(leg, hop);
}

/* When all have entered that add something to a sum. */
static uint32_t contributors(const struct ms_leg_problem *p, struct ms_leg *leg,
                             const struct stream *t)
{
    const struct ms_layout *l = p->layout;
    if (p->meeting == MS_MEETING_GROUP)
        return ms_leg_start(leg, t->f);
    uint32_t all = ms_leg_join(leg);
    if (t->own > 0)
        ms_leg_edge(leg, ms_leg_start(leg, t->f), all, 0);
    for (int i = l->first[t->node]; i < l->first[t->node + 1]; i++)
        if (part_bytes(p, t, l->member[i]) > 0)
            ms_leg_edge(leg, ms_leg_start(leg, l->member[i]), all, 0);
    return all;
}

/* The same stream backwards: the ranks of the node to f, reduced, to s. */
static void combine_stream(const struct ms_leg_problem *p, struct ms_leg *leg,
                           const struct stream *t)
{
    const struct ms_layout *l = p->layout;
    struct ms_leg_flow hop = network_hop(p, t);
    hop.end = ms_leg_complete(leg, t->s);
    hop.meet = ms_exchange_meet(p, leg, ms_leg_start(leg, t->s), t->s);
    hop.delivered = hop.bytes;
    hop.passed_on = !(t->own > 0);
    if (!has_parts(p, t) && !(p->coupled && has_work(p))) {
        hop.gate = ms_leg_start(leg, t->f);
        ms_leg_add(leg, &hop);
    } else if (!p->coupled) {
        combine_tied(p, leg, t, &hop);
    } else {
        hop.gate = contributors(p, leg, t);
        ms_leg_add_stream(leg, MS_STREAM_IN, &hop, p->chunk_bytes);
        add_work(p, leg, t->row, t->node, t->copies);
        for (int i = l->first[t->node]; i < l->first[t->node + 1]; i++) {
            int r = l->member[i];
            double part = part_bytes(p, t, r);
            if (part > 0)
                ms_leg_add_part(leg, r, t->f, part, 0, MS_LEG_NONE);
        }
    }
}

/* Rank s and the others of its own node: one stream, straight over NVLink. */
static void within_node(const struct ms_leg_problem *p, struct ms_leg *leg, int s,
                        const double *row)
{
    const struct ms_layout *l = p->layout;
    int node = l->node[s];
    struct ms_leg_flow all = {.gate = ms_leg_start(leg, s),
                              .meet = MS_LEG_NONE,
                              .end = MS_LEG_NONE,
                              .src = s,
                              .dst = -1,
                              .messages = 1};
    for (int i = l->first[node]; i < l->first[node + 1]; i++) {
        int r = l->member[i];
        double part = r == s ? 0 : ms_exchange_sent(p, s, r) * p->copy_bytes;
        if (part > 0 && (!p->coupled || p->meeting == MS_MEETING_PAIR))
            ms_leg_add(leg, &(struct ms_leg_flow){
                                .gate = ms_leg_start(leg, s),
                                .meet = ms_exchange_meet(p, leg, ms_leg_start(leg, r), r),
                                .end = ms_leg_complete(leg, r),
                                .src = s,
                                .dst = r,
                                .bytes = part,
                                .messages = 1,
                                .delivered = part});
        else
            all.bytes += part;
    }
    if (!(all.bytes > 0))
        return;
    ms_leg_add_stream(leg, MS_STREAM_LOCAL, &all, 0);
    if (p->layout->n_nodes > 1)
        add_work(p, leg, row, node, ms_exchange_node_copies(p, s, node));
    for (int i = l->first[node]; i < l->first[node + 1]; i++) {
        int r = l->member[i];
        double part = r == s ? 0 : ms_exchange_sent(p, s, r) * p->copy_bytes;
        if (part > 0)
            ms_leg_add_part(leg, s, r, part, part, ms_leg_complete(leg, r));
    }
}

static void plan(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    double *row = malloc((size_t)leg->n_ranks * sizeof *row);
    leg->failed |= !row;
    for (int s = 0; s < leg->n_ranks && !leg->failed; s++) {
        ms_exchange_row(p, s, row);
        within_node(p, leg, s, row);
        for (int node = 0; node < p->layout->n_nodes; node++) {
            struct stream t = {.s = s, .node = node, .row = row};
            if (node == p->layout->node[s])
                continue;
            t.copies = ms_exchange_node_copies(p, s, node);
            if (!(t.copies > 0))
                continue;
            t.f = ms_layout_forward(p->layout, node, s);
            t.own = row[t.f];
            if (p->combine)
                combine_stream(p, leg, &t);
            else
                dispatch_stream(p, leg, &t);
        }
    }
    free(row);
}

const struct ms_exchange ms_exchange_hierarchical = {
    .name = "hierarchical",
    .help = "one copy per token and node over the network, NVLink fan-out there, as DeepEP's "
            "normal kernels",
    .auto_dedup = MS_DEDUP_NODE,
    .kernels = MS_KERNELS_NORMAL,
    .auto_meeting = MS_MEETING_GROUP,
    .auto_completion = MS_COMPLETION_BOTH,
    .streams = true, /* kernels walk the tokens in order, through one buffer */
    .needs_nodes = true,
    .forwards = true,
    .chunked = true,
    .per_node_leg = true,
    .leg_cpu_s = {3e-3, 1.4},
    .plan = plan,
};
