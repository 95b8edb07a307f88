/** @file slurm_tree.h  What Slurm's topology says, whatever its syntax: switches below
 *  switches, or blocks, and the nodes on them. It says no rates, no cables, no GPUs: those come
 *  from options, or from NCCL's topology of a node.
 *
 *  A reader adds what its syntax holds and ends the tree, which checks it and makes of it what
 *  the reading asks for: a map, or names only. Switches (and blocks, which are kept as such) and
 *  nodes count from 0. */
#ifndef MS_IMPORT_SLURM_TREE_H
#define MS_IMPORT_SLURM_TREE_H

#include "import/readers.h"

struct ms_slurm_switch {
    const char *name;
    int parent; /**< -1 none */
    int height; /**< 0: no switch below it; set when all are known */
    int n_nodes;
    int line;        /**< that describes it; 0: only named so far */
    int place;       /**< in the map */
    double down_Bps; /**< what all below it send up, one way */
};

/** Zero-initialise with r and m; ms_slurm_end frees. */
struct ms_slurm_tree {
    struct ms_reading *r;
    struct ms_map *m; /**< gets the nodes at once, the rest at the end */
    struct ms_strings switches, blocks, block_sizes;
    struct ms_slurm_switch *sw; /**< [switches.n] */
    size_t cap;
    int *leaf_of; /**< [m->nodes.n] its switch; -1 */
    size_t cap_nodes;
};

/** One switch (or block) with the lists it holds, either of them NULL. @return MS_OK; MS_INVALID
 * with an error; MS_NOMEM */
enum ms_status ms_slurm_add(struct ms_slurm_tree *t, const char *name, const char *nodes,
                            const char *switches);
/** Check the whole, make the map or the names of it, and free the tree. @param s what reading
 * came to */
enum ms_status ms_slurm_end(struct ms_slurm_tree *t, enum ms_status s);

/** The switch of that name, new or not. @return NULL: no memory */
struct ms_slurm_switch *ms_slurm_switch(struct ms_slurm_tree *t, const char *name);
/** How many switches may lie below each other, for each. */
void ms_slurm_find_heights(struct ms_slurm_tree *t);
/** A checked tree, or checked blocks, as switches, NICs and cables of the map (slurm_map.c). */
enum ms_status ms_slurm_map(struct ms_slurm_tree *t);

#endif
