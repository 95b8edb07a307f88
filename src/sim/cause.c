/* Decides what the time of an exchange and of a layer went into: the way back from the last
 * completion through the flows that were waited for. */
#include "sim/cause.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/network_model.h"

const char *const ms_cause_names[] = {
    "endpoint_in",    "endpoint_out", "node",      "fabric",        "latency",
    "alpha",          "message_rate", "sms",       "compute",       "wait_compute",
    "wait_straggler", "wait_jitter",  "collision", "wait_exchange", "wait_weights",
    "background",     NULL,
};

enum { NO_LINK = -1, NO_RANK = -1 };

/** The end of a flow that somebody waited for. */
struct ended {
    double start_s, finish_s;
    size_t first, n; /* spans */
};

/** Parts while their number grows. */
struct parts {
    struct ms_cause_part *part;
    size_t n, cap;
};

/** What a rank did before it entered a leg: since when, and how long it computed by itself, as a
 *  straggler, by jitter. */
struct before {
    double complete_s, base_s, slow_s, jitter_s;
    double weights_s; /* waited for weights that move */
};

struct ms_leg_cause {
    struct ended *end;
    struct ms_fluid_span *span;
    size_t n, cap, n_spans, span_cap;
    int late; /* global rank that entered last */
    double late_s, begin_s;
    struct before before; /* its */
    double base_sum_s;    /* of all ranks */
};

/** The parts of one cell, as its legs come in. */
struct cell {
    struct parts exchange, layer;
    struct ms_leg_cause dispatch; /* kept until combine says whose way it is */
};

struct link_use {
    int host, node; /* the only one that its routes have in common; -1: none, -2: not used yet */
};

struct ms_causes {
    struct before *before; /* [R] */
    struct cell *cell;     /* [step][layer][group] of the run */
    struct parts exchanges, layers;
    struct link_use *use; /* [n_links] */
    uint32_t routes_seen;
    double longest_latency_s;
    bool failed;
};

static bool push(struct parts *p, struct ms_cause_part part)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 16;
        struct ms_cause_part *more = realloc(p->part, cap * sizeof *more);
        if (!more)
            return false;
        p->part = more;
        p->cap = cap;
    }
    p->part[p->n++] = part;
    return true;
}

static void add(struct ms_causes *k, struct parts *p, enum ms_cause cause, int link, int rank,
                double seconds)
{
    if (!(seconds > 0))
        return;
    for (size_t i = 0; i < p->n; i++)
        if (p->part[i].cause == cause && p->part[i].link == link && p->part[i].rank == rank) {
            p->part[i].seconds += seconds;
            return;
        }
    k->failed |= !push(p, (struct ms_cause_part){cause, link, rank, seconds});
}

static size_t n_cells(const struct ms_core *c)
{
    return (size_t)c->n_steps * (size_t)c->n_layers * (size_t)c->n_groups;
}

void ms_causes_begin(struct ms_core *c)
{
    struct ms_causes *k = c->causes;
    if (!c->in->causes || c->n_halves > 1)
        return;
    if (!k) {
        k = c->causes = MS_NEW(&c->arena, struct ms_causes, 1);
        size_t runs = (size_t)c->in->n_runs, L = (size_t)c->platform.n_links;
        if (k) {
            k->before = MS_NEW(&c->arena, struct before, (size_t)c->n_total);
            k->cell = MS_NEW(&c->arena, struct cell, n_cells(c));
            k->use = MS_NEW(&c->arena, struct link_use, L + 1);
        }
        c->out->last_rank = MS_NEW(&c->out->arena, int, runs *n_cells(c) + 1);
        c->out->first_exchange_part = MS_NEW(&c->out->arena, size_t, runs * n_cells(c) + 1);
        c->out->first_layer_part = MS_NEW(&c->out->arena, size_t, runs * n_cells(c) + 1);
        if (!k || !k->before || !k->cell || !k->use || !c->out->last_rank ||
            !c->out->first_exchange_part || !c->out->first_layer_part) {
            c->causes = NULL;
            ms_core_fail(c, MS_NOMEM, "out of memory for the causes");
            return;
        }
        for (size_t l = 0; l < L; l++)
            k->use[l] = (struct link_use){-2, -2};
    }
    memset(k->before, 0, (size_t)c->n_total * sizeof *k->before);
    for (size_t i = 0; i < n_cells(c); i++) {
        k->cell[i].exchange.n = k->cell[i].layer.n = 0;
    }
}

/* ---- whose link is it? ---- */

static void meet(int *common, int a, int b)
{
    if (*common == -2)
        *common = a; /* the first route: either end may stay */
    if (*common >= 0 && *common != a && *common != b)
        *common = -1;
}

/* Every link's routes, and which host or node takes part in all of them. The first route has two
 * candidates: a second look at it settles which. */
static void see_routes(struct ms_core *c)
{
    struct ms_causes *k = c->causes;
    const struct ms_route_table *t = &c->platform.routes;
    if (k->routes_seen == t->n_routes)
        return;
    k->routes_seen = t->n_routes;
    int *other_host = malloc(((size_t)c->platform.n_links + 1) * 2 * sizeof *other_host);
    if (!other_host) {
        k->failed = true;
        return;
    }
    int *other_node = other_host + c->platform.n_links;
    for (int l = 0; l < c->platform.n_links; l++) {
        k->use[l] = (struct link_use){-2, -2};
        other_host[l] = other_node[l] = -2;
    }
    for (int g = 0; g < c->n_groups; g++)
        for (int s = 0; s < c->n_ranks; s++)
            for (int d = 0; d < c->n_ranks; d++) {
                size_t at = ((size_t)g * (size_t)c->n_ranks + (size_t)s) * (size_t)c->n_ranks;
                uint32_t route = t->pair[at + (size_t)d];
                if (!route--)
                    continue;
                k->longest_latency_s =
                    fmax(k->longest_latency_s, ms_route_table_shape(t, route).latency_s);
                const int *node = c->platform.layout[g].node;
                int base = g * c->n_ranks;
                for (uint64_t i = t->first[route]; i < t->first[route + 1]; i++) {
                    uint32_t l = t->link[i];
                    bool first = k->use[l].host == -2;
                    meet(&k->use[l].host, base + s, base + d);
                    meet(&k->use[l].node, node[s], node[d]);
                    if (first) {
                        other_host[l] = base + d;
                        other_node[l] = node[d];
                        continue;
                    }
                    meet(&other_host[l], base + s, base + d);
                    meet(&other_node[l], node[s], node[d]);
                }
            }
    for (int l = 0; l < c->platform.n_links; l++) {
        if (k->use[l].host < 0 && other_host[l] >= 0)
            k->use[l].host = other_host[l];
        if (k->use[l].node < 0 && other_node[l] >= 0)
            k->use[l].node = other_node[l];
    }
    free(other_host);
}

/* Is a host the destination of every route over its link, or the source? */
static bool comes_in(const struct ms_core *c, int link, int host)
{
    const struct ms_route_table *t = &c->platform.routes;
    int g = host / c->n_ranks, r = host % c->n_ranks;
    for (int s = 0; s < c->n_ranks; s++) {
        size_t at = ((size_t)g * (size_t)c->n_ranks + (size_t)s) * (size_t)c->n_ranks + (size_t)r;
        uint32_t route = s == r ? 0 : t->pair[at];
        if (!route--)
            continue;
        for (uint64_t i = t->first[route]; i < t->first[route + 1]; i++)
            if ((int)t->link[i] == link)
                return true;
    }
    return false;
}

/* Seconds up to end_s in which a link set the rate. */
static void add_link(struct ms_core *c, struct parts *p, uint32_t link, double seconds,
                     double end_s)
{
    struct ms_causes *k = c->causes;
    double (*others)(struct ms_core *, uint32_t, double, double) = c->model->transport->others;
    if (others && seconds > 0 && link < (uint32_t)c->platform.n_links) {
        double theirs_s = seconds * others(c, link, end_s - seconds, end_s);
        add(k, p, MS_CAUSE_BACKGROUND, (int)link, NO_RANK, theirs_s);
        seconds -= theirs_s;
    }
    int n_links = c->platform.n_links, ports = c->gap_s > 0 ? 2 * c->n_total : 0;
    if (link == UINT32_MAX) {
        add(k, p, MS_CAUSE_ALPHA, NO_LINK, NO_RANK, seconds);
    } else if (link & MS_CAUSE_CABLE) {
        add(k, p, MS_CAUSE_COLLISION, (int)(link & ~MS_CAUSE_CABLE), NO_RANK, seconds);
    } else if ((int)link >= n_links + ports && (int)link < n_links + ports + c->n_rate_links) {
        int at = (int)link - n_links - ports; /* eight a rank, the odd ones receive */
        add(k, p, at % 2 ? MS_CAUSE_ENDPOINT_IN : MS_CAUSE_ENDPOINT_OUT, NO_LINK, at / 8, seconds);
    } else if ((int)link >= n_links + ports) {
        add(k, p, MS_CAUSE_SMS, NO_LINK, NO_RANK, seconds);
    } else if ((int)link >= n_links) {
        add(k, p, MS_CAUSE_MESSAGE_RATE, NO_LINK, ((int)link - n_links) / 2, seconds);
    } else if (k->use[link].host >= 0) {
        int host = k->use[link].host;
        add(k, p, comes_in(c, (int)link, host) ? MS_CAUSE_ENDPOINT_IN : MS_CAUSE_ENDPOINT_OUT,
            (int)link, host, seconds);
    } else if (k->use[link].node >= 0) {
        add(k, p, MS_CAUSE_NODE, (int)link, NO_RANK, seconds);
    } else {
        add(k, p, MS_CAUSE_FABRIC, (int)link, NO_RANK, seconds);
    }
}

/* ---- a leg ---- */

void ms_causes_ended(struct ms_leg_run *leg, double finish_s, const struct ms_fluid_span *span,
                     size_t n)
{
    struct ms_leg_cause *w = leg->cause;
    double took_s = 0;
    if (!w || leg->phase == MS_PHASE_MOVE)
        return;
    if (w->n == w->cap || w->n_spans + n > w->span_cap) {
        size_t cap = 2 * (w->n + 64), spans = 2 * (w->n_spans + n + 64);
        struct ended *end = realloc(w->end, cap * sizeof *end);
        w->end = end ? end : w->end;
        struct ms_fluid_span *more = realloc(w->span, spans * sizeof *more);
        w->span = more ? more : w->span;
        if (!end || !more) {
            leg->core->causes->failed = true;
            return;
        }
        w->cap = cap;
        w->span_cap = spans;
    }
    memcpy(w->span + w->n_spans, span, n * sizeof *span);
    for (size_t i = 0; i < n; i++)
        took_s += span[i].seconds;
    w->end[w->n++] = (struct ended){finish_s - took_s, finish_s, w->n_spans, n};
    w->n_spans += n;
}

/* The last end at or before a time, of those that ended later than they started. */
static const struct ended *last_end(const struct ms_leg_cause *w, double at_s, double before_s)
{
    const struct ended *best = NULL;
    double slack_s = 1e-9 * (1 + fabs(at_s)) + 1e-12;
    for (size_t i = 0; w && i < w->n; i++)
        if (w->end[i].finish_s <= at_s + slack_s && w->end[i].finish_s < before_s &&
            (!best || w->end[i].finish_s > best->finish_s))
            best = &w->end[i];
    return best;
}

/* The way back from `to_s` until `from_s`. @return where it ended: at from_s, or where no flow led
 * further back, before which there is start-up, latency and waiting */
static double go_back(struct ms_core *c, const struct ms_leg_cause *w, double from_s, double to_s,
                      struct parts *p)
{
    double at_s = to_s, before_s = INFINITY, gap_s = INFINITY;
    while (at_s > from_s) {
        const struct ended *e = last_end(w, at_s, before_s);
        if (!e || at_s - e->finish_s > gap_s)
            break;
        if (at_s > e->finish_s)
            add(c->causes, p, before_s == INFINITY ? MS_CAUSE_ALPHA : MS_CAUSE_LATENCY, NO_LINK,
                NO_RANK, at_s - fmax(e->finish_s, from_s));
        double end_s = fmin(at_s, e->finish_s);
        for (size_t i = e->n; i-- > 0 && end_s > from_s;) {
            const struct ms_fluid_span *s = &w->span[e->first + i];
            add_link(c, p, s->link, fmin(s->seconds, end_s - from_s), end_s);
            end_s -= s->seconds;
        }
        at_s = fmin(at_s, e->start_s);
        before_s = e->finish_s;
        gap_s = 1.001 * c->causes->longest_latency_s + 1e-9;
    }
    return fmax(at_s, from_s);
}

/* What stands before the first flow of the way: latency, start-up, and (of a layer) the wait for the
 * rank that entered last, by what it had done before. */
static void before_flows(struct ms_core *c, double from_s, double to_s,
                         const struct ms_leg_cause *late, struct parts *p)
{
    struct ms_causes *k = c->causes;
    double left_s = to_s - from_s;
    double latency_s = fmin(left_s, k->longest_latency_s);
    add(k, p, MS_CAUSE_LATENCY, NO_LINK, NO_RANK, latency_s);
    left_s -= latency_s;
    double alpha_s = late ? fmin(left_s, fmax(c->alpha_s[0], c->alpha_s[1])) : left_s;
    add(k, p, MS_CAUSE_ALPHA, NO_LINK, NO_RANK, alpha_s);
    left_s -= alpha_s;
    if (!late)
        return;
    const struct before *b = &late->before;
    double slow_s = fmin(left_s, b->slow_s);
    add(k, p, MS_CAUSE_WAIT_STRAGGLER, NO_LINK, late->late, slow_s);
    left_s -= slow_s;
    double jitter_s = fmin(left_s, b->jitter_s);
    add(k, p, MS_CAUSE_WAIT_JITTER, NO_LINK, late->late, jitter_s);
    left_s -= jitter_s;
    double weights_s = fmin(left_s, b->weights_s);
    add(k, p, MS_CAUSE_WAIT_WEIGHTS, NO_LINK, late->late, weights_s);
    left_s -= weights_s;
    add(k, p, b->base_s > 0 ? MS_CAUSE_WAIT_COMPUTE : MS_CAUSE_WAIT_EXCHANGE, NO_LINK, late->late,
        left_s);
}

/* What the last rank into combine computed before it: its even part, and what the others did not
 * have to do. */
static void add_compute(struct ms_core *c, const struct ms_leg_cause *w, double for_s,
                        struct parts *p)
{
    struct ms_causes *k = c->causes;
    double base_s = fmin(w->before.base_s, for_s);
    double even_s = fmin(base_s, w->base_sum_s / c->n_ranks);
    add(k, p, MS_CAUSE_COMPUTE, NO_LINK, NO_RANK, even_s);
    add(k, p, MS_CAUSE_WAIT_COMPUTE, NO_LINK, w->late, base_s - even_s);
    for_s -= base_s;
    double slow_s = fmin(w->before.slow_s, for_s);
    add(k, p, MS_CAUSE_WAIT_STRAGGLER, NO_LINK, w->late, slow_s);
    add(k, p, MS_CAUSE_WAIT_JITTER, NO_LINK, w->late, for_s - slow_s);
}

/* The layer of which this was the combine: the way of its last rank through dispatch, its computing,
 * and the combine from there. */
static void add_layer(struct ms_core *c, const struct ms_leg_run *leg, const struct ms_leg_cause *w,
                      struct cell *cell)
{
    const struct ms_leg_cause *d = &cell->dispatch;
    double came_s = w->before.complete_s;
    double at_s = go_back(c, w, leg->last_entry_s, leg->last_complete_s, &cell->layer);
    before_flows(c, leg->last_entry_s, at_s, NULL, &cell->layer);
    add_compute(c, w, leg->last_entry_s - came_s, &cell->layer);
    at_s = go_back(c, d, d->begin_s, came_s, &cell->layer);
    before_flows(c, d->begin_s, at_s, d, &cell->layer);
}

static void forget(struct ms_leg_cause *w)
{
    w->n = w->n_spans = 0;
    w->late_s = -INFINITY;
    w->base_sum_s = 0;
}

void ms_causes_leg(struct ms_core *c, struct ms_leg_run *leg)
{
    struct ms_leg_cause *w = leg->cause;
    if (!c->causes || !w)
        return;
    see_routes(c);
    struct cell *cell = &c->causes->cell[ms_core_cell(c, leg->step, leg->layer, leg->group)];
    double at_s = go_back(c, w, leg->last_entry_s, leg->last_complete_s, &cell->exchange);
    before_flows(c, leg->last_entry_s, at_s, NULL, &cell->exchange);
    w->begin_s = leg->first_entry_s;
    c->out->last_rank[(size_t)c->run.number * n_cells(c) +
                      ms_core_cell(c, leg->step, leg->layer, leg->group)] = leg->last_rank;
    if (leg->phase == MS_PHASE_DISPATCH) { /* the buffers change hands */
        struct ms_leg_cause kept = cell->dispatch;
        cell->dispatch = *w;
        *w = kept;
    } else if (leg->phase == MS_PHASE_COMBINE) {
        add_layer(c, leg, w, cell);
    }
    forget(w);
}

/* ---- ranks ---- */

void ms_causes_enter(struct ms_core *c, struct ms_leg_run *leg, const struct ms_actor *actor,
                     double entry_s)
{
    int rank = actor->group * c->n_ranks + actor->rank;
    if (!c->causes)
        return;
    if (!leg->cause) {
        leg->cause = calloc(1, sizeof *leg->cause);
        if (!leg->cause) {
            c->causes->failed = true;
            return;
        }
        forget(leg->cause);
    }
    leg->cause->base_sum_s += c->causes->before[rank].base_s;
    if (entry_s < leg->cause->late_s)
        return;
    leg->cause->late = rank;
    leg->cause->late_s = entry_s;
    leg->cause->before = c->causes->before[rank];
}

void ms_causes_compute(struct ms_core *c, const struct ms_actor *actor, double base_s,
                       double slowdown, double jitter)
{
    if (!c->causes)
        return;
    struct before *b = &c->causes->before[actor->group * c->n_ranks + actor->rank];
    b->base_s += base_s * fmin(1, slowdown * jitter);
    b->slow_s += base_s * fmax(slowdown - 1, 0);
    b->jitter_s += fmax(base_s * slowdown * (jitter - 1), 0);
}

void ms_causes_weights(struct ms_core *c, const struct ms_actor *actor, double waited_s)
{
    if (c->causes)
        c->causes->before[actor->group * c->n_ranks + actor->rank].weights_s += waited_s;
}

void ms_causes_complete(struct ms_core *c, const struct ms_actor *actor)
{
    if (c->causes)
        c->causes->before[actor->group * c->n_ranks + actor->rank] =
            (struct before){.complete_s = actor->now_s};
}

/* The cells of the run follow those of the runs before. */
void ms_causes_end(struct ms_core *c)
{
    struct ms_causes *k = c->causes;
    struct ms_sim_output *o = c->out;
    if (!k)
        return;
    size_t first = (size_t)c->run.number * n_cells(c), all = (size_t)c->in->n_runs * n_cells(c);
    for (size_t i = 0; i < n_cells(c); i++) {
        o->first_exchange_part[first + i] = k->exchanges.n;
        o->first_layer_part[first + i] = k->layers.n;
        for (size_t j = 0; j < k->cell[i].exchange.n; j++)
            k->failed |= !push(&k->exchanges, k->cell[i].exchange.part[j]);
        for (size_t j = 0; j < k->cell[i].layer.n; j++)
            k->failed |= !push(&k->layers, k->cell[i].layer.part[j]);
    }
    for (size_t i = first + n_cells(c); i <= all; i++) {
        o->first_exchange_part[i] = k->exchanges.n;
        o->first_layer_part[i] = k->layers.n;
    }
    o->exchange_part = k->exchanges.part;
    o->layer_part = k->layers.part;
    if (k->failed)
        ms_core_fail(c, MS_NOMEM, "out of memory for the causes");
}

void ms_causes_finish(struct ms_core *c)
{
    for (size_t i = 0; c->causes && i < n_cells(c); i++) {
        free(c->causes->cell[i].exchange.part);
        free(c->causes->cell[i].layer.part);
        free(c->causes->cell[i].dispatch.end);
        free(c->causes->cell[i].dispatch.span);
    }
}

void ms_causes_leg_finish(struct ms_leg_run *leg)
{
    if (!leg->cause)
        return;
    free(leg->cause->end);
    free(leg->cause->span);
    free(leg->cause);
    leg->cause = NULL;
}
