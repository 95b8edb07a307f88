/* Decides in which order recorded requests arrive: by domain, shuffled, and shuffled again when all
 * have been there. */
#include "demand/requests_recorded.h"

#include <stdlib.h>

struct ms_recorded {
    struct ms_rng rng;
    int n_domains;
    int *row;   /* [recorded] by domain */
    int *start; /* [domains + 1] */
    int *next;  /* [domains] */
};

struct ms_recorded *ms_recorded_create(const struct ms_requests_problem *p)
{
    struct ms_recorded *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->n_domains = p->n_domains;
    r->row = calloc((size_t)p->n_recorded + 1, sizeof *r->row);
    r->start = calloc((size_t)p->n_domains + 1, sizeof *r->start);
    r->next = calloc((size_t)p->n_domains + 1, sizeof *r->next);
    if (!r->row || !r->start || !r->next) {
        ms_recorded_destroy(r);
        return NULL;
    }
    ms_rng_init(&r->rng, p->seed, "recorded", (uint64_t)p->repeat, 0, 0);
    int n = 0;
    for (int d = 0; d < p->n_domains; d++) {
        r->start[d] = n;
        for (int i = 0; i < p->n_recorded; i++)
            if (p->recorded[i] == d)
                r->row[n++] = i;
        r->next[d] = n; /* as if all had been there */
    }
    r->start[p->n_domains] = n;
    return r;
}

void ms_recorded_destroy(struct ms_recorded *r)
{
    if (!r)
        return;
    free(r->row);
    free(r->start);
    free(r->next);
    free(r);
}

uint32_t ms_recorded_next(struct ms_recorded *r, int domain)
{
    int first = r->start[domain], n = r->start[domain + 1] - first;
    if (r->next[domain] == first + n) {
        ms_rng_shuffle(&r->rng, r->row + first, (size_t)n);
        r->next[domain] = first;
    }
    return (uint32_t)r->row[r->next[domain]++];
}
