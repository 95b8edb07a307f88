/** @file fields.h  Every key of a scenario file: one row each, in sections.
 *
 *  The tables decide key, type, unit, range, default, help and where the value goes; reading,
 *  --set, help, schema and echo walk them. An odd row has a shape: a value that is no plain number
 *  or word (lists, unions). To add a key, add a row to its section in fields_*.c; only an odd shape
 *  needs more. Inside this room only. */
#ifndef MS_SCENARIO_FIELDS_H
#define MS_SCENARIO_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/field.h"
#include "base/json.h"
#include "base/yaml_tree.h"

/** A reading under way. */
struct ms_reading {
    struct ms_arena *arena; /**< owns strings and lists of the values */
    struct ms_errs *errs;
    const char *file;                   /**< paths are relative to it */
    const struct ms_scenario *standard; /**< what nobody gives has these values; NULL: read them */
    bool keys_known;                    /**< there are no other keys than those of the tables */
};

/** Values on their way to JSON. */
struct ms_echo {
    struct ms_json j;
    struct ms_files *files; /**< canonical: files by content, read through it; NULL = by path */
    enum ms_status status;
    struct ms_err *err;
};

/** How the value of an odd row is read, echoed and described. `at` is where the row's offset
 *  points, `path` the key in full. */
struct ms_shape {
    void (*parse)(struct ms_reading *r, const char *path, const struct ms_field *f,
                  const struct ms_entry *e, void *at);
    void (*echo)(struct ms_echo *o, const char *name, const struct ms_field *f, const void *at);
    /** Members of the schema object that is open in j. */
    void (*schema)(struct ms_json *j, const struct ms_field *f);
    const char *allowed; /**< for people: "a law, or {law, its parameters, order}" */
};

/** Which struct the offsets of a section start from. */
enum ms_section_of { MS_OF_SCENARIO, MS_OF_TRAIN };

struct ms_section {
    const char *prefix; /**< "faults.stragglers"; "" = the top */
    const struct ms_field *fields;
    enum ms_section_of of;
    size_t offset;
    const char *help;
};

/** One key. */
struct ms_key {
    char path[80];
    const struct ms_field *field;
    const struct ms_section *section;
};

/** Sections ended by prefix NULL, outer before inner. */
extern const struct ms_section ms_sections[];
/** Section train (fields_train.c). */
extern const struct ms_field ms_train_fields[];

/** Walk all keys in table order: zero-initialise the cursor; false at the end. */
struct ms_key_cursor {
    size_t section, row;
};
bool ms_key_next(struct ms_key_cursor *c, struct ms_key *out);
/** The same without the path, which most of those who look at every key of every case do without;
 *  ms_key_spell fills it in. */
bool ms_key_step(struct ms_key_cursor *c, struct ms_key *out);
void ms_key_spell(struct ms_key *k);
/** The key of exactly that path. */
bool ms_key_find(const char *path, struct ms_key *out);
/** Does a key live below path ("faults")? */
bool ms_key_section(const char *path);
/** May path be set: a key, a section, or inside a key that takes a mapping? */
bool ms_key_settable(const char *path);
/** "; did you mean 'x'?" for an unknown path, into out; x with its section where `full`.
 *  @return out */
const char *ms_key_hint(const char *path, bool full, char *out, size_t size);

/* ---- reading (value.c, path.c) ---- */
/** Report at e; the key of the message is path. */
void ms_reading_fail(struct ms_reading *r, const struct ms_entry *e, const char *path,
                     const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/** The text of a scalar; false after an error where e is a list, a mapping or null. */
bool ms_reading_text(struct ms_reading *r, const struct ms_entry *e, const char *path,
                     const char *wanted, const char **text);
/** The value of a row into at. @return false after an error */
bool ms_reading_value(struct ms_reading *r, const struct ms_entry *e, const char *path,
                      const struct ms_field *f, void *at);
/** A path as the user meant it: beside the scenario file; from --set also below the current
 *  folder. */
const char *ms_reading_path(struct ms_reading *r, const struct ms_entry *e, const char *text);
/** A mapping by a table: every row read or defaulted, unknown keys reported. */
bool ms_reading_table(struct ms_reading *r, const struct ms_entry *e, const char *path,
                      const struct ms_field *fields, void *base);
/** A default as a tree. */
const struct ms_entry *ms_reading_fallback(struct ms_reading *r, const char *text);

/* ---- echo and schema of a row (echo.c, schema.c) ---- */
void ms_echo_value(struct ms_echo *o, const char *name, const struct ms_field *f, const void *at);
void ms_echo_path(struct ms_echo *o, const char *name, const char *path);
void ms_echo_table(struct ms_echo *o, const char *name, const struct ms_field *fields,
                   const void *base);
void ms_schema_value(struct ms_json *j, const struct ms_field *f);
/** An object with the rows of a table, closed against others. */
void ms_schema_table(struct ms_json *j, const struct ms_field *fields);

/* ---- shapes ---- */
/* Where a comment names several members, the row's offset is that of their struct. */

/** const char *: the scenario's name, also a folder's. */
extern const struct ms_shape ms_shape_scenario_name;
/** struct ms_tokens */
extern const struct ms_shape ms_shape_tokens;
/** struct ms_request_params */
extern const struct ms_shape ms_shape_requests;
extern const struct ms_field ms_request_fields[]; /**< of struct ms_request_params */
/** struct ms_popularity */
extern const struct ms_shape ms_shape_popularity;
/** struct ms_routing_params: filter, n_filter */
extern const struct ms_shape ms_shape_filter;
/** struct ms_routing_params: trace_axes, n_trace_axes */
extern const struct ms_shape ms_shape_axes;
/** struct ms_routing_params: text, n_text */
extern const struct ms_shape ms_shape_texts;
extern const struct ms_shape ms_shape_hosts;
/** A struct whose first member is `const char *profile`: a name of the row's table, or NULL and
 *  the numbers of the row's fields. */
extern const struct ms_shape ms_shape_profile;
/** struct ms_hardware_params: a word, or a mapping that overrides numbers of a profile */
extern const struct ms_shape ms_shape_hardware;
extern const struct ms_field ms_roofline_fields[]; /**< of struct ms_compute_params */
extern const struct ms_field ms_hardware_fields[]; /**< of struct ms_hardware_params */
/** struct ms_fault_params: links, n_links; hosts, n_hosts */
extern const struct ms_shape ms_shape_links, ms_shape_lost_hosts;
extern const struct ms_field ms_link_fields[]; /**< of struct ms_fault_link */
extern const struct ms_field ms_host_fields[]; /**< of struct ms_fault_host */

/** Words of a list (one may stand alone) into a new array; f: an ENUM or PATH row. */
const char **ms_shape_words(struct ms_reading *r, const char *path, const struct ms_entry *e,
                            const struct ms_field *f, int *n_out);

/** The odd row's table of names as a row of its own: for values that may be such a name. */
struct ms_field ms_shape_name(const struct ms_field *f);

/** Names of the rooms' tables (names.c). */
ms_names_fn ms_names_presets, ms_names_laws, ms_names_assignments, ms_names_routers,
    ms_names_losses, ms_names_placements, ms_names_replica_choices, ms_names_exchanges,
    ms_names_networks, ms_names_compute;

#endif
