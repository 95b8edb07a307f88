/* Decides which exact method draws a token's experts, keeps the tables all of them share, and gives
 * the chosen their router probabilities. */
#include "routing/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "routing/sample_tables.h"

void ms_words_refill(struct ms_words *w)
{
    int left = w->n - w->at;
    memmove(w->w, w->w + w->at, (size_t)left * sizeof *w->w);
    ms_rng_fill(&w->rng, w->w + left, MS_WORDS_BLOCKS);
    w->at = 0;
    w->n = left + 4 * MS_WORDS_BLOCKS;
}

static void fill_log_table(struct ms_sampler *s)
{
    for (int i = 0; i < MS_LOG_CELLS; i++) {
        double m = 1 + (i + 0.5) / MS_LOG_CELLS;
        s->log_table[i] = (struct ms_log_cell){1 / m, log(m)};
    }
}

static bool by_races(const struct ms_sampler *s)
{
    return s->limited && s->m->group_score == MS_GROUP_TOP2_SUM;
}

static bool allocate(struct ms_sampler *s)
{
    size_t E = (size_t)s->E, G = (size_t)s->groups;
    s->group_of = MS_NEW(&s->arena, uint8_t, E);
    s->weight = MS_NEW(&s->arena, double, E);
    s->group_weight = MS_NEW(&s->arena, double, G);
    s->all = MS_NEW(&s->arena, struct ms_alias, E);
    s->local = MS_NEW(&s->arena, struct ms_alias, E);
    s->pi = MS_NEW(&s->arena, uint64_t, E);
    s->group_pi = MS_NEW(&s->arena, uint64_t, G);
    s->group_turn = MS_NEW(&s->arena, uint64_t, G);
    s->members = MS_NEW(&s->arena, int, G);
    s->arc_start = MS_NEW(&s->arena, uint32_t, E);
    s->arc_last = MS_NEW(&s->arena, uint32_t, E);
    s->arc_mask = MS_NEW(&s->arena, uint32_t, E);
    s->stamp = MS_NEW(&s->arena, uint32_t, E);
    s->alias_scratch = MS_NEW(&s->arena, double, E);
    s->order = MS_NEW(&s->arena, int, 2 * E);
    return s->group_turn && s->members && s->arc_start && s->arc_last && s->arc_mask &&
           s->group_of && s->weight && s->group_weight && s->all && s->local && s->pi &&
           s->group_pi && s->stamp && s->alias_scratch && s->order &&
           (!by_races(s) || ms_sample_top2_init(s));
}

struct ms_sampler *ms_sampler_create(const struct ms_model_shape *m)
{
    struct ms_sampler *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->m = m;
    s->E = m->experts;
    s->K = m->top_k;
    s->limited = m->groups > 1 && m->group_limit < m->groups;
    s->groups = s->limited ? m->groups : 1;
    s->limit = s->limited ? m->group_limit : 1;
    s->size = s->E / s->groups;
    if (!allocate(s)) {
        ms_sampler_destroy(s);
        return NULL;
    }
    for (int e = 0; e < s->E; e++)
        s->group_of[e] = (uint8_t)(e / s->size);
    fill_log_table(s);
    s->ops = ms_vector_ops();
    return s;
}

void ms_sampler_destroy(struct ms_sampler *s)
{
    if (!s)
        return;
    ms_arena_finish(&s->arena);
    free(s);
}

/* Vose's construction over w [n]; members are numbered from `first`. small and large share order
 * [2n]. */
static void build_alias(struct ms_sampler *s, const double *w, int n, int first,
                        struct ms_alias *out)
{
    double sum = 0, *p = s->alias_scratch;
    int *small = s->order, *large = s->order + n, n_small = 0, n_large = 0;
    for (int i = 0; i < n; i++)
        sum += w[i];
    for (int i = 0; i < n; i++) {
        p[i] = w[i] / sum * n;
        if (p[i] < 1)
            small[n_small++] = i;
        else
            large[n_large++] = i;
        out[i] = (struct ms_alias){UINT32_MAX, (uint16_t)(first + i), (uint16_t)(first + i)};
    }
    while (n_small > 0 && n_large > 0) {
        int i = small[--n_small], j = large[n_large - 1];
        out[i].keep = (uint32_t)(p[i] * 0x1p32);
        out[i].other = (uint16_t)(first + j);
        p[j] = (p[j] + p[i]) - 1;
        if (p[j] < 1) {
            n_large--;
            small[n_small++] = j;
        }
    }
}

static void set_weights(struct ms_sampler *s, const double *f)
{
    memcpy(s->weight, f, (size_t)s->E * sizeof *f);
    build_alias(s, f, s->E, 0, s->all);
    for (int g = 0; g < s->groups; g++) {
        const double *w = f + ms_cell(g, s->size, 0);
        s->group_weight[g] = 0;
        for (int i = 0; i < s->size; i++)
            s->group_weight[g] += w[i];
    }
    if (!by_races(s))
        return;
    for (int g = 0; g < s->groups; g++)
        build_alias(s, f + ms_cell(g, s->size, 0), s->size, g * s->size,
                    s->local + ms_cell(g, s->size, 0));
    ms_sample_top2_set(s, f);
}

enum ms_status ms_sampler_set(struct ms_sampler *s, const double *f, bool inclusion,
                              struct ms_err *err)
{
    s->inclusion = inclusion;
    if (inclusion)
        return ms_sample_pi_set(s, f, err);
    set_weights(s, f);
    return MS_OK;
}

uint16_t ms_sample_exact(struct ms_sampler *s, uint64_t group_ok)
{
    double sum = 0;
    int last = -1;
    for (int e = 0; e < s->E; e++)
        if (s->stamp[e] != s->token && (group_ok >> s->group_of[e] & 1))
            sum += s->weight[e];
    ms_words_need(&s->words);
    double at = ms_word_unit(&s->words) * sum;
    for (int e = 0; e < s->E; e++) {
        if (s->stamp[e] == s->token || !(group_ok >> s->group_of[e] & 1))
            continue;
        last = e;
        at -= s->weight[e];
        if (at < 0)
            break;
    }
    return (uint16_t)last;
}

/* Router probabilities of one token's choice: arrival times of the race (score = -ln time) given
 * the order of arrival, softmax over the chosen. Memoryless: the time to the next arrival is
 * exponential with the weight still in the race. */
static void race(struct ms_sampler *s, const uint16_t *chosen, float *prob)
{
    double time = 0, sum = 0, gone = 0, in_race = 1;
    uint64_t hit = 0;
    int open = s->limit;
    for (int k = 0; k < s->K; k++) {
        int e = chosen[k], g = s->group_of[e];
        ms_words_need(&s->prob_words);
        double step = ms_word_exponential(s, ms_word(&s->prob_words));
        time += step / fmax(in_race - gone, 1e-12);
        prob[k] = (float)(1 / time);
        sum += 1 / time;
        gone += s->weight[e];
        if (!s->limited || (hit >> g & 1))
            continue;
        hit |= 1ull << g;
        if (--open > 0)
            continue;
        in_race = 0;
        for (int i = 0; i < s->groups; i++)
            in_race += hit >> i & 1 ? s->group_weight[i] : 0;
    }
    for (int k = 0; k < s->K; k++)
        prob[k] = (float)(prob[k] / sum);
}

/* Inclusion frequencies carry no scores: every chosen expert's is its frequency over an
 * exponential. */
static void independent(struct ms_sampler *s, const uint16_t *chosen, float *prob)
{
    double sum = 0;
    for (int k = 0; k < s->K; k++) {
        ms_words_need(&s->prob_words);
        double step = ms_word_exponential(s, ms_word(&s->prob_words));
        prob[k] = (float)(s->weight[chosen[k]] / step);
        sum += prob[k];
    }
    for (int k = 0; k < s->K; k++)
        prob[k] = (float)(prob[k] / sum);
}

/* A part of the stream of its own: far along its counter. */
static void start_words(struct ms_words *w, struct ms_rng stream, uint32_t part)
{
    w->rng = stream;
    w->rng.ctr[1] |= part;
    w->at = w->n = 0;
}

void ms_sampler_begin(struct ms_sampler *s, struct ms_rng stream)
{
    start_words(&s->words, stream, 0);
    start_words(&s->prob_words, stream, 0x40000000u);
    s->race_rng = stream;
    s->race_rng.ctr[1] |= 0x80000000u;
    if (s->inclusion)
        ms_sample_pi_begin(s);
}

static void block(struct ms_sampler *s, int n, uint16_t *chosen, float *prob)
{
    if (s->inclusion)
        ms_sample_pi(s, n, chosen);
    else if (by_races(s))
        ms_sample_top2(s, n, chosen);
    else
        ms_sample_weight(s, n, chosen);
    for (int t = 0; t < n && prob; t++) {
        size_t at = ms_cell(t, s->K, 0);
        if (s->inclusion)
            independent(s, chosen + at, prob + at);
        else
            race(s, chosen + at, prob + at);
    }
}

void ms_sampler_draw(struct ms_sampler *s, int n, uint16_t *chosen, float *prob)
{
    for (int t = 0; t < n; t += MS_SAMPLE_BLOCK) {
        int part = n - t < MS_SAMPLE_BLOCK ? n - t : MS_SAMPLE_BLOCK;
        size_t at = ms_cell(t, s->K, 0);
        block(s, part, chosen + at, prob ? prob + at : NULL);
    }
}
