/* Hashing of queue pairs to cables: which links stand for several, and which cable of each a path
 * takes. */
#include "sim/paths.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"

bool ms_paths_any(const struct ms_platform *platform)
{
    for (int l = 0; l < platform->n_links; l++)
        if (platform->link[l].cables > 1)
            return true;
    return false;
}

static int by_name(const void *key, const void *row)
{
    return ms_natural_cmp(key, *(const char *const *)row);
}

void ms_paths_cables(const struct ms_platform *platform, const char *const *name, uint32_t n_links,
                     int *cables)
{
    for (int i = 0; i < platform->n_links; i++) {
        const struct ms_platform_link *link = &platform->link[i];
        const char *const *k =
            link->cables > 1 ? bsearch(link->name, name, n_links, sizeof *name, by_name) : NULL;
        if (k)
            cables[k - name] = link->cables;
    }
}

bool ms_paths_init(struct ms_paths *p, const struct ms_platform *platform, const char *const *name,
                   uint32_t n_links, uint32_t first_extra, struct ms_arena *arena)
{
    uint32_t *cables = MS_NEW(arena, uint32_t, n_links), *first = MS_NEW(arena, uint32_t, n_links);
    if (!cables || !first)
        return false;
    for (uint32_t l = 0; l < n_links; l++) {
        cables[l] = 1;
        first[l] = l;
    }
    ms_paths_cables(platform, name, n_links, (int *)cables);
    p->n_extra = 0;
    p->first_extra = first_extra;
    for (uint32_t l = 0; l < n_links; l++)
        if (cables[l] > 1) {
            first[l] = first_extra + p->n_extra;
            p->n_extra += cables[l];
        }
    p->n_links = n_links;
    p->cables = cables;
    p->first = first;
    p->planes = platform->planes > 1 ? (uint32_t)platform->planes : 1;
    return true;
}

static bool is_bundle(const struct ms_paths *p, uint32_t link)
{
    return link < p->n_links && p->cables[link] > 1;
}

/* One draw a tier going up, the same coming down. */
static size_t tier_of(size_t at, size_t many)
{
    return at < many - 1 - at ? at : many - 1 - at;
}

static uint32_t cable(const struct ms_paths *p, uint32_t link, uint32_t draw)
{
    return p->first[link] + draw % p->cables[link];
}

void ms_paths_choose(const struct ms_paths *p, uint32_t src, uint32_t dst, uint32_t queue_pair,
                     uint32_t *link, size_t n)
{
    enum { TIERS = 16, MOST_TRIES = 256 };
    struct ms_rng r;
    uint32_t draw[TIERS];
    size_t many = 0;
    for (size_t i = 0; i < n; i++)
        many += is_bundle(p, link[i]);
    if (many == 0)
        return;
    ms_rng_init(&r, ms_rng_derive(p->seed, "path", (uint64_t)p->repeat, src, dst), "queue pair",
                queue_pair, 0, 0);
    bool dead = true;
    for (int tries = 0; dead && tries < MOST_TRIES; tries++) {
        uint32_t plane = ms_rng_below(&r, p->planes);
        for (size_t t = 0; t < TIERS; t++)
            draw[t] = ms_rng_below(&r, UINT32_MAX / p->planes) * p->planes + plane;
        dead = false;
        for (size_t i = 0, at = 0; i < n && p->down; i++)
            if (is_bundle(p, link[i]))
                dead |=
                    p->down[cable(p, link[i], draw[tier_of(at++, many) % TIERS]) - p->first_extra];
    }
    for (size_t i = 0, at = 0; i < n; i++)
        if (is_bundle(p, link[i]))
            link[i] = cable(p, link[i], draw[tier_of(at++, many) % TIERS]);
}

double ms_paths_sum(const struct ms_paths *p, const double *of_link, uint32_t link)
{
    double sum = 0;
    for (uint32_t i = 0; i < p->cables[link]; i++)
        sum += of_link[p->first[link] + i];
    return sum;
}
