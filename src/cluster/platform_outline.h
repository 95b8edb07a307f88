/** @file platform_outline.h  A platform file cut down to what joins a few hosts.
 *
 *  SimGrid pays for every zone, link and route of a file, whoever asks. Where a rule says the routes
 *  (route_rule.h) it is asked for a sample alone, and gets what that sample needs: the routes, zones
 *  and links of the file between these hosts, word for word, and every other host without a link, so
 *  that there is a place for each rank. Routes through hosts that are left out are not found: this is for
 *  files with a rule, in which none goes through a host. */
#ifndef MS_CLUSTER_PLATFORM_OUTLINE_H
#define MS_CLUSTER_PLATFORM_OUTLINE_H

#include "cluster/platform.h"

/** @param host [n] numbers in p, those to be joined
 *  @param out the XML is added  @return MS_OK or MS_NOMEM */
enum ms_status ms_platform_outline(const struct ms_platform *p, const int *host, int n,
                                   struct ms_buf *out, struct ms_err *err);

/** The file's links as SimGrid's are listed: in natural order of their names.
 *  @return [n_links], to be freed; NULL: no memory */
const struct ms_platform_link **ms_platform_links_by_name(const struct ms_platform *p);

#endif
