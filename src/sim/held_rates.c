/* Which rates of which links can hold a flow back after they have risen, and which of them a flow
 * starts with. */
#include "sim/held_rates.h"

#include <math.h>
#include <stdlib.h>

static int by_link_and_time(const void *a, const void *b)
{
    const struct ms_held_step *x = a, *y = b;
    if (x->link != y->link)
        return x->link < y->link ? -1 : 1;
    if (x->at_s != y->at_s)
        return x->at_s < y->at_s ? -1 : 1;
    return (x->rate > y->rate) - (x->rate < y->rate); /* as in the file: the last one counts */
}

/* The number of a link's rate; rates [first, *n) are those of the same link. */
static uint32_t number_of(double *Bps, size_t first, size_t *n, double rate_Bps)
{
    for (size_t i = first; i < *n; i++)
        if (Bps[i] == rate_Bps)
            return (uint32_t)i;
    Bps[*n] = rate_Bps;
    return (uint32_t)(*n)++;
}

static bool rises(const struct ms_platform_events *e, const struct ms_held_step *s, size_t n,
                  double start_Bps)
{
    double before_Bps = start_Bps;
    bool any = false;
    for (size_t i = 0; i < n && !any; i++) {
        any = e->event[s[i].rate].capacity_Bps > before_Bps;
        before_Bps = e->event[s[i].rate].capacity_Bps;
    }
    return any;
}

/* The steps of one link that is faster at some time than before; step.rate is an event on entry. */
static void add_link(const struct ms_platform_events *e, const struct ms_held_step *s, size_t n,
                     const double *capacity_Bps, struct ms_held_rates *out,
                     struct ms_held_step *step, double *Bps, uint32_t *link_of)
{
    size_t first = out->n_rates;
    uint32_t link = s[0].link;
    step[out->n_steps++] = (struct ms_held_step){
        -INFINITY, link, number_of(Bps, first, &out->n_rates, capacity_Bps[link])};
    for (size_t i = 0; i < n; i++)
        step[out->n_steps++] = (struct ms_held_step){
            s[i].at_s, link,
            number_of(Bps, first, &out->n_rates, e->event[s[i].rate].capacity_Bps)};
    for (size_t i = first; i < out->n_rates; i++)
        link_of[i] = link;
}

bool ms_held_rates_make(const struct ms_platform_events *e, const double *capacity_Bps,
                        struct ms_arena *a, struct ms_held_rates *out)
{
    size_t n = 0, most = 2 * e->n_events + 1;
    *out = (struct ms_held_rates){.capacity_Bps = capacity_Bps};
    struct ms_held_step *all = malloc((e->n_events + 1) * sizeof *all);
    struct ms_held_step *step = MS_NEW(a, struct ms_held_step, most);
    double *Bps = MS_NEW(a, double, most);
    uint32_t *link_of = MS_NEW(a, uint32_t, most);
    bool ok = all && step && Bps && link_of;
    for (size_t i = 0; ok && i < e->n_events; i++)
        if (e->event[i].of_file)
            all[n++] = (struct ms_held_step){e->event[i].at_s, e->event[i].link, (uint32_t)i};
    if (ok)
        qsort(all, n, sizeof *all, by_link_and_time);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && all[end].link == all[i].link;)
            end++;
        if (rises(e, all + i, end - i, capacity_Bps[all[i].link]))
            add_link(e, all + i, end - i, capacity_Bps, out, step, Bps, link_of);
    }
    free(all);
    out->step = step;
    out->Bps = Bps;
    out->link_of = link_of;
    return ok;
}

/* The last step of a link at or before a time; NULL: the link has none. */
static const struct ms_held_step *step_at(const struct ms_held_rates *h, uint32_t link, double at_s)
{
    size_t low = 0, high = h->n_steps; /* the first step after (link, at_s) */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct ms_held_step *s = &h->step[mid];
        if (s->link < link || (s->link == link && s->at_s <= at_s))
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 && h->step[low - 1].link == link ? &h->step[low - 1] : NULL;
}

uint32_t ms_held_rates_at(const struct ms_held_rates *h, const uint32_t *link, size_t n,
                          double at_s)
{
    double least_Bps = INFINITY;
    uint32_t rate = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        const struct ms_held_step *s = step_at(h, link[i], at_s);
        double Bps = s ? h->Bps[s->rate] : h->capacity_Bps[link[i]];
        if (Bps < least_Bps || (Bps == least_Bps && !s)) { /* a constant rate holds by itself */
            least_Bps = Bps;
            rate = s ? s->rate : UINT32_MAX;
        }
    }
    return rate;
}
