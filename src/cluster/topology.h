/** @file topology.h  The topologies `moesim platform generate` can build: a table of strategies.
 *
 *  A topology is one topology_<name>.c and one word in the room's meson.build. It decides edge
 *  switches, trunks and static routes; rates, names and the layout in SimGrid's zones are the
 *  frame's (blueprint.h), so that all topologies have the same NICs and are compared fairly. Bytes
 *  depend on the parameters alone. */
#ifndef MS_CLUSTER_TOPOLOGY_H
#define MS_CLUSTER_TOPOLOGY_H

#include "base/field.h"
#include "cluster/blueprint.h"

struct ms_topology {
    const char *name;
    const char *help;   /**< one line */
    const char *detail; /**< what is modelled how; for --help */
    /** Its own parameters, beside the common ones; NULL: none. */
    const struct ms_field *fields;
    /** Fill edges, trunks, route, cost. The frame has set p, arena, n_gpus, M and allocated edge
     * (all 0). */
    enum ms_status (*build)(struct ms_blueprint *f, struct ms_err *err);
};

/** All topologies, NULL-terminated. */
const struct ms_topology *const *ms_topologies(void);
const struct ms_topology *ms_topology_find(const char *name);
/** The parameters every topology takes; ends with a NULL key. Keys have '_' where the command line
 * has '-'. */
const struct ms_field *ms_topology_common(void);

/* Rows that several topologies have, each with a help line of its own. */
#define MS_ROW_OVERSUBSCRIPTION                                                                    \
    .key = "oversubscription", MS_AT(struct ms_topology_params, oversubscription),                 \
    MS_NUMBER(1, 1024), .fallback = "1"
#define MS_ROW_NODES_PER_LEAF                                                                      \
    .key = "nodes_per_leaf", MS_AT(struct ms_topology_params, nodes_per_leaf), MS_INT(0, 65536),   \
    .fallback = "0"
#define MS_ROW_LEAVES_PER_GROUP                                                                    \
    .key = "leaves_per_group", MS_AT(struct ms_topology_params, leaves_per_group),                 \
    MS_INT(0, 65536), .fallback = "0"
#define MS_ROW_LOCAL_CABLES                                                                        \
    .key = "local_cables", MS_AT(struct ms_topology_params, local_cables), MS_INT(0, 4096),        \
    .fallback = "0"
#define MS_ROW_GLOBAL_CABLES                                                                       \
    .key = "global_cables", MS_AT(struct ms_topology_params, global_cables), MS_INT(0, 65536),     \
    .fallback = "0"
#define MS_ROW_DIMS                                                                                \
    .key = "dims", MS_AT(struct ms_topology_params, dims), .type = MS_FIELD_STRING, MS_OPTIONAL

/** Defaults of the common fields and of t's own. */
void ms_topology_defaults(const struct ms_topology *t, struct ms_topology_params *p);
/** Set one parameter by key ('-' or '_') from text; strings are borrowed.
 * @return MS_OK; MS_USAGE with err: an unknown key, not a quantity, or out of range */
enum ms_status ms_topology_set(const struct ms_topology *t, struct ms_topology_params *p,
                               const char *key, const char *value, struct ms_err *err);

/** A fabric in `arena`; the params must outlive it. @return MS_OK; MS_INFEASIBLE with the reason;
 * MS_NOMEM */
enum ms_status ms_topology_build(const struct ms_topology *t, const struct ms_topology_params *p,
                                 struct ms_arena *arena, struct ms_blueprint *out,
                                 struct ms_err *err);
/** The platform file of a fabric that was built, piece by piece. @return as build */
enum ms_status ms_topology_write(const struct ms_topology *t, const struct ms_topology_params *p,
                                 const struct ms_blueprint *f, const struct ms_text_sink *sink,
                                 struct ms_err *err);
/** The platform file of a topology. @return as build */
enum ms_status ms_topology_generate(const struct ms_topology *t, const struct ms_topology_params *p,
                                    struct ms_buf *out, struct ms_err *err);

/** What the user should know of a fabric beside its file, a line each; often nothing. */
enum ms_status ms_topology_note(const struct ms_topology *t, const struct ms_topology_params *p,
                                struct ms_buf *out);

/* For the topologies: shared arithmetic. */

/** ceil(a / b) of positive numbers. */
int64_t ms_ceil_div(int64_t a, int64_t b);
/** How many nodes' NICs (ports each) go to one leaf: nodes_per_leaf when given (checked against the
 * switch's ports), else at most `most`, and so that leaf down-ports plus up-ports fit. @return 0
 * with err set when nothing fits */
int64_t ms_leaf_nodes(const struct ms_topology_params *p, int64_t ports_per_node, int64_t most,
                      struct ms_err *err);
/** Uplinks of a leaf with `down` GPU ports under the given oversubscription, at least 1. */
int64_t ms_uplinks(const struct ms_topology_params *p, int64_t down);
/** "4x2" or a near-square split of n into `dims` factors when text is empty. @return number of
 * dimensions, 0: err set */
int ms_dims(const char *text, int64_t n, int dims, int64_t *out, struct ms_err *err);

#endif
