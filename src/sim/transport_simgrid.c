/* network.model: cm02, lv08, smpi, ib. Every message is a SimGrid communication between two
 * actors on its two hosts: a poster, which sends the flows of one gate, and a reaper, which
 * posts the receives of one join and waits for them in order: after the last wait the clock is
 * the time its last byte arrived. Both are workers, kept per host and used again. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/network_model.h"
#include "sim/simgrid.h"
#include "sim/weather_simgrid.h"

/* Each worker's stack takes two memory maps, of which Linux allows 65530. */
#define MAX_WORKERS 24000

struct net;

struct posting {
    uint32_t flow;
    double start_s;
    sg_comm_t comm;
};

/* Of a leg. */
struct cargo {
    uint32_t *mailbox;            /* [n_flows] */
    uint32_t *by_end, *end_first; /* flows by the join they end in */
    unsigned char *reaped;        /* [n_joins] somebody waits for its flows */
    uint32_t *left;               /* [n_joins] ends it has not been told of */
    size_t flow_cap, join_cap;
    bool prepared; /* the tables above are filled */
};

struct worker {
    struct net *net;
    struct worker *next; /* idle on the same host, or all */
    struct worker *next_made;
    int rank; /* global: its host */
    sg_sem_t sem;
    struct ms_leg_run *leg;  /* the job; NULL: go home */
    struct posting *posting; /* [n] what to send, its own; NULL: reap */
    uint32_t n;
    uint32_t join; /* to reap */
};

struct net {
    struct ms_core *core;
    struct worker **idle; /* [R] */
    struct worker *made;
    int n_made;
    sg_mailbox_t *mailbox;
    uint32_t *free_mailbox;
    uint32_t n_mailboxes, n_free, mailbox_cap;
    double sent, received; /* bytes of the run */
    struct ms_weather weather;
};

static void *nothing; /* what messages carry */

static const struct ms_outage *outage_of(const struct ms_core *c, const struct ms_leg_run *leg,
                                         uint32_t flow)
{
    const struct ms_route_table *r = &c->platform.routes;
    const struct ms_outage *off = NULL;
    double now_s =
        ms_engine_now_s(c) + 1e-12; /* the clock's grid may lie a hair before the event */
    uint32_t route = ms_route_table_known(r, leg->group, leg->plan.src[flow], leg->plan.dst[flow]);
    for (uint64_t i = r->first[route]; i < r->first[route + 1] && !off; i++)
        off = ms_platform_events_off(&c->platform.events, r->link[i], now_s);
    return off;
}

static void lost(struct ms_core *c, const struct ms_leg_run *leg, uint32_t flow)
{
    const struct ms_leg *plan = &leg->plan;
    int base = leg->group * c->n_ranks;
    const struct ms_outage *off = outage_of(c, leg, flow);
    if (off) {
        ms_core_fail(c, MS_INFEASIBLE,
                     "%s goes off %.9g s after the start, and the exchange needs it", off->what,
                     off->from_s);
        return;
    }
    ms_core_fail(c, MS_INTERNAL, "SimGrid lost the message from %s to %s",
                 ms_sg.host_get_name(c->platform.host[base + (int)plan->src[flow]]),
                 ms_sg.host_get_name(c->platform.host[base + (int)plan->dst[flow]]));
}

static int by_start(const void *a, const void *b)
{
    const struct posting *x = a, *y = b;
    if (x->start_s != y->start_s)
        return x->start_s < y->start_s ? -1 : 1;
    return (x->flow > y->flow) - (x->flow < y->flow);
}

static long wire_size(double bytes)
{
    return bytes < 1 ? 1 : lround(bytes);
}

/* n more of a join's ends have happened; the engine is told at the time of the last. */
static void count_down(struct ms_leg_run *leg, uint32_t join, uint32_t n)
{
    struct cargo *k = leg->carried;
    k->left[join] -= n;
    if (!k->left[join] && !leg->core->status)
        ms_exec_ended(&leg->exec, join, ms_engine_now_s(leg->core));
}

/* Send flows of one rank, each after its own latency, and see them off. */
static void post(struct net *n, struct ms_leg_run *leg, struct posting *p, uint32_t count)
{
    struct ms_core *c = n->core;
    const struct cargo *k = leg->carried;
    const struct ms_leg *plan = &leg->plan;
    uint32_t sent = ms_leg_sent(plan, p[0].flow); /* one rank, so one join or none */
    uint32_t n_sent = 0;
    qsort(p, count, sizeof *p, by_start);
    for (uint32_t i = 0; i < count; i++) {
        ms_engine_sleep_until(c, p[i].start_s);
        uint32_t f = p[i].flow;
        uint32_t route =
            ms_route_table_known(&c->platform.routes, leg->group, plan->src[f], plan->dst[f]);
        n->sent += plan->bytes[f];
        ms_weather_lift(&n->weather, route);
        p[i].comm =
            ms_sg.mailbox_put_async(n->mailbox[k->mailbox[f]], &nothing, wire_size(plan->bytes[f]));
        ms_weather_drop(&n->weather, route);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (ms_sg.comm_wait(p[i].comm) != SG_OK)
            lost(c, leg, p[i].flow);
        uint32_t hears = ms_leg_sent(plan, p[i].flow);
        n_sent += hears != MS_LEG_NONE;
        sent = hears != MS_LEG_NONE ? hears : sent;
    }
    if (n_sent && !c->status)
        count_down(leg, sent, n_sent);
}

/* Receive all that ends in a join. */
static void reap(struct net *n, struct ms_leg_run *leg, uint32_t join)
{
    struct ms_core *c = n->core;
    const struct cargo *k = leg->carried;
    uint32_t begin = k->end_first[join], count = k->end_first[join + 1] - begin;
    sg_comm_t *comm = malloc(count * sizeof *comm);
    if (!comm) {
        ms_core_fail(c, MS_NOMEM, "out of memory for %u messages", count);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        comm[i] = ms_sg.mailbox_get_async(n->mailbox[k->mailbox[k->by_end[begin + i]]], &nothing);
    for (uint32_t i = 0; i < count; i++) {
        if (ms_sg.comm_wait(comm[i]) != SG_OK)
            lost(c, leg, k->by_end[begin + i]);
        n->received += leg->plan.bytes[k->by_end[begin + i]];
    }
    free(comm);
    if (!c->status)
        count_down(leg, join, count);
}

static void worker_main(int argc, char **argv)
{
    struct worker *w = ms_sg.actor_self_get_data();
    struct net *n = w->net;
    for (;;) {
        ms_sg.sem_acquire(w->sem);
        struct ms_leg_run *leg = w->leg;
        if (!leg)
            break;
        if (w->posting)
            post(n, leg, w->posting, w->n);
        else
            reap(n, leg, w->join);
        free(w->posting);
        w->posting = NULL;
        w->next = n->idle[w->rank];
        n->idle[w->rank] = w;
    }
}

static struct worker *make_worker(struct net *n, int rank)
{
    struct ms_core *c = n->core;
    struct worker *w = n->n_made < MAX_WORKERS ? calloc(1, sizeof *w) : NULL;
    if (!w) {
        ms_core_fail(
            c, MS_INFEASIBLE,
            "network.model: '%s' needs more than %d actors for this exchange of %d ranks; use "
            "fluid, or fewer ranks",
            c->in->params->network.model, n->n_made, c->n_total);
        return NULL;
    }
    w->net = n;
    w->rank = rank;
    w->sem = ms_sg.sem_init(0);
    w->next_made = n->made;
    n->made = w;
    n->n_made++;
    sg_actor_t a = ms_sg.actor_init("worker", c->platform.host[rank]);
    ms_sg.actor_set_data(a, w);
    ms_sg.actor_start(a, worker_main, 0, NULL);
    return w;
}

static struct worker *take_worker(struct net *n, const struct ms_leg_run *leg, uint32_t local_rank)
{
    int rank = leg->group * n->core->n_ranks + (int)local_rank;
    struct worker *w = n->idle[rank];
    if (!w)
        return make_worker(n, rank);
    n->idle[rank] = w->next;
    return w;
}

static void give_job(struct worker *w, struct ms_leg_run *leg, struct posting *p, uint32_t n,
                     uint32_t join)
{
    if (!w) {
        free(p);
        return;
    }
    w->leg = leg;
    w->posting = p;
    w->n = n;
    w->join = join;
    ms_sg.sem_release(w->sem);
}

static enum ms_status start(struct ms_core *c)
{
    struct net *n = calloc(1, sizeof *n);
    c->net = n;
    if (!n || !(n->idle = calloc((size_t)c->n_total, sizeof(struct worker *))))
        return ms_core_fail(c, MS_NOMEM, "out of memory for %d hosts", c->n_total);
    n->core = c;
    return MS_OK;
}

static enum ms_status begin(struct ms_core *c)
{
    struct net *n = c->net;
    n->sent = n->received = 0;
    return ms_weather_begin(&n->weather, c);
}

/* Memory for the leg's own tables. */
static bool cargo_memory(struct cargo *k, const struct ms_leg *plan)
{
    if (plan->n_flows > k->flow_cap) {
        free(k->mailbox);
        free(k->by_end);
        k->mailbox = malloc(plan->n_flows * sizeof *k->mailbox);
        k->by_end = malloc(plan->n_flows * sizeof *k->by_end);
        k->flow_cap = k->mailbox && k->by_end ? plan->n_flows : 0;
        if (!k->flow_cap)
            return false;
    }
    if (plan->n_joins > k->join_cap) {
        free(k->end_first);
        free(k->reaped);
        free(k->left);
        k->end_first = malloc((plan->n_joins + 1u) * sizeof *k->end_first);
        k->reaped = malloc(plan->n_joins);
        k->left = malloc(plan->n_joins * sizeof *k->left);
        k->join_cap = k->end_first && k->reaped && k->left ? plan->n_joins : 0;
    }
    return k->join_cap >= plan->n_joins;
}

static void index_ends(struct cargo *k, const struct ms_leg *plan)
{
    uint32_t *first = k->end_first;
    memset(first, 0, (plan->n_joins + 1u) * sizeof *first);
    for (uint32_t f = 0; f < plan->n_flows; f++)
        first[ms_leg_end(plan, f)]++;
    for (uint32_t j = 1; j <= plan->n_joins; j++)
        first[j] += first[j - 1];
    for (uint32_t f = plan->n_flows; f-- > 0;) /* from the back: a join's flows end up in order */
        k->by_end[--first[ms_leg_end(plan, f)]] = f;
    memset(k->reaped, 0, plan->n_joins);
    memcpy(k->left, plan->ends, plan->n_joins * sizeof *k->left);
}

static void cargo_finish(void *carried)
{
    struct cargo *k = carried;
    free(k->mailbox);
    free(k->by_end);
    free(k->end_first);
    free(k->reaped);
    free(k->left);
}

/* A free mailbox. Making one lets other actors run (and take some too), so nothing is held
 * across it. */
static bool take_mailbox(struct net *n, uint32_t *out)
{
    if (n->n_free) {
        *out = n->free_mailbox[--n->n_free];
        return true;
    }
    if (n->n_mailboxes == n->mailbox_cap) {
        uint32_t cap = n->mailbox_cap ? 2 * n->mailbox_cap : 1024;
        sg_mailbox_t *m = realloc(n->mailbox, cap * sizeof(sg_mailbox_t));
        n->mailbox = m ? m : n->mailbox;
        uint32_t *f = realloc(n->free_mailbox, cap * sizeof *f);
        n->free_mailbox = f ? f : n->free_mailbox;
        if (!m || !f)
            return false;
        n->mailbox_cap = cap;
    }
    char name[16];
    *out = n->n_mailboxes++;
    snprintf(name, sizeof name, "m%u", *out);
    sg_mailbox_t made = ms_sg.mailbox_by_name(name);
    n->mailbox[*out] = made;
    return true;
}

/* At the leg's first flows. A mailbox of its own for each message under way; names are used
 * again. */
static enum ms_status prepare(struct ms_core *c, struct ms_leg_run *leg)
{
    struct cargo *k = leg->carried;
    bool ok = cargo_memory(k, &leg->plan);
    if (ok)
        index_ends(k, &leg->plan);
    for (uint32_t f = 0; f < leg->plan.n_flows && ok; f++)
        ok = take_mailbox(c->net, &k->mailbox[f]);
    k->prepared = true;
    return ok ? MS_OK
              : ms_core_fail(c, MS_NOMEM, "out of memory for %u messages", leg->plan.n_flows);
}

static enum ms_status open(struct ms_core *c, struct ms_leg_run *leg)
{
    struct cargo *k = leg->carried;
    k->prepared = false;
    return MS_OK;
}

/* The flows of one rank among flow[0], flow[1] …: how many they are. */
static uint32_t of_one_rank(const struct ms_leg *plan, const uint32_t *flow, uint32_t n)
{
    uint32_t k = 1;
    while (k < n && plan->src[flow[k]] == plan->src[flow[0]])
        k++;
    return k;
}

static void send_out(struct ms_core *c, struct ms_leg_run *leg, const uint32_t *flow,
                     const double *at_s, uint32_t n)
{
    const struct ms_leg *plan = &leg->plan;
    struct posting *p = malloc(n * sizeof *p);
    if (!p) {
        ms_core_fail(c, MS_NOMEM, "out of memory for %u messages", n);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t f = flow[i];
        uint32_t route =
            ms_route_table_known(&c->platform.routes, leg->group, plan->src[f], plan->dst[f]);
        double wait_s =
            c->latency_at_sender ? ms_route_table_shape(&c->platform.routes, route).latency_s : 0;
        p[i] = (struct posting){f, at_s[i] + wait_s, NULL};
    }
    give_job(take_worker(c->net, leg, plan->src[flow[0]]), leg, p, n, 0);
}

/* Making or waking a worker lets others run, who may start flows of their own: what is needed of the
 * caller's lists is taken before. */
static void flows(struct ms_core *c, struct ms_leg_run *leg, const uint32_t *flow,
                  const double *at_s, uint32_t n)
{
    struct cargo *k = leg->carried;
    const struct ms_leg *plan = &leg->plan;
    if (!k->prepared && prepare(c, leg))
        return;
    for (uint32_t i = 0; i < n && !c->status; i++) {
        uint32_t j = ms_leg_end(plan, flow[i]);
        if (!k->reaped[j]) {
            k->reaped[j] = 1;
            give_job(take_worker(c->net, leg, plan->dst[flow[i]]), leg, NULL, 0, j);
        }
    }
    for (uint32_t i = 0, m; i < n && !c->status; i += m) {
        m = of_one_rank(plan, flow + i, n - i);
        send_out(c, leg, flow + i, at_s + i, m);
    }
}

static void close_leg(struct ms_core *c, struct ms_leg_run *leg)
{
    struct net *n = c->net;
    const struct cargo *k = leg->carried;
    for (uint32_t f = k->prepared ? leg->plan.n_flows : 0; f-- > 0;)
        n->free_mailbox[n->n_free++] = k->mailbox[f];
}

static enum ms_status end(struct ms_core *c)
{
    struct net *n = c->net;
    int run = c->run.number;
    double planned = c->out->bytes_network[run] + c->out->bytes_intra_node[run] +
                     c->out->moved_network[run] + c->out->moved_intra_node[run];
    bool cut = c->in->n_gone > 0; /* bytes are counted until ranks are lost */
    if (!cut &&
        (fabs(n->sent - planned) > 1e-9 * planned || fabs(n->received - planned) > 1e-9 * planned))
        return ms_core_fail(c, MS_INTERNAL, "%.17g bytes were planned, %.17g sent, %.17g received",
                            planned, n->sent, n->received);
    return MS_OK;
}

static void stop(struct ms_core *c)
{
    struct net *n = c->net;
    if (c->status)
        return; /* some wait for messages that never come */
    for (struct worker *w = n->made; w; w = w->next_made) {
        w->leg = NULL;
        ms_sg.sem_release(w->sem);
    }
}

static void finish(struct ms_core *c)
{
    struct net *n = c->net;
    if (!n)
        return;
    for (struct worker *w = n->made; w;) {
        struct worker *next = w->next_made;
        free(w);
        w = next;
    }
    free(n->idle);
    free(n->mailbox);
    free(n->free_mailbox);
    free(n);
    c->net = NULL;
}

const struct ms_transport ms_transport_simgrid = {
    .name = "simgrid",
    .leg_size = sizeof(struct cargo),
    .growth = 2.6, /* it solves its whole system at every completion */
    .cost = MS_COST_SIMGRID,
    .start = start,
    .begin = begin,
    .open = open,
    .flows = flows,
    .close = close_leg,
    .leg_finish = cargo_finish,
    .end = end,
    .stop = stop,
    .finish = finish,
};
