/* Loads of a leg: expected ones of an even routing, and those of given traffic. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "hardware/form.h"

/* Share of the draws of `picked` out of `all` that leave out `kept_out` given ones, without
 * replacement. */
static double none_of(double all, double kept_out, int picked)
{
    double share = 1;
    for (int i = 0; i < picked; i++)
        share *= fmax(0, all - kept_out - i) / (all - i);
    return share;
}

/* A token's distinct parts where only the experts of its best groups count, a group being as good
 * as its best expert (DeepEP's tests). Scores are alike, so ranks in a random order do. */
static double reach_of_groups(const struct ms_form_case *c, int parts)
{
    enum { TOKENS = 4096, MOST = 4096 };
    int order[MOST], n = c->experts < MOST ? c->experts : MOST;
    double found = 0;
    struct ms_rng rng;
    ms_rng_init(&rng, 1, "reach", (uint64_t)n, (uint64_t)c->groups, (uint64_t)parts);
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int t = 0; t < TOKENS; t++) {
        unsigned char in_group[MOST] = {0}, in_part[MOST] = {0};
        ms_rng_shuffle(&rng, order, (size_t)n);
        for (int i = 0, groups = 0; i < n && groups < c->group_limit; i++) {
            int g = (int)((long)order[i] * c->groups / n);
            groups += !in_group[g];
            in_group[g] = 1;
        }
        for (int i = 0, k = 0; i < n && k < c->top_k; i++) {
            int p = (int)((long)order[i] * parts / n);
            if (!in_group[(long)order[i] * c->groups / n])
                continue;
            k++;
            found += !in_part[p];
            in_part[p] = 1;
        }
    }
    return found / TOKENS;
}

double ms_form_reach(const struct ms_form_case *c, int parts)
{
    if (c->perfect && parts == c->ranks)
        return fmin(c->top_k, parts);
    if (c->experts < parts || parts < 1)
        return 1;
    if (c->groups > 0 && c->group_limit > 0 && c->group_limit < c->groups)
        return reach_of_groups(c, parts);
    return parts * (1 - none_of(c->experts, (double)c->experts / parts, c->top_k));
}

static void set_frame(const struct ms_form_case *c, int nodes, struct ms_form_load *out)
{
    *out = (struct ms_form_load){.kind = c->kind,
                                 .ranks = c->ranks,
                                 .nodes = nodes,
                                 .experts = c->experts,
                                 .sms = c->sms,
                                 .copy_bytes = c->copy_bytes,
                                 .latency_s = c->latency_s,
                                 .nic_Bps = c->nic_Bps > 0 ? c->nic_Bps : INFINITY,
                                 .nvlink_Bps = c->nvlink_Bps > 0 ? c->nvlink_Bps : INFINITY};
}

/* Bytes to all others, to those of other nodes, or to the same rail of these. */
static void load_bytes(const struct ms_form_case *c, struct ms_form_rank *r)
{
    double near_ranks = fmin(c->gpus_per_node, c->ranks) - 1, far_ranks = c->ranks - 1 - near_ranks;
    double near_share = c->peers == MS_PEERS_ALL ? near_ranks / fmax(1, c->ranks - 1) : 0;
    r->own = c->bytes_own;
    r->near_out = c->bytes_sent * near_share;
    r->near_in = c->bytes_received * near_share;
    r->far_out = c->bytes_sent - r->near_out;
    r->far_in = c->bytes_received - r->near_in;
    if (c->peers == MS_PEERS_SAME_RAIL)
        far_ranks /= fmax(1, c->gpus_per_node);
    else
        r->cross_rail = 1 - 1.0 / fmax(1, c->gpus_per_node);
    r->messages_out = c->message_bytes > 0 ? r->far_out / c->message_bytes : far_ranks;
    r->messages_in = c->message_bytes > 0 ? r->far_in / c->message_bytes : far_ranks;
    r->pair = fmax(c->bytes_sent, c->bytes_received) / fmax(1, c->ranks - 1);
    r->far_pair = far_ranks > 0 ? r->messages_out / far_ranks : 0;
    r->lane = r->pair;
}

/* Copies in proportion to ranks. */
static void load_copies(const struct ms_form_case *c, double copies, struct ms_form_rank *r)
{
    double n = c->ranks, g = fmin(c->gpus_per_node, n);
    r->own = copies / n;
    r->near_out = r->near_in = copies * (g - 1) / n;
    r->far_out = r->far_in = copies * (n - g) / n;
    r->messages_out = r->messages_in = r->far_out;
    r->cross_rail = 1 - 1 / g;
    r->pair = r->lane = copies / n;
    if (n > g) { /* the fullest of them, as drawn (see fullest_of_drawn) */
        double mean = copies / n;
        r->far_pair = c->perfect || c->exact ? mean : mean + sqrt(2 * mean * log(n * (n - g)));
    }
}

/* Normal kernels between nodes: a copy a token and node, which passes on one a rank. */
static void load_streams(const struct ms_form_case *c, double copies, int nodes,
                         struct ms_form_rank *r)
{
    double g = fmin(c->gpus_per_node, c->ranks);
    r->crossings = c->tokens * ms_form_reach(c, nodes);
    r->far_out = r->far_in = r->crossings * (1 - 1.0 / nodes);
    r->messages_out = r->messages_in = 0;
    r->cross_rail = 0;
    r->passed_tokens = r->crossings;
    r->passed_copies = copies;
    r->near_out = r->near_in = copies * (1 - 1 / g);
}

/* In a combine every rank waits for whoever has most to send back. Drawn experts get copies to within
 * the square root of their number, and the fullest of R ranks has about sqrt(2 ln R) of these more
 * than the mean (extreme values of a normal law: Cramer, "Mathematical Methods of Statistics", 28.6).
 */
static void fullest_of_drawn(const struct ms_form_case *c, struct ms_form_rank *r)
{
    double all = r->own + r->near_out + r->far_out, a = sqrt(2 * log(fmax(2, c->ranks)));
    double more =
        a - (log(fmax(1, log(c->ranks))) + log(4 * 3.141592653589793)) / (2 * a) + 0.5772 / a;
    double factor = all > 0 ? 1 + fmax(0, more) / sqrt(all) : 1;
    r->near_out *= factor;
    r->far_out *= factor;
    r->messages_out *= factor;
}

void ms_form_even_load(const struct ms_form_case *c, struct ms_form_rank *rank,
                       struct ms_form_load *out)
{
    int g = c->gpus_per_node > 0 ? c->gpus_per_node : c->ranks,
        nodes = g < c->ranks ? (c->ranks + g - 1) / g : 1;
    set_frame(c, nodes, out);
    memset(rank, 0, sizeof *rank);
    rank->tokens = c->tokens;
    out->n_rank = 1;
    out->rank = rank;
    if (!(c->tokens > 0)) {
        load_bytes(c, rank);
        return;
    }
    bool per_rank = c->per_rank || c->kind == MS_KERNELS_NORMAL;
    double copies =
        c->tokens * (per_rank ? ms_form_reach(c, c->ranks) : c->top_k) * (1 - c->masked_share);
    load_copies(c, copies, rank);
    if (c->kind == MS_KERNELS_NORMAL && nodes > 1)
        load_streams(c, copies, nodes, rank);
    else if (c->combine && !c->perfect && !c->exact)
        fullest_of_drawn(c, rank);
}

/* How much fuller the fullest slot of a rank is than chance alone would make it: an even routing has
 * a fullest expert, too, of about m + sqrt(2 m ln n) where m is the mean, and that is part of what
 * SMs were measured with. */
static double fuller(const struct ms_traffic *t, int r)
{
    int n = t->n_slots / t->n_ranks;
    double most = 0, sum = 0;
    for (int i = 0; i < n; i++) {
        double tokens = t->slot_tokens[(size_t)r * (size_t)n + (size_t)i];
        most = fmax(most, tokens);
        sum += tokens;
    }
    double mean = n > 0 ? sum / n : 0;
    return mean > 0 ? fmax(1, most / (mean + sqrt(2 * mean * log(n)))) : 1;
}

/* A row or column of copies between tokens and experts, read rank by rank in ascending order. */
struct reading {
    const uint32_t *rank; /* [n] */
    int n, at;
};

/* The rank of the next entry, INT_MAX behind the last. */
static int next_of(const struct reading *d)
{
    return d->at < d->n ? (int)d->rank[d->at] : INT_MAX;
}

static const double *copies_in(const struct ms_form_case *c, const struct ms_traffic_row *row)
{
    return c->per_rank || c->kind == MS_KERNELS_NORMAL ? row->copies : row->selections;
}

/* What rank r has with each other: its tokens with their experts are its row, its experts with their tokens
 * its column. */
static void load_of_pairs(const struct ms_form_case *c, const struct ms_traffic *t,
                          const struct ms_traffic_columns *column, const int *node, const int *rail,
                          int r, struct ms_form_rank *to)
{
    double cross = 0, share = 1 - c->masked_share;
    struct reading of_row = {t->row[r].rank, t->row[r].n, 0},
                   of_column = {column->source, column->n, 0};
    while (of_row.at < of_row.n || of_column.at < of_column.n) {
        int of_tokens = next_of(&of_row), of_experts = next_of(&of_column);
        int o = of_tokens < of_experts ? of_tokens : of_experts;
        double tokens = 0, experts = 0;
        if (of_tokens == o)
            tokens = copies_in(c, &t->row[r])[of_row.at++] * share;
        if (of_experts == o)
            experts = copies_in(c, &t->row[o])[column->entry[of_column.at++]] * share;
        double out = c->combine ? experts : tokens, in = c->combine ? tokens : experts;
        if (o == r) {
            to->own = out;
            continue;
        }
        to->lane = fmax(to->lane, out);
        to->pair = fmax(to->pair, fmax(in, out));
        *(node[o] == node[r] ? &to->near_out : &to->far_out) += out;
        *(node[o] == node[r] ? &to->near_in : &to->far_in) += in;
        if (node[o] != node[r])
            to->far_pair = fmax(to->far_pair, out);
        cross += node[o] != node[r] && rail && rail[o] != rail[r] ? in + out : 0;
    }
    to->cross_rail = cross > 0 ? cross / (to->far_in + to->far_out) : 0;
    to->messages_out = to->far_out;
    to->messages_in = to->far_in;
}

static double tokens_of(const struct ms_form_case *c, const struct ms_traffic *t, int r)
{
    double selections = 0;
    if (c->top_k < 1 || t->is_matrix)
        return c->tokens;
    for (int i = 0; i < t->row[r].n; i++)
        selections += t->row[r].selections[i];
    return selections / c->top_k;
}

/* Streams of normal kernels: who passes on what is the exchange's, here it is spread evenly. */
static void load_of_streams(const struct ms_form_case *c, const struct ms_traffic *t,
                            const int *node, struct ms_form_rank *rank)
{
    double crossings = 0, copies = 0;
    for (int r = 0; r < t->n_ranks; r++) {
        copies += rank[r].own + rank[r].near_out + rank[r].far_out;
        for (int n = 0; n < t->n_nodes; n++)
            rank[r].crossings += t->node_copies[(size_t)r * (size_t)t->n_nodes + (size_t)n];
        rank[r].far_out = rank[r].far_in =
            rank[r].crossings - t->node_copies[(size_t)r * (size_t)t->n_nodes + (size_t)node[r]];
        crossings += rank[r].crossings;
    }
    double g = (double)t->n_ranks / t->n_nodes;
    for (int r = 0; r < t->n_ranks; r++) {
        rank[r].passed_tokens = crossings / t->n_ranks;
        rank[r].passed_copies = copies / t->n_ranks;
        rank[r].near_out = rank[r].near_in = rank[r].passed_copies * (1 - 1 / g);
        rank[r].messages_out = rank[r].messages_in = rank[r].cross_rail = 0;
    }
    (void)c;
}

bool ms_form_traffic_load(const struct ms_form_case *c, const struct ms_traffic *t, const int *node,
                          const int *rail, struct ms_form_rank *rank, struct ms_form_load *out)
{
    int nodes = 1;
    for (int r = 0; r < t->n_ranks; r++)
        nodes = node[r] >= nodes ? node[r] + 1 : nodes;
    set_frame(c, nodes, out);
    out->n_rank = (size_t)t->n_ranks;
    out->rank = rank;
    memset(rank, 0, (size_t)t->n_ranks * sizeof *rank);
    struct ms_arena scratch = {0};
    struct ms_traffic_columns column;
    bool ok = ms_traffic_columns_init(&column, &scratch, t);
    for (int r = 0; r < t->n_ranks && ok; r++) {
        struct ms_form_rank *to = &rank[r];
        ms_traffic_columns_next(&column, r);
        load_of_pairs(c, t, &column, node, rail, r, to);
        to->tokens = tokens_of(c, t, r);
        to->fuller = c->kind == MS_KERNELS_LOW_LATENCY && t->n_slots ? fuller(t, r) : 1;
    }
    ms_arena_finish(&scratch);
    if (c->kind == MS_KERNELS_NORMAL && nodes > 1 && !t->is_matrix)
        load_of_streams(c, t, node, rank);
    return ok;
}
