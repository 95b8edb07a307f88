/** @file background_fluid.h  Other tenants' flows (background.h) given to the fluid solver, a little
 *  ahead of its time. Seconds since the start of the run. */
#ifndef MS_SIM_BACKGROUND_FLUID_H
#define MS_SIM_BACKGROUND_FLUID_H

#include "sim/background.h"
#include "sim/core.h"
#include "sim/wires.h"

/** Zero-initialise; finish frees. */
struct ms_background_fluid {
    struct ms_background flows;
    int *node; /**< [ranks of all groups] the core's */
};

/** A run begins. @return MS_OK; MS_NOMEM, also where no rank has a port to another node */
enum ms_status ms_background_fluid_begin(struct ms_core *c, struct ms_background_fluid *b);
void ms_background_fluid_finish(struct ms_background_fluid *b);
/** Are there any? */
static inline bool ms_background_fluid_any(const struct ms_background_fluid *b)
{
    return b->flows.host;
}
/** Those that start before to_s and a little more; b->flows.until_s says how far they are known then.
 *  @return the core's status */
enum ms_status ms_background_fluid_add(struct ms_core *c, struct ms_background_fluid *b,
                                       struct ms_wires *wires, double to_s);

#endif
