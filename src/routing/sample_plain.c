/* The definition of a token's choice, the shapes it is defined for, and the plain way to draw it:
 * what the fast ways are tested against. */
#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "routing/sample.h"

enum ms_status ms_shape_check(const struct ms_model_shape *m, struct ms_err *err)
{
    const char *key = NULL;
    char text[200] = "";
    int per_group = m->groups > 0 ? m->experts / m->groups : 0;
    bool limited = m->groups > 1 && m->group_limit < m->groups;
    if (m->experts < 1 || m->experts > MS_MOST_EXPERTS) {
        key = "model.experts";
        snprintf(text, sizeof text, "%d is not in 1..%d", m->experts, MS_MOST_EXPERTS);
    } else if (m->top_k < 1 || m->top_k > m->experts) {
        key = "model.top_k";
        snprintf(text, sizeof text, "%d is not in 1..%d (model.experts)", m->top_k, m->experts);
    } else if (m->groups < 1 || m->experts % m->groups != 0) {
        key = "model.groups";
        snprintf(text, sizeof text, "%d groups do not divide %d experts", m->groups, m->experts);
    } else if (limited && m->groups > MS_MOST_GROUPS) {
        key = "model.groups";
        snprintf(text, sizeof text, "%d groups; at most %d with a group limit", m->groups,
                 MS_MOST_GROUPS);
    } else if (m->groups > 1 && m->group_limit < 1) {
        key = "model.group_limit";
        snprintf(text, sizeof text, "%d is not in 1..%d (model.groups)", m->group_limit, m->groups);
    } else if (limited && m->top_k > m->group_limit * per_group) {
        key = "model.group_limit";
        snprintf(text, sizeof text, "%d groups of %d experts hold fewer than top_k %d",
                 m->group_limit, per_group, m->top_k);
    } else if (limited && m->group_score == MS_GROUP_TOP2_SUM && per_group < 2) {
        key = "model.group_score";
        snprintf(text, sizeof text, "top2_sum needs groups of at least 2 experts, these have %d",
                 per_group);
    }
    if (!key)
        return MS_OK;
    return ms_err_at(err, MS_INVALID, NULL, 0, 0, key, "%s", text);
}

static double group_score(const struct ms_model_shape *m, const double *score, int size)
{
    double best = -INFINITY, second = -INFINITY;
    for (int i = 0; i < size; i++) {
        if (score[i] > best) {
            second = best;
            best = score[i];
        } else if (score[i] > second) {
            second = score[i];
        }
    }
    return m->group_score == MS_GROUP_TOP2_SUM ? best + second : best;
}

/* Bit mask of the groups a token may use. */
static uint64_t choose_groups(const struct ms_model_shape *m, const double *score)
{
    double of_group[MS_MOST_GROUPS];
    int size = m->experts / m->groups;
    for (int g = 0; g < m->groups; g++)
        of_group[g] = group_score(m, score + ms_cell(g, size, 0), size);
    uint64_t mask = 0;
    for (int i = 0; i < m->group_limit; i++) {
        int best = -1;
        for (int g = 0; g < m->groups; g++)
            if (!(mask >> g & 1) && (best < 0 || of_group[g] > of_group[best]))
                best = g;
        mask |= 1ull << best;
    }
    return mask;
}

void ms_select_top(const struct ms_model_shape *m, const double *score, uint16_t *chosen)
{
    bool limited = m->groups > 1 && m->group_limit < m->groups;
    uint64_t mask = limited ? choose_groups(m, score) : ~0ull;
    int size = m->experts / m->groups, n = 0;
    for (int e = 0; e < m->experts; e++) {
        if (limited && !(mask >> (e / size) & 1))
            continue;
        if (n == m->top_k && score[e] <= score[chosen[n - 1]])
            continue;
        int at = n < m->top_k ? n++ : n - 1;
        for (; at > 0 && score[chosen[at - 1]] < score[e]; at--)
            chosen[at] = chosen[at - 1];
        chosen[at] = (uint16_t)e;
    }
}

void ms_sample_plain(const struct ms_model_shape *m, const double *weight, struct ms_rng *rng,
                     int n_tokens, uint16_t *chosen, double *score)
{
    for (int t = 0; t < n_tokens; t++) {
        for (int e = 0; e < m->experts; e++)
            score[e] = log(weight[e]) + ms_rng_gumbel(rng);
        ms_select_top(m, score, chosen + ms_cell(t, m->top_k, 0));
    }
}
