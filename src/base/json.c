/* Decides the bytes of every JSON text that is written: where commas stand, what is escaped, and
 * the shortest decimal that reads back to the same double. */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* printf's "%" PRId64, many times as fast. @return where it ends */
static char *whole(int64_t value, char *out)
{
    char digits[24];
    int n = 0;
    uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    if (value < 0)
        *out++ = '-';
    while (n > 0)
        *out++ = digits[--n];
    *out = '\0';
    return out;
}

/* value as a fraction of a few digits, where it is one: a whole number below 10^15 over 10^k, both
 * exact, divides to the double that its decimal reads back to. What "%.15g" prints, thirty times as
 * fast. @return false: it is none, or printed with an exponent */
static bool short_fraction(double value, char *out)
{
    static const double ten[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    double size = fabs(value);
    if (size < 1e-4 || size >= 1e8)
        return false;
    for (int k = 1; k <= 6; k++) {
        double scaled = nearbyint(size * ten[k]);
        if (scaled / ten[k] != size)
            continue;
        int64_t all = (int64_t)scaled, unit = (int64_t)ten[k], rest = all % unit;
        if (value < 0)
            *out++ = '-';
        out = whole(all / unit, out);
        *out = '.';
        for (int i = k; i > 0; i--, rest /= 10)
            out[i] = (char)('0' + rest % 10);
        out[k + 1] = '\0';
        return true;
    }
    return false;
}

const char *ms_number(double value, char *out)
{
    if (!isfinite(value))
        return strcpy(out, "null");
    if (value == 0)
        return strcpy(out, "0");
    if (fabs(value) < 1e15 && value == trunc(value)) {
        whole((int64_t)value, out);
        return out;
    }
    if (short_fraction(value, out))
        return out;
    /* 15 digits nearly always suffice; fewer would have been padded by %g with nothing. */
    for (int digits = 15; digits <= 17; digits++) {
        sprintf(out, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    return out;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void escaped(struct ms_buf *b, const char *s)
{
    ms_buf_adds(b, "\"");
    while (*s) {
        size_t n = 0;
        while (s[n] && is_plain((unsigned char)s[n]))
            n++;
        ms_buf_add(b, s, n);
        s += n;
        if (!*s)
            break;
        unsigned char c = (unsigned char)*s++;
        if (c == '"' || c == '\\')
            ms_buf_printf(b, "\\%c", c);
        else if (c == '\n')
            ms_buf_adds(b, "\\n");
        else if (c == '\t')
            ms_buf_adds(b, "\\t");
        else
            ms_buf_printf(b, "\\u%04x", c);
    }
    ms_buf_adds(b, "\"");
}

enum { SHORT = 100 };

/* In quotes at `out` [SHORT + 2], where it is short and needs no escape, as nearly all names and values.
 * @return bytes written; 0: it is not */
static size_t quote(const char *s, char *out)
{
    size_t n = 0;
    for (; n < SHORT && is_plain((unsigned char)s[n]); n++)
        out[n + 1] = s[n];
    if (s[n])
        return 0;
    out[0] = out[n + 1] = '"';
    return n + 2;
}

static void quoted(struct ms_buf *b, const char *s)
{
    char text[SHORT + 2];
    size_t n = quote(s, text);
    if (n > 0)
        ms_buf_add(b, text, n);
    else
        escaped(b, s);
}

static void lead(struct ms_json *j, const char *key)
{
    char text[SHORT + 4];
    size_t n = 0, m;
    if (j->comma)
        text[n++] = ',';
    j->comma = true;
    m = key ? quote(key, text + n) : 0;
    n += m;
    if (m > 0)
        text[n++] = ':';
    if (n > 0)
        ms_buf_add(j->out, text, n);
    if (key && m == 0) {
        escaped(j->out, key);
        ms_buf_add(j->out, ":", 1);
    }
}

void ms_json_object(struct ms_json *j, const char *key)
{
    lead(j, key);
    ms_buf_adds(j->out, "{");
    j->comma = false;
}

void ms_json_array(struct ms_json *j, const char *key)
{
    lead(j, key);
    ms_buf_adds(j->out, "[");
    j->comma = false;
}

void ms_json_end_object(struct ms_json *j)
{
    ms_buf_adds(j->out, "}");
    j->comma = true;
}

void ms_json_end_array(struct ms_json *j)
{
    ms_buf_adds(j->out, "]");
    j->comma = true;
}

void ms_json_string(struct ms_json *j, const char *key, const char *value)
{
    if (!value) {
        ms_json_null(j, key);
        return;
    }
    lead(j, key);
    quoted(j->out, value);
}

void ms_json_number(struct ms_json *j, const char *key, double value)
{
    char text[32];
    lead(j, key);
    ms_buf_adds(j->out, ms_number(value, text));
}

void ms_json_integer(struct ms_json *j, const char *key, int64_t value)
{
    char text[32];
    lead(j, key);
    ms_buf_add(j->out, text, (size_t)(whole(value, text) - text));
}

void ms_json_bool(struct ms_json *j, const char *key, bool value)
{
    lead(j, key);
    ms_buf_adds(j->out, value ? "true" : "false");
}

void ms_json_null(struct ms_json *j, const char *key)
{
    lead(j, key);
    ms_buf_adds(j->out, "null");
}

void ms_json_raw(struct ms_json *j, const char *key, const char *json)
{
    lead(j, key);
    ms_buf_adds(j->out, json);
}

char *ms_json_reason(char *text)
{
    char *quoted = strstr(text, " near ");
    if (quoted)
        *quoted = '\0';
    return text;
}
