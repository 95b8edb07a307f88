/** @file core.h  What one simulation holds while it runs. Inside sim/ only.
 *
 *  An *actor* is SimGrid's process of a rank: one a rank, or two with overlap two_batch (each
 *  *half* of every batch; they share the rank's GPU). An actor carries its own time, counted
 *  from the start of the run, and sleeps on SimGrid's clock until that time has come: results do
 *  not depend on how late in the process a run starts. Ranks are global, group * G + rank, where
 *  arrays say [R].
 *
 *  Only one actor runs at a time, but any call of SimGrid (a semaphore's release, a new actor or
 *  mailbox) lets others run before it returns: whatever others may see is whole before such a
 *  call, and read again after it. */
#ifndef MS_SIM_CORE_H
#define MS_SIM_CORE_H

#include "sim/exchange.h"
#include "sim/exec.h"
#include "sim/kernel_work.h"
#include "sim/noise.h"
#include "sim/platform_events.h"
#include "sim/route_ruled.h"
#include "sim/route_table.h"
#include "sim/simgrid.h"

/** The legs of a layer, in the order a rank goes through them. The backward ones come after all
 *  forward layers. */
enum ms_phase {
    MS_PHASE_DISPATCH,
    MS_PHASE_COMBINE,
    MS_PHASE_COMBINE_BACK,  /**< gradients to the experts: dispatch's direction, combine bytes */
    MS_PHASE_DISPATCH_BACK, /**< and back: combine's direction at combine bytes */
    MS_PHASE_MOVE,          /**< weights of experts, beside the others (move.h) */
};

struct ms_core;

/** One leg under way. */
struct ms_leg_run {
    struct ms_core *core;
    struct ms_leg_run *next; /**< in the list of active or of free ones */
    int step, layer, group, half;
    enum ms_phase phase;
    int number; /**< of the legs that its ranks go through */
    struct ms_leg plan;
    struct ms_exec exec;
    double *phase_s; /**< [plan.n_phases] what each phase takes at least */
    size_t phase_cap;
    double first_entry_s, last_entry_s, last_complete_s;
    double *entry_s;  /**< [n_ranks] when each entered */
    int last_rank;    /**< global rank that completed last */
    double quantum_s; /**< completions closer than this are settled together: of its last phase */
    struct ms_kernel_work work;
    struct ms_leg_cause *cause; /**< NULL: not asked for (cause.h) */
    void *carried; /**< the transport's own data of the leg: leg_size bytes, zeroed once */
};

struct ms_actor {
    struct ms_core *core;
    int group, rank, half; /**< rank within its group */
    double now_s;          /**< since the run's start */
    double complete_s;     /**< of the leg it waits for */
    int n_complete;        /**< legs of this run behind it */
    int n_sent;            /**< legs whose sends are, where that is told */
    bool in_leg;           /**< its exchange is under way */
    sg_sem_t sem;
};

/** One rank's processor, shared by its actors. */
struct ms_gpu {
    sg_sem_t lock; /**< NULL with one actor */
    double free_s;
    double slowdown; /**< straggler's factor of this run, or of slow_step */
    int slow_step;   /**< of this run, -1: not drawn yet */
};

/** How flows move. */
struct ms_transport {
    const char *name;
    bool couples;               /**< moves a stream over both hops as one flow */
    bool own_clock;             /**< SimGrid's clock is only slept on, its links are left alone */
    size_t leg_size;            /**< of what it keeps for each leg, in ms_leg_run.carried */
    double growth;              /**< its CPU time grows with the pairs of ranks to this power */
    enum ms_exchange_cost cost; /**< which of an exchange's measured costs is its own */

    enum ms_status (*start)(struct ms_core *c); /**< once, before SimGrid runs; makes its actors */
    enum ms_status (*begin)(struct ms_core *c); /**< a run starts, nothing is under way */
    enum ms_status (*open)(struct ms_core *c, struct ms_leg_run *leg);
    /** Start n flows of the plan, flow[i] at at_s[i] plus its latency. */
    void (*flows)(struct ms_core *c, struct ms_leg_run *leg, const uint32_t *flow,
                  const double *at_s, uint32_t n);
    void (*close)(struct ms_core *c, struct ms_leg_run *leg);
    void (*leg_finish)(void *carried); /**< free what a leg's data hold */
    /** share of a link that flows of nobody's leg take in a while; NULL: not known */
    double (*others)(struct ms_core *c, uint32_t link, double from_s, double to_s);
    enum ms_status (*end)(struct ms_core *c); /**< a run is over: check what was carried */
    void (*stop)(struct ms_core *c);          /**< all runs are over: send its actors home */
    void (*finish)(struct ms_core *c);        /**< free; SimGrid has returned */
};
extern const struct ms_transport ms_transport_simgrid, ms_transport_fluid;

/** SimGrid with a platform in it: what is found once a process, whatever cases it serves. */
struct ms_sim_engine {
    struct ms_arena arena;
    const struct ms_platform *platform; /**< NULL: SimGrid is not started */
    const struct ms_network_model *model;
    /** SimGrid has the platform's outline alone: its routes are by rule, and nothing moves on SimGrid's
     *  links */
    bool outlined;
    int n_links;
    sg_link_t *link;        /**< [n_links] by name; NULL where outlined */
    const char **link_name; /**< [n_links] SimGrid's or the platform's */
    double *bandwidth_Bps;  /**< [n_links] */
    double *latency_s;      /**< [n_links] before it was taken out */
    bool *shared;           /**< [n_links] false: FATPIPE */
    uint32_t *of_file;      /**< [links of the file] their numbers here; NULL: no rule */
    bool rule_tried, rule_holds;
    int n_cases; /**< simulated so far */
};

/** What the platform gives, the same for all runs. */
struct ms_core_platform {
    sg_host_t *host; /**< [R] */
    int n_links;
    const sg_link_t *link;        /**< [n_links] by name; the engine's, as the next two; or NULL */
    const double *link_latency_s; /**< [n_links] before it was taken out */
    const bool *link_shared;      /**< [n_links] false: FATPIPE */
    struct ms_route_table routes;
    struct ms_ruled_routes ruled;
    struct ms_layout *layout; /**< [groups] */
    struct ms_platform_events events;
};

/** The actors, and who waits for whom. */
struct ms_core_crew {
    struct ms_actor *actor; /**< [R * halves] */
    struct ms_gpu *gpu;     /**< [R] */
    /** [R * halves] when an actor can act next: it sleeps until then. INFINITY: not before
     *  another lets it go; -INFINITY: it is awake. */
    double *wake_s;
    struct ms_actor **held; /**< [R * halves] to be let go when the network has settled */
    int n_held;
    bool holding;               /**< ms_actor_wake only notes them */
    struct ms_barrier *barrier; /**< [groups * halves], synchronise: layer */
    struct ms_barrier *passed;  /**< [groups * halves][layers of a run]: who is through with it */
    int *waits_for;             /**< [R * halves] the layer whose end it waits for, -1: none */
    sg_sem_t director;
    int n_waiting; /**< actors at the end of the run */
    int n_homed;   /**< actors that ended properly */
    bool over;     /**< all runs done, or failed: everybody goes home */
};

/** The run under way. */
struct ms_core_run {
    int number, repeat;
    int first_step;
    double start_s;      /**< SimGrid's clock when it began */
    double wall_start_s; /**< moved on by what is not simulation: routing, routes */
    double ahead_s;      /**< the network has run to this time; no actor can act before it */
    const struct ms_traffic **traffic; /**< [step][layer][group], as far as asked for */
    struct ms_leg_run *active, *idle;
    int n_active;
};

struct ms_span {
    double from_s, to_s;
};

/** The first leg of a rank that is not over for it when others are gone. */
struct ms_halt {
    int step, layer; /**< step -1: all are over */
    int order;       /**< its place in the rank's way */
    enum ms_phase phase;
    bool waits; /**< it has entered it by then */
};

/** What becomes samples at the end of a run. */
struct ms_core_samples {
    double *layer_begin_s, *layer_end_s; /**< [2][step][layer][group]: forward, backward */
    double *rank_begin_s, *rank_end_s, *rank_busy_s; /**< [step][R] */
    double *link_load;            /**< [n_links] scratch: bytes of one leg, else 0 */
    uint32_t *link_seen;          /**< scratch: links touched */
    double *link_from_s;          /**< [n_links] scratch: when the first byte can be on it */
    struct ms_halt *halt;         /**< [R] where a rank stands when others are gone; NULL: never */
    struct ms_timeline *timeline; /**< NULL: none asked for */
    struct ms_span *span;         /**< [n_spans] when exchanges were active */
    size_t n_spans, span_cap;
};

struct ms_network_model;

struct ms_core {
    const struct ms_sim_input *in;
    struct ms_sim_output *out;
    struct ms_err *err;
    struct ms_err own_err; /**< where the caller gave none */
    enum ms_status status; /**< the first failure; actors stop soon after */
    struct ms_arena arena;

    const struct ms_exchange *exchange;
    const struct ms_network_model *model;
    struct ms_sim_engine *engine;
    void *net;                                                    /**< of the model's transport */
    int n_groups, n_ranks, n_layers, n_steps, n_halves, n_phases; /**< n_ranks: of a group */
    int n_total;                                                  /**< R = groups x ranks */
    double alpha_s[2]; /**< start-up of every dispatch, combine leg */
    int n_rate_links;  /**< the solver's links of ports' own rates, after those of messages */
    double start_s[2]; /**< what ranks wait of it before a leg is planned */
    double gap_s;
    struct ms_kernel_case kernels;
    bool gap_adds; /**< to the bytes' time; else the larger of the two counts */
    bool latency_at_sender;
    struct ms_noise noise;

    struct ms_core_platform platform;
    struct ms_core_crew crew;
    struct ms_core_run run;
    struct ms_core_samples samples;
    struct ms_causes *causes; /**< NULL: not asked for */
    struct ms_moves *moves;   /**< NULL: placements stay */
};

/** Keep the first failure and let everybody go home. @return s */
enum ms_status ms_core_fail(struct ms_core *c, enum ms_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** Note a failure whose sentence is in c->err already. */
enum ms_status ms_core_note(struct ms_core *c, enum ms_status s);

/* engine.c: SimGrid itself */
/** Start SimGrid, load the platform, find hosts and links, take latency out of the links; in a process
 *  that has simulated before, take them as they are. */
enum ms_status ms_engine_start(struct ms_core *c);
/** A case is over: were all sums of SimGrid's clock exact, whenever it began? */
enum ms_status ms_engine_check_clock(struct ms_core *c);
/** Seconds since the run's start on SimGrid's clock. */
double ms_engine_now_s(const struct ms_core *c);
/** How long to sleep on SimGrid's clock until at_s since the run's start; <= 0: that is past. */
double ms_engine_left_s(const struct ms_core *c, double at_s);
/** Sleep until at_s since the run's start; returns at once when that is past. */
void ms_engine_sleep_until(const struct ms_core *c, double at_s);

/* leg_run.c: legs under way */
/** An actor enters; opens the leg if it is the first. The actor's semaphore is released when the
 *  leg is complete for its rank. */
enum ms_status ms_leg_run_enter(struct ms_core *c, struct ms_actor *actor, int step, int layer,
                                enum ms_phase phase, double entry_s, double ready_s);
/** ms_leg_problem.route, with a struct ms_route_ask as ctx; from inside an actor. */
struct ms_route_ask {
    struct ms_core *core;
    int group;
};
struct ms_route_hint ms_route_hint_of(void *ctx, int src, int dst);
/** Run's traffic, asked for once. NULL: failed. */
const struct ms_traffic *ms_core_traffic(struct ms_core *c, int step, int layer, int group);
void ms_leg_runs_finish(struct ms_core *c);

/* leg_bound.c */
/** The least time in which a leg's bytes can cross once all its ranks have entered: no schedule is
 *  shorter. Of a leg that is over. */
double ms_leg_bound_s(struct ms_core *c, const struct ms_leg_run *leg);

/* samples.c: times into the output */
enum ms_status ms_samples_init(struct ms_core *c);
void ms_samples_begin(struct ms_core *c);
void ms_samples_rank(struct ms_core *c, const struct ms_actor *actor, int step, int layer,
                     enum ms_phase phase, double spent_s);
void ms_samples_leg(struct ms_core *c, const struct ms_leg_run *leg);
/** What ms_leg_bound_s says of a leg. */
void ms_samples_bound(struct ms_core *c, const struct ms_leg_run *leg, double least_s);
/** Payload of a leg by hop: network, within nodes. */
void ms_samples_bytes(struct ms_core *c, const struct ms_leg_run *leg,
                      const struct ms_leg_problem *p);
/** Payload of a leg by link: the bytes that it puts on n_seen links, samples.link_load of link_seen. */
void ms_samples_links(struct ms_core *c, const struct ms_leg_run *leg, uint32_t n_seen);
enum ms_status ms_samples_end(struct ms_core *c);

/* timeline.c: the first run drawn */
void ms_timeline_begin(struct ms_core *c);
void ms_timeline_span(struct ms_core *c, const struct ms_actor *actor, const char *name, int step,
                      int layer, double from_s, double to_s);
enum ms_status ms_timeline_write(struct ms_core *c);

/** The host of a rank, in the platform's order. */
int ms_core_host(const struct ms_core *c, int group, int rank);
/** The global rank as noise knows it. */
static inline int ms_core_was(const struct ms_core *c, int rank)
{
    return c->in->was ? c->in->was[rank] : rank;
}
/** Is a time beyond the moment at which ranks are gone? */
static inline bool ms_core_late(const struct ms_core *c, double at_s)
{
    return c->in->n_gone > 0 && at_s > c->in->gone_s;
}
/** Index of (step, layer, group) in arrays of one run. */
static inline size_t ms_core_cell(const struct ms_core *c, int step, int layer, int group)
{
    return ((size_t)step * (size_t)c->n_layers + (size_t)layer) * (size_t)c->n_groups +
           (size_t)group;
}
/** The actor of a rank's half. */
static inline struct ms_actor *ms_core_actor(struct ms_core *c, int group, int rank, int half)
{
    size_t r = (size_t)group * (size_t)c->n_ranks + (size_t)rank;
    return &c->crew.actor[r * (size_t)c->n_halves + (size_t)half];
}

#endif
