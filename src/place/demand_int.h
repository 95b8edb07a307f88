/** @file demand_int.h  Inside of the demand, for demand*.c only. */
#ifndef MS_PLACE_DEMAND_INT_H
#define MS_PLACE_DEMAND_INT_H

#include "base/arena.h"
#include "base/file.h"
#include "moe/router.h"
#include "place/demand.h"
#include "routing/law.h"
#include "routing/matrix.h"
#include "routing/trace.h"

struct ms_demand {
    struct ms_demand_input in;
    struct ms_arena arena;   /* lives as long as the demand */
    int G, Q, L, P, E, K, S; /* ranks, groups, layers, steps, experts, top_k, slots */
    int *group_nodes;        /* [Q] nodes among the group's ranks */
    int *rank_node;          /* [Q][G] node column */
    int *group_placement;    /* [Q] first group with the same nodes: its placement is shared */
    const struct ms_place_strategy *strategy;
    struct ms_placement *placement; /* [Q], only those of group_placement are filled */
    const struct ms_law *law;
    double param[MS_LAW_MAX_PARAMS];
    struct ms_trace trace;
    double *trace_f; /* [steps][ranks][layers][experts] of sum 1 */
    bool inclusion;
    const struct ms_router
        *assign; /* on a law's scores; NULL: plain top-k, or a source that has chosen already */
    int width;   /* experts a token may have: K, or E under expert choice */
    struct ms_matrix matrix;
    struct ms_demand_note note;

    struct ms_arena run; /* of the run begun */
    int repeat;          /* -1 = none */
    int64_t *tokens;     /* [P][Q][G][L]; [L] only where the trace's totals differ by layer */
    int token_layers;    /* 1 or L */
    double *popularity;  /* [P][L][E], laws */
    struct ms_traffic *traffic; /* [P][L][Q] */
    struct ms_traffic *twin;    /* the same shape, NULL until a twin is begun */
    bool twin_begun;
};

static inline size_t ms_demand_index(const struct ms_demand *d, int step, int layer, int group)
{
    return ((size_t)step * d->L + layer) * d->Q + group;
}

/* demand_source.c: what is known before drawing, and the popularity and tokens of a run. */
enum ms_status ms_demand_open_source(struct ms_demand *d, struct ms_err *err);
enum ms_status ms_demand_draw_popularity(struct ms_demand *d, int repeat, struct ms_err *err);
enum ms_status ms_demand_draw_tokens(struct ms_demand *d, int repeat, struct ms_err *err);
/** Frequencies [E] of sum 1 that a rank draws from. */
const double *ms_demand_frequencies(const struct ms_demand *d, int step, int layer, int group,
                                    int rank);
int64_t ms_demand_tokens(const struct ms_demand *d, int step, int layer, int group, int rank);
/** Do the ranks draw from different frequencies? */
bool ms_demand_ranks_differ(const struct ms_demand *d);

/* demand_draw.c */
enum ms_status ms_demand_place(struct ms_demand *d, const double *load, uint64_t stream,
                               struct ms_err *err);
enum ms_status ms_demand_draw(struct ms_demand *d, int repeat, struct ms_err *err);

#endif
