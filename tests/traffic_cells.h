/* A traffic's pairs as whole tables [G][G], for tests that write or read them cell by cell. */
#ifndef MS_TESTS_TRAFFIC_CELLS_H
#define MS_TESTS_TRAFFIC_CELLS_H

#include <stdlib.h>
#include <string.h>

#include "routing/traffic.h"

struct cells {
    int n;
    double *selections, *copies; /* [n][n] */
};

static inline struct cells cells_new(int n)
{
    size_t all = (size_t)n * (size_t)n;
    return (struct cells){n, calloc(all, sizeof(double)), calloc(all, sizeof(double))};
}

static inline void cells_finish(struct cells *c)
{
    free(c->selections);
    free(c->copies);
    *c = (struct cells){0};
}

/* The tables become the rows of t, in its arena. */
static inline void cells_seal(const struct cells *c, struct ms_traffic *t)
{
    for (int s = 0; s < c->n; s++)
        if (!ms_traffic_set_row(t, s, c->selections + s * c->n, c->copies + s * c->n))
            abort();
}

/* What the rows of t say. */
static inline struct cells cells_of(const struct ms_traffic *t)
{
    struct cells c = cells_new(t->n_ranks);
    for (int s = 0; s < c.n; s++)
        for (int i = 0; i < t->row[s].n; i++) {
            c.selections[s * c.n + (int)t->row[s].rank[i]] = t->row[s].selections[i];
            c.copies[s * c.n + (int)t->row[s].rank[i]] = t->row[s].copies[i];
        }
    return c;
}

static inline double cells_sum(const double *v, int n)
{
    double sum = 0;
    for (int i = 0; i < n * n; i++)
        sum += v[i];
    return sum;
}

#endif
