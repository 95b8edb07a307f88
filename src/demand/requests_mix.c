/* Decides which domain a request that arrives has: constant shares or shares that are drawn anew from
 * time to time, restricted to the domains of the rank where there is affinity. */
#include "demand/requests_mix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_KEPT = 4096 }; /* epochs */

struct ms_mix {
    const struct ms_requests_problem *p;
    bool moves;
    double *share; /* [domains] of the last epoch asked for */
    int64_t epoch; /* that one */
    double *keep;  /* [n_kept][domains] shares of epochs 0, 1, …; 0 = not drawn yet */
    int64_t n_kept;
    int64_t *start; /* [n_past]: epoch -i begins at step start[i], falling */
    int64_t *next;  /* [n_future]: epoch i + 1 begins at step next[i], rising */
    size_t n_past, n_future, past_cap, future_cap;
};

/* Steps an epoch goes on, counted from any of its steps: geometric of the given mean. */
static int64_t life(const struct ms_requests_problem *p, const char *purpose, uint64_t i)
{
    struct ms_rng rng;
    double persistence = p->params->mix.persistence;
    if (persistence <= 1)
        return 1;
    ms_rng_init(&rng, p->seed, purpose, (uint64_t)p->repeat, i, 0);
    return 1 + (int64_t)(log(ms_rng_unit(&rng)) / log1p(-1 / persistence));
}

static bool append(int64_t **v, size_t *n, size_t *cap, int64_t value)
{
    if (*n == *cap) {
        size_t more = *cap ? 2 * *cap : 64;
        int64_t *grown = realloc(*v, more * sizeof *grown);
        if (!grown)
            return false;
        *v = grown;
        *cap = more;
    }
    (*v)[(*n)++] = value;
    return true;
}

/* First i of a rising (sign 1) or falling (-1) list whose value is beyond step. */
static size_t search(const int64_t *v, size_t n, int64_t step, int sign)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (sign > 0 ? v[mid] > step : v[mid] <= step)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* Epoch 0 is that of step 0; false: out of memory. */
static bool epoch_of(struct ms_mix *m, int64_t step, int64_t *epoch)
{
    if (step >= 0) {
        while (m->n_future == 0 || m->next[m->n_future - 1] <= step) {
            int64_t before = m->n_future ? m->next[m->n_future - 1] : 0;
            int64_t at = before + life(m->p, "mix_on", m->n_future);
            if (!append(&m->next, &m->n_future, &m->future_cap, at))
                return false;
        }
        *epoch = (int64_t)search(m->next, m->n_future, step, 1);
        return true;
    }
    while (m->n_past == 0 || m->start[m->n_past - 1] > step) {
        int64_t after = m->n_past ? m->start[m->n_past - 1] : 1;
        int64_t at = after - life(m->p, "mix_back", m->n_past);
        if (!append(&m->start, &m->n_past, &m->past_cap, at))
            return false;
    }
    *epoch = -(int64_t)search(m->start, m->n_past, step, -1);
    return true;
}

/* Shares of epochs of the run's own steps are drawn once: every slot asks for them. */
static double *kept(struct ms_mix *m, int64_t epoch)
{
    return epoch >= 0 && epoch < m->n_kept ? m->keep + (size_t)epoch * (size_t)m->p->n_domains
                                           : NULL;
}

/* Dirichlet(concentration x weights), from Gamma draws; small shapes underflow, so their logarithms
 * are drawn: Gamma(a) = Gamma(a + 1) x U^(1/a). */
static void draw_shares(struct ms_mix *m, int64_t epoch)
{
    const struct ms_requests_problem *p = m->p;
    struct ms_rng rng;
    double top = -INFINITY, sum = 0, *keep = kept(m, epoch);
    m->epoch = epoch;
    if (keep && keep[0] > 0) {
        memcpy(m->share, keep, (size_t)p->n_domains * sizeof *keep);
        return;
    }
    ms_rng_init(&rng, p->seed, "mix", (uint64_t)p->repeat, (uint64_t)epoch, 0);
    for (int d = 0; d < p->n_domains; d++) {
        double a = p->params->mix.concentration * p->weight[d];
        m->share[d] = log(ms_rng_gamma(&rng, a + 1)) + log(ms_rng_unit(&rng)) / a;
        top = fmax(top, m->share[d]);
    }
    for (int d = 0; d < p->n_domains; d++)
        sum += m->share[d] = fmax(exp(m->share[d] - top), 1e-200);
    for (int d = 0; d < p->n_domains; d++)
        m->share[d] /= sum;
    if (keep)
        memcpy(keep, m->share, (size_t)p->n_domains * sizeof *keep);
}

struct ms_mix *ms_mix_create(const struct ms_requests_problem *p)
{
    struct ms_mix *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->p = p;
    m->moves = isfinite(p->params->mix.concentration);
    m->epoch = INT64_MIN;
    m->share = calloc((size_t)p->n_domains, sizeof *m->share);
    m->n_kept = (int64_t)p->n_steps + 1 < MOST_KEPT ? p->n_steps + 1 : MOST_KEPT;
    m->keep = calloc((size_t)m->n_kept * (size_t)p->n_domains, sizeof *m->keep);
    if (!m->share || !m->keep) {
        ms_mix_destroy(m);
        return NULL;
    }
    for (int d = 0; d < p->n_domains; d++)
        m->share[d] = p->weight[d];
    return m;
}

void ms_mix_destroy(struct ms_mix *m)
{
    if (!m)
        return;
    free(m->share);
    free(m->keep);
    free(m->start);
    free(m->next);
    free(m);
}

/* The part of a rank's arrivals that is of a domain, not scaled: its share times the part of its
 * ranks that this rank is. */
static double part_of(const struct ms_mix *m, int domain, double from, int rank)
{
    const struct ms_requests_problem *p = m->p;
    if (!p->params->affinity)
        return m->share[domain];
    double low = (double)rank / p->n_ranks, high = (rank + 1.0) / p->n_ranks;
    double overlap = fmin(high, from + p->weight[domain]) - fmax(low, from);
    return overlap > 1e-12 ? m->share[domain] * overlap / p->weight[domain] : 0;
}

int ms_mix_domain(struct ms_mix *m, int64_t step, int rank, double u)
{
    const struct ms_requests_problem *p = m->p;
    int64_t epoch = m->epoch;
    if (m->moves && !epoch_of(m, step, &epoch))
        return -1;
    if (m->moves && epoch != m->epoch)
        draw_shares(m, epoch);
    double sum = 0, from = 0;
    for (int d = 0; d < p->n_domains; from += p->weight[d++])
        sum += part_of(m, d, from, rank);
    double left = u * sum;
    int last = 0;
    from = 0;
    for (int d = 0; d < p->n_domains; from += p->weight[d++]) {
        double part = part_of(m, d, from, rank);
        if (part <= 0)
            continue;
        last = d;
        left -= part;
        if (left < 0)
            break;
    }
    return last;
}
