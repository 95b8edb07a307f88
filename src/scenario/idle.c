/* Which keys of a study do nothing in any of its cases, and what makes them idle. When a key acts is
 * a property of its row. */
#include "scenario/idle.h"

#include <string.h>

#include "scenario/read.h"

/* The value of a plain key, as it was written or defaulted. */
static void value_of(const char *path, const struct ms_scenario *s, char *out, size_t size)
{
    struct ms_key k;
    struct ms_buf b = {0};
    if (ms_key_find(path, &k))
        ms_field_show(&b, k.field, (char *)ms_section_base(k.section, s) + k.field->offset);
    snprintf(out, size, "%s", b.p ? b.p : "");
    ms_buf_finish(&b);
}

/* Is a plain key at its default? Then nobody is misled by it. */
static bool is_default(const struct ms_key *k, const struct ms_scenario *s)
{
    const struct ms_field *f = k->field;
    union {
        double number;
        int64_t integer;
        const char *word;
    } usual = {0};
    struct ms_buf a = {0}, b = {0};
    if (f->type == MS_FIELD_ODD || f->type == MS_FIELD_TABLE || !f->fallback || !f->fallback[0] ||
        ms_field_parse(f, f->fallback, true, NULL, &usual, NULL) != MS_OK)
        return false;
    ms_field_show(&a, f, (char *)ms_section_base(k->section, s) + f->offset);
    ms_field_show(&b, f, &usual);
    bool same = a.p && b.p && strcmp(a.p, b.p) == 0;
    ms_buf_finish(&a);
    ms_buf_finish(&b);
    return same;
}

/* NULL: it is not there */
static const struct ms_yaml *section_of(const struct ms_yaml *tree, const char *prefix)
{
    const struct ms_entry *e = prefix[0] ? ms_yaml_find(tree, prefix, NULL) : NULL;
    return !prefix[0] ? tree : e ? e->value : NULL;
}

void ms_idle_see(struct ms_idle *idle, const struct ms_scenario *s)
{
    struct ms_key_cursor c = {0};
    struct ms_key k;
    size_t i = 0;
    const struct ms_section *of = NULL;
    const struct ms_yaml *section = NULL;
    while (ms_key_step(&c, &k) && i < MS_IDLE_MOST) {
        if (k.section != of)
            section = section_of(s->tree, k.section->prefix);
        of = k.section;
        const struct ms_acts *a = k.field->acts;
        if (!a)
            continue;
        size_t row = i++;
        const struct ms_entry *e = idle->row[row].acts ? NULL : ms_yaml_get(section, k.field->key);
        if (!e || is_default(&k, s))
            continue;
        idle->row[row].acts = a->acts(s);
        if (idle->row[row].given)
            continue;
        idle->row[row].given = true;
        idle->row[row].line = e->line;
        idle->row[row].col = e->col;
        snprintf(idle->row[row].file, sizeof idle->row[row].file, "%s", e->file);
        value_of(a->key, s, idle->row[row].because, sizeof idle->row[row].because);
    }
}

void ms_idle_tell(const struct ms_idle *idle, struct ms_errs *errs)
{
    struct ms_key_cursor c = {0};
    struct ms_key k;
    size_t i = 0;
    while (ms_key_next(&c, &k) && i < MS_IDLE_MOST) {
        const struct ms_acts *a = k.field->acts;
        if (!a)
            continue;
        size_t row = i++;
        if (!idle->row[row].given || idle->row[row].acts)
            continue;
        char text[300];
        snprintf(text, sizeof text, "is given, but %s is %s%s", a->key, idle->row[row].because,
                 a->hint ? a->hint : "");
        if (a->input)
            ms_errs_add_at(errs, MS_INVALID, idle->row[row].file, idle->row[row].line,
                           idle->row[row].col, k.path, "%s", text);
        else
            ms_errs_warn_at(errs, idle->row[row].file, idle->row[row].line, idle->row[row].col,
                            k.path, "%s: it does nothing", text);
    }
}
