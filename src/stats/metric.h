/** @file metric.h  The numbers of a record that results can be compared by: one table for
 *  `report.metric`, `compare --metric`, `list metric`, the schema and completion. */
#ifndef MS_STATS_METRIC_H
#define MS_STATS_METRIC_H

#include <stddef.h>

struct ms_metric {
    const char *name; /**< its path in a record: "exchange.p99_us" */
    const char *help; /**< one line; NULL: as the row before it */
};

/** Ended by name NULL. */
extern const struct ms_metric ms_metrics[];
/** Their names. @return how many there are (out may be NULL) */
size_t ms_metric_names(const char **out, size_t cap);

#endif
