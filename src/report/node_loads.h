/** @file node_loads.h  How uneven nodes are where ranks are even. */
#ifndef MS_REPORT_NODE_LOADS_H
#define MS_REPORT_NODE_LOADS_H

#include "report/results.h"

/** The fullest node over the mean node, by the record's rank loads; ranks of a node follow each other.
 *  NAN: the record does not say. */
double ms_result_node_max(const struct ms_result *r);

#endif
