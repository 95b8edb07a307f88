/** @file paths.h  Which of its cables a message takes where a link stands for several.
 *
 *  Under spray a link of several cables is one link of the summed rate. Under ecmp it is that many
 *  links, and every queue pair of two ranks is hashed to one of them: one draw a tier going up, the
 *  same coming down, so that both ends agree on the spine; and one plane for all of its way, where a
 *  fabric has planes. Draws are named by (seed, repeat, sender, receiver, queue pair), so they are
 *  new in each repeat and the same in the balanced twin. Links count from 0. */
#ifndef MS_SIM_PATHS_H
#define MS_SIM_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "cluster/platform.h"

/** Zero: spray, one flow a message. */
struct ms_paths {
    bool hashed;
    uint32_t queue_pairs; /**< of two ranks: equal parts of each message; 1 or more where hashed */
    uint64_t seed;
    int repeat;
    uint32_t planes;
    uint32_t n_links;       /**< of the platform */
    const uint32_t *cables; /**< [n_links] 1 or more */
    const uint32_t
        *first;       /**< [n_links] the solver's link of its first cable; itself where it is one */
    uint32_t n_extra; /**< cables of links that have several */
    uint32_t first_extra; /**< the solver's link of the first of them */
    const bool *down; /**< [n_extra] cables that no path takes: drawn again; NULL: all are well */
};

/** Count the cables of links, given by name in natural order (SimGrid's: NAME, NAME_UP, NAME_DOWN).
 *  @param first_extra the number of the first cable among the solver's links
 *  @return false: no memory */
bool ms_paths_init(struct ms_paths *p, const struct ms_platform *platform, const char *const *name,
                   uint32_t n_links, uint32_t first_extra, struct ms_arena *arena);
/** How many cables links stand for where they stand for several, by name as above; the others' numbers are
 *  left alone. @param cables [n_links] */
void ms_paths_cables(const struct ms_platform *platform, const char *const *name, uint32_t n_links,
                     int *cables);
/** Does any link stand for several cables? */
bool ms_paths_any(const struct ms_platform *platform);
/** Put cables in the place of a route's links. src, dst: ranks of all groups. */
void ms_paths_choose(const struct ms_paths *p, uint32_t src, uint32_t dst, uint32_t queue_pair,
                     uint32_t *link, size_t n);

/** What all cables of a link have together, of numbers by the solver's links. */
double ms_paths_sum(const struct ms_paths *p, const double *of_link, uint32_t link);

#endif
