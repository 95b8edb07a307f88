/* What a case gets from its platform, its hardware profile and its algorithm: the number of ranks, the
 * costs the scenario leaves to the profile, the times of its experts, and what every auto means. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demand/nodes.h"
#include "demand/replica.h"
#include "scenario/scenario.h"
#include "sim/exchange.h"

/* Nodes that the first group sits on. */
static int count_nodes(const struct ms_workload *w, const struct ms_platform *p)
{
    size_t n = (size_t)w->ranks * (size_t)w->groups;
    int *node = malloc((3 * n + 1) * sizeof *node);
    if (!node || w->ranks < 1 || n > (size_t)p->n_hosts) {
        free(node);
        return 1;
    }
    ms_rank_nodes(w, p->host_node, p->n_hosts, node);
    int found = ms_number_nodes(w->ranks, node, node + n, node + 2 * n);
    free(node);
    return found;
}

static void fill_in(double *number, double usual)
{
    if (isnan(*number))
        *number = usual;
}

/* The section in force, NULL: no costs. */
static const struct ms_hardware_kernels *section(const struct ms_scenario *s, int nodes)
{
    const struct ms_hardware *h = s->in_force;
    const struct ms_exchange *x = ms_exchange_find(s->sim.exchange.algorithm);
    const char *library = s->sim.hardware.library;
    if (!h || !x)
        return NULL;
    if (library && strcmp(library, "auto") == 0)
        library = NULL;
    return ms_hardware_section(
        h, library, h->only >= 0 ? (enum ms_comm_kernels)h->only : x->kernels, nodes == 1);
}

const char *ms_scenario_costs(const struct ms_scenario *s, const struct ms_platform *p)
{
    const struct ms_hardware *h = s->in_force;
    const struct ms_hardware_kernels *k = section(s, count_nodes(&s->workload, p));
    for (size_t i = 0; k && i < h->n_sections; i++)
        if (&h->section[i].kernels == k)
            return h->section[i].name;
    return "none";
}

/* A start-up of the scenario's own is the whole start-up, whatever the protocol. */
static void own_alpha(struct ms_hardware_kernels *k, int leg, double alpha_s)
{
    if (isnan(alpha_s))
        return;
    k->alpha_s[leg] = k->low_alpha_s[leg] = alpha_s;
    k->alpha_per_doubling_s[leg] = k->low_alpha_per_doubling_s[leg] = 0;
}

static void resolve_hardware(struct ms_scenario *s, const struct ms_platform *p)
{
    const struct ms_hardware *h = s->in_force;
    struct ms_hardware_params *to = &s->sim.hardware;
    int nodes = h ? count_nodes(&s->workload, p) : 1;
    const struct ms_hardware_kernels *found = section(s, nodes);
    struct ms_hardware_kernels *k = &to->kernels;
    *k = found ? *found : (struct ms_hardware_kernels){0};
    if (found && s->sim.compute.overlap == MS_OVERLAP_TWO_BATCH)
        ms_hardware_share_gpu(k, h);
    own_alpha(k, 0, to->dispatch_alpha_s);
    own_alpha(k, 1, to->combine_alpha_s);
    fill_in(&to->dispatch_alpha_s, ms_hardware_alpha_s(k, 0, s->workload.ranks, nodes));
    fill_in(&to->combine_alpha_s, ms_hardware_alpha_s(k, 1, s->workload.ranks, nodes));
    fill_in(&to->message_gap_s, k->message_gap_s);
    k->message_gap_s = to->message_gap_s;
    to->gap_adds = k->gap_rule == MS_GAP_ADDITIVE;
    bool costs = to->dispatch_alpha_s > 0 || to->combine_alpha_s > 0 || to->message_gap_s > 0;
    to->profile = h ? h->name : costs ? "given" : "none";
    if (s->sim.compute.profile && strcmp(s->sim.compute.profile, "auto") == 0)
        s->sim.compute.profile = h && h->experts ? h->experts : "none";
}

/* What the algorithm's autos mean. */
static void resolve_exchange(struct ms_exchange_params *p)
{
    const struct ms_exchange *x = ms_exchange_find(p->algorithm);
    if (!x)
        return;
    p->deduplicate = ms_exchange_dedup(x, p->deduplicate);
    p->meeting = ms_exchange_meeting(x, p->meeting);
    p->completion = ms_exchange_completion(x, p->completion);
}

static void resolve_kernels(struct ms_sim_params *p)
{
    if (p->exchange.sms < 0)
        p->exchange.sms = p->hardware.kernels.sms;
}

static void resolve_placement(struct ms_place_params *p)
{
    const struct ms_replica_choice *r = ms_replica_of(p);
    if (r)
        p->replica_choice = r->name;
}

/* Noise as it was measured, where it was; the scenario's own numbers stay. */
static void resolve_jitter(struct ms_fault_params *p, const struct ms_hardware *h)
{
    bool wanted = p->jitter_auto && h;
    p->jitter_auto = 0;
    if (wanted && p->jitter_sigma == 0)
        p->jitter_sigma = h->jitter_sigma;
    if (wanted && p->jitter_tail_share == 0) {
        p->jitter_tail_share = h->jitter_tail_share;
        p->jitter_tail_alpha = h->jitter_tail_alpha;
    }
    if (wanted && p->jitter_network_sigma == 0)
        p->jitter_network_sigma = h->jitter_network_sigma;
}

void ms_scenario_resolve(struct ms_scenario *s, const struct ms_platform *p)
{
    if (s->workload.ranks == 0 && s->workload.groups > 0)
        s->workload.ranks = p->n_hosts / s->workload.groups;
    resolve_hardware(s, p);
    resolve_exchange(&s->sim.exchange);
    resolve_kernels(&s->sim);
    resolve_jitter(&s->sim.faults, s->in_force);
    resolve_placement(&s->placement);
}
