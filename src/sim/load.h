/** @file load.h  A platform into SimGrid: the file, or the copy that the reader made of it; and what
 * SimGrid said when it died. */
#ifndef MS_SIM_LOAD_H
#define MS_SIM_LOAD_H

#include "cluster/platform.h"

/** Once a process, after simgrid_init. SimGrid aborts where it dislikes the file.
 *  @param outline what is loaded in its place (cluster/platform_outline.h); NULL: the whole */
void ms_load_platform(const struct ms_platform *p, const struct ms_buf *outline);

/** The reason among what a dead child said: that memory was out, the text of SimGrid's first critical
 * line, else the first line that is no frame of a backtrace.
 * @param talk may be NULL  @return false, out empty: it said nothing */
bool ms_simgrid_reason(const char *talk, char *out, size_t size);

#endif
