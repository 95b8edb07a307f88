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
                                      {"exaflops", 1e18},
                                      {"Zf", 1e21},
                                      {"Yf", 1e24},
                                      {"zettaflops", 1e21},
                                      {"yottaflops", 1e24},
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
    static const char *const want[][2] = {
        [ATTR_RATE] = {"is not a bandwidth such as 50GBps or 400Gbps", "must be more than 0"},
        [ATTR_TIME] = {"is not a latency such as 1us or 500ns", "must be 0 or more"},
        [ATTR_SPEED] = {"is not a speed such as 1Gf", "must be 0 or more"},
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
    if (v < 0 || (v == 0 && kind == ATTR_RATE))
        return want[kind][1];
    if (!*end)
        f = 1; /* as SimGrid: bytes a second, seconds, flop/s */
    if (!(f > 0))
        return want[kind][0];
    if (!isfinite(v * f) || v * f > 1e30)
        return "is not finite";
    *out = v * f;
    return NULL;
}

enum { MAX_NAME = 4000 };

/* Names reach SimGrid's lexer, file names and tables: printable and not too long. */
static const char *name_fault(const char *s)
{
    if (!*s)
        return "is empty";
    if (strlen(s) > MAX_NAME)
        return "is longer than 4000 bytes";
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return "has a control character";
    return NULL;
}

const char *ms_speed(const char *list, const char *pstate, double *out)
{
    static const char missing[] = "has no speed for its pstate";
    char *end, one[64];
    long want = strtol(pstate, &end, 10);
    if (end == pstate || want < 0)
        return missing;
    for (long k = 0;; k++) {
        size_t n = strcspn(list, ","), blank = strspn(list, " ");
        double v;
        snprintf(one, sizeof one, "%.*s", (int)(n < sizeof one ? n - blank : sizeof one - 1),
                 list + blank);
        const char *fault = ms_quantity(one, ATTR_SPEED, &v);
        if (fault)
            return fault;
        if (k == want)
            *out = v;
        if (!list[n])
            return k < want ? missing : NULL;
        list += n + 1;
    }
}

static void check_speed(struct ms_check *c, int i, const char *value)
{
    double v = 1;
    const char *fault = ms_speed(value, ms_xml_get(&c->xml->el[i], "pstate", "0"), &v);
    if (fault)
        ms_check_error(c, i, "<%s>: speed '%.200s' %s", c->xml->el[i].name, value, fault);
    else if (strchr(value, ','))
        ms_check_note(c, i, "all but one of a host's speeds", true);
    else if (v == 0)
        ms_check_note(c, i, "a speed of 0", false);
}

/* Older files write plain numbers. */
static void note_unit(struct ms_check *c, int i, const char *value, double v)
{
    size_t n = strlen(value);
    if (v > 0 && (isdigit((unsigned char)value[n - 1]) || value[n - 1] == '.') &&
        c->n_unitless++ == 0)
        c->unitless_line = c->xml->el[i].line;
}

/* As SimGrid rounds it: 4, 4.0, 4.05 and 4.1 are good, 3 and 5 are not. */
static void check_version(struct ms_check *c, int i, const char *value)
{
    char *end;
    double v = strtod(value, &end);
    long hundredth = isfinite(v) && fabs(v) < 1000 ? lround(100 * v) : 0;
    if (end == value || *end || hundredth < 400 || hundredth > 410)
        ms_check_error(c, i, "<platform>: version '%.40s' is not one SimGrid reads: 4.1, or 4",
                       value);
    else if (strcmp(value, "4.1") && strcmp(value, "4"))
        ms_check_note(c, i, "the version (as 4.1)", false);
}

static void check_word(struct ms_check *c, int i, const struct ms_attr_rule *r, const char *value)
{
    size_t n = 0;
    char list[512];
    bool any_case = !strcmp(r->name, "routing"); /* as SimGrid reads it */
    for (; r->words[n]; n++)
        if (any_case ? !strcasecmp(r->words[n], value) : !strcmp(r->words[n], value)) {
            if (!strcmp(value, "FULLDUPLEX"))
                ms_check_note(c, i, "FULLDUPLEX (as SPLITDUPLEX)", true);
            return;
        }
    if (!strcmp(value, "WIFI") || !strcasecmp(value, "Vivaldi") || !strcasecmp(value, "Wifi"))
        ms_check_error(
            c, i, "<%s>: %s '%s' is refused: wireless and coordinate models are not for clusters",
            c->xml->el[i].name, r->name, value);
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
    switch (r->kind) {
    case ATTR_ID:
    case ATTR_REF:
        if ((fault = name_fault(value)))
            ms_check_error(c, i, "<%s>: %s '%.80s' %s", e->name, r->name, value, fault);
        else if (r->kind == ATTR_ID && strchr(value, ' '))
            ms_check_note(c, i, "blanks in names", false);
        break;
    case ATTR_RATE:
    case ATTR_TIME:
        if (!*value && c->kind[i] == EL_CLUSTER && !r->required)
            break;
        if ((fault = ms_quantity(value, r->kind, &v)))
            ms_check_error(c, i, "%s: %s %.80s %s", who(e, name, sizeof name), r->name,
                           *value ? value : "''", fault);
        else
            note_unit(c, i, value, v);
        if (!fault && r->kind == ATTR_TIME && v > 1)
            ms_check_warn(c, i, "%s: a latency of %s is more than a second",
                          who(e, name, sizeof name), value);
        else if (!fault && r->kind == ATTR_RATE && v < 1e5)
            ms_check_warn(c, i, "%s: a bandwidth of %s is less than 100 kB/s",
                          who(e, name, sizeof name), value);
        break;
    case ATTR_SPEED:
        check_speed(c, i, value);
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
    case ATTR_VERSION:
        check_version(c, i, value);
        break;
    case ATTR_IGNORED:
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
