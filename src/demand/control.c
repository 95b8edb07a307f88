/* Decides whether an assignment is a fair control: copies a token sends to other ranks, against the
 * uniform law's, each from a trial of one layer. */
#include "demand/control.h"

#include <string.h>

#include "routing/law.h"

enum { TRIAL_TOKENS = 256 };

/* Copies a token sends to other ranks, of one small exchange; 0: refused. */
static double try_copies(const struct ms_demand_input *in, const char *assignment, const char *law)
{
    struct ms_workload w = *in->workload;
    struct ms_routing_params r = {.source = MS_SOURCE_SYNTHETIC,
                                  .popularity = in->routing->popularity,
                                  .assignment = assignment};
    struct ms_place_params place = *in->place;
    struct ms_demand_input small = *in;
    struct ms_demand *d = NULL;
    struct ms_arena arena = {0};
    double copies = 0;
    bool ok = !law || ms_popularity_init(&r.popularity, law, false, &arena, NULL) == MS_OK;
    w.requests = (struct ms_request_params){0};
    w.groups = w.layers = w.steps = 1;
    w.tokens = (struct ms_tokens){.kind = MS_TOKENS_EQUAL, .count = TRIAL_TOKENS};
    small.workload = &w;
    small.routing = &r;
    small.place = &place;
    if (ok && ms_demand_create(&small, &d, NULL) == MS_OK && ms_demand_begin(d, 0, NULL) == MS_OK)
        copies = ms_traffic_remote_copies(ms_demand_traffic(d, 0, 0, 0), in->model->top_k);
    ms_demand_destroy(d);
    ms_arena_finish(&arena);
    return copies;
}

void ms_demand_warn(const struct ms_demand_input *in, struct ms_errs *errs)
{
    const struct ms_routing_params *r = in->routing;
    if (r->source != MS_SOURCE_SYNTHETIC || !r->assignment || !strcmp(r->assignment, "top_k"))
        return;
    double mine = try_copies(in, r->assignment, NULL);
    double uniform = try_copies(in, "top_k", "uniform");
    if (mine <= 0 || mine >= 0.5 * uniform)
        return;
    ms_errs_warn_at(errs, NULL, 0, 0, "routing.assignment",
                    "'%s' is no control for its bytes: a token sends %.2f copies to other ranks, "
                    "where the uniform law sends %.2f; its experts sit together under placement "
                    "%s. assignment: perfect spreads them over the ranks",
                    r->assignment, mine, uniform, in->place->strategy);
}
