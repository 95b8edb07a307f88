/* The solver as a whole: what it is made of, its links and routes, and its books of what links have
 * carried. */
#include "sim/fluid/fluid.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fluid/fluid_internal.h"

static bool allocate(struct ms_fluid *f, size_t n)
{
    f->capacity = calloc(n + 1, sizeof *f->capacity);
    f->fat = calloc(n + 1, 1);
    f->twice = calloc(n + 1, 1);
    f->kept = calloc(n + 1, 1);
    f->comp_of = calloc(n + 1, sizeof *f->comp_of);
    f->local_of = calloc(n + 1, sizeof *f->local_of);
    f->carried = calloc(n + 1, sizeof *f->carried);
    f->off = calloc(1, sizeof *f->off);
    return f->capacity && f->fat && f->twice && f->kept && f->comp_of && f->local_of &&
           f->carried && f->off;
}

enum ms_status ms_fluid_create(const struct ms_fluid_link *links, size_t n_links,
                               struct ms_pool *pool, struct ms_fluid **out, struct ms_err *err)
{
    struct ms_fluid *f = calloc(1, sizeof *f);
    if (!f || !allocate(f, n_links)) {
        ms_fluid_destroy(f);
        return ms_err_set(err, MS_NOMEM, "out of memory for %zu links", n_links);
    }
    f->n_links = n_links;
    f->off_cap = 1;
    f->free_node = f->free_run = f->free_change = MS_FLUID_NONE;
    f->pool = pool;
    for (size_t l = 0; l < n_links; l++) {
        f->capacity[l] = links[l].capacity_Bps;
        f->fat[l] = links[l].fatpipe;
        if (links[l].capacity_Bps > 0 && isfinite(links[l].capacity_Bps))
            continue;
        ms_fluid_destroy(f);
        return ms_err_set(err, MS_INVALID,
                          "link %zu has capacity %g B/s; allowed: more than 0, finite", l,
                          links[l].capacity_Bps);
    }
    *out = f;
    return MS_OK;
}

void ms_fluid_destroy(struct ms_fluid *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; i < f->n_comps; i++)
        ms_fluid_comp_finish(&f->comp[i]);
    ms_fluid_more_finish(f);
    free(f->twice), free(f->winding), free(f->lent_winding), free(f->tie), free(f->tied_up);
    free(f->capacity), free(f->fat), free(f->kept), free(f->comp_of), free(f->local_of),
        free(f->carried);
    free(f->hop), free(f->off), free(f->scratch), free(f->comp), free(f->dirty);
    ms_heap_finish(&f->steps), ms_heap_finish(&f->runs), ms_heap_finish(&f->changes);
    ms_heap_finish(&f->ready);
    free(f->wait), free(f->run), free(f->due), free(f->sorted), free(f->due_link), free(f->change),
        free(f->sink), free(f->free_sink);
    free(f->event), free(f->node), free(f->span), free(f->span_off), free(f);
}

enum ms_status ms_fluid_no_memory(struct ms_fluid *f, struct ms_err *err)
{
    f->no_memory = true;
    return ms_err_set(err, MS_NOMEM, "out of memory for %llu flows over %zu routes",
                      (unsigned long long)(f->n_live + f->n_waiting), ms_fluid_n_routes(f));
}

/* Does it cross a shared link twice? Those are noted. */
static bool winds(struct ms_fluid *f, const uint32_t *link, size_t n)
{
    bool any = false;
    for (size_t i = 1; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (link[j] == link[i] && !f->fat[link[i]])
                f->twice[link[i]] = any = true;
        }
    }
    return any;
}

enum ms_status ms_fluid_route(struct ms_fluid *f, const uint32_t *links, size_t n, uint32_t *route,
                              struct ms_err *err)
{
    size_t from = f->off[f->n_routes];
    if (f->no_memory || !ms_fluid_grow(&f->hop, &f->hop_cap, from + n, sizeof *f->hop) ||
        !ms_fluid_grow(&f->off, &f->off_cap, f->n_routes + 2, sizeof *f->off) ||
        !ms_fluid_grow(&f->winding, &f->winding_cap, f->n_routes + 1, 1) ||
        !ms_fluid_grow(&f->scratch, &f->scratch_cap, n + 1, sizeof *f->scratch))
        return ms_fluid_no_memory(f, err);
    assert(f->n_routes < MS_FLUID_LENT);
    for (size_t i = 0; i < n; i++) {
        assert(links[i] < f->n_links);
        f->hop[from + i] = links[i];
    }
    f->winding[f->n_routes] = winds(f, links, n);
    *route = (uint32_t)f->n_routes;
    f->off[++f->n_routes] = from + n;
    return MS_OK;
}

enum ms_status ms_fluid_lend(struct ms_fluid *f, const uint32_t *link, const uint64_t *first,
                             size_t n_routes, struct ms_err *err)
{
    size_t had = f->lent_winding_cap, longest = 0;
    assert(n_routes >= f->n_lent && n_routes < MS_FLUID_LENT - 1);
    if (f->no_memory || !ms_fluid_grow(&f->lent_winding, &f->lent_winding_cap, n_routes / 64 + 1,
                                       sizeof *f->lent_winding))
        return ms_fluid_no_memory(f, err);
    for (size_t i = had; i < f->lent_winding_cap; i++)
        f->lent_winding[i] = 0;
    for (size_t i = f->n_lent; i < n_routes; i++) {
        size_t n = first[i + 1] - first[i];
        if (winds(f, link + first[i], n))
            f->lent_winding[i / 64] |= (uint64_t)1 << (i % 64);
        longest = n > longest ? n : longest;
    }
    if (!ms_fluid_grow(&f->scratch, &f->scratch_cap, longest + 1, sizeof *f->scratch))
        return ms_fluid_no_memory(f, err);
    f->lent_hop = link;
    f->lent_off = first;
    f->n_lent = n_routes;
    return MS_OK;
}

void ms_fluid_set_quantum(struct ms_fluid *f, double quantum_s)
{
    assert(quantum_s >= 0);
    f->quantum_s = quantum_s;
}

void ms_fluid_set_ramp(struct ms_fluid *f, double epoch_s, double share)
{
    f->ramp_epoch_s = epoch_s;
    f->ramp_share = share;
}

void ms_fluid_watch(struct ms_fluid *f, void (*beat)(void *ctx, uint64_t n_left), void *ctx)
{
    f->beat = beat;
    f->beat_ctx = ctx;
}

double ms_fluid_now_s(const struct ms_fluid *f)
{
    return f->now_s;
}

/* What flow i of a bucket still has to do. */
static double rest_of(const struct ms_fluid *f, const struct ms_fluid_comp *c,
                      const struct ms_fluid_bucket *b, uint32_t i)
{
    double low = INFINITY, serve = INFINITY;
    for (uint32_t j = 0; j < b->k; j++) {
        low = fmin(low, c->level[b->link[j][i]]);
        serve = fmin(serve, c->serve[b->link[j][i]]);
    }
    double rest = b->left[i] - (c->serving && i < b->n_served ? serve : 0);
    rest -= c->dirty ? 0 : low * (f->now_s - c->solved_s);
    return rest > 0 ? rest : 0;
}

/* The same of a weighted flow, by hop. */
static void rest_of_weighted(const struct ms_fluid *f, const struct ms_fluid_comp *c, uint32_t i,
                             double *rest)
{
    const struct ms_fluid_weighted *w = &c->weighted;
    const struct ms_fluid_more *m = w->flow[i].route == MS_FLUID_NONE ? w->flow[i].more : NULL;
    double left = w->left[i] - (c->dirty ? 0 : w->held[i].level * (f->now_s - c->solved_s));
    left = (left > 0 ? left : 0) * (m ? m->share : 1);
    rest[0] = w->held[i].hops & MS_FLUID_FIRST ? left : 0;
    rest[1] = w->held[i].hops & MS_FLUID_SECOND ? left : 0;
    if (m && w->held[i].hops == MS_FLUID_FIRST) {
        rest[0] += m->n_then ? m->bytes - m->chunk : 0;
        rest[1] = m->bytes;
    } else if (m && w->held[i].hops == MS_FLUID_BOTH) {
        rest[1] += m->chunk;
    }
}

/* All that started, less what the running ones still have to do. */
void ms_fluid_link_bytes(struct ms_fluid *f, double *bytes)
{
    double rest[2] = {0};
    memcpy(bytes, f->carried, f->n_links * sizeof *bytes);
    for (uint32_t n = 0; n < f->n_comps; n++) {
        struct ms_fluid_comp *c = &f->comp[n];
        for (uint32_t k = 1; k <= c->k_max; k++) {
            struct ms_fluid_bucket *b = c->by_k[k];
            for (uint32_t i = 0; b && i < b->n; i++) {
                if (b->left[i] == INFINITY)
                    continue;
                struct ms_fluid_wait x = {.route = b->route[i]};
                rest[0] = rest_of(f, c, b, i);
                ms_fluid_carry(f, &x, rest, -1, bytes);
            }
        }
        for (uint32_t i = 0; i < c->weighted.n; i++) {
            if (c->weighted.left[i] == INFINITY)
                continue;
            rest_of_weighted(f, c, i, rest);
            ms_fluid_carry(f, &c->weighted.flow[i], rest, -1, bytes);
        }
    }
}

void ms_fluid_get_stats(const struct ms_fluid *f, struct ms_fluid_stats *out)
{
    *out = f->stats;
    out->n_components = f->n_comps;
    out->n_links = 0;
    for (uint32_t i = 0; i < f->n_comps; i++)
        out->n_links += f->comp[i].m;
}
