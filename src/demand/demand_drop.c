/* Decides what a capacity is counted over: for each selection who would take it, and how much that
 * one takes of the tokens counted. */
#include "demand/demand_int.h"
#include "routing/capacity.h"

bool ms_demand_pooled(const struct ms_demand *d)
{
    return d->in.routing->capacity_scope != MS_CAPACITY_SENDER_EXPERT;
}

void ms_demand_holders(const struct ms_demand *d, const struct ms_counter *c, size_t n,
                       const uint16_t *items, uint16_t *holder)
{
    bool ranks = d->in.routing->capacity_scope == MS_CAPACITY_RANK;
    uint16_t none = ms_counter_none(c), nobody = (uint16_t)(ranks ? d->G : d->E);
    for (size_t i = 0; i < n; i++) {
        if (items[i] == none)
            holder[i] = nobody;
        else
            holder[i] =
                (uint16_t)(ranks ? ms_counter_rank(c, items[i]) : ms_counter_expert(c, items[i]));
    }
}

enum ms_status ms_demand_drop(const struct ms_demand *d, int64_t n_tokens, size_t n,
                              const uint16_t *holder, const float *prob, uint16_t none,
                              uint16_t *items, double *dropped, struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    int holders = r->capacity_scope == MS_CAPACITY_RANK ? d->G : d->E;
    struct ms_capacity_problem p = {.n_holders = holders,
                                    .most =
                                        ms_capacity(r->capacity_factor, d->K, n_tokens, holders),
                                    .policy = r->drop_policy,
                                    .n = n,
                                    .holder = holder,
                                    .prob = prob};
    int64_t lost = 0;
    enum ms_status s = ms_capacity_drop(&p, none, items, &lost, err);
    *dropped += (double)lost;
    return s;
}
