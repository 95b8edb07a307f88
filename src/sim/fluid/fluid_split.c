/* What hangs together: the components of the network, anew whenever routes or capacities change,
 * and the flows moved over to them. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fluid/fluid_internal.h"

/* The fatpipe that limits a route which has shared links too, if one does; and its component. */
static uint32_t needed_fat(const struct ms_fluid *f, uint32_t route, uint32_t *comp)
{
    uint32_t fat = MS_FLUID_NONE, low = MS_FLUID_NONE;
    for (struct ms_fluid_hops h = ms_fluid_hops(f, route); h.link < h.end; h.link++) {
        uint32_t l = *h.link;
        uint32_t *best = f->fat[l] ? &fat : &low;
        if (f->fat[l] || f->kept[l])
            *best = *best == MS_FLUID_NONE || ms_fluid_smaller(f, l, *best) ? l : *best;
    }
    if (fat == MS_FLUID_NONE || low == MS_FLUID_NONE || f->capacity[fat] >= f->capacity[low])
        return MS_FLUID_NONE;
    *comp = f->comp_of[low];
    return fat;
}

uint32_t ms_fluid_net_first(const struct ms_fluid *f, uint32_t route)
{
    for (struct ms_fluid_hops h = ms_fluid_hops(f, route); h.link < h.end; h.link++) {
        if (!f->fat[*h.link] && f->kept[*h.link])
            return *h.link;
    }
    return MS_FLUID_NONE;
}

static uint32_t find(uint32_t *up, uint32_t l)
{
    while (up[l] != l)
        l = up[l] = up[up[l]];
    return l;
}

static void join(uint32_t *up, uint32_t l, uint32_t k)
{
    uint32_t a = find(up, l), b = find(up, k);
    up[a > b ? a : b] = a > b ? b : a;
}

/* comp_of every kept link, by union-find over the routes and ties; components in the order of their
 * first link. */
static bool find_components(struct ms_fluid *f, uint32_t *n_comps)
{
    uint32_t *up = malloc((f->n_links + 1) * sizeof *up), n = 0;
    if (!up)
        return false;
    for (uint32_t l = 0; l < f->n_links; l++)
        up[l] = l;
    for (size_t r = 0; r < ms_fluid_n_routes(f); r++) {
        uint32_t first = MS_FLUID_NONE, route = ms_fluid_route_of(f, r);
        for (struct ms_fluid_hops h = ms_fluid_hops(f, route); h.link < h.end; h.link++) {
            uint32_t l = *h.link;
            if (f->fat[l] || !f->kept[l])
                continue;
            if (first == MS_FLUID_NONE)
                first = l;
            join(up, l, first);
        }
    }
    for (size_t i = 0; i < f->n_ties; i++) {
        uint32_t a = ms_fluid_net_first(f, f->tie[i][0]), b = ms_fluid_net_first(f, f->tie[i][1]);
        if (a != MS_FLUID_NONE && b != MS_FLUID_NONE)
            join(up, a, b);
    }
    for (uint32_t l = 0; l < f->n_links; l++)
        f->comp_of[l] = up[l] == l && f->kept[l] ? n++ : MS_FLUID_NONE;
    for (uint32_t l = 0; l < f->n_links; l++) {
        if (f->kept[l])
            f->comp_of[l] = f->comp_of[find(up, l)];
    }
    free(up);
    *n_comps = n;
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Pairs (component << 32 | fatpipe) that occur on routes, sorted, each once; the caller's to free.
 */
static bool fat_pairs(const struct ms_fluid *f, uint64_t **pairs, size_t *n)
{
    uint64_t *pair = *pairs = NULL;
    size_t cap = 0, out = 0;
    *n = 0;
    for (size_t r = 0; r < ms_fluid_n_routes(f); r++) {
        uint32_t comp = 0, fat = needed_fat(f, ms_fluid_route_of(f, r), &comp);
        uint64_t p = (uint64_t)comp << 32 | fat;
        if (fat == MS_FLUID_NONE || (*n && pair[*n - 1] == p))
            continue;
        if (!ms_fluid_grow(pairs, &cap, *n + 1, sizeof *pair))
            return false;
        pair = *pairs;
        pair[(*n)++] = p;
    }
    if (*n)
        qsort(pair, *n, sizeof *pair, by_number);
    for (size_t i = 0; i < *n; i++) {
        if (i == 0 || pair[i] != pair[i - 1])
            pair[out++] = pair[i];
    }
    *n = out;
    return true;
}

static void name_link(struct ms_fluid *f, struct ms_fluid_comp *c, uint32_t at, uint32_t link)
{
    c->global[at] = link;
    c->capacity[at] = f->capacity[link];
    c->fat[at] = f->fat[link];
}

/* How many links each component has, and how many of them are shared; their places. */
static void count_links(struct ms_fluid *f, const uint64_t *pair, size_t n_pairs, uint32_t *size,
                        uint32_t *shared)
{
    for (uint32_t l = 0; l < f->n_links; l++) {
        if (f->comp_of[l] == MS_FLUID_NONE)
            continue;
        f->local_of[l] = size[f->comp_of[l]]++;
        shared[f->comp_of[l]] += !f->fat[l];
    }
    for (size_t i = 0; i < n_pairs; i++)
        size[pair[i] >> 32]++;
}

static bool init_components(struct ms_fluid *f, const uint32_t *size, const uint32_t *shared)
{
    for (uint32_t i = 0; i < f->n_comps; i++) {
        if (!ms_fluid_comp_init(&f->comp[i], size[i], shared[i]) ||
            !ms_heap_push(&f->steps, (struct ms_heap_item){INFINITY, 0, i}))
            return false;
    }
    return true;
}

static void name_links(struct ms_fluid *f, const uint64_t *pair, size_t n_pairs, uint32_t *shared)
{
    for (uint32_t l = 0; l < f->n_links; l++) {
        if (f->comp_of[l] != MS_FLUID_NONE)
            name_link(f, &f->comp[f->comp_of[l]], f->local_of[l], l);
    }
    for (size_t i = 0; i < n_pairs; i++) /* after the shared */
        name_link(f, &f->comp[pair[i] >> 32], shared[pair[i] >> 32]++, (uint32_t)pair[i]);
}

static bool make_components(struct ms_fluid *f)
{
    size_t n_pairs = 0;
    uint64_t *pair = NULL;
    uint32_t n = 0, *size = NULL, *shared = NULL;
    bool fine = find_components(f, &n) && fat_pairs(f, &pair, &n_pairs) &&
                (size = calloc(n + 1, sizeof *size)) && (shared = calloc(n + 1, sizeof *shared)) &&
                (f->comp = calloc(n + 1, sizeof *f->comp)) &&
                (f->dirty = calloc(n + 1, sizeof *f->dirty)) && ms_heap_init_places(&f->steps, n);
    if (fine) {
        f->n_comps = n;
        count_links(f, pair, n_pairs, size, shared);
        fine = init_components(f, size, shared);
    }
    if (fine)
        name_links(f, pair, n_pairs, shared);
    free(size), free(shared), free(pair);
    return fine;
}

/* The place of a fatpipe among the component's links: they come last, in ascending order. */
static uint32_t local_fat(const struct ms_fluid_comp *c, uint32_t link)
{
    uint32_t lo = c->m_shared, hi = c->m;
    while (hi - lo > 1) {
        uint32_t mid = (lo + hi) / 2;
        *(c->global[mid] <= link ? &lo : &hi) = mid;
    }
    assert(c->global[lo] == link);
    return lo;
}

uint32_t ms_fluid_net_links(struct ms_fluid *f, uint32_t route, uint32_t *comp)
{
    uint32_t k = 0, fat = MS_FLUID_NONE;
    double low = 0;
    *comp = MS_FLUID_NONE;
    for (struct ms_fluid_hops h = ms_fluid_hops(f, route); h.link < h.end; h.link++) {
        uint32_t l = *h.link;
        if (f->fat[l]) {
            if (fat == MS_FLUID_NONE || ms_fluid_smaller(f, l, fat))
                fat = l;
        } else if (f->kept[l]) {
            low = k == 0 || f->capacity[l] < low ? f->capacity[l] : low;
            *comp = f->comp_of[l];
            f->scratch[k++] = f->local_of[l];
        }
    }
    if (fat != MS_FLUID_NONE && k == 0) {
        *comp = f->comp_of[fat];
        f->scratch[k++] = f->local_of[fat];
    } else if (fat != MS_FLUID_NONE && f->capacity[fat] < low) {
        f->scratch[k++] = local_fat(&f->comp[*comp], fat);
    }
    return k;
}

/* The first shared link of a route, whether it can bind or not. */
static uint32_t first_shared(const struct ms_fluid *f, uint32_t route)
{
    for (struct ms_fluid_hops h = ms_fluid_hops(f, route); h.link < h.end; h.link++) {
        if (!f->fat[*h.link])
            return *h.link;
    }
    return MS_FLUID_NONE;
}

static bool ties_init(struct ms_fluid *f)
{
    f->tied_up = malloc((f->n_links + 1) * sizeof *f->tied_up);
    for (uint32_t l = 0; f->tied_up && l < f->n_links; l++)
        f->tied_up[l] = l;
    return f->tied_up != NULL;
}

/* Were routes that begin like these two tied before? */
static bool tied_before(struct ms_fluid *f, uint32_t a, uint32_t b)
{
    uint32_t l = first_shared(f, a), k = first_shared(f, b);
    if (l == MS_FLUID_NONE || k == MS_FLUID_NONE)
        return true; /* nothing to tie */
    if (find(f->tied_up, l) == find(f->tied_up, k))
        return true;
    join(f->tied_up, l, k);
    return false;
}

bool ms_fluid_tie_pair(struct ms_fluid *f, uint32_t a, uint32_t b)
{
    if (!ms_fluid_grow(&f->tie, &f->tie_cap, f->n_ties + 1, sizeof *f->tie))
        return false;
    f->tie[f->n_ties][0] = a;
    f->tie[f->n_ties++][1] = b;
    return true;
}

enum ms_status ms_fluid_tie(struct ms_fluid *f, const uint32_t *routes, size_t n,
                            struct ms_err *err)
{
    if (f->no_memory || (!f->tied_up && !ties_init(f)))
        return ms_fluid_no_memory(f, err);
    for (size_t i = 1; i < n; i++) {
        assert(ms_fluid_is_route(f, routes[0]) && ms_fluid_is_route(f, routes[i]));
        if (tied_before(f, routes[0], routes[i]))
            continue;
        if (!ms_fluid_tie_pair(f, routes[0], routes[i]))
            return ms_fluid_no_memory(f, err);
    }
    return MS_OK;
}

bool ms_fluid_net_prepare(struct ms_fluid *f)
{
    bool as_before = f->n_prepared == ms_fluid_n_routes(f) && !f->capacity_changed;
    if (as_before && f->n_tied == f->n_ties)
        return true;
    struct ms_fluid_comp *old = f->comp;
    uint32_t n_old = f->n_comps;
    bool fine = true;
    for (uint32_t i = 0; i < n_old; i++) {
        ms_fluid_cut(f, i, f->now_s);
        fine = fine && ms_fluid_comp_settle(&old[i]);
    }
    free(f->dirty), ms_heap_finish(&f->steps);
    f->comp = NULL;
    f->dirty = NULL;
    f->n_comps = f->n_dirty = 0;
    fine = fine && (as_before || ms_fluid_net_reduce(f)) && make_components(f);
    for (uint32_t i = 0; i < n_old; i++) {
        fine = fine && ms_fluid_comp_move(f, &old[i]);
        ms_fluid_comp_finish(&old[i]);
    }
    free(old);
    for (uint32_t i = 0; fine && i < f->n_comps; i++) {
        f->comp[i].solved_s = f->now_s;
        if (f->comp[i].n_live)
            ms_fluid_mark_dirty(f, i);
    }
    f->n_prepared = ms_fluid_n_routes(f);
    f->n_tied = f->n_ties;
    f->capacity_changed = false;
    return fine;
}
