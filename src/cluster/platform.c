/* Reads a platform file: runs the passes, then fills in what they leave: hosts, the top zone's
 * properties, and which link is next to which host. */
#include "cluster/platform.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cluster/platform_check.h"
#include "cluster/route_rule.h"

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
    size_t n = 0;
    for (int k = top + 1; k < el[top].end; k = el[k].end)
        n += c->kind[k] == EL_PROP;
    p->prop = MS_NEW(&p->arena, struct ms_platform_prop, n + 1);
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
    ms_check_hosts(c, p);
    if (c->nomem)
        return;
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
