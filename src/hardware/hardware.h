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
#include "hardware/kernels.h"

/** One section: costs of one kind of kernels, between nodes or within one. */
struct ms_hardware_section {
    const char *library; /**< NULL: the system's usual one */
    const char *name;    /**< "low_latency", "low_latency_node", … */
    struct ms_hardware_kernels kernels;
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
    size_t n_sections;
    struct ms_hardware_section *section; /**< [n_sections] in the order of the file */
    /** rates and latencies of the wire, 0 where the file does not say */
    double nic_Bps, nic_latency_s, trunk_latency_s, nvlink_Bps, nvlink_latency_s;
    double memory_bytes; /**< of a GPU; 0: not said */
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
/** The section for kernels between nodes or, if all ranks share one, within a node: the library's
 *  own, and the one of its scope, before others. @param library NULL or "": the system's usual one
 *  @return NULL: the profile says nothing of it */
const struct ms_hardware_kernels *ms_hardware_section(const struct ms_hardware *h,
                                                      const char *library,
                                                      enum ms_comm_kernels kind, bool one_node);
/** Has the profile anything of a library? */
bool ms_hardware_has_library(const struct ms_hardware *h, const char *library);
/** Start-up of a leg of an exchange between `ranks` ranks on `nodes` nodes. @param leg 0 dispatch, 1 combine */
double ms_hardware_alpha_s(const struct ms_hardware_kernels *k, int leg, int ranks, int nodes);
/** Kernels whose dispatch costs what the combine of these does: for bytes that go one way alone. */
void ms_hardware_combine_alone(struct ms_hardware_kernels *k);
/** The same kernels while the GPU computes: each leg overlap_slowdown times as slow, start-ups but not.
 *  A rate that the section leaves to the wire is taken from the profile's links. */
void ms_hardware_share_gpu(struct ms_hardware_kernels *k, const struct ms_hardware *h);
const char *ms_hardware_kernels_name(enum ms_comm_kernels k);
/** Names of the shipped profiles, in order. @param arena owns them  @return how many */
size_t ms_hardware_names(struct ms_arena *arena, const char ***out);

#endif
