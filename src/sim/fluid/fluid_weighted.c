/* The flows of a weighted component: what each asks of which link, the list of each link's flows,
 * and how a stream goes from part to part. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fluid/fluid_internal.h"

/* Sums of weights are formed anew when so little of them is left that what was taken off them no
 * longer is: 16 decades of weights may stand side by side. */
#define LITTLE 1e-6

bool ms_fluid_weighted_init(struct ms_fluid_weighted *w, uint32_t m)
{
    void *state;
    w->at = calloc(m + 1, sizeof *w->at);
    w->len = calloc(m + 1, sizeof *w->len);
    w->space = calloc(m + 1, sizeof *w->space);
    w->sum = calloc(m + 1, sizeof *w->sum);
    w->top = calloc(m + 1, sizeof *w->top);
    w->where = calloc(m + 1, sizeof *w->where);
    w->least = calloc(m + 1, sizeof *w->least);
    w->key = calloc(m + 1, sizeof *w->key);
    if (posix_memalign(&state, 64, ((size_t)m + 1) * sizeof *w->state) == 0)
        w->state = memset(state, 0, ((size_t)m + 1) * sizeof *w->state);
    w->reach = 0.02;
    w->on = w->stale = true;
    return w->at && w->len && w->space && w->sum && w->top && w->where && w->least && w->key &&
           w->state;
}

void ms_fluid_weighted_finish(struct ms_fluid_weighted *w)
{
    free(w->left), free(w->level), free(w->credit), free(w->hops), free(w->open), free(w->use_at);
    free(w->n_first), free(w->n_uses), free(w->flow), free(w->chain), free(w->limit);
    free(w->ceiling), free(w->link), free(w->weight), free(w->at), free(w->len), free(w->space);
    free(w->owner), free(w->sum), free(w->top), free(w->where), free(w->state), free(w->least);
    free(w->key), free(w->capped);
    *w = (struct ms_fluid_weighted){0};
}

/* ---- a flow's uses ---- */

void ms_fluid_weighted_uses(const struct ms_fluid_weighted *w, uint32_t flow, size_t *from,
                            size_t *to)
{
    size_t at = w->use_at[flow];
    *from = w->hops[flow] & MS_FLUID_FIRST ? at : at + w->n_first[flow];
    *to = w->hops[flow] & MS_FLUID_SECOND ? at + w->n_uses[flow] : at + w->n_first[flow];
}

struct asked { /* by one hop of the flow at hand */
    size_t first;
    double ceiling; /* in units of level */
    uint32_t ceiling_link;
};

/* A route at so many units a unit of level. Shared links add up, of fatpipes the worst counts. */
static bool ask(const struct ms_fluid *f, struct ms_fluid_comp *c, uint32_t route, double weight,
                struct asked *a)
{
    struct ms_fluid_weighted *w = &c->weighted;
    for (size_t h = f->off[route]; h < f->off[route + 1]; h++) {
        uint32_t g = f->hop[h], l = f->local_of[g];
        if (f->fat[g]) {
            double level = f->capacity[g] / weight;
            if (level < a->ceiling)
                a->ceiling = level, a->ceiling_link = g;
            continue;
        }
        if (!f->kept[g])
            continue;
        size_t u = w->where[l];
        if (u >= a->first && u < w->n_use && w->link[u] == l) {
            w->weight[u] += weight;
            continue;
        }
        size_t cap = w->use_cap;
        if (!ms_fluid_grow(&w->link, &cap, w->n_use + 1, sizeof *w->link) ||
            !ms_fluid_grow(&w->weight, &w->use_cap, w->n_use + 1, sizeof *w->weight))
            return false;
        w->where[l] = (uint32_t)w->n_use;
        w->link[w->n_use] = l;
        w->weight[w->n_use++] = weight;
    }
    return true;
}

/* A ceiling that the hop's own shared links undercut is none. */
static void lift_ceiling(const struct ms_fluid_comp *c, struct asked *a)
{
    const struct ms_fluid_weighted *w = &c->weighted;
    for (size_t u = a->first; u < w->n_use; u++) {
        if (c->capacity[w->link[u]] <= a->ceiling * w->weight[u])
            a->ceiling = INFINITY;
    }
}

static bool ask_all(const struct ms_fluid *f, struct ms_fluid_comp *c, uint32_t i,
                    const struct ms_fluid_wait *x, struct asked *hop)
{
    struct ms_fluid_weighted *w = &c->weighted;
    const struct ms_fluid_more *m = x->route == MS_FLUID_NONE ? x->more : NULL;
    uint32_t n_first = m ? m->n_first : 1, n = m ? n_first + m->n_then : 1;
    w->use_at[i] = (uint32_t)w->n_use;
    hop[0] = hop[1] = (struct asked){w->n_use, INFINITY, MS_FLUID_NONE};
    for (uint32_t k = 0; k < n; k++) {
        uint32_t route = m ? m->use[k].route : x->route;
        if (k == n_first)
            hop[1].first = w->n_use;
        if (!ask(f, c, route, m ? m->use[k].weight * m->share : 1, &hop[k >= n_first]))
            return false;
    }
    if (n == n_first)
        hop[1].first = w->n_use;
    assert(w->n_use < UINT32_MAX && w->n_use - hop[0].first <= UINT16_MAX);
    w->n_first[i] = (uint16_t)(hop[1].first - hop[0].first);
    w->n_uses[i] = (uint16_t)(w->n_use - hop[0].first);
    return true;
}

/* ---- what is under way ---- */

static void count_in(struct ms_fluid_comp *c, uint32_t i)
{
    struct ms_fluid_weighted *w = &c->weighted;
    size_t u, to;
    for (ms_fluid_weighted_uses(w, i, &u, &to); u < to; u++) {
        uint32_t l = w->link[u];
        c->crowd[l]++;
        w->sum[l] += w->weight[u];
        w->top[l] = w->sum[l] > w->top[l] ? w->sum[l] : w->top[l];
    }
}

static void count_out(struct ms_fluid_comp *c, uint32_t i)
{
    struct ms_fluid_weighted *w = &c->weighted;
    size_t u, to;
    for (ms_fluid_weighted_uses(w, i, &u, &to); u < to; u++) {
        uint32_t l = w->link[u];
        assert(c->crowd[l] > 0);
        c->crowd[l]--;
        w->sum[l] -= w->weight[u];
        if (c->crowd[l] == 0)
            w->sum[l] = w->top[l] = 0;
    }
}

/* The weight of a list entry: flows cross few links. */
static double weight_of(const struct ms_fluid_weighted *w, uint32_t entry, uint32_t l)
{
    uint32_t i = entry >> 1;
    size_t u = w->use_at[i] + (entry & 1 ? w->n_first[i] : 0U);
    while (w->link[u] != l)
        u++;
    return w->weight[u];
}

static void form_sum(struct ms_fluid_comp *c, uint32_t l)
{
    struct ms_fluid_weighted *w = &c->weighted;
    w->sum[l] = 0;
    for (uint32_t e = w->at[l]; e < w->at[l] + w->len[l]; e++) {
        uint32_t i = w->owner[e] >> 1;
        if (w->left[i] < INFINITY && w->hops[i] >> (w->owner[e] & 1) & 1)
            w->sum[l] += weight_of(w, w->owner[e], l);
    }
    w->top[l] = w->sum[l];
}

/* ---- lists ---- */

/* Twice the space for one link's list, at the end of the entries. */
static bool move_list(struct ms_fluid_weighted *w, uint32_t l)
{
    uint32_t space = 2 * w->space[l] + 8;
    if (!ms_fluid_grow(&w->owner, &w->owner_cap, w->used + space, sizeof *w->owner))
        return false;
    memcpy(w->owner + w->used, w->owner + w->at[l], w->len[l] * sizeof *w->owner);
    w->at[l] = (uint32_t)w->used;
    w->space[l] = space;
    w->used += space;
    assert(w->used < UINT32_MAX);
    return true;
}

static bool list_flow(struct ms_fluid_weighted *w, uint32_t i)
{
    for (uint32_t k = 0; k < w->n_uses[i]; k++) {
        uint32_t l = w->link[w->use_at[i] + k];
        if (w->len[l] == w->space[l] && !move_list(w, l))
            return false;
        w->owner[w->at[l] + w->len[l]++] = 2 * i + (k >= w->n_first[i]);
    }
    return true;
}

static bool make_lists(struct ms_fluid_comp *c)
{
    struct ms_fluid_weighted *w = &c->weighted;
    size_t at = 0;
    memset(w->len, 0, c->m * sizeof *w->len);
    for (size_t u = 0; u < w->n_use; u++)
        w->len[w->link[u]]++;
    for (uint32_t l = 0; l < c->m; l++) {
        w->space[l] = w->len[l] > w->space[l] ? w->len[l] : w->space[l];
        w->at[l] = (uint32_t)at;
        w->len[l] = 0;
        at += w->space[l];
    }
    assert(at < UINT32_MAX);
    w->used = at;
    if (!ms_fluid_grow(&w->owner, &w->owner_cap, at, sizeof *w->owner))
        return false;
    for (uint32_t i = 0; i < w->n; i++)
        list_flow(w, i); /* there is space */
    w->stale = false;
    return true;
}

static void move_flow(struct ms_fluid_weighted *w, uint32_t from, uint32_t to, size_t use)
{
    if (w->n_uses[from] && use != w->use_at[from]) {
        memmove(w->link + use, w->link + w->use_at[from], w->n_uses[from] * sizeof *w->link);
        memmove(w->weight + use, w->weight + w->use_at[from], w->n_uses[from] * sizeof *w->weight);
    }
    w->left[to] = w->left[from];
    w->level[to] = w->level[from];
    w->hops[to] = w->hops[from];
    w->use_at[to] = (uint32_t)use;
    w->n_first[to] = w->n_first[from];
    w->n_uses[to] = w->n_uses[from];
    w->flow[to] = w->flow[from];
    if (w->chain)
        w->chain[to] = w->chain[from];
    if (w->ceiling)
        w->ceiling[to] = w->ceiling[from];
}

bool ms_fluid_weighted_tidy(struct ms_fluid_comp *c)
{
    struct ms_fluid_weighted *w = &c->weighted;
    if (w->stale || w->dead > w->n / 8 + 32) {
        uint32_t to = 0;
        size_t use = 0;
        for (uint32_t i = 0; i < w->n; i++) {
            if (w->left[i] == INFINITY)
                continue;
            move_flow(w, i, to, use);
            use += w->n_uses[to++];
        }
        w->n = to;
        w->dead = 0;
        w->n_use = use;
        if (!make_lists(c))
            return false;
    }
    for (uint32_t l = 0; l < c->m_shared; l++) {
        if (w->sum[l] < LITTLE * w->top[l])
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
             {&w->level, sizeof *w->level, true},
             {&w->credit, sizeof *w->credit, true},
             {&w->hops, sizeof *w->hops, true},
             {&w->open, sizeof *w->open, true},
             {&w->use_at, sizeof *w->use_at, true},
             {&w->n_first, sizeof *w->n_first, true},
             {&w->n_uses, sizeof *w->n_uses, true},
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
    w->n_use = hop[1].first; /* the first hop's alone for a moment */
    lift_ceiling(c, &hop[0]);
    w->n_use = hop[0].first + w->n_uses[i];
    if (!set_ceiling(w, i, hop))
        return false;
    w->left[i] = left;
    w->level[i] = 0;
    w->hops[i] = hops;
    w->flow[i] = *flow;
    if (f->tracing)
        w->chain[i] = chain;
    w->n++;
    c->n_live++;
    count_in(c, i);
    return w->stale || list_flow(w, i);
}

bool ms_fluid_weighted_over(struct ms_fluid_comp *c, uint32_t flow)
{
    struct ms_fluid_weighted *w = &c->weighted;
    const struct ms_fluid_more *m =
        w->flow[flow].route == MS_FLUID_NONE ? w->flow[flow].more : NULL;
    uint8_t was = w->hops[flow];
    count_out(c, flow);
    w->level[flow] = 0;
    if (!m || !m->chunk || was == MS_FLUID_SECOND) {
        w->left[flow] = INFINITY;
        w->dead++;
        c->n_live--;
        return true;
    }
    bool steady = was == MS_FLUID_FIRST && m->bytes > m->chunk;
    w->hops[flow] = steady ? MS_FLUID_BOTH : MS_FLUID_SECOND;
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
    bool first_over = w->hops[flow] != MS_FLUID_SECOND &&
                      (w->hops[flow] == MS_FLUID_BOTH || !(m->bytes > m->chunk));
    bool last = !m->chunk || w->hops[flow] == MS_FLUID_SECOND;
    uint32_t from = last && m->chunk ? m->n_sent : 0;
    *sinks = m->sink + from;
    return last ? m->n_sinks - from : first_over ? m->n_sent : 0;
}
