/** @file axes.h  The axes of a study: which keys take which values. Inside this room only.
 *
 *  An axis is one key with its values, or several keys that move together (zip). Cases count
 *  through all combinations with the last axis fastest. Values stay trees: a case is the document
 *  with them put in. */
#ifndef MS_SCENARIO_AXES_H
#define MS_SCENARIO_AXES_H

#include "scenario/fields.h"
#include "scenario/scenario.h"

enum { MS_AXES_MAX_AXES = 32, MS_AXES_MAX_VALUES = 10000, MS_AXES_MAX_CASES = 20000 };

/** One key and what it takes in turn. */
struct ms_axes_key {
    const char *key;
    size_t n;
    struct ms_entry *value; /**< [n], each with its own place in the file */
    const char **label;     /**< [n] */
    const char **json;      /**< [n] */
    const char **distinct;  /**< [n_distinct] labels, each once */
    size_t n_distinct;
    const struct ms_entry *at; /**< the axis in the file */
    int axis;                  /**< keys of one zip share it */
    const char *zip;           /**< the name of its zip, NULL = it moves alone */
};

/** One --set argument, parsed. */
struct ms_axes_set {
    const char *key;
    const struct ms_entry *value;
};

struct ms_axes {
    const struct ms_entry *root; /**< the document with every --set put in */
    struct ms_axes_key *key;     /**< [n_keys] in file order */
    int n_keys, n_axes;
    size_t axis_n[MS_AXES_MAX_AXES]; /**< values of each axis */
    size_t n_cases;
    const struct ms_axes_set *set; /**< [n_sets], put in again after the axes */
    size_t n_sets;
};

/** Read the section `sweep` of s->root, leaving out keys that a --set fixes. Errors to r->errs. */
void ms_axes_read(struct ms_reading *r, struct ms_axes *s);
/** Put a value into a document. Where a single word stands for a mapping on the way (popularity:
 *  zipf), it becomes that mapping ({law: zipf}) first, so that nothing is lost unseen. NULL: no
 *  memory. */
const struct ms_yaml *ms_axes_put(struct ms_arena *arena, const struct ms_yaml *doc,
                                  const char *path, const struct ms_entry *e);
/** The document of case `index`. NULL: no memory. */
const struct ms_entry *ms_axes_case(const struct ms_axes *s, struct ms_arena *arena, size_t index);
/** Which value key number `key` has in case `index`. */
size_t ms_axes_value(const struct ms_axes *s, int key, size_t index);

#endif
