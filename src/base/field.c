/* Text -> the value of a row: the only reader of scenario values, topology parameters, law
 * parameters and defaults. It decides what a number, a word and a quantity look like. */
#include "base/field.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"

enum { SHOWN = 80, MAX_WORDS = 128 };

#define BAD(err, ...) ms_err_set(err, MS_INVALID, __VA_ARGS__)

/* ---- numbers ---- */

static void range_text(const struct ms_field *f, double v, char *out, size_t size)
{
    char low[32], high[32];
    const char *least = f->above_min ? "more than" : "at least";
    ms_number(f->min, low);
    ms_number(f->max, high);
    if (f->max >= 1e15) /* a limit that nobody means to meet */
        snprintf(out, size, "%s %s", v > f->max ? "at most" : least, v > f->max ? high : low);
    else
        snprintf(out, size, "%s %s and at most %s", least, low, high);
}

static enum ms_status in_range(const struct ms_field *f, const char *text, double v,
                               struct ms_err *err)
{
    char shown[SHOWN], range[100];
    if (f->min == 0 && f->max == 0)
        return MS_OK;
    if ((f->above_min ? v > f->min : v >= f->min) && v <= f->max)
        return MS_OK;
    range_text(f, v, range, sizeof range);
    return BAD(err, "%s must be %s", ms_clean(text, shown, sizeof shown), range);
}

/* Quoted text is text: a number in quotes is most likely a mistake, a quantity with its unit is
 * not. */
static enum ms_status quoted(const char *text, struct ms_err *err)
{
    char shown[SHOWN];
    return BAD(err, "'%s' is in quotes, so it is text; write it without quotes",
               ms_clean(text, shown, sizeof shown));
}

static enum ms_status parse_number(const struct ms_field *f, const char *text, bool plain,
                                   double *out, struct ms_err *err)
{
    char shown[SHOWN], wanted[SHOWN];
    double v, bare;
    if (!ms_units_parse(text, f->unit, &v))
        return BAD(err, "'%s' is not %s", ms_clean(text, shown, sizeof shown),
                   ms_field_wanted(f, wanted, sizeof wanted));
    bool is_bare = ms_units_parse(text, MS_UNIT_NONE, &bare);
    if (!plain && is_bare)
        return quoted(text, err);
    if (is_bare && v != 0 && ms_units_usual(f->unit))
        return BAD(err, "'%s' has no unit; %s%s?", ms_clean(text, shown, sizeof shown), shown,
                   ms_units_usual(f->unit));
    enum ms_status s = in_range(f, text, v, err);
    if (s == MS_OK)
        *out = v;
    return s;
}

/* 017 is 15 to some YAML readers and 17 to others; 0x11, 1_000 and 1:30 are not decimal either. */
static bool odd_integer(const char *text)
{
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    if (digits[0] == '0' && digits[1] && strspn(digits, "0123456789") == strlen(digits))
        return true;
    return (digits[0] == '0' && digits[1] && strchr("xXoObB", digits[1])) ||
           (digits[0] >= '0' && digits[0] <= '9' && strpbrk(digits, "_:"));
}

/* 1e6 is whole, too. */
static bool whole(const char *text, int64_t *out)
{
    char *end;
    double v;
    errno = 0;
    long long i = strtoll(text, &end, 10);
    if (end != text && *end == 0 && errno == 0) {
        *out = i;
        return true;
    }
    if (!ms_units_parse(text, MS_UNIT_NONE, &v) || v != trunc(v) || fabs(v) > 9e15)
        return false;
    *out = (int64_t)v;
    return true;
}

static enum ms_status parse_integer(const struct ms_field *f, const char *text, bool plain,
                                    int64_t *out, struct ms_err *err)
{
    char shown[SHOWN], wanted[SHOWN];
    int64_t v;
    double huge;
    enum ms_status s = MS_OK;
    if (!plain)
        return quoted(text, err);
    ms_clean(text, shown, sizeof shown);
    if (odd_integer(text))
        return BAD(err, "'%s' is not a plain decimal number", shown);
    if (whole(text, &v)) {
        s = in_range(f, text, (double)v, err);
        if (s == MS_OK)
            *out = v;
        return s;
    }
    if (ms_units_parse(text, MS_UNIT_NONE, &huge) && huge == trunc(huge))
        s = in_range(f, text, huge, err);
    return s ? s : BAD(err, "'%s' is not %s", shown, ms_field_wanted(f, wanted, sizeof wanted));
}

static enum ms_status parse_int32(const struct ms_field *f, const char *text, bool plain, int *out,
                                  struct ms_err *err)
{
    int64_t v;
    enum ms_status s = parse_integer(f, text, plain, &v, err);
    if (s == MS_OK)
        *out = (int)v;
    return s;
}

/* The row's one word in place of a number. */
static bool parse_word(const struct ms_field *f, const char *text, void *at)
{
    if (!f->word || strcmp(text, f->word) != 0)
        return false;
    if (f->type == MS_FIELD_NUMBER)
        *(double *)at = f->word_value;
    else if (f->type == MS_FIELD_INT)
        *(int64_t *)at = (int64_t)f->word_value;
    else
        *(int *)at = (int)f->word_value;
    return true;
}

/* ---- words ---- */

static enum ms_status parse_bool(const char *text, bool plain, bool *out, struct ms_err *err)
{
    static const char *const old[] = {"yes", "no", "on", "off", "y", "n"};
    char shown[SHOWN];
    bool yaml11 = false;
    if (!plain)
        return quoted(text, err);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        *out = text[0] == 't';
        return MS_OK;
    }
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        yaml11 = yaml11 || strcasecmp(text, old[i]) == 0;
    return BAD(err, "'%s' is not true or false%s", ms_clean(text, shown, sizeof shown),
               yaml11 ? " (yes, no, on and off are words of YAML 1.1, not taken here)" : "");
}

/* @return the index of a word that the row allows, -1 with err set */
static int find_word(const struct ms_field *f, const char *text, const char **names,
                     struct ms_err *err)
{
    char shown[SHOWN], allowed[600], what[60];
    size_t n = ms_field_words(f, names, MAX_WORDS);
    n = n < MAX_WORDS ? n : MAX_WORDS;
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, names[i]) == 0)
            return (int)i;
    snprintf(what, sizeof what, "a known %s", f->key);
    BAD(err, "'%s' is not %s%s", ms_clean(text, shown, sizeof shown), f->what ? f->what : what,
        ms_allowed(allowed, sizeof allowed, text, names, n));
    return -1;
}

static enum ms_status parse_text(const char *text, struct ms_arena *arena, const char **out,
                                 struct ms_err *err)
{
    if (!*text)
        return BAD(err, "there is no value");
    *out = arena ? ms_arena_strdup(arena, text) : text;
    return *out ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
}

enum ms_status ms_field_parse(const struct ms_field *f, const char *text, bool plain,
                              struct ms_arena *arena, void *at, struct ms_err *err)
{
    const char *names[MAX_WORDS];
    int i;
    if (parse_word(f, text, at))
        return MS_OK;
    switch (f->type) {
    case MS_FIELD_BOOL:
        return parse_bool(text, plain, at, err);
    case MS_FIELD_INT:
        return parse_integer(f, text, plain, at, err);
    case MS_FIELD_INT32:
        return parse_int32(f, text, plain, at, err);
    case MS_FIELD_NUMBER:
        return parse_number(f, text, plain, at, err);
    case MS_FIELD_ENUM:
    case MS_FIELD_NAME:
        i = find_word(f, text, names, err);
        if (i >= 0 && f->type == MS_FIELD_ENUM)
            *(int *)at = i;
        else if (i >= 0)
            *(const char **)at = names[i];
        return i >= 0 ? MS_OK : MS_INVALID;
    case MS_FIELD_STRING:
    case MS_FIELD_PATH:
        return parse_text(text, arena, at, err);
    case MS_FIELD_TABLE:
    case MS_FIELD_ODD:
        break;
    }
    return ms_err_set(err, MS_INTERNAL, "%s is no plain value", f->key);
}

/* ---- tables ---- */

void ms_field_defaults(const struct ms_field *fields, void *base)
{
    for (const struct ms_field *f = fields; f && f->key; f++)
        if (f->fallback && f->fallback[0] && f->type != MS_FIELD_TABLE && f->type != MS_FIELD_ODD)
            ms_field_parse(f, f->fallback, true, NULL, (char *)base + f->offset, NULL);
}

static bool same_key(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
            return false;
    return *a == *b;
}

const struct ms_field *ms_field_find(const struct ms_field *fields, const char *key)
{
    for (const struct ms_field *f = fields; f && f->key; f++)
        if (same_key(f->key, key))
            return f;
    return NULL;
}

size_t ms_field_words(const struct ms_field *f, const char **out, size_t cap)
{
    size_t n = 0;
    if (f->named)
        return f->named(out, cap);
    for (; f->names && f->names[n]; n++)
        if (out && n < cap)
            out[n] = f->names[n];
    return n;
}
