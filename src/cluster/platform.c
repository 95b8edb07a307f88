/* Reads a platform file: runs the passes, then decides hosts and their order, nodes, properties of
 * the top zone, and which link is next to which host. */
#include "cluster/platform.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cluster/platform_check.h"
#include "cluster/route_rule.h"

static void add(struct ms_check *c, int el, bool error, const char *fmt, va_list ap)
{
    char text[1024];
    vsnprintf(text, sizeof text, fmt, ap);
    int line = c->xml->el[el].line;
    if (error)
        ms_errs_add_at(c->errs, MS_INVALID, c->path, line, 0, NULL, "%s", text);
    else
        ms_errs_warn_at(c->errs, c->path, line, 0, NULL, "%s", text);
}

void ms_check_error(struct ms_check *c, int el, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(c, el, true, fmt, ap);
    va_end(ap);
}

void ms_check_warn(struct ms_check *c, int el, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(c, el, false, fmt, ap);
    va_end(ap);
}

void ms_check_note(struct ms_check *c, int el, const char *what, bool copy)
{
    int k = 0, most = (int)(sizeof c->note / sizeof *c->note);
    while (k < c->n_notes && strcmp(c->note[k].what, what) != 0)
        k++;
    c->copy |= copy;
    if (k == most)
        return;
    if (k == c->n_notes)
        c->note[c->n_notes++] = (struct ms_check_note){.what = what, .line = c->xml->el[el].line};
    c->note[k].count++;
}

void ms_check_say_notes(struct ms_check *c)
{
    char text[900] = "";
    size_t used = 0;
    int line = 0;
    for (int k = 0; k < c->n_notes && used < sizeof text - 100; k++) {
        const struct ms_check_note *n = &c->note[k];
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", k ? ", " : "", n->what);
        if (n->count > 1)
            used += (size_t)snprintf(text + used, sizeof text - used, " (%d times)", n->count);
        line = !line || n->line < line ? n->line : line;
    }
    if (c->n_unitless)
        ms_errs_warn_at(
            c->errs, c->path, c->unitless_line, 0, NULL,
            "%d bandwidth%s or latenc%s without a unit: as in SimGrid, bytes a second and "
            "seconds (50GBps, 1us say what is meant)",
            c->n_unitless, c->n_unitless == 1 ? "" : "s", c->n_unitless == 1 ? "y" : "ies");
    if (c->n_notes)
        ms_errs_warn_at(c->errs, c->path, line, 0, NULL,
                        "accepted, and no exchange depends on it: %s", text);
}

static enum ms_status read_bytes(const char *path, struct ms_buf *text, struct ms_errs *errs)
{
    struct stat st;
    struct ms_err err = {0};
    if (!strcmp(path, "-")) {
        ms_errs_add_at(errs, MS_INVALID, path, 0, 0, NULL,
                       "a platform must be a file: SimGrid reads it again");
        return MS_INVALID;
    }
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        ms_errs_add_at(errs, MS_INVALID, path, 0, 0, NULL, "not a regular file");
        return MS_INVALID;
    }
    if (stat(path, &st) == 0 && st.st_size > MS_XML_MAX_BYTES) {
        ms_errs_add_at(errs, MS_INVALID, path, 0, 0, NULL, "larger than 256 MiB");
        return MS_INVALID;
    }
    enum ms_status s = ms_file_read(path, text, &err);
    if (s != MS_OK)
        ms_errs_add(errs, &err);
    return s;
}

/* All passes, each only over what the ones before it found sound. */
static void run_checks(struct ms_check *c)
{
    static void (*const pass[])(struct ms_check *) = {
        ms_check_rules, ms_check_values, ms_check_names, ms_check_routes, ms_check_connected};
    size_t before = c->errs->n;
    for (size_t i = 0; i < sizeof pass / sizeof *pass && !c->nomem; i++) {
        if (c->errs->n > before)
            return;
        pass[i](c);
    }
}

struct host_ref {
    const char *name;
    int point;
};

static int by_name(const void *a, const void *b)
{
    return ms_natural_cmp(((const struct host_ref *)a)->name, ((const struct host_ref *)b)->name);
}

static bool hosts_fill(struct ms_platform *p, const struct ms_graph *g)
{
    struct host_ref *ref = MS_NEW(&p->arena, struct host_ref, (size_t)g->n_points);
    if (!ref)
        return false;
    for (int i = 0; i < g->n_points; i++)
        if (g->point[i].type == POINT_HOST)
            ref[p->n_hosts++] = (struct host_ref){g->point[i].name, i};
    size_t n = (size_t)p->n_hosts;
    qsort(ref, n, sizeof *ref, by_name);
    p->host_name = MS_NEW(&p->arena, const char *, n);
    p->host_speed = MS_NEW(&p->arena, double, n);
    p->host_node = MS_NEW(&p->arena, int, n);
    p->host_local = MS_NEW(&p->arena, int, n);
    p->host_point = MS_NEW(&p->arena, int, n);
    if (!p->host_name || !p->host_speed || !p->host_node || !p->host_local || !p->host_point)
        return false;
    for (size_t i = 0; i < n; i++) {
        p->host_name[i] = ref[i].name;
        p->host_speed[i] = g->point[ref[i].point].speed;
        p->host_point[i] = ref[i].point;
        p->host_node[i] = p->host_local[i] = -1;
    }
    return true;
}

static bool nodes_alloc(struct ms_platform *p)
{
    p->node_name = MS_NEW(&p->arena, const char *, (size_t)p->n_hosts);
    p->node_size = MS_NEW(&p->arena, int, (size_t)p->n_hosts);
    return p->node_name && p->node_size;
}

static void even_nodes(struct ms_platform *p)
{
    p->gpus_per_node = p->n_nodes ? p->node_size[0] : 0;
    for (int n = 1; n < p->n_nodes; n++)
        if (p->node_size[n] != p->gpus_per_node) {
            p->gpus_per_node = 0;
            return;
        }
}

/* Node ids from the `node` properties: all hosts have one, or none. */
static void nodes_fill(struct ms_check *c, struct ms_platform *p)
{
    struct ms_names *seen = ms_names_new(&p->arena, p->n_hosts);
    const struct ms_point *point = c->graph->point;
    bool any = false;
    for (int i = 0; i < p->n_hosts; i++)
        any |= !!point[p->host_point[i]].node;
    if (!any || !seen || !nodes_alloc(p)) {
        c->nomem |= any && (!seen || !p->node_size);
        return;
    }
    for (int i = 0; i < p->n_hosts; i++) {
        const struct ms_point *h = &point[p->host_point[i]];
        if (!h->node) {
            ms_check_error(c, h->el, "host '%s' has no property node, but other hosts have",
                           h->name);
            continue;
        }
        int n = ms_names_find(seen, h->node);
        if (n < 0) {
            n = p->n_nodes++;
            p->node_name[n] = h->node;
            ms_names_add(c, seen, h->node, n);
        }
        p->host_node[i] = n;
        p->host_local[i] = p->node_size[n]++;
    }
    even_nodes(p);
}

bool ms_platform_computes_routes(const struct ms_platform *p, int host)
{
    enum ms_routing r = p->graph->zone[p->graph->point[p->host_point[host]].zone].routing;
    return r == ROUTING_FLOYD || r == ROUTING_DIJKSTRA;
}

void ms_platform_link_kind(const char *link, char *out, size_t size)
{
    size_t n = 0;
    for (; *link && n + 1 < size; link++) {
        if (*link >= '0' && *link <= '9')
            continue;
        if (*link == '_' && (link[1] == '\0' || strchr("0123456789", link[1]) ||
                             !strcmp(link, "_UP") || !strcmp(link, "_DOWN")))
            continue;
        if (!strcmp(link, "UP") || !strcmp(link, "DOWN"))
            break;
        out[n++] = *link;
    }
    out[n] = '\0';
}

const char *ms_platform_prop(const struct ms_platform *p, const char *key)
{
    for (int i = 0; i < p->n_props; i++)
        if (!strcmp(p->prop[i].key, key))
            return p->prop[i].value;
    return NULL;
}

/* A whole number >= min of a property, or fallback where it is not given. */
static int whole(struct ms_check *c, const struct ms_platform *p, int el, const char *key, int min,
                 int fallback)
{
    const char *v = ms_platform_prop(p, key);
    if (!v)
        return fallback;
    if (!*v || strspn(v, "0123456789") != strlen(v) || strlen(v) > 8 || atoi(v) < min) {
        ms_check_error(c, el, "property %s '%.60s' must be a whole number, %d or more", key, v,
                       min);
        return fallback;
    }
    return atoi(v);
}

static void props_fill(struct ms_check *c, struct ms_platform *p)
{
    static const char *const words[] = {"none", "nvlink", "pxn"};
    const struct ms_xml_el *el = c->xml->el;
    int top = c->graph->zone[0].el;
    char list[128];
    p->prop = MS_NEW(&p->arena, struct ms_platform_prop, (size_t)(el[top].end - top));
    if (!p->prop) {
        c->nomem = true;
        return;
    }
    for (int k = top + 1; k < el[top].end; k = el[k].end)
        if (c->kind[k] == EL_PROP)
            p->prop[p->n_props++] = (struct ms_platform_prop){ms_xml_get(&el[k], "id", ""),
                                                              ms_xml_get(&el[k], "value", "")};
    const char *transit = ms_platform_prop(p, "transit");
    for (size_t w = 0; w < 3; w++)
        if (transit && !strcmp(transit, words[w])) {
            p->transit = (enum ms_transit)w;
            transit = NULL;
        }
    if (transit)
        ms_check_error(c, top, "property transit '%.60s' is not known%s", transit,
                       ms_allowed(list, sizeof list, transit, words, 3));
    p->planes = whole(c, p, top, "planes", 1, 1);
    p->n_switches = whole(c, p, top, "switches", 0, -1);
    p->n_cables = whole(c, p, top, "cables", 0, -1);
    p->topology = ms_platform_prop(p, "topology");
}

static void end_add(int end[2], int host)
{
    if (end[0] == host || end[1] == host || end[0] == -2)
        return;
    if (end[0] < 0)
        end[0] = host;
    else if (end[1] < 0)
        end[1] = host;
    else
        end[0] = -2, end[1] = -1;
}

/* The first link of a stretch that leaves a host starts there, the last of one that arrives ends
 * there. */
static void link_ends(struct ms_check *c, struct ms_platform *p)
{
    const struct ms_graph *g = c->graph;
    int *host_of = MS_NEW(&p->arena, int, (size_t)g->n_points);
    p->link_ends = MS_NEW(&p->arena, struct ms_link_ends, (size_t)g->n_links);
    if (!host_of || !p->link_ends) {
        c->nomem = true;
        return;
    }
    for (int l = 0; l < g->n_links; l++)
        p->link_ends[l] = (struct ms_link_ends){{-1, -1}, {-1, -1}};
    for (int i = 0; i < p->n_hosts; i++)
        host_of[p->host_point[i]] = i + 1;
    for (int i = 0; i < g->n_hops; i++) {
        const struct ms_hop *h = &g->hop[i];
        if (h->n_links && host_of[h->src])
            end_add(p->link_ends[g->hop_link[h->first]].out_of, host_of[h->src] - 1);
        if (h->n_links && host_of[h->dst])
            end_add(p->link_ends[g->hop_link[h->first + h->n_links - 1]].into, host_of[h->dst] - 1);
    }
}

int ms_platform_passes(const struct ms_platform *p, int arrives, int leaves, int src, int dst)
{
    const int *in = p->link_ends[arrives].into, *out = p->link_ends[leaves].out_of;
    for (int i = 0; i < 2 && arrives != leaves; i++)
        for (int k = 0; k < 2; k++)
            if (in[i] >= 0 && in[i] == out[k] && in[i] != src && in[i] != dst)
                return in[i];
    return -1;
}

/* The property may count cables that no link stands for (idle spines), never fewer. */
static void check_cables(struct ms_check *c, const struct ms_platform *p)
{
    int sum = 0;
    for (int l = 0; l < p->n_links; l++) {
        size_t n = strlen(p->link[l].name);
        bool down = n > 5 && !strcmp(p->link[l].name + n - 5, "_DOWN");
        sum += down ? 0 : p->link[l].cables;
    }
    if (p->n_cables >= 0 && sum > p->n_cables)
        ms_check_error(c, c->graph->zone[0].el,
                       "property cables says %d, but the links' properties add up to %d",
                       p->n_cables, sum);
}

static void fill(struct ms_check *c, struct ms_platform *p)
{
    char stem[256];
    if (!hosts_fill(p, c->graph)) {
        c->nomem = true;
        return;
    }
    if (p->n_hosts == 0)
        ms_check_error(c, 0, "the platform has no host");
    nodes_fill(c, p);
    props_fill(c, p);
    link_ends(c, p);
    p->link = c->graph->link;
    p->n_links = c->graph->n_links;
    p->links_complete = !c->graph->own_links;
    p->n_hosts_in_file = p->n_hosts;
    p->n_unjoined = c->graph->n_unjoined;
    check_cables(c, p);
    p->path = ms_arena_strdup(&p->arena, c->path);
    p->name = ms_arena_strdup(&p->arena, ms_path_stem(c->path, stem, sizeof stem));
    c->nomem |= !p->path || !p->name;
}

static void keep_profiles(struct ms_check *c, struct ms_platform *p)
{
    size_t n = c->profiles.n / sizeof *p->profile;
    p->profile = MS_NEW(&p->arena, struct ms_platform_profile, n + 1);
    c->nomem |= !p->profile || c->profiles.failed;
    if (c->nomem || !n)
        return;
    memcpy(p->profile, c->profiles.p, c->profiles.n);
    p->n_profiles = (int)n;
}

static enum ms_status check_text(const char *path, const struct ms_buf *text, struct ms_platform *p,
                                 struct ms_xml *xml, struct ms_errs *errs)
{
    struct ms_check c = {
        .path = path, .errs = errs, .arena = &p->arena, .xml = xml, .graph = p->graph};
    size_t before = errs->n;
    enum ms_status s = ms_xml_parse(path, text->p, text->n, &p->arena, xml, errs);
    if (s != MS_OK)
        return s;
    c.kind = MS_NEW(&p->arena, uint8_t, (size_t)xml->n);
    c.el_zone = MS_NEW(&p->arena, int, (size_t)xml->n);
    c.points = ms_names_new(&p->arena, xml->n / 8);
    c.links = ms_names_new(&p->arena, xml->n / 8);
    if (!c.kind || !c.el_zone || !c.points || !c.links)
        return MS_NOMEM;
    run_checks(&c);
    if (!c.nomem && errs->n == before)
        fill(&c, p);
    if (errs->n == before)
        ms_check_say_notes(&c);
    if (!c.nomem && errs->n == before)
        p->rule = ms_route_rule_find(p, text);
    if (!c.nomem && errs->n == before && (c.copy || xml->recoded))
        ms_check_copy(&c, &p->copy);
    c.nomem |= p->copy.failed;
    struct ms_hash own = ms_hash128(text->p, text->n);
    if (c.files.n) {
        ms_buf_adds(&c.files, own.hex);
        own = ms_hash128(c.files.p, c.files.n);
    }
    p->hash = own;
    p->n_bytes = text->n;
    c.nomem |= c.files.failed;
    keep_profiles(&c, p);
    ms_buf_finish(&c.files);
    ms_buf_finish(&c.profiles);
    return c.nomem ? MS_NOMEM : errs->n > before ? MS_INVALID : MS_OK;
}

enum ms_status ms_platform_read(const char *path, struct ms_platform *out, struct ms_errs *errs)
{
    struct ms_platform p = {.n_switches = -1, .n_cables = -1, .planes = 1};
    struct ms_buf text = {0};
    struct ms_xml xml = {0};
    *out = (struct ms_platform){0};
    enum ms_status s = read_bytes(path, &text, errs);
    if (s == MS_OK && !text.p)
        ms_buf_adds(&text, "");
    p.graph = calloc(1, sizeof *p.graph);
    if (s == MS_OK)
        s = !p.graph || text.failed ? MS_NOMEM : check_text(path, &text, &p, &xml, errs);
    ms_xml_finish(&xml);
    ms_buf_finish(&text);
    if (s == MS_OK)
        *out = p;
    else
        ms_platform_finish(&p);
    return s;
}

void ms_platform_finish(struct ms_platform *p)
{
    if (!p)
        return;
    if (p->graph)
        ms_graph_finish(p->graph);
    free(p->graph);
    ms_buf_finish(&p->copy);
    ms_arena_finish(&p->arena);
    *p = (struct ms_platform){0};
}

static void *twin(struct ms_platform *p, const void *array, size_t n, size_t size)
{
    void *copy = ms_arena_alloc(&p->arena, n + 1, size);
    if (copy && array)
        memcpy(copy, array, n * size);
    return copy;
}

enum ms_status ms_platform_own_hosts(struct ms_platform *p, struct ms_err *err)
{
    size_t n = (size_t)p->n_hosts, nodes = (size_t)p->n_nodes;
    p->host_name = twin(p, p->host_name, n, sizeof *p->host_name);
    p->host_speed = twin(p, p->host_speed, n, sizeof *p->host_speed);
    p->host_node = twin(p, p->host_node, n, sizeof *p->host_node);
    p->host_local = twin(p, p->host_local, n, sizeof *p->host_local);
    p->host_point = twin(p, p->host_point, n, sizeof *p->host_point);
    p->link_ends = twin(p, p->link_ends, (size_t)p->n_links, sizeof *p->link_ends);
    p->node_name = twin(p, p->node_name, nodes, sizeof *p->node_name);
    p->node_size = twin(p, p->node_size, nodes, sizeof *p->node_size);
    bool good = p->host_name && p->host_speed && p->host_node && p->host_local && p->host_point &&
                p->link_ends && p->node_name && p->node_size;
    return good ? MS_OK : ms_err_set(err, MS_NOMEM, "no memory");
}

/* Whether any pattern matches; the first that does is marked. */
static bool matches(const char *name, const char *const *pattern, size_t n, bool *used)
{
    bool any = false;
    for (size_t k = 0; k < n; k++)
        if (!fnmatch(pattern[k], name, 0))
            any = used[k] = true;
    return any;
}

/* Nodes again, of the hosts that stayed. */
static enum ms_status renumber_nodes(struct ms_platform *p)
{
    const char **name = p->node_name;
    int *number = MS_NEW(&p->arena, int, (size_t)p->n_nodes + 1), n = 0;
    if (p->n_nodes == 0)
        return MS_OK;
    if (!number || !nodes_alloc(p))
        return MS_NOMEM;
    for (int i = 0; i < p->n_nodes; i++)
        number[i] = -1;
    for (int h = 0; h < p->n_hosts; h++) {
        int *to = &number[p->host_node[h]];
        if (*to < 0) {
            *to = n++;
            p->node_name[*to] = name[p->host_node[h]];
        }
        p->host_node[h] = *to;
        p->host_local[h] = p->node_size[*to]++;
    }
    p->n_nodes = n;
    even_nodes(p);
    return MS_OK;
}

enum ms_status ms_platform_select(struct ms_platform *p, const char *const *pattern, size_t n,
                                  struct ms_err *err)
{
    bool *used = MS_NEW(&p->arena, bool, n + 1);
    int *new_host = MS_NEW(&p->arena, int, (size_t)p->n_hosts + 1), kept = 0;
    if (!used || !new_host)
        return ms_err_set(err, MS_NOMEM, "no memory");
    for (int h = 0; h < p->n_hosts; h++) {
        new_host[h] = -1;
        if (!matches(p->host_name[h], pattern, n, used))
            continue;
        new_host[h] = kept;
        p->host_name[kept] = p->host_name[h];
        p->host_speed[kept] = p->host_speed[h];
        p->host_node[kept] = p->host_node[h];
        p->host_point[kept++] = p->host_point[h];
    }
    for (size_t k = 0; k < n; k++)
        if (!used[k])
            return ms_err_set(err, MS_INVALID, "'%s' matches none of the %d hosts of %s ('%s' …)",
                              pattern[k], p->n_hosts, p->path, p->host_name[0]);
    for (int l = 0; l < p->n_links; l++)
        for (int k = 0; k < 2; k++) {
            int *in = &p->link_ends[l].into[k], *out = &p->link_ends[l].out_of[k];
            *in = *in < 0 ? *in : new_host[*in];
            *out = *out < 0 ? *out : new_host[*out];
        }
    p->n_hosts = kept;
    return renumber_nodes(p) == MS_OK ? MS_OK : ms_err_set(err, MS_NOMEM, "no memory");
}

enum ms_status ms_platform_group(struct ms_platform *p, int gpus_per_node, struct ms_err *err)
{
    char name[32];
    if (p->n_nodes)
        return ms_err_set(err, MS_INVALID, "%s has `node` properties of its own", p->path);
    if (gpus_per_node < 1 || p->n_hosts % gpus_per_node)
        return ms_err_set(err, MS_INVALID, "%d hosts of %s are no multiple of %d a node",
                          p->n_hosts, p->path, gpus_per_node);
    if (!nodes_alloc(p))
        return MS_NOMEM;
    for (int i = 0; i < p->n_hosts; i++) {
        p->host_node[i] = i / gpus_per_node;
        p->host_local[i] = i % gpus_per_node;
        if (p->host_local[i])
            continue;
        snprintf(name, sizeof name, "n%d", p->n_nodes);
        p->node_size[p->n_nodes] = gpus_per_node;
        if (!(p->node_name[p->n_nodes++] = ms_arena_strdup(&p->arena, name)))
            return MS_NOMEM;
    }
    p->gpus_per_node = gpus_per_node;
    return MS_OK;
}
