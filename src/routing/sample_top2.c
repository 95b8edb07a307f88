/* Group score = sum of the two best scores ln w + Gumbel. In the race (arrival time = exp(-score),
 * expert e at rate w_e) the two best of a group are its first two arrivals t1 ~ Exp(W_g), by
 * weight, and t2 = t1 + Exp(W_g - w_first): the group with the smallest t1 * t2 scores best. After
 * the groups are chosen, their races go on from t2 (memoryless) and are merged until top_k have
 * arrived. Nothing is drawn for experts that do not matter. */
#include <math.h>

#include "routing/sample_tables.h"

enum { MOST_GROUPS = 64 };

/* The race of one group. */
struct lane {
    double next;  /* time of the next arrival */
    double after; /* arrival after it, while n < 2 */
    double left;  /* weight still in the race once `n` have arrived */
    uint16_t first;
    int n, group;
};

/* One more expert of a group by weight, not among those stamped. */
static uint16_t arrive(struct ms_sampler *s, int group)
{
    const struct ms_alias *table = s->local + (size_t)group * s->size;
    ms_words_need(&s->words);
    for (int i = 0; i < 16; i++) {
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

/* The first two arrivals of every group, and the product that ranks them. */
static void start(struct ms_sampler *s, struct lane *lane, double *product)
{
    for (int g = 0; g < s->groups; g++) {
        if ((g & 15) == 0)
            ms_words_need(&s->words);
        const uint32_t *w = s->words.w + s->words.at;
        s->words.at += 3;
        uint16_t e = ms_alias_pick(s->local + (size_t)g * s->size, (uint32_t)s->size, w[0]);
        double t1 = ms_word_exponential(s, w[1]) / s->group_weight[g];
        double t2 = t1 + ms_word_exponential(s, w[2]) * s->rest_inverse[e];
        lane[g] = (struct lane){t1, t2, 0, e, 0, g};
        product[g] = t1 * t2;
    }
}

/* Move the lanes of the chosen groups to the front. */
static void choose(const struct ms_sampler *s, struct lane *lane, double *product)
{
    for (int i = 0; i < s->limit; i++) {
        int best = i;
        for (int g = i + 1; g < s->groups; g++)
            best = product[g] < product[best] ? g : best;
        struct lane l = lane[best];
        lane[best] = lane[i];
        lane[i] = l;
        product[best] = product[i];
    }
}

/* The next arrival of a lane has been taken: who was it, and when is the one after it? */
static uint16_t advance(struct ms_sampler *s, struct lane *l)
{
    uint16_t e = l->n == 0 ? l->first : arrive(s, l->group);
    s->stamp[e] = s->token;
    if (l->n++ == 0) {
        l->next = l->after;
        l->left = s->group_weight[l->group] - s->weight[e];
        return e;
    }
    l->left -= s->weight[e];
    if (l->left < 1e-6 * s->group_weight[l->group])
        l->left = weight_left(s, l->group);
    ms_words_need(&s->words);
    double step = ms_word_exponential(s, ms_word(&s->words));
    l->next = l->n < s->size ? l->next + step / l->left : INFINITY;
    return e;
}

void ms_sample_top2(struct ms_sampler *s, int n, uint16_t *chosen)
{
    struct lane lane[MOST_GROUPS];
    double product[MOST_GROUPS];
    for (int t = 0; t < n; t++) {
        if (++s->token == 0) {
            for (int e = 0; e < s->E; e++)
                s->stamp[e] = 0;
            s->token = 1;
        }
        start(s, lane, product);
        choose(s, lane, product);
        for (int k = 0; k < s->K; k++) {
            int best = 0;
            for (int i = 1; i < s->limit; i++)
                best = lane[i].next < lane[best].next ? i : best;
            *chosen++ = advance(s, &lane[best]);
        }
    }
}
