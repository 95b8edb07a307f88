/** @file route_rule.h  Routes of generated platforms, without asking SimGrid.
 *
 *  A file that is, byte for byte but for rates, latencies and speeds, what its own `generated_by`
 *  command writes has the routes its topology's rule gives. A file that was edited in any other way
 *  has no rule, and only SimGrid knows its routes. The rule says links as SimGrid would list them,
 *  padding included; whoever uses it compares a sample with SimGrid (sim/engine.c). Files of up to
 *  MS_RULE_HOSTS hosts have no rule: asking is as fast. */
#ifndef MS_CLUSTER_ROUTE_RULE_H
#define MS_CLUSTER_ROUTE_RULE_H

#include "cluster/platform.h"

enum { MS_RULE_HOSTS = 256 };

struct ms_route_rule;

/** The rule of a platform that has just been read from `text`; its memory is the platform's.
 *  @return NULL: none (no generated file, an edited one, a topology without a rule, no memory) */
const struct ms_route_rule *ms_route_rule_find(struct ms_platform *p, const struct ms_buf *text);
/** The GPU number that a rule knows a host by; -1: none. */
int ms_route_rule_gpu(const struct ms_route_rule *r, const char *host_name);
/** The most links a route has. */
int ms_route_rule_most(void);
/** The route from GPU a to GPU b, a != b.
 *  @param link numbers in ms_platform.link, ms_route_rule_most() of them fit
 *  @return how many */
int ms_route_rule_links(const struct ms_route_rule *r, int a, int b, uint32_t *link);

#endif
