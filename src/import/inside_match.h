/** @file inside_match.h  GPUs and cards of one node, matched. */
#ifndef MS_IMPORT_INSIDE_MATCH_H
#define MS_IMPORT_INSIDE_MATCH_H

#include "import/inside.h"

/** Fill gpu[].nic from the compute cards: every GPU has equally many, cards fewer than GPUs are
 * shared equally. @param distance [n_gpus][n_nics]  @return false: no memory */
bool ms_inside_match(struct ms_inside *in, const int *distance);

#endif
