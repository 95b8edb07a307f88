/* Decides which replica a selection goes to, and counts a source's tokens by slot, rank and node:
 * with bit masks up to 64 ranks, with stamps beyond. */
#include "demand/count.h"

#include <stdlib.h>
#include <string.h>

enum { MASK_RANKS = 64, FLUSH = 255 };

/** Ranks and nodes an item stands for, as bits. */
struct bits {
    uint64_t rank, node;
};

struct ms_counter {
    struct ms_arena arena;
    int G, N, S, E, K, n_items, source;
    bool masks, random, fixed; /* fixed: one slot an expert, the same items for every source */
    const int *rank_node;
    const int *slot_expert;
    int *slot_rank;      /* [S+1]; of S: 0 */
    int *start, *holder; /* [E+1], [S]: slots of each expert, rising */
    int *item_slot;      /* [n_items + 1] slot of an item; of the dropped one: S */
    struct bits *bits;   /* [n_items + 1] */
    uint32_t *count;     /* [n_items + 1] */
    uint32_t *rank_stamp, *node_stamp, *rank_copies, *node_copies;
    uint32_t token;
    uint64_t spread[256]; /* bit b of the index in byte b */
    uint64_t rank_bytes[8], node_bytes[8];
    struct ms_rng replicas;
};

static bool allocate(struct ms_counter *c)
{
    size_t items = (size_t)(c->E > c->S ? c->E : c->S) + 1;
    c->slot_rank = MS_NEW(&c->arena, int, (size_t)c->S + 1);
    c->start = MS_NEW(&c->arena, int, (size_t)c->E + 2);
    c->holder = MS_NEW(&c->arena, int, (size_t)c->S);
    c->item_slot = MS_NEW(&c->arena, int, items);
    c->bits = MS_NEW(&c->arena, struct bits, items);
    c->count = MS_NEW(&c->arena, uint32_t, items);
    c->rank_stamp = MS_NEW(&c->arena, uint32_t, (size_t)c->G + 1);
    c->node_stamp = MS_NEW(&c->arena, uint32_t, (size_t)c->N + 1);
    c->rank_copies = MS_NEW(&c->arena, uint32_t, (size_t)c->G + 1);
    c->node_copies = MS_NEW(&c->arena, uint32_t, (size_t)c->N + 1);
    return c->slot_rank && c->start && c->holder && c->item_slot && c->bits && c->count &&
           c->rank_stamp && c->node_stamp && c->rank_copies && c->node_copies;
}

struct ms_counter *ms_counter_create(int n_ranks, int n_nodes, int n_slots, int n_experts,
                                     int top_k, const int *rank_node, int replica_choice)
{
    struct ms_counter *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    *c = (struct ms_counter){.G = n_ranks,
                             .N = n_nodes,
                             .S = n_slots,
                             .E = n_experts,
                             .K = top_k,
                             .rank_node = rank_node,
                             .random = replica_choice == MS_REPLICA_RANDOM,
                             .masks = n_ranks <= MASK_RANKS};
    c->n_items = c->random ? c->S : c->E;
    for (int i = 0; i < 256; i++)
        for (int b = 0; b < 8; b++)
            c->spread[i] |= (uint64_t)(i >> b & 1) << (8 * b);
    if (!allocate(c)) {
        ms_counter_destroy(c);
        return NULL;
    }
    for (int i = 0; i < n_slots; i++)
        c->slot_rank[i] = (int)((int64_t)i * n_ranks / n_slots);
    return c;
}

void ms_counter_destroy(struct ms_counter *c)
{
    if (!c)
        return;
    ms_arena_finish(&c->arena);
    free(c);
}

static void set_item(struct ms_counter *c, int item, int slot)
{
    c->item_slot[item] = slot;
    c->bits[item] = (struct bits){0, 0};
    if (slot == c->S || !c->masks)
        return;
    int r = c->slot_rank[slot];
    c->bits[item] = (struct bits){1ull << r, 1ull << c->rank_node[r]};
}

void ms_counter_layer(struct ms_counter *c, const int *slot_expert, const int *rank_node)
{
    c->slot_expert = slot_expert;
    c->rank_node = rank_node;
    memset(c->start, 0, ((size_t)c->E + 2) * sizeof *c->start);
    for (int i = 0; i < c->S; i++)
        c->start[slot_expert[i] + 2]++;
    for (int e = 0; e < c->E; e++)
        c->start[e + 2] += c->start[e + 1];
    for (int i = 0; i < c->S; i++)
        c->holder[c->start[slot_expert[i] + 1]++] = i;
    for (int i = 0; i < c->S && c->random; i++)
        set_item(c, i, i);
    set_item(c, c->n_items, c->S);
    c->fixed = !c->random && c->S == c->E;
    for (int e = 0; e < c->E && c->fixed; e++)
        set_item(c, e, c->holder[c->start[e]]);
}

/* The source's own replica, else one on its node, else any; equally near ones are spread over
 * sources and experts. */
static int nearest(const struct ms_counter *c, int e)
{
    int first = c->start[e], n = c->start[e + 1] - first, near = 0;
    if (n == 1)
        return c->holder[first];
    for (int i = 0; i < n; i++) {
        int r = c->slot_rank[c->holder[first + i]];
        if (r == c->source)
            return c->holder[first + i];
        near += c->rank_node[r] == c->rank_node[c->source];
    }
    int pick = (c->source + e) % (near > 0 ? near : n);
    for (int i = 0; i < n; i++) {
        int r = c->slot_rank[c->holder[first + i]];
        if (near > 0 && c->rank_node[r] != c->rank_node[c->source])
            continue;
        if (pick-- == 0)
            return c->holder[first + i];
    }
    return c->holder[first];
}

void ms_counter_source(struct ms_counter *c, int source, struct ms_rng replicas)
{
    c->source = source;
    c->replicas = replicas;
    for (int e = 0; e < c->E && !c->random && !c->fixed; e++)
        set_item(c, e, nearest(c, e));
    memset(c->count, 0, ((size_t)c->n_items + 1) * sizeof *c->count);
    memset(c->rank_copies, 0, (size_t)c->G * sizeof *c->rank_copies);
    memset(c->node_copies, 0, (size_t)c->N * sizeof *c->node_copies);
}

static void flush(struct ms_counter *c)
{
    for (int r = 0; r < c->G; r++)
        c->rank_copies[r] += (uint32_t)(c->rank_bytes[r >> 3] >> (8 * (r & 7)) & 255);
    for (int n = 0; n < c->N; n++)
        c->node_copies[n] += (uint32_t)(c->node_bytes[n >> 3] >> (8 * (n & 7)) & 255);
    memset(c->rank_bytes, 0, sizeof c->rank_bytes);
    memset(c->node_bytes, 0, sizeof c->node_bytes);
}

/* At most FLUSH tokens. K and the numbers of bytes are constants where it matters (inlined). */
static inline __attribute__((always_inline)) void
add_masks(struct ms_counter *c, int n, const uint16_t *item, int K, int rank_bytes, int node_bytes)
{
    const struct bits *bits = c->bits;
    const uint64_t *spread = c->spread;
    uint32_t *count = c->count;
    uint64_t ranks[8] = {0}, nodes[8] = {0};
    for (int t = 0; t < n; t++, item += K) {
        uint64_t rank = 0, node = 0;
        for (int k = 0; k < K; k++) {
            count[item[k]]++;
            rank |= bits[item[k]].rank;
            node |= bits[item[k]].node;
        }
        for (int b = 0; b < rank_bytes; b++)
            ranks[b] += spread[rank >> (8 * b) & 255];
        for (int b = 0; b < node_bytes; b++)
            nodes[b] += spread[node >> (8 * b) & 255];
    }
    memcpy(c->rank_bytes, ranks, sizeof ranks);
    memcpy(c->node_bytes, nodes, sizeof nodes);
    flush(c);
}

static void add_block(struct ms_counter *c, int n, const uint16_t *item)
{
    int rank_bytes = (c->G + 7) / 8, node_bytes = (c->N + 7) / 8;
    if (c->K == 8 && rank_bytes == 8 && node_bytes == 1)
        add_masks(c, n, item, 8, 8, 1);
    else if (c->K == 8 && node_bytes == 1)
        add_masks(c, n, item, 8, rank_bytes, 1);
    else
        add_masks(c, n, item, c->K, rank_bytes, node_bytes);
}

/* Any number of ranks: a rank or node counts when this token has not been there yet. */
static void add_stamps(struct ms_counter *c, int n, const uint16_t *item)
{
    for (int t = 0; t < n; t++) {
        uint32_t token = ++c->token;
        for (int k = 0; k < c->K; k++, item++) {
            int slot = c->item_slot[*item];
            c->count[*item]++;
            if (slot == c->S)
                continue;
            int r = c->slot_rank[slot], node = c->rank_node[r];
            c->rank_copies[r] += c->rank_stamp[r] != token;
            c->node_copies[node] += c->node_stamp[node] != token;
            c->rank_stamp[r] = c->node_stamp[node] = token;
        }
    }
}

void ms_counter_items(struct ms_counter *c, int n, const uint16_t *chosen, uint16_t *items)
{
    size_t total = ms_cell(n, c->K, 0);
    for (size_t i = 0; i < total && !c->random; i++)
        items[i] = chosen[i];
    for (size_t i = 0; i < total && c->random; i++) {
        int e = chosen[i], first = c->start[e], copies = e < c->E ? c->start[e + 1] - first : 0;
        int pick = copies > 1 ? (int)ms_rng_below(&c->replicas, (uint32_t)copies) : 0;
        items[i] = (uint16_t)(copies == 0 ? c->S : c->holder[first + pick]);
    }
}

uint16_t ms_counter_none(const struct ms_counter *c)
{
    return (uint16_t)c->n_items;
}

int ms_counter_expert(const struct ms_counter *c, uint16_t item)
{
    return c->random ? c->slot_expert[item] : item;
}

int ms_counter_rank(const struct ms_counter *c, uint16_t item)
{
    return c->slot_rank[c->item_slot[item]];
}

void ms_counter_add(struct ms_counter *c, int n, const uint16_t *items)
{
    for (int t = 0; t < n; t += FLUSH) {
        int part = n - t < FLUSH ? n - t : FLUSH;
        const uint16_t *item = items + ms_cell(t, c->K, 0);
        if (c->masks)
            add_block(c, part, item);
        else
            add_stamps(c, part, item);
    }
}

void ms_counter_row(struct ms_counter *c, struct ms_traffic *t, double *slot_tokens,
                    double *expert_tokens)
{
    double *selections = t->selections + ms_cell(c->source, c->G, 0);
    for (int i = 0; i < c->n_items; i++) {
        int slot = c->item_slot[i];
        selections[c->slot_rank[slot]] += c->count[i];
        slot_tokens[slot] += c->count[i];
        expert_tokens[c->slot_expert[slot]] += c->count[i];
    }
    for (int r = 0; r < c->G; r++)
        t->rank_copies[ms_cell(c->source, c->G, r)] = c->rank_copies[r];
    for (int n = 0; n < c->N; n++)
        t->node_copies[ms_cell(c->source, c->N, n)] = c->node_copies[n];
}
