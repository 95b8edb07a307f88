/** @file calibrate_group.h  One group of rows: its constants, and what they predict of rows that were
 *  left out. Inside this room only. */
#ifndef MS_HARDWARE_CALIBRATE_GROUP_H
#define MS_HARDWARE_CALIBRATE_GROUP_H

#include "hardware/calibrate.h"

/** Fill in constants, errors and left_out of a group whose rows and constants are chosen.
 *  @param load [fit->n] of its rows  @param base what is not fitted stays
 *  @return MS_OK or MS_NOMEM */
enum ms_status ms_fit_group(struct ms_arena *arena, struct ms_fit *fit,
                            const struct ms_form_load *load,
                            const struct ms_hardware_kernels *base);

#endif
