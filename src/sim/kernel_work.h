/** @file kernel_work.h  What the ranks do of a leg apart from the network: the hardware profile's
 *  elements (hardware/form.h) applied to one leg's traffic, rank by rank.
 *
 *  Three things come of it: a start-up that depends on the leg (notify, the protocol for small
 *  messages), work beside the network that a leg cannot end before, and work after it. */
#ifndef MS_SIM_KERNEL_WORK_H
#define MS_SIM_KERNEL_WORK_H

#include "hardware/form.h"
#include "sim/exchange.h"

/** Of one leg; memory is kept from use to use. Zero-initialise. */
struct ms_kernel_work {
    bool acts;                  /**< else all of it is nothing */
    double start_s;             /**< what this leg's start-up has beyond that of every leg */
    double notify_s;            /**< the longest of the ranks' */
    double *start_of_rank_s;    /**< [G] both of them */
    double *beside_s, *after_s; /**< [G] */
    struct ms_form_rank *rank;  /**< [G] */
    int capacity;
};

struct ms_kernel_case {
    const struct ms_hardware_kernels *kernels;
    int experts, sms;
    double chunk_tokens; /**< of a chunk over all channels; 0: the kernels' */
    enum ms_comm_kernels kind;
};

/** The start-up that every leg waits for before it is planned: the least that a leg may have. */
double ms_kernel_start_s(const struct ms_kernel_case *k, int leg, double alpha_s, int n_ranks,
                         int n_nodes);
/** @param p with dedup resolved  @param alpha_s start-up of the usual protocol
 *  @return MS_OK or MS_NOMEM */
enum ms_status ms_kernel_work(const struct ms_kernel_case *k, const struct ms_leg_problem *p,
                              int leg, double alpha_s, struct ms_kernel_work *out,
                              struct ms_err *err);
/** Do channels that pass tokens on cost anything? */
bool ms_kernel_passes_on(const struct ms_kernel_case *k);
/** Fill p's channel times. */
void ms_kernel_channels(const struct ms_kernel_case *k, int leg, struct ms_leg_problem *p);
/** What a rank gets of its NIC and its NVLink at most; INFINITY: the wire's.
 *  @param p the wire of which fan-in takes its share: only layout, route and ctx count */
void ms_kernel_rates(const struct ms_kernel_case *k, int leg, const struct ms_leg_problem *p,
                     double *nic_Bps, double *nvlink_Bps);
/** SMs that the kernels hold from a leg's start to its end; low latency gives them back while the
 *  network carries. 0: none, or unknown */
int ms_kernel_sms_taken(const struct ms_kernel_case *k);
void ms_kernel_work_finish(struct ms_kernel_work *w);

#endif
