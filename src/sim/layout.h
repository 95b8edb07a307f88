/** @file layout.h  Where the ranks of one expert-parallel group sit: nodes, rails, and who
 *  forwards for whom.
 *
 *  Nodes are numbered by first appearance among the group's ranks, the columns of
 *  ms_traffic.node_copies. A rail is a host's index within its node in the platform. Without
 *  node properties every rank is a node of its own. */
#ifndef MS_SIM_LAYOUT_H
#define MS_SIM_LAYOUT_H

#include <stddef.h>

#include "base/err.h"

struct ms_layout {
    int n_ranks, n_nodes;
    int *node; /**< [G] */
    int *rail; /**< [G] */
    /** [N + 1] ranks of node n: member[first[n]] .. member[first[n + 1] - 1], ascending */
    int *first;
    int *member; /**< [G] */
    /** [N][G], NULL where every rank is a node: the rank on node n that takes part in rank r's
     *  streams: the one on r's rail, else the one with r's position within its node, modulo that
     *  node's ranks */
    int *forward;
};

/** host_node, host_rail: [G] as the platform numbers them, any numbering; node -1 = unknown.
 *  @return MS_OK or MS_NOMEM; finish frees */
enum ms_status ms_layout_init(struct ms_layout *l, int n_ranks, const int *host_node,
                              const int *host_rail, struct ms_err *err);
void ms_layout_finish(struct ms_layout *l);
/** Rank r's partner on a node (table `forward`). */
static inline int ms_layout_forward(const struct ms_layout *l, int node, int r)
{
    return l->forward ? l->forward[(size_t)node * (size_t)l->n_ranks + (size_t)r]
                      : l->member[l->first[node]];
}
/** The rank of `node` on `rail`, or -1. */
int ms_layout_on_rail(const struct ms_layout *l, int node, int rail);

#endif
