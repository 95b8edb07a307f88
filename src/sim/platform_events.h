/** @file platform_events.h  What happens to links and hosts while they are simulated: the platform's
 *  own profile files, and the scenario's faults.
 *
 *  bandwidth_file changes a link's capacity; state_file switches a link or a host off, which fails
 *  the exchange that needs it; faults.links take a share of the rate from a time to another, of all
 *  cables that a link stands for or of one (NAME#2). Times in seconds since the start of the run: every run meets the same
 *  weather. A profile that repeats does so for MS_EVENTS_MOST events. */
#ifndef MS_SIM_PLATFORM_EVENTS_H
#define MS_SIM_PLATFORM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "cluster/platform.h"
#include "sim/sim.h"

enum { MS_EVENTS_MOST = 65536 }; /**< of one profile */

struct ms_link_event {
    double at_s, capacity_Bps; /**< of the whole link, were all its cables like this one */
    uint32_t link;
    int cable;    /**< of the link; -1: all of them */
    bool of_file; /**< of the platform's, not of the scenario's faults */
};

/** A link or a host that is off. */
struct ms_outage {
    double from_s, to_s; /**< to_s INFINITY: for good */
    uint32_t link;       /**< UINT32_MAX: a host */
    const char *host;    /**< NULL: a link */
    const char *what;    /**< "link 'l0' (p.xml:7)" */
};

struct ms_platform_events {
    struct ms_link_event *event;
    struct ms_outage *outage;
    size_t n_events, n_outages;
};

/** The links of SimGrid. */
struct ms_link_list {
    int n;
    const char *const *name; /**< [n] in natural order */
    const double *bandwidth_Bps;
    const int *cables; /**< [n] that each stands for, 1 or more */
    bool hashed;       /**< a cable is a link of its own; else a link has what its cables sum to */
};

/** @param a owns what comes out
 *  @return MS_OK; MS_INVALID for a fault of a link that does not exist; MS_NOMEM */
enum ms_status ms_platform_events_make(const struct ms_platform *p,
                                       const struct ms_fault_params *faults,
                                       const struct ms_link_list *links, struct ms_arena *a,
                                       struct ms_platform_events *out, struct ms_err *err);

/** The outage of a link at a time, or NULL. */
const struct ms_outage *ms_platform_events_off(const struct ms_platform_events *e, uint32_t link,
                                               double at_s);

#endif
