/** @file keys.c  The keys as a list for people: `moesim list keys`. */
#include <string.h>

#include "scenario/fields.h"
#include "scenario/scenario.h"

static const char *unit_word(enum ms_unit unit)
{
    static const char *const words[] = {"number", "time", "size", "rate", "compute rate"};
    return words[unit];
}

static void range(struct ms_buf *b, const struct ms_field *f)
{
    char low[32], high[32];
    if (f->min == 0 && f->max == 0)
        return;
    ms_number(f->min, low);
    ms_number(f->max, high);
    if (f->max >= 1e15 || (f->unit == MS_UNIT_TIME && f->max >= 1e9))
        ms_buf_printf(b, " %s %s", f->above_min ? ">" : ">=", low);
    else
        ms_buf_printf(b, " %s%s..%s", f->above_min ? ">" : "", low, high);
}

static void words(struct ms_buf *b, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        ms_buf_printf(b, "%s%s", i ? " | " : "", names[i]);
}

static void type(struct ms_buf *b, const struct ms_field *f)
{
    switch (f->type) {
    case MS_FIELD_BOOL:
        ms_buf_adds(b, "true | false");
        break;
    case MS_FIELD_INT:
    case MS_FIELD_INT32:
        ms_buf_adds(b, "integer");
        range(b, f);
        break;
    case MS_FIELD_NUMBER:
        ms_buf_adds(b, unit_word(f->unit));
        range(b, f);
        break;
    case MS_FIELD_ENUM:
        words(b, f->names);
        break;
    case MS_FIELD_STRING:
        ms_buf_adds(b, "word");
        break;
    case MS_FIELD_PATH:
        ms_buf_adds(b, "file");
        break;
    case MS_FIELD_CUSTOM:
        break;
    }
}

static void named(struct ms_buf *b, ms_names_fn *fn)
{
    enum { MAX = 64 };
    const char *names[MAX + 1];
    size_t n = fn(names, MAX);
    names[n < MAX ? n : MAX] = NULL;
    words(b, names);
}

static void line(struct ms_buf *b, int indent, const char *key, const struct ms_field *f,
                 const struct ms_special *special)
{
    ms_buf_printf(b, "%*s%-*s  ", indent, "", 34 - indent, key);
    if (special && special->shape && special->shape->allowed)
        ms_buf_adds(b, special->shape->allowed);
    else if (special && special->names)
        named(b, special->names);
    else
        type(b, f);
    if (f->fallback && f->fallback[0])
        ms_buf_printf(b, "  (default %s)", f->fallback);
    ms_buf_printf(b, "\n%36s%s%s\n", "", f->help,
                  special && special->later ? "; not available yet" : "");
}

void ms_scenario_keys(struct ms_buf *out)
{
    struct ms_key_cursor c = {0};
    struct ms_key k;
    const struct ms_section *last = NULL;
    while (ms_key_next(&c, &k)) {
        if (k.section != last)
            ms_buf_printf(out, "%s%s%s%s\n", last ? "\n" : "", k.section->prefix,
                          k.section->prefix[0] ? ": " : "", k.section->help);
        last = k.section;
        line(out, 2, k.field->key, k.field, k.special);
        const struct ms_field *f = k.special && k.special->shape ? k.special->shape->fields : NULL;
        for (; f && f->key; f++)
            line(out, 4, f->key, f, NULL);
    }
    ms_buf_adds(out, "\nsweep: every combination of the axes\n"
                     "  KEY: [values]\n  KEY: {from, to, step}\n"
                     "  ANY WORD: {zip: {KEY: [values], KEY: [values]}}\n");
}

void ms_scenario_key_names(struct ms_buf *out, const char *tail)
{
    struct ms_key_cursor c = {0};
    struct ms_key k;
    while (ms_key_next(&c, &k)) {
        ms_buf_printf(out, "%s%s", k.path, tail);
        const struct ms_field *f = k.special && k.special->shape ? k.special->shape->fields : NULL;
        for (; f && f->key; f++)
            ms_buf_printf(out, "%s.%s%s", k.path, f->key, tail);
    }
}
