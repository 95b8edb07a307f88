/** @file measured_traffic.h  traffic/FAMILY.csv beside a measured file. Inside this room only. */
#ifndef MS_HARDWARE_MEASURED_TRAFFIC_H
#define MS_HARDWARE_MEASURED_TRAFFIC_H

#include "hardware/measured.h"

/** The recorded traffics of a family, in the order of the file.
 *  @param n out: how many  @return as ms_measured_read */
enum ms_status ms_measured_traffic_read(struct ms_arena *arena, struct ms_files *files,
                                        const char *path, struct ms_measured_traffic **out,
                                        size_t *n, struct ms_errs *errs);
/** Numbers separated by blanks. @return how many, -1: something else stands there, -2: no memory */
int ms_measured_numbers(struct ms_arena *arena, const char *text, double **out);

#endif
