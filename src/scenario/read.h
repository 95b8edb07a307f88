/** @file read.h  From a tree to a struct ms_scenario, by the tables. Inside this room only. */
#ifndef MS_SCENARIO_READ_H
#define MS_SCENARIO_READ_H

#include "scenario/fields.h"
#include "scenario/scenario.h"

/** Fill s from a document: every key read or defaulted, unknown keys reported, presets applied,
 *  defaults that depend on other keys resolved. Errors go to r->errs; s is only good without them.
 *  The section `sweep` is skipped. */
void ms_read_scenario(struct ms_reading *r, const struct ms_entry *root, struct ms_scenario *s);

/** What keys are that nobody gives: for ms_reading.standard, in the arena. @return MS_OK; MS_NOMEM */
enum ms_status ms_read_standard(struct ms_arena *arena, const char *file, struct ms_scenario *out);

/** The struct the offsets of a section start from, plus the section's own offset; NULL where there
 *  is none (train). */
void *ms_section_base(const struct ms_section *section, const struct ms_scenario *s);

#endif
