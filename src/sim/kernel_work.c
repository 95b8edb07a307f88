/* A leg's traffic through the closed forms' elements: start-up, work beside the network, work after
 * it, for each rank. */
#include "sim/kernel_work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Everything of a leg but its traffic. */
static struct ms_form_load frame(const struct ms_kernel_case *k, int n_ranks, int n_nodes)
{
    return (struct ms_form_load){.kind = k->kind,
                                 .ranks = n_ranks,
                                 .nodes = n_nodes,
                                 .experts = k->experts,
                                 .sms = k->sms,
                                 .chunk_tokens = k->chunk_tokens,
                                 .nic_Bps = INFINITY,
                                 .nvlink_Bps = INFINITY};
}

static double low_alpha_s(const struct ms_kernel_case *k, int leg, int n_ranks, int n_nodes)
{
    struct ms_form_load load = frame(k, n_ranks, n_nodes);
    return ms_form_alpha_s(k->kernels, &load, leg, true);
}

double ms_kernel_start_s(const struct ms_kernel_case *k, int leg, double alpha_s, int n_ranks,
                         int n_nodes)
{
    return k->kernels->low_pair_Bps[leg] > 0 ? fmin(alpha_s, low_alpha_s(k, leg, n_ranks, n_nodes))
                                             : alpha_s;
}

int ms_kernel_sms_taken(const struct ms_kernel_case *k)
{
    if (k->kind != MS_KERNELS_NORMAL)
        return 0;
    return k->sms > 0 ? k->sms : k->kernels->sms;
}

bool ms_kernel_passes_on(const struct ms_kernel_case *k)
{
    const struct ms_hardware_kernels *h = k->kernels;
    bool any = false;
    for (int leg = 0; leg < 2; leg++)
        any = any || h->sender_copy_s[leg] > 0 || h->forwarder_token_s[leg] > 0 ||
              h->forwarder_copy_s[leg] > 0 || h->forwarder_Bps[leg] > 0;
    return any && k->kind == MS_KERNELS_NORMAL;
}

void ms_kernel_channels(const struct ms_kernel_case *k, int leg, struct ms_leg_problem *p)
{
    struct ms_form_load load = frame(k, p->layout->n_ranks, p->layout->n_nodes);
    double n = ms_form_channels(k->kernels, &load);
    if (k->kind != MS_KERNELS_NORMAL)
        return;
    p->owner_copy_s = k->kernels->sender_copy_s[leg] / n;
    p->forwarder_token_s = ms_form_forwarder_token_s(k->kernels, p->copy_bytes, leg) / n;
    p->forwarder_copy_s = ms_form_forwarder_s(k->kernels, p->copy_bytes, leg) / n;
}

/* The wire that rank 0 sees: what the small messages' protocol is weighed against. */
static void see_wire(const struct ms_leg_problem *p, struct ms_form_load *load)
{
    const struct ms_layout *l = p->layout;
    bool near = false, far = false;
    for (int r = 1; r < l->n_ranks && !(near && far); r++) {
        bool here = l->node[r] == l->node[0];
        if (here ? near : far)
            continue;
        *(here ? &load->nvlink_Bps : &load->nic_Bps) = p->route(p->ctx, 0, r).bandwidth_Bps;
        *(here ? &near : &far) = true;
    }
}

void ms_kernel_rates(const struct ms_kernel_case *k, int leg, const struct ms_leg_problem *p,
                     double *nic_Bps, double *nvlink_Bps)
{
    struct ms_form_load load = frame(k, p->layout->n_ranks, p->layout->n_nodes);
    if (k->kernels->fan_in_loss[leg] > 0)
        see_wire(p, &load);
    *nic_Bps = ms_form_nic_Bps(k->kernels, &load, leg);
    *nvlink_Bps = ms_form_nvlink_Bps(k->kernels, &load, leg);
}

/* Is there anything to be worked out for a leg? */
static bool acts(const struct ms_hardware_kernels *k, int leg)
{
    return k->notify_s[leg] > 0 || k->notify_per_doubling_s[leg] > 0 || k->notify_copy_s[leg] > 0 ||
           k->expert_s[leg] > 0 || k->count_message_s[leg] > 0 || k->copy_s[leg] > 0 ||
           k->sm_send_Bps[leg] > 0 || k->sm_receive_Bps[leg] > 0 || k->sm_token_s[leg] > 0 ||
           k->copy_Bps[leg] > 0 || k->own_Bps[leg] > 0 || k->sender_token_s[leg] > 0 ||
           k->sender_copy_s[leg] > 0 || k->lane_Bps[leg] > 0 || k->token_Bps[leg] > 0 ||
           k->memory_Bps[leg] > 0 || k->chunk_s[leg] > 0 || k->pair_gap_s[leg] > 0 ||
           k->token_way_s[leg] > 0 || k->low_pair_Bps[leg] > 0 || k->ramp_s[leg] > 0;
}

static bool hold(struct ms_kernel_work *w, int n)
{
    if (n <= w->capacity)
        return true;
    ms_kernel_work_finish(w);
    size_t size = (size_t)n * sizeof(double);
    w->start_of_rank_s = malloc(size);
    w->beside_s = malloc(size);
    w->after_s = malloc(size);
    w->rank = malloc((size_t)n * sizeof *w->rank);
    w->capacity = n;
    return w->start_of_rank_s && w->beside_s && w->after_s && w->rank;
}

void ms_kernel_work_finish(struct ms_kernel_work *w)
{
    free(w->start_of_rank_s);
    free(w->beside_s);
    free(w->after_s);
    free(w->rank);
    memset(w, 0, sizeof *w);
}

enum ms_status ms_kernel_work(const struct ms_kernel_case *k, const struct ms_leg_problem *p,
                              int leg, double alpha_s, struct ms_kernel_work *out,
                              struct ms_err *err)
{
    const struct ms_layout *l = p->layout;
    int n = l->n_ranks;
    bool low = false;
    out->acts = acts(k->kernels, leg);
    if (!out->acts)
        return MS_OK;
    if (!hold(out, n))
        return ms_err_set(err, MS_NOMEM, "out of memory for the work of %d ranks", n);
    out->acts = true;
    struct ms_form_case c = {.kind = k->kind,
                             .combine = p->combine,
                             .top_k = p->top_k,
                             .per_rank = p->dedup != MS_DEDUP_NONE,
                             .copy_bytes = p->copy_bytes,
                             .masked_share = 1 - p->share};
    struct ms_form_load load, sized = frame(k, n, l->n_nodes);
    if (!ms_form_traffic_load(&c, p->traffic, l->node, l->rail, out->rank, &load))
        return ms_err_set(err, MS_NOMEM, "out of memory for the work of %d ranks", n);
    sized.copy_bytes = load.copy_bytes;
    sized.n_rank = load.n_rank;
    sized.rank = load.rank;
    if (k->kernels->low_pair_Bps[leg] > 0) {
        see_wire(p, &sized);
        low = ms_form_low(k->kernels, &sized, leg);
    }
    out->start_s = (low ? low_alpha_s(k, leg, n, l->n_nodes) : alpha_s) -
                   ms_kernel_start_s(k, leg, alpha_s, n, l->n_nodes);
    out->notify_s = 0;
    for (int r = 0; r < n; r++) {
        struct ms_form_work w = ms_form_work(k->kernels, &sized, &out->rank[r], leg, low);
        out->beside_s[r] = w.beside_s;
        out->after_s[r] = w.after_s;
        out->start_of_rank_s[r] = ms_form_rank_notify_s(k->kernels, &sized, &out->rank[r], leg);
        out->notify_s = fmax(out->notify_s, out->start_of_rank_s[r]);
        out->start_of_rank_s[r] += out->start_s;
    }
    return MS_OK;
}
