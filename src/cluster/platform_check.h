/** @file platform_check.h  The passes over a platform's elements, and the graph they leave behind
 * (this room only).
 *
 * Order: rules (elements, attributes, order), values (units, numbers, words), names (zones, hosts,
 * links, radicals), routes (references, gateways, connectedness). A pass runs only when the ones
 * before it left no error that would make its own misleading; all errors of a pass are reported
 * together. */
#ifndef MS_CLUSTER_PLATFORM_CHECK_H
#define MS_CLUSTER_PLATFORM_CHECK_H

#include <stdint.h>

#include "cluster/platform.h"
#include "cluster/xml.h"

enum ms_el {
    EL_PLATFORM,
    EL_CONFIG,
    EL_PROP,
    EL_ZONE,
    EL_HOST,
    EL_ROUTER,
    EL_LINK,
    EL_BACKBONE,
    EL_HOST_LINK,
    EL_CLUSTER,
    EL_CABINET,
    EL_ROUTE,
    EL_ZONE_ROUTE,
    EL_BYPASS_ROUTE,
    EL_BYPASS_ZONE_ROUTE,
    EL_LINK_CTN,
    EL_COUNT,
    EL_IGNORED, /**< no exchange depends on it: read over, and left out of the copy */
};

/** What an attribute's text must be. */
enum ms_attr_kind {
    ATTR_ID,      /**< a new name */
    ATTR_REF,     /**< somebody else's name */
    ATTR_RATE,    /**< bandwidth, more than 0 */
    ATTR_TIME,    /**< latency, 0 or more */
    ATTR_SPEED,   /**< flop/s, 0 or more; a comma list on hosts: one for each pstate */
    ATTR_COUNT,   /**< a whole number, 1 or more */
    ATTR_WORD,    /**< one of a list */
    ATTR_FILE,    /**< a profile inside the platform's folder */
    ATTR_VERSION, /**< 4 to 4.1 */
    ATTR_TEXT,    /**< anything */
    ATTR_IGNORED, /**< no exchange depends on it */
};

struct ms_attr_rule {
    const char *name;
    enum ms_attr_kind kind;
    bool required;
    const char *const *words;
};

const struct ms_attr_rule *ms_rules_attrs(enum ms_el el); /**< ends with a NULL name */
const char *ms_rules_name(enum ms_el el);                 /**< as the DTD 4.1 spells it */
/** Whether a <config> option is SimGrid's to have: the only ones that stay in the copy. */
bool ms_rules_config_kept(const char *id);

enum ms_point_type { POINT_HOST, POINT_ROUTER, POINT_ZONE, POINT_INNER };

struct ms_point {
    const char *name;
    enum ms_point_type type;
    int zone; /**< the zone it stands in, -1 for the top zone itself */
    /** of a zone's point: the zone's number; of a router's in a Cluster zone: unused, -1 */
    int itself;
    int el;
    bool gateway;
    bool linked;      /**< of hosts in Cluster zones: has its host_link */
    int local;        /**< number among the members of its zone, -1 */
    double speed;     /**< of hosts */
    const char *node; /**< of hosts: property `node`, or NULL */
};

enum ms_routing {
    ROUTING_FULL,
    ROUTING_FLOYD,
    ROUTING_DIJKSTRA,
    ROUTING_CLUSTER,
    ROUTING_NONE,
    ROUTING_OWN
};

struct ms_zone {
    const char *name;
    int parent, el, point;
    enum ms_routing routing; /**< ROUTING_OWN: SimGrid's torus, fat-tree and dragonfly clusters */
    /** of Cluster zones: inner points at the two ends of the backbone; else -1 */
    int hub_in, hub_out;
    int backbone; /**< its link, or -1 */
    /** where some pair of its members has no route: [member][member] bits of those that have, else
     * NULL; a point's number among the members is its `local` */
    unsigned char *joined;
    int n_members;
};

/** A one-way stretch between two points: the links of a <route>, or of one side of a
 * <host_link>. */
struct ms_hop {
    int from, to; /**< points; the gateways where zones are joined */
    int src, dst; /**< what is joined: the same points, or the points of the zones */
    int zone;     /**< where it is written */
    bool bypass;
    bool back;          /**< the way back of a symmetrical route */
    int first, n_links; /**< in hop_link */
};

struct ms_names;

struct ms_graph {
    struct ms_point *point;
    struct ms_zone *zone;
    struct ms_hop *hop;
    int *hop_link;
    struct ms_platform_link *link;
    int *link_el; /**< element that made the link: it can be used only after it */
    int n_points, n_zones, n_hops, n_hop_links, n_links;
    int cap_points, cap_zones, cap_hops, cap_hop_links, cap_links, cap_link_el;
    bool own_links;    /**< SimGrid makes links that are not here */
    size_t n_unjoined; /**< ordered pairs of members of one zone without a route */
};
void ms_graph_finish(struct ms_graph *g);

/** Something that is read over, for the one warning of the file. */
struct ms_check_note {
    const char *what;
    int count, line;
};

struct ms_check {
    const char *path;
    struct ms_errs *errs;
    struct ms_arena *arena;
    const struct ms_xml *xml;
    uint8_t *kind; /**< [xml->n] enum ms_el */
    struct ms_graph *graph;
    int *el_zone; /**< [xml->n] the zone an element stands in, -1 */
    struct ms_names *points, *links;
    struct ms_buf files;    /**< hashes of the files referred to */
    struct ms_buf profiles; /**< struct ms_platform_profile, what they say */
    /** [xml->n] latency that a latency_file gives a link from time 0 on, NAN: none; NULL: no file does */
    double *latency_s;
    uint8_t
        *as_cached; /**< [xml->n] a zone that SimGrid loads as a DijkstraCache one; NULL: none */
    struct ms_check_note note[24];
    int n_unitless,
        unitless_line; /* rates and times that are plain numbers; the first one's line */
    int n_notes;
    bool copy; /**< SimGrid must not see the file as it is */
    int n_suggestions;
    bool nomem;
};

/* platform_notes.c */
void ms_check_error(struct ms_check *c, int el, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void ms_check_warn(struct ms_check *c, int el, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Count something that is read over. what: a literal. copy: SimGrid needs a copy without it. */
void ms_check_note(struct ms_check *c, int el, const char *what, bool copy);
/** The one warning: everything that was counted. */
void ms_check_say_notes(struct ms_check *c);

/** After the passes: the platform's hosts in natural order of their names, and their nodes
 * (platform_hosts.c). */
void ms_check_hosts(struct ms_check *c, struct ms_platform *p);

void ms_check_rules(struct ms_check *c);
/** A <prop> of a <config>; others are left alone. */
void ms_check_config(struct ms_check *c, int el);
void ms_check_values(struct ms_check *c);
void ms_check_names(struct ms_check *c);
void ms_check_routes(struct ms_check *c);
void ms_check_connected(struct ms_check *c);
/** Let SimGrid load a Floyd or Dijkstra zone as a DijkstraCache one, where that finds the same paths sooner.
 * @param local [points] number among the zone's members  @param hops [n_hops] of the zone */
void ms_check_search(struct ms_check *c, int zone, const int *local, int n_members, const int *hops,
                     int n_hops);
/** A <cluster>: its hosts, router, and (FLAT) links; topo_parameters against the radical. */
void ms_check_cluster(struct ms_check *c, int el, int parent_zone);
/** A <cabinet> in a Cluster zone. */
void ms_check_cabinet(struct ms_check *c, int el, int zone);
/** A profile file: inside the folder, regular, sane. */
void ms_check_file(struct ms_check *c, int el, const struct ms_attr_rule *rule, const char *value);

/** A link's latency: its latency_file's where that speaks of time 0 alone, else its own. */
double ms_check_latency(const struct ms_check *c, int el);

/** The real path of a file that stays in the platform's folder. full: PATH_MAX bytes.
 * @return NULL, or what is wrong */
const char *ms_check_confine(const char *platform, const char *value, char *full);
/** The file as SimGrid may load it: without what is read over, in plain UTF-8, every element on the
 * line where it was. */
void ms_check_copy(const struct ms_check *c, struct ms_buf *out);
/** A text as an attribute's value holds it. */
void ms_xml_escape(struct ms_buf *out, const char *text);

/** A host's speed: of the list, the one its pstate names. @return NULL, or what is wrong */
const char *ms_speed(const char *list, const char *pstate, double *out);
/** "50GBps" and the like, exactly as SimGrid reads them, and no more than that (no nan, inf, hex).
 * @return NULL, or what is wrong */
const char *ms_quantity(const char *text, enum ms_attr_kind kind, double *out);

/* platform_names.c: a name table, and the graph's growing arrays. All return an index or -1. */
struct ms_names *ms_names_new(struct ms_arena *a, int expected);
int ms_names_find(const struct ms_names *t, const char *name);
/** @return false when the name is there already */
bool ms_names_add(struct ms_check *c, struct ms_names *t, const char *name, int value);
/** For "did you mean"; NULL where nothing is near, for large tables, and after 20 questions. */
const char *ms_names_nearest(struct ms_check *c, const struct ms_names *t, const char *word);
int ms_graph_point(struct ms_check *c, struct ms_point p);
int ms_graph_zone(struct ms_check *c, struct ms_zone z);
int ms_graph_link(struct ms_check *c, int el, const char *name, double bw, double lat,
                  enum ms_link_policy policy, int cables);
/** Both directions "NAME_UP" and "NAME_DOWN", or the one link. @return the index of the first
 * (UP) */
int ms_graph_duplex(struct ms_check *c, int el, const char *name, double bw, double lat,
                    const char *policy, int cables);
/** Whether a sharing policy makes two links, one each way. */
bool ms_duplex(const char *policy);
/** A stretch; first is overwritten, the links are copied. */
void ms_graph_hop(struct ms_check *c, struct ms_hop h, const int *links, int n);
/** A host of a Cluster zone, joined to its hub by two links. */
void ms_graph_star(struct ms_check *c, int zone, int host, int up, int down);

#endif
