/** @file svg.h  A picture of a platform: nodes with their GPUs, tiers of switches, trunks with
 * their rates, a legend.
 *
 * Drawn from the file's own links (wiring.h), so it shows foreign platforms too. Self-contained, no
 * script, no font file; the bytes depend on the platform alone. */
#ifndef MS_CLUSTER_SVG_H
#define MS_CLUSTER_SVG_H

#include "base/file.h"
#include "cluster/platform.h"

/** @return MS_OK; MS_INFEASIBLE when there is nothing to draw (only SimGrid knows the links);
 * MS_NOMEM */
enum ms_status ms_svg_platform(const struct ms_platform *p, const struct ms_platform_cost *cost,
                               struct ms_buf *out, struct ms_err *err);

#endif
