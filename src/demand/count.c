/* Decides which replica a selection goes to, and counts a source's tokens by slot, rank and node:
 * with bit masks up to 64 ranks, with stamps beyond. */
#include "demand/count.h"

#include <stdlib.h>
#include <string.h>

enum { MASK_RANKS = 64, FLUSH = 255 };

/** Ranks and nodes an item stands for, as bits. */
typedef uint64_t bits __attribute__((vector_size(16)));
enum { RANK, NODE };

/** A source's way through the copies of an expert, in proportion to weights. */
struct turn {
    uint32_t at, step,
        n;        /* whole quotas: place within n, and the step from one token to the next */
    double phase; /* weights: in 0 .. 1 */
};

struct ms_counter {
    struct ms_arena arena;
    int G, N, S, E, K, n_items, source;
    bool masks, by_slot, fixed; /* fixed: one slot an expert, the same items for every source */
    const struct ms_replica_choice *choice; /* NULL: slots are given */
    struct ms_replica_world world;
    const int *rank_node;
    const int *slot_expert;
    int *slot_rank;    /* [S+1]; of S: 0 */
    struct turn *turn; /* [E] of the source: where it stands in an expert's copies */
    double *weight;    /* [S] of the source's experts, summed up within each */
    uint32_t *quota;   /* [G][S] of a choice that splits */
    int *item_slot;    /* [n_items + 1] slot of an item; of the dropped one: S */
    bits *of;          /* [n_items + 1] */
    uint32_t *count;   /* [n_items + 1] */
    uint32_t *rank_stamp, *node_stamp, *rank_copies, *node_copies;
    double *row; /* [2][G] selections, copies */
    uint32_t token;
    uint64_t spread[256]; /* bit b of the index in byte b */
    uint64_t rank_bytes[8], node_bytes[8];
};

static bool allocate(struct ms_counter *c)
{
    size_t items = (size_t)(c->E > c->S ? c->E : c->S) + 1;
    c->slot_rank = MS_NEW(&c->arena, int, (size_t)c->S + 1);
    c->item_slot = MS_NEW(&c->arena, int, items);
    c->of = MS_NEW(&c->arena, bits, items);
    c->count = MS_NEW(&c->arena, uint32_t, items);
    c->rank_stamp = MS_NEW(&c->arena, uint32_t, (size_t)c->G + 1);
    c->node_stamp = MS_NEW(&c->arena, uint32_t, (size_t)c->N + 1);
    c->rank_copies = MS_NEW(&c->arena, uint32_t, (size_t)c->G + 1);
    c->node_copies = MS_NEW(&c->arena, uint32_t, (size_t)c->N + 1);
    c->row = MS_NEW(&c->arena, double, 2 * (size_t)c->G + 2);
    return c->slot_rank && c->item_slot && c->of && c->count && c->rank_stamp && c->node_stamp &&
           c->rank_copies && c->node_copies && c->row;
}

static bool allocate_choice(struct ms_counter *c)
{
    struct ms_replica_world *w = &c->world;
    size_t E = (size_t)c->E, S = (size_t)c->S, G = (size_t)c->G;
    bool ok = ms_copies_init(&w->copies, &c->arena, c->E, c->G, c->S) &&
              ms_split_init(&w->scratch, &c->arena, c->G, c->S);
    w->n_nodes = c->N;
    w->node_size = MS_NEW(&c->arena, int, (size_t)c->N);
    w->share = MS_NEW(&c->arena, double, S);
    w->sent = MS_NEW(&c->arena, uint32_t, G);
    w->load = MS_NEW(&c->arena, double, E);
    w->part = MS_NEW(&c->arena, double, S);
    w->rank_load = MS_NEW(&c->arena, double, G);
    w->left = MS_NEW(&c->arena, uint32_t, S);
    c->turn = MS_NEW(&c->arena, struct turn, E);
    c->weight = MS_NEW(&c->arena, double, S);
    c->quota = c->choice->split ? MS_NEW(&c->arena, uint32_t, G * S) : NULL;
    return ok && w->node_size && w->share && w->sent && w->load && w->part && w->rank_load &&
           w->left && c->turn && c->weight && (c->quota || !c->choice->split);
}

struct ms_counter *ms_counter_create(int n_ranks, int n_nodes, int n_slots, int n_experts,
                                     int top_k, const int *rank_node,
                                     const struct ms_replica_choice *choice)
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
                             .choice = choice,
                             .by_slot = !choice || !choice->fixed,
                             .masks = n_ranks <= MASK_RANKS};
    c->n_items = c->by_slot ? c->S : c->E;
    for (int i = 0; i < 256; i++)
        for (int b = 0; b < 8; b++)
            c->spread[i] |= (uint64_t)(i >> b & 1) << (8 * b);
    if (!allocate(c) || (choice && !allocate_choice(c))) {
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
    c->of[item] = (bits){0, 0};
    if (slot == c->S || !c->masks)
        return;
    int r = c->slot_rank[slot];
    c->of[item] = (bits){1ull << r, 1ull << c->rank_node[r]};
}

/* What every copy is planned to take: its slots' shares, all slots alike where the plan says nothing. */
static void plan_shares(struct ms_counter *c, const double *slot_share)
{
    const struct ms_copies *v = &c->world.copies;
    for (int e = 0; e < c->E; e++) {
        double sum = 0;
        for (int k = v->start[e]; k < v->start[e + 1]; k++) {
            c->world.share[k] = slot_share ? 0 : v->times[k];
            for (int i = v->slot[k]; slot_share && i < (v->rank[k] + 1) * (c->S / c->G); i++)
                c->world.share[k] += c->slot_expert[i] == e ? slot_share[i] : 0;
            sum += c->world.share[k];
        }
        for (int k = v->start[e]; k < v->start[e + 1]; k++)
            c->world.share[k] = sum > 0 ? c->world.share[k] / sum : 1;
    }
}

void ms_counter_layer(struct ms_counter *c, const int *slot_expert, const double *slot_share,
                      const int *rank_node)
{
    c->slot_expert = slot_expert;
    c->rank_node = rank_node;
    for (int i = 0; i < c->S && c->by_slot; i++)
        set_item(c, i, i);
    set_item(c, c->n_items, c->S);
    if (!c->choice)
        return;
    c->world.rank_node = rank_node;
    memset(c->world.node_size, 0, (size_t)c->N * sizeof *c->world.node_size);
    for (int r = 0; r < c->G; r++)
        c->world.node_size[rank_node[r]]++;
    ms_copies_fill(&c->world.copies, slot_expert);
    plan_shares(c, slot_share);
    c->fixed = !c->by_slot && c->S == c->E;
    for (int e = 0; e < c->E && c->fixed; e++)
        set_item(c, e, c->world.copies.slot[e]);
}

void ms_counter_split(struct ms_counter *c, const uint32_t *counts)
{
    c->choice->split(&c->world, counts, c->quota);
}

static uint32_t common(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The source's tokens of an expert over its copies: cumulated weights, and where it starts. Whole
 * quotas are walked in steps of the golden section, so that each is used up and neighbours differ. */
static void set_turn(struct ms_counter *c, int e)
{
    const struct ms_copies *v = &c->world.copies;
    int first = v->start[e], n = v->start[e + 1] - first;
    struct turn *t = &c->turn[e];
    double *weight = c->weight + first, sum = 0;
    if (c->choice->weights)
        c->choice->weights(&c->world, c->source, e, weight);
    for (int i = 0; i < n && c->choice->split; i++)
        weight[i] = c->quota[ms_cell(c->source, c->S, first + i)];
    for (int i = 0; i < n; i++)
        weight[i] = sum += weight[i];
    t->n = (uint32_t)sum;
    t->phase = ms_rng_unit(&c->world.rng);
    if (!c->choice->split || t->n == 0)
        return;
    t->at = (uint32_t)(t->phase * sum) % t->n;
    t->step = (uint32_t)(0.6180339887498949 * sum);
    t->step = t->step > 0 ? t->step : 1;
    while (common(t->step, t->n) != 1)
        t->step++;
}

void ms_counter_source(struct ms_counter *c, int source, struct ms_rng replicas)
{
    c->source = source;
    c->world.rng = replicas;
    for (int e = 0; e < c->E && c->choice && c->choice->fixed && !c->fixed; e++)
        set_item(c, e, c->world.copies.slot[c->choice->fixed(&c->world, source, e)]);
    for (int e = 0; e < c->E && c->choice && (c->choice->weights || c->choice->split); e++)
        if (c->world.copies.start[e + 1] - c->world.copies.start[e] > 1)
            set_turn(c, e);
    if (c->choice && c->choice->pick)
        memset(c->world.sent, 0, (size_t)c->G * sizeof *c->world.sent);
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
    const bits *of = c->of;
    const uint64_t *spread = c->spread;
    uint32_t *count = c->count;
    uint64_t ranks[8] = {0}, nodes[8] = {0};
    for (int t = 0; t < n; t++, item += K) {
        bits all = {0, 0};
        for (int k = 0; k < K; k++) {
            count[item[k]]++;
            all |= of[item[k]];
        }
        for (int b = 0; b < rank_bytes; b++)
            ranks[b] += spread[all[RANK] >> (8 * b) & 255];
        for (int b = 0; b < node_bytes; b++)
            nodes[b] += spread[all[NODE] >> (8 * b) & 255];
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

/* The copy that takes the source's next token of an expert with several. */
static int next_copy(struct ms_counter *c, int e)
{
    const int *start = c->world.copies.start;
    const double *weight = c->weight + start[e];
    struct turn *t = &c->turn[e];
    int n = start[e + 1] - start[e], i = 0;
    double at;
    if (c->choice->pick)
        return c->choice->pick(&c->world, c->source, e);
    if (c->choice->split) {
        at = t->at;
        t->at = (t->at + t->step) % (t->n ? t->n : 1);
    } else {
        at = t->phase * weight[n - 1];
        t->phase += 0.6180339887498949;
        t->phase -= t->phase >= 1;
    }
    while (i < n - 1 && at >= weight[i])
        i++;
    return start[e] + i;
}

void ms_counter_items(struct ms_counter *c, int n, const uint16_t *chosen, uint16_t *items)
{
    size_t total = ms_cell(n, c->K, 0);
    const struct ms_copies *v = &c->world.copies;
    for (size_t i = 0; i < total && !c->by_slot; i++)
        items[i] = chosen[i];
    for (size_t i = 0; i < total && c->by_slot; i++) {
        int e = chosen[i];
        if (e >= c->E) {
            items[i] = (uint16_t)c->S;
            continue;
        }
        bool lone = v->start[e + 1] - v->start[e] == 1 && !c->choice->pick;
        items[i] = (uint16_t)v->slot[lone ? v->start[e] : next_copy(c, e)];
    }
}

uint16_t ms_counter_none(const struct ms_counter *c)
{
    return (uint16_t)c->n_items;
}

int ms_counter_expert(const struct ms_counter *c, uint16_t item)
{
    return c->by_slot ? c->slot_expert[item] : item;
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

bool ms_counter_row(struct ms_counter *c, struct ms_traffic *t, double *slot_tokens,
                    double *expert_tokens)
{
    double *selections = c->row, *copies = c->row + c->G;
    memset(selections, 0, (size_t)c->G * sizeof *selections);
    for (int i = 0; i < c->n_items; i++) {
        int slot = c->item_slot[i];
        selections[c->slot_rank[slot]] += c->count[i];
        slot_tokens[slot] += c->count[i];
        if (c->count[i] > 0) /* an empty slot has none */
            expert_tokens[c->slot_expert[slot]] += c->count[i];
    }
    for (int r = 0; r < c->G; r++)
        copies[r] = c->rank_copies[r];
    for (int n = 0; n < c->N; n++)
        t->node_copies[ms_cell(c->source, c->N, n)] = c->node_copies[n];
    return ms_traffic_set_row(t, c->source, selections, copies);
}
