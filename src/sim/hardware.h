/** @file hardware.h  Start-up and per-message costs of real kernels and NICs, by name. */
#ifndef MS_SIM_HARDWARE_H
#define MS_SIM_HARDWARE_H

#include "sim/sim.h"

struct ms_hardware {
    double dispatch_alpha_s, combine_alpha_s; /**< start-up of a leg, paid by every rank on entry */
    double message_gap_s; /**< least time of a NIC for a message that leaves the node */
};

/** @return MS_OK or MS_INVALID (key hardware) with the nearest name */
enum ms_status ms_hardware_find(const struct ms_hardware_params *p, struct ms_hardware *out,
                                struct ms_err *err);

#endif
