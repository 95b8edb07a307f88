/* Slow ranks and jitter, drawn from streams of their own: exact shares of stragglers, log-normal
 * times with a Pareto tail. */
#include "sim/noise.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

bool ms_noise_on(const struct ms_fault_params *p)
{
    return p->jitter_sigma > 0 || p->jitter_network_sigma > 0 || p->jitter_tail_share > 0 ||
           p->straggler_share > 0;
}

double ms_noise_jitter(const struct ms_noise *n, int repeat, int step, int layer, int rank,
                       int what)
{
    const struct ms_fault_params *p = n->faults;
    struct ms_rng r;
    if (!(p->jitter_sigma > 0) && !(p->jitter_tail_share > 0))
        return 1;
    ms_rng_init(&r, ms_rng_derive(n->seed, "jitter", (uint64_t)repeat, (uint64_t)step, 0), "rank",
                (uint64_t)layer, (uint64_t)rank, (uint64_t)what);
    double s = p->jitter_sigma, factor = exp(s * ms_rng_normal(&r) - s * s / 2);
    if (ms_rng_unit(&r) < p->jitter_tail_share)
        factor *= pow(ms_rng_unit(&r), -1 / p->jitter_tail_alpha);
    return factor;
}

double ms_noise_network(const struct ms_noise *n, int repeat, int step, int layer, int rank,
                        int phase)
{
    double s = n->faults->jitter_network_sigma;
    struct ms_rng r;
    if (!(s > 0))
        return 1;
    ms_rng_init(&r, ms_rng_derive(n->seed, "network", (uint64_t)repeat, (uint64_t)step, 0), "rank",
                (uint64_t)layer, (uint64_t)rank, (uint64_t)phase);
    return exp(s * ms_rng_normal(&r) - s * s / 2);
}

/* Who is slow, and how much, is drawn for the whole repeat (0) or for its step (1 + step). */
static uint64_t spell(const struct ms_noise *n, int step)
{
    return n->faults->straggler_per == MS_STRAGGLER_STEP ? 1 + (uint64_t)step : 0;
}

static double lot(const struct ms_noise *n, int repeat, int step, int rank)
{
    struct ms_rng r;
    ms_rng_init(&r, n->seed, "straggler", (uint64_t)repeat, (uint64_t)rank, spell(n, step));
    return ms_rng_unit(&r);
}

/* The share's number of ranks with the smallest lots are slow. */
static bool straggles(const struct ms_noise *n, int repeat, int step, int rank)
{
    int most = (int)lround(n->faults->straggler_share * n->n_ranks), before = 0;
    double mine = lot(n, repeat, step, rank);
    for (int o = 0; o < n->n_ranks && before < most; o++) {
        double other = o == rank ? mine : lot(n, repeat, step, o);
        before += other < mine || (other == mine && o < rank);
    }
    return before < most;
}

double ms_noise_slowdown(const struct ms_noise *n, int repeat, int step, int rank)
{
    const struct ms_fault_params *p = n->faults;
    struct ms_rng r;
    if (!(p->straggler_share > 0) || !straggles(n, repeat, step, rank))
        return 1;
    ms_rng_init(&r, n->seed, "slowdown", (uint64_t)repeat, (uint64_t)rank, spell(n, step));
    double above = p->straggler_slowdown - 1;
    switch (p->straggler_law) {
    case MS_STRAGGLER_UNIFORM:
        return 1 + above * ms_rng_unit(&r);
    case MS_STRAGGLER_EXPONENTIAL:
        return 1 + above * ms_rng_exponential(&r);
    case MS_STRAGGLER_LOGNORMAL: /* sigma 1, mean 1 */
        return 1 + above * exp(ms_rng_normal(&r) - 0.5);
    case MS_STRAGGLER_PARETO: /* exponent 2 from a half on: mean 1 */
        return 1 + above * 0.5 / sqrt(ms_rng_unit(&r));
    default:
        return p->straggler_slowdown;
    }
}
