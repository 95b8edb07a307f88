/** @file load.h  A platform into SimGrid: the file, or the copy that the reader made of it. */
#ifndef MS_SIM_LOAD_H
#define MS_SIM_LOAD_H

#include "cluster/platform.h"

/** Once a process, after simgrid_init. SimGrid aborts where it dislikes the file. */
void ms_load_platform(const struct ms_platform *p);

#endif
