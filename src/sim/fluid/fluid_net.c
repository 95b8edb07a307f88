/* Which links can bind: those whose constraint does not follow from the others'. Solves see only
 * these, which on a non-blocking fabric are the ports alone.
 *
 * A shared link l never binds when, with every route over it covered by another link of that route,
 * the capacities of the distinct covers sum to at most its own: its constraint follows from theirs,
 * and max-min rates depend on the set of feasible rates alone. Covers tried: the route's first
 * shared link, its last, its smallest. A first (last) link covers itself on its own route and so is
 * never removed by the covers it serves in; smallest goes by (capacity, number), which has no
 * cycles; each round covers with links the earlier ones left. Links that a route crosses twice
 * stay. A flow uses whole routes, each at one weight, so weights change nothing in this. */
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "sim/fluid/fluid_internal.h"

enum cover { FIRST, LAST, SMALLEST, N_COVERS };

bool ms_fluid_smaller(const struct ms_fluid *f, uint32_t a, uint32_t b)
{
    return f->capacity[a] < f->capacity[b] || (f->capacity[a] == f->capacity[b] && a < b);
}

static uint32_t cover_of(const struct ms_fluid *f, uint32_t route, enum cover mode)
{
    uint32_t best = MS_FLUID_NONE;
    for (struct ms_fluid_hops h = ms_fluid_hops(f, route); h.link < h.end; h.link++) {
        uint32_t l = *h.link;
        if (f->fat[l] || !f->kept[l])
            continue;
        if (best == MS_FLUID_NONE || mode == LAST ||
            (mode == SMALLEST && ms_fluid_smaller(f, l, best)))
            best = l;
        if (mode == FIRST)
            break;
    }
    return best;
}

/* Routes in the order of their cover, so that distinct covers of a link are told by the last one
 * seen, into `by`. @return false: no memory */
static bool routes_by_cover(const struct ms_fluid *f, const uint32_t *cover, uint32_t *by)
{
    size_t *at = calloc(f->n_links + 2, sizeof *at), n_routes = ms_fluid_n_routes(f);
    if (!at)
        return false;
    for (size_t r = 0; r < n_routes; r++)
        at[(cover[r] == MS_FLUID_NONE ? f->n_links : cover[r]) + 1]++;
    for (size_t l = 0; l <= f->n_links; l++)
        at[l + 1] += at[l];
    for (size_t r = 0; r < n_routes; r++)
        by[at[cover[r] == MS_FLUID_NONE ? f->n_links : cover[r]]++] = (uint32_t)r;
    free(at);
    return true;
}

struct viable {  /* links that may still turn out not to bind */
    double *sum; /* of the distinct covers' capacities */
    uint32_t *seen;
    uint8_t *open;
    size_t n;
};

static bool viable_init(const struct ms_fluid *f, const uint32_t *cover, struct viable *v)
{
    *v = (struct viable){calloc(f->n_links + 1, sizeof(double)),
                         malloc((f->n_links + 1) * sizeof(uint32_t)), calloc(f->n_links + 1, 1), 0};
    if (!v->sum || !v->seen || !v->open)
        return false;
    for (size_t l = 0; l < f->n_links; l++) {
        v->open[l] = f->kept[l] && !f->fat[l] && !f->twice[l];
        v->seen[l] = MS_FLUID_NONE;
    }
    for (size_t r = 0; r < ms_fluid_n_routes(f); r++) {
        if (cover[r] != MS_FLUID_NONE)
            v->open[cover[r]] = 0;
    }
    for (size_t l = 0; l < f->n_links; l++)
        v->n += v->open[l];
    return true;
}

/* Close the links whose distinct covers sum to more than they have. by: routes by cover. */
static void close_viable(const struct ms_fluid *f, const uint32_t *cover, const uint32_t *by,
                         struct viable *v)
{
    size_t n_routes = ms_fluid_n_routes(f);
    for (size_t i = 0; i < n_routes && v->n; i++) {
        uint32_t m = cover[by[i]];
        struct ms_fluid_hops h = ms_fluid_hops(f, ms_fluid_route_of(f, by[i]));
        for (; m != MS_FLUID_NONE && h.link < h.end; h.link++) {
            uint32_t l = *h.link;
            if (!v->open[l] || v->seen[l] == m)
                continue;
            v->seen[l] = m;
            v->sum[l] += f->capacity[m];
            if (v->sum[l] > f->capacity[l] * (1 + 1e-12)) {
                v->open[l] = 0;
                v->n--;
            }
        }
    }
}

enum { CHUNK = 1 << 14 };

struct covering {
    const struct ms_fluid *f;
    enum cover mode;
    uint32_t *cover;
};

static void cover_chunk(void *ctx, size_t item, int thread)
{
    const struct covering *x = ctx;
    size_t n = ms_fluid_n_routes(x->f), end = (item + 1) * CHUNK < n ? (item + 1) * CHUNK : n;
    for (size_t r = item * CHUNK; r < end; r++)
        x->cover[r] = cover_of(x->f, ms_fluid_route_of(x->f, r), x->mode);
}

/* cover, by: [n_routes] scratch. */
static bool drop_covered(struct ms_fluid *f, enum cover mode, uint32_t *cover, uint32_t *by)
{
    struct viable v = {0};
    struct covering x = {f, mode, cover};
    size_t n_chunks = (ms_fluid_n_routes(f) + CHUNK - 1) / CHUNK;
    ms_pool_run(n_chunks > 1 ? f->pool : NULL, n_chunks, cover_chunk, &x);
    bool fine = viable_init(f, cover, &v);
    if (fine && v.n) {
        fine = routes_by_cover(f, cover, by);
        if (fine)
            close_viable(f, cover, by, &v);
    }
    for (size_t l = 0; fine && l < f->n_links; l++) {
        if (v.open[l])
            f->kept[l] = 0;
    }
    free(v.sum), free(v.seen), free(v.open);
    return fine;
}

/* A fatpipe is kept as a link of its own only where a route has nothing else. */
static void keep_used(struct ms_fluid *f)
{
    memset(f->kept, 0, f->n_links);
    for (size_t r = 0; r < ms_fluid_n_routes(f); r++) {
        uint32_t fat = MS_FLUID_NONE, route = ms_fluid_route_of(f, r);
        bool shared = false;
        for (struct ms_fluid_hops h = ms_fluid_hops(f, route); h.link < h.end; h.link++) {
            uint32_t l = *h.link;
            if (f->fat[l]) {
                fat = fat == MS_FLUID_NONE || ms_fluid_smaller(f, l, fat) ? l : fat;
                continue;
            }
            f->kept[l] = 1;
            shared = true;
        }
        if (!shared && fat != MS_FLUID_NONE)
            f->kept[fat] = 1;
    }
}

bool ms_fluid_net_reduce(struct ms_fluid *f)
{
    size_t n_routes = ms_fluid_n_routes(f);
    uint32_t *cover = ms_huge_alloc((n_routes + 1) * sizeof *cover);
    uint32_t *by = ms_huge_alloc((n_routes + 1) * sizeof *by);
    bool fine = cover && by;
    keep_used(f);
    for (enum cover mode = FIRST; fine && mode < N_COVERS; mode++)
        fine = drop_covered(f, mode, cover, by);
    free(cover), free(by);
    return fine;
}
