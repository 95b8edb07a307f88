/** @file yaml_tree.h  YAML text -> a tree with positions, made by libyaml's events under our own limits.
 *
 *  libyaml checks syntax and knows no limits: deep flow collections cost it quadratic time, and
 *  aliases let a kilobyte stand for gigabytes. The limits here are far above any scenario and far
 *  below any harm. Trees are immutable and may share parts (aliases); changing one (ms_yaml_set)
 *  copies the path to the change. Everything lives in an arena. Lines and columns count from 1,
 *  columns in characters. Types are decided by who reads a value, not here. */
#ifndef MS_BASE_YAML_TREE_H
#define MS_BASE_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"

enum {
    MS_YAML_MAX_BYTES = 4 << 20,
    MS_YAML_MAX_DEPTH = 64,
    MS_YAML_MAX_NODES = 100000, /**< aliases counted as often as they are used */
    MS_YAML_MAX_KEYS = 1000,    /**< of one mapping */
    MS_YAML_MAX_ANCHORS = 256,
};

enum ms_yaml_kind { MS_YAML_SCALAR, MS_YAML_LIST, MS_YAML_MAP };

struct ms_yaml;

/** A pair of a mapping, or an item of a list (key NULL). */
struct ms_entry {
    const char *key;
    const char *file; /**< as the user typed it; "--set" */
    int line, col;    /**< of the key; of an item: of its value */
    const struct ms_yaml *value;
    const struct ms_entry *next;
};

struct ms_yaml {
    enum ms_yaml_kind kind;
    bool plain; /**< of a scalar: written without quotes */
    const char *text;
    const struct ms_entry *first;
    size_t n;        /**< entries */
    size_t expanded; /**< nodes in it, aliases written out */
};

/** Parse exactly one document. The root entry has key "" and stands at the root's position.
 *  @param first_col added to the columns of line 1 (a value inside a --set argument)
 *  @return the root, or NULL after at least one error was added to errs; duplicate keys are errors
 *  too, but come with a root: look at errs->n */
const struct ms_entry *ms_yaml_parse(struct ms_arena *arena, const char *file, int first_col,
                                     const char *text, size_t n_bytes, struct ms_errs *errs);

/** The entry of a mapping by key, or NULL (also when map is no mapping). */
const struct ms_entry *ms_yaml_get(const struct ms_yaml *map, const char *key);
/** The entry at "a.b.c" below a mapping, or NULL.
 *  @param last if wanted, the deepest entry on the way (NULL: none) */
const struct ms_entry *ms_yaml_find(const struct ms_yaml *map, const char *path,
                                    const struct ms_entry **last);
/** A copy of map in which path has the value and position of e; what was no mapping on the way
 *  becomes one. NULL: no memory. */
const struct ms_yaml *ms_yaml_set(struct ms_arena *arena, const struct ms_yaml *map,
                                  const char *path, const struct ms_entry *e);
/** A plain scalar. NULL: no memory. */
const struct ms_yaml *ms_yaml_scalar(struct ms_arena *arena, const char *text);

/** A mapping's entry without one of its keys (a shallow copy), or e itself where the key is not
 *  there or memory is out. */
const struct ms_entry *ms_yaml_without(struct ms_arena *arena, const struct ms_entry *e,
                                       const char *key);

/** Is it null: an empty plain scalar, ~ or null? */
bool ms_yaml_null(const struct ms_yaml *node);
/** On one line, as flow YAML: {law: zipf, exponent: 1}. */
void ms_yaml_show(struct ms_buf *out, const struct ms_yaml *node);

#endif
