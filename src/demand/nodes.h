/** @file nodes.h  Where ranks sit: which host a rank is, and how the nodes of a group are numbered.
 *
 *  The one place that knows both: demand, simulator and records number alike. Hosts in platform
 *  order, ranks and nodes from 0; a group's nodes count in order of first appearance among its
 *  ranks (the columns of ms_traffic.node_copies). */
#ifndef MS_DEMAND_NODES_H
#define MS_DEMAND_NODES_H

#include "routing/routing.h"

/** The host of a rank of a group, after group_layout. */
int ms_rank_host(const struct ms_workload *w, int group, int rank);

/** Node of every rank of every group, as the platform numbers its nodes; where it names none, every
 *  host is a node of its own.
 *  @param host_node [n_hosts], all >= 0 or all -1 (unknown)  @param rank_node [groups * ranks],
 *  out */
void ms_rank_nodes(const struct ms_workload *w, const int *host_node, int n_hosts, int *rank_node);

/** Number n nodes by first appearance; -1 is a node of its own each time.
 *  @param given [n] any numbering  @param seen [n] scratch  @param column [n], out
 *  @return how many there are */
int ms_number_nodes(int n, const int *given, int *seen, int *column);

#endif
