/* DeepEP's normal kernels (github.com/deepseek-ai/DeepEP): across the network a token goes once
 * to each destination node, to the GPU on its source's rail there, which passes it on over
 * NVLink. Combine is the reverse: partial sums over NVLink to that GPU, one reduced vector a
 * (token, node) back over the network. Within a node everything goes straight over NVLink. */
#include "sim/exchange.h"

/* Rank s and a node of others: one stream out of s, fanned out by the forwarder f. */
static void dispatch_stream(const struct ms_leg_problem *p, struct ms_leg *leg, int s, int node)
{
    const struct ms_layout *l = p->layout;
    double copies = ms_exchange_node_copies(p, s, node);
    if (!(copies > 0))
        return;
    int f = ms_layout_forward(l, node, s);
    double bytes = copies * p->copy_bytes, own = ms_exchange_copies(p, s, f);
    uint32_t arrived = ms_leg_join(leg), fan_out = MS_LEG_NONE;
    ms_leg_flow(leg, ms_leg_entry(s), s, f, bytes, ms_exchange_messages(copies / p->chunk_tokens),
                own * p->copy_bytes, arrived);
    if (own > 0)
        ms_leg_edge(leg, arrived, ms_leg_complete(leg, f), 0);
    for (int i = l->first[node]; i < l->first[node + 1]; i++) {
        int r = l->member[i];
        double part = r == f ? 0 : ms_exchange_copies(p, s, r) * p->copy_bytes;
        if (!(part > 0))
            continue;
        if (fan_out == MS_LEG_NONE) {
            fan_out = ms_leg_join(leg);
            ms_leg_edge(leg, ms_leg_entry(s), fan_out, ms_exchange_chunk_s(p, s, f, bytes));
        }
        ms_leg_flow(leg, fan_out, f, r, part, 1, part, ms_leg_complete(leg, r));
        ms_leg_edge(leg, arrived, ms_leg_complete(leg, r), ms_exchange_chunk_s(p, f, r, part));
    }
}

/* The same stream backwards: the ranks of the node to f, reduced, to s. */
static void combine_stream(const struct ms_leg_problem *p, struct ms_leg *leg, int s, int node)
{
    const struct ms_layout *l = p->layout;
    double copies = ms_exchange_node_copies(p, s, node);
    if (!(copies > 0))
        return;
    int f = ms_layout_forward(l, node, s);
    double bytes = copies * p->copy_bytes;
    uint32_t onward = ms_leg_join(leg), gathered = MS_LEG_NONE;
    if (ms_exchange_copies(p, s, f) > 0)
        ms_leg_edge(leg, ms_leg_entry(f), onward, 0);
    for (int i = l->first[node]; i < l->first[node + 1]; i++) {
        int r = l->member[i];
        double part = r == f ? 0 : ms_exchange_copies(p, s, r) * p->copy_bytes;
        if (!(part > 0))
            continue;
        if (gathered == MS_LEG_NONE) {
            gathered = ms_leg_join(leg);
            ms_leg_edge(leg, gathered, ms_leg_complete(leg, s),
                        ms_exchange_chunk_s(p, f, s, bytes));
        }
        ms_leg_flow(leg, ms_leg_entry(r), r, f, part, 1, 0, gathered);
        ms_leg_edge(leg, ms_leg_entry(r), onward, ms_exchange_chunk_s(p, r, f, part));
    }
    ms_leg_flow(leg, onward, f, s, bytes, ms_exchange_messages(copies / p->chunk_tokens), bytes,
                ms_leg_complete(leg, s));
}

/* Rank s and the others of its own node. */
static void within_node(const struct ms_leg_problem *p, struct ms_leg *leg, int s)
{
    const struct ms_layout *l = p->layout;
    int node = l->node[s];
    for (int i = l->first[node]; i < l->first[node + 1]; i++) {
        int r = l->member[i];
        double part = r == s ? 0 : ms_exchange_sent(p, s, r) * p->copy_bytes;
        if (part > 0)
            ms_leg_flow(leg, ms_leg_entry(s), s, r, part, 1, part, ms_leg_complete(leg, r));
    }
}

static void plan(const struct ms_leg_problem *p, struct ms_leg *leg)
{
    for (int s = 0; s < leg->n_ranks; s++) {
        within_node(p, leg, s);
        for (int node = 0; node < p->layout->n_nodes; node++) {
            if (node == p->layout->node[s])
                continue;
            if (p->combine)
                combine_stream(p, leg, s, node);
            else
                dispatch_stream(p, leg, s, node);
        }
    }
}

const struct ms_exchange ms_exchange_hierarchical = {
    .name = "hierarchical",
    .help = "one copy per token and node over the network, NVLink fan-out there, as DeepEP's "
            "normal kernels",
    .auto_dedup = MS_DEDUP_NODE,
    .needs_nodes = true,
    .forwards = true,
    .per_node_leg = true,
    .leg_cpu_s = {5.3e-3, 0.1},
    .plan = plan,
};
