/** @file levels.h  The tiers of a map, and the trunks a platform is made of.
 *
 * A switch with NICs is level 1, its neighbours level 2, and so on. All ways between two leaves of
 * equal length are one: packets are taken to spread evenly over them, as adaptive routing does. So
 * the switches of a level that share what is below them become one *hub*, all cables from a hub
 * into the one above are one trunk, and cables between hubs of one level (dragonflies, peer links)
 * are one each. Leaves that serve the same GPUs (planes, two switches a rack) become one too. */
#ifndef MS_IMPORT_LEVELS_H
#define MS_IMPORT_LEVELS_H

#include "import/map.h"

struct ms_hub {
    int level;        /**< 1: a leaf */
    int n_switches;   /**< that it stands for */
    int first_switch; /**< for its name */
};

struct ms_hub_trunk {
    int a, b; /**< hubs, a not above b */
    double rate_Bps,
        latency_s; /**< of all its cables together; latency of the slowest, < 0 unsaid */
    int cables;
};

/** A GPU's way into the fabric: all its ports into one leaf. */
struct ms_port {
    int nic; /**< the first NIC, for the name */
    int hub;
    double rate_Bps, latency_s;
    int cables;
};

struct ms_levels {
    struct ms_arena arena;
    struct ms_hub *hub;
    struct ms_hub_trunk *trunk;
    int n_hubs, n_trunks, n_levels;
    struct ms_port *port; /**< [n_ports] NICs (cards) that have a leaf */
    int n_ports;
    int *port_of_nic; /**< [map.n_nics] -1: none */
    int planes;       /**< pieces of the fabric that a GPU has a port in each of */
    int n_pieces;     /**< connected pieces when hosts do not forward */
    int *piece;       /**< [map.n_switches] */
};

/** GPUs and their NICs must be in the map. @return MS_OK; MS_INVALID with err; MS_NOMEM */
enum ms_status ms_levels_find(struct ms_map *m, struct ms_levels *out, struct ms_err *err);
void ms_levels_finish(struct ms_levels *l);

/** The maximum flow from the first half of the nodes that have GPUs to the second, over the cables
 * themselves; -1 where there are no two nodes, or no memory. *n_gpus: GPUs of the first half. */
double ms_levels_bisection(const struct ms_map *m, int *n_gpus);
/** Facts and oddities of the fabric, into the map's lists. */
void ms_levels_describe(struct ms_map *m, const struct ms_levels *l);

#endif
