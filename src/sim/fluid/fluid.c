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
    free(f->twice), free(f->tie), free(f->tied_up);
    ms_fluid_routes_finish(f);
    free(f->capacity), free(f->fat), free(f->kept), free(f->comp_of), free(f->local_of),
        free(f->carried);
    free(f->scratch), free(f->comp), free(f->dirty);
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
