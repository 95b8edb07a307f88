/* Which elements and attributes a platform may have, where and in which order: SimGrid's DTD 4.1
 * without what moesim does not model. SimGrid's lexer stops at the first surprise; here all are
 * found. */
#include <string.h>

#include "cluster/platform_check.h"

static const char *const sharing[] = {"SHARED", "SPLITDUPLEX", "FULLDUPLEX", "FATPIPE", NULL};
static const char *const backbone_sharing[] = {"SHARED", "FATPIPE", NULL};
static const char *const cluster_topologies[] = {"FLAT", "TORUS", "FAT_TREE", "DRAGONFLY", NULL};
static const char *const routings[] = {"Full",    "Floyd", "Dijkstra", "DijkstraCache",
                                       "Cluster", "None",  NULL};
static const char *const yes_no[] = {"YES", "NO", "yes", "no", NULL};
static const char *const directions[] = {"UP", "DOWN", "NONE", NULL};

static const struct ms_attr_rule platform_attrs[] = {{"version", ATTR_VERSION, true, NULL}, {0}};
static const struct ms_attr_rule config_attrs[] = {{"id", ATTR_TEXT, false, NULL}, {0}};
static const struct ms_attr_rule prop_attrs[] = {
    {"id", ATTR_TEXT, true, NULL}, {"value", ATTR_TEXT, true, NULL}, {0}};
static const struct ms_attr_rule zone_attrs[] = {
    {"id", ATTR_ID, true, NULL}, {"routing", ATTR_WORD, true, routings}, {0}};
static const struct ms_attr_rule host_attrs[] = {{"id", ATTR_ID, true, NULL},
                                                 {"speed", ATTR_SPEED, true, NULL},
                                                 {"core", ATTR_COUNT, false, NULL},
                                                 {"speed_file", ATTR_FILE, false, NULL},
                                                 {"state_file", ATTR_FILE, false, NULL},
                                                 {"availability_file", ATTR_FILE, false, NULL},
                                                 {"coordinates", ATTR_IGNORED, false, NULL},
                                                 {"pstate", ATTR_IGNORED, false, NULL},
                                                 {0}};
static const struct ms_attr_rule router_attrs[] = {
    {"id", ATTR_ID, true, NULL}, {"coordinates", ATTR_IGNORED, false, NULL}, {0}};
static const struct ms_attr_rule link_attrs[] = {
    {"id", ATTR_ID, true, NULL},
    {"bandwidth", ATTR_RATE, true, NULL},
    {"latency", ATTR_TIME, true, NULL}, /* the DTD says optional; SimGrid 3.32 aborts without it */
    {"sharing_policy", ATTR_WORD, false, sharing},
    {"bandwidth_file", ATTR_FILE, false, NULL},
    {"latency_file", ATTR_FILE, false, NULL},
    {"state_file", ATTR_FILE, false, NULL},
    {0}};
static const struct ms_attr_rule backbone_attrs[] = {{"id", ATTR_ID, true, NULL},
                                                     {"bandwidth", ATTR_RATE, true, NULL},
                                                     {"latency", ATTR_TIME, true, NULL},
                                                     {0}};
static const struct ms_attr_rule host_link_attrs[] = {{"id", ATTR_REF, true, NULL},
                                                      {"up", ATTR_REF, true, NULL},
                                                      {"down", ATTR_REF, true, NULL},
                                                      {0}};
static const struct ms_attr_rule cluster_attrs[] = {
    {"id", ATTR_ID, true, NULL},
    {"prefix", ATTR_TEXT, true, NULL},
    {"suffix", ATTR_TEXT, true, NULL},
    {"radical", ATTR_TEXT, true, NULL},
    {"speed", ATTR_SPEED, true, NULL},
    {"core", ATTR_COUNT, false, NULL},
    {"bw", ATTR_RATE, true, NULL},
    {"lat", ATTR_TIME, true, NULL},
    {"sharing_policy", ATTR_WORD, false, sharing},
    {"topology", ATTR_WORD, false, cluster_topologies},
    {"topo_parameters", ATTR_TEXT, false, NULL},
    {"bb_bw", ATTR_RATE, false, NULL},
    {"bb_lat", ATTR_TIME, false, NULL},
    {"bb_sharing_policy", ATTR_WORD, false, backbone_sharing},
    {"router_id", ATTR_TEXT, false, NULL},
    {"limiter_link", ATTR_RATE, false, NULL},
    {"loopback_bw", ATTR_RATE, false, NULL},
    {"loopback_lat", ATTR_TIME, false, NULL},
    {0}};
static const struct ms_attr_rule cabinet_attrs[] = {
    {"id", ATTR_TEXT, true, NULL},     {"prefix", ATTR_TEXT, true, NULL},
    {"suffix", ATTR_TEXT, true, NULL}, {"radical", ATTR_TEXT, true, NULL},
    {"speed", ATTR_SPEED, true, NULL}, {"bw", ATTR_RATE, true, NULL},
    {"lat", ATTR_TIME, true, NULL},    {0}};
static const struct ms_attr_rule route_attrs[] = {{"src", ATTR_REF, true, NULL},
                                                  {"dst", ATTR_REF, true, NULL},
                                                  {"symmetrical", ATTR_WORD, false, yes_no},
                                                  {0}};
static const struct ms_attr_rule zone_route_attrs[] = {{"src", ATTR_REF, true, NULL},
                                                       {"dst", ATTR_REF, true, NULL},
                                                       {"gw_src", ATTR_REF, true, NULL},
                                                       {"gw_dst", ATTR_REF, true, NULL},
                                                       {"symmetrical", ATTR_WORD, false, yes_no},
                                                       {0}};
static const struct ms_attr_rule bypass_attrs[] = {
    {"src", ATTR_REF, true, NULL}, {"dst", ATTR_REF, true, NULL}, {0}};
static const struct ms_attr_rule bypass_zone_attrs[] = {{"src", ATTR_REF, true, NULL},
                                                        {"dst", ATTR_REF, true, NULL},
                                                        {"gw_src", ATTR_REF, true, NULL},
                                                        {"gw_dst", ATTR_REF, true, NULL},
                                                        {0}};
static const struct ms_attr_rule link_ctn_attrs[] = {
    {"id", ATTR_REF, true, NULL}, {"direction", ATTR_WORD, false, directions}, {0}};

#define IN(x) (1u << EL_##x)
enum { BOTH, OUTER, INNER }; /* what a zone that holds it must hold: anything, zones, hosts */

struct el_rule {
    const char *name;
    const struct ms_attr_rule *attrs;
    unsigned parents;
    int phase; /* children come in phases: settings, things, routes */
    int side;
};

static const struct el_rule rules[EL_COUNT] = {
    [EL_PLATFORM] = {"platform", platform_attrs, 0, 0, BOTH},
    [EL_CONFIG] = {"config", config_attrs, IN(PLATFORM), 0, BOTH},
    [EL_PROP] = {"prop", prop_attrs, IN(CONFIG) | IN(ZONE) | IN(HOST) | IN(LINK) | IN(CLUSTER), 0,
                 BOTH},
    [EL_ZONE] = {"zone", zone_attrs, IN(PLATFORM) | IN(ZONE), 1, OUTER},
    [EL_HOST] = {"host", host_attrs, IN(ZONE), 1, INNER},
    [EL_ROUTER] = {"router", router_attrs, IN(ZONE), 1, INNER},
    [EL_LINK] = {"link", link_attrs, IN(ZONE), 1, BOTH},
    [EL_BACKBONE] = {"backbone", backbone_attrs, IN(ZONE), 1, BOTH},
    [EL_HOST_LINK] = {"host_link", host_link_attrs, IN(ZONE), 1, INNER},
    [EL_CLUSTER] = {"cluster", cluster_attrs, IN(PLATFORM) | IN(ZONE), 1, OUTER},
    [EL_CABINET] = {"cabinet", cabinet_attrs, IN(ZONE), 1, INNER},
    [EL_ROUTE] = {"route", route_attrs, IN(ZONE), 2, INNER},
    [EL_ZONE_ROUTE] = {"zoneRoute", zone_route_attrs, IN(ZONE), 2, OUTER},
    [EL_BYPASS_ROUTE] = {"bypassRoute", bypass_attrs, IN(ZONE), 2, INNER},
    [EL_BYPASS_ZONE_ROUTE] = {"bypassZoneRoute", bypass_zone_attrs, IN(ZONE), 2, OUTER},
    [EL_LINK_CTN] = {"link_ctn", link_ctn_attrs,
                     IN(ROUTE) | IN(ZONE_ROUTE) | IN(BYPASS_ROUTE) | IN(BYPASS_ZONE_ROUTE), 0,
                     BOTH},
};

static const struct {
    const char *name, *why;
} refused[] = {
    {"include", "SimGrid removed it; put everything in one file"},
    {"process", "ranks are placed by the scenario, not by the platform"},
    {"actor", "ranks are placed by the scenario, not by the platform"},
    {"argument", "ranks are placed by the scenario, not by the platform"},
    {"peer", "peers need Vivaldi coordinates, which are not for clusters"},
    {"trace",
     "use state_file, bandwidth_file, latency_file or speed_file, or `faults` in the scenario"},
    {"trace_connect",
     "use state_file, bandwidth_file, latency_file or speed_file, or `faults` in the scenario"},
    {"storage", "SimGrid removed it and stops at it; leave it out"},
    {"storage_type", "SimGrid removed it and stops at it; leave it out"},
    {"mount", "SimGrid removed it and stops at it; leave it out"},
};

/* The names of DTD 4.0, which 4.1 still takes; and what no exchange depends on. */
static const struct {
    const char *name, *note;
    enum ms_el kind;
} other[] = {
    {"AS", "<AS> (as <zone>)", EL_ZONE},
    {"ASroute", "<ASroute> (as <zoneRoute>)", EL_ZONE_ROUTE},
    {"bypassASroute", "<bypassASroute> (as <bypassZoneRoute>)", EL_BYPASS_ZONE_ROUTE},
    {"disk", "<disk>", EL_IGNORED},
    {"random", "<random>", EL_IGNORED},
};

const struct ms_attr_rule *ms_rules_attrs(enum ms_el el)
{
    static const struct ms_attr_rule none = {0};
    return el < EL_COUNT ? rules[el].attrs : &none;
}

const char *ms_rules_name(enum ms_el el)
{
    return rules[el].name;
}

/* The kind of an element; EL_COUNT, with an error, for what cannot be. last: [EL_COUNT] the names under
 * which the kinds were last seen, of which a file has one copy each. */
static enum ms_el kind_of(struct ms_check *c, int i, const char **last)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    if (e->parent >= 0 && c->kind[e->parent] == EL_IGNORED)
        return EL_IGNORED;
    for (int k = EL_COUNT - 1; k >= 0; k--)
        if (last[k] == e->name)
            return (enum ms_el)k;
    for (int k = 0; k < EL_COUNT; k++)
        if (!strcmp(rules[k].name, e->name)) {
            last[k] = e->name;
            return (enum ms_el)k;
        }
    for (size_t k = 0; k < sizeof other / sizeof *other; k++)
        if (!strcmp(other[k].name, e->name)) {
            ms_check_note(c, i, other[k].note, other[k].kind == EL_IGNORED);
            return other[k].kind;
        }
    return EL_COUNT;
}

static void unknown_element(struct ms_check *c, int i)
{
    const char *name = c->xml->el[i].name, *names[EL_COUNT];
    char allowed[512];
    for (size_t k = 0; k < sizeof refused / sizeof *refused; k++)
        if (!strcmp(refused[k].name, name)) {
            ms_check_error(c, i, "<%s> is refused: %s", name, refused[k].why);
            return;
        }
    for (int k = 0; k < EL_COUNT; k++)
        names[k] = rules[k].name;
    ms_check_error(c, i, "<%s> is not an element of a platform%s", name,
                   ms_allowed(allowed, sizeof allowed, name, names, EL_COUNT));
}

static void check_attr(struct ms_check *c, int i, const struct ms_xml_attr *a)
{
    const struct ms_attr_rule *r = rules[c->kind[i]].attrs;
    const char *names[24];
    char allowed[512];
    int n = 0;
    for (; r->name; r++) {
        if (!strcmp(r->name, a->name)) {
            if (r->kind == ATTR_IGNORED && *a->value)
                ms_check_note(c, i, r->name, true);
            return;
        }
        names[n++] = r->name;
    }
    ms_check_error(c, i, "<%s> has no attribute '%s'%s", c->xml->el[i].name, a->name,
                   ms_allowed(allowed, sizeof allowed, a->name, names, (size_t)n));
}

static void check_attrs(struct ms_check *c, int i)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    for (int k = 0; k < e->n_attrs; k++)
        check_attr(c, i, &e->attr[k]);
    for (const struct ms_attr_rule *r = rules[c->kind[i]].attrs; r->name; r++)
        if (r->required && !ms_xml_get(e, r->name, NULL))
            ms_check_error(c, i, "<%s> needs the attribute '%s'", e->name, r->name);
    if (e->text)
        ms_check_error(c, i, "<%s> holds text; platform elements hold none", e->name);
}

static void check_place(struct ms_check *c, int i)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    const struct el_rule *r = &rules[c->kind[i]];
    if (e->parent < 0) {
        if (c->kind[i] != EL_PLATFORM)
            ms_check_error(c, i, "the root is <%s>, but must be <platform version=\"4.1\">",
                           e->name);
    } else if (!(r->parents >> c->kind[e->parent] & 1)) {
        ms_check_error(c, i, "<%s> cannot stand inside <%s>", e->name, c->xml->el[e->parent].name);
    }
}

/* The children of one element: phases in order; in a zone, either zones or hosts. */
static void check_children(struct ms_check *c, int i)
{
    const struct ms_xml_el *el = c->xml->el;
    int phase = 0, before = -1, side = BOTH, side_of = -1, early = -1;
    for (int k = i + 1; k < el[i].end; k = el[k].end) {
        if (c->kind[k] == EL_IGNORED)
            continue;
        const struct el_rule *r = &rules[c->kind[k]];
        if (r->phase < phase)
            ms_check_error(c, k, "<%s> must come before the first <%s> (line %d) of its <%s>",
                           el[k].name, el[before].name, el[before].line, el[i].name);
        else if (r->phase > phase)
            before = k;
        phase = r->phase > phase ? r->phase : phase;
        if (c->kind[i] != EL_ZONE)
            continue;
        if (r->side == BOTH && r->phase == 1 && side == BOTH)
            early = k;
        if (r->side == OUTER && early >= 0)
            ms_check_error(c, k,
                           "<%s> after <%s> (line %d): in a zone of zones the first must be a "
                           "zone, links follow",
                           el[k].name, el[early].name, el[early].line);
        early = r->side == OUTER ? -1 : early;
        if (r->side == BOTH)
            continue;
        if (side == BOTH)
            side_of = k;
        else if (side != r->side)
            ms_check_error(c, k,
                           "<%s> beside <%s> (line %d): a zone holds either zones or hosts and "
                           "routers, not both",
                           el[k].name, el[side_of].name, el[side_of].line);
        side = side == BOTH ? r->side : side;
    }
}

void ms_check_rules(struct ms_check *c)
{
    int tops = 0;
    bool known = true;
    const char *last[EL_COUNT] = {NULL};
    for (int i = 0; i < c->xml->n; i++) {
        c->kind[i] = (uint8_t)kind_of(c, i, last);
        if (c->kind[i] == EL_COUNT)
            unknown_element(c, i);
        known &= c->kind[i] != EL_COUNT;
    }
    if (!known)
        return;
    for (int i = 0; i < c->xml->n; i++) {
        if (c->kind[i] == EL_IGNORED)
            continue;
        check_place(c, i);
        check_attrs(c, i);
        check_children(c, i);
        ms_check_config(c, i);
        tops += c->xml->el[i].parent == 0 && c->kind[i] != EL_CONFIG;
        if (tops == 2 && c->xml->el[i].parent == 0)
            ms_check_error(
                c, i, "a second top zone; put both in one <zone>, which joins them by <zoneRoute>");
    }
    if (tops == 0)
        ms_check_error(c, 0, "<platform> holds no <zone> and so no host");
}
