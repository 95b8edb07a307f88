/* Group score = sum of the two best scores ln w + Gumbel. In the race (arrival time = exp(-score),
 * expert e at rate w_e) the two best of a group are its first two arrivals t1 ~ Exp(W_g), by
 * weight, and t2 = t1 + Exp(W_g - w_first): the group with the smallest t1 * t2 scores best. After
 * the groups are chosen, their races go on (memoryless) and are merged until top_k have arrived.
 * Nothing is drawn for experts that do not matter. MS_VECTOR_LANES tokens run side by side; what
 * few of them need (an expert that came before, a group all but used up) is done one by one. */
#include "routing/sample_tables.h"

#include <math.h>
#include <string.h>

enum { TRIES = 16, L = MS_VECTOR_LANES };

/** The random numbers of MS_VECTOR_LANES tokens, all drawn at once. */
struct numbers {
    const uint32_t *first, *later; /* [groups][L], [K - 1][L] */
    float *e1, *e2, *wait;         /* [groups][L] twice, [K - 1][L] */
};

static struct numbers draw_numbers(struct ms_sampler *s)
{
    size_t groups = (size_t)s->groups * L, later = (size_t)(s->K - 1) * L;
    struct numbers n = {.first = s->race_words,
                        .later = s->race_words + groups,
                        .e1 = s->race_exp,
                        .e2 = s->race_exp + groups,
                        .wait = s->race_exp + 2 * groups};
    const uint32_t *for_exp = n.later + later;
    ms_rng_fill(&s->race_rng, s->race_words, (3 * groups + 2 * later) / 4);
    s->ops->exponentials(for_exp, s->race_exp, (int)(2 * groups + later));
    return n;
}

/* What a token has chosen, stamped for those who look. */
static void stamp_chosen(struct ms_sampler *s, int token, int k)
{
    if (++s->token == 0) {
        memset(s->stamp, 0, (size_t)s->E * sizeof *s->stamp);
        s->token = 1;
    }
    for (int j = 0; j < k; j++)
        s->stamp[s->races.chosen[j * L + token]] = s->token;
}

/* The k-th arrival once more: by weight, among those of its group that have not come. */
static uint32_t draw_again(struct ms_sampler *s, int token, int k)
{
    const struct ms_races *r = &s->races;
    uint32_t size = (uint32_t)r->size, base = r->base[token];
    ms_words_need(&s->words);
    for (int i = 0; i < TRIES; i++) {
        uint64_t m = (uint64_t)ms_word(&s->words) * size;
        uint32_t cell = base + (uint32_t)(m >> 32);
        uint32_t e = (uint32_t)m < r->keep[cell] ? cell : r->other[cell];
        bool came = false;
        for (int j = 0; j < k; j++)
            came |= r->chosen[j * L + token] == e;
        if (!came)
            return e;
    }
    stamp_chosen(s, token, k);
    return ms_sample_exact(s, 1ull << (base / size));
}

/* The next arrival of a race of which little is left: differences have lost their digits. */
static void mend(struct ms_sampler *s, int token, int k, float wait)
{
    struct ms_races *r = &s->races;
    uint32_t at = r->race[token] * L + (uint32_t)token;
    int first = (int)r->base[token];
    double left = 0;
    stamp_chosen(s, token, k + 1);
    for (int e = first; e < first + r->size; e++)
        left += s->stamp[e] != s->token ? s->weight[e] : 0;
    r->next[at] = left > 0 ? r->time[token] + wait / (float)left : INFINITY;
}

/* MS_VECTOR_LANES tokens, in races.chosen. */
static void run_races(struct ms_sampler *s)
{
    struct ms_races *r = &s->races;
    struct numbers n = draw_numbers(s);
    for (int g = 0; g < s->groups; g++)
        s->ops->pick(r, g, n.first + g * L, s->race_first + g * L);
    s->ops->start(s->groups, s->first_inverse, s->rest_inverse, s->race_first, n.e1, n.e2, r);
    /* The first arrival of all is known: its word is not looked at. */
    for (int k = 0; k < s->K; k++) {
        uint64_t again = s->ops->arrive(r, k, k > 0 ? n.later + (k - 1) * L : n.first);
        for (; again != 0; again &= again - 1) {
            int token = __builtin_ctzll(again);
            r->chosen[k * L + token] = draw_again(s, token, k);
        }
        if (k == s->K - 1)
            break;
        const float *wait = n.wait + k * L;
        uint64_t little = s->ops->advance(r, k, wait);
        for (; little != 0; little &= little - 1) {
            int token = __builtin_ctzll(little);
            mend(s, token, k, wait[token]);
        }
    }
}

void ms_sample_top2(struct ms_sampler *s, int n, uint16_t *chosen)
{
    const uint32_t *arrived = s->races.chosen;
    for (int t = 0; t < n; t += L) {
        run_races(s);
        if (n - t >= L) {
            s->ops->deal(s->K, arrived, chosen);
            chosen += L * s->K;
            continue;
        }
        for (int i = 0; i < n - t; i++)
            for (int k = 0; k < s->K; k++)
                *chosen++ = (uint16_t)arrived[k * L + i];
    }
}

/* Weights of a group in units of 2^-30 of it, rounded so that they add up: the largest takes what
 * is over. */
static void make_units(const double *w, int n, double sum, uint32_t *unit)
{
    int64_t left = MS_WHOLE_GROUP;
    int top = 0;
    for (int i = 0; i < n; i++) {
        unit[i] = (uint32_t)(w[i] / sum * MS_WHOLE_GROUP);
        left -= unit[i];
        top = w[i] > w[top] ? i : top;
    }
    unit[top] += (uint32_t)left;
}

void ms_sample_top2_set(struct ms_sampler *s, const double *f)
{
    for (int g = 0; g < s->groups; g++) {
        int first = g * s->size;
        s->first_inverse[g] = (float)(1 / s->group_weight[g]);
        make_units(f + first, s->size, s->group_weight[g], s->race_weight + first);
        s->race_unit[g] = (float)(s->group_weight[g] / MS_WHOLE_GROUP);
        for (int i = first; i < first + s->size; i++) {
            s->race_keep[i] = s->local[i].keep;
            s->race_other[i] = s->local[i].other;
        }
    }
    for (int e = 0; e < s->E; e++) {
        int first = e - e % s->size;
        double rest = 0;
        for (int i = first; i < first + s->size; i++)
            rest += i == e ? 0 : f[i];
        s->rest_inverse[e] = (float)(1 / rest);
    }
}

bool ms_sample_top2_init(struct ms_sampler *s)
{
    struct ms_arena *a = &s->arena;
    size_t E = (size_t)s->E, G = (size_t)s->groups, K = (size_t)s->K, limit = (size_t)s->limit * L;
    struct ms_races *r = &s->races;
    s->first_inverse = MS_NEW(a, float, G);
    s->rest_inverse = MS_NEW(a, float, E);
    s->race_keep = MS_NEW(a, uint32_t, E);
    s->race_other = MS_NEW(a, uint32_t, E);
    s->race_weight = MS_NEW(a, uint32_t, E);
    s->race_unit = MS_NEW(a, float, G);
    s->race_first = MS_NEW(a, uint32_t, G * L);
    s->race_words = MS_NEW(a, uint32_t, (3 * G + 2 * K) * L);
    s->race_exp = MS_NEW(a, float, (2 * G + K) * L);
    *r = (struct ms_races){.groups = s->groups,
                           .limit = s->limit,
                           .size = s->size,
                           .keep = s->race_keep,
                           .other = s->race_other,
                           .weight = s->race_weight,
                           .unit = s->race_unit,
                           .group = MS_NEW(a, uint32_t, limit),
                           .next = MS_NEW(a, float, limit),
                           .second = MS_NEW(a, float, limit),
                           .first = MS_NEW(a, uint32_t, limit),
                           .left = MS_NEW(a, uint32_t, limit),
                           .chosen = MS_NEW(a, uint32_t, K * L)};
    return s->first_inverse && s->rest_inverse && r->keep && r->other && r->weight && r->unit &&
           s->race_first && s->race_words && s->race_exp && r->group && r->next && r->second &&
           r->first && r->left && r->chosen;
}
