/* The flows of a weighted component: what each asks of which link, the list of each link's flows,
 * and how a stream goes from part to part. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "sim/fluid/fluid_internal.h"

/* A quarter more space for lists that grow. */
#define SLACK 4

bool ms_fluid_weighted_init(struct ms_fluid_weighted *w, uint32_t m)
{
    void *state, *key;
    w->at = calloc(m + 1, sizeof *w->at);
    w->len = calloc(m + 1, sizeof *w->len);
    w->space = calloc(m + 1, sizeof *w->space);
    w->sum = calloc(m + 1, sizeof *w->sum);
    w->top = calloc(m + 1, sizeof *w->top);
    w->where = calloc(m + 1, sizeof *w->where);
    w->least = calloc(m + 1, sizeof *w->least);
    if (posix_memalign(&key, 64, ((size_t)m + 1) * sizeof *w->key) == 0)
        w->key = key;
    if (posix_memalign(&state, 64, ((size_t)m + 1) * sizeof *w->state) == 0)
        w->state = memset(state, 0, ((size_t)m + 1) * sizeof *w->state);
    w->reach = 0.02;
    w->on = w->stale = true;
    return w->at && w->len && w->space && w->sum && w->top && w->where && w->least && w->key &&
           w->state;
}

void ms_fluid_weighted_finish(struct ms_fluid_weighted *w)
{
    free(w->left), free(w->held), free(w->open), free(w->flow), free(w->chain), free(w->limit);
    free(w->ceiling), free(w->ask), free(w->at), free(w->len), free(w->space), free(w->owner);
    free(w->sum), free(w->top), free(w->where), free(w->state), free(w->least), free(w->key);
    free(w->capped);
    *w = (struct ms_fluid_weighted){0};
}

/* ---- what a flow asks for ---- */

struct asked { /* by one hop of the flow at hand */
    size_t first;
    double ceiling; /* in units of level */
    uint32_t ceiling_link;
};

/* A route at so many units a unit of level. Shared links add up, of fatpipes the worst counts. */
static bool ask(const struct ms_fluid *f, struct ms_fluid_comp *c, uint32_t route, double units,
                struct asked *a)
{
    struct ms_fluid_weighted *w = &c->weighted;
    for (struct ms_fluid_hops h = ms_fluid_hops(f, route); h.link < h.end; h.link++) {
        uint32_t g = *h.link, l = f->local_of[g];
        if (f->fat[g]) {
            double level = f->capacity[g] / units;
            if (level < a->ceiling)
                a->ceiling = level, a->ceiling_link = g;
            continue;
        }
        if (!f->kept[g])
            continue;
        size_t k = w->where[l];
        if (k >= a->first && k < w->n_asks && w->ask[k].link == l) {
            w->ask[k].units += units;
            continue;
        }
        if (!ms_fluid_grow(&w->ask, &w->ask_cap, w->n_asks + 1, sizeof *w->ask))
            return false;
        w->where[l] = (uint32_t)w->n_asks;
        w->ask[w->n_asks++] = (struct ms_fluid_ask){units, l};
    }
    return true;
}

/* A ceiling that the hop's own shared links undercut is none. */
static void lift_ceiling(const struct ms_fluid_comp *c, struct asked *a)
{
    const struct ms_fluid_weighted *w = &c->weighted;
    for (size_t k = a->first; k < w->n_asks; k++) {
        if (c->capacity[w->ask[k].link] <= a->ceiling * w->ask[k].units)
            a->ceiling = INFINITY;
    }
}

static bool ask_all(const struct ms_fluid *f, struct ms_fluid_comp *c, uint32_t i,
                    const struct ms_fluid_wait *x, struct asked *hop)
{
    struct ms_fluid_weighted *w = &c->weighted;
    const struct ms_fluid_more *m = x->route == MS_FLUID_NONE ? x->more : NULL;
    uint32_t n_first = m ? m->n_first : 1, n = m ? n_first + m->n_then : 1;
    hop[0] = hop[1] = (struct asked){w->n_asks, INFINITY, MS_FLUID_NONE};
    for (uint32_t k = 0; k < n; k++) {
        uint32_t route = m ? m->use[k].route : x->route;
        if (k == n_first)
            hop[1].first = w->n_asks;
        if (!ask(f, c, route, m ? m->use[k].weight * m->share : 1, &hop[k >= n_first]))
            return false;
    }
    if (n == n_first)
        hop[1].first = w->n_asks;
    assert(w->n_asks < UINT32_MAX && w->n_asks - hop[0].first <= UINT16_MAX);
    w->held[i] = (struct ms_fluid_held){.ask_at = (uint32_t)hop[0].first,
                                        .n_first = (uint16_t)(hop[1].first - hop[0].first),
                                        .n_asks = (uint16_t)(w->n_asks - hop[0].first)};
    return true;
}

/* ---- what is under way ---- */

static void count_in(struct ms_fluid_comp *c, uint32_t i)
{
    struct ms_fluid_weighted *w = &c->weighted;
    size_t k, to;
    for (ms_fluid_asks(&w->held[i], &k, &to); k < to; k++) {
        uint32_t l = w->ask[k].link;
        c->crowd[l]++;
        w->sum[l] += w->ask[k].units;
        w->top[l] = w->sum[l] > w->top[l] ? w->sum[l] : w->top[l];
    }
}

static void count_out(struct ms_fluid_comp *c, uint32_t i)
{
    struct ms_fluid_weighted *w = &c->weighted;
    size_t k, to;
    for (ms_fluid_asks(&w->held[i], &k, &to); k < to; k++) {
        uint32_t l = w->ask[k].link;
        assert(c->crowd[l] > 0);
        c->crowd[l]--;
        w->sum[l] -= w->ask[k].units;
        if (c->crowd[l] == 0)
            w->sum[l] = w->top[l] = 0;
    }
}

/* What the flow of a list entry asks of the link: flows cross few links. */
static double units_of(const struct ms_fluid_weighted *w, uint32_t entry, uint32_t l)
{
    const struct ms_fluid_held *x = &w->held[entry >> 1];
    size_t k = x->ask_at + (entry & 1 ? x->n_first : 0U);
    while (w->ask[k].link != l)
        k++;
    return w->ask[k].units;
}

static void form_sum(struct ms_fluid_comp *c, uint32_t l)
{
    struct ms_fluid_weighted *w = &c->weighted;
    w->sum[l] = 0;
    for (uint32_t e = w->at[l]; e < w->at[l] + w->len[l]; e++) {
        if (w->held[w->owner[e] >> 1].hops >> (w->owner[e] & 1) & 1)
            w->sum[l] += units_of(w, w->owner[e], l);
    }
    w->top[l] = w->sum[l];
}

/* ---- lists ---- */

/* Twice the space for one link's list, at the end of the entries. @return false: there is none */
static bool move_list(struct ms_fluid_weighted *w, uint32_t l)
{
    uint32_t space = 2 * w->space[l] + 8;
    if (w->used + space > w->owner_cap)
        return false;
    memcpy(w->owner + w->used, w->owner + w->at[l], w->len[l] * sizeof *w->owner);
    w->at[l] = (uint32_t)w->used;
    w->space[l] = space;
    w->used += space;
    return true;
}

/* @return false: there is no space, lists are to be made anew */
static bool list_flow(struct ms_fluid_weighted *w, uint32_t i)
{
    const struct ms_fluid_held *x = &w->held[i];
    for (uint32_t k = 0; k < x->n_asks; k++) {
        uint32_t l = w->ask[x->ask_at + k].link;
        if (w->len[l] == w->space[l] && !move_list(w, l))
            return false;
        w->owner[w->at[l] + w->len[l]++] = 2 * i + (k >= x->n_first);
    }
    return true;
}

/* Lists keep the space they once had; where flows have come since they were made, they are given
 * more, and so are all together: for some that double theirs. */
static bool make_lists(struct ms_fluid_comp *c)
{
    struct ms_fluid_weighted *w = &c->weighted;
    bool grows = w->listed > 0 && w->listed < w->n;
    size_t at = 0;
    memset(w->len, 0, c->m * sizeof *w->len);
    for (size_t k = 0; k < w->n_asks; k++)
        w->len[w->ask[k].link]++;
    for (uint32_t l = 0; l < c->m; l++) {
        uint32_t want = w->len[l] + (grows ? w->len[l] / SLACK + SLACK : 0);
        w->space[l] = want > w->space[l] ? want : w->space[l];
        w->at[l] = (uint32_t)at;
        w->len[l] = 0;
        at += w->space[l];
    }
    w->used = at;
    at += grows ? at / SLACK : 0;
    assert(at < UINT32_MAX);
    if (at > w->owner_cap) {
        free(w->owner);
        w->owner = ms_huge_alloc(at * sizeof *w->owner);
        w->owner_cap = w->owner ? at : 0;
    }
    for (uint32_t i = 0; i < w->n && (w->owner || at == 0); i++)
        list_flow(w, i); /* there is space */
    w->stale = false;
    return w->owner || at == 0;
}

static void move_flow(struct ms_fluid_weighted *w, uint32_t from, uint32_t to, size_t ask_at)
{
    struct ms_fluid_held *x = &w->held[to];
    *x = w->held[from];
    if (x->n_asks && ask_at != x->ask_at)
        memmove(w->ask + ask_at, w->ask + x->ask_at, x->n_asks * sizeof *w->ask);
    x->ask_at = (uint32_t)ask_at;
    w->left[to] = w->left[from];
    w->flow[to] = w->flow[from];
    if (w->chain)
        w->chain[to] = w->chain[from];
    if (w->ceiling)
        w->ceiling[to] = w->ceiling[from];
}

/* Lists anew, of flows that stand close. */
static bool make_anew(struct ms_fluid_comp *c)
{
    struct ms_fluid_weighted *w = &c->weighted;
    uint32_t to = 0, listed = 0;
    size_t ask_at = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        if (!w->held[i].hops)
            continue;
        listed += i < w->listed;
        move_flow(w, i, to, ask_at);
        ask_at += w->held[to++].n_asks;
    }
    w->n = to;
    w->listed = listed;
    w->dead = 0;
    w->n_asks = ask_at;
    return make_lists(c);
}

bool ms_fluid_weighted_tidy(struct ms_fluid_comp *c)
{
    struct ms_fluid_weighted *w = &c->weighted;
    w->stale |= w->n - w->listed > w->listed / 4 + 32 || w->dead > w->n / 8 + 32;
    for (uint32_t i = w->listed; i < w->n && !w->stale; i++)
        w->stale = !list_flow(w, i);
    if (w->stale && !make_anew(c))
        return false;
    w->listed = w->n;
    for (uint32_t l = 0; l < c->m_shared; l++) {
        if (w->sum[l] < MS_FLUID_LITTLE * w->top[l])
            form_sum(c, l);
    }
    return true;
}

/* ---- flows ---- */

static bool reserve(struct ms_fluid_weighted *w, bool tracing)
{
    size_t want = w->cap + w->cap / 2 + 16;
    if (w->n < w->cap)
        return true;
    struct {
        void *array;
        size_t size;
        bool wanted;
    } a[] = {{&w->left, sizeof *w->left, true},
             {&w->held, sizeof *w->held, true},
             {&w->open, sizeof *w->open, true},
             {&w->flow, sizeof *w->flow, true},
             {&w->chain, sizeof *w->chain, tracing},
             {&w->limit, sizeof *w->limit, tracing},
             {&w->ceiling, sizeof *w->ceiling, w->ceiling != NULL}};
    for (size_t k = 0; k < sizeof a / sizeof *a; k++) {
        size_t cap = w->cap;
        if (a[k].wanted && !ms_fluid_grow(a[k].array, &cap, want, a[k].size))
            return false;
    }
    w->cap = want;
    return true;
}

static bool set_ceiling(struct ms_fluid_weighted *w, uint32_t i, const struct asked *hop)
{
    if (!w->ceiling && hop[0].ceiling == INFINITY && hop[1].ceiling == INFINITY)
        return true;
    if (!w->ceiling) {
        if (!(w->ceiling = malloc(w->cap * sizeof *w->ceiling)))
            return false;
        for (uint32_t k = 0; k < i; k++)
            w->ceiling[k] = (struct ms_fluid_ceiling){{INFINITY, INFINITY}, {0, 0}};
    }
    w->ceiling[i] = (struct ms_fluid_ceiling){{hop[0].ceiling, hop[1].ceiling},
                                              {hop[0].ceiling_link, hop[1].ceiling_link}};
    return true;
}

bool ms_fluid_weighted_add(struct ms_fluid *f, struct ms_fluid_comp *c,
                           const struct ms_fluid_wait *flow, double left, uint8_t hops,
                           uint32_t chain)
{
    struct ms_fluid_weighted *w = &c->weighted;
    struct asked hop[2];
    uint32_t i = w->n;
    assert(!c->crediting && i < UINT32_MAX / 2);
    if (!reserve(w, f->tracing) || !ask_all(f, c, i, flow, hop))
        return false;
    lift_ceiling(c, &hop[1]);
    w->n_asks = hop[1].first; /* the first hop's alone for a moment */
    lift_ceiling(c, &hop[0]);
    w->n_asks = hop[0].first + w->held[i].n_asks;
    if (!set_ceiling(w, i, hop))
        return false;
    w->left[i] = left;
    w->held[i].hops = hops;
    w->flow[i] = *flow;
    if (f->tracing)
        w->chain[i] = chain;
    w->n++;
    c->n_live++;
    count_in(c, i);
    return true;
}

bool ms_fluid_weighted_over(struct ms_fluid_comp *c, uint32_t flow)
{
    struct ms_fluid_weighted *w = &c->weighted;
    const struct ms_fluid_more *m =
        w->flow[flow].route == MS_FLUID_NONE ? w->flow[flow].more : NULL;
    struct ms_fluid_held *x = &w->held[flow];
    uint8_t was = x->hops;
    count_out(c, flow);
    x->level = 0;
    if (!m || m->chunk == 0 || was == MS_FLUID_SECOND) {
        w->left[flow] = INFINITY;
        x->hops = 0;
        w->dead++;
        c->n_live--;
        return true;
    }
    bool steady = was == MS_FLUID_FIRST && m->bytes > m->chunk;
    x->hops = steady ? MS_FLUID_BOTH : MS_FLUID_SECOND;
    w->left[flow] = (steady ? m->bytes - m->chunk : m->chunk) / m->share;
    count_in(c, flow);
    return false;
}

uint32_t ms_fluid_weighted_sinks(const struct ms_fluid_weighted *w, uint32_t flow,
                                 const uint32_t **sinks)
{
    const struct ms_fluid_wait *x = &w->flow[flow];
    if (x->route != MS_FLUID_NONE) {
        *sinks = x->sink;
        return ms_fluid_n_sinks(x->sink);
    }
    const struct ms_fluid_more *m = x->more;
    uint8_t hops = w->held[flow].hops;
    bool first_over = hops == MS_FLUID_BOTH || (hops == MS_FLUID_FIRST && !(m->bytes > m->chunk));
    bool last = m->chunk == 0 || hops == MS_FLUID_SECOND;
    uint32_t from = last && m->chunk != 0 ? m->n_sent : 0;
    *sinks = m->sink + from;
    return last ? m->n_sinks - from : first_over ? m->n_sent : 0;
}
