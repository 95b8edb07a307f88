/** @file hardware.h  Start-up and per-message costs of real kernels and NICs, by name. */
#ifndef MS_SIM_HARDWARE_H
#define MS_SIM_HARDWARE_H

#include "sim/sim.h"

struct ms_hardware {
    /** Start-up of a leg, paid by every rank on entry; without the route's latency, which is added
     *  by itself. */
    double dispatch_alpha_s, combine_alpha_s;
    double message_gap_s; /**< of a NIC for a message that leaves the node */
    int gap_adds;         /**< it adds to the bytes' time; 0: the larger of the two counts */
};

/** @return MS_OK or MS_INVALID (key hardware) with the nearest name */
enum ms_status ms_hardware_find(const struct ms_hardware_params *p, struct ms_hardware *out,
                                struct ms_err *err);

#endif
