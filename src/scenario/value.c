/* A node of the tree -> the value of a row, with the place of whatever is wrong. What text means is
 * the row's (base/field.h); here: lists and mappings, files, tables. */
#include <stdarg.h>
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

static bool plain_value(struct ms_reading *r, const struct ms_entry *e, const char *path,
                        const struct ms_field *f, void *at)
{
    char wanted[80] = "";
    const char *text;
    struct ms_err err = {0};
    if (e->value->kind != MS_YAML_SCALAR || ms_yaml_null(e->value)) /* then the words are needed */
        ms_field_wanted(f, wanted, sizeof wanted);
    if (!ms_reading_text(r, e, path, wanted, &text))
        return false;
    if (ms_field_parse(f, text, e->value->plain, r->arena, at, &err) != MS_OK) {
        ms_reading_fail(r, e, path, "%s", err.text);
        return false;
    }
    if (f->type == MS_FIELD_PATH)
        *(const char **)at = ms_reading_path(r, e, text);
    return true;
}

bool ms_reading_value(struct ms_reading *r, const struct ms_entry *e, const char *path,
                      const struct ms_field *f, void *at)
{
    size_t before = r->errs->n;
    if (f->type == MS_FIELD_ODD) {
        f->shape->parse(r, path, f, e, at);
        return r->errs->n == before;
    }
    if (f->type != MS_FIELD_TABLE)
        return plain_value(r, e, path, f, at);
    if (e->value->kind == MS_YAML_MAP)
        return ms_reading_table(r, e, path, f->fields, at);
    ms_reading_fail(r, e, path, "must be a mapping");
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
    enum { MAX = 64 };
    const char *names[MAX];
    char full[160], shown[80], allowed[600];
    size_t n = 0;
    bool ok = true;
    for (const struct ms_field *f = fields; f->key; f++) {
        if (n < MAX)
            names[n++] = f->key;
        ok = table_row(r, e, path, f, base) && ok;
    }
    for (const struct ms_entry *sub = e->value->first; sub; sub = sub->next) {
        const struct ms_field *f = ms_field_find(fields, sub->key);
        if (f && strcmp(f->key, sub->key) == 0)
            continue;
        snprintf(full, sizeof full, "%s.%s", path, ms_clean(sub->key, shown, sizeof shown));
        ms_reading_fail(r, sub, full, "unknown key%s",
                        ms_allowed(allowed, sizeof allowed, sub->key, names, n));
        ok = false;
    }
    return ok;
}
