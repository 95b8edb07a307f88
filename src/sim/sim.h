/** @file sim.h  One case simulated: ranks as SimGrid actors over a platform file. The only
 *  header other rooms need.
 *
 *  A process loads one platform (SimGrid's engine cannot be loaded twice): sweep/ forks children and
 *  calls ms_sim_run there, before anything else of SimGrid; more than once where the cases are alike
 *  (ms_sim_engine). Times in seconds
 *  of SimGrid's clock, bytes, ranks 0..groups*G-1 in the natural order of hosts (after
 *  group_layout). */
#ifndef MS_SIM_SIM_H
#define MS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "cluster/platform.h"
#include "demand/balanced_twin.h"
#include "demand/demand.h"
#include "hardware/kernels.h"
#include "routing/routing.h"
#include "routing/traffic.h"

enum ms_dedup { MS_DEDUP_AUTO, MS_DEDUP_NONE, MS_DEDUP_RANK, MS_DEDUP_NODE };
enum ms_forwarding { MS_FORWARD_NONE, MS_FORWARD_PXN };
/** When data may start: at once; when both ends have entered the leg (and, where there are phases,
 *  the phase); when every rank of the group has. */
enum ms_meeting { MS_MEETING_AUTO, MS_MEETING_NONE, MS_MEETING_PAIR, MS_MEETING_GROUP };
/** When a leg is over for a rank: its receives are done; its own sends, too. */
enum ms_completion { MS_COMPLETION_AUTO, MS_COMPLETION_RECEIVED, MS_COMPLETION_BOTH };
/** One link of the summed rate; a link a cable, to which queue pairs are hashed. */
enum ms_paths_of { MS_PATHS_SPRAY, MS_PATHS_ECMP };
enum ms_latency_at { MS_LATENCY_DEFAULT, MS_LATENCY_SENDER, MS_LATENCY_FLOW };
enum ms_overlap { MS_OVERLAP_NONE, MS_OVERLAP_TWO_BATCH };

struct ms_exchange_params {
    const char *algorithm; /**< a name of the exchange table */
    int window;
    int chunk_tokens;     /**< 0: auto, the hardware profile's or 32 */
    int sms;              /**< the kernels' SMs; 0: auto, the hardware profile's */
    double message_bytes; /**< of one network write; 0: a message is what the algorithm says */
    int deduplicate, forwarding; /**< enum ms_dedup, ms_forwarding */
    int meeting, completion;     /**< enum ms_meeting, ms_completion */
};

struct ms_compute_params {
    /** "auto" (the hardware profile's: gone once resolved), "none", a measured profile's name, or
     *  NULL with the roofline below */
    const char *profile;
    double flops, bandwidth, floor_s;
    double dense_s;   /**< attention and dense time a layer; NAN: of the attention table */
    double outside_s; /**< of a step, beside its MoE layers: dense layers, head; NAN: the model's */
    int overlap;
};

struct ms_hardware_params {
    const char *profile; /**< as asked: auto, none, a name or a file; the simulator takes numbers */
    const char *library; /**< of the profile's; "auto": the system's usual one */
    /** NAN = the profile's: filled in before anything is simulated (ms_scenario_resolve) */
    double dispatch_alpha_s, combine_alpha_s, message_gap_s;
    double count_exchange_s; /**< before a dispatch whose copies are split by all ranks' counts */
    int gap_adds; /**< a message costs bytes / rate + the gap; 0: the larger of the two */
    /** what else the kernels in force cost; zeros: nothing */
    struct ms_hardware_kernels kernels;
};

struct ms_network_params {
    const char *model; /**< fluid cm02 lv08 smpi ib */
    double quantum;
    int latency;     /**< enum ms_latency_at */
    int multipath;   /**< enum ms_paths_of: what a link of several cables is */
    int queue_pairs; /**< of two ranks, each hashed to a cable; 0 counts as 1 */
};

struct ms_fault_link {
    /** shell wildcard over link names; NAME#CABLE: over cables, from 0, of a link that stands for several */
    const char *pattern;
    double at_s, until_s; /**< until may be INFINITY */
    double bandwidth_factor;
};

/** Does a fault hit a link, or a cable of it (-1: any of its n_cables)? */
bool ms_fault_hits(const struct ms_fault_link *f, const char *link, int cable, int n_cables);

/** A rank that is gone from a time on. */
struct ms_fault_host {
    const char *pattern; /**< shell wildcard over names of hosts */
    double at_s;
};

/** What ranks do when one of them is gone: nothing goes on; or its experts stand elsewhere from the next
 *  step on. */
enum ms_on_failure { MS_FAILURE_STOP, MS_FAILURE_REMAP };

/** How far a straggler's factor lies from 1: all at slowdown, evenly up to it, or exponential with
 *  that mean. */
enum ms_straggler_law {
    MS_STRAGGLER_FIXED,
    MS_STRAGGLER_UNIFORM,
    MS_STRAGGLER_EXPONENTIAL,
    MS_STRAGGLER_LOGNORMAL,
    MS_STRAGGLER_PARETO
};
/** For how long the same ranks are slow. */
enum ms_straggler_per { MS_STRAGGLER_REPEAT, MS_STRAGGLER_STEP };

struct ms_fault_params {
    double straggler_share, straggler_slowdown;
    int straggler_law; /**< enum ms_straggler_law */
    int straggler_per; /**< enum ms_straggler_per */
    const struct ms_fault_link *links;
    int n_links;
    const struct ms_fault_host *hosts;
    int n_hosts;
    int on_failure;                              /**< enum ms_on_failure */
    double jitter_sigma;                         /**< of a log-normal factor of mean 1 */
    double jitter_tail_share, jitter_tail_alpha; /**< share of factors with a Pareto tail */
    double jitter_network_sigma; /**< of a factor on the bytes' time of a rank's flows of a leg */
    int jitter_auto; /**< the hardware profile's: gone once resolved (ms_scenario_resolve) */
};

enum ms_background_pattern {
    MS_BACKGROUND_UNIFORM,
    MS_BACKGROUND_PERMUTATION,
    MS_BACKGROUND_INCAST
};

/** Other tenants' flows. */
struct ms_background_params {
    double utilisation; /**< of every host's port, on average; 0: none */
    int pattern;        /**< enum ms_background_pattern */
    double mean_bytes, cv;
};

/** Everything the simulator itself needs of a scenario. */
struct ms_sim_params {
    struct ms_exchange_params exchange;
    struct ms_compute_params compute;
    struct ms_hardware_params hardware;
    struct ms_network_params network;
    struct ms_fault_params faults;
    struct ms_background_params background;
};

/** Where the traffic of one run comes from; a run = one repeat, or one balanced twin. Called in
 *  the simulating process in any order of (step, layer, group) within a run; the answer is
 *  borrowed until the next run starts. */
struct ms_sim_source {
    void *ctx;
    const struct ms_traffic *(*traffic)(void *ctx, int run, int step, int layer, int group);
    /** Called before traffic, where that may still be under way; NULL: it is there when a run begins. */
    enum ms_status (*ready)(void *ctx, int run, int step, int layer, int group, struct ms_err *err);
    /** Weights to be sent before the placement of a step is in force (demand.h, ms_demand_moves); NULL:
     *  placements stay. */
    const struct ms_move *(*moves)(void *ctx, int run, int step, int layer, int group, size_t *n);
    /** Called when run starts (all ranks idle); NULL when nothing has to be prepared. */
    enum ms_status (*begin)(void *ctx, int run, struct ms_err *err);
    /** Asked before begin; false: the run is left out, its samples and bytes stay 0 (an equal
     *  twin was simulated before). NULL: every run is wanted. */
    bool (*wanted)(void *ctx, int run);
    /** The step that a run begins with; those before it stay without samples. NULL: 0. */
    int (*first_step)(void *ctx, int run);
};

/** The exchange that a run cannot complete, since a rank of it is gone. */
struct ms_stuck {
    int step, layer, group; /**< step -1: the run was over before */
    bool combine, back;
    int n_waiting; /**< ranks that have entered it and wait */
    int n_for_it; /**< of all that are left, those that send to, or get something of, a rank that is gone */
};

struct ms_sim_input {
    const struct ms_platform *platform;
    const struct ms_model_shape *model;
    const struct ms_workload *workload; /**< resolved: no zeros left */
    const struct ms_sim_params *params;
    struct ms_sim_source source;
    int n_runs;
    int runs_a_repeat; /**< runs of one repeat follow each other and have the same noise; 0: 1 */
    uint64_t seed;     /**< for jitter and stragglers */
    int n_threads;     /**< threads the case may use */
    bool causes;       /**< keep what exchanges and layers went into */
    int moves_every;   /**< steps between two placements; 0: they stay */
    bool moves_beside; /**< weights cross beside the exchanges of the step before */
    bool moves_first;  /**< they cross before the first step of a run, and never again */
    /** [n_gone] global ranks that are gone at gone_s since the start of a run: what has not been
     *  completed then has no samples (NAN). What was completed before is what it would be without: times
     *  do not depend on what comes later. */
    const int *gone;
    int n_gone;
    double gone_s;
    /** [ranks] of the one group: the rank that each was before others were lost, as its host and its
     *  noise have it; NULL: as they are counted */
    const int *was;
    int n_was;                 /**< how many there were */
    bool exchanges_counts;     /**< ranks tell each other their counts before a dispatch */
    const char *timeline_path; /**< Chrome trace of a run, NULL = none */
    int timeline_run;          /**< which one */
    const char *timeline_case; /**< its case's name, for who reads the trace; NULL: not told */
    volatile double *progress; /**< the share that is done, told now and then; NULL: nobody asks */
    struct ms_sim_engine *engine; /**< kept for further cases of this process; NULL: the only one */
    /** Called, in one of SimGrid's actors, when all runs are over without a failure and the output is whole
     *  but for the timeline. What is left is to let thousands of actors go, one by one: a process that has
     *  nothing else to do may end here. It must not simulate. NULL: nobody is told. */
    void (*over)(void *ctx);
    void *over_ctx;
};

/** What time goes into. Links are told apart by who uses them. */
enum ms_cause {
    MS_CAUSE_ENDPOINT_IN,  /**< a link that one host's routes use alone, as their destination */
    MS_CAUSE_ENDPOINT_OUT, /**< as their source */
    MS_CAUSE_NODE,         /**< one node's alone */
    MS_CAUSE_FABRIC,       /**< any other link */
    MS_CAUSE_LATENCY,
    MS_CAUSE_ALPHA,        /**< start-up, and all fixed costs of a leg */
    MS_CAUSE_MESSAGE_RATE, /**< a port's messages */
    MS_CAUSE_SMS,          /**< a GPU's communication channels, or its own rates */
    MS_CAUSE_COMPUTE,      /**< a layer's: what all ranks' experts take */
    MS_CAUSE_WAIT_COMPUTE, /**< for a rank that has more tokens to compute */
    MS_CAUSE_WAIT_STRAGGLER,
    MS_CAUSE_WAIT_JITTER,
    MS_CAUSE_COLLISION,     /**< a cable of a link of several, under ecmp */
    MS_CAUSE_WAIT_EXCHANGE, /**< for a rank that its last exchange kept */
    MS_CAUSE_WAIT_WEIGHTS,  /**< for a rank whose experts' weights were on the way */
    MS_CAUSE_BACKGROUND,    /**< other tenants' flows on the link that sets the rate */
    MS_N_CAUSES
};
/** Words of the causes, NULL-terminated. */
extern const char *const ms_cause_names[];

/** A part of the time of one exchange or layer. */
struct ms_cause_part {
    enum ms_cause cause;
    int link; /**< the limiting link, -1: none */
    int rank; /**< global rank that it belongs to or that was waited for, -1: none */
    double seconds;
};

/** Samples of all runs. With overlap two_batch dispatch, combine, entry_skew and the ranks'
 *  times are NAN (only layer and step are defined). L layers, P steps, Q groups, G ranks a
 *  group; index [run][step][layer][group](rank). A training pass has dispatch and combine of the
 *  forward and backward pass summed; exchange = dispatch + combine. */
struct ms_sim_output {
    struct ms_arena arena; /**< owns the arrays */
    int n_runs, n_steps, n_layers, n_groups, n_ranks;
    double *dispatch_s, *combine_s; /**< [run][step][layer][group] last completion - last entry */
    double *dispatch_notify_s, *combine_notify_s; /**< same shape: notify's part of them */
    double *entry_skew_s;                         /**< same shape: last - first dispatch entry */
    double *layer_s; /**< same shape: first dispatch entry to last combine completion */
    double *rank_dispatch_s,
        *rank_combine_s; /**< [run][step][layer][group][rank] own entry to own completion */
    double *step_s;      /**< [run][step][group] */
    double *bound_s;     /**< as dispatch_s: what their bytes take at least (leg_bound.c) */
    /** [run][step][layer][group] with causes: parts first_part[i] .. first_part[i + 1] of exchange i
     *  sum to its time; layer_part likewise. Cells of runs left out are empty. */
    struct ms_cause_part *exchange_part, *layer_part;
    size_t *first_exchange_part, *first_layer_part;
    int *last_rank; /**< as dispatch_s: the global rank that completed combine last */
    /** [run][step][group] communication not hidden behind compute (mean over ranks) */
    double *exposed_s;
    /** [run][step][group] of weights that move for the step: the longest leg, and what ranks wait for
     *  them (mean) */
    double *move_s, *move_wait_s;
    double *moved_network, *moved_intra_node; /**< [run] bytes of weights */
    double *bytes_network, *bytes_intra_node,
        *bytes_local; /**< [run], dispatch + combine, payload per hop at the sender */
    int n_links;
    const char **link_name; /**< [link] */
    double *link_bandwidth; /**< [link] bytes/s */
    bool *link_shared;      /**< [link] false: FATPIPE */
    double *link_bytes;     /**< [run][link] */
    struct ms_stuck *stuck; /**< [run] where ranks are gone, else NULL */
    double *active_s;       /**< [run] time in which at least one exchange is active */
    double *run_wall_s;     /**< [run] wall time of the simulation of that run (solver_s, twin_s) */
    double platform_wall_s; /**< loading and routes */
    int64_t n_flows, n_solves;
    /** Bytes that are passed on: "coupled" over both hops, "tied" at start and end only; NULL: none */
    const char *streams;
};

/** Simulate all runs; needs a process of its own (see above). SimGrid's stderr log is off;
 *  signal handlers are left as they were. source.begin runs on a stack of 8 MiB, source.ready and
 *  traffic on one of 1 MiB. Checks bytes conservation, finished ranks and finite times itself:
 *  MS_INTERNAL with a sentence when they fail.
 *  @param out zeroed on entry; owned by the caller (ms_sim_finish). */
enum ms_status ms_sim_run(const struct ms_sim_input *in, struct ms_sim_output *out,
                          struct ms_err *err);
void ms_sim_finish(struct ms_sim_output *out);

/** SimGrid with a platform in it, for several cases one after another in one process: the answers are
 *  the same, byte for byte, as of processes of their own. It lasts as long as the process. After a case
 *  that failed the process is of no more use.
 *  @return NULL: no memory */
struct ms_sim_engine *ms_sim_engine_create(void);
/** The network model of cases that can share a process, one platform and model a process; NULL where
 *  SimGrid moves the bytes or the platform changes with time: there a case leaves traces. */
const char *ms_sim_repeatable(const struct ms_platform *platform,
                              const struct ms_sim_params *params);
/** May one more case run on it? */
bool ms_sim_engine_serves(const struct ms_sim_engine *e, const struct ms_platform *platform,
                          const struct ms_sim_params *params);

/** Can these parameters be simulated on this platform with these ranks? Everything that can be
 *  known before the fork (nodes missing for hierarchical, rail-only without pxn …); errors carry
 *  the scenario key. */
void ms_sim_check(const struct ms_sim_input *in, struct ms_errs *errs);

/** Are times of a run drawn, so that two runs of the same traffic differ? */
bool ms_sim_noisy(const struct ms_sim_params *p);
/** The exchange algorithms, network models and compute profiles as {name, help} tables,
 *  NULL-terminated by name. */
struct ms_sim_name {
    const char *name, *help;
};
const struct ms_sim_name *ms_sim_exchanges(void);
/** Which pairs the balanced twin of an exchange keeps apart. */
enum ms_twin_kinds ms_sim_twin_by(const struct ms_exchange_params *p);
/** Does a token cross to a node once, whatever it needs there? */
bool ms_sim_node_copies(const struct ms_exchange_params *p);
/** Which keys of the section exchange do something with its algorithm. */
struct ms_exchange_heeds {
    bool window, chunk_tokens, forwarding;
};
struct ms_exchange_heeds ms_sim_exchange_heeds(const struct ms_exchange_params *p);
/** Tokens of a chunk that is passed on, over all channels, dispatch and combine: the scenario's, the
 *  profile's, or the usual 32. */
void ms_sim_chunk_tokens(const struct ms_sim_params *p, int n_experts, double tokens[2]);
/** From how many ranks of other nodes a rank receives at once, at most. */
int ms_sim_fan_in(const struct ms_exchange_params *p, int ranks, int gpus_per_node);
/** Does network.quantum do anything with this model? */
bool ms_sim_heeds_quantum(const char *model);
/** What a leg is made of, roughly. */
struct ms_leg_size {
    double ranks, nodes; /**< of a group */
    /** messages that a rank chooses receivers for, at random (tokens x top_k); INFINITY: it sends to
     *  all */
    double choices;
};
/** CPU seconds of one leg, roughly. 0 where a name is unknown. */
double ms_sim_leg_cpu_s(const struct ms_sim_params *p, const struct ms_leg_size *size);
/** Bytes of memory that a group's routes and its legs under way take, roughly. */
double ms_sim_leg_memory(const struct ms_sim_params *p, const struct ms_leg_size *size);
const struct ms_sim_name *ms_sim_network_models(void);
/** What network.latency is for a model where the scenario does not say (enum ms_latency_at). */
int ms_sim_latency_default(const char *model);
const struct ms_sim_name *ms_sim_compute_profiles(void);
/** Begin to load SimGrid beside what this process does next: it is going to be needed. No fork before
 *  ms_simgrid_load. */
void ms_simgrid_load_ahead(void);
/** SimGrid is loaded when this returns. @return MS_OK; MS_INTERNAL: it cannot be */
enum ms_status ms_simgrid_load(struct ms_err *err);
/** "3.32", from the library, which is loaded where it was not; "none" where it cannot be. */
const char *ms_sim_simgrid_version(void);

#endif
