/* Where the values of a JSON text begin and end: the grammar of RFC 8259, and how deep it may go. */
#include "base/json_scan.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64, KNOWN = -1 /* depth: nothing need be checked */ };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

/* Behind the character c, blanks before it left out; NULL: something else stands there. */
static const char *pass(const char *p, const char *end, char c)
{
    p = p ? skip_blanks(p, end) : NULL;
    return p && p < end && *p == c ? p + 1 : NULL;
}

/* At least one of them. */
static const char *digits(const char *p, const char *end)
{
    const char *first = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p > first ? p : NULL;
}

static const char *number(const char *p, const char *end)
{
    p += p < end && *p == '-';
    bool zero = p < end && *p == '0';
    p = zero ? p + 1 : digits(p, end);
    if (p && p < end && *p == '.')
        p = digits(p + 1, end);
    if (p && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        p = digits(p, end);
    }
    return p;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind the escape whose letter p is. */
static const char *escape(const char *p, const char *end)
{
    if (p == end || !*p || !strchr("\"\\/bfnrtu", *p))
        return NULL;
    if (*p++ != 'u')
        return p;
    for (int i = 0; i < 4; i++)
        if (p == end || !is_hex(*p++))
            return NULL;
    return p;
}

/* Stands for itself in a string. */
static bool is_plain(char c)
{
    return c != '"' && c != '\\' && (unsigned char)c >= ' ';
}

/* Behind the quote that ends the string whose first quote p is. */
static const char *string(const char *p, const char *end, struct ms_json_slice *out)
{
    out->escaped = false;
    out->p = ++p;
    for (;;) {
        while (p < end && is_plain(*p))
            p++;
        if (p == end || (unsigned char)*p < ' ')
            return NULL;
        if (*p == '"')
            break;
        out->escaped = true;
        p = escape(p + 1, end);
        if (!p)
            return NULL;
    }
    out->n = (size_t)(p - out->p);
    return p + 1;
}

static const char *word(const char *p, const char *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - p) >= n && memcmp(p, text, n) == 0 ? p + n : NULL;
}

/* Does an odd number of backslashes stand before p? Inside a string, whose first quote ends the search. */
static bool is_escaped(const char *p)
{
    const char *q = p;
    while (q[-1] == '\\')
        q--;
    return (p - q) % 2;
}

/* Behind the bracket that ends what the bracket p begins, of a text that is known to be JSON: strings
 * passed over, brackets counted. */
static const char *skip(const char *p, const char *end)
{
    int depth = 0;
    for (; p < end; p++) {
        if (*p == '"') {
            do {
                p = memchr(p + 1, '"', (size_t)(end - p - 1));
            } while (p && is_escaped(p));
            if (!p)
                return NULL;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if ((*p == '}' || *p == ']') && --depth == 0) {
            return p + 1;
        }
    }
    return NULL;
}

static const char *value(const char *p, const char *end, int depth, struct ms_json_slice *out);

/* Behind the bracket that ends the object or array whose first bracket p is. */
static const char *nested(const char *p, const char *end, int depth)
{
    struct ms_json_slice s;
    bool object = *p == '{';
    char last = object ? '}' : ']';
    const char *empty = pass(++p, end, last);
    if (empty || depth == DEEPEST)
        return empty;
    for (;;) {
        if (object) {
            p = skip_blanks(p, end);
            p = p < end && *p == '"' ? pass(string(p, end, &s), end, ':') : NULL;
        }
        p = p ? value(skip_blanks(p, end), end, depth, &s) : NULL;
        p = p ? skip_blanks(p, end) : NULL;
        if (!p || p == end || (*p != ',' && *p != last))
            return NULL;
        if (*p++ == last)
            return p;
    }
}

/* Behind the value that begins at p; NULL: there is none. */
static const char *value(const char *p, const char *end, int depth, struct ms_json_slice *out)
{
    if (p == end)
        return NULL;
    *out = (struct ms_json_slice){.kind = MS_JSON_NUMBER, .p = p};
    const char *q;
    switch (*p) {
    case '{':
    case '[':
        out->kind = *p == '{' ? MS_JSON_OBJECT : MS_JSON_ARRAY;
        q = depth == KNOWN ? skip(p, end) : nested(p, end, depth + 1);
        break;
    case '"':
        out->kind = MS_JSON_STRING;
        return string(p, end, out);
    case 't':
        out->kind = MS_JSON_TRUE;
        q = word(p, end, "true");
        break;
    case 'f':
        out->kind = MS_JSON_FALSE;
        q = word(p, end, "false");
        break;
    case 'n':
        out->kind = MS_JSON_NULL;
        q = word(p, end, "null");
        break;
    default:
        q = number(p, end);
    }
    out->n = q ? (size_t)(q - p) : 0;
    return q;
}

struct ms_json_scan ms_json_scan_text(const char *text, size_t n)
{
    const char *end = text + n, *first = pass(text, end, '{');
    while (end > text && is_blank(end[-1]))
        end--;
    return (struct ms_json_scan){.at = first, .end = end, .wrong = !first};
}

struct ms_json_scan ms_json_scan_known(const char *text, size_t n)
{
    struct ms_json_scan s = ms_json_scan_text(text, n);
    s.known = true;
    return s;
}

/* The outer one was checked where it had to be. */
struct ms_json_scan ms_json_scan_object(const struct ms_json_slice *object)
{
    return ms_json_scan_known(object->p, object->n);
}

/* At the object's end, which is the text's end too. */
static bool ends(struct ms_json_scan *s, const char *p)
{
    s->wrong = !p || p != s->end;
    s->at = NULL;
    return false;
}

bool ms_json_scan_next(struct ms_json_scan *s, struct ms_json_slice *key,
                       struct ms_json_slice *value_out)
{
    if (!s->at)
        return false;
    const char *p = pass(s->at, s->end, '}');
    if (p)
        return ends(s, p);
    p = s->begun ? pass(s->at, s->end, ',') : s->at;
    s->begun = true;
    p = p ? skip_blanks(p, s->end) : NULL;
    *key = (struct ms_json_slice){.kind = MS_JSON_STRING};
    p = p && p < s->end && *p == '"' ? pass(string(p, s->end, key), s->end, ':') : NULL;
    p = p ? value(skip_blanks(p, s->end), s->end, s->known ? KNOWN : 1, value_out) : NULL;
    s->at = p;
    s->wrong = !p;
    return p;
}

bool ms_json_is_object(const char *text, size_t n)
{
    struct ms_json_scan s = ms_json_scan_text(text, n);
    struct ms_json_slice key, v;
    while (ms_json_scan_next(&s, &key, &v))
        ;
    return !s.wrong;
}

bool ms_json_slice_is(const struct ms_json_slice *s, const char *text)
{
    return s->kind == MS_JSON_STRING && !s->escaped && strlen(text) == s->n &&
           memcmp(s->p, text, s->n) == 0;
}

double ms_json_slice_number(const struct ms_json_slice *s)
{
    return strtod(s->p, NULL);
}
