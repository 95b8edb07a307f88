/** @file facts.h  A record flattened: what it says, by path ("exchange.p99_us", "axes.platform").
 *
 *  Lists are left out; a record's own text has them (results.h). A fact is a number, a text, or
 *  both: axis values have both, so that they can be labels and abscissae. true and false are texts.
 *  One record takes about 100 facts of 24 bytes, where its JSON tree would take 25 KB. */
#ifndef MS_REPORT_FACTS_H
#define MS_REPORT_FACTS_H

#include <jansson.h>
#include <stddef.h>

#include "base/strings.h"

struct ms_fact {
    size_t path;      /**< number of the path in the set of names */
    double number;    /**< NaN = it is none */
    const char *text; /**< owned by the set of texts; NULL = it is a number alone */
};

struct ms_facts {
    const struct ms_fact *fact; /**< [n] by path */
    size_t n;
};

/** Flatten a record's line that counts (sweep/lines.h), or settings (an object of sections, whose lists are texts too) under a path
 *  that starts with "set.". @param only NULL-terminated paths, those of one block beside each other: of a record these
 *  alone, and all below one that ends with a dot; NULL: everything
 *  @param arena holds the facts  @return false: memory ran out (also told
 *  by `failed` of the sets) */
bool ms_facts_read(const char *record, const char *const *only, struct ms_strings *names,
                   struct ms_strings *texts, struct ms_arena *arena, struct ms_facts *out);
bool ms_facts_read_settings(const json_t *settings, struct ms_strings *names,
                            struct ms_strings *texts, struct ms_arena *arena, struct ms_facts *out);
/** The fact of a path, NULL = there is none. */
const struct ms_fact *ms_facts_get(const struct ms_facts *f, size_t path);

#endif
