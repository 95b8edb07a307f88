/** @file farm_end.h  What to say of a child that gave no answer. */
#ifndef MS_SWEEP_FARM_END_H
#define MS_SWEEP_FARM_END_H

#include <stddef.h>

/** One sentence. @param status of wait4  @param why what was wrong with its answer, NULL = there
 * was none */
void ms_farm_name_end(int status, const char *why, char *out, size_t size);
/** The end of what it said belongs to the reason: lines joined by " | ", without control
 * characters. */
void ms_farm_add_talk(const char *talk, char *out, size_t size);

#endif
