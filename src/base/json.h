/** @file json.h  Writing JSON, with the numbers the results promise.
 *
 *  Numbers are the shortest decimal that reads back to the same double, in the C locale; NaN and
 *  infinity become null. Reading JSON is jansson's work. */
#ifndef MS_BASE_JSON_H
#define MS_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"

/** A writer over a buffer; commas are placed by itself. Zero-initialise with .out set. */
struct ms_json {
    struct ms_buf *out;
    bool comma;
};

/** Every function takes key = NULL inside arrays and at the top. */
void ms_json_object(struct ms_json *j, const char *key);
void ms_json_array(struct ms_json *j, const char *key);
void ms_json_end_object(struct ms_json *j);
void ms_json_end_array(struct ms_json *j);
void ms_json_string(struct ms_json *j, const char *key, const char *value); /**< NULL: null */
void ms_json_number(struct ms_json *j, const char *key, double value);
void ms_json_integer(struct ms_json *j, const char *key, int64_t value);
void ms_json_bool(struct ms_json *j, const char *key, bool value);
void ms_json_null(struct ms_json *j, const char *key);
/** Text that is JSON already. */
void ms_json_raw(struct ms_json *j, const char *key, const char *json);

/** Why jansson took a text for no JSON, without what it quotes of it, in place. @return text */
char *ms_json_reason(char *text);

/** The shortest decimal that reads back to the same double ("null" unless finite), into out of >=
 *  32 bytes. @return out */
const char *ms_number(double value, char *out);

#endif
