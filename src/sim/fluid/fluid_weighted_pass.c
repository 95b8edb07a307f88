/* Which flows of a weighted component, or parts of its streams, end next at the levels just
 * computed; and what the levels before have served. */
#include <math.h>

#include "sim/fluid/fluid_comp.h"

void ms_fluid_weighted_serve(struct ms_fluid_comp *c)
{
    struct ms_fluid_weighted *w = &c->weighted;
    for (uint32_t i = 0; i < w->n; i++) {
        double left = w->left[i] - w->held[i].level * c->cut_s;
        w->left[i] = left > 0 ? left : 0;
    }
}

void ms_fluid_weighted_credit(struct ms_fluid_comp *c)
{
    struct ms_fluid_weighted *w = &c->weighted;
    for (uint32_t i = 0; c->crediting && i < w->n; i++) {
        if (w->left[i] == INFINITY)
            continue;
        double left = w->left[i] - w->held[i].credit;
        w->left[i] = left > 0 ? left : 0;
    }
    c->crediting = false;
}

bool ms_fluid_weighted_pass(struct ms_fluid_comp *c, double quantum_s)
{
    struct ms_fluid_weighted *w = &c->weighted;
    double window = ms_fluid_window(c, quantum_s), first = INFINITY, bound = 1e299;
    size_t found = 0;
    if (!ms_fluid_reserve_candidates(c, w->n))
        return false;
    for (uint32_t i = 0; i < w->n; i++) {
        double level = w->held[i].level,
               t = w->left[i] / (level > MS_FLUID_STILL ? level : MS_FLUID_STILL);
        if (!(t <= bound))
            continue;
        c->cand_t[found] = t;
        c->cand_flow[found++] = i;
        if (t < first) {
            first = t;
            bound = first + fmax(window, MS_FLUID_SAME * first);
        }
    }
    c->end_s = first < MS_FLUID_FOREVER ? c->solved_s : INFINITY;
    if (!(first < MS_FLUID_FOREVER))
        return true;
    for (size_t k = 0; k < found; k++) {
        if (c->cand_t[k] > bound)
            continue;
        if (!ms_fluid_grow(&c->ending, &c->ending_cap, c->n_ending + 1, sizeof *c->ending))
            return false;
        double finish_s = c->solved_s + c->cand_t[k];
        c->ending[c->n_ending++] =
            (struct ms_fluid_ending){.finish_s = finish_s, .flow = c->cand_flow[k]};
        c->end_s = fmax(c->end_s, finish_s);
    }
    return true;
}

void ms_fluid_weighted_idle(const struct ms_fluid_comp *c, double at_s, double *rates, double *idle)
{
    const struct ms_fluid_weighted *w = &c->weighted;
    for (size_t i = 0; i < c->n_ending; i++) {
        const struct ms_fluid_ending *e = &c->ending[i];
        double level = w->held[e->flow].level;
        size_t k, to;
        if (e->finish_s > at_s || level >= MS_FLUID_FREE_RATE)
            continue;
        for (ms_fluid_asks(&w->held[e->flow], &k, &to); k < to; k++) {
            double rate = w->ask[k].units * level, unused = rate * (at_s - e->finish_s);
            rates[w->ask[k].link] += rate;
            idle[w->ask[k].link] += unused;
            rates[c->m] += rate;
            idle[c->m] += unused;
        }
    }
}
