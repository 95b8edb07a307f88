/** @file core.h  What one simulation holds while it runs. Inside sim/ only.
 *
 *  A *lane* is an actor: one a rank, or two with overlap two_batch (each half of every batch; they
 * share the rank's GPU). A lane carries its own time, counted from the start of the run, and sleeps
 * on SimGrid's clock until that time has come: results do not depend on how late in the process a
 * run starts. Ranks are global, group * G + rank, where arrays say [R].
 *
 *  Only one actor runs at a time, but any call of SimGrid (a semaphore's release, a new actor or
 * mailbox) lets others run before it returns: whatever others may see is whole before such a call,
 * and read again after it. */
#ifndef MS_SIM_CORE_H
#define MS_SIM_CORE_H

#include <simgrid/forward.h>

#include "sim/exchange.h"
#include "sim/exec.h"
#include "sim/fabric.h"
#include "sim/routes.h"

/** The legs of a layer, in the order a rank goes through them. The backward ones come after all
 * forward layers. */
enum ms_phase {
    MS_PHASE_DISPATCH,
    MS_PHASE_COMBINE,
    MS_PHASE_COMBINE_BACK,  /**< gradients to the experts: dispatch's direction at combine bytes */
    MS_PHASE_DISPATCH_BACK, /**< and back: combine's direction at combine bytes */
};

struct ms_core;

/** One leg under way. */
struct ms_leg_run {
    struct ms_core *core;
    struct ms_leg_run *next; /**< in the list of active or of free ones */
    int step, layer, group, lane;
    enum ms_phase phase;
    struct ms_leg plan;
    struct ms_exec exec;
    struct ms_fabric_leg fabric;
    double *wire_bytes; /**< [n_flows] where the message gap makes it more than bytes */
    size_t wire_cap;
    double first_entry_s, last_entry_s, last_complete_s;
    double quantum_s; /**< completions closer than this are settled together */
    /* native transport */
    uint32_t *mailbox;            /**< [n_flows] */
    uint32_t *by_end, *end_first; /**< flows by the join they end in */
    unsigned char *reaped;        /**< [n_joins] somebody waits for its flows */
    size_t flow_cap, join_cap;
    bool prepared; /**< the tables above are filled */
};

struct ms_lane {
    struct ms_core *core;
    int group, rank, lane; /**< rank within its group */
    double now_s;          /**< since the run's start */
    double complete_s;     /**< of the leg it waits for */
    sg_sem_t sem;
};

/** One rank's processor, shared by its lanes. */
struct ms_gpu {
    sg_sem_t lock; /**< NULL with one lane */
    double free_s;
    double slowdown; /**< straggler factor */
};

/** How flows move. */
struct ms_transport {
    const char *name;
    enum ms_status (*start)(struct ms_core *c); /**< once, before SimGrid runs; makes its actors */
    enum ms_status (*begin)(struct ms_core *c); /**< a run starts, nothing is under way */
    enum ms_status (*open)(struct ms_core *c, struct ms_leg_run *leg);
    void (*flows)(struct ms_core *c, struct ms_leg_run *leg, uint32_t gate, double at_s);
    void (*close)(struct ms_core *c, struct ms_leg_run *leg);
    enum ms_status (*end)(struct ms_core *c); /**< a run is over: check what was carried */
    void (*stop)(struct ms_core *c);          /**< all runs are over: send its actors home */
    void (*finish)(struct ms_core *c);        /**< free; SimGrid has returned */
};
extern const struct ms_transport ms_transport_native, ms_transport_fluid;

struct ms_core {
    const struct ms_sim_input *in;
    struct ms_sim_output *out;
    struct ms_err *err;
    struct ms_err own_err; /**< where the caller gave none */
    enum ms_status status; /**< the first failure; actors stop soon after */

    const struct ms_exchange *exchange;
    const struct ms_transport *transport;
    void *net; /**< of the transport */
    struct ms_arena arena;
    int n_groups, n_ranks, n_layers, n_steps, n_lanes, n_phases; /**< n_ranks: of a group */
    int n_total;                                                 /**< R = groups x ranks */
    double alpha_s[2], gap_s;
    bool latency_at_sender;

    /* platform as SimGrid knows it */
    sg_host_t *host; /**< [R] */
    int n_links;
    sg_link_t *link;        /**< [n_links] by name */
    double *link_latency_s; /**< [n_links] before it was taken out */
    struct ms_routes routes;
    struct ms_layout *layout; /**< [groups] */
    bool *link_shared;        /**< [n_links] false: FATPIPE */
    double *link_load;        /**< [n_links] scratch: bytes of one leg */
    uint32_t *link_seen;      /**< scratch: links touched */

    /* a run */
    int run;
    double run_start_s;                /**< SimGrid's clock when it began */
    double wall_start_s;               /**< moved on by what is not simulation: routing, routes */
    const struct ms_traffic **traffic; /**< [step][layer][group], as far as asked for */
    struct ms_leg_run *active, *idle;
    int n_active;
    struct ms_lane *lane; /**< [R * lanes] */
    struct ms_gpu *gpu;   /**< [R] */
    int n_waiting;        /**< lanes at the end of the run */
    double *wake_s;       /**< [R * lanes] when a lane can act next: it sleeps until then; INFINITY:
                             not before another actor lets it go; -INFINITY: it is awake */
    struct ms_lane **held; /**< [R * lanes] lanes to be let go when the network has settled */
    int n_held;
    bool holding;   /**< ms_lane_wake only notes them */
    double ahead_s; /**< the network has run to this time; no lane can act before it */
    sg_sem_t director;
    struct ms_barrier *barrier;          /**< [groups * lanes], synchronise: layer */
    double *layer_begin_s, *layer_end_s; /**< [2][step][layer][group]: forward, backward */
    double *rank_begin_s, *rank_end_s, *rank_busy_s; /**< [step][R] */
    struct ms_timeline *timeline;                    /**< NULL: none asked for */
    struct ms_span *span;                            /**< [n_spans] when exchanges were active */
    size_t n_spans, span_cap;
    bool over;   /**< all runs done, or failed: everybody goes home */
    int n_homed; /**< lanes that ended properly */
};

struct ms_span {
    double from_s, to_s;
};

/** Keep the first failure and let everybody go home. @return s */
enum ms_status ms_core_fail(struct ms_core *c, enum ms_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** Note a failure whose sentence is in c->err already. */
enum ms_status ms_core_note(struct ms_core *c, enum ms_status s);

/* engine.c: SimGrid itself */
/** Start SimGrid, load the platform, find hosts and links, take latency out of the links. */
enum ms_status ms_engine_start(struct ms_core *c);
/** Seconds since the run's start on SimGrid's clock. */
double ms_engine_now_s(const struct ms_core *c);
/** Sleep until at_s since the run's start; returns at once when that is past. */
void ms_engine_sleep_until(const struct ms_core *c, double at_s);
double ms_wall_s(void);

/* legs.c: legs under way */
/** Rank of a lane enters; opens the leg if it is the first. The lane's semaphore is released when
 * it is complete. */
enum ms_status ms_leg_enter(struct ms_core *c, struct ms_lane *lane, int step, int layer,
                            enum ms_phase phase, double entry_s, double ready_s);
/** Run's traffic, asked for once. NULL: failed. */
const struct ms_traffic *ms_core_traffic(struct ms_core *c, int step, int layer, int group);
void ms_legs_finish(struct ms_core *c);

/* samples.c: times into the output */
enum ms_status ms_samples_init(struct ms_core *c);
void ms_samples_begin(struct ms_core *c);
void ms_samples_rank(struct ms_core *c, const struct ms_lane *lane, int step, int layer,
                     enum ms_phase phase, double spent_s);
void ms_samples_leg(struct ms_core *c, const struct ms_leg_run *leg);
/** Payload of a leg by hop: network, within nodes, on links; from the fullest link, the leg's
 * quantum. */
void ms_samples_bytes(struct ms_core *c, struct ms_leg_run *leg, const struct ms_leg_problem *p);
enum ms_status ms_samples_end(struct ms_core *c);

/* timeline.c: the first run drawn */
void ms_timeline_begin(struct ms_core *c);
void ms_timeline_span(struct ms_core *c, const struct ms_lane *lane, const char *name, int step,
                      int layer, double from_s, double to_s);
enum ms_status ms_timeline_write(struct ms_core *c);

/** Index of (step, layer, group) in arrays of one run. */
static inline size_t ms_core_cell(const struct ms_core *c, int step, int layer, int group)
{
    return ((size_t)step * (size_t)c->n_layers + (size_t)layer) * (size_t)c->n_groups +
           (size_t)group;
}

#endif
