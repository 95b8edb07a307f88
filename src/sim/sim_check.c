/* What can be known before anything runs: names, counts, nodes, rails. Errors carry the
 * scenario's key. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demand/nodes.h"
#include "sim/compute.h"
#include "sim/exchange.h"
#include "sim/network_model.h"
#include "sim/paths.h"
#include "sim/noise.h"
#include "sim/sim.h"

const struct ms_sim_name *ms_sim_exchanges(void)
{
    static struct ms_sim_name names[32];
    for (size_t i = 0; ms_exchanges()[i] && i < 31; i++)
        names[i] = (struct ms_sim_name){ms_exchanges()[i]->name, ms_exchanges()[i]->help};
    return names;
}

bool ms_sim_node_copies(const struct ms_exchange_params *p)
{
    const struct ms_exchange *x = ms_exchange_find(p->algorithm);
    return x && ms_exchange_dedup(x, p->deduplicate) == MS_DEDUP_NODE;
}

enum ms_twin_kinds ms_sim_twin_by(const struct ms_exchange_params *p)
{
    const struct ms_exchange *x = ms_exchange_find(p->algorithm);
    bool relays = x && (x->per_node_leg || (p->forwarding == MS_FORWARD_PXN && !x->forwards));
    if (x && x->neighbours)
        return MS_TWIN_BY_HOP;
    return relays ? MS_TWIN_BY_RAIL : MS_TWIN_BY_NODE;
}

bool ms_sim_noisy(const struct ms_sim_params *p)
{
    return ms_noise_on(&p->faults) || p->network.multipath == MS_PATHS_ECMP ||
           p->background.utilisation > 0;
}

struct ms_exchange_heeds ms_sim_exchange_heeds(const struct ms_exchange_params *p)
{
    const struct ms_exchange *x = ms_exchange_find(p->algorithm);
    if (!x)
        return (struct ms_exchange_heeds){true, true, true};
    return (struct ms_exchange_heeds){
        .window = x->windowed,
        .chunk_tokens = x->chunked || (p->forwarding == MS_FORWARD_PXN && !x->forwards),
        .forwarding = !x->forwards};
}

/* How many flows and routes a leg has: receivers are chosen at random, so of R of them
 * 1 - exp(-choices / R) are chosen. */
struct counted {
    double pairs;   /* of ranks that have something for each other */
    double streams; /* of a rank and another node, where nodes pass on */
    double routes;  /* of both directions */
};

static struct counted count_leg(const struct ms_exchange *x, const struct ms_leg_size *z)
{
    bool all = x->neighbours || x->needs_tokens; /* whatever the routing */
    double chosen = all ? 1 : 1 - exp(-z->choices / z->ranks), both = chosen * (2 - chosen);
    struct counted n = {.pairs = z->ranks * (z->ranks - 1) * chosen};
    n.routes = z->ranks * (z->ranks - 1) * both;
    if (x->per_node_leg) {
        double node = 1 - exp(-z->choices / z->nodes);
        n.streams = z->ranks * (z->nodes - 1) * node;
        n.routes = n.streams * (2 - node) + z->ranks * (z->ranks / z->nodes - 1);
    }
    return n;
}

/* Measured at 64 to 4096 ranks: a stream costs as much as four flows. */
static double work_of(const struct ms_exchange *x, const struct ms_leg_size *z)
{
    struct counted n = count_leg(x, z);
    return n.pairs + 4 * n.streams;
}

int ms_sim_fan_in(const struct ms_exchange_params *p, int ranks, int gpus_per_node)
{
    const struct ms_exchange *x = ms_exchange_find(p->algorithm);
    int node = gpus_per_node > 0 && gpus_per_node < ranks ? gpus_per_node : ranks;
    node = gpus_per_node > 0 ? node : 1;
    int far_ranks = ranks - node, nodes = (ranks + node - 1) / node;
    if (!x || far_ranks < 1)
        return 0;
    if (x->neighbours || x->paired)
        return 1;
    if (x->per_node_leg)
        return nodes - 1;
    return x->windowed && p->window < far_ranks ? p->window : far_ranks;
}

double ms_sim_leg_cpu_s(const struct ms_sim_params *p, const struct ms_leg_size *size)
{
    const struct ms_exchange *x = ms_exchange_find(p->exchange.algorithm);
    const struct ms_network_model *m = ms_network_model_find(p->network.model);
    const struct ms_leg_size measured = {64, 8, 8 * 4096};
    if (!x || !m)
        return 0;
    double times = work_of(x, size) / work_of(x, &measured);
    return x->leg_cpu_s[m->transport->cost] * pow(times, m->transport->growth);
}

/* Bytes: a route in the table; a flow in two plans and in the solver; a stream and
 * each of its parts likewise (src/sim/fluid/fluid.h says the solver's); a communication of SimGrid's. */
double ms_sim_leg_memory(const struct ms_sim_params *p, const struct ms_leg_size *size)
{
    const double route = 45, flow = 150, stream = 370, part = 60, communication = 6e3;
    const struct ms_exchange *x = ms_exchange_find(p->exchange.algorithm);
    if (!x)
        return 0;
    struct counted n = count_leg(x, size);
    double plans = x->per_node_leg ? n.streams * stream + n.pairs * part : n.pairs * flow;
    const struct ms_network_model *m = ms_network_model_find(p->network.model);
    double simgrid = m && m->transport->cost == MS_COST_SIMGRID ? n.pairs * communication : 0;
    return 4 * size->ranks * size->ranks + n.routes * route + plans + simgrid;
}

__attribute__((format(printf, 3, 4))) static void say(struct ms_errs *errs, const char *key,
                                                      const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ms_errs_add_at(errs, MS_INVALID, NULL, 0, 0, key, "%s", text);
}

static void check_name(struct ms_errs *errs, const char *key, const char *word,
                       const struct ms_sim_name *table, const char *what)
{
    const char *names[64];
    size_t n = 0;
    for (; table[n].name && n < 64; n++) {
        names[n] = table[n].name;
        if (word && !strcmp(word, names[n]))
            return;
    }
    char allowed[512];
    word = word ? word : "";
    say(errs, key, "'%s' is not %s%s", word, what,
        ms_allowed(allowed, sizeof allowed, word, names, n));
}

static bool check_counts(const struct ms_sim_input *in, struct ms_errs *errs)
{
    const struct ms_workload *w = in->workload;
    const struct ms_platform *p = in->platform;
    size_t before = errs->n;
    if (w->ranks < 2)
        say(errs, "workload.ranks", "%d ranks: an exchange needs at least 2", w->ranks);
    else if (w->groups < 1)
        say(errs, "workload.groups", "%d groups: at least 1", w->groups);
    else if (w->ranks > 65535 || w->groups > 65535 || (long)w->ranks * w->groups > p->n_hosts) {
        if (w->groups > 1)
            say(errs, "workload.ranks", "%d groups of %d ranks, but %s has %d hosts", w->groups,
                w->ranks, p->path, p->n_hosts);
        else
            say(errs, "workload.ranks", "%d ranks, but %s has %d hosts", w->ranks, p->path,
                p->n_hosts);
    }
    if (w->layers < 1 || w->steps < 1)
        say(errs, "workload.layers", "%d layers and %d steps: at least 1 of each", w->layers,
            w->steps);
    return errs->n == before;
}

/* Pairs that reading the platform warned of are an error where two ranks are such a pair. */
static void check_joined(const struct ms_sim_input *in, struct ms_errs *errs)
{
    const struct ms_platform *p = in->platform;
    const struct ms_workload *w = in->workload;
    for (int g = 0; g < w->groups && p->n_unjoined; g++)
        for (int r = 0; r < w->ranks; r++)
            for (int s = 0; s < w->ranks; s++) {
                int a = ms_rank_host(w, g, r), b = ms_rank_host(w, g, s);
                if (ms_platform_joined(p, a, b))
                    continue;
                say(errs, "platform",
                    "%s has no route from '%s' (rank %d) to '%s' (rank %d); choose the hosts that "
                    "are GPUs with cluster.hosts, or fewer workload.ranks",
                    p->path, p->host_name[a], r, p->host_name[b], s);
                return;
            }
}

/* A pair on different nodes and rails that the fabric does not join and nobody forwards. */
static void check_rails(const struct ms_sim_input *in, const struct ms_exchange *x,
                        struct ms_errs *errs)
{
    const struct ms_platform *p = in->platform;
    const struct ms_workload *w = in->workload;
    bool pxn = in->params->exchange.forwarding == MS_FORWARD_PXN && !x->forwards;
    for (int g = 0; g < w->groups; g++)
        for (int r = 0; r < w->ranks; r++) {
            int a = ms_rank_host(w, g, r);
            int first = x->neighbours ? (r + 1) % w->ranks : r + 1;
            int last = x->neighbours ? first : w->ranks - 1;
            for (int s = first; s <= last; s++) {
                int b = ms_rank_host(w, g, s), relay = -1;
                if (p->host_node[a] == p->host_node[b] || p->host_local[a] == p->host_local[b])
                    continue;
                for (int k = 0; k < w->ranks && pxn && relay < 0; k++) {
                    int h = ms_rank_host(w, g, k);
                    if (p->host_node[h] == p->host_node[a] && p->host_local[h] == p->host_local[b])
                        relay = h;
                }
                if (relay >= 0)
                    continue;
                say(errs, x->forwards ? "exchange.algorithm" : "exchange.forwarding",
                    "'%s' sends from %s (rail %d) to %s (rail %d), which %s does not join%s",
                    x->name, p->host_name[a], p->host_local[a], p->host_name[b], p->host_local[b],
                    p->path,
                    x->forwards ? "; use hierarchical"
                    : pxn       ? ", and no rank of its node is on that rail"
                                : "; use forwarding: pxn, or algorithm: hierarchical");
                return;
            }
        }
}

static void check_exchange(const struct ms_sim_input *in, struct ms_errs *errs)
{
    const struct ms_exchange_params *e = &in->params->exchange;
    const struct ms_exchange *x = ms_exchange_find(e->algorithm);
    check_name(errs, "exchange.algorithm", e->algorithm, ms_sim_exchanges(),
               "an exchange algorithm");
    if (!x)
        return;
    bool nodes = in->platform->n_nodes > 0;
    if (x->needs_tokens && in->model->top_k < 1)
        say(errs, "exchange.algorithm",
            "'%s' moves tokens: a byte matrix does not say how many there are", x->name);
    if (x->needs_nodes && !nodes)
        say(errs, "exchange.algorithm",
            "'%s' needs nodes, but the hosts of %s have no 'node' property; set "
            "cluster.gpus_per_node",
            x->name, in->platform->path);
    if (e->forwarding == MS_FORWARD_PXN && !nodes)
        say(errs, "exchange.forwarding",
            "'pxn' needs nodes, but the hosts of %s have no 'node' property; set "
            "cluster.gpus_per_node",
            in->platform->path);
    if (e->deduplicate == MS_DEDUP_NODE && !x->needs_nodes)
        say(errs, "exchange.deduplicate",
            "'node' needs an algorithm that forwards within nodes: hierarchical, "
            "not %s",
            x->name);
    if (e->window < 1)
        say(errs, "exchange.window", "%d: at least 1", e->window);
    if (e->chunk_tokens < 0)
        say(errs, "exchange.chunk_tokens", "%d: at least 1", e->chunk_tokens);
    if (in->platform->transit == MS_TRANSIT_PXN && nodes && !x->needs_nodes)
        check_rails(in, x, errs);
}

static void check_paths(const struct ms_sim_input *in, const struct ms_network_model *m,
                        struct ms_errs *errs)
{
    if (in->params->network.multipath != MS_PATHS_ECMP)
        return;
    if (m && !m->transport->couples)
        say(errs, "network.multipath", "'ecmp' needs network.model: fluid, not %s", m->name);
    if (!ms_paths_any(in->platform))
        ms_errs_warn_at(errs, NULL, 0, 0, "network.multipath",
                        "'ecmp' does nothing: no link of %s stands for several cables (property "
                        "cables); its routes are fixed in the file",
                        in->platform->path);
}

void ms_sim_check(const struct ms_sim_input *in, struct ms_errs *errs)
{
    const struct ms_sim_params *p = in->params;
    check_name(errs, "network.model", p->network.model, ms_sim_network_models(), "a network model");
    const struct ms_network_model *m = ms_network_model_find(p->network.model);
    if (m && m->only_latency && p->network.latency == MS_LATENCY_FLOW)
        say(errs, "network.latency", "'flow' is not available with %s; allowed: sender", m->name);
    if (!ms_compute_known(&p->compute))
        check_name(errs, "compute.profile", p->compute.profile, ms_sim_compute_profiles(),
                   "a compute profile");
    if (!check_counts(in, errs))
        return;
    check_joined(in, errs);
    check_exchange(in, errs);
    check_paths(in, m, errs);
    if (p->background.utilisation > 0 && m && !m->transport->couples)
        say(errs, "background.utilisation", "needs network.model: fluid, not %s", m->name);
    if (p->background.utilisation > 0 && in->platform->n_nodes < 2)
        say(errs, "background.utilisation", "%s has fewer than two nodes for flows to cross",
            in->platform->path);
}
