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

#include "routing/inclusion.h"
#include "routing/sample_tables.h"

enum { BATCH = MS_CIRCLE };

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
            uint64_t slack = sum < total ? one - out[i] : out[i];
            uint64_t move = slack < share ? slack : share;
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

static enum ms_status set_limited(struct ms_sampler *s, const double *pi, struct ms_err *err)
{
    double group[MS_MOST_GROUPS] = {0}, q[MS_MOST_GROUPS], turns = 0;
    for (int e = 0; e < s->E; e++)
        group[s->group_of[e]] += pi[e];
    ms_group_inclusion(group, s->groups, s->limit, q);
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
                        s->pi + ms_cell(g, s->size, 0)))
            return ms_err_set(err, MS_INTERNAL, "inclusion frequencies of group %d do not add up",
                              g);
        turns += q[g];
    }
    if (!make_whole(q, s->groups, (uint64_t)nearbyint(turns) << 32, s->group_pi))
        return ms_err_set(err, MS_INTERNAL, "inclusion frequencies of the groups do not add up");
    return MS_OK;
}

/* Experts that are ever chosen, group by group, and the turn of each group. */
void ms_sample_pi_begin(struct ms_sampler *s)
{
    for (int g = 0; g < s->groups; g++) {
        int *member = s->order + ms_cell(g, s->size, 0), n = 0;
        s->group_turn[g] = 0;
        for (int e = g * s->size; e < (g + 1) * s->size; e++) {
            s->group_turn[g] += s->pi[e];
            if (s->pi[e] != 0)
                member[n++] = e;
        }
        s->members[g] = n;
    }
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

/** BATCH tokens that share an order. */
struct batch {
    uint32_t live;     /* tokens that are there */
    uint32_t u[BATCH]; /* starting points */
    int taken[BATCH];
    uint16_t *chosen; /* [live][K] */
};

/* Experts of one group, in a fresh order: each is taken by the tokens whose circle its arc covers.
 * point: where the group stands on each token's circle; who: the tokens that may use it. */
static void take_group(struct ms_sampler *s, int group, const uint32_t *point, uint32_t who,
                       struct batch *b)
{
    int *member = s->order + ms_cell(group, s->size, 0), n = s->members[group];
    uint32_t at = 0;
    shuffle(&s->words, member, n);
    for (int i = 0; i < n; i++) {
        s->arc_start[i] = at;
        s->arc_last[i] = (uint32_t)(s->pi[member[i]] - 1);
        at += (uint32_t)s->pi[member[i]];
    }
    s->ops->circle(n, s->arc_start, s->arc_last, point, s->arc_mask);
    for (int i = 0; i < n; i++)
        for (uint32_t m = s->arc_mask[i] & who; m != 0; m &= m - 1) {
            int t = __builtin_ctz(m), k = b->taken[t];
            b->chosen[t * s->K + (k < s->K ? k : s->K - 1)] = (uint16_t)member[i];
            b->taken[t] = k + 1;
        }
}

/* Which groups each token uses, then their experts: a token's circle holds its groups one behind
 * the other. */
static void take_limited(struct ms_sampler *s, struct batch *b)
{
    int order[MS_MOST_GROUPS];
    uint32_t pick[BATCH], start[MS_MOST_GROUPS], last[MS_MOST_GROUPS], who[MS_MOST_GROUPS], at = 0;
    int n = 0;
    for (int g = 0; g < s->groups; g++)
        if (s->group_pi[g] != 0)
            order[n++] = g;
    shuffle(&s->words, order, n);
    ms_words_need(&s->words);
    for (int t = 0; t < BATCH; t++)
        pick[t] = ms_word(&s->words);
    for (int i = 0; i < n; i++) {
        start[i] = at;
        last[i] = (uint32_t)(s->group_pi[order[i]] - 1);
        at += (uint32_t)s->group_pi[order[i]];
    }
    s->ops->circle(n, start, last, pick, who);
    uint32_t point[BATCH];
    for (int t = 0; t < BATCH; t++)
        point[t] = b->u[t];
    for (int i = 0; i < n; i++) {
        take_group(s, order[i], point, who[i] & b->live, b);
        uint32_t turn = (uint32_t)s->group_turn[order[i]];
        for (int t = 0; t < BATCH; t++)
            point[t] -= who[i] >> t & 1 ? turn : 0;
    }
}

/* The turns of a token's groups may miss top_k by a few units of 2^-32, and then a token an expert:
 * give it any other. */
static void complete(struct ms_sampler *s, const struct batch *b, int t)
{
    uint16_t *chosen = b->chosen + t * s->K;
    uint64_t groups = 0;
    for (int k = 0; k < b->taken[t]; k++)
        groups |= 1ull << s->group_of[chosen[k]];
    for (int k = b->taken[t]; k < s->K; k++)
        for (int e = 0; e < s->E; e++) {
            bool used = !(groups >> s->group_of[e] & 1);
            for (int j = 0; j < k; j++)
                used |= chosen[j] == e;
            if (used)
                continue;
            chosen[k] = (uint16_t)e;
            break;
        }
}

void ms_sample_pi(struct ms_sampler *s, int n, uint16_t *chosen)
{
    for (int first = 0; first < n; first += BATCH) {
        int B = n - first < BATCH ? n - first : BATCH;
        struct batch b = {.live = B == BATCH ? ~0u : (1u << B) - 1,
                          .chosen = chosen + ms_cell(first, s->K, 0)};
        ms_words_need(&s->words);
        for (int t = 0; t < BATCH; t++)
            b.u[t] = ms_word(&s->words);
        if (s->limited)
            take_limited(s, &b);
        else
            take_group(s, 0, b.u, b.live, &b);
        for (int t = 0; t < B; t++)
            if (b.taken[t] < s->K)
                complete(s, &b, t);
    }
}
