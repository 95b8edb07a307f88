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

static const struct scale times[] = {
    {"ps", 1e-12}, {"ns", 1e-9}, {"us", 1e-6}, {"\u00b5s", 1e-6}, {"\u03bcs", 1e-6}, {"ms", 1e-3},
    {"s", 1},      {"m", 60},    {"h", 3600},  {"d", 86400},      {NULL, 0}};
static const struct scale prefixes[] = {
    {"", 1},        {"k", 1e3},     {"M", 1e6},     {"G", 1e9},     {"T", 1e12}, {"P", 1e15},
    {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}, {NULL, 0}};
/* What may follow a prefix. 800G is how people write the rate of a port: bits a second. */
static const struct scale sizes[] = {{"B", 1}, {"b", 0.125}, {NULL, 0}};
static const struct scale rates[] = {{"Bps", 1},       {"B/s", 1},  {"bps", 0.125}, {"b/s", 0.125},
                                     {"bit/s", 0.125}, {"", 0.125}, {NULL, 0}};
static const struct scale flops[] = {{"flops", 1}, {"flop/s", 1}, {"FLOPS", 1}, {"FLOP/s", 1},
                                     {"Flops", 1}, {"Flop/s", 1}, {"f", 1},     {NULL, 0}};

/* "GBps" is prefix G before tail Bps: the factor, or 0. */
static double prefixed(const char *unit, const struct scale *tails)
{
    size_t n = strlen(unit);
    for (const struct scale *t = tails; t->name; t++) {
        size_t m = strlen(t->name);
        if (n < m || strcmp(unit + n - m, t->name) != 0)
            continue;
        for (const struct scale *p = prefixes; p->name; p++)
            if (strlen(p->name) == n - m && strncmp(unit, p->name, n - m) == 0)
                return p->factor * t->factor;
    }
    return 0;
}

static double unit_factor(const char *unit, enum ms_unit kind)
{
    if (!*unit)
        return 1;
    switch (kind) {
    case MS_UNIT_TIME:
        for (const struct scale *t = times; t->name; t++)
            if (strcmp(t->name, unit) == 0)
                return t->factor;
        return 0;
    case MS_UNIT_BYTES:
        return prefixed(unit, sizes);
    case MS_UNIT_RATE:
        return prefixed(unit, rates);
    case MS_UNIT_FLOPS:
        return prefixed(unit, flops);
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

const char *ms_units_usual(enum ms_unit unit)
{
    switch (unit) {
    case MS_UNIT_TIME:
        return "us";
    case MS_UNIT_RATE:
        return "Gbps";
    case MS_UNIT_FLOPS:
        return "TFLOPS";
    case MS_UNIT_BYTES:
    case MS_UNIT_NONE:
        break;
    }
    return NULL;
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
        return "a compute rate such as 400TFLOPS";
    case MS_UNIT_NONE:
        break;
    }
    return "a number";
}

static const struct scale decimal[] = {{"P", 1e15}, {"T", 1e12}, {"G", 1e9}, {"M", 1e6},
                                       {"k", 1e3},  {"", 1},     {NULL, 0}};
static const struct scale parts[] = {{"s", 1},     {"ms", 1e-3},  {"us", 1e-6},
                                     {"ns", 1e-9}, {"ps", 1e-12}, {NULL, 0}};

const char *ms_units_show(double value, enum ms_unit unit, char *out, size_t size)
{
    const char *tail = unit == MS_UNIT_BYTES ? "B" : unit == MS_UNIT_RATE ? "B/s" : "flop/s";
    const struct scale *s = unit == MS_UNIT_TIME ? parts : decimal;
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

const char *ms_units_write(double value, enum ms_unit unit, char *out, size_t size)
{
    const char *tail = unit == MS_UNIT_BYTES ? "B" : unit == MS_UNIT_RATE ? "Bps" : "f";
    double back;
    if (unit == MS_UNIT_NONE || value == 0) {
        snprintf(out, size, "%.17g", value);
        return out;
    }
    for (const struct scale *s = unit == MS_UNIT_TIME ? parts : decimal; s->name; s++) {
        if (fabs(value) < s->factor * (1 - 1e-12))
            continue;
        snprintf(out, size, "%.15g%s%s", value / s->factor, s->name,
                 unit == MS_UNIT_TIME ? "" : tail);
        if (ms_units_parse(out, unit, &back) && back == value)
            return out;
    }
    snprintf(out, size, "%.17g%s", value, unit == MS_UNIT_TIME ? "s" : tail);
    return out;
}
