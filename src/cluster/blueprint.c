/* A cluster before it is XML: which trunks and cables a pair of GPUs uses, and so what the routes
 * of the written file must be. */
#include "cluster/blueprint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

int ms_blueprint_trunk(struct ms_blueprint *f, int cables, const char *fmt, ...)
{
    va_list ap;
    if (f->n_trunks == f->cap_trunks) {
        int cap = f->cap_trunks ? 2 * f->cap_trunks : 64;
        struct ms_trunk *t = MS_NEW(f->arena, struct ms_trunk, (size_t)cap);
        if (!t)
            return -1;
        if (f->n_trunks)
            memcpy(t, f->trunk, (size_t)f->n_trunks * sizeof *t);
        f->trunk = t;
        f->cap_trunks = cap;
    }
    struct ms_trunk *t = &f->trunk[f->n_trunks];
    t->cables = cables;
    va_start(ap, fmt);
    vsnprintf(t->name, sizeof t->name, fmt, ap);
    va_end(ap);
    return f->n_trunks++;
}

/* The cable of a trunk that the pair uses, given the cable of the hop before. dmodk: by destination
 * (Zahavi et al., "Optimized InfiniBand fat-tree routing for shift all-to-all", 2010); ecmp: a hash
 * of the pair. */
static int pick(const struct ms_blueprint *f, const struct ms_route_hop *h, int before, int a,
                int b)
{
    int cables = f->trunk[h->trunk].cables, m = h->modulo < 1 ? 1 : h->modulo;
    int first = before % m % cables, choices = (cables - first + m - 1) / m;
    uint64_t i = (uint64_t)b / (uint64_t)m;
    if (f->p->multipath == MS_MULTIPATH_ECMP)
        i = ms_rng_derive((uint64_t)f->p->seed, "ecmp", (uint64_t)a, (uint64_t)b,
                          2 * (uint64_t)h->trunk + h->down);
    return first + m * (int)(i % (uint64_t)choices);
}

static void put(ms_link_name out, const char *kind, int g, const char *way)
{
    snprintf(out, sizeof(ms_link_name), "%s_%d_%s", kind, g, way);
}

int ms_blueprint_nic(const struct ms_blueprint *f, int gpu)
{
    return gpu / f->M * f->N + f->nic[gpu % f->M];
}

static int over_fabric(const struct ms_blueprint *f, int a, int b, ms_link_name *names)
{
    struct ms_route_hop hop[MS_MAX_ROUTE_HOPS];
    int n = 0, cable = 0, n_hops = 0;
    if (f->edge[a] != f->edge[b])
        n_hops = f->route(f, f->edge[a], f->edge[b], hop);
    if (n_hops < 0)
        return -1;
    put(names[n++], "nic", ms_blueprint_nic(f, a), "UP");
    for (int i = 0; i < n_hops; i++) {
        const char *name = f->trunk[hop[i].trunk].name, *way = hop[i].down ? "DOWN" : "UP";
        if (f->p->multipath == MS_MULTIPATH_SPRAY) {
            snprintf(names[n++], sizeof(ms_link_name), "%s_%s", name, way);
            continue;
        }
        cable = pick(f, &hop[i], cable, a, b);
        snprintf(names[n++], sizeof(ms_link_name), "%s_c%d_%s", name, cable, way);
    }
    put(names[n++], "nic", ms_blueprint_nic(f, b), "DOWN");
    return n;
}

int ms_blueprint_links(const struct ms_blueprint *f, int a, int b, ms_link_name *names)
{
    int n = 0;
    if (f->nvlink_only || (a / f->M == b / f->M && !f->p->no_nvlink)) {
        put(names[n++], "nvl", a, "UP");
        put(names[n++], "nvl", b, "DOWN");
        return n;
    }
    n = over_fabric(f, a, b, names);
    if (n >= 0)
        return n;
    int relay = a / f->M * f->M; /* the GPU beside a on b's rail */
    while (f->nic[relay % f->M] != f->nic[b % f->M])
        relay++;
    put(names[0], "nvl", a, "UP");
    put(names[1], "nvl", relay, "DOWN");
    return 2 + over_fabric(f, relay, b, names + 2);
}
