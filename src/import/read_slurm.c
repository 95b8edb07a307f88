/* Slurm's topology.conf, what `scontrol show topology` prints, and topology.yaml: switches as a tree,
 * or blocks. No rates, no cables, no GPUs: those come from options, and are said to. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml_tree.h"
#include "import/readers.h"

enum { MAX_NAMES = 200000 };

struct tree_switch {
    const char *name;
    int parent, n_nodes, n_children, line, place;
    double down_Bps;
};

struct book {
    struct ms_reading *r;
    struct ms_map *m;
    struct ms_strings switches, blocks;
    struct tree_switch *sw;
    size_t cap;
    int *leaf_of; /* of each node of the map; -1 */
    size_t cap_nodes;
    struct ms_strings block_sizes;
};

typedef enum ms_status name_fn(struct book *b, const char *name, void *ctx);

/* "n[01-03,7]x[1-2],m": every name. Brackets multiply from left to right. */
static enum ms_status expand_one(struct book *b, const char *prefix, const char *text,
                                 name_fn *each, void *ctx, int *left)
{
    char name[480];
    const char *open = strchr(text, '[');
    size_t lead = open ? (size_t)(open - text) : strlen(text);
    int n = snprintf(name, sizeof name, "%s%.*s", prefix, (int)lead, text);
    if (n < 0 || n >= (int)sizeof name)
        return ms_reading_error(b->r, "a name longer than 480 bytes");
    if (!open)
        return --*left < 0 ? ms_reading_error(b->r, "more than %d names in one list", MAX_NAMES)
                           : each(b, name, ctx);
    const char *close = strchr(open, ']');
    if (!close)
        return ms_reading_error(b->r, "'%.60s': a bracket is never closed", text);
    for (const char *p = open + 1; p < close;) {
        size_t width = strspn(p, "0123456789");
        char *end;
        long from = strtol(p, &end, 10), to = from;
        if (!width || width > 9)
            return ms_reading_error(b->r, "'%.60s': ranges must look like [01-03,7]", text);
        if (*end == '-') {
            if (!isdigit((unsigned char)end[1]))
                return ms_reading_error(b->r, "'%.60s': ranges must look like [01-03,7]", text);
            to = strtol(end + 1, &end, 10);
        }
        if (to < from || to - from > MAX_NAMES || (*end != ',' && end != close))
            return ms_reading_error(b->r, "'%.60s': ranges must look like [01-03,7]", text);
        for (long v = from; v <= to; v++) {
            char head[512];
            snprintf(head, sizeof head, "%s%0*ld", name, (int)width, v);
            enum ms_status s = expand_one(b, head, close + 1, each, ctx, left);
            if (s != MS_OK)
                return s;
        }
        p = end + (*end == ',');
    }
    return MS_OK;
}

/* A list: commas outside brackets part names. */
static enum ms_status expand(struct book *b, const char *list, name_fn *each, void *ctx)
{
    int left = MAX_NAMES;
    enum ms_status s = MS_OK;
    for (const char *p = list; s == MS_OK && *p;) {
        char item[4096];
        size_t n = 0;
        for (bool in = false; p[n] && (in || p[n] != ','); n++)
            in = p[n] == '[' || (in && p[n] != ']');
        if (n >= sizeof item)
            return ms_reading_error(b->r, "a name longer than 4095 bytes");
        snprintf(item, sizeof item, "%.*s", (int)n, p);
        if (n)
            s = expand_one(b, "", item, each, ctx, &left);
        p += n + (p[n] == ',');
    }
    return s;
}

static struct tree_switch *switch_of(struct book *b, const char *name)
{
    size_t known = b->switches.n, i = ms_strings_add(&b->switches, name);
    if (i >= b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 256;
        struct tree_switch *p = realloc(b->sw, cap * sizeof *p);
        if (!p) {
            b->m->failed = true;
            return NULL;
        }
        b->sw = p;
        b->cap = cap;
    }
    if (b->switches.n > known)
        b->sw[i] = (struct tree_switch){.name = b->switches.text[i], .parent = -1};
    return &b->sw[i];
}

static enum ms_status add_child(struct book *b, const char *name, void *ctx)
{
    int parent = *(int *)ctx;
    struct tree_switch *c = switch_of(b, name);
    if (!c)
        return MS_NOMEM;
    if (c->parent >= 0 && c->parent != parent)
        return ms_reading_error(b->r, "switch '%s' is below '%s' and below '%s'", name,
                                b->sw[c->parent].name, b->sw[parent].name);
    c->parent = parent;
    b->sw[parent].n_children++;
    return MS_OK;
}

static enum ms_status add_node(struct book *b, const char *name, void *ctx)
{
    int leaf = *(int *)ctx;
    size_t i = (size_t)ms_map_node(b->m, name);
    if (i >= b->cap_nodes) {
        size_t cap = b->cap_nodes ? 2 * b->cap_nodes : 256;
        int *p = realloc(b->leaf_of, cap * sizeof *p);
        if (!p)
            return MS_NOMEM;
        for (size_t k = b->cap_nodes; k < cap; k++)
            p[k] = -1;
        b->leaf_of = p;
        b->cap_nodes = cap;
    }
    if (b->leaf_of[i] >= 0 && b->leaf_of[i] != leaf)
        return ms_reading_error(b->r, "node '%s' is on '%s' and on '%s'", name,
                                b->sw[b->leaf_of[i]].name, b->sw[leaf].name);
    b->sw[leaf].n_nodes += b->leaf_of[i] < 0;
    b->leaf_of[i] = leaf;
    return MS_OK;
}

/* One switch (or block): name, and the lists it holds. scontrol's inner switches list all nodes
 * below them, which are no hosts of theirs. */
static enum ms_status add_switch(struct book *b, const char *name, const char *nodes,
                                 const char *switches)
{
    struct tree_switch *s = switch_of(b, name);
    if (!s)
        return MS_NOMEM;
    if (s->line)
        return ms_reading_error(b->r, "a second '%s'; the first is on line %d", name, s->line);
    int i = (int)(s - b->sw);
    s->line = b->r->line;
    if (switches && *switches && strcmp(switches, "(null)") != 0)
        return expand(b, switches, add_child, &i);
    return nodes && *nodes ? expand(b, nodes, add_node, &i)
                           : ms_reading_error(b->r, "'%s' has neither nodes nor switches", name);
}

/* The value of KEY= among blanks, any case. */
static const char *value_of(const char *line, const char *key, char *out, size_t size)
{
    size_t k = strlen(key);
    for (const char *p = line; *p;) {
        p += strspn(p, " \t");
        size_t n = strcspn(p, " \t");
        if (n > k && !strncasecmp(p, key, k) && p[k] == '=') {
            snprintf(out, size, "%.*s", (int)(n - k - 1), p + k + 1);
            return out;
        }
        p += n;
    }
    return NULL;
}

/* `Key = "a, b"` as `Key=a,b`: blanks round '=' and quotes mean nothing, a comment ends the line. */
static void straighten(char *line)
{
    char *to = line;
    bool in = false;
    line[strcspn(line, "#")] = '\0';
    for (char *p = line; *p; p++) {
        if (*p == '"') {
            in = !in;
            continue;
        }
        bool blank = isspace((unsigned char)*p);
        if (blank && (in || p[strspn(p, " \t")] == '=' || (to > line && to[-1] == '=')))
            continue;
        *to++ = *p;
    }
    *to = '\0';
}

static enum ms_status conf_line(struct book *b, char *line, char *value[3], size_t size)
{
    static const char *const keys[] = {"SwitchName", "BlockName",       "BlockSizes", "BlockIndex",
                                       "Level",      "LinkSpeed",       "Nodes",      "Switches",
                                       "BlockSize",  "AggregatedBlock", "Topology"};
    enum { KEYS = sizeof keys / sizeof *keys };
    straighten(line);
    if (!strncasecmp(line, "include", 7) && isspace((unsigned char)line[7]))
        return ms_reading_error(b->r, "'%.60s' reaches out of the file: write the switches out",
                                line);
    for (const char *p = line; *p;) {
        p += strspn(p, " \t");
        size_t n = strcspn(p, " \t"), k = 0, e = strcspn(p, "= \t");
        while (n && k < KEYS && (strlen(keys[k]) != e || strncasecmp(p, keys[k], e) != 0))
            k++;
        if (n && (k == KEYS || p[e] != '='))
            return ms_reading_error(b->r, "'%.60s' is no key of topology.conf", p);
        p += n;
    }
    const char *name = value_of(line, "SwitchName", value[0], size);
    const char *block = name ? NULL : value_of(line, "BlockName", value[0], size);
    const char *nodes = value_of(line, "Nodes", value[1], size);
    if (name)
        return add_switch(b, name, nodes, value_of(line, "Switches", value[2], size));
    if (block) {
        ms_strings_add(&b->blocks, block);
        return add_switch(b, block, nodes, NULL);
    }
    if (value_of(line, "BlockSizes", value[0], size))
        ms_strings_add(&b->block_sizes, value[0]);
    return MS_OK; /* scontrol's AggregatedBlock: unions of the blocks above */
}

static bool in_cycle(const struct book *b, int i)
{
    int p = b->sw[i].parent;
    for (size_t steps = 0; p >= 0 && p != i && steps < b->switches.n; steps++)
        p = b->sw[p].parent;
    return p == i;
}

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

static int depth_above_nodes(const struct book *b, int i)
{
    int best = 0;
    for (size_t c = 0; c < b->switches.n; c++)
        if (b->sw[c].parent == i) {
            int d = 1 + depth_above_nodes(b, (int)c);
            best = d > best ? d : best;
        }
    return best;
}

static bool has_insides(const struct book *b)
{
    return b->r->insides && b->r->insides->n > 0;
}

static bool insides_say_rates(const struct book *b)
{
    for (int i = 0; has_insides(b) && i < b->r->insides->n; i++)
        for (int k = 0; k < b->r->insides->in[i]->n_nics; k++)
            if (b->r->insides->in[i]->nic[k].compute && b->r->insides->in[i]->nic[k].rate_Bps < 0)
                return false;
    return has_insides(b);
}

/* What the file does not say must be given. */
static enum ms_status need_options(struct book *b)
{
    const struct ms_import_options *o = b->r->o;
    bool inner = false;
    for (size_t i = 0; i < b->switches.n; i++)
        inner |= b->sw[i].parent >= 0;
    b->r->line = 0;
    if (o->link_rate_Bps <= 0 && !insides_say_rates(b))
        return ms_reading_error(b->r, "Slurm's topology says no rates: give --link-rate RATE (of a "
                                      "NIC), or NCCL's topology of a node");
    if (o->gpus_per_node <= 0 && !has_insides(b))
        return ms_reading_error(b->r, "Slurm's topology says no GPUs: give --gpus-per-node N, or "
                                      "NCCL's topology of a node");
    if (inner && !o->oversubscription)
        return ms_reading_error(b->r, "a switch above others stands for a layer of spines, and the "
                                      "file counts no cables: give --oversubscription X (or "
                                      "X,Y,…: a level each, from the leaves up)");
    return MS_OK;
}

static void add_nic(struct book *b, size_t node, const char *name, double rate_Bps)
{
    struct tree_switch *leaf = &b->sw[b->leaf_of[node]];
    char id[600];
    snprintf(id, sizeof id, "%s/%s", b->m->nodes.text[node], name);
    int nic = ms_map_add_nic(b->m, id, name, (int)node);
    ms_map_add_cable(b->m, ~nic, leaf->place, rate_Bps, -1);
    leaf->down_Bps += rate_Bps;
}

/* The ports that carry the exchange, as the inside of the node says. */
static void add_inside(struct book *b, size_t node, const struct ms_inside *in)
{
    double given = b->r->o->link_rate_Bps;
    for (int k = 0; k < in->n_nics && !b->m->failed; k++)
        for (int p = 0; p < in->nic[k].n_ports && in->nic[k].compute; p++)
            add_nic(b, node, in->nic[k].port[p],
                    given > 0 ? given : in->nic[k].rate_Bps / in->nic[k].n_ports);
}

/* NICs on leaves, then uplinks level by level: each parent gets what its children send up. */
static void build(struct book *b)
{
    const struct ms_import_options *o = b->r->o;
    int each = o->gpus_per_nic > 0 ? o->gpus_per_nic : 1, nics = o->gpus_per_node / each,
        without = 0;
    char name[32];
    nics = nics < 1 ? 1 : nics;
    for (size_t i = 0; i < b->switches.n; i++)
        b->sw[i].place = ms_map_add_switch(b->m, b->sw[i].name, b->sw[i].name);
    for (size_t node = 0; node < b->m->nodes.n && !b->m->failed; node++) {
        const struct ms_inside *in =
            has_insides(b) ? ms_inside_of(b->r->insides, b->m->nodes.text[node]) : NULL;
        without += has_insides(b) && !in;
        if (in)
            add_inside(b, node, in);
        for (int k = 0; k < nics && !has_insides(b) && !b->m->failed; k++) {
            snprintf(name, sizeof name, "nic%d", k);
            add_nic(b, node, name, o->link_rate_Bps);
        }
    }
    if (without)
        ms_map_note(b->m, "%d nodes match no topology file of a node: left out", without);
    for (int level = 1, more = 1; more; level++) {
        more = 0;
        for (size_t i = 0; i < b->switches.n; i++) {
            if (b->sw[i].parent < 0 || depth_above_nodes(b, (int)i) != level - 1)
                continue;
            double x = ratio_of(o->oversubscription, level),
                   up = b->sw[i].down_Bps / (x > 0 ? x : 1);
            more = 1;
            if (up > 0)
                ms_map_add_cable(b->m, b->sw[i].place, b->sw[b->sw[i].parent].place, up, -1);
            b->sw[b->sw[i].parent].down_Bps += up;
        }
    }
    if (has_insides(b))
        ms_map_assume(b->m, "every NIC of a node is on the node's leaf%s",
                      o->link_rate_Bps > 0 ? ", at the given rate (--link-rate)" : "");
    else
        ms_map_assume(b->m,
                      "%d NICs a node of the given rate, %d GPU%s each (--gpus-per-node, "
                      "--gpus-per-nic, --link-rate)",
                      nics, each, each == 1 ? "" : "s");
    if (o->oversubscription)
        ms_map_assume(b->m,
                      "uplinks: what is below divided by %s, as one trunk each "
                      "(--oversubscription)",
                      o->oversubscription);
}

static void tree_facts(struct book *b)
{
    int leaves = 0, roots = 0, levels = 0, at[32] = {0};
    struct ms_buf by = {0};
    for (size_t i = 0; i < b->switches.n; i++) {
        int d = depth_above_nodes(b, (int)i);
        leaves += b->sw[i].n_nodes > 0;
        roots += b->sw[i].parent < 0;
        levels = d + 1 > levels ? d + 1 : levels;
        at[d < 31 ? d : 31]++;
    }
    for (int d = 0; d < levels && d < 32; d++)
        ms_buf_printf(&by, "%s%d:%d", d ? " " : "", d + 1, at[d]);
    ms_map_fact(b->m, "topology/tree: %zu switches, %d leaves, %d roots, %d levels (%s), %zu nodes",
                b->switches.n, leaves, roots, levels, by.p ? by.p : "", b->m->nodes.n);
    if (roots > 1)
        ms_map_note(b->m, "%d roots: the file does not join their pieces", roots);
    ms_buf_finish(&by);
}

/* Blocks: NVLink domains or leaves; the file does not say which, nor what joins them. */
static enum ms_status build_blocks(struct book *b)
{
    const struct ms_import_options *o = b->r->o;
    int smallest = 1 << 30, largest = 0, top = 0;
    for (size_t i = 0; i < b->switches.n; i++) {
        smallest = b->sw[i].n_nodes < smallest ? b->sw[i].n_nodes : smallest;
        largest = b->sw[i].n_nodes > largest ? b->sw[i].n_nodes : largest;
    }
    ms_map_fact(b->m, "topology/block: %zu blocks, %zu nodes, %d to %d a block, block sizes %s",
                b->blocks.n, b->m->nodes.n, smallest, largest,
                b->block_sizes.n ? b->block_sizes.text[0] : "not given");
    b->r->line = 0;
    if (!o->block_is || (strcmp(o->block_is, "nvlink") && strcmp(o->block_is, "leaf")))
        return ms_reading_error(b->r, "a block is an NVLink domain only by convention: say "
                                      "--block-is nvlink or --block-is leaf");
    bool nvlink = !strcmp(o->block_is, "nvlink");
    enum ms_status s = need_options(b);
    if (s == MS_OK && nvlink && o->nvlink_Bps <= 0 && !has_insides(b))
        s = ms_reading_error(b->r, "a block as NVLink domain needs --nvlink RATE (of a GPU)");
    if (s == MS_OK && !nvlink && b->switches.n > 1 && !o->oversubscription)
        s = ms_reading_error(b->r, "leaves need --oversubscription X for their uplinks");
    if (s != MS_OK)
        return s;
    if (b->switches.n > 1 && !nvlink) {
        if (!switch_of(b, "spine"))
            return MS_NOMEM;
        top = (int)ms_strings_find(&b->switches, "spine");
        for (int i = 0; i < (int)b->switches.n; i++)
            if (i != top)
                b->sw[i].parent = top;
        ms_map_assume(b->m, "the leaves meet in one layer of spines: the file joins no blocks");
    }
    build(b);
    if (nvlink) { /* one ideal switch for the network, a domain a block */
        int first = b->m->n_cables;
        for (int k = 0; k < first; k++)
            b->m->cable[k].b = 0;
        b->m->n_switches = 1;
        b->m->sw[0].name = b->m->sw[0].id = "network";
        b->m->block_of_node = MS_NEW(&b->m->arena, int, b->m->nodes.n + 1);
        for (size_t n = 0; b->m->block_of_node && n < b->m->nodes.n; n++)
            b->m->block_of_node[n] = b->leaf_of[n];
        b->m->failed |= !b->m->block_of_node;
        b->m->n_blocks = b->switches.n;
        ms_map_assume(b->m, "a block is an NVLink domain (--block-is), and one switch without "
                            "limits joins all: the file says nothing about the network");
    }
    return MS_OK;
}

/* Names for whoever has cables: leaf_of goes to the choice, which frees it. */
static enum ms_status hand_over(struct book *b)
{
    struct ms_slurm *c = b->r->choice;
    for (size_t i = 0; i < b->switches.n; i++)
        c->leaves.failed |= ms_strings_add(&c->leaves, b->sw[i].name) != i;
    c->leaf = b->leaf_of;
    b->leaf_of = NULL;
    c->path = b->r->path;
    c->blocks = b->blocks.n > 0;
    return MS_OK;
}

static enum ms_status finish(struct book *b)
{
    enum ms_status s = MS_OK;
    if (b->switches.n == 0)
        s = ms_reading_error(b->r, "no SwitchName and no BlockName");
    for (size_t i = 0; s == MS_OK && i < b->switches.n; i++) {
        b->r->line = b->sw[i].line;
        if (in_cycle(b, (int)i))
            s = ms_reading_error(b->r, "switch '%s' is above itself: a cycle", b->sw[i].name);
        else if (!b->sw[i].line)
            s = ms_reading_error(b->r, "switch '%s' is named, but no line describes it",
                                 b->sw[i].name);
    }
    if (s == MS_OK && b->m->nodes.n == 0)
        s = ms_reading_error(b->r, "no node is left");
    if (s == MS_OK && b->r->choice)
        return hand_over(b);
    if (s == MS_OK && b->blocks.n)
        return build_blocks(b);
    if (s == MS_OK) {
        tree_facts(b);
        s = need_options(b);
    }
    if (s == MS_OK)
        build(b);
    return s;
}

static enum ms_status close_book(struct book *b, enum ms_status s)
{
    bool nomem = b->m->failed || b->switches.failed || b->blocks.failed;
    ms_strings_finish(&b->switches);
    ms_strings_finish(&b->blocks);
    ms_strings_finish(&b->block_sizes);
    free(b->sw);
    free(b->leaf_of);
    return nomem ? MS_NOMEM : s;
}

enum ms_status ms_read_slurm_conf(struct ms_reading *r, struct ms_map *m)
{
    struct book b = {.r = r, .m = m};
    enum { LINE = 1 << 20 };
    char *mem = malloc(4 * (size_t)LINE), *value[3];
    const char *at = r->text;
    int n;
    enum ms_status s = mem ? MS_OK : MS_NOMEM;
    for (int k = 0; mem && k < 3; k++)
        value[k] = mem + (k + 1) * LINE;
    while (s == MS_OK && (n = ms_reading_line(r, &at, mem, LINE)) != -1) {
        while (n > 0 && mem[n - 1] == '\\') { /* the next line belongs to it */
            int more = ms_reading_line(r, &at, mem + n - 1, (size_t)(LINE - n + 1));
            mem[more < 0 ? n - 1 : n - 1 + more] = '\0';
            n = more == -2 ? -2 : more < 0 ? n - 1 : n - 1 + more;
            if (more < 0)
                break;
        }
        s = n < 0 ? MS_INVALID : conf_line(&b, mem, value, LINE);
    }
    free(mem);
    if (s == MS_OK)
        s = finish(&b);
    return close_book(&b, s);
}

static const char *text_at(const struct ms_yaml *map, const char *key)
{
    const struct ms_entry *e = ms_yaml_get(map, key);
    return e && e->value->kind == MS_YAML_SCALAR ? e->value->text : NULL;
}

static enum ms_status yaml_list(struct book *b, const struct ms_entry *list, const char *word)
{
    enum ms_status s = MS_OK;
    const struct ms_entry *e =
        list && list->value->kind == MS_YAML_LIST ? list->value->first : NULL;
    for (; e && s == MS_OK; e = e->next) {
        const char *name = text_at(e->value, word);
        b->r->line = e->line;
        if (!name)
            s = ms_reading_error(b->r, "an item without '%s'", word);
        else if (!strcmp(word, "block"))
            ms_strings_add(&b->blocks, name);
        if (name)
            s = add_switch(b, name, text_at(e->value, "nodes"), text_at(e->value, "children"));
    }
    return s;
}

static void yaml_sizes(struct book *b, const struct ms_entry *sizes)
{
    struct ms_buf text = {0};
    const struct ms_entry *e =
        sizes && sizes->value->kind == MS_YAML_LIST ? sizes->value->first : NULL;
    for (; e; e = e->next)
        if (e->value->kind == MS_YAML_SCALAR)
            ms_buf_printf(&text, "%s%s", text.n ? "," : "", e->value->text);
    if (text.p)
        ms_strings_add(&b->block_sizes, text.p);
    ms_buf_finish(&text);
}

/* The topology to use: the one named, or the only one with structure. */
static const struct ms_entry *choose(struct ms_reading *r, const struct ms_yaml *root,
                                     struct ms_map *m)
{
    const struct ms_entry *found = NULL;
    struct ms_buf names = {0};
    int n = 0;
    for (const struct ms_entry *e = root->first; e; e = e->next) {
        const char *name = text_at(e->value, "topology");
        const char *kind = ms_yaml_get(e->value, "tree")    ? "tree"
                           : ms_yaml_get(e->value, "block") ? "block"
                                                            : "flat";
        ms_buf_printf(&names, "%s%s:%s", names.n ? " " : "", name ? name : "?", kind);
        bool wanted = r->o->topology && name ? !strcmp(name, r->o->topology)
                                             : !r->o->topology && strcmp(kind, "flat") != 0;
        if (!wanted)
            continue;
        found = e;
        n++;
    }
    ms_map_fact(m, "topology.yaml: %s", names.p ? names.p : "nothing");
    r->line = 0;
    if (n > 1)
        ms_reading_error(r, "several topologies: choose one with --topology NAME (%s)", names.p);
    else if (n == 0)
        ms_reading_error(r, "no topology%s%s has any structure (%s)", r->o->topology ? " " : "",
                         r->o->topology ? r->o->topology : "", names.p ? names.p : "none");
    ms_buf_finish(&names);
    return n == 1 ? found : NULL;
}

enum ms_status ms_read_slurm_yaml(struct ms_reading *r, struct ms_map *m)
{
    struct book b = {.r = r, .m = m};
    size_t before = r->errs->n;
    const struct ms_entry *root = ms_yaml_parse(&m->arena, r->path, 0, r->text, r->n, r->errs);
    if (!root || r->errs->n > before)
        return MS_INVALID;
    if (root->value->kind != MS_YAML_LIST)
        return ms_reading_error(r, "topology.yaml must be a list of topologies");
    const struct ms_entry *t = choose(r, root->value, m);
    if (!t)
        return MS_INVALID;
    const struct ms_entry *tree = ms_yaml_get(t->value, "tree"),
                          *block = ms_yaml_get(t->value, "block");
    enum ms_status s;
    if (block)
        yaml_sizes(&b, ms_yaml_get(block->value, "block_sizes"));
    if (tree)
        s = yaml_list(&b, ms_yaml_get(tree->value, "switches"), "switch");
    else if (block)
        s = yaml_list(&b, ms_yaml_get(block->value, "blocks"), "block");
    else
        s = ms_reading_error(r, "topology '%s' is flat: it has no structure",
                             text_at(t->value, "topology"));
    if (s == MS_OK)
        s = finish(&b);
    return close_book(&b, s);
}
