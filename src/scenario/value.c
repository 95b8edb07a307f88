#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/fields.h"

void ms_reading_fail(struct ms_reading *r, const struct ms_entry *e, const char *path,
                     const char *fmt, ...)
{
    char text[sizeof((struct ms_err *)0)->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ms_errs_add_at(r->errs, MS_INVALID, e->file, e->line, e->col, path, "%s", text);
}

static const char *clean(const char *text, char *out)
{
    return ms_yaml_clean(text, out, 80);
}

bool ms_reading_text(struct ms_reading *r, const struct ms_entry *e, const char *path,
                     const char *wanted, const char **text)
{
    if (e->value->kind != MS_YAML_SCALAR)
        ms_reading_fail(r, e, path, "a %s is not %s%s",
                        e->value->kind == MS_YAML_LIST ? "list" : "mapping", wanted,
                        e->value->kind == MS_YAML_LIST && e->key
                            ? "; to go through several values, list them under `sweep`"
                            : "");
    else if (ms_yaml_null(e->value))
        ms_reading_fail(r, e, path, "there is no value; it must be %s", wanted);
    else {
        *text = e->value->text;
        return true;
    }
    return false;
}

void ms_reading_unknown(struct ms_reading *r, const struct ms_entry *e, const char *path,
                        const char *what, const char *word, const char *const *names, size_t n)
{
    char shown[80], allowed[600];
    ms_reading_fail(r, e, path, "'%s' is not %s%s", clean(word, shown), what,
                    ms_allowed(allowed, sizeof allowed, word, names, n));
}

static const char *range_text(const struct ms_field *f, char *out, size_t size)
{
    char low[32], high[32];
    ms_number(f->min, low);
    ms_number(f->max, high);
    const char *least = f->above_min ? "more than" : "at least";
    if (f->max >= 1e15)
        snprintf(out, size, "%s %s", least, low);
    else
        snprintf(out, size, "%s %s and at most %s", least, low, high);
    return out;
}

static bool in_range(struct ms_reading *r, const struct ms_entry *e, const char *path,
                     const struct ms_field *f, double v)
{
    char shown[80], text[100];
    if (f->min == 0 && f->max == 0)
        return true;
    if ((f->above_min ? v > f->min : v >= f->min) && v <= f->max)
        return true;
    ms_reading_fail(r, e, path, "%s must be %s", clean(e->value->text, shown),
                    range_text(f, text, sizeof text));
    return false;
}

/* Quoted text is text: a number in quotes is most likely a mistake, a quantity with its unit is
 * not. */
static bool refuse_quoted(struct ms_reading *r, const struct ms_entry *e, const char *path)
{
    char shown[80];
    if (e->value->plain)
        return false;
    ms_reading_fail(r, e, path, "'%s' is in quotes, so it is text; write it without quotes",
                    clean(e->value->text, shown));
    return true;
}

bool ms_reading_number(struct ms_reading *r, const struct ms_entry *e, const char *path,
                       const struct ms_field *f, double *out)
{
    const char *text, *wanted = ms_units_hint(f->unit);
    char shown[80];
    double v;
    if (!ms_reading_text(r, e, path, wanted, &text))
        return false;
    if (!ms_units_parse(text, f->unit, &v)) {
        ms_reading_fail(r, e, path, "'%s' is not %s", clean(text, shown), wanted);
        return false;
    }
    if (ms_units_parse(text, MS_UNIT_NONE, &v) && refuse_quoted(r, e, path))
        return false;
    ms_units_parse(text, f->unit, &v);
    if (!in_range(r, e, path, f, v))
        return false;
    *out = v;
    return true;
}

/* 017 is 15 to some YAML readers and 17 to others; 0x11, 1_000 and 1:30 are not decimal either. */
static bool odd_integer(const char *text)
{
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    if (digits[0] == '0' && digits[1] && strspn(digits, "0123456789") == strlen(digits))
        return true;
    return (digits[0] == '0' && strchr("xXoObB", digits[1]) && digits[1]) ||
           (digits[0] >= '0' && digits[0] <= '9' && strpbrk(digits, "_:"));
}

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

bool ms_reading_integer(struct ms_reading *r, const struct ms_entry *e, const char *path,
                        const struct ms_field *f, int64_t *out)
{
    const char *text;
    char shown[80];
    int64_t v;
    if (!ms_reading_text(r, e, path, "a whole number", &text) || refuse_quoted(r, e, path))
        return false;
    if (odd_integer(text)) {
        ms_reading_fail(r, e, path, "'%s' is not a plain decimal number", clean(text, shown));
        return false;
    }
    double huge;
    if (!whole(text, &v) && ms_units_parse(text, MS_UNIT_NONE, &huge) && huge == trunc(huge) &&
        !in_range(r, e, path, f, huge))
        return false;
    if (!whole(text, &v)) {
        ms_reading_fail(r, e, path, "'%s' is not a whole number", clean(text, shown));
        return false;
    }
    if (!in_range(r, e, path, f, (double)v))
        return false;
    *out = v;
    return true;
}

static bool read_bool(struct ms_reading *r, const struct ms_entry *e, const char *path, bool *out)
{
    static const char *const old[] = {"yes", "no", "on", "off", "y", "n"};
    const char *text;
    char shown[80];
    if (!ms_reading_text(r, e, path, "true or false", &text) || refuse_quoted(r, e, path))
        return false;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        *out = text[0] == 't';
        return true;
    }
    bool yaml11 = false;
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        yaml11 = yaml11 || strcasecmp(text, old[i]) == 0;
    ms_reading_fail(r, e, path, "'%s' is not true or false%s", clean(text, shown),
                    yaml11 ? " (yes, no, on and off are words of YAML 1.1, not taken here)" : "");
    return false;
}

static bool read_enum(struct ms_reading *r, const struct ms_entry *e, const char *path,
                      const struct ms_field *f, int *out)
{
    const char *text;
    char what[40] = "one of its words";
    size_t n = 0;
    while (f->names[n])
        n++;
    if (!ms_reading_text(r, e, path, "a word", &text))
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, f->names[i]) == 0) {
            *out = (int)i;
            return true;
        }
    snprintf(what, sizeof what, "a known %s", f->key);
    ms_reading_unknown(r, e, path, what, text, f->names, n);
    return false;
}

bool ms_reading_value(struct ms_reading *r, const struct ms_entry *e, const char *path,
                      const struct ms_field *f, void *at)
{
    const char *text;
    int64_t i;
    switch (f->type) {
    case MS_FIELD_BOOL:
        return read_bool(r, e, path, at);
    case MS_FIELD_INT:
        return ms_reading_integer(r, e, path, f, at);
    case MS_FIELD_INT32:
        if (!ms_reading_integer(r, e, path, f, &i))
            return false;
        *(int *)at = (int)i;
        return true;
    case MS_FIELD_NUMBER:
        return ms_reading_number(r, e, path, f, at);
    case MS_FIELD_ENUM:
        return read_enum(r, e, path, f, at);
    case MS_FIELD_STRING:
    case MS_FIELD_PATH:
        if (!ms_reading_text(r, e, path, f->type == MS_FIELD_PATH ? "a file" : "a word", &text))
            return false;
        if (!*text) {
            ms_reading_fail(r, e, path, "there is no value");
            return false;
        }
        *(const char **)at = f->type == MS_FIELD_PATH ? ms_reading_path(r, e, text)
                                                      : ms_arena_strdup(r->arena, text);
        return true;
    case MS_FIELD_CUSTOM:
        break;
    }
    return false;
}

const struct ms_entry *ms_reading_fallback(struct ms_reading *r, const char *text)
{
    if (strchr("{[", text[0]) && text[0])
        return ms_yaml_parse(r->arena, "(default)", 0, text, strlen(text), r->errs);
    struct ms_entry *e = MS_NEW(r->arena, struct ms_entry, 1);
    if (!e)
        return NULL;
    e->file = "(default)";
    e->value = ms_yaml_scalar(r->arena, text);
    return e->value ? e : NULL;
}

static bool table_row(struct ms_reading *r, const struct ms_entry *section, const char *path,
                      const struct ms_field *f, void *base)
{
    char full[160];
    void *at = (char *)base + f->offset;
    const struct ms_entry *e = ms_yaml_get(section->value, f->key);
    snprintf(full, sizeof full, "%s.%s", path, f->key);
    if (e)
        return ms_reading_value(r, e, full, f, at);
    if (!f->fallback) {
        ms_reading_fail(r, section, full, "must be given: %s", f->help);
        return false;
    }
    if (!f->fallback[0])
        return true;
    e = ms_reading_fallback(r, f->fallback);
    return e && ms_reading_value(r, e, full, f, at);
}

bool ms_reading_table(struct ms_reading *r, const struct ms_entry *e, const char *path,
                      const struct ms_field *fields, void *base)
{
    const char *names[32];
    char full[160], shown[80], allowed[600];
    size_t n = 0;
    bool ok = true;
    for (const struct ms_field *f = fields; f->key; f++) {
        names[n++] = f->key;
        ok = table_row(r, e, path, f, base) && ok;
    }
    for (const struct ms_entry *sub = e->value->first; sub; sub = sub->next) {
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known = known || strcmp(sub->key, names[i]) == 0;
        if (known)
            continue;
        snprintf(full, sizeof full, "%s.%s", path, clean(sub->key, shown));
        ms_reading_fail(r, sub, full, "unknown key%s",
                        ms_allowed(allowed, sizeof allowed, sub->key, names, n));
        ok = false;
    }
    return ok;
}
