/* Group score = sum of the two best scores ln w + Gumbel. In the race (arrival time = exp(-score),
 * expert e at rate w_e) the two best of a group are its first two arrivals t1 ~ Exp(W_g), by
 * weight, and t2 = t1 + Exp(W_g - w_first): the group with the smallest t1 * t2 scores best. After
 * the groups are chosen, their races go on from t2 (memoryless) and are merged until top_k have
 * arrived. Nothing is drawn for experts that do not matter. */
#include <math.h>
#include <string.h>

#include "routing/sample_tables.h"

enum { TRIES = 16, KNOWN = 3 };

/** The races of the groups a token may use, race i in the order of the groups. The arrivals known
 * from the start stand at 4i .. 4i + KNOWN - 1; behind them a race stays at 4i + KNOWN - 1. */
struct races {
    uint64_t next[MS_MOST_GROUPS];      /* key() of the next arrival */
    uint64_t known[4 * MS_MOST_GROUPS]; /* key() of the known arrivals */
    uint16_t id[4 * MS_MOST_GROUPS];    /* who; the last known one is drawn when its turn comes */
    int n[MS_MOST_GROUPS];              /* arrived, once past the known ones */
    int group[MS_MOST_GROUPS];
    double left[MS_MOST_GROUPS]; /* weight still in the race behind the KNOWN - 1 first */
};

/* Times are positive: their bits order as they do. The low byte holds where the arrival stands. */
static inline uint64_t key(float time, int at)
{
    uint32_t bits;
    memcpy(&bits, &time, sizeof bits);
    return (uint64_t)bits << 8 | (unsigned)at;
}

static inline float key_time(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 8);
    float time;
    memcpy(&time, &bits, sizeof time);
    return time;
}

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static float exponential(struct ms_sampler *s)
{
    if (s->exp_at == MS_EXP_BATCH) {
        uint32_t word[MS_EXP_BATCH];
        ms_rng_fill(&s->exp_words.rng, word, MS_EXP_BATCH / 4);
        s->ops->exponentials(word, s->exp, MS_EXP_BATCH);
        s->exp_at = 0;
    }
    return s->exp[s->exp_at++];
}

/* One more expert of a group by weight, not among those stamped. */
static inline uint16_t arrive(struct ms_sampler *s, int group)
{
    const struct ms_alias *table = s->local + ms_cell(group, s->size, 0);
    ms_words_need(&s->words);
    for (int i = 0; i < TRIES; i++) {
        uint16_t e = ms_alias_pick(table, (uint32_t)s->size, ms_word(&s->words));
        if (s->stamp[e] != s->token)
            return e;
    }
    return ms_sample_exact(s, 1ull << group);
}

static double weight_left(const struct ms_sampler *s, int group)
{
    double sum = 0;
    for (int e = group * s->size; e < (group + 1) * s->size; e++)
        sum += s->stamp[e] != s->token ? s->weight[e] : 0;
    return sum;
}

/* Time from an arrival to the next one of the group; what is left is summed anew where the
 * difference lost its digits. */
static inline float gap(struct ms_sampler *s, int group, double *left)
{
    if (*left < 1e-6 * s->group_weight[group])
        *left = weight_left(s, group);
    return exponential(s) / (float)*left;
}

/* First and second arrivals of all groups for MS_VECTOR_LANES tokens, and which groups each token
 * may use. */
static void start(struct ms_sampler *s, uint64_t *mask)
{
    int n = s->groups * MS_VECTOR_LANES;
    for (int g = 0; g < s->groups; g++) {
        const struct ms_alias *table = s->local + ms_cell(g, s->size, 0);
        for (int i = 0; i < MS_VECTOR_LANES; i++) {
            if ((i & 31) == 0)
                ms_words_need(&s->words);
            uint16_t e = ms_alias_pick(table, (uint32_t)s->size, ms_word(&s->words));
            s->first[g * MS_VECTOR_LANES + i] = e;
            s->rest[g * MS_VECTOR_LANES + i] = s->rest_inverse[e];
        }
    }
    uint32_t word[2 * MS_VECTOR_LANES];
    for (int i = 0; i < n; i += MS_VECTOR_LANES) {
        ms_rng_fill(&s->exp_words.rng, word, 2 * MS_VECTOR_LANES / 4);
        s->ops->exponentials(word, s->e1 + i, MS_VECTOR_LANES);
        s->ops->exponentials(word + MS_VECTOR_LANES, s->e2 + i, MS_VECTOR_LANES);
    }
    s->ops->groups(s->groups, s->limit, s->first_inverse, s->rest, s->e1, s->e2, mask);
}

/* The three first arrivals of every group the token may use. */
static inline void enter(struct ms_sampler *s, int token, uint64_t mask, int limit, struct races *l)
{
    for (int i = 0; i < limit; i++, mask &= mask - 1) {
        if ((i & 31) == 0)
            ms_words_need(&s->words);
        int g = __builtin_ctzll(mask), at = g * MS_VECTOR_LANES + token;
        uint16_t a = s->first[at];
        s->stamp[a] = s->token;
        uint16_t b =
            ms_alias_pick(s->local + ms_cell(g, s->size, 0), (uint32_t)s->size, ms_word(&s->words));
        if (b == a)
            b = arrive(s, g);
        s->stamp[b] = s->token;
        l->group[i] = g;
        l->n[i] = KNOWN;
        l->id[4 * i] = a;
        l->id[4 * i + 1] = b;
        l->left[i] = s->group_weight[g] - s->weight[a] - s->weight[b];
        float third = s->size > 2 ? s->e2[at] + gap(s, g, &l->left[i]) : INFINITY;
        l->next[i] = key(s->e1[at], 4 * i);
        l->known[4 * i + 1] = key(s->e2[at], 4 * i + 1);
        l->known[4 * i + 2] = key(third, 4 * i + 2);
    }
}

/* An arrival behind the known ones: who it is, and when the one after it comes. */
static uint16_t further(struct ms_sampler *s, struct races *l, uint64_t arrival)
{
    int i = (int)(arrival & 255) / 4, g = l->group[i];
    uint16_t e = arrive(s, g);
    s->stamp[e] = s->token;
    l->left[i] -= s->weight[e];
    float next = l->n[i]++ < s->size ? key_time(arrival) + gap(s, g, &l->left[i]) : INFINITY;
    l->next[i] = key(next, 4 * i + KNOWN - 1);
    return e;
}

/* Merge the races until top_k have arrived. */
static inline __attribute__((always_inline)) void merge(struct ms_sampler *s, int limit,
                                                        struct races *l, uint16_t *chosen)
{
    for (int k = 0; k < s->K; k++) {
        uint64_t least;
        if (limit == 4) {
            least = earlier(earlier(l->next[0], l->next[1]), earlier(l->next[2], l->next[3]));
        } else {
            least = l->next[0];
            for (int i = 1; i < limit; i++)
                least = earlier(least, l->next[i]);
        }
        unsigned at = (unsigned)(least & 255);
        if ((at & 3) == KNOWN - 1) {
            chosen[k] = further(s, l, least);
        } else {
            chosen[k] = l->id[at];
            l->next[at >> 2] = l->known[at + 1];
        }
    }
}

void ms_sample_top2(struct ms_sampler *s, int n, uint16_t *chosen)
{
    struct races l;
    uint64_t mask[MS_VECTOR_LANES];
    for (int t = 0; t < n; t++, chosen += s->K) {
        if (t % MS_VECTOR_LANES == 0)
            start(s, mask);
        if (++s->token == 0) {
            for (int e = 0; e < s->E; e++)
                s->stamp[e] = 0;
            s->token = 1;
        }
        enter(s, t % MS_VECTOR_LANES, mask[t % MS_VECTOR_LANES], s->limit, &l);
        if (s->limit == 4)
            merge(s, 4, &l, chosen);
        else
            merge(s, s->limit, &l, chosen);
    }
}
