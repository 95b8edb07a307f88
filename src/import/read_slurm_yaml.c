/* Slurm's topology.yaml: several topologies, each a tree of switches, blocks, or flat; one of
 * them is chosen. */
#include <string.h>

#include "base/yaml_tree.h"
#include "import/slurm_tree.h"

static const char *text_at(const struct ms_yaml *map, const char *key)
{
    const struct ms_entry *e = ms_yaml_get(map, key);
    return e && e->value->kind == MS_YAML_SCALAR ? e->value->text : NULL;
}

static enum ms_status yaml_list(struct ms_slurm_tree *t, const struct ms_entry *list,
                                const char *word)
{
    enum ms_status s = MS_OK;
    const struct ms_entry *e =
        list && list->value->kind == MS_YAML_LIST ? list->value->first : NULL;
    for (; e && s == MS_OK; e = e->next) {
        const char *name = text_at(e->value, word);
        t->r->line = e->line;
        if (!name)
            s = ms_reading_error(t->r, "an item without '%s'", word);
        else if (!strcmp(word, "block"))
            ms_strings_add(&t->blocks, name);
        if (name)
            s = ms_slurm_add(t, name, text_at(e->value, "nodes"), text_at(e->value, "children"));
    }
    return s;
}

static void yaml_sizes(struct ms_slurm_tree *t, const struct ms_entry *sizes)
{
    struct ms_buf text = {0};
    const struct ms_entry *e =
        sizes && sizes->value->kind == MS_YAML_LIST ? sizes->value->first : NULL;
    for (; e; e = e->next)
        if (e->value->kind == MS_YAML_SCALAR)
            ms_buf_printf(&text, "%s%s", text.n ? "," : "", e->value->text);
    if (text.p)
        ms_strings_add(&t->block_sizes, text.p);
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
    struct ms_slurm_tree t = {.r = r, .m = m};
    size_t before = r->errs->n;
    const struct ms_entry *root = ms_yaml_parse(&m->arena, r->path, 0, r->text, r->n, r->errs);
    if (!root || r->errs->n > before)
        return MS_INVALID;
    if (root->value->kind != MS_YAML_LIST)
        return ms_reading_error(r, "topology.yaml must be a list of topologies");
    const struct ms_entry *chosen = choose(r, root->value, m);
    if (!chosen)
        return MS_INVALID;
    const struct ms_entry *tree = ms_yaml_get(chosen->value, "tree"),
                          *block = ms_yaml_get(chosen->value, "block");
    enum ms_status s;
    if (block)
        yaml_sizes(&t, ms_yaml_get(block->value, "block_sizes"));
    if (tree)
        s = yaml_list(&t, ms_yaml_get(tree->value, "switches"), "switch");
    else if (block)
        s = yaml_list(&t, ms_yaml_get(block->value, "blocks"), "block");
    else
        s = ms_reading_error(r, "topology '%s' is flat: it has no structure",
                             text_at(chosen->value, "topology"));
    return ms_slurm_end(&t, s);
}
