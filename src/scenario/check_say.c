/* Where the checks of a case put what they find: at the key's place in the file that gave it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scenario/check_parts.h"

bool ms_check_doubtful(const struct ms_case_check *c, const char *const *sections)
{
    for (size_t i = 0; i < c->n_before; i++)
        for (const char *const *s = sections; *s; s++) {
            size_t n = strlen(*s);
            const char *key = c->errs->e[i].key;
            if (strncmp(key, *s, n) == 0 && (key[n] == 0 || key[n] == '.'))
                return true;
        }
    return false;
}

static void say(const struct ms_case_check *c, bool is_error, const char *key, const char *fmt,
                va_list ap)
{
    char text[sizeof((struct ms_err *)0)->text];
    int line, col;
    vsnprintf(text, sizeof text, fmt, ap);
    const char *file = ms_scenario_place(c->s, key, &line, &col);
    if (is_error)
        ms_errs_add_at(c->errs, MS_INVALID, file, line, col, key, "%s", text);
    else
        ms_errs_warn_at(c->errs, file, line, col, key, "%s", text);
}

void ms_check_key_fail(const struct ms_case_check *c, const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(c, true, key, fmt, ap);
    va_end(ap);
}

void ms_check_key_warn(const struct ms_case_check *c, const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(c, false, key, fmt, ap);
    va_end(ap);
}
