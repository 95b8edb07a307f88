/** @file json_scan.h  Reading JSON of which nothing need be kept: the members of an object in the order
 *  in which they stand, as slices of its text.
 *
 *  One pass, no memory, about ten instructions a byte, where a tree of the same record takes 25 KB and
 *  a hundred times as long. What is passed over is checked for being JSON (RFC 8259; 64 levels at the
 *  most); whether strings are UTF-8, or two members share a name, is not. What is needed as a tree is
 *  jansson's work. */
#ifndef MS_BASE_JSON_SCAN_H
#define MS_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum ms_json_kind {
    MS_JSON_OBJECT,
    MS_JSON_ARRAY,
    MS_JSON_STRING,
    MS_JSON_NUMBER,
    MS_JSON_TRUE,
    MS_JSON_FALSE,
    MS_JSON_NULL
};

/** A value in the text that is scanned, which owns it. */
struct ms_json_slice {
    enum ms_json_kind kind;
    bool escaped;  /**< a string with escapes in it */
    const char *p; /**< of strings what stands between the quotes */
    size_t n;
};

/** A place in an object. */
struct ms_json_scan {
    const char *at, *end;
    bool begun, wrong; /**< wrong: it is no object, or not whole */
    bool known;        /**< to be JSON */
};

/** The members of the object that text [n] is, blanks around it allowed. */
struct ms_json_scan ms_json_scan_text(const char *text, size_t n);
/** The same of a text that is known to be JSON, because it was scanned before or a seal holds it
 *  (base/seal.h): objects and lists are passed over unread, in a third of the time. */
struct ms_json_scan ms_json_scan_known(const char *text, size_t n);
/** The members of an object met. */
struct ms_json_scan ms_json_scan_object(const struct ms_json_slice *object);
/** The next member. @return false: there is none, or the text is `wrong` */
bool ms_json_scan_next(struct ms_json_scan *s, struct ms_json_slice *key,
                       struct ms_json_slice *value);
/** Is text [n] one object? */
bool ms_json_is_object(const char *text, size_t n);
/** Is it this string, which needs no escapes? */
bool ms_json_slice_is(const struct ms_json_slice *s, const char *text);
/** A number's value; the text must not end with it. */
double ms_json_slice_number(const struct ms_json_slice *s);

#endif
