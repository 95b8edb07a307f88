/* What the passes say of a platform file: errors, warnings, and the one warning of what is read
 * over. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/platform_check.h"

static void add(struct ms_check *c, int el, bool error, const char *fmt, va_list ap)
{
    char text[1024];
    vsnprintf(text, sizeof text, fmt, ap);
    int line = c->xml->el[el].line;
    if (error)
        ms_errs_add_at(c->errs, MS_INVALID, c->path, line, 0, NULL, "%s", text);
    else
        ms_errs_warn_at(c->errs, c->path, line, 0, NULL, "%s", text);
}

void ms_check_error(struct ms_check *c, int el, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(c, el, true, fmt, ap);
    va_end(ap);
}

void ms_check_warn(struct ms_check *c, int el, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(c, el, false, fmt, ap);
    va_end(ap);
}

void ms_check_note(struct ms_check *c, int el, const char *what, bool copy)
{
    int k = 0, most = (int)(sizeof c->note / sizeof *c->note);
    while (k < c->n_notes && strcmp(c->note[k].what, what) != 0)
        k++;
    c->copy |= copy;
    if (k == most)
        return;
    if (k == c->n_notes)
        c->note[c->n_notes++] = (struct ms_check_note){.what = what, .line = c->xml->el[el].line};
    c->note[k].count++;
}

void ms_check_say_notes(struct ms_check *c)
{
    char text[900] = "";
    size_t used = 0;
    int line = 0;
    for (int k = 0; k < c->n_notes && used < sizeof text - 100; k++) {
        const struct ms_check_note *n = &c->note[k];
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", k ? ", " : "", n->what);
        if (n->count > 1)
            used += (size_t)snprintf(text + used, sizeof text - used, " (%d times)", n->count);
        line = !line || n->line < line ? n->line : line;
    }
    if (c->n_unitless)
        ms_errs_warn_at(
            c->errs, c->path, c->unitless_line, 0, NULL,
            "%d bandwidth%s or latenc%s without a unit: as in SimGrid, bytes a second and "
            "seconds (50GBps, 1us say what is meant)",
            c->n_unitless, c->n_unitless == 1 ? "" : "s", c->n_unitless == 1 ? "y" : "ies");
    if (c->n_notes)
        ms_errs_warn_at(c->errs, c->path, line, 0, NULL,
                        "accepted, and no exchange depends on it: %s", text);
}
