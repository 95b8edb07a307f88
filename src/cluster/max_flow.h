/** @file max_flow.h  Maximum flow between two sets of vertices (Dinic's algorithm; E. A. Dinic,
 * 1970).
 *
 * Vertices count from 0; capacities are rates, any finite number >= 0, or INFINITY. Results are
 * exact to 1e-9 of the largest finite capacity. */
#ifndef MS_CLUSTER_MAX_FLOW_H
#define MS_CLUSTER_MAX_FLOW_H

#include <stdbool.h>

struct ms_max_flow_edge {
    int to, next; /**< next edge of the same tail, -1 ends; the reverse of edge e is e ^ 1 */
    double left;  /**< residual capacity */
};

struct ms_max_flow {
    struct ms_max_flow_edge *edge;
    int *head, *level, *at; /**< [n] */
    int *queue;
    int n, n_edges, cap_edges;
    double largest;
    bool failed; /**< out of memory: nothing more happens */
};

void ms_max_flow_init(struct ms_max_flow *f, int n_vertices);
void ms_max_flow_edge(struct ms_max_flow *f, int from, int to, double capacity);
/** @return the maximum flow; INFINITY where no finite cut exists */
double ms_max_flow_solve(struct ms_max_flow *f, int source, int sink);
void ms_max_flow_finish(struct ms_max_flow *f);

#endif
