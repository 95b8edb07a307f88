/** @file inside.h  The inside of a node, as NCCL's topology tells it: GPUs, cards, NVLinks; and
 *  the set of all insides that were given, each standing for one node or for many.
 *
 *  Rates in bytes per second one way, unless a name says GB/s. GPUs and cards count from 0. */
#ifndef MS_IMPORT_INSIDE_H
#define MS_IMPORT_INSIDE_H

#include <stdbool.h>

enum { MS_INSIDE_GPUS = 128, MS_INSIDE_NICS = 128, MS_CARD_PORTS = 8 };

/** One card: all net devices with one GUID, or one PCI function where the file has no net. */
struct ms_inside_nic {
    const char *port[MS_CARD_PORTS]; /**< names of its net devices; at least one */
    char guid[32];
    int n_ports;
    double rate_Bps; /**< of all its ports; < 0: the file does not say */
    bool compute;    /**< nearest to some GPU; false: storage or management */
};

struct ms_inside_gpu {
    const char *busid;
    int dev, sm, n_nvlinks;
    const double *peer_Bps;         /**< [n_gpus] one way, where links end at GPUs; else NULL */
    int nic[MS_CARD_PORTS], n_nics; /**< matched cards */
};

/** The inside of a node, from an NCCL topology: stands for one node or for all. */
struct ms_inside {
    const char *path;
    const char *pattern; /**< of the names of nodes that it stands for (fnmatch), or NULL */
    int of_file;         /**< several hosts in one file: which, from 0 */
    int n_gpus, n_nics;
    struct ms_inside_gpu gpu[MS_INSIDE_GPUS]; /**< in order of dev */
    struct ms_inside_nic nic[MS_INSIDE_NICS];
    bool nvswitch, mesh; /**< NVLinks end at switches, at GPUs */
    bool rccl;
    double xgmi_GBps; /**< of a link one way; 0: NVLinks */
};

/** All insides that were given, in order. */
struct ms_insides {
    struct ms_inside **in; /**< [n] */
    int n;
};

/** One more, empty. @return NULL: no memory */
struct ms_inside *ms_insides_add(struct ms_insides *all);
void ms_insides_finish(struct ms_insides *all);
/** Of the node of that name: the first whose pattern holds, else the only one without a pattern;
 * NULL: none. */
const struct ms_inside *ms_inside_of(const struct ms_insides *all, const char *node);

/** A GPU's NVLinks together, one way, nominal: 20, 25 or 50 GB/s a link by generation; of xGMI,
 * AMD's 46 (MI100), 50 (MI200), 64 (MI300) or 76.8 (MI350). */
double ms_inside_nvlink_Bps(const struct ms_inside *in, int gpu);
/** One of these links. */
double ms_inside_link_Bps(const struct ms_inside *in, int gpu);
/** GB/s of one xGMI link one way, by the processor's name: "gfx942", "942", "910" for gfx90a. */
double ms_inside_xgmi_GBps(const char *gcn);

#endif
