/* The solver as a whole: making it, its links and routes, its books. */
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
    f->kept = calloc(n + 1, 1);
    f->comp_of = calloc(n + 1, sizeof *f->comp_of);
    f->local_of = calloc(n + 1, sizeof *f->local_of);
    f->carried = calloc(n + 1, sizeof *f->carried);
    f->off = calloc(1, sizeof *f->off);
    return f->capacity && f->fat && f->kept && f->comp_of && f->local_of && f->carried && f->off;
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
    free(f->capacity), free(f->fat), free(f->kept), free(f->comp_of), free(f->local_of),
        free(f->carried);
    free(f->hop), free(f->off), free(f->scratch), free(f->comp), free(f->dirty);
    ms_heap_finish(&f->steps), ms_heap_finish(&f->runs), ms_heap_finish(&f->changes);
    ms_heap_finish(&f->ready);
    free(f->wait), free(f->run), free(f->change), free(f->sink), free(f->free_sink);
    free(f->event), free(f->node), free(f->span), free(f->span_off), free(f);
}

enum ms_status ms_fluid_route(struct ms_fluid *f, const uint32_t *links, size_t n, uint32_t *route,
                              struct ms_err *err)
{
    size_t from = f->off[f->n_routes], to = from, off_cap = f->route_cap + 1;
    f->hop = ms_fluid_grow(f->hop, &f->hop_cap, from + n, sizeof *f->hop);
    f->off = ms_fluid_grow(f->off, &off_cap, f->n_routes + 2, sizeof *f->off);
    f->route_cap = off_cap - 1;
    for (size_t i = 0; i < n; i++) {
        assert(links[i] < f->n_links);
        size_t j = from;
        while (j < to && f->hop[j] != links[i])
            j++;
        if (j == to)
            f->hop[to++] = links[i];
    }
    if (to - from >= f->longest) {
        f->longest = to - from + 1;
        f->scratch = realloc(f->scratch, (f->longest + 1) * sizeof *f->scratch);
        if (!f->scratch)
            return ms_err_set(err, MS_NOMEM, "out of memory for routes");
    }
    *route = (uint32_t)f->n_routes;
    f->off[++f->n_routes] = to;
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
double ms_fluid_now_s(const struct ms_fluid *f)
{
    return f->now_s;
}

/* All that started, less what the running ones still have to do. */
void ms_fluid_link_bytes(struct ms_fluid *f, double *bytes)
{
    memcpy(bytes, f->carried, f->n_links * sizeof *bytes);
    for (uint32_t n = 0; n < f->n_comps; n++) {
        struct ms_fluid_comp *c = &f->comp[n];
        for (uint32_t k = 1; k <= c->k_max; k++) {
            struct ms_fluid_bucket *b = c->by_k[k];
            for (uint32_t i = 0; b && i < b->n; i++) {
                double low = INFINITY, serve = INFINITY;
                if (b->left[i] == INFINITY)
                    continue;
                for (uint32_t j = 0; j < k; j++) {
                    low = fmin(low, c->level[b->link[j][i]]);
                    serve = fmin(serve, c->serve[b->link[j][i]]);
                }
                double rest = b->left[i] - (c->serving && i < b->n_served ? serve : 0);
                rest -= c->dirty ? 0 : low * (f->now_s - c->solved_s);
                for (size_t h = f->off[b->route[i]]; h < f->off[b->route[i] + 1]; h++)
                    bytes[f->hop[h]] -= rest > 0 ? rest : 0;
            }
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
