/** @file map.h  A real cluster as its own descriptions tell it: nodes, NICs, GPUs, switches,
 *  cables.
 *
 *  Readers fill it, levels.h finds its tiers, write_platform.c makes a platform of it.
 *  Everything counts from 0. A place is a switch (its number) or a NIC (~ its number). Rates in
 *  bytes per second one way, latencies in seconds; negative: the description does not say. */
#ifndef MS_IMPORT_MAP_H
#define MS_IMPORT_MAP_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/strings.h"

struct ms_map_switch {
    const char *id, *name;
    bool described; /**< has a record of its own; false: only named as a peer */
    int level;      /**< 1 next to NICs, 2 next to those …; 0 before ms_levels_find, or cut off */
};

enum { MS_NIC_GUIDS = 5 };

struct ms_map_nic {
    const char *id, *name; /**< id: GUID or number; name: "mlx5_0" within its node */
    int node;              /**< -1: nobody knows */
    bool described;
    uint64_t guid[MS_NIC_GUIDS]; /**< of the device and its ports; 0 none */
    uint64_t card_guid;          /**< of the card, which may hold several devices */
};

struct ms_map_cable {
    int a, b; /**< places */
    double rate_Bps, latency_s;
};

struct ms_map_gpu {
    int node, index;       /**< index within the node */
    int first_nic, n_nics; /**< in nic_of_gpu */
    double nvlink_Bps;     /**< all its links, 0 none */
    /** [GPUs of the node, by place] of the links from GPU to GPU; NULL: NVLinks end at switches */
    const double *peer_Bps;
    int place;  /**< among the GPUs that peer_Bps speaks of */
    int domain; /**< NVLink domain: GPUs of equal number reach each other over switches; -1 */
};

struct ms_map {
    struct ms_arena arena;
    struct ms_strings nodes;
    struct ms_map_nic *nic;
    struct ms_map_switch *sw;
    struct ms_map_cable *cable;
    struct ms_map_gpu *gpu;
    int *nic_of_gpu;
    int n_nics, n_switches, n_cables, n_gpus, n_nic_of_gpu;
    int cap_nics, cap_switches, cap_cables, cap_gpus, cap_nic_of_gpu;
    int *rail_of_nic;   /**< [n_nics] where rails are kept (in arena), or NULL */
    int *block_of_node; /**< [nodes.n] NVLink domains wider than a node (in arena), or NULL */
    size_t n_blocks;
    double nvlink_latency_s; /**< <= 0: not said */
    struct ms_buf facts;     /**< what was read, a line each */
    struct ms_buf assumed;   /**< what was taken for granted, a line each */
    struct ms_buf odd;       /**< what is strange, a line each */
    bool failed;             /**< out of memory */
};

void ms_map_finish(struct ms_map *m);
/** @return the number of what was added; 0 with m->failed when memory is out. Texts are copied. */
int ms_map_add_nic(struct ms_map *m, const char *id, const char *name, int node);
int ms_map_add_switch(struct ms_map *m, const char *id, const char *name);
/** Remember one more of its GUIDs; 0 and repeats are nothing. */
void ms_map_nic_guid(struct ms_map *m, int nic, uint64_t guid);
void ms_map_add_cable(struct ms_map *m, int a, int b, double rate_Bps, double latency_s);
int ms_map_add_gpu(struct ms_map *m, int node, int index);
/** Give the last GPU added a NIC more. */
void ms_map_gpu_nic(struct ms_map *m, int nic);
int ms_map_node(struct ms_map *m, const char *name);
/** A whole sentence, or "name: value". */
void ms_map_fact(struct ms_map *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ms_map_assume(struct ms_map *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ms_map_note(struct ms_map *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
