/* Slurm's switches as a map: NICs as options or the insides of nodes say, uplinks by
 * --oversubscription; blocks as leaves or NVLink domains, as --block-is says. */
#include <stdlib.h>
#include <string.h>

#include "import/slurm_tree.h"

/* "2,3": of a level, counted from 1; the last one holds for all above. 0: not given */
static double ratio_of(const char *list, int level)
{
    double v = 0;
    for (const char *p = list; p && level > 0; level--) {
        char *end;
        v = strtod(p, &end);
        if (*end != ',')
            return v;
        p = end + 1;
    }
    return v;
}

static bool has_insides(const struct ms_slurm_tree *t)
{
    return t->r->insides && t->r->insides->n > 0;
}

static bool insides_say_rates(const struct ms_slurm_tree *t)
{
    for (int i = 0; has_insides(t) && i < t->r->insides->n; i++)
        for (int k = 0; k < t->r->insides->in[i]->n_nics; k++)
            if (t->r->insides->in[i]->nic[k].compute && t->r->insides->in[i]->nic[k].rate_Bps < 0)
                return false;
    return has_insides(t);
}

/* What the file does not say must be given. */
static enum ms_status need_options(struct ms_slurm_tree *t)
{
    const struct ms_import_options *o = t->r->o;
    bool inner = false;
    for (size_t i = 0; i < t->switches.n; i++)
        inner |= t->sw[i].parent >= 0;
    t->r->line = 0;
    if (o->link_rate_Bps <= 0 && !insides_say_rates(t))
        return ms_reading_error(t->r, "Slurm's topology says no rates: give --link-rate RATE (of a "
                                      "NIC), or NCCL's topology of a node");
    if (o->gpus_per_node <= 0 && !has_insides(t))
        return ms_reading_error(t->r, "Slurm's topology says no GPUs: give --gpus-per-node N, or "
                                      "NCCL's topology of a node");
    if (inner && !o->oversubscription)
        return ms_reading_error(t->r, "a switch above others stands for a layer of spines, and the "
                                      "file counts no cables: give --oversubscription X (or "
                                      "X,Y,…: a level each, from the leaves up)");
    return MS_OK;
}

static void add_nic(struct ms_slurm_tree *t, size_t node, const char *name, double rate_Bps)
{
    struct ms_slurm_switch *leaf = &t->sw[t->leaf_of[node]];
    char id[600];
    snprintf(id, sizeof id, "%s/%s", t->m->nodes.text[node], name);
    int nic = ms_map_add_nic(t->m, id, name, (int)node);
    ms_map_add_cable(t->m, ~nic, leaf->place, rate_Bps, -1);
    leaf->down_Bps += rate_Bps;
}

/* The ports that carry the exchange, as the inside of the node says. */
static void add_inside(struct ms_slurm_tree *t, size_t node, const struct ms_inside *in)
{
    double given = t->r->o->link_rate_Bps;
    for (int k = 0; k < in->n_nics && !t->m->failed; k++)
        for (int p = 0; p < in->nic[k].n_ports && in->nic[k].compute; p++)
            add_nic(t, node, in->nic[k].port[p],
                    given > 0 ? given : in->nic[k].rate_Bps / in->nic[k].n_ports);
}

/* All NICs of all nodes, on their leaves. */
static void add_nics(struct ms_slurm_tree *t, int nics)
{
    int without = 0;
    char name[32];
    for (size_t node = 0; node < t->m->nodes.n && !t->m->failed; node++) {
        const struct ms_inside *in =
            has_insides(t) ? ms_inside_of(t->r->insides, t->m->nodes.text[node]) : NULL;
        without += has_insides(t) && !in;
        if (in)
            add_inside(t, node, in);
        for (int k = 0; k < nics && !has_insides(t) && !t->m->failed; k++) {
            snprintf(name, sizeof name, "nic%d", k);
            add_nic(t, node, name, t->r->o->link_rate_Bps);
        }
    }
    if (without)
        ms_map_note(t->m, "%d nodes match no topology file of a node: left out", without);
}

/* Level by level: each parent gets what its children send up. */
static void add_uplinks(struct ms_slurm_tree *t)
{
    for (int level = 1, more = 1; more; level++) {
        double x = ratio_of(t->r->o->oversubscription, level);
        more = 0;
        for (size_t i = 0; i < t->switches.n; i++) {
            struct ms_slurm_switch *s = &t->sw[i];
            if (s->parent < 0 || s->height != level - 1)
                continue;
            double up = s->down_Bps / (x > 0 ? x : 1);
            more = 1;
            if (up > 0)
                ms_map_add_cable(t->m, s->place, t->sw[s->parent].place, up, -1);
            t->sw[s->parent].down_Bps += up;
        }
    }
}

static void build(struct ms_slurm_tree *t)
{
    const struct ms_import_options *o = t->r->o;
    int each = o->gpus_per_nic > 0 ? o->gpus_per_nic : 1, nics = o->gpus_per_node / each;
    nics = nics < 1 ? 1 : nics;
    for (size_t i = 0; i < t->switches.n; i++)
        t->sw[i].place = ms_map_add_switch(t->m, t->sw[i].name, t->sw[i].name);
    add_nics(t, nics);
    add_uplinks(t);
    if (has_insides(t))
        ms_map_assume(t->m, "every NIC of a node is on the node's leaf%s",
                      o->link_rate_Bps > 0 ? ", at the given rate (--link-rate)" : "");
    else
        ms_map_assume(t->m,
                      "%d NICs a node of the given rate, %d GPU%s each (--gpus-per-node, "
                      "--gpus-per-nic, --link-rate)",
                      nics, each, each == 1 ? "" : "s");
    if (o->oversubscription)
        ms_map_assume(t->m,
                      "uplinks: what is below divided by %s, as one trunk each "
                      "(--oversubscription)",
                      o->oversubscription);
}

static void tree_facts(struct ms_slurm_tree *t)
{
    int leaves = 0, roots = 0, levels = 0, at[32] = {0};
    struct ms_buf by = {0};
    for (size_t i = 0; i < t->switches.n; i++) {
        int d = t->sw[i].height;
        leaves += t->sw[i].n_nodes > 0;
        roots += t->sw[i].parent < 0;
        levels = d + 1 > levels ? d + 1 : levels;
        at[d < 31 ? d : 31]++;
    }
    for (int d = 0; d < levels && d < 32; d++)
        ms_buf_printf(&by, "%s%d:%d", d ? " " : "", d + 1, at[d]);
    ms_map_fact(t->m, "topology/tree: %zu switches, %d leaves, %d roots, %d levels (%s), %zu nodes",
                t->switches.n, leaves, roots, levels, by.p ? by.p : "", t->m->nodes.n);
    if (roots > 1)
        ms_map_note(t->m, "%d roots: the file does not join their pieces", roots);
    ms_buf_finish(&by);
}

static void block_facts(struct ms_slurm_tree *t)
{
    int smallest = 1 << 30, largest = 0;
    for (size_t i = 0; i < t->switches.n; i++) {
        smallest = t->sw[i].n_nodes < smallest ? t->sw[i].n_nodes : smallest;
        largest = t->sw[i].n_nodes > largest ? t->sw[i].n_nodes : largest;
    }
    ms_map_fact(t->m, "topology/block: %zu blocks, %zu nodes, %d to %d a block, block sizes %s",
                t->blocks.n, t->m->nodes.n, smallest, largest,
                t->block_sizes.n ? t->block_sizes.text[0] : "not given");
}

/* What blocks are, neither the file says nor what joins them. */
static enum ms_status need_block_options(struct ms_slurm_tree *t, bool *nvlink)
{
    const struct ms_import_options *o = t->r->o;
    t->r->line = 0;
    if (!o->block_is || (strcmp(o->block_is, "nvlink") && strcmp(o->block_is, "leaf")))
        return ms_reading_error(t->r, "a block is an NVLink domain only by convention: say "
                                      "--block-is nvlink or --block-is leaf");
    *nvlink = !strcmp(o->block_is, "nvlink");
    enum ms_status s = need_options(t);
    if (s == MS_OK && *nvlink && o->nvlink_Bps <= 0 && !has_insides(t))
        s = ms_reading_error(t->r, "a block as NVLink domain needs --nvlink RATE (of a GPU)");
    if (s == MS_OK && !*nvlink && t->switches.n > 1 && !o->oversubscription)
        s = ms_reading_error(t->r, "leaves need --oversubscription X for their uplinks");
    return s;
}

/* Blocks as leaves: a switch above all. */
static enum ms_status join_leaves(struct ms_slurm_tree *t)
{
    if (!ms_slurm_switch(t, "spine"))
        return MS_NOMEM;
    int top = (int)ms_strings_find(&t->switches, "spine");
    for (int i = 0; i < (int)t->switches.n; i++)
        if (i != top)
            t->sw[i].parent = top;
    ms_slurm_find_heights(t);
    ms_map_assume(t->m, "the leaves meet in one layer of spines: the file joins no blocks");
    return MS_OK;
}

/* Blocks as NVLink domains: one ideal switch for the network, a domain a block. */
static void join_domains(struct ms_slurm_tree *t)
{
    struct ms_map *m = t->m;
    for (int k = 0; k < m->n_cables; k++)
        m->cable[k].b = 0;
    m->n_switches = 1;
    m->sw[0].name = m->sw[0].id = "network";
    m->block_of_node = MS_NEW(&m->arena, int, m->nodes.n + 1);
    for (size_t n = 0; m->block_of_node && n < m->nodes.n; n++)
        m->block_of_node[n] = t->leaf_of[n];
    m->failed |= !m->block_of_node;
    m->n_blocks = t->switches.n;
    ms_map_assume(m,
                  "a block is an NVLink domain (--block-is), and one switch without limits joins "
                  "all: the file says nothing about the network");
}

static enum ms_status map_blocks(struct ms_slurm_tree *t)
{
    bool nvlink = false;
    block_facts(t);
    enum ms_status s = need_block_options(t, &nvlink);
    if (s == MS_OK && !nvlink && t->switches.n > 1)
        s = join_leaves(t);
    if (s != MS_OK)
        return s;
    build(t);
    if (nvlink)
        join_domains(t);
    return MS_OK;
}

enum ms_status ms_slurm_map(struct ms_slurm_tree *t)
{
    ms_slurm_find_heights(t);
    if (t->blocks.n)
        return map_blocks(t);
    tree_facts(t);
    enum ms_status s = need_options(t);
    if (s == MS_OK)
        build(t);
    return s;
}
