/* The keys as a list for people: `moesim list keys`, and their names alone for completion. */
#include <string.h>

#include "routing/law.h"
#include "scenario/fields.h"
#include "scenario/scenario.h"

static void line(struct ms_buf *b, int indent, const struct ms_field *f)
{
    ms_buf_printf(b, "%*s%-*s  ", indent, "", 34 - indent, f->key);
    if (f->type == MS_FIELD_ODD)
        ms_buf_adds(b, f->shape->allowed);
    else
        ms_field_takes(b, f);
    if (f->fallback && f->fallback[0])
        ms_buf_printf(b, "  (default %s)", f->fallback);
    ms_buf_printf(b, "\n%36s%s%s\n", "", f->help, f->later ? "; not available yet" : "");
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
        line(out, 2, k.field);
        for (const struct ms_field *f = k.field->fields; f && f->key; f++)
            line(out, 4, f);
    }
    ms_buf_adds(out, "\nsweep: every combination of the axes\n"
                     "  KEY: [values]\n  KEY: {from, to, step}\n"
                     "  ANY WORD: {zip: {KEY: [values], KEY: [values]}}\n");
}

/* A law's parameters stand beside its name. */
static void law_names(struct ms_buf *out, const char *path, const char *tail)
{
    ms_buf_printf(out, "%s.law%s%s.order%s", path, tail, path, tail);
    for (const struct ms_law *const *l = ms_laws(); *l; l++)
        for (const struct ms_field *f = (*l)->fields; f && f->key; f++)
            ms_buf_printf(out, "%s.%s%s", path, f->key, tail);
}

void ms_scenario_key_names(struct ms_buf *out, const char *tail)
{
    struct ms_key_cursor c = {0};
    struct ms_key k;
    while (ms_key_next(&c, &k)) {
        ms_buf_printf(out, "%s%s", k.path, tail);
        for (const struct ms_field *f = k.field->fields; f && f->key; f++)
            ms_buf_printf(out, "%s.%s%s", k.path, f->key, tail);
        if (strcmp(k.path, "routing.popularity") == 0)
            law_names(out, k.path, tail);
    }
}
