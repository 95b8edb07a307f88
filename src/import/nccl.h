/** @file nccl.h  One host of an NCCL topology on its way from XML to a struct ms_inside
 *  (read_nccl.c and the nccl_*.c only). Nodes of the XML tree are borrowed: they end with the
 *  reading. */
#ifndef MS_IMPORT_NCCL_H
#define MS_IMPORT_NCCL_H

#include <libxml/tree.h>

#include "import/readers.h"

/** Distances: bridges; these are added where the way goes over a CPU, or over two. */
enum { MS_OVER_CPU = 1000, MS_OVER_CPUS = 2000 };

struct ms_nccl {
    struct ms_reading *r;
    struct ms_map *m; /**< for what is said */
    struct ms_inside *in;
    const char *host; /**< host_hash of the CPUs to take; NULL all */
    const xmlNode *gpu[MS_INSIDE_GPUS], *nic[MS_INSIDE_NICS]; /**< their pci elements */
    int n_cpus, n_bridges, n_gpu_elements, n_functions, n_nets;
    struct ms_strings hosts, targets, switches, speeds, numas;
    bool bad; /**< an error is said */
};

/** An attribute, or NULL. */
const char *ms_nccl_get(const xmlNode *e, const char *name);
/** Is it an element of that name? */
bool ms_nccl_is(const xmlNode *e, const char *name);
/** An error at an element; `what` is a format with one %s, the value. */
void ms_nccl_fault(struct ms_nccl *f, const xmlNode *e, const char *what, const char *value);
/** A number that is not negative; anything else is an error. */
long ms_nccl_number(struct ms_nccl *f, const xmlNode *e, const char *attr, long fallback);

/** Count a GPU's links, and what they end at (nccl_links.c). */
void ms_nccl_add_links(struct ms_nccl *f, struct ms_inside_gpu *g, const xmlNode *gpu);
/** Who is linked with whom, where no switch joins all. @return false: no memory */
bool ms_nccl_find_peers(struct ms_nccl *f);

/** Which cards carry the exchange: those next to a GPU, or as the options say. @param far gets the
 *  distances, [n_gpus][n_nics] */
void ms_nccl_choose_cards(struct ms_nccl *f, int *far);

/** From a GPU to its nearest card. @return more than any distance where there is no card */
int ms_nccl_nearest(const struct ms_inside *in, const int *far, int g);

/** Facts and oddities of the node, into the map's lists. @param far [n_gpus][n_nics] */
void ms_nccl_say(struct ms_nccl *f, const int *far);

#endif
