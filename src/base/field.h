/** @file field.h  The parameter table: one row a key drives parsing, defaults, ranges, units, help,
 *  schema and echo.
 *
 *  Strategies (laws, routers, topologies …) describe their own parameters with it; scenario/
 *  describes every section of the file with it. A row says all there is to say of its key: where
 *  the value goes (an offset in a plain struct), what is allowed and, where the value is neither a
 *  number nor a word, the shape that reads it. Rows end with a row whose key is NULL. Text becomes
 *  a value in one place only: ms_field_parse. */
#ifndef MS_BASE_FIELD_H
#define MS_BASE_FIELD_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/units.h"

enum ms_field_type {
    MS_FIELD_BOOL,   /**< bool */
    MS_FIELD_INT,    /**< int64_t */
    MS_FIELD_INT32,  /**< int */
    MS_FIELD_NUMBER, /**< double; with a unit, a quantity */
    MS_FIELD_ENUM,   /**< int: index into names */
    MS_FIELD_NAME,   /**< const char *: a name of another room's table, listed by `named` */
    MS_FIELD_STRING, /**< const char *, owned by whoever holds the struct's arena */
    MS_FIELD_PATH,   /**< the same, a file */
    MS_FIELD_TABLE,  /**< a mapping by the rows `fields`; their offsets start at this row's */
    MS_FIELD_ODD,    /**< anything else: `shape` reads it */
};

/** A table of names. @return how many there are (out may be NULL: count only) */
typedef size_t ms_names_fn(const char **out, size_t cap);

/** How an odd value is read, echoed and described: scenario/fields.h. */
struct ms_shape;

/** When a key does anything at all: what it is told where another key makes it idle. */
struct ms_acts {
    const char *key;                /**< the key that decides: "exchange.algorithm" */
    bool (*acts)(const void *base); /**< base: the struct of the whole (struct ms_scenario) */
    const char *hint;               /**< "; did you mean …", or NULL */
    bool input;                     /**< an input file: idle is an error, else a warning */
};

struct ms_field {
    const char *key;
    enum ms_field_type type;
    size_t offset;                 /**< offsetof in the struct it fills */
    enum ms_unit unit;             /**< of NUMBER */
    double min, max;               /**< of INT, INT32 and NUMBER; both 0 = no range */
    bool above_min;                /**< min itself is not allowed (must be more than 0) */
    const char *word;              /**< the one word a number's row takes instead; NULL: none */
    double word_value;             /**< what it stands for; NAN and INFINITY will do */
    const char *const *names;      /**< of ENUM, NULL-terminated */
    ms_names_fn *named;            /**< of NAME, and of odd values that may be a name */
    const char *what;              /**< what a name of `named` is: "a placement" */
    const struct ms_field *fields; /**< of TABLE, and of odd values that may be a mapping */
    const struct ms_shape *shape;  /**< of ODD */
    const char *fallback;          /**< default as a user writes it; NULL: must be given; "": may
                                        be left out */
    const struct ms_acts *acts;    /**< NULL: always */
    bool later;                    /**< all but the default is refused: not available yet */
    const char *help;              /**< one line, with the unit */
};

/* A row in one line: {.key = "share", MS_AT(struct ms_faults, share), MS_NUMBER(0, 1), …}. */
#define MS_AT(struct_type, member) .offset = offsetof(struct_type, member)
#define MS_INT(low, high) .type = MS_FIELD_INT, .min = (low), .max = (high)
#define MS_INT32(low, high) .type = MS_FIELD_INT32, .min = (low), .max = (high)
#define MS_NUMBER(low, high) .type = MS_FIELD_NUMBER, .min = (low), .max = (high)
#define MS_QUANTITY(of, low, high) MS_NUMBER(low, high), .unit = MS_UNIT_##of
#define MS_TIME MS_QUANTITY(TIME, 0, 1e9)
#define MS_WORD(text, value) .word = (text), .word_value = (value)
#define MS_NAME(table, is) .type = MS_FIELD_NAME, .named = (table), .what = (is)
#define MS_ONE_OF(...)                                                                             \
    .type = MS_FIELD_ENUM, .names = (const char *const[])                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define MS_OPTIONAL .fallback = ""

/** Text as a user wrote it -> the value at `at`, checked by the row. Not for TABLE and ODD.
 *  @param plain false: it stood in quotes, so it is meant as text
 *  @param arena copies words; NULL: they are borrowed
 *  @return MS_OK; MS_INVALID with a sentence that does not name the key, at untouched */
enum ms_status ms_field_parse(const struct ms_field *f, const char *text, bool plain,
                              struct ms_arena *arena, void *at, struct ms_err *err);
/** Every row's default into base, words borrowed from the table; TABLE, ODD and rows without a
 *  default are left alone. fields may be NULL here and below. */
void ms_field_defaults(const struct ms_field *fields, void *base);
/** The row of a key ('-' and '_' are one), or NULL. */
const struct ms_field *ms_field_find(const struct ms_field *fields, const char *key);
/** The words an ENUM or a NAME allows. @return how many (out may be NULL) */
size_t ms_field_words(const struct ms_field *f, const char **out, size_t cap);
/** The value as a user would write it. */
void ms_field_show(struct ms_buf *out, const struct ms_field *f, const void *at);
/** Is the value the row's one word? */
bool ms_field_is_word(const struct ms_field *f, const void *at);
/** What the row wants, for messages: "a time such as 2us", "a whole number or all". @return out */
const char *ms_field_wanted(const struct ms_field *f, char *out, size_t size);
/** What the row takes, for lists: "number 0..1", "a | b". */
void ms_field_takes(struct ms_buf *out, const struct ms_field *f);

#endif
