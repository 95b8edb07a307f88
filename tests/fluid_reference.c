/* The textbook: all levels rise together until a link is full or a flow has reached what a fatpipe
 * leaves it; those freeze, the others go on. Time goes from event to event. */
#include "fluid_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILL, STEADY, DRAIN };

struct use {
    uint32_t link;
    double units; /* at level 1 */
};

struct state {
    double left, level, start_s;
    int part;
    bool started, ended, frozen;
    struct use *use[2]; /* by hop; each link once */
    size_t n_uses[2];
};

struct ref {
    const struct net *n;
    struct ref_flow *flow;
    struct state *state;
    size_t n_flows;
    double *capacity, *rest, *sum;
};

static double share_of(const struct ref *r, size_t i)
{
    return r->flow[i].share > 0 ? r->flow[i].share : 1;
}

static bool moves(const struct state *s, int hop)
{
    return s->part == STEADY || s->part == (hop ? DRAIN : FILL);
}

/* What a fatpipe leaves flow i. */
static double ceiling(const struct ref *r, size_t i)
{
    const struct state *s = &r->state[i];
    double low = INFINITY;
    for (int hop = 0; hop < 2; hop++) {
        for (size_t u = 0; moves(s, hop) && u < s->n_uses[hop]; u++) {
            uint32_t l = s->use[hop][u].link;
            if (r->n->link[l].fatpipe)
                low = fmin(low, r->capacity[l] / s->use[hop][u].units);
        }
    }
    return low;
}

/* What each link still has to give, and the units that ask for it. */
static void form_sums(struct ref *r)
{
    for (size_t l = 0; l < r->n->n_links; l++) {
        r->rest[l] = r->capacity[l];
        r->sum[l] = 0;
    }
    for (size_t i = 0; i < r->n_flows; i++) {
        const struct state *s = &r->state[i];
        for (int hop = 0; hop < 2 && s->started && !s->ended; hop++) {
            for (size_t u = 0; moves(s, hop) && u < s->n_uses[hop]; u++) {
                if (s->frozen)
                    r->rest[s->use[hop][u].link] -= s->use[hop][u].units * s->level;
                else
                    r->sum[s->use[hop][u].link] += s->use[hop][u].units;
            }
        }
    }
}

static bool asks(const struct state *s, size_t link)
{
    for (int hop = 0; hop < 2; hop++) {
        for (size_t u = 0; moves(s, hop) && u < s->n_uses[hop]; u++) {
            if (s->use[hop][u].link == link)
                return true;
        }
    }
    return false;
}

static void rates(struct ref *r)
{
    for (size_t i = 0; i < r->n_flows; i++)
        r->state[i].frozen = !r->state[i].started || r->state[i].ended;
    for (double water = 0;;) {
        size_t tightest = r->n->n_links, capped = r->n_flows;
        double level = INFINITY;
        form_sums(r);
        for (size_t l = 0; l < r->n->n_links; l++) {
            if (r->n->link[l].fatpipe || !(r->sum[l] > 0) ||
                fmax(r->rest[l], 0) / r->sum[l] >= level)
                continue;
            level = fmax(r->rest[l], 0) / r->sum[l];
            tightest = l;
        }
        for (size_t i = 0; i < r->n_flows; i++) {
            if (!r->state[i].frozen && ceiling(r, i) < level) {
                level = ceiling(r, i);
                capped = i;
            }
        }
        if (tightest == r->n->n_links && capped == r->n_flows)
            break;
        water = fmax(water, level);
        for (size_t i = 0; i < r->n_flows; i++) {
            struct state *s = &r->state[i];
            if (s->frozen || (capped < r->n_flows ? i != capped : !asks(s, tightest)))
                continue;
            s->frozen = true;
            s->level = water;
        }
    }
    for (size_t i = 0; i < r->n_flows; i++) {
        if (!r->state[i].frozen)
            r->state[i].level = INFINITY; /* nothing limits it */
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

static double chunk_of(const struct ref *r, size_t i)
{
    return r->flow[i].n_then ? fmin(r->flow[i].chunk_bytes, r->flow[i].bytes) : 0;
}

/* The part at hand is over: the next that is not empty, or the end. */
static void go_on(struct ref *r, size_t i, double now)
{
    struct state *s = &r->state[i];
    bool stream = r->flow[i].n_then > 0;
    double chunk = chunk_of(r, i), size[] = {chunk, r->flow[i].bytes - chunk, chunk};
    if (!stream) {
        r->flow[i].sent_s = now;
        end_flow(r, i, now);
        return;
    }
    while (++s->part <= DRAIN && size[s->part] <= 0)
        ;
    if (s->part >= DRAIN && r->flow[i].sent_s == INFINITY)
        r->flow[i].sent_s = now;
    if (s->part > DRAIN)
        end_flow(r, i, now);
    else
        s->left = size[s->part] / share_of(r, i);
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
            s->part = r->flow[i].n_then && chunk_of(r, i) <= 0 ? STEADY : FILL;
            double size = r->flow[i].n_then && s->part == FILL ? chunk_of(r, i) : r->flow[i].bytes;
            s->left = size / share_of(r, i);
            if (r->flow[i].bytes <= 0) {
                r->flow[i].sent_s = now;
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
        else if (!s->ended && s->level > 0)
            t = fmin(t, now + s->left / s->level);
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
            bool over = s->level > 0 && now + s->left / s->level <= t * (1 + 1e-13);
            s->left -= s->level * (t - now);
            if (over)
                go_on(r, i, t);
        }
        now = t;
    }
}

/* A route's links at so many units; of a fatpipe the most counts, once. */
static void weigh(struct ref *r, size_t i, int hop, uint32_t route, double units)
{
    struct state *s = &r->state[i];
    for (size_t h = r->n->off[route]; h < r->n->off[route + 1] && units > 0; h++) {
        uint32_t l = r->n->hop[h];
        size_t u = 0;
        while (u < s->n_uses[hop] && s->use[hop][u].link != l)
            u++;
        if (u == s->n_uses[hop])
            s->use[hop][s->n_uses[hop]++] = (struct use){l, 0};
        double *sum = &s->use[hop][u].units;
        *sum = r->n->link[l].fatpipe ? fmax(*sum, units) : *sum + units;
    }
}

static void prepare(struct ref *r, size_t i)
{
    struct state *s = &r->state[i];
    const struct ref_flow *f = &r->flow[i];
    for (int hop = 0; hop < 2; hop++) {
        s->use[hop] = calloc(r->n->n_links + 1, sizeof(struct use));
        if (!s->use[hop])
            abort();
    }
    if (f->route != UINT32_MAX)
        weigh(r, i, 0, f->route, share_of(r, i));
    for (uint32_t k = 0; k < f->n_with; k++)
        weigh(r, i, 0, f->with[k].route, f->with[k].weight * share_of(r, i));
    for (uint32_t k = 0; k < f->n_then; k++)
        weigh(r, i, 1, f->then[k].route, f->then[k].weight * share_of(r, i));
    s->start_s = f->after == UINT32_MAX ? f->start_s : INFINITY;
    r->flow[i].finish_s = r->flow[i].sent_s = INFINITY;
}

void ref_run(const struct net *n, struct ref_flow *flow, size_t n_flows,
             const struct ref_change *change, size_t n_changes)
{
    struct ref r = {.n = n, .flow = flow, .n_flows = n_flows};
    r.state = calloc(n_flows + 1, sizeof *r.state);
    r.capacity = calloc(n->n_links + 1, sizeof *r.capacity);
    r.rest = calloc(n->n_links + 1, sizeof *r.rest);
    r.sum = calloc(n->n_links + 1, sizeof *r.sum);
    if (!r.state || !r.capacity || !r.rest || !r.sum)
        abort();
    for (size_t l = 0; l < n->n_links; l++)
        r.capacity[l] = n->link[l].capacity_Bps;
    for (size_t i = 0; i < n_flows; i++)
        prepare(&r, i);
    run(&r, change, n_changes);
    for (size_t i = 0; i < n_flows; i++) {
        for (int hop = 0; hop < 2; hop++)
            free(r.state[i].use[hop]);
    }
    free(r.state), free(r.capacity), free(r.rest), free(r.sum);
}
