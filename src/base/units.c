/* Decides how a quantity with a unit is read and written: which suffixes there are, and that powers
 * of ten and of two are exact. */
#include "base/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scale {
    const char *name;
    double factor;
};

static const struct scale times[] = {{"ps", 1e-12}, {"ns", 1e-9}, {"us", 1e-6},
                                     {"ms", 1e-3},  {"s", 1},     {"m", 60},
                                     {"h", 3600},   {"d", 86400}, {NULL, 0}};
static const struct scale prefixes[] = {
    {"", 1},        {"k", 1e3},     {"M", 1e6},     {"G", 1e9},     {"T", 1e12}, {"P", 1e15},
    {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}, {NULL, 0}};

/* "GBps" with tail "Bps" or "bps" (bits): the factor, or 0. */
static double prefixed(const char *unit, const char *tail, double tail_factor)
{
    size_t n = strlen(unit), m = strlen(tail);
    if (n < m || strcmp(unit + n - m, tail) != 0)
        return 0;
    for (const struct scale *p = prefixes; p->name; p++)
        if (strlen(p->name) == n - m && strncmp(unit, p->name, n - m) == 0)
            return p->factor * tail_factor;
    return 0;
}

static double unit_factor(const char *unit, enum ms_unit kind)
{
    double f = 0;
    if (!*unit)
        return 1;
    switch (kind) {
    case MS_UNIT_TIME:
        for (const struct scale *t = times; t->name; t++)
            if (strcmp(t->name, unit) == 0)
                return t->factor;
        return 0;
    case MS_UNIT_BYTES:
        f = prefixed(unit, "B", 1);
        return f > 0 ? f : prefixed(unit, "b", 0.125);
    case MS_UNIT_RATE:
        f = prefixed(unit, "Bps", 1);
        return f > 0 ? f : prefixed(unit, "bps", 0.125);
    case MS_UNIT_FLOPS:
        f = prefixed(unit, "flops", 1);
        return f > 0 ? f : prefixed(unit, "f", 1);
    case MS_UNIT_NONE:
        break;
    }
    return 0;
}

/* 0.05us must be the double nearest to 5e-8, and 0.05 x 1e-6 is not: move the decimal exponent in
 * the text instead. */
static double shifted(const char *number, const char *end, double factor)
{
    char text[128];
    const char *e = number + strcspn(number, "eE");
    long exponent = lround(log10(factor)) + (e < end ? strtol(e + 1, NULL, 10) : 0);
    int n = (int)((e < end ? e : end) - number);
    if (n > 100)
        return strtod(number, NULL) * factor;
    snprintf(text, sizeof text, "%.*se%ld", n, number, exponent);
    return strtod(text, NULL);
}

bool ms_units_parse(const char *text, enum ms_unit unit, double *out)
{
    char *end;
    if (!isdigit((unsigned char)*text) && !strchr("+-.", *text))
        return false;
    if (!*text || strpbrk(text, "xX"))
        return false; /* strtod would take hexadecimal */
    double v = strtod(text, &end);
    if (end == text)
        return false;
    const char *number_end = end;
    while (*end == ' ')
        end++;
    double f = unit_factor(end, unit);
    if (!(f > 0) || !isfinite(v * f))
        return false;
    *out = f < 1 && unit == MS_UNIT_TIME ? shifted(text, number_end, f) : v * f;
    return true;
}

const char *ms_units_hint(enum ms_unit unit)
{
    switch (unit) {
    case MS_UNIT_TIME:
        return "a time such as 2us";
    case MS_UNIT_BYTES:
        return "a size such as 64KiB";
    case MS_UNIT_RATE:
        return "a rate such as 400Gbps or 50GBps";
    case MS_UNIT_FLOPS:
        return "a compute rate such as 400Tf";
    case MS_UNIT_NONE:
        break;
    }
    return "a number";
}

const char *ms_units_show(double value, enum ms_unit unit, char *out, size_t size)
{
    static const struct scale decimal[] = {{"P", 1e15}, {"T", 1e12}, {"G", 1e9}, {"M", 1e6},
                                           {"k", 1e3},  {"", 1},     {NULL, 0}};
    static const struct scale small[] = {
        {"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {NULL, 0}};
    const char *tail = unit == MS_UNIT_BYTES ? "B" : unit == MS_UNIT_RATE ? "B/s" : "flop/s";
    const struct scale *s = unit == MS_UNIT_TIME ? small : decimal;
    if (unit == MS_UNIT_NONE || value == 0 || !isfinite(value)) {
        snprintf(out, size, "%g%s%s", value, unit == MS_UNIT_NONE ? "" : " ",
                 unit == MS_UNIT_NONE   ? ""
                 : unit == MS_UNIT_TIME ? "s"
                                        : tail);
        return out;
    }
    while (s[1].name && fabs(value) < s->factor * (1 - 1e-12))
        s++;
    snprintf(out, size, "%.4g %s%s", value / s->factor, s->name, unit == MS_UNIT_TIME ? "" : tail);
    return out;
}
