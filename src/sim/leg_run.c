/* Legs under way: planned when their first rank enters, told to the transport, given back when
 * everything has happened. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "base/clock.h"
#include "sim/actor.h"
#include "sim/cause.h"
#include "sim/core.h"
#include "sim/move.h"
#include "sim/network_model.h"

/* Where neither the scenario nor a profile says. */
#define DEFAULT_CHUNK_TOKENS 32

/* Do bytes flow from experts to tokens? */
static bool is_combine(enum ms_phase phase)
{
    return phase == MS_PHASE_COMBINE || phase == MS_PHASE_DISPATCH_BACK;
}

const struct ms_traffic *ms_core_traffic(struct ms_core *c, int step, int layer, int group)
{
    const struct ms_traffic **t = &c->run.traffic[ms_core_cell(c, step, layer, group)];
    if (!*t) {
        double from_s = ms_clock_s();
        const struct ms_sim_source *of = &c->in->source;
        enum ms_status s =
            of->ready ? of->ready(of->ctx, c->run.number, step, layer, group, c->err) : MS_OK;
        if (s == MS_OK)
            *t = of->traffic(of->ctx, c->run.number, step, layer, group);
        c->run.wall_start_s += ms_clock_s() - from_s;
        if (s != MS_OK)
            ms_core_note(c, s);
        else if (!*t)
            ms_core_fail(c, MS_INTERNAL, "no traffic for run %d, step %d, layer %d, group %d",
                         c->run.number, step, layer, group);
        else if ((*t)->n_ranks != c->n_ranks ||
                 (c->exchange->needs_nodes && !(*t)->is_matrix &&
                  (*t)->n_nodes != c->platform.layout[group].n_nodes)) {
            ms_core_fail(c, MS_INTERNAL, "traffic of %d ranks on %d nodes, for %d on %d",
                         (*t)->n_ranks, (*t)->n_nodes, c->n_ranks,
                         c->platform.layout[group].n_nodes);
            *t = NULL;
        }
    }
    return *t;
}

struct ms_route_hint ms_route_hint_of(void *ctx, int src, int dst)
{
    const struct ms_route_ask *h = ctx;
    uint32_t route;
    enum ms_status s =
        ms_route_table_get(&h->core->platform.routes, h->group, src, dst, &route, h->core->err);
    if (s) {
        ms_core_note(h->core, s);
        return (struct ms_route_hint){0, INFINITY};
    }
    struct ms_route_shape shape = ms_route_table_shape(&h->core->platform.routes, route);
    return (struct ms_route_hint){shape.latency_s, shape.bandwidth_Bps};
}

static double copy_bytes(const struct ms_core *c, enum ms_phase phase, const struct ms_traffic *t)
{
    const struct ms_workload *w = c->in->workload;
    if (t->is_matrix)
        return 1;
    return ms_model_width(c->in->model) *
           (phase == MS_PHASE_DISPATCH ? w->dispatch_bytes_per_value : w->combine_bytes_per_value);
}

/* Dispatch or combine of what the kernels are told apart by. */
static int kernel_leg(enum ms_phase phase)
{
    return phase == MS_PHASE_DISPATCH || phase == MS_PHASE_DISPATCH_BACK ? 0 : 1;
}

static double chunk_of(const struct ms_kernel_case *k, int leg)
{
    struct ms_form_load load = {.kind = k->kind, .sms = k->sms, .chunk_tokens = k->chunk_tokens};
    double tokens = ms_form_chunk_tokens(k->kernels, &load, leg);
    return tokens > 0 ? tokens : DEFAULT_CHUNK_TOKENS;
}

void ms_sim_chunk_tokens(const struct ms_sim_params *p, int n_experts, double tokens[2])
{
    const struct ms_exchange *x = ms_exchange_find(p->exchange.algorithm);
    struct ms_kernel_case k = {.kernels = &p->hardware.kernels,
                               .experts = n_experts,
                               .sms = p->exchange.sms,
                               .chunk_tokens = p->exchange.chunk_tokens,
                               .kind = x ? x->kernels : MS_KERNELS_NCCL};
    tokens[0] = chunk_of(&k, 0);
    tokens[1] = chunk_of(&k, 1);
}

static double chunk_tokens(const struct ms_core *c, enum ms_phase phase)
{
    return chunk_of(&c->kernels, kernel_leg(phase));
}

/* A chunk of a byte matrix: its tokens are not known; those of DeepSeek-V3 in FP8, unless the
 * model is given. */
static double chunk_bytes(const struct ms_core *c, enum ms_phase phase, double copy,
                          const struct ms_traffic *t)
{
    const struct ms_workload *w = c->in->workload;
    if (!t->is_matrix)
        return chunk_tokens(c, phase) * copy;
    int hidden = c->in->model && c->in->model->hidden > 0 ? ms_model_width(c->in->model) : 7168;
    return chunk_tokens(c, phase) * hidden * w->dispatch_bytes_per_value;
}

/* All routes of a plan; of a dispatch that returns those back as well, since the solver finds the
 * links that can bind anew each time there are new ones. The time it takes is the platform's. */
static enum ms_status learn_routes(struct ms_core *c, const struct ms_leg_run *leg, bool returns)
{
    const struct ms_leg *plan = &leg->plan;
    struct ms_route_table *t = &c->platform.routes;
    double from_s = ms_clock_s();
    uint32_t known = t->n_routes, route;
    enum ms_status s = MS_OK;
    for (uint32_t f = 0; f < plan->n_flows && !s; f++)
        if (ms_leg_has_main(plan, f))
            s = ms_route_table_get(t, leg->group, (int)plan->src[f], (int)plan->dst[f], &route,
                                   c->err);
    for (uint32_t f = 0; f < plan->n_flows && plan->n_parts && !s; f++) {
        struct ms_leg_stream stream;
        ms_leg_stream_of(plan, f, &stream);
        for (uint32_t i = 0; i < stream.n_parts && !s; i++) {
            struct ms_leg_part p = ms_leg_part_of(plan, &stream, i);
            s = ms_route_table_get(t, leg->group, (int)p.src, (int)p.dst, &route, c->err);
        }
    }
    if (t->n_routes > known && returns && leg->phase == MS_PHASE_DISPATCH && !s)
        s = ms_route_table_return(t, leg->group, c->err);
    if (t->n_routes > known) {
        double took_s = ms_clock_s() - from_s;
        c->out->platform_wall_s += took_s;
        c->run.wall_start_s += took_s;
    }
    return s;
}

/* A hop's bytes on every link of its route. @return links touched so far */
static uint32_t load_hop(struct ms_core *c, int group, uint32_t src, uint32_t dst, double bytes,
                         uint32_t n_seen)
{
    const struct ms_route_table *r = &c->platform.routes;
    double *load = c->samples.link_load;
    uint32_t route = ms_route_table_known(r, group, src, dst);
    for (uint64_t i = r->first[route]; i < r->first[route + 1]; i++) {
        uint32_t l = r->link[i];
        if (load[l] == 0)
            c->samples.link_seen[n_seen++] = l;
        load[l] += bytes;
    }
    return n_seen;
}

static uint32_t load_flow(struct ms_core *c, const struct ms_leg_run *leg, uint32_t f,
                          uint32_t n_seen)
{
    const struct ms_leg *plan = &leg->plan;
    struct ms_leg_stream s;
    ms_leg_stream_of(plan, f, &s);
    if (ms_leg_has_main(plan, f))
        n_seen = load_hop(c, leg->group, plan->src[f], plan->dst[f], plan->bytes[f], n_seen);
    for (uint32_t i = 0; i < s.n_parts; i++) {
        struct ms_leg_part p = ms_leg_part_of(plan, &s, i);
        n_seen = load_hop(c, leg->group, p.src, p.dst, p.bytes, n_seen);
    }
    return n_seen;
}

/* The fullest of the links touched: the least time in which its bytes can cross. */
static double bound_s(const struct ms_core *c, uint32_t n_seen)
{
    double most = 0;
    for (uint32_t i = 0; i < n_seen; i++) {
        uint32_t l = c->samples.link_seen[i];
        if (c->platform.link_shared[l])
            most = fmax(most, c->samples.link_load[l] / c->out->link_bandwidth[l]);
    }
    return most;
}

/* Flows by their phase, stable; *flow NULL: they are so already. */
static bool order_by_phase(const struct ms_leg *plan, uint32_t *first, uint32_t **flow)
{
    *flow = NULL;
    if (plan->n_phases > 1 && !(*flow = malloc((plan->n_flows + 1u) * sizeof **flow)))
        return false;
    memset(first, 0, (plan->n_phases + 1u) * sizeof *first);
    for (uint32_t f = 0; f < plan->n_flows && *flow; f++)
        first[ms_leg_phase_of(plan, f) + 1]++;
    for (uint32_t k = 0; k < plan->n_phases; k++)
        first[k + 1] += first[k];
    for (uint32_t f = plan->n_flows; f-- > 0 && *flow;)
        (*flow)[--first[ms_leg_phase_of(plan, f) + 1]] = f;
    for (uint32_t k = 0; k < plan->n_phases; k++) /* the starts moved one place on */
        first[k] = first[k + 1];
    first[plan->n_phases] = plan->n_flows;
    return true;
}

/* What every phase puts on every link: for the samples, and for the time it takes at least, of which
 * the quantum is a share. p NULL: weights. */
static enum ms_status weigh(struct ms_core *c, struct ms_leg_run *leg,
                            const struct ms_leg_problem *p)
{
    const struct ms_leg *plan = &leg->plan;
    if (plan->n_phases > leg->phase_cap) {
        free(leg->phase_s);
        leg->phase_s = malloc(plan->n_phases * sizeof *leg->phase_s);
        leg->phase_cap = leg->phase_s ? plan->n_phases : 0;
    }
    uint32_t *first = malloc((plan->n_phases + 1u) * sizeof *first);
    uint32_t *flow = NULL;
    bool ok = leg->phase_s && first && order_by_phase(plan, first, &flow);
    for (uint32_t k = 0; ok && k < plan->n_phases; k++) {
        uint32_t n_seen = 0;
        for (uint32_t i = first[k]; i < first[k + 1]; i++)
            n_seen = load_flow(c, leg, flow ? flow[i] : i, n_seen);
        leg->phase_s[k] = bound_s(c, n_seen);
        ms_samples_links(c, leg, n_seen);
    }
    free(first);
    free(flow);
    if (!ok)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %u flows", plan->n_flows);
    leg->quantum_s = c->in->params->network.quantum * leg->phase_s[0];
    if (p)
        ms_samples_bytes(c, leg, p);
    else
        ms_moves_bytes(c, leg);
    return MS_OK;
}

/* Noise of the network: a rank's flows take so many times their bytes' time. What was said of bytes
 * is said already. */
static void slow_down(const struct ms_core *c, struct ms_leg_run *leg)
{
    struct ms_leg *plan = &leg->plan;
    if (!(c->in->params->faults.jitter_network_sigma > 0))
        return;
    for (uint32_t f = 0; f < plan->n_flows; f++) {
        struct ms_leg_stream s;
        ms_leg_stream_of(plan, f, &s);
        int rank = ms_core_was(c, leg->group * c->n_ranks + (int)plan->src[f]);
        double factor = ms_noise_network(&c->noise, c->run.repeat, leg->step, leg->layer, rank,
                                         (int)leg->phase);
        plan->bytes[f] *= factor;
        for (uint32_t i = 0; i < s.n_parts; i++)
            plan->part_bytes[s.first_part + i] *= factor;
    }
}

static enum ms_status make_plan(struct ms_core *c, struct ms_leg_run *leg)
{
    const struct ms_traffic *t = ms_core_traffic(c, leg->step, leg->layer, leg->group);
    if (!t)
        return c->status;
    const struct ms_exchange_params *e = &c->in->params->exchange;
    struct ms_route_ask hint = {c, leg->group};
    double copy = copy_bytes(c, leg->phase, t), chunk = chunk_bytes(c, leg->phase, copy, t);
    struct ms_leg_problem p = {
        .traffic = t,
        .layout = &c->platform.layout[leg->group],
        .combine = is_combine(leg->phase),
        .share = 1.0 / c->n_halves,
        .top_k = t->is_matrix ? 0 : c->in->model->top_k,
        .copy_bytes = copy,
        .chunk_bytes = chunk,
        .chunk_tokens = chunk / copy,
        .dedup = ms_exchange_dedup(c->exchange, e->deduplicate),
        .forwarding = e->forwarding,
        .window = e->window,
        .message_bytes = e->message_bytes,
        .meeting = e->meeting,
        .completion = e->completion,
        .coupled = c->model->transport->couples,
        .follows = true,
        .route = ms_route_hint_of,
        .ctx = &hint,
    };
    int of = kernel_leg(leg->phase);
    ms_kernel_channels(&c->kernels, of, &p);
    enum ms_status s = ms_kernel_work(&c->kernels, &p, of, c->alpha_s[of], &leg->work, c->err);
    p.beside_s = leg->work.acts ? leg->work.beside_s : NULL;
    if (s == MS_OK)
        s = ms_exchange_plan(c->exchange, &p, &leg->plan, c->err);
    if (s || (s = learn_routes(c, leg, !t->is_matrix)))
        return ms_core_note(c, s);
    if (ms_exchange_streams(c->exchange, e->forwarding))
        c->out->streams = p.coupled ? "coupled" : "tied";
    if (!c->status && weigh(c, leg, &p) == MS_OK)
        slow_down(c, leg);
    return c->status;
}

static enum ms_status make_moves(struct ms_core *c, struct ms_leg_run *leg)
{
    enum ms_status s = ms_moves_plan(c, leg);
    if (s == MS_OK)
        s = ms_core_note(c, learn_routes(c, leg, false));
    return s == MS_OK ? weigh(c, leg, NULL) : s;
}

static void leg_start(struct ms_exec *x, const uint32_t *flow, const double *at_s, uint32_t n)
{
    struct ms_leg_run *leg = x->owner;
    leg->core->model->transport->flows(leg->core, leg, flow, at_s, n);
}

/* The leg after this one, if somebody has entered it already. */
static struct ms_leg_run *leg_after(const struct ms_leg_run *leg)
{
    struct ms_leg_run *next = leg->core->run.active;
    while (next && !(next->number == leg->number + 1 && next->group == leg->group &&
                     next->half == leg->half))
        next = next->next;
    return next;
}

static void leg_complete(struct ms_exec *x, int rank, double at_s)
{
    struct ms_leg_run *leg = x->owner, *next = leg_after(leg);
    struct ms_core *c = leg->core;
    struct ms_actor *actor = ms_core_actor(c, leg->group, rank, leg->half);
    at_s += leg->work.acts ? leg->work.after_s[rank] : 0;
    if (at_s >= leg->last_complete_s)
        leg->last_rank = leg->group * c->n_ranks + rank;
    leg->last_complete_s = fmax(leg->last_complete_s, at_s);
    actor->complete_s = at_s;
    actor->n_complete++;
    if (next && next->plan.first_clear != MS_LEG_NONE)
        ms_exec_clear(&next->exec, rank, at_s);
    ms_actor_wake(actor);
}

static void leg_sent(struct ms_exec *x, int rank, double at_s)
{
    struct ms_leg_run *leg = x->owner, *next = leg_after(leg);
    ms_core_actor(leg->core, leg->group, rank, leg->half)->n_sent++;
    if (next)
        ms_exec_out(&next->exec, rank, at_s);
}

/* Who is through with the leg before already. */
static void catch_up(struct ms_core *c, struct ms_leg_run *leg)
{
    for (int r = 0; leg->plan.first_clear != MS_LEG_NONE && r < c->n_ranks && !c->status; r++) {
        const struct ms_actor *a = ms_core_actor(c, leg->group, r, leg->half);
        ms_exec_catch_up(&leg->exec, r, a->n_sent >= leg->number, a->n_complete >= leg->number);
    }
}

static void leg_done(struct ms_exec *x)
{
    struct ms_leg_run *leg = x->owner;
    struct ms_core *c = leg->core;
    if (leg->phase == MS_PHASE_MOVE) {
        ms_moves_done(c, leg);
    } else {
        ms_samples_leg(c, leg);
        ms_samples_bound(c, leg, ms_leg_bound_s(c, leg));
        ms_causes_leg(c, leg);
    }
    c->model->transport->close(c, leg);
    struct ms_leg_run **p = &c->run.active;
    while (*p != leg)
        p = &(*p)->next;
    *p = leg->next;
    leg->next = c->run.idle;
    c->run.idle = leg;
    c->run.n_active--;
}

static void move_complete(struct ms_exec *x, int rank, double at_s)
{
    ms_moves_complete(x->owner, rank, at_s);
}

static const struct ms_exec_ops leg_ops = {leg_start, leg_complete, leg_sent, leg_done};
static const struct ms_exec_ops move_ops = {leg_start, move_complete, leg_sent, leg_done};

static struct ms_leg_run *take_idle(struct ms_core *c)
{
    struct ms_leg_run *leg = c->run.idle;
    if (leg) {
        c->run.idle = leg->next;
        return leg;
    }
    leg = calloc(1, sizeof *leg);
    if (leg) {
        leg->carried = calloc(1, c->model->transport->leg_size);
        leg->entry_s = calloc((size_t)c->n_ranks + 1, sizeof *leg->entry_s);
    }
    if (leg && !(leg->carried && leg->entry_s)) {
        free(leg->carried);
        free(leg->entry_s);
        free(leg);
        leg = NULL;
    }
    if (!leg)
        ms_core_fail(c, MS_NOMEM, "out of memory for a leg");
    return leg;
}

static struct ms_leg_run *open_leg(struct ms_core *c, const struct ms_actor *actor, int step,
                                   int layer, enum ms_phase phase)
{
    struct ms_leg_run *leg = take_idle(c);
    if (!leg)
        return NULL;
    leg->core = c;
    leg->step = step;
    leg->layer = layer;
    leg->group = actor->group;
    leg->half = actor->half;
    leg->phase = phase;
    bool moves = phase == MS_PHASE_MOVE;
    leg->number = moves ? -1 : actor->n_complete; /* nothing follows weights */
    leg->first_entry_s = actor->now_s;
    leg->last_entry_s = leg->last_complete_s = -INFINITY;
    leg->next = c->run.active;
    c->run.active = leg;
    c->run.n_active++;
    if (moves ? make_moves(c, leg) : make_plan(c, leg))
        return NULL;
    c->out->n_flows += leg->plan.n_flows;
    enum ms_status s =
        ms_exec_init(&leg->exec, &leg->plan, moves ? &move_ops : &leg_ops, leg, c->err);
    if (s)
        ms_core_note(c, s);
    else
        c->model->transport->open(c, leg);
    if (!c->status)
        catch_up(c, leg);
    return c->status ? NULL : leg;
}

enum ms_status ms_leg_run_enter(struct ms_core *c, struct ms_actor *actor, int step, int layer,
                                enum ms_phase phase, double entry_s, double ready_s)
{
    struct ms_leg_run *leg = c->run.active;
    while (leg && !(leg->step == step && leg->layer == layer && leg->phase == phase &&
                    leg->group == actor->group && leg->half == actor->half))
        leg = leg->next;
    if (!leg)
        leg = open_leg(c, actor, step, layer, phase);
    if (!leg)
        return c->status;
    if (phase != MS_PHASE_MOVE)
        ms_causes_enter(c, leg, actor, entry_s);
    leg->entry_s[actor->rank] = entry_s;
    leg->first_entry_s = fmin(leg->first_entry_s, entry_s);
    leg->last_entry_s = fmax(leg->last_entry_s, entry_s);
    ready_s += leg->work.acts ? leg->work.start_of_rank_s[actor->rank] : 0;
    ms_exec_enter(&leg->exec, actor->rank, ready_s);
    return c->status;
}

static void free_list(const struct ms_transport *t, struct ms_leg_run *leg)
{
    while (leg) {
        struct ms_leg_run *next = leg->next;
        ms_leg_finish(&leg->plan);
        ms_exec_finish(&leg->exec);
        t->leg_finish(leg->carried);
        ms_causes_leg_finish(leg);
        free(leg->carried);
        free(leg->entry_s);
        free(leg->phase_s);
        ms_kernel_work_finish(&leg->work);
        free(leg);
        leg = next;
    }
}

void ms_leg_runs_finish(struct ms_core *c)
{
    free_list(c->model->transport, c->run.active);
    free_list(c->model->transport, c->run.idle);
    c->run.active = c->run.idle = NULL;
}
