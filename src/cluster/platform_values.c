/* What stands in the attributes: quantities as SimGrid reads them, words, counts, names. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/platform_check.h"

struct scale {
    const char *unit;
    double factor;
};

static const struct scale times[] = {{"ps", 1e-12},   {"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3},
                                     {"s", 1},        {"m", 60},    {"h", 3600},  {"d", 86400.0},
                                     {"w", 604800.0}, {0}};
static const struct scale prefixes[] = {{"Ki", 0x1p10}, {"Mi", 0x1p20},
                                        {"Gi", 0x1p30}, {"Ti", 0x1p40},
                                        {"Pi", 0x1p50}, {"Ei", 0x1p60},
                                        {"k", 1e3},     {"M", 1e6},
                                        {"G", 1e9},     {"T", 1e12},
                                        {"P", 1e15},    {"E", 1e18},
                                        {"", 1},        {0}};
static const struct scale speeds[] = {{"kf", 1e3},
                                      {"Mf", 1e6},
                                      {"Gf", 1e9},
                                      {"Tf", 1e12},
                                      {"Pf", 1e15},
                                      {"Ef", 1e18},
                                      {"f", 1},
                                      {"flops", 1},
                                      {"kiloflops", 1e3},
                                      {"megaflops", 1e6},
                                      {"gigaflops", 1e9},
                                      {"teraflops", 1e12},
                                      {"petaflops", 1e15},
                                      {0}};

static double find_scale(const struct scale *s, const char *unit)
{
    for (; s->unit; s++)
        if (!strcmp(s->unit, unit))
            return s->factor;
    return 0;
}

static double rate_scale(const char *unit)
{
    size_t n = strlen(unit);
    char prefix[4];
    if (n < 3 || n > 5 || strcmp(unit + n - 2, "ps") || !strchr("Bb", unit[n - 3]))
        return 0;
    memcpy(prefix, unit, n - 3);
    prefix[n - 3] = '\0';
    return find_scale(prefixes, prefix) * (unit[n - 3] == 'b' ? 0.125 : 1);
}

const char *ms_quantity(const char *text, enum ms_attr_kind kind, double *out)
{
    static const char *const want[][3] = {
        [ATTR_RATE] = {"is not a bandwidth such as 50GBps or 400Gbps",
                       "has no unit: write a bandwidth such as 50GBps "
                       "or 400Gbps",
                       "must be more than 0"},
        [ATTR_TIME] = {"is not a latency such as 1us or 500ns",
                       "has no unit: write a latency such as 1us or 500ns", "must be 0 or more"},
        [ATTR_SPEED] = {"is not a speed such as 1Gf", "has no unit: write a speed such as 1Gf",
                        "must be more than 0"},
    };
    char *end;
    const char *p = text + (*text == '-' || *text == '+');
    if (!isdigit((unsigned char)*p) && *p != '.')
        return want[kind][0];
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
        return want[kind][0];
    double v = strtod(text, &end);
    double f =
        kind == ATTR_RATE ? rate_scale(end) : find_scale(kind == ATTR_TIME ? times : speeds, end);
    if (end == text || end == p)
        return want[kind][0];
    if (v < 0 || (v == 0 && kind != ATTR_TIME))
        return want[kind][2];
    if (!*end && v != 0)
        return want[kind][1];
    if (!*end)
        f = 1; /* 0 needs no unit */
    if (!(f > 0))
        return want[kind][0];
    if (!isfinite(v * f) || v * f > 1e30)
        return "is not finite";
    *out = v * f;
    return NULL;
}

/* Names reach SimGrid's lexer, file names and tables: printable, no blanks, not too long. */
static const char *name_fault(const char *s)
{
    if (!*s)
        return "is empty";
    if (strlen(s) > 200)
        return "is longer than 200 bytes";
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr("<>&\"'\\", *s))
            return "has a blank, a control character or one of < > & \" ' \\";
    return NULL;
}

static void check_speed_list(struct ms_check *c, int i, const char *value)
{
    double v;
    char buf[256];
    if (strchr(value, ',')) {
        ms_check_error(c, i,
                       "<%s>: a list of speeds (pstates) is refused: give the host its one speed",
                       c->xml->el[i].name);
        return;
    }
    const char *fault = ms_quantity(value, ATTR_SPEED, &v);
    if (fault) {
        snprintf(buf, sizeof buf, "%s", value);
        ms_check_error(c, i, "<%s>: speed '%s' %s", c->xml->el[i].name, buf, fault);
    }
}

static void check_word(struct ms_check *c, int i, const struct ms_attr_rule *r, const char *value)
{
    size_t n = 0;
    char list[512];
    for (; r->words[n]; n++)
        if (!strcmp(r->words[n], value))
            return;
    if (!strcmp(value, "WIFI") || !strcasecmp(value, "Vivaldi") || !strcasecmp(value, "Wifi"))
        ms_check_error(
            c, i, "<%s>: %s '%s' is refused: wireless and coordinate models are not for clusters",
            c->xml->el[i].name, r->name, value);
    else if (!strcmp(value, "FULLDUPLEX"))
        ms_check_error(c, i, "<%s>: FULLDUPLEX is the old name of SPLITDUPLEX", c->xml->el[i].name);
    else
        ms_check_error(c, i, "<%s>: %s '%s' is not known%s", c->xml->el[i].name, r->name, value,
                       ms_allowed(list, sizeof list, value, r->words, n));
}

static void check_count(struct ms_check *c, int i, const struct ms_attr_rule *r, const char *value)
{
    if (!*value || strspn(value, "0123456789") != strlen(value) || strlen(value) > 6 ||
        atoi(value) < 1)
        ms_check_error(c, i, "<%s>: %s '%s' must be a whole number from 1 to 999999",
                       c->xml->el[i].name, r->name, value);
}

static const char *who(const struct ms_xml_el *e, char *out, size_t size)
{
    const char *id = ms_xml_get(e, "id", NULL);
    if (id && strcmp(e->name, "prop") != 0)
        snprintf(out, size, "%s '%.200s'", e->name, id);
    else
        snprintf(out, size, "<%s>", e->name);
    return out;
}

static void check_value(struct ms_check *c, int i, const struct ms_attr_rule *r, const char *value)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    char name[300];
    const char *fault = NULL;
    double v;
    who(e, name, sizeof name);
    switch (r->kind) {
    case ATTR_ID:
    case ATTR_REF:
        if ((fault = name_fault(value)))
            ms_check_error(c, i, "<%s>: %s '%.80s' %s", e->name, r->name, value, fault);
        break;
    case ATTR_RATE:
    case ATTR_TIME:
        if (!*value && c->kind[i] == EL_CLUSTER && !r->required)
            break;
        if ((fault = ms_quantity(value, r->kind, &v)))
            ms_check_error(c, i, "%s: %s %.80s %s", name, r->name, *value ? value : "''", fault);
        else if (r->kind == ATTR_TIME && v > 1)
            ms_check_warn(c, i, "%s: a latency of %s is more than a second", name, value);
        else if (r->kind == ATTR_RATE && v < 1e5)
            ms_check_warn(c, i, "%s: a bandwidth of %s is less than 100 kB/s", name, value);
        break;
    case ATTR_SPEED:
        check_speed_list(c, i, value);
        break;
    case ATTR_COUNT:
        check_count(c, i, r, value);
        break;
    case ATTR_WORD:
        check_word(c, i, r, value);
        break;
    case ATTR_FILE:
        if (*value)
            ms_check_file(c, i, r, value);
        break;
    case ATTR_TEXT:
        if (strlen(value) > 65536)
            ms_check_error(c, i, "%s: %s is longer than 65536 bytes", name, r->name);
        break;
    case ATTR_REFUSED:
        break;
    }
}

void ms_check_values(struct ms_check *c)
{
    for (int i = 0; i < c->xml->n; i++) {
        const struct ms_xml_el *e = &c->xml->el[i];
        for (const struct ms_attr_rule *r = ms_rules_attrs(c->kind[i]); r->name; r++) {
            const char *value = ms_xml_get(e, r->name, NULL);
            if (value)
                check_value(c, i, r, value);
        }
    }
}
