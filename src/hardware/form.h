/** @file form.h  Closed forms: what a leg takes by a section's elements, without a network.
 *
 *  A leg is its start-up, then the longest of what goes on side by side (ports, SMs, channels),
 *  then what follows. The simulator applies the same elements rank by rank and shares the network
 *  besides; where loads are even both give the same time. Forms know rates and loads, nothing of
 *  platforms. Loads are stated in the leg's own direction: in a combine, `out` is what goes back
 *  to the tokens. Seconds, bytes, counts of copies (of one byte each in a byte matrix). */
#ifndef MS_HARDWARE_FORM_H
#define MS_HARDWARE_FORM_H

#include <stddef.h>

#include "base/err.h"
#include "hardware/kernels.h"
#include "routing/traffic.h"

/** What one rank moves. Copies count as they cross, after de-duplication. */
struct ms_form_rank {
    double tokens;                    /**< of the rank itself */
    double own;                       /**< copies for itself: they cross nothing */
    double near_out, near_in;         /**< to and from the others of its node, passed on or not */
    double far_out, far_in;           /**< to and from other nodes */
    double messages_out, messages_in; /**< of these */
    double cross_rail;                /**< share of them between different rails */
    double pair;                      /**< its largest message, either way */
    double far_pair;                  /**< the largest number of them to one rank of another node */
    double lane;                      /**< copies to the other rank it sends most */
    double fuller;                    /**< its fullest expert over its mean; 0: no matter */
    double crossings; /**< normal kernels: (token, node) pairs, its own node's too */
    double passed_tokens, passed_copies; /**< what it passes on of such pairs, for itself too */
};

struct ms_form_load {
    enum ms_comm_kernels kind;
    int ranks, nodes, experts;
    int sms;                    /**< 0: the section's */
    double chunk_tokens;        /**< of a chunk, over all channels; 0: the section's */
    double copy_bytes;          /**< one copy as it crosses, its header too */
    double latency_s;           /**< of the longest route */
    double nic_Bps, nvlink_Bps; /**< of the wire; INFINITY: no limit */
    size_t n_rank;
    const struct ms_form_rank *rank; /**< [n_rank]: every rank, or one that stands for all */
};

/** The whole leg, notify included, of its slowest rank. @param leg 0 dispatch, 1 combine */
double ms_form_leg_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load, int leg);
/** The part of it that is notify. */
double ms_form_notify_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                        int leg);

/* The parts, as the simulator takes them. */

double ms_form_rank_notify_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                             const struct ms_form_rank *r, int leg);
/** What a rank does of a leg apart from the network. */
struct ms_form_work {
    double beside_s; /**< from its start, while the network carries */
    double after_s;  /**< when all has arrived */
};
/** Does the protocol for small messages win? Decided for the leg as a whole. */
bool ms_form_low(const struct ms_hardware_kernels *k, const struct ms_form_load *load, int leg);
/** Start-up without notify; of a low leg where `low`. */
double ms_form_alpha_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                       int leg, bool low);
struct ms_form_work ms_form_work(const struct ms_hardware_kernels *k,
                                 const struct ms_form_load *load, const struct ms_form_rank *r,
                                 int leg, bool low);
/** A channel's time to pass on one copy; and for a token of such copies, whose sum it writes in a
 * combine. */
double ms_form_forwarder_s(const struct ms_hardware_kernels *k, double copy_bytes, int leg);
double ms_form_forwarder_token_s(const struct ms_hardware_kernels *k, double copy_bytes, int leg);
/** Tokens of a chunk, over all channels. 0: unknown */
double ms_form_chunk_tokens(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                            int leg);
/** Channels that the SMs make, two each. */
double ms_form_channels(const struct ms_hardware_kernels *k, const struct ms_form_load *load);
/** SMs that take part, of those there are. 0: unknown */
int ms_form_sms(const struct ms_hardware_kernels *k, const struct ms_form_load *load);
/** Rates of a rank's ports: the section's own or the wire's, by fan-in. */
double ms_form_nic_Bps(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                       int leg);
double ms_form_nvlink_Bps(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                          int leg);

/* Loads. */

enum ms_form_peers { MS_PEERS_ALL, MS_PEERS_OTHER_NODES, MS_PEERS_SAME_RAIL };

/** An even load, described. */
struct ms_form_case {
    enum ms_comm_kernels kind;
    bool combine;
    int ranks, gpus_per_node;
    double tokens; /**< of a rank; 0: an all-to-all of bytes */
    int experts, top_k;
    int groups, group_limit; /**< 0: none */
    bool perfect;            /**< a token's experts on min(top_k, ranks) ranks; else drawn evenly */
    bool exact;              /**< ranks have exactly the same, as nothing that is drawn has */
    bool per_rank;           /**< one copy a destination rank, not one a selection; normal kernels
                                  have no other */
    double copy_bytes, masked_share;
    int sms; /**< 0: the section's */
    double latency_s, nic_Bps, nvlink_Bps;
    /** of an all-to-all: to and from the others, to itself, of one message (0: one a pair) */
    double bytes_sent, bytes_received, bytes_own, message_bytes;
    enum ms_form_peers peers;
};

/** @param rank one, which stands for all; borrowed by out */
void ms_form_even_load(const struct ms_form_case *c, struct ms_form_rank *rank,
                       struct ms_form_load *out);
/** Distinct nodes, or ranks, that a token of an even load reaches: `parts` equal parts of the
 *  experts. */
double ms_form_reach(const struct ms_form_case *c, int parts);
/** Loads of given traffic, of one copy a selection or one a rank or node as c says.
 *  @param node [n_ranks] of each rank, from 0; @param rail likewise, or NULL
 *  @param rank [n_ranks], filled; borrowed by out
 *  @return false: out of memory */
bool ms_form_traffic_load(const struct ms_form_case *c, const struct ms_traffic *t, const int *node,
                          const int *rail, struct ms_form_rank *rank, struct ms_form_load *out);

/* What measured rows can fix. */

struct ms_form_constant {
    const char *key; /**< as in the profile, without the leg: "alpha" of dispatch_alpha */
    size_t offset;   /**< in ms_hardware_kernels, of dispatch; combine's is the next double */
    enum ms_unit unit;
    double low, high, start; /**< bounds and where to begin */
    bool both;               /**< one number in the section, whatever the leg */
    bool shared;             /**< a number for each leg, but the same */
    bool dispatch_only;
};

struct ms_form_family {
    const char *section; /**< "low_latency", "low_latency_node", …; "library" for any library's */
    const char *help;
    const struct ms_form_constant *constant; /**< ends with a NULL key */
};
/** @param section a key of a profile; of a library "pplx.low_latency"  @return never NULL */
const struct ms_form_family *ms_form_family(const char *section);

#endif
