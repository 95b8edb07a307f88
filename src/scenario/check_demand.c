#include "scenario/check_demand.h"

#include <stdlib.h>
#include <string.h>

#include "demand/demand.h"
#include "demand/nodes.h"

/* All that a demand depends on: the scenario without platform and simulator, and the nodes. */
static struct ms_hash key_of(const struct ms_scenario *s, const int *node)
{
    struct ms_scenario part = *s;
    struct ms_buf b = {0};
    part.platform = NULL;
    part.sim = (struct ms_sim_params){0};
    part.train = NULL;
    ms_scenario_echo(&part, &b, NULL);
    ms_buf_add(&b, node, sizeof *node * (size_t)s->workload.ranks * (size_t)s->workload.groups);
    struct ms_hash h = ms_hash128(b.p ? b.p : "", b.n);
    ms_buf_finish(&b);
    return h;
}

static bool remember(struct ms_demand_trials *t, struct ms_hash key)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->key[i].hex, key.hex) == 0)
            return false;
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 16;
        struct ms_hash *more = realloc(t->key, cap * sizeof *more);
        if (!more)
            return true;
        t->key = more;
        t->cap = cap;
    }
    t->key[t->n++] = key;
    return true;
}

bool ms_demand_try(struct ms_demand_trials *t, const struct ms_scenario *s,
                   const struct ms_platform *platform, struct ms_err *err)
{
    struct ms_arena arena = {0};
    struct ms_scenario r = *s;
    enum ms_status status = MS_OK;
    ms_scenario_resolve(&r, platform->n_hosts);
    int *node = MS_NEW(&arena, int, (size_t)r.workload.ranks *(size_t)r.workload.groups + 1);
    if (node)
        ms_rank_nodes(&r.workload, platform->host_node, platform->n_hosts, node);
    if (node && r.routing.source != MS_SOURCE_CHECKPOINT && remember(t, key_of(&r, node))) {
        struct ms_demand *d = NULL;
        struct ms_demand_input in = {.model = r.has_model ? &r.model : NULL,
                                     .workload = &r.workload,
                                     .routing = &r.routing,
                                     .place = &r.placement,
                                     .rank_node = node,
                                     .seed = r.seed,
                                     .n_threads = 1};
        status = ms_demand_create(&in, &d, err);
        ms_demand_destroy(d);
    }
    ms_arena_finish(&arena);
    return status == MS_OK;
}

void ms_demand_trials_finish(struct ms_demand_trials *t)
{
    free(t->key);
    *t = (struct ms_demand_trials){0};
}
