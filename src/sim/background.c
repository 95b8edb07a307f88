/* Arrivals, sizes and destinations of background flows, a stream of draws a host. */
#include "sim/background.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A rank on another node, -1: there is none. */
static int elsewhere(const struct ms_background *b, struct ms_rng *rng, int src)
{
    int others = 0, first = src / b->n_group * b->n_group;
    for (int r = first; r < first + b->n_group; r++)
        others += b->node[r] != b->node[src];
    if (others == 0)
        return -1;
    int k = (int)ms_rng_below(rng, (uint32_t)others);
    for (int r = first; r < first + b->n_group; r++)
        if (b->node[r] != b->node[src] && k-- == 0)
            return r;
    return -1;
}

/* Every node sends to another one, rank by rank: a shift by nodes. */
static void permute(struct ms_background *b, struct ms_rng *rng)
{
    int shift = 1 + (int)ms_rng_below(rng, b->n > 1 ? (uint32_t)b->n - 1 : 1);
    for (int tries = 0; tries < b->n; tries++, shift = shift % (b->n - 1) + 1) {
        bool all = true;
        for (int r = 0; r < b->n && all; r++)
            all = b->node[r] != b->node[(r + shift) % b->n];
        if (all)
            break;
    }
    for (int r = 0; r < b->n; r++)
        b->host[r].partner = (r + shift) % b->n;
}

bool ms_background_begin(struct ms_background *b, const struct ms_background_params *p,
                         uint64_t seed, int repeat, int n, int n_group, const int *node,
                         double port_Bps)
{
    ms_background_finish(b);
    *b = (struct ms_background){.p = p, .node = node, .n = n, .n_group = n_group};
    b->host = calloc((size_t)n + 1, sizeof *b->host);
    if (!b->host)
        return false;
    b->flows_per_s = p->utilisation * port_Bps / p->mean_bytes;
    struct ms_rng rng;
    ms_rng_init(&rng, seed, "background", (uint64_t)repeat, 0, 0);
    int victim = (int)ms_rng_below(&rng, (uint32_t)n);
    for (int r = 0; r < n; r++)
        b->host[r].partner = p->pattern == MS_BACKGROUND_INCAST ? victim : -1;
    if (p->pattern == MS_BACKGROUND_PERMUTATION)
        permute(b, &rng);
    if (p->pattern == MS_BACKGROUND_INCAST && n > 1)
        b->flows_per_s /= n - 1; /* the victim's port is used to that share */
    for (int r = 0; r < n; r++) {
        struct ms_background_host *h = &b->host[r];
        ms_rng_init(&h->rng, seed, "background of a host", (uint64_t)repeat, (uint64_t)r, 0);
        h->next_s = ms_rng_exponential(&h->rng) / b->flows_per_s;
        if (p->pattern == MS_BACKGROUND_INCAST && node[r] == node[victim])
            h->next_s = INFINITY;
    }
    return true;
}

void ms_background_finish(struct ms_background *b)
{
    free(b->host);
    *b = (struct ms_background){0};
}

bool ms_background_next(struct ms_background *b, double to_s, struct ms_background_flow *out)
{
    const struct ms_background_params *p = b->p;
    int first = 0;
    for (int r = 1; r < b->n; r++)
        if (b->host[r].next_s < b->host[first].next_s)
            first = r;
    struct ms_background_host *h = &b->host[first];
    if (!(h->next_s < to_s)) {
        b->until_s = to_s;
        return false;
    }
    double spread = log(1 + p->cv * p->cv);
    *out = (struct ms_background_flow){.start_s = h->next_s, .src = first};
    out->bytes = p->mean_bytes * exp(sqrt(spread) * ms_rng_normal(&h->rng) - spread / 2);
    out->dst = h->partner >= 0 ? h->partner : elsewhere(b, &h->rng, first);
    h->next_s = out->dst < 0 ? INFINITY : h->next_s + ms_rng_exponential(&h->rng) / b->flows_per_s;
    if (out->dst < 0)
        return ms_background_next(b, to_s, out);
    return true;
}
