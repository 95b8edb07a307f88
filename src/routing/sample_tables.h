/** @file sample_tables.h  Inside of the sampler, for sample*.c only. */
#ifndef MS_ROUTING_SAMPLE_TABLES_H
#define MS_ROUTING_SAMPLE_TABLES_H

#include "base/arena.h"
#include "routing/sample.h"
#include "routing/sample_vector.h"

enum { MS_WORDS_BLOCKS = 256, MS_WORDS_SPARE = 64 };

/** One cell of an alias table (Walker 1977, Vose 1991): keep `self` when the word's fraction is
 *  below keep, else `other`. */
struct ms_alias {
    uint32_t keep;
    uint16_t self, other;
};

/** Random words in bulk; at least MS_WORDS_SPARE unread after ms_words_need. */
struct ms_words {
    struct ms_rng rng;
    int at, n;
    uint32_t w[4 * MS_WORDS_BLOCKS + MS_WORDS_SPARE];
};

/** ln and 1/m at the middle of one of the mantissa's cells in 1..2. */
struct ms_log_cell {
    double inverse, ln;
};
enum { MS_LOG_BITS = 8, MS_LOG_CELLS = 1 << MS_LOG_BITS };

struct ms_sampler {
    const struct ms_model_shape *m;
    struct ms_arena arena;
    int E, K, groups, limit, size; /* size = experts per group */
    bool limited, inclusion;
    uint8_t *group_of;            /* [E] */
    double *weight;               /* [E] of sum 1 */
    double *group_weight;         /* [groups] */
    struct ms_alias *all, *local; /* [E]; local: [groups][size] */
    uint64_t *pi;         /* [E] in units of 2^-32 (of its group's turn under a limit), sum exact */
    uint64_t *group_pi;   /* [groups] the same for whole groups */
    uint64_t *group_turn; /* [groups] sum of the group's pi */
    int *members;         /* [groups] experts of pi > 0; s->order lists them */
    uint32_t *arc_start, *arc_last, *arc_mask; /* [size] */
    uint32_t *stamp;                           /* [E] token that chose it last */
    uint32_t token;                            /* current stamp */
    double *alias_scratch;                     /* [2 * E] */
    int *order;                                /* [E] scratch */
    struct ms_log_cell log_table[MS_LOG_CELLS];
    struct ms_words words;
    struct ms_words prob_words; /* of router probabilities: asking for them moves no choice */
    const struct ms_vector_ops *ops;
    /* Score top2_sum: the races of MS_VECTOR_LANES tokens; their numbers have a stream of their
     * own. */
    struct ms_races races;
    struct ms_rng race_rng;
    float *first_inverse;                           /* [groups] 1 / group_weight */
    float *rest_inverse;                            /* [E] 1 / (weight of the group without e) */
    uint32_t *race_keep, *race_other, *race_weight; /* [E] */
    float *race_unit;                               /* [groups] */
    uint32_t *race_first;                           /* [groups][MS_VECTOR_LANES] */
    uint32_t *race_words;
    float *race_exp;
};

void ms_words_refill(struct ms_words *w);

static inline void ms_words_need(struct ms_words *w)
{
    if (w->n - w->at < MS_WORDS_SPARE)
        ms_words_refill(w);
}

/** Next word; the caller has asked ms_words_need often enough. */
static inline uint32_t ms_word(struct ms_words *w)
{
    return w->w[w->at++];
}

/** In (0, 1) with 32 bits. */
static inline double ms_word_unit(struct ms_words *w)
{
    return ((double)ms_word(w) + 0.5) * 0x1p-32;
}

static inline uint16_t ms_alias_pick(const struct ms_alias *t, uint32_t n, uint32_t word)
{
    uint64_t m = (uint64_t)word * n;
    const struct ms_alias *c = &t[m >> 32];
    return (uint32_t)m < c->keep ? c->self : c->other;
}

/** Standard exponential of one word: -ln((word + 0.5) / 2^32), by table and series (absolute error
 *  below 1e-14). Only additions and products: the same on every machine. */
static inline double ms_word_exponential(const struct ms_sampler *s, uint32_t word)
{
    union {
        double d;
        uint64_t u;
    } x = {.d = (double)word + 0.5};
    int exponent = (int)(x.u >> 52) - 1023;
    const struct ms_log_cell *c = &s->log_table[x.u >> (52 - MS_LOG_BITS) & (MS_LOG_CELLS - 1)];
    x.u = (x.u & 0xfffffffffffffu) | 0x3ff0000000000000u;
    double r = x.d * c->inverse - 1;
    double series = r * (1 - r * (0.5 - r * (1.0 / 3 - r * 0.25)));
    return (32 - exponent) * 0.69314718055994530942 - c->ln - series;
}

/** Exactly one more expert, by weight, among those the token has not chosen (stamp) and whose group
 *  bit is set. */
uint16_t ms_sample_exact(struct ms_sampler *s, uint64_t group_ok);

void ms_sample_weight(struct ms_sampler *s, int n, uint16_t *chosen);
/* sample_top2.c: the sampler's tables for score top2_sum; of a popularity, once its groups' weights
 * and alias tables stand; and its tokens. */
bool ms_sample_top2_init(struct ms_sampler *s);
void ms_sample_top2_set(struct ms_sampler *s, const double *f);
void ms_sample_top2(struct ms_sampler *s, int n, uint16_t *chosen);
/** Lists the experts in their own order again: a stream's tokens depend on nothing before it. */
void ms_sample_pi_begin(struct ms_sampler *s);
void ms_sample_pi(struct ms_sampler *s, int n, uint16_t *chosen);
enum ms_status ms_sample_pi_set(struct ms_sampler *s, const double *f, struct ms_err *err);

#endif
