#include "fluid_reference.h"

#include <math.h>
#include <stdlib.h>

struct state {
    double left, rate, start_s;
    bool started, ended, frozen;
};

struct ref {
    const struct net *n;
    struct ref_flow *flow;
    struct state *state;
    size_t n_flows;
    double *capacity, *room;
    uint32_t *crowd;
};

static bool crosses(const struct ref *r, size_t i, size_t link)
{
    for (size_t h = r->n->off[r->flow[i].route]; h < r->n->off[r->flow[i].route + 1]; h++) {
        if (r->n->hop[h] == link)
            return true;
    }
    return false;
}

static void count(struct ref *r)
{
    for (size_t l = 0; l < r->n->n_links; l++) {
        r->room[l] = r->capacity[l];
        r->crowd[l] = 0;
    }
    for (size_t i = 0; i < r->n_flows; i++) {
        r->state[i].frozen = !r->state[i].started || r->state[i].ended;
        for (size_t h = r->n->off[r->flow[i].route];
             !r->state[i].frozen && h < r->n->off[r->flow[i].route + 1]; h++)
            r->crowd[r->n->hop[h]]++;
    }
}

static void rates(struct ref *r)
{
    count(r);
    for (;;) {
        size_t tightest = r->n->n_links;
        double level = INFINITY;
        for (size_t l = 0; l < r->n->n_links; l++) {
            double share =
                r->n->link[l].fatpipe ? r->capacity[l] : fmax(r->room[l], 0) / r->crowd[l];
            if (r->crowd[l] && share < level) {
                level = share;
                tightest = l;
            }
        }
        if (tightest == r->n->n_links)
            return;
        for (size_t i = 0; i < r->n_flows; i++) {
            if (r->state[i].frozen || !crosses(r, i, tightest))
                continue;
            r->state[i].frozen = true;
            r->state[i].rate = level;
            for (size_t h = r->n->off[r->flow[i].route]; h < r->n->off[r->flow[i].route + 1]; h++) {
                r->room[r->n->hop[h]] -= level;
                r->crowd[r->n->hop[h]]--;
            }
        }
    }
}

static void end_flow(struct ref *r, size_t i, double now)
{
    r->state[i].ended = true;
    r->flow[i].finish_s = now;
    for (size_t j = 0; j < r->n_flows; j++) {
        if (r->flow[j].after == i)
            r->state[j].start_s = now + r->flow[j].start_s;
    }
}

/* Flows that start now; those with nothing to carry end at once, which may start others. */
static void start_flows(struct ref *r, double now)
{
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < r->n_flows; i++) {
            struct state *s = &r->state[i];
            if (s->started || s->start_s > now)
                continue;
            s->started = true;
            if (s->left <= 0 || r->n->off[r->flow[i].route] == r->n->off[r->flow[i].route + 1]) {
                end_flow(r, i, now);
                again = true;
            }
        }
    }
}

static double next_s(const struct ref *r, double now, const struct ref_change *change,
                     size_t n_changes)
{
    double t = INFINITY;
    for (size_t i = 0; i < r->n_flows; i++) {
        const struct state *s = &r->state[i];
        if (!s->started)
            t = fmin(t, s->start_s);
        else if (!s->ended && s->rate > 0)
            t = fmin(t, now + s->left / s->rate);
    }
    for (size_t i = 0; i < n_changes; i++) {
        if (change[i].at_s > now)
            t = fmin(t, change[i].at_s);
    }
    return t;
}

static void run(struct ref *r, const struct ref_change *change, size_t n_changes)
{
    double now = 0;
    for (;;) {
        for (size_t i = 0; i < n_changes; i++) {
            if (change[i].at_s == now)
                r->capacity[change[i].link] = change[i].capacity_Bps;
        }
        start_flows(r, now);
        rates(r);
        double t = next_s(r, now, change, n_changes);
        if (t == INFINITY)
            return;
        for (size_t i = 0; i < r->n_flows; i++) {
            struct state *s = &r->state[i];
            if (!s->started || s->ended)
                continue;
            bool ends = s->rate > 0 && now + s->left / s->rate <= t * (1 + 1e-13);
            s->left -= s->rate * (t - now);
            if (ends)
                end_flow(r, i, t);
        }
        now = t;
    }
}

void ref_run(const struct net *n, struct ref_flow *flow, size_t n_flows,
             const struct ref_change *change, size_t n_changes)
{
    struct ref r = {.n = n, .flow = flow, .n_flows = n_flows};
    r.state = calloc(n_flows + 1, sizeof *r.state);
    r.capacity = calloc(n->n_links + 1, sizeof *r.capacity);
    r.room = calloc(n->n_links + 1, sizeof *r.room);
    r.crowd = calloc(n->n_links + 1, sizeof *r.crowd);
    if (!r.state || !r.capacity || !r.room || !r.crowd)
        abort();
    for (size_t l = 0; l < n->n_links; l++)
        r.capacity[l] = n->link[l].capacity_Bps;
    for (size_t i = 0; i < n_flows; i++) {
        flow[i].finish_s = INFINITY;
        r.state[i].left = flow[i].bytes;
        r.state[i].start_s = flow[i].after == UINT32_MAX ? flow[i].start_s : INFINITY;
    }
    run(&r, change, n_changes);
    free(r.state), free(r.capacity), free(r.room), free(r.crowd);
}
