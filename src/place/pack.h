/** @file pack.h  Building blocks of load-aware placements, as DeepSeek's EPLB defines them (github
 *  deepseek-ai/EPLB, eplb.py).
 *
 *  Weights in single precision, as there: ties then fall the same way. */
#ifndef MS_PLACE_PACK_H
#define MS_PLACE_PACK_H

#include <stdbool.h>

/** n items into `packs` packs of n / packs each: heaviest first (stable) to the lightest pack that
 *  is not full, ties to the lowest pack. One item a pack: identity.
 *  @param pack, place [n] pack of each item and its place there
 *  @param order [n], load [packs], used [packs] scratch */
void ms_pack_balanced(const float *weight, int n, int packs, int *pack, int *place, int *order,
                      float *load, int *used);
/** Slots 0..E-1 hold experts 0..E-1; each further slot goes to the expert with the largest weight /
 *  copies (the first).
 *  @param expert [slots]  @param copies [E] */
void ms_pack_replicate(const float *weight, int E, int slots, int *expert, int *copies);

#endif
