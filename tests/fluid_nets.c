/* The networks and their traffic: which links there are, which of them a pair crosses, and how many
 * bytes it sends. */
#include "fluid_nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static uint32_t add_links(struct net *n, uint32_t count, double Bps, bool fatpipe)
{
    uint32_t first = (uint32_t)n->n_links;
    n->link = realloc(n->link, (n->n_links + count) * sizeof *n->link);
    must(n->link != NULL);
    for (uint32_t i = 0; i < count; i++)
        n->link[n->n_links++] = (struct ms_fluid_link){Bps, fatpipe};
    return first;
}

static void hop(struct net *n, uint32_t link)
{
    if ((n->n_hops & (n->n_hops - 1)) == 0) {
        n->hop = realloc(n->hop, (n->n_hops ? 2 * n->n_hops : 1) * sizeof *n->hop);
        must(n->hop != NULL);
    }
    n->hop[n->n_hops++] = link;
}

static void star(struct net *n, uint32_t up, uint32_t down)
{
    for (uint32_t s = 0; s < n->n_hosts; s++) {
        for (uint32_t d = 0; d < n->n_hosts; d++) {
            n->off[s * (size_t)n->n_hosts + d] = n->n_hops;
            if (s != d)
                hop(n, up + s), hop(n, down + d);
        }
    }
}

/* planes == 1: all uplinks of a leaf as one link. */
static void tree(struct net *n, uint32_t up, uint32_t down, uint32_t planes, double Bps)
{
    uint32_t leaf = n->n_hosts >= 256 ? 16 : 8, leaves = (n->n_hosts + leaf - 1) / leaf;
    uint32_t spines = planes == 1 ? 1 : leaf;
    uint32_t leaf_up = add_links(n, leaves * spines, Bps * leaf / spines, false);
    uint32_t leaf_down = add_links(n, leaves * spines, Bps * leaf / spines, false);
    for (uint32_t s = 0; s < n->n_hosts; s++) {
        for (uint32_t d = 0; d < n->n_hosts; d++) {
            n->off[s * (size_t)n->n_hosts + d] = n->n_hops;
            if (s == d)
                continue;
            hop(n, up + s);
            if (s / leaf != d / leaf) {
                hop(n, leaf_up + s / leaf * spines + d % spines);
                hop(n, leaf_down + d / leaf * spines + d % spines);
            }
            hop(n, down + d);
        }
    }
}

static void torus(struct net *n, uint32_t port)
{
    uint32_t dim[3] = {1, 1, 1};
    for (uint32_t i = 0, left = n->n_hosts; left > 1; left /= 2, i = (i + 1) % 3)
        dim[i] *= 2;
    for (uint32_t s = 0; s < n->n_hosts; s++) {
        for (uint32_t d = 0; d < n->n_hosts; d++) {
            uint32_t at = s, step = 1;
            n->off[s * (size_t)n->n_hosts + d] = n->n_hops;
            for (uint32_t a = 0; a < 3; step *= dim[a++]) {
                uint32_t x = at / step % dim[a], to = d / step % dim[a];
                uint32_t forward = (to + dim[a] - x) % dim[a];
                bool back = forward * 2 > dim[a];
                for (uint32_t h = back ? dim[a] - forward : forward; h > 0; h--) {
                    hop(n, port + at * 6 + a * 2 + back);
                    uint32_t y = (x + (back ? dim[a] - 1 : 1)) % dim[a];
                    at = at + y * step - x * step;
                    x = y;
                }
            }
        }
    }
}

static void rail(struct net *n, uint32_t up, uint32_t down)
{
    uint32_t nv_up = add_links(n, n->n_hosts, 8 * PORT_BPS, false);
    uint32_t nv_down = add_links(n, n->n_hosts, 8 * PORT_BPS, false);
    uint32_t pad = add_links(n, 1, 6 * PORT_BPS, true), nodes = n->n_hosts / 8;
    uint32_t rail_up = add_links(n, 8, PORT_BPS * nodes / 2, false);
    uint32_t rail_down = add_links(n, 8, PORT_BPS * nodes / 2, false);
    for (uint32_t s = 0; s < n->n_hosts; s++) {
        for (uint32_t d = 0; d < n->n_hosts; d++) {
            n->off[s * (size_t)n->n_hosts + d] = n->n_hops;
            if (s == d)
                continue;
            if (s / 8 == d / 8) {
                hop(n, nv_up + s), hop(n, pad), hop(n, nv_down + d);
                continue;
            }
            hop(n, up + s);
            if (s % 8 != d % 8)
                hop(n, rail_up + s % 8), hop(n, rail_down + d % 8);
            hop(n, down + d);
        }
    }
}

bool net_make(struct net *n, const char *topology, uint32_t n_hosts)
{
    *n = (struct net){.n_hosts = n_hosts};
    n->off = calloc((size_t)n_hosts * n_hosts + 1, sizeof *n->off);
    must(n->off != NULL);
    if (strcmp(topology, "torus") == 0) {
        torus(n, add_links(n, n_hosts * 6, PORT_BPS / 4, false));
    } else {
        uint32_t up = add_links(n, n_hosts, PORT_BPS, false),
                 down = add_links(n, n_hosts, PORT_BPS, false);
        if (strcmp(topology, "star") == 0)
            star(n, up, down);
        else if (strcmp(topology, "fattree") == 0)
            tree(n, up, down, 1, PORT_BPS);
        else if (strcmp(topology, "oversub") == 0)
            tree(n, up, down, 1, PORT_BPS / 4);
        else if (strcmp(topology, "dmodk") == 0)
            tree(n, up, down, 0, PORT_BPS);
        else if (strcmp(topology, "rail") == 0)
            rail(n, up, down);
        else
            return false;
    }
    n->off[(size_t)n_hosts * n_hosts] = n->n_hops;
    return true;
}

void net_free(struct net *n)
{
    free(n->link), free(n->hop), free(n->off);
    *n = (struct net){0};
}

double net_bytes(const char *sizes, uint32_t s, uint32_t d, uint64_t seed)
{
    struct ms_rng r;
    if (s == d)
        return 0;
    if (strcmp(sizes, "uniform") == 0)
        return 65536;
    if (strcmp(sizes, "skew") == 0)
        return floor(65536 * (1 + (double)(d * 7919u % 13) / 13));
    ms_rng_init(&r, seed, "bytes", s, d, 0);
    if (strcmp(sizes, "lognormal") == 0)
        return ceil(65536 * exp(ms_rng_normal(&r) - 0.5));
    return 1 + ms_rng_below(&r, 131072);
}

struct ms_fluid *net_solver(const struct net *n, struct ms_pool *pool)
{
    struct ms_fluid *f = NULL;
    must(ms_fluid_create(n->link, n->n_links, pool, &f, NULL) == MS_OK);
    for (size_t r = 0; r < (size_t)n->n_hosts * n->n_hosts; r++) {
        uint32_t id;
        must(ms_fluid_route(f, n->hop + n->off[r], n->off[r + 1] - n->off[r], &id, NULL) == MS_OK &&
             id == r);
    }
    return f;
}

struct ms_fluid_flow net_flow(double bytes, double start_s, uint32_t route, uint32_t sink)
{
    return (struct ms_fluid_flow){.bytes = bytes, .start_s = start_s, .route = route, .sink = sink};
}

void net_alltoall(struct ms_fluid *f, const struct net *n, const double *bytes, double start_s)
{
    uint32_t N = n->n_hosts, *sink = malloc(N * sizeof *sink);
    struct ms_fluid_flow *w = malloc(N * sizeof *w);
    must(sink && w);
    for (uint32_t d = 0; d < N; d++)
        must(ms_fluid_open(f, N - 1, d, &sink[d], NULL) == MS_OK);
    for (uint32_t s = 0; s < N; s++) {
        size_t k = 0;
        for (uint32_t d = 0; d < N; d++) {
            if (s != d)
                w[k++] = net_flow(bytes[s * (size_t)N + d], start_s, s * N + d, sink[d]);
        }
        must(ms_fluid_add(f, w, k, NULL) == MS_OK);
    }
    free(sink), free(w);
}

size_t net_advance(struct ms_fluid *f, double to_s, const struct ms_fluid_event **events)
{
    size_t n;
    must(ms_fluid_advance(f, to_s, events, &n, NULL) == MS_OK);
    return n;
}

size_t net_run_to_event(struct ms_fluid *f, double to_s, const struct ms_fluid_event **events)
{
    size_t n;
    must(ms_fluid_run_to_event(f, to_s, events, &n, NULL) == MS_OK);
    return n;
}

double net_bound(const struct net *n, const double *bytes)
{
    double *load = calloc(n->n_links, sizeof *load), most = 0;
    must(load != NULL);
    for (size_t r = 0; r < (size_t)n->n_hosts * n->n_hosts; r++) {
        for (size_t h = n->off[r]; h < n->off[r + 1]; h++)
            load[n->hop[h]] += bytes[r];
    }
    for (size_t l = 0; l < n->n_links; l++)
        most = fmax(most, n->link[l].fatpipe ? 0 : load[l] / n->link[l].capacity_Bps);
    free(load);
    return most;
}
