/* The file as SimGrid may load it: without what is read over, in plain UTF-8, every element on the
 * line where it was, so that SimGrid's own messages still point at the right place. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "cluster/platform_check.h"

void ms_xml_escape(struct ms_buf *o, const char *s)
{
    for (; *s; s++) {
        const char *name = *s == '&'   ? "&amp;"
                           : *s == '<' ? "&lt;"
                           : *s == '>' ? "&gt;"
                           : *s == '"' ? "&quot;"
                                       : NULL;
        if (name)
            ms_buf_adds(o, name);
        else
            ms_buf_add(o, s, 1);
    }
}

/* What the copy says for an attribute; NULL: nothing. */
static const char *copied_value(const struct ms_check *c, int i, const struct ms_attr_rule *r,
                                const char *value, char *buf, size_t size)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    double speed;
    char number[32];
    switch (r->kind) {
    case ATTR_VERSION:
        return "4.1";
    case ATTR_IGNORED:
        return NULL;
    case ATTR_SPEED:
        if (!strchr(value, ',') || ms_speed(value, ms_xml_get(e, "pstate", "0"), &speed))
            return value;
        snprintf(buf, size, "%sf", ms_number(speed, number));
        return buf;
    case ATTR_TIME:
        if (!c->latency_s || isnan(c->latency_s[i]))
            return value;
        snprintf(buf, size, "%ss", ms_number(c->latency_s[i], number));
        return buf;
    case ATTR_FILE: /* the copy has no folder; what links and hosts go through is the simulator's */
        if (strcmp(r->name, "speed_file") != 0 && strcmp(r->name, "availability_file") != 0)
            return NULL;
        return *value && !ms_check_confine(c->path, value, buf) ? buf : value;
    default:
        if (c->as_cached && c->as_cached[i] && strcmp(r->name, "routing") == 0)
            return "DijkstraCache";
        return !strcmp(value, "FULLDUPLEX") ? "SPLITDUPLEX" : value;
    }
}

static void open_tag(const struct ms_check *c, int i, struct ms_buf *o)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    char buf[PATH_MAX];
    ms_buf_printf(o, "<%s", ms_rules_name(c->kind[i]));
    for (const struct ms_attr_rule *r = ms_rules_attrs(c->kind[i]); r->name; r++) {
        const char *value = ms_xml_get(e, r->name, NULL);
        value = value ? copied_value(c, i, r, value, buf, sizeof buf) : NULL;
        if (!value)
            continue;
        ms_buf_printf(o, " %s=\"", strcmp(r->name, "availability_file") ? r->name : "speed_file");
        ms_xml_escape(o, value);
        ms_buf_adds(o, "\"");
    }
    ms_buf_adds(o, ">");
}

static bool left_out(const struct ms_check *c, int i)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    if (c->kind[i] == EL_IGNORED)
        return true;
    return c->kind[i] == EL_PROP && c->kind[e->parent] == EL_CONFIG &&
           !ms_rules_config_kept(ms_xml_get(e, "id", ""));
}

void ms_check_copy(const struct ms_check *c, struct ms_buf *o)
{
    const struct ms_xml_el *el = c->xml->el;
    int open[MS_XML_MAX_DEPTH + 1], depth = 0, line = 3;
    ms_buf_adds(o, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                   "<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n");
    for (int i = 0; i < c->xml->n; i++) {
        while (depth && el[open[depth - 1]].end <= i)
            ms_buf_printf(o, "</%s>", ms_rules_name(c->kind[open[--depth]]));
        if (left_out(c, i))
            continue;
        for (; line < el[i].line; line++)
            ms_buf_adds(o, "\n");
        open_tag(c, i, o);
        open[depth++] = i;
    }
    while (depth)
        ms_buf_printf(o, "</%s>", ms_rules_name(c->kind[open[--depth]]));
    ms_buf_adds(o, "\n");
}
