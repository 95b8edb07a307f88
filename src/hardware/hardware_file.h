/** @file hardware_file.h  One profile file into numbers, by tables. Inside this room only. */
#ifndef MS_HARDWARE_HARDWARE_FILE_H
#define MS_HARDWARE_HARDWARE_FILE_H

#include "hardware/hardware.h"

/** Fill all but name, path and only of h from the file h->path. Unknown keys, values out of range and
 *  numbers without a source are errors. @return as ms_hardware_read */
enum ms_status ms_hardware_file_read(struct ms_files *files, struct ms_arena *arena,
                                     struct ms_hardware *h, struct ms_errs *errs);

#endif
