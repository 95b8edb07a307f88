/** @file field.h  The parameter table: one row a key drives parsing, defaults, ranges, units, help,
 * schema and echo.
 *
 *  Strategies (laws, losses, topologies, placements …) describe their own parameters with it;
 * scenario/ describes every section of the file with it. Rows end with a row whose key is NULL. */
#ifndef MS_BASE_FIELD_H
#define MS_BASE_FIELD_H

#include <stddef.h>

#include "base/units.h"

enum ms_field_type {
    MS_FIELD_BOOL,   /**< bool */
    MS_FIELD_INT,    /**< int64_t */
    MS_FIELD_INT32,  /**< int */
    MS_FIELD_NUMBER, /**< double; with a unit, a quantity */
    MS_FIELD_ENUM,   /**< int: index into names */
    MS_FIELD_STRING, /**< const char *, owned by whoever holds the struct's arena */
    MS_FIELD_PATH,   /**< const char *, resolved against the file it stands in */
    MS_FIELD_CUSTOM, /**< anything else: scenario/ has a parser for it */
};

struct ms_field {
    const char *key;
    enum ms_field_type type;
    size_t offset;            /**< offsetof in the struct it fills */
    enum ms_unit unit;        /**< of NUMBER */
    double min, max;          /**< of INT, INT32 and NUMBER; both 0 = no range */
    const char *fallback;     /**< the default as a user would write it; NULL = must be given */
    const char *const *names; /**< of ENUM, NULL-terminated */
    const char *help;         /**< one line, with the unit */
    bool above_min;           /**< min itself is not allowed (must be more than 0) */
};

#endif
