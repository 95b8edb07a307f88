/** @file network_model.h  The network models: what a name means to SimGrid, and how its flows
 *  move.
 *
 *  One table; nothing else knows a model by name. Inside sim/ only: others have the names and
 *  help of sim.h. */
#ifndef MS_SIM_NETWORK_MODEL_H
#define MS_SIM_NETWORK_MODEL_H

#include "sim/core.h"

struct ms_network_model {
    const char *name, *help;
    const char *const *simgrid_args; /**< NULL-terminated */
    const struct ms_transport *transport;
    int latency;       /**< enum ms_latency_at: what network.latency is where it is not given */
    bool only_latency; /**< nothing else is possible */
};

/** By name; NULL: unknown. */
const struct ms_network_model *ms_network_model_find(const char *name);

#endif
