/* Flows that are more than one route and two sinks: what the caller's lists say is copied once, when
 * they are added, and goes when the last flow of that call has ended. */
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "sim/fluid/fluid_internal.h"

bool ms_fluid_more_needed(const struct ms_fluid *f, const struct ms_fluid_flow *flow)
{
    return flow->route == MS_FLUID_NO_ROUTE || ms_fluid_winds(f, flow->route) || flow->n_with ||
           flow->n_then || flow->n_also > 1 || (flow->share != 0 && flow->share != 1);
}

/* Where the lists of a block's flows go. */
struct cursor {
    struct ms_fluid_use *use;
    uint32_t *sink;
};

static void put_use(struct cursor *c, double weight, uint32_t route, uint32_t *n)
{
    if (!(weight > 0))
        return;
    *c->use++ = (struct ms_fluid_use){weight, route};
    ++*n;
}

/* What the first hop waits for comes first among the sinks, the flow's own last. */
static void put_sinks(struct cursor *c, const struct ms_fluid_flow *flow, struct ms_fluid_more *m)
{
    m->sink = c->sink;
    for (uint32_t i = 0; i < flow->n_also; i++)
        *c->sink++ = flow->also[i];
    if (flow->sink != MS_FLUID_NO_SINK)
        *c->sink++ = flow->sink;
    m->n_sinks = (uint32_t)(c->sink - m->sink);
    m->n_sent = flow->n_then ? flow->n_sent : 0;
}

static void fill(struct ms_fluid_more *m, const struct ms_fluid_flow *flow, struct cursor *c)
{
    m->bytes = flow->bytes;
    m->share = flow->share > 0 ? flow->share : 1;
    m->use = c->use;
    if (flow->route != MS_FLUID_NO_ROUTE)
        put_use(c, 1, flow->route, &m->n_first);
    for (uint32_t i = 0; i < flow->n_with; i++)
        put_use(c, flow->with[i].weight, flow->with[i].route, &m->n_first);
    for (uint32_t i = 0; i < flow->n_then; i++)
        put_use(c, flow->then[i].weight, flow->then[i].route, &m->n_then);
    m->chunk = flow->chunk_bytes < flow->bytes ? flow->chunk_bytes : flow->bytes;
    m->chunk = m->n_then ? m->chunk : 0;
    put_sinks(c, flow, m);
}

bool ms_fluid_more_make(struct ms_fluid *f, const struct ms_fluid_flow *flows, size_t n,
                        struct ms_fluid_block **out)
{
    size_t n_more = 0, n_uses = 0, n_sinks = 0;
    for (size_t i = 0; i < n; i++) {
        if (!ms_fluid_more_needed(f, &flows[i]))
            continue;
        n_more++;
        n_uses += 1 + (size_t)flows[i].n_with + flows[i].n_then;
        n_sinks += 1 + (size_t)flows[i].n_also;
    }
    *out = NULL;
    if (n_more == 0)
        return true;
    struct ms_fluid_block *b =
        ms_huge_alloc(sizeof *b + n_more * sizeof *b->more + n_uses * sizeof *b->more->use +
                      n_sinks * sizeof(uint32_t));
    if (!b)
        return false;
    struct cursor c = {.use = (struct ms_fluid_use *)(b->more + n_more)};
    c.sink = (uint32_t *)(c.use + n_uses);
    *b = (struct ms_fluid_block){.next = f->block, .at = &f->block, .n_left = (uint32_t)n_more};
    if (b->next)
        b->next->at = &b->next;
    f->block = b;
    memset(b->more, 0, n_more * sizeof *b->more);
    struct ms_fluid_more *m = b->more;
    for (size_t i = 0; i < n; i++) {
        if (!ms_fluid_more_needed(f, &flows[i]))
            continue;
        fill(m, &flows[i], &c);
        m++->block = b;
    }
    *out = b;
    return true;
}

void ms_fluid_more_drop(struct ms_fluid_more *more)
{
    struct ms_fluid_block *b = more->block;
    if (--b->n_left)
        return;
    *b->at = b->next;
    if (b->next)
        b->next->at = b->at;
    free(b);
}

void ms_fluid_more_finish(struct ms_fluid *f)
{
    while (f->block) {
        struct ms_fluid_block *next = f->block->next;
        free(f->block);
        f->block = next;
    }
}
