/* Decides which plans are tried: each changes one kind of thing. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "advise/advise.h"
#include "demand/replica.h"
#include "place/place.h"
#include "sim/exchange.h"

static struct ms_advice *add(struct ms_advised *a)
{
    if (a->n == MS_PLANS_MOST)
        return NULL;
    struct ms_advice *p = &a->all[a->n++];
    *p = (struct ms_advice){0};
    return p;
}

static void set(struct ms_advice *p, const char *fmt, ...)
{
    va_list ap;
    if (!p || p->n_sets == MS_PLAN_SETS)
        return;
    va_start(ap, fmt);
    vsnprintf(p->set[p->n_sets++], sizeof p->set[0], fmt, ap);
    va_end(ap);
}

/* Spare experts that fill whole slots on every rank: as few as fit, one and two more a rank. */
static void placements(struct ms_advised *a, const struct ms_scenario *s, int ranks)
{
    int least = (ranks - s->model.experts % ranks) % ranks;
    for (int more = 0; more < 3; more++)
        for (const struct ms_place_strategy *const *k = ms_place_strategies(); *k; k++) {
            int spare = least + more * ranks;
            if (!(*k)->needs_load || (*k)->needs_follows || s->routing.source == MS_SOURCE_MATRIX)
                continue;
            for (const struct ms_replica_choice *const *c = ms_replica_choices(); *c; c++) {
                bool keeps = (*c)->keeps_plan;
                if (!keeps || (spare == 0 && (*c)->split))
                    continue;
                struct ms_advice *p = add(a);
                set(p, "placement.strategy=%s", (*k)->name);
                if (spare != s->placement.redundant_experts)
                    set(p, "placement.redundant_experts=%d", spare);
                if (spare > 0)
                    set(p, "placement.replica_choice=%s", (*c)->name);
            }
        }
}

static void exchanges(struct ms_advised *a, const struct ms_scenario *s)
{
    for (const struct ms_exchange *const *x = ms_exchanges(); *x; x++) {
        bool same = strcmp((*x)->name, s->sim.exchange.algorithm) == 0;
        for (int w = 4; (*x)->windowed && w <= 16; w *= 2)
            if (!same || s->sim.exchange.window != w) {
                struct ms_advice *p = add(a);
                if (!same)
                    set(p, "exchange.algorithm=%s", (*x)->name);
                set(p, "exchange.window=%d", w);
            }
        if (!same && !(*x)->windowed)
            set(add(a), "exchange.algorithm=%s", (*x)->name);
    }
}

/* Another number of tokens at a time, and two groups of half the ranks: other work, for throughput. */
static void workloads(struct ms_advised *a, const struct ms_scenario *s, int ranks)
{
    const struct ms_tokens *t = &s->workload.tokens;
    if (t->kind == MS_TOKENS_EQUAL && s->routing.source != MS_SOURCE_MATRIX)
        for (int i = 0; i < 2; i++) {
            struct ms_advice *p = add(a);
            set(p, "workload.tokens_per_rank=%lld", (long long)(i ? t->count * 2 : t->count / 2));
            if (p)
                p->other_work = true;
        }
    if (ranks % 2 == 0 && s->model.experts % (ranks / 2) == 0 &&
        s->routing.source != MS_SOURCE_MATRIX) {
        struct ms_advice *p = add(a);
        set(p, "workload.ranks=%d", ranks / 2);
        set(p, "workload.groups=%d", s->workload.groups * 2);
        if (p)
            p->other_work = true;
    }
}

static void platform_files(struct ms_advised *a, const char *platforms)
{
    while (platforms && *platforms) {
        size_t n = strcspn(platforms, ",");
        if (n > 0)
            set(add(a), "platform=%.*s", (int)n, platforms);
        platforms += platforms[n] ? n + 1 : n;
    }
}

void ms_advise_candidates(struct ms_advised *a, const struct ms_scenario *s,
                          const struct ms_platform *p, const char *platforms)
{
    int groups = s->workload.groups > 0 ? s->workload.groups : 1;
    int ranks = s->workload.ranks > 0 ? s->workload.ranks : p->n_hosts / groups;
    add(a); /* what is there */
    placements(a, s, ranks);
    exchanges(a, s);
    platform_files(a, platforms);
    workloads(a, s, ranks);
}

void ms_advise_combine(struct ms_advised *a, const struct ms_advice *x, const struct ms_advice *y)
{
    struct ms_advice *p = x->n_sets + y->n_sets <= MS_PLAN_SETS ? add(a) : NULL;
    for (int i = 0; p && i < x->n_sets; i++)
        set(p, "%s", x->set[i]);
    for (int i = 0; p && i < y->n_sets; i++)
        set(p, "%s", y->set[i]);
}
