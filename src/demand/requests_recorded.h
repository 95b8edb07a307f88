/** @file requests_recorded.h  Recorded requests as they arrive: each domain's in a random order, all
 *  of them before any comes again. */
#ifndef MS_DEMAND_REQUESTS_RECORDED_H
#define MS_DEMAND_REQUESTS_RECORDED_H

#include "demand/requests.h"

struct ms_recorded;

/** NULL: out of memory. The problem is borrowed; every domain has a request. */
struct ms_recorded *ms_recorded_create(const struct ms_requests_problem *p);
void ms_recorded_destroy(struct ms_recorded *r);
/** The next request of a domain: its row. */
uint32_t ms_recorded_next(struct ms_recorded *r, int domain);

#endif
