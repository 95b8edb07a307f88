/** @file kernels.h  What one kind of communication kernels costs: the elements that a section of a
 *  profile may have, each acting only where it is given (not 0).
 *
 *  Pairs are dispatch, combine. Start-ups hold no route latency: that is the platform's. What the
 *  numbers do together is form.h; the simulator acts by the same rules. Seconds, bytes, bytes per
 *  second. */
#ifndef MS_HARDWARE_KERNELS_H
#define MS_HARDWARE_KERNELS_H

#include <stdbool.h>

#include "base/field.h"

/** Kinds of communication kernels with costs of their own; an exchange algorithm stands for one. */
enum ms_comm_kernels { MS_KERNELS_NCCL, MS_KERNELS_NORMAL, MS_KERNELS_LOW_LATENCY, MS_N_KERNELS };

/** What a message's time on a NIC is: the longer of gap and bytes, or their sum. */
enum ms_gap_rule { MS_GAP_MAX, MS_GAP_ADDITIVE };
enum ms_doubling_of { MS_DOUBLING_OF_RANKS, MS_DOUBLING_OF_NODES };

struct ms_hardware_kernels {
    bool given; /**< the profile has this section */

    /* start-up */
    double alpha_s[2], alpha_per_doubling_s[2];
    double notify_s[2], notify_per_doubling_s[2]; /**< before it, where counts are exchanged */
    double notify_copy_s[2];   /**< and for each copy that a rank sends, own ones too */
    int doubling_of;           /**< enum ms_doubling_of */
    double expert_s[2];        /**< for each expert of the layer */
    double count_message_s[2]; /**< for each expert on another node, after its tokens */
    double copy_s[2];          /**< for each copy that a rank sends, own ones too; beside nothing */
    double token_way_s[2]; /**< a token's way through the kernel: what is carried takes that long */

    /* ports */
    double nic_Bps[2], nvlink_Bps[2]; /**< the library's own, where below the wire's */
    double fan_in_loss[2];            /**< the rate falls to 1 / (1 + loss x log2(ranks / 8)) */
    double cross_rail_factor;         /**< a message to another rail costs its NIC so much more */
    double message_gap_s;             /**< a NIC's time for a message that leaves the node */
    double pair_gap_s[2]; /**< a queue pair's time for a message: those to one rank wait in line */
    int gap_rule;         /**< enum ms_gap_rule */

    /* SMs that copy for experts: E experts take ceil(E / ceil(E / sms)) of them */
    int sms;                                  /**< that the kernels take; 0: unknown */
    double sm_send_Bps[2], sm_receive_Bps[2]; /**< of one SM; receiving follows the network */
    double sm_token_s[2];                     /**< of one: for a token, beside its copies */
    double copy_Bps[2];                       /**< of all of them, own copies too */
    double own_Bps[2];                        /**< copies for the rank itself, beside the others */

    /* channels, two SMs each: what one channel takes */
    double sender_token_s[2];    /**< for a token of the rank that is looked at */
    double sender_copy_s[2];     /**< for a copy it sends (between nodes: for a token and node) */
    double token_Bps[2];         /**< and the bytes of such a token: in a combine, of its sum */
    double lane_Bps[2];          /**< bytes of one channel to all ranks, evenly */
    double own_lane_share[2];    /**< what of that time copies for the rank itself take */
    double memory_Bps[2];        /**< bytes of copies, own ones too, beside nothing */
    double forwarder_token_s[2]; /**< for a token from a node that is passed on */
    double forwarder_copy_s[2];  /**< for a copy of it */
    double forwarder_Bps[2];     /**< and bytes of such copies */
    int chunk_tokens[2];         /**< of a channel */
    double chunk_s[2];           /**< a chunk's own cost; beside nothing */

    /* small messages go by another protocol where that is faster: start-up, and a rate a pair */
    double low_alpha_s[2], low_alpha_per_doubling_s[2], low_pair_Bps[2];
    double ramp_s[2], ramp_bytes[2]; /**< the other's filling: linear in the bytes, up to these */

    double overlap_slowdown[2]; /**< factor on a leg while the GPU computes; 1 = none */
};

/** Rows of a section, by leg where they have one: "dispatch_alpha", "combine_alpha". */
extern const struct ms_field ms_hardware_kernel_rows[];

#endif
