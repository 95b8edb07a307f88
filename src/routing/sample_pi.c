/* Exact inclusion frequencies by systematic sampling over a random order (Madow 1949): lay the
 * experts' pi end to end, 0..top_k, and take those over u, u + 1, u + 2 …; u uniform. Every expert
 * is taken with probability pi exactly, none twice (pi <= 1), always top_k. BATCH tokens share an
 * order, each with a u of its own. Whole numbers in units of 2^-32: no rounding drift.
 *
 * Under a group limit two stages: groups by the same method with inclusion q_g ~ P_g = sum of pi
 * (none above 1), then experts of the chosen groups with pi_e / q_g; with q_g proportional to P_g
 * these sum to top_k whatever groups are chosen. */
#include <math.h>
#include <string.h>

#include "routing/sample_tables.h"

enum { BATCH = 32, MOST_GROUPS = 64 };

/* v [n] in units of 2^-32, none above 1, sum exactly total: what rounding left goes to those that
 * can take it. */
static bool make_whole(const double *v, int n, uint64_t total, uint64_t *out)
{
    const uint64_t one = 1ull << 32;
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        out[i] = (uint64_t)fmin(fmax(nearbyint(v[i] * 0x1p32), 0), 0x1p32);
        sum += out[i];
    }
    for (int pass = 0; pass < 64 && sum != total; pass++) {
        uint64_t gap = sum < total ? total - sum : sum - total;
        uint64_t share = gap / (uint64_t)n + 1;
        for (int i = 0; i < n && sum != total; i++) {
            if (out[i] == 0)
                continue;
            uint64_t room = sum < total ? one - out[i] : out[i];
            uint64_t move = room < share ? room : share;
            gap = sum < total ? total - sum : sum - total;
            move = move < gap ? move : gap;
            out[i] += sum < total ? move : -move;
            sum += sum < total ? move : -move;
        }
    }
    return sum == total;
}

static enum ms_status too_hot(const struct ms_sampler *s, int e, double pi, struct ms_err *err)
{
    return ms_err_set(
        err, MS_INVALID,
        "expert %d has %.4g of the selections: at top %d it would be in %.4g of all tokens, "
        "more than one",
        e, pi / s->K, s->K, pi);
}

/* q_g: proportional to the group's pi, none above 1 (then the others share what is left). */
static void group_inclusion(const struct ms_sampler *s, const double *group, double *q)
{
    bool full[MOST_GROUPS] = {false};
    for (bool again = true; again;) {
        double turns = s->limit, rest = 0;
        again = false;
        for (int g = 0; g < s->groups; g++) {
            turns -= full[g];
            rest += full[g] ? 0 : group[g];
        }
        for (int g = 0; g < s->groups; g++) {
            q[g] = full[g] ? 1 : rest > 0 ? fmax(turns, 0) * group[g] / rest : 0;
            if (!full[g] && q[g] >= 1) {
                full[g] = true;
                again = true;
            }
        }
    }
}

static enum ms_status set_limited(struct ms_sampler *s, const double *pi, struct ms_err *err)
{
    double group[MOST_GROUPS] = {0}, q[MOST_GROUPS], turns = 0;
    for (int e = 0; e < s->E; e++)
        group[s->group_of[e]] += pi[e];
    group_inclusion(s, group, q);
    for (int g = 0; g < s->groups; g++) {
        double sum = 0;
        for (int i = 0; i < s->size; i++) {
            int e = g * s->size + i;
            double c = q[g] > 0 ? pi[e] / q[g] : 0;
            if (c > 1 + 1e-9)
                return ms_err_set(
                    err, MS_INVALID,
                    "expert %d has %.3g of its group's selections, more than %d groups "
                    "of top %d can give one expert (at most %.3g); take groups: 1",
                    e, pi[e] / group[g], s->limit, s->K, (double)s->limit / s->K);
            s->alias_scratch[i] = c;
            sum += c;
        }
        if (!make_whole(s->alias_scratch, s->size, (uint64_t)nearbyint(sum * 0x1p32),
                        s->pi + (size_t)g * s->size))
            return ms_err_set(err, MS_INTERNAL, "inclusion frequencies of group %d do not add up",
                              g);
        turns += q[g];
    }
    if (!make_whole(q, s->groups, (uint64_t)nearbyint(turns) << 32, s->group_pi))
        return ms_err_set(err, MS_INTERNAL, "inclusion frequencies of the groups do not add up");
    return MS_OK;
}

enum ms_status ms_sample_pi_set(struct ms_sampler *s, const double *f, struct ms_err *err)
{
    double *pi = s->weight;
    for (int e = 0; e < s->E; e++) {
        pi[e] = s->K * f[e];
        if (pi[e] > 1 + 1e-9)
            return too_hot(s, e, pi[e], err);
        pi[e] = fmin(pi[e], 1);
    }
    if (s->limited)
        return set_limited(s, pi, err);
    if (!make_whole(pi, s->E, (uint64_t)s->K << 32, s->pi))
        return ms_err_set(err, MS_INVALID, "only a few experts are ever chosen: fewer than top %d",
                          s->K);
    return MS_OK;
}

static void shuffle(struct ms_words *w, int *order, int n)
{
    for (int i = n; i > 1; i--) {
        if ((i & 31) == 0 || i == n)
            ms_words_need(w);
        int j = (int)((uint64_t)ms_word(w) * (uint32_t)i >> 32), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}

/* B starting points, rising; the low 8 bits hold the token. */
static void starting_points(struct ms_words *w, int B, uint64_t *u)
{
    ms_words_need(w);
    for (int i = 0; i < B; i++) {
        uint64_t x = (uint64_t)ms_word(w) << 8 | (unsigned)i;
        int at = i;
        for (; at > 0 && u[at - 1] > x; at--)
            u[at] = u[at - 1];
        u[at] = x;
    }
}

static void batch_free(struct ms_sampler *s, int B, uint16_t *chosen)
{
    uint64_t u[BATCH];
    shuffle(&s->words, s->order, s->E);
    starting_points(&s->words, B, u);
    const int *order = s->order;
    const uint64_t *pi = s->pi;
    uint64_t end = pi[*order];
    for (int k = 0; k < s->K; k++)
        for (int i = 0; i < B; i++) {
            uint64_t at = ((uint64_t)k << 32) + (u[i] >> 8);
            while (end <= at)
                end += pi[*++order];
            chosen[(size_t)(u[i] & 255) * s->K + k] = (uint16_t)*order;
        }
}

/* Experts of one token's groups: the group's members follow each other in the batch's order. */
static void token_limited(struct ms_sampler *s, uint64_t groups, const int *group_order, uint64_t u,
                          uint16_t *chosen)
{
    uint64_t end = 0, at = u;
    int k = 0;
    for (int i = 0; i < s->groups; i++) {
        int g = group_order[i];
        if (!(groups >> g & 1))
            continue;
        const int *member = s->order + (size_t)g * s->size;
        for (int j = 0; j < s->size; j++) {
            int e = member[j];
            end += s->pi[e];
            if (at >= end || k == s->K)
                continue;
            chosen[k++] = (uint16_t)e;
            at += 1ull << 32;
        }
    }
    /* Rounding of the groups' sums (a few units in 2^32) may leave the last turn past the end. */
    for (; k < s->K; k++)
        for (int e = 0; e < s->E; e++) {
            bool used = !(groups >> s->group_of[e] & 1);
            for (int j = 0; j < k; j++)
                used |= chosen[j] == e;
            if (!used) {
                chosen[k] = (uint16_t)e;
                break;
            }
        }
}

static void batch_limited(struct ms_sampler *s, int B, uint16_t *chosen)
{
    int group_order[MOST_GROUPS];
    for (int g = 0; g < s->groups; g++) {
        group_order[g] = g;
        shuffle(&s->words, s->order + (size_t)g * s->size, s->size);
    }
    shuffle(&s->words, group_order, s->groups);
    for (int t = 0; t < B; t++) {
        ms_words_need(&s->words);
        uint32_t u = ms_word(&s->words), start = 0;
        uint64_t groups = 0;
        for (int i = 0; i < s->groups; i++) {
            uint64_t q = s->group_pi[group_order[i]];
            groups |= (uint64_t)(q != 0 && (uint32_t)(u - start) <= (uint32_t)(q - 1))
                      << group_order[i];
            start += (uint32_t)q;
        }
        token_limited(s, groups, group_order, ms_word(&s->words), chosen + (size_t)t * s->K);
    }
}

void ms_sample_pi(struct ms_sampler *s, int n, uint16_t *chosen)
{
    for (int t = 0; t < n; t += BATCH) {
        int B = n - t < BATCH ? n - t : BATCH;
        if (s->limited)
            batch_limited(s, B, chosen + (size_t)t * s->K);
        else
            batch_free(s, B, chosen + (size_t)t * s->K);
    }
}
