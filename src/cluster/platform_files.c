/* Files a platform refers to: only inside its own folder, and sane, since SimGrid aborts on a bad
 * line. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "cluster/platform_check.h"

enum { MAX_PROFILE_BYTES = 16 << 20 };

/* The real path of the file and of the folder it must stay in. @return what is wrong, or NULL */
const char *ms_check_confine(const char *platform, const char *value, char *full)
{
    char home[PATH_MAX], joined[2 * PATH_MAX], *slash;
    struct stat st;
    if (*value == '/')
        return "is an absolute path: it must stay in the platform's folder";
    for (const char *c = value; c; c = strchr(c, '/') ? strchr(c, '/') + 1 : NULL)
        if (!strncmp(c, "..", 2) && (c[2] == '/' || !c[2]))
            return "leaves the platform's folder";
    snprintf(home, sizeof home, "%s", platform);
    if ((slash = strrchr(home, '/')))
        slash[slash == home] = '\0';
    snprintf(joined, sizeof joined, "%s/%s", slash ? home : ".", value);
    if (!realpath(slash ? home : ".", home))
        return "cannot be looked up: the platform's folder is gone";
    if (!realpath(joined, full))
        return errno == ENOENT || errno == ENOTDIR ? "does not exist" : "cannot be read";
    size_t n = strlen(home);
    if (strncmp(full, home, n) != 0 || (full[n] != '/' && n > 1))
        return "leaves the platform's folder";
    if (stat(full, &st) != 0 || !S_ISREG(st.st_mode))
        return "is not a regular file";
    if (st.st_size > MAX_PROFILE_BYTES)
        return "is larger than 16 MiB";
    return NULL;
}

static bool number(const char **p, double *out)
{
    char *end;
    const char *s = *p + strspn(*p, " \t");
    if (!isdigit((unsigned char)*s) && *s != '.')
        return false;
    *out = strtod(s, &end);
    *p = end;
    return end > s && isfinite(*out) && !memchr(s, 'x', (size_t)(end - s));
}

/* One line. @return false where it is not what it should be */
static bool read_line(const char *p, struct ms_platform_profile *out, struct ms_buf *events)
{
    struct ms_profile_event e;
    p += strspn(p, " \t\r");
    if (!*p || *p == '#' || *p == '%')
        return true;
    if (!strncmp(p, "PERIODICITY ", 12) || !strncmp(p, "LOOPAFTER ", 10)) {
        bool period = *p == 'P';
        p += strcspn(p, " ");
        if (!number(&p, &out->repeat_s))
            return false;
        out->period = period;
    } else {
        const struct ms_profile_event *last =
            out->n ? (const struct ms_profile_event *)(const void *)events->p + out->n - 1 : NULL;
        if (!number(&p, &e.at_s) || !number(&p, &e.value) || (last && e.at_s <= last->at_s))
            return false;
        ms_buf_add(events, &e, sizeof e);
        out->n++;
    }
    return !p[strspn(p, " \t\r")];
}

/* "TIME VALUE", times rising, values 0 or more; PERIODICITY and LOOPAFTER lines; # comments.
 * @return the bad line, 0 none */
static int read_profile(const char *text, struct ms_platform_profile *out, struct ms_buf *events)
{
    for (int line = 1; *text; line++) {
        size_t n = strcspn(text, "\n");
        char row[256];
        if (n >= sizeof row)
            return line;
        memcpy(row, text, n);
        row[n] = '\0';
        text += n + (text[n] == '\n');
        if (!read_line(row, out, events))
            return line;
    }
    return 0;
}

/* A latency from time 0 on is the link's own. Later changes would be followed by nobody: latency is
 * taken out of the flows (cm02, fluid). */
static void keep_latency(struct ms_check *c, int i, const char *value,
                         const struct ms_platform_profile *p, const struct ms_profile_event *event)
{
    if (p->n != 1 || event[0].at_s > 0) {
        ms_check_error(c, i,
                       "latency_file '%.200s' changes the latency after time 0, which no network "
                       "model follows; write the latency into the link, or use bandwidth_file or "
                       "state_file",
                       value);
        return;
    }
    if (!c->latency_s) {
        c->latency_s = MS_NEW(c->arena, double, (size_t)c->xml->n);
        for (int k = 0; c->latency_s && k < c->xml->n; k++)
            c->latency_s[k] = NAN;
    }
    c->nomem |= !c->latency_s;
    if (c->latency_s)
        c->latency_s[i] = event[0].value;
}

double ms_check_latency(const struct ms_check *c, int el)
{
    const char *text = ms_xml_get(&c->xml->el[el], "latency", "0");
    double latency_s = 0;
    if (c->latency_s && !isnan(c->latency_s[el]))
        return c->latency_s[el];
    ms_quantity(*text ? text : "0", ATTR_TIME, &latency_s);
    return latency_s;
}

/* SimGrid holds a flow to the rate that it starts with: who writes a rate that comes back may not
 * expect that. A link's own rate before the first event counts too. */
static void warn_of_rise(struct ms_check *c, int i, const struct ms_platform_profile *p)
{
    double before_Bps = 0;
    ms_quantity(ms_xml_get(&c->xml->el[i], "bandwidth", "0"), ATTR_RATE, &before_Bps);
    for (int k = 0; k < p->n; before_Bps = p->event[k++].value)
        if (p->event[k].value > before_Bps && p->event[k].at_s > 0) {
            ms_check_warn(c, i,
                          "link '%.200s' becomes faster %.9g s after the start: as SimGrid has it, "
                          "that helps flows which start later; those under way keep to the least "
                          "rate that their route had when they started (a rate that comes back for "
                          "all: `faults.links` in the scenario)",
                          p->element, p->event[k].at_s);
            return;
        }
}

/* Keep a profile for whoever simulates; SimGrid, whose clock runs through all repeats, does not see
 * it. */
static void keep_profile(struct ms_check *c, int i, const struct ms_attr_rule *rule,
                         const char *value, struct ms_platform_profile *p,
                         const struct ms_buf *events)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    const struct ms_profile_event *event = (const void *)events->p;
    bool host = !strcmp(e->name, "host");
    if (!strcmp(rule->name, "speed_file"))
        return;
    c->copy = true;
    if (!strcmp(rule->name, "latency_file")) {
        keep_latency(c, i, value, p, event);
        return;
    }
    if (p->period && p->n) {
        p->repeat_s -= event[p->n - 1].at_s;
        p->repeat_s = p->repeat_s > 0 ? p->repeat_s : 0;
    }
    p->kind = !strcmp(rule->name, "bandwidth_file") ? MS_PROFILE_BANDWIDTH
              : host                                ? MS_PROFILE_HOST_STATE
                                                    : MS_PROFILE_LINK_STATE;
    p->element = ms_xml_get(e, "id", "");
    p->line = e->line;
    p->event = MS_NEW(c->arena, struct ms_profile_event, (size_t)p->n + 1);
    c->nomem |= !p->event || events->failed;
    if (c->nomem)
        return;
    if (p->n)
        memcpy(p->event, event, (size_t)p->n * sizeof *event);
    ms_buf_add(&c->profiles, p, sizeof *p);
    if (p->kind == MS_PROFILE_BANDWIDTH)
        warn_of_rise(c, i, p);
}

void ms_check_file(struct ms_check *c, int i, const struct ms_attr_rule *rule, const char *value)
{
    char full[PATH_MAX];
    struct ms_buf text = {0}, events = {0};
    struct ms_platform_profile profile = {0};
    struct ms_err err = {0};
    const char *fault = ms_check_confine(c->path, value, full);
    if (fault) {
        ms_check_error(c, i, "%s '%.200s' %s", rule->name, value, fault);
        return;
    }
    if (ms_file_read(full, &text, &err) != MS_OK) {
        ms_check_error(c, i, "%s '%.200s' cannot be read", rule->name, value);
    } else {
        int line = text.n ? read_profile(text.p, &profile, &events) : 1;
        if (line)
            ms_check_error(c, i, "%s '%.200s': line %d is not 'TIME VALUE' with rising times",
                           rule->name, value, line);
        else
            keep_profile(c, i, rule, value, &profile, &events);
        struct ms_hash h = ms_hash128(text.p ? text.p : "", text.n);
        ms_buf_adds(&c->files, h.hex);
    }
    ms_buf_finish(&events);
    ms_buf_finish(&text);
}
