/** @file traffic_csv.h  Traffic written as CSV: bytes rank x rank (what matrix.h reads) and counts
 *  (what trace.h reads). */
#ifndef MS_ROUTING_TRAFFIC_CSV_H
#define MS_ROUTING_TRAFFIC_CSV_H

#include "base/file.h"
#include "routing/traffic.h"

/** Which exchange; printed as columns step, layer, group where several are in one file. */
struct ms_traffic_label {
    int step, layer, group;
};

/** `source,0,1,…` or, labelled, `step,layer,group,source,0,1,…`. */
void ms_traffic_csv_header(struct ms_buf *out, int n_ranks, bool labelled);
/** A row per source rank: bytes to each rank. Local copies are never sent: the diagonal is 0.
 *  @param per_rank copies, one a token and rank; else selections  @param label NULL = not labelled */
void ms_traffic_csv_rows(struct ms_buf *out, const struct ms_traffic *t, bool per_rank,
                         double bytes_per_copy, const struct ms_traffic_label *label);

/** `iter,layer_id,expert_id,count`: selections each expert got, a row an expert; with a column
 *  group where there are several. */
void ms_traffic_counts_header(struct ms_buf *out, bool groups);
void ms_traffic_counts_rows(struct ms_buf *out, const struct ms_traffic *t,
                            struct ms_traffic_label label, bool groups);

#endif
