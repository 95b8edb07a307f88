/** @file demand_int.h  Inside of the demand, for demand*.c only: what is known before drawing, and
 *  the run begun. */
#ifndef MS_DEMAND_DEMAND_INT_H
#define MS_DEMAND_DEMAND_INT_H

#include <pthread.h>

#include "base/arena.h"
#include "base/file.h"
#include "demand/count.h"
#include "demand/demand.h"
#include "demand/rank_assign.h"
#include "demand/requests.h"
#include "moe/router.h"
#include "place/place_map.h"
#include "routing/law.h"
#include "routing/matrix.h"
#include "routing/sample.h"
#include "routing/trace.h"

struct ms_demand {
    struct ms_demand_input in;
    struct ms_arena arena;   /* lives as long as the demand */
    int G, Q, L, P, E, K, S; /* ranks, groups, layers, steps, experts, top_k, slots */
    int *group_nodes;        /* [Q] nodes among the group's ranks */
    int *rank_node;          /* [Q][G] node column */
    int *group_placement;    /* [Q] first group with the same nodes: its placement is shared */
    const struct ms_place_strategy *strategy;
    struct ms_twin **twin_maker; /* [Q], NULL: made for group_placement only */
    double *follows;             /* [L - 1][E][E], of a trace of token ids; NULL: not asked for */
    struct ms_place_map map;     /* of a strategy that copies one */
    int n_epochs;                /* placements of a run, one after the other; 1: it stays */
    int epoch_steps;             /* steps of each */
    struct ms_placement *placement;  /* [n_epochs][Q], only those of group_placement are filled */
    const struct ms_popularity *law; /* NULL: the source is none */
    struct ms_trace trace;
    double *trace_f; /* [steps][ranks][layers][experts] of sum 1 */
    bool inclusion;
    /* put on a law's scores; NULL: plain top-k, or a source that has chosen already */
    const struct ms_router *assign;
    const struct ms_rank_assign *by_rank; /* instead of everything that knows experts only */
    int width; /* experts a token may have: K, or E under expert choice */
    struct ms_matrix matrix;
    struct ms_demand_note note;

    int D;                    /* domains of requests; 1 where there are none */
    double *weight;           /* [D] */
    const char **domain_name; /* [D], NULL: draws of a law have none */
    double *domain_f;         /* [D][domain_layers][E] of a trace or checkpoint */
    int domain_layers;
    int *recorded; /* [trace.n_requests] domain of each; NULL: requests are drawn */
    float *bank;   /* [D][MS_VARIANTS][L][E] factors on weights; NULL without tilt */

    struct ms_arena run;  /* of the run begun */
    struct ms_arena rows; /* likewise: its traffic's, by whichever thread draws them */
    pthread_mutex_t rows_guard;
    int repeat;           /* -1 = none */
    int64_t *tokens;      /* [P][Q][G][L]; [L] only where the trace's totals differ by layer */
    int token_layers;     /* 1 or L */
    double *popularity;   /* laws: [popularity_steps][L][D][E] */
    int popularity_steps; /* P where it drifts, else 1 */
    /** laws that drift: [past_steps][L][D][E], step -1 first; NULL: none is looked at */
    double *past_popularity;
    int64_t past_steps;
    struct ms_requests requests;
    /** batches before the first step that placements see: demand_history.c */
    int64_t *past_step; /**< [n_past] falling */
    int n_past;
    double *seen;                  /**< requests of past batches */
    double *past_load;             /**< [n_past][L][E], once they are asked for */
    struct ms_demand_moves *moves; /* [n_epochs][L][Q], NULL: the placement stays */
    double *mean_f;                /* requests: [popularity_steps][L][E] all domains by weight */
    struct ms_traffic *traffic;    /* [P][L][Q] */
    struct ms_traffic *twin;       /* the same shape, NULL until a twin is begun */
    struct ms_traffic *kept;       /* likewise, under the first placement all the time */
    bool twin_begun, kept_begun;
    struct ms_draw_job *job;     /**< under way: draw_job.h; NULL: all is drawn */
    struct ms_demand_lost *lost; /**< NULL: nobody is (demand_lost.c) */
};

/** What a layer's experts, or all layers', send for the placement of an epoch. */
struct ms_demand_moves {
    struct ms_move *move;
    size_t n;
    int experts;
};

/** What ranks that are left do without the others. */
struct ms_demand_lost {
    const bool *gone;              /**< [G] */
    int G, n_slots;                /**< ranks left; slots of all ranks, some of them empty */
    int first_step;                /**< what comes before is not drawn */
    struct ms_placement placement; /**< of all ranks; slot_expert -1: an empty slot */
    int *rank_node;                /**< [G] node column of those left */
    int n_nodes;
    struct ms_traffic *all;       /**< [P][L] of all ranks, while it is counted */
    struct ms_traffic *traffic;   /**< [P][L] of those left */
    struct ms_demand_moves moves; /**< of all layers */
};

/** Has a rank no tokens any more? */
static inline bool ms_demand_gone(const struct ms_demand *d, int rank)
{
    return d->lost && d->lost->gone[rank];
}

/** One exchange of a run, and a sampler's or chooser's streams with it. */
struct ms_demand_exchange {
    int repeat, step, layer, group;
};

static inline size_t ms_demand_exchanges(const struct ms_demand *d)
{
    return (size_t)d->P * (size_t)d->L * (size_t)d->Q;
}

/* demand_trace.c: frequencies that a trace, a checkpoint or a matrix gives. */
enum ms_status ms_demand_open_trace(struct ms_demand *d, struct ms_err *err);
enum ms_status ms_demand_open_matrix(struct ms_demand *d, struct ms_err *err);
/** Frequencies [E] of sum 1 of a rank's row. */
const double *ms_demand_traced(const struct ms_demand *d, int step, int layer, int group, int rank);
/** The trace's own total of selections in the row of a rank. */
double ms_demand_traced_total(const struct ms_demand *d, int step, int layer, int group, int rank);

/* demand_law.c: frequencies that are drawn. */
enum ms_status ms_demand_open_law(struct ms_demand *d, struct ms_err *err);
enum ms_status ms_demand_draw_popularity(struct ms_demand *d, int repeat, struct ms_err *err);

/* demand_domains.c: the domains of requests and their weights. */
enum ms_status ms_demand_law_domains(struct ms_demand *d, struct ms_err *err);
enum ms_status ms_demand_trace_domains(struct ms_demand *d, struct ms_err *err);
enum ms_status ms_demand_text_domains(struct ms_demand *d, struct ms_err *err);
/** The trace of token ids is read. */
enum ms_status ms_demand_recorded_domains(struct ms_demand *d, struct ms_err *err);

/* demand_requests.c: what the tokens of requests choose. */
/** Weights [E] of a domain, sum 1. */
const double *ms_demand_domain(const struct ms_demand *d, int step, int layer, int domain);
enum ms_status ms_demand_draw_requests(struct ms_demand *d, int repeat, struct ms_err *err);
/** The experts of all tokens of an exchange, rank by rank.  @param chosen [tokens][K]
 *  @param prob [tokens][K] or NULL (recorded requests have none: left alone) */
enum ms_status ms_demand_choose(const struct ms_demand *d, struct ms_sampler *sampler,
                                struct ms_demand_exchange x, uint16_t *chosen, float *prob,
                                struct ms_err *err);

/* demand_tokens.c: how many tokens a rank has, who assigns them and from which frequencies. */
enum ms_status ms_demand_check_tokens(const struct ms_demand *d, struct ms_err *err);
enum ms_status ms_demand_open_assignment(struct ms_demand *d, struct ms_err *err);
enum ms_status ms_demand_draw_tokens(struct ms_demand *d, int repeat, struct ms_err *err);
int64_t ms_demand_tokens(const struct ms_demand *d, int step, int layer, int group, int rank);
/** Frequencies [E] of sum 1 that a rank draws from. */
const double *ms_demand_frequencies(const struct ms_demand *d, int step, int layer, int group,
                                    int rank);
/** Do the ranks draw from different frequencies? */
bool ms_demand_ranks_differ(const struct ms_demand *d);

/* demand_place.c: who holds what. */
enum ms_status ms_demand_open_placement(struct ms_demand *d, struct ms_err *err);
/** Of an epoch of the repeat, by loads of batches before it: the traffic of the epochs before is
 *  drawn. */
enum ms_status ms_demand_draw_placement(struct ms_demand *d, int repeat, int epoch,
                                        struct ms_err *err);
/** What crosses when the epoch's placement takes over. */
enum ms_status ms_demand_list_moves(struct ms_demand *d, int epoch, struct ms_err *err);

/* demand_drop.c: what a capacity is counted over. */
/** Over all source ranks of an exchange? */
bool ms_demand_pooled(const struct ms_demand *d);
/** Who would take each of n items of the counter's source: experts or ranks.  @param holder [n] */
void ms_demand_holders(const struct ms_demand *d, const struct ms_counter *c, size_t n,
                       const uint16_t *items, uint16_t *holder);
/** Drop what is over the capacity of n_tokens tokens.  @param dropped added to */
enum ms_status ms_demand_drop(const struct ms_demand *d, int64_t n_tokens, size_t n,
                              const uint16_t *holder, const float *prob, uint16_t none,
                              uint16_t *items, double *dropped, struct ms_err *err);

/* demand.c */
/** Traffic of the run begun, whose rows any thread may set. @return false: out of memory */
bool ms_demand_init_traffic(struct ms_demand *d, struct ms_traffic *t, int n_ranks, int n_nodes,
                            int n_slots);

/* demand_ahead.c: the tokens of a run, counted: of steps first .. last - 1 into d->traffic. */
/** In the background, of which there is one at a time. Until it is stopped it reads what a run is drawn
 *  from, and nobody may change that. */
enum ms_status ms_demand_start_drawing(struct ms_demand *d, int repeat, int first, int last,
                                       struct ms_err *err);
/** Until the first n exchanges of the run are there. Nothing to do where nothing is drawn. */
enum ms_status ms_demand_await(struct ms_demand *d, size_t n_exchanges, struct ms_err *err);
void ms_demand_stop_drawing(struct ms_demand *d);
/** All at once. */
enum ms_status ms_demand_draw_traffic(struct ms_demand *d, int repeat, int first, int last,
                                      struct ms_err *err);
/* demand_draw.c */
/** n tokens of a trace of token ids, drawn with replacement: a stream gives the same tokens in
 *  every layer.  @param chosen [n][K] */
void ms_demand_draw_ids(const struct ms_demand *d, struct ms_rng *rng, int layer, int n,
                        uint16_t *chosen);

#endif
