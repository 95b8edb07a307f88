/* Decides how weights become frequencies that can be drawn: scaled, with what would pass one cut
 * and given to the others. */
#include "routing/inclusion.h"

#include <math.h>
#include <stdbool.h>

void ms_cap_at_one(double *v, int n, double total)
{
    double scale = 0;
    for (bool again = true; again;) {
        double left = total, rest = 0;
        again = false;
        for (int i = 0; i < n; i++) {
            left -= v[i] < 0; /* negative: is one already */
            rest += v[i] < 0 ? 0 : v[i];
        }
        scale = rest > 0 ? fmax(left, 0) / rest : 0;
        for (int i = 0; i < n; i++)
            if (v[i] * scale >= 1) {
                v[i] = -1;
                again = true;
            }
    }
    for (int i = 0; i < n; i++)
        v[i] = v[i] < 0 ? 1 : v[i] * scale;
}

void ms_group_inclusion(const double *part, int n, int limit, double *q)
{
    bool full[MS_MOST_GROUPS] = {false};
    for (bool again = true; again;) {
        double turns = limit, rest = 0;
        again = false;
        for (int g = 0; g < n; g++) {
            turns -= full[g];
            rest += full[g] ? 0 : part[g];
        }
        for (int g = 0; g < n; g++) {
            q[g] = full[g] ? 1 : rest > 0 ? fmax(turns, 0) * part[g] / rest : 0;
            if (!full[g] && q[g] >= 1) {
                full[g] = true;
                again = true;
            }
        }
    }
}

/* Each group keeps its part, its experts share it: pi_e = q x min(1, s f_e) with sum P / q. */
static void within_groups(const struct ms_model_shape *m, double *pi)
{
    int size = m->experts / m->groups;
    double part[MS_MOST_GROUPS] = {0}, q[MS_MOST_GROUPS];
    for (int e = 0; e < m->experts; e++)
        part[e / size] += pi[e];
    ms_group_inclusion(part, m->groups, m->group_limit, q);
    for (int g = 0; g < m->groups; g++) {
        double *v = pi + g * size;
        if (q[g] <= 0)
            continue;
        ms_cap_at_one(v, size, fmin(part[g] / q[g], size));
        for (int i = 0; i < size; i++)
            v[i] *= q[g];
    }
}

void ms_inclusion_of(const struct ms_model_shape *m, double *f)
{
    ms_cap_at_one(f, m->experts, m->top_k);
    if (m->groups > 1 && m->group_limit < m->groups)
        within_groups(m, f);
    for (int e = 0; e < m->experts; e++)
        f[e] /= m->top_k;
}
