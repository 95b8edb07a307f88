/** @file hardware.h  Hardware profiles: what real kernels, NICs and GPUs cost beyond the rates of links.
 *
 *  A profile is one YAML file (platforms/hardware/NAME.yaml, or a user's own), one a system, and every
 *  number in it says where it comes from. A platform names its profile in the property `hardware`
 *  of its outer zone. This room finds, reads and checks profiles and decides which one is in force;
 *  what the numbers do is the simulator's. Seconds, bytes, bytes per second. */
#ifndef MS_HARDWARE_HARDWARE_H
#define MS_HARDWARE_HARDWARE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/field.h"
#include "base/files.h"

/** Kinds of communication kernels with costs of their own; an exchange algorithm stands for one. */
enum ms_comm_kernels { MS_KERNELS_NCCL, MS_KERNELS_NORMAL, MS_KERNELS_LOW_LATENCY, MS_N_KERNELS };

/** What a message's time on a NIC is: the longer of gap and bytes, or their sum. */
enum ms_gap_rule { MS_GAP_MAX, MS_GAP_ADDITIVE };
enum ms_doubling_of { MS_DOUBLING_OF_RANKS, MS_DOUBLING_OF_NODES };

/** Costs of one kind of kernels. Start-ups hold no route latency: that is the platform's. */
struct ms_hardware_kernels {
    bool given;                                 /**< the profile has this section */
    double alpha_s[2], alpha_per_doubling_s[2]; /**< start-up of a dispatch leg, of a combine leg */
    int doubling_of;                            /**< enum ms_doubling_of */
    double message_gap_s;       /**< a NIC's least time for a message that leaves the node */
    int gap_rule;               /**< enum ms_gap_rule */
    double count_message_s;     /**< to each remote expert, after its tokens */
    int sms;                    /**< SMs the kernels take; 0 unknown */
    int chunk_tokens[2];        /**< a chunk, dispatch and combine; 0 unknown */
    double chunk_s;             /**< a chunk's own cost */
    double fan_in_loss;         /**< share of a port's rate lost with each doubling of its peers */
    double ramp_bytes;          /**< below it the rate is in proportion to the size; 0 = no ramp */
    double overlap_slowdown[2]; /**< factor on a leg while the GPU computes; 1 = none */
};

/** A number as the file has it, for people. */
struct ms_hardware_value {
    const char *section, *key, *text, *source;
};

struct ms_hardware {
    const char *name;    /**< as it was asked for: h100-cx7, or an old name */
    const char *help;    /**< one line */
    const char *path;    /**< of the file */
    struct ms_hash hash; /**< of the file's bytes */
    int only; /**< an old name that means one kind of kernels for every algorithm; -1 = none */
    struct ms_hardware_kernels kernels[MS_N_KERNELS];
    const char *experts; /**< the compute table of its GPUs; NULL: none */
    double jitter_sigma, jitter_tail_share, jitter_tail_alpha, jitter_network_sigma;
    size_t n_values;
    struct ms_hardware_value *value; /**< [n_values] in the order of the file; links among them */
};

/** Read a profile by name (h100-cx7) or file (mine.yaml), found beside the file `beside` (NULL: below
 *  the current folder) and then among the shipped ones.
 *  @param arena owns all of it  @param out zeroed on entry
 *  @return MS_OK; MS_INVALID with at least one error in errs (key `hardware` where there is no such
 *  profile); MS_IO; MS_NOMEM */
enum ms_status ms_hardware_read(struct ms_files *files, const char *name, const char *beside,
                                struct ms_arena *arena, struct ms_hardware *out,
                                struct ms_errs *errs);
/** Which profile is asked for: the scenario's word, `auto` being the platform's property.
 *  @param property NULL: the platform names none  @return NULL: none is in force */
const char *ms_hardware_in_force(const char *asked, const char *property);
/** Start-up of a leg of an exchange between `ranks` ranks on `nodes` nodes. @param leg 0 dispatch, 1 combine */
double ms_hardware_alpha_s(const struct ms_hardware_kernels *k, int leg, int ranks, int nodes);
const char *ms_hardware_kernels_name(enum ms_comm_kernels k);
/** Names of the shipped profiles, in order. @param arena owns them  @return how many */
size_t ms_hardware_names(struct ms_arena *arena, const char ***out);

#endif
