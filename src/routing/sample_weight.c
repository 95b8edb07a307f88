/* Successive sampling by weight without replacement = top-k of ln weight + Gumbel (Efraimidis and
 * Spirakis 2006; Kool et al. 2019): draw with replacement from an alias table and skip what is
 * already chosen. Group score max: in the race whose arrival times are -score, a group's best score
 * is its first arrival, so the groups chosen are the first group_limit groups hit, and from then on
 * arrivals of other groups are skipped. No branch on random data but the loop's end. */
#include "routing/sample_tables.h"

/* New stamp; all stamps are cleared when it wraps. */
static uint32_t next_token(struct ms_sampler *s)
{
    if (++s->token == 0) {
        for (int e = 0; e < s->E; e++)
            s->stamp[e] = 0;
        s->token = 1;
    }
    return s->token;
}

static void finish_exactly(struct ms_sampler *s, uint16_t *chosen, int k, uint64_t ok, uint64_t hit,
                           int open)
{
    for (; k < s->K; k++) {
        uint16_t e = ms_sample_exact(s, ok);
        uint64_t bit = 1ull << s->group_of[e];
        chosen[k] = e;
        s->stamp[e] = s->token;
        open -= !(hit & bit);
        hit |= bit;
        if (open == 0)
            ok = hit;
    }
}

static void one_limited(struct ms_sampler *s, uint16_t *chosen)
{
    uint32_t token = next_token(s), *stamp = s->stamp;
    const uint32_t E = (uint32_t)s->E, *word = s->words.w + s->words.at;
    const uint8_t *group_of = s->group_of;
    const struct ms_alias *all = s->all;
    uint64_t ok = ~0ull, hit = 0;
    int k = 0, i = 0, open = s->limit, K = s->K;
    while (k < K && i < MS_WORDS_SPARE) {
        uint16_t e = ms_alias_pick(all, E, word[i++]);
        uint32_t g = group_of[e];
        uint64_t take = (uint64_t)(stamp[e] != token) & (ok >> g);
        chosen[k] = e;
        /* Of a group that is out: it stays out, its stamp is never asked again. */
        stamp[e] = token;
        open -= (int)(take & ~(hit >> g) & 1);
        hit |= (take & 1) << g;
        k += (int)(take & 1);
        ok = open > 0 ? ~0ull : hit;
    }
    s->words.at += i;
    if (k < K)
        finish_exactly(s, chosen, k, ok, hit, open);
}

static void one_free(struct ms_sampler *s, uint16_t *chosen)
{
    uint32_t token = next_token(s), *stamp = s->stamp;
    const uint32_t E = (uint32_t)s->E, *word = s->words.w + s->words.at;
    const struct ms_alias *all = s->all;
    int k = 0, i = 0, K = s->K;
    while (k < K && i < MS_WORDS_SPARE) {
        uint16_t e = ms_alias_pick(all, E, word[i++]);
        chosen[k] = e;
        k += stamp[e] != token;
        stamp[e] = token;
    }
    s->words.at += i;
    if (k < K)
        finish_exactly(s, chosen, k, ~0ull, 0, -1);
}

void ms_sample_weight(struct ms_sampler *s, int n, uint16_t *chosen)
{
    for (int t = 0; t < n; t++, chosen += s->K) {
        ms_words_need(&s->words);
        if (s->limited)
            one_limited(s, chosen);
        else
            one_free(s, chosen);
    }
}
