/* Collects and checks Slurm's switches and nodes: each described once, each below one switch,
 * none above itself; and hands over the names where cables come from elsewhere. */
#include "import/slurm_tree.h"

#include <stdlib.h>
#include <string.h>

#include "import/hostlist.h"

/* For whom a list is read. */
struct owner {
    struct ms_slurm_tree *t;
    int sw;
};

struct ms_slurm_switch *ms_slurm_switch(struct ms_slurm_tree *t, const char *name)
{
    size_t known = t->switches.n, i = ms_strings_add(&t->switches, name);
    if (i >= t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 256;
        struct ms_slurm_switch *p = realloc(t->sw, cap * sizeof *p);
        if (!p) {
            t->m->failed = true;
            return NULL;
        }
        t->sw = p;
        t->cap = cap;
    }
    if (t->switches.n > known)
        t->sw[i] = (struct ms_slurm_switch){.name = t->switches.text[i], .parent = -1};
    return &t->sw[i];
}

static enum ms_status add_child(void *ctx, const char *name)
{
    const struct owner *o = ctx;
    struct ms_slurm_switch *c = ms_slurm_switch(o->t, name);
    if (!c)
        return MS_NOMEM;
    if (c->parent >= 0 && c->parent != o->sw)
        return ms_reading_error(o->t->r, "switch '%s' is below '%s' and below '%s'", name,
                                o->t->sw[c->parent].name, o->t->sw[o->sw].name);
    c->parent = o->sw;
    return MS_OK;
}

static enum ms_status add_node(void *ctx, const char *name)
{
    const struct owner *o = ctx;
    struct ms_slurm_tree *t = o->t;
    size_t i = (size_t)ms_map_node(t->m, name);
    if (i >= t->cap_nodes) {
        size_t cap = t->cap_nodes ? 2 * t->cap_nodes : 256;
        int *p = realloc(t->leaf_of, cap * sizeof *p);
        if (!p)
            return MS_NOMEM;
        for (size_t k = t->cap_nodes; k < cap; k++)
            p[k] = -1;
        t->leaf_of = p;
        t->cap_nodes = cap;
    }
    if (t->leaf_of[i] >= 0 && t->leaf_of[i] != o->sw)
        return ms_reading_error(t->r, "node '%s' is on '%s' and on '%s'", name,
                                t->sw[t->leaf_of[i]].name, t->sw[o->sw].name);
    t->sw[o->sw].n_nodes += t->leaf_of[i] < 0;
    t->leaf_of[i] = o->sw;
    return MS_OK;
}

/* scontrol's inner switches list all nodes below them, which are no hosts of theirs. */
enum ms_status ms_slurm_add(struct ms_slurm_tree *t, const char *name, const char *nodes,
                            const char *switches)
{
    struct ms_slurm_switch *s = ms_slurm_switch(t, name);
    if (!s)
        return MS_NOMEM;
    if (s->line)
        return ms_reading_error(t->r, "a second '%s'; the first is on line %d", name, s->line);
    struct owner owner = {t, (int)(s - t->sw)};
    s->line = t->r->line;
    if (switches && *switches && strcmp(switches, "(null)") != 0)
        return ms_hostlist(t->r, switches, add_child, &owner);
    return nodes && *nodes ? ms_hostlist(t->r, nodes, add_node, &owner)
                           : ms_reading_error(t->r, "'%s' has neither nodes nor switches", name);
}

void ms_slurm_find_heights(struct ms_slurm_tree *t)
{
    for (size_t i = 0; i < t->switches.n; i++)
        t->sw[i].height = 0;
    for (size_t i = 0; i < t->switches.n; i++)
        for (int p = t->sw[i].parent, height = 1; p >= 0; p = t->sw[p].parent, height++)
            t->sw[p].height = height > t->sw[p].height ? height : t->sw[p].height;
}

static bool in_cycle(const struct ms_slurm_tree *t, int i)
{
    int p = t->sw[i].parent;
    for (size_t steps = 0; p >= 0 && p != i && steps < t->switches.n; steps++)
        p = t->sw[p].parent;
    return p == i;
}

static enum ms_status check(struct ms_slurm_tree *t)
{
    if (t->switches.n == 0)
        return ms_reading_error(t->r, "no SwitchName and no BlockName");
    for (size_t i = 0; i < t->switches.n; i++) {
        t->r->line = t->sw[i].line;
        if (in_cycle(t, (int)i))
            return ms_reading_error(t->r, "switch '%s' is above itself: a cycle", t->sw[i].name);
        if (!t->sw[i].line)
            return ms_reading_error(t->r, "switch '%s' is named, but no line describes it",
                                    t->sw[i].name);
    }
    return t->m->nodes.n ? MS_OK : ms_reading_error(t->r, "no node is left");
}

/* Names for whoever has cables: leaf_of goes to the choice, which frees it. */
static enum ms_status hand_over(struct ms_slurm_tree *t)
{
    struct ms_slurm *c = t->r->choice;
    for (size_t i = 0; i < t->switches.n; i++)
        c->leaves.failed |= ms_strings_add(&c->leaves, t->sw[i].name) != i;
    c->leaf = t->leaf_of;
    t->leaf_of = NULL;
    c->path = t->r->path;
    c->blocks = t->blocks.n > 0;
    return MS_OK;
}

enum ms_status ms_slurm_end(struct ms_slurm_tree *t, enum ms_status s)
{
    if (s == MS_OK)
        s = check(t);
    if (s == MS_OK)
        s = t->r->choice ? hand_over(t) : ms_slurm_map(t);
    bool nomem = t->m->failed || t->switches.failed || t->blocks.failed;
    ms_strings_finish(&t->switches);
    ms_strings_finish(&t->blocks);
    ms_strings_finish(&t->block_sizes);
    free(t->sw);
    free(t->leaf_of);
    return nomem ? MS_NOMEM : s;
}
