/* Profile files become events of SimGrid's links: both directions of a SPLITDUPLEX link, and repeats
 * written out; so do the scenario's faults of links. */
#include "sim/platform_events.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* Every time a profile says something; what a repeat adds is counted from its last event, as
 * SimGrid does. @return events, [*n] on the heap */
static struct ms_profile_event *unroll(const struct ms_platform_profile *p, size_t *n)
{
    size_t rounds = p->repeat_s > 0 && p->n > 0 ? 1 + MS_EVENTS_MOST / (size_t)p->n : 1;
    struct ms_profile_event *e = malloc((rounds * (size_t)p->n + 1) * sizeof *e);
    double round_s = 0;
    *n = 0;
    for (size_t k = 0; e && k < rounds; k++) {
        for (int i = 0; i < p->n; i++)
            e[(*n)++] = (struct ms_profile_event){round_s + p->event[i].at_s, p->event[i].value};
        if (p->n)
            round_s += p->event[p->n - 1].at_s + p->repeat_s;
    }
    return e;
}

static int by_name(const void *key, const void *row)
{
    return ms_natural_cmp(key, *(const char *const *)row);
}

/* The links of an element: itself, or its two directions. @return how many */
static int links_of(const char *element, const char *const *name, int n_links, uint32_t out[2])
{
    static const char *const suffix[] = {"", "_UP", "_DOWN"};
    int n = 0;
    for (int i = 0; i < 3 && n < 2; i++) {
        char full[512];
        snprintf(full, sizeof full, "%s%s", element, suffix[i]);
        const char *const *k = bsearch(full, name, (size_t)n_links, sizeof *name, by_name);
        if (k)
            out[n++] = (uint32_t)(k - name);
    }
    return n;
}

struct making {
    struct ms_buf events, outages;
    struct ms_arena *arena;
    const char *path;
};

static void add_bandwidth(struct making *m, const struct ms_profile_event *e, size_t n,
                          uint32_t link)
{
    for (size_t i = 0; i < n; i++) {
        struct ms_link_event out = {e[i].at_s, e[i].value, link, -1, true};
        ms_buf_add(&m->events, &out, sizeof out);
    }
}

static void add_state(struct making *m, const struct ms_profile_event *e, size_t n,
                      struct ms_outage off)
{
    bool is_off = false;
    off.to_s = INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!is_off && !(e[i].value > 0))
            off.from_s = e[i].at_s;
        if (is_off && e[i].value > 0) {
            off.to_s = e[i].at_s;
            ms_buf_add(&m->outages, &off, sizeof off);
            off.to_s = INFINITY;
        }
        is_off = !(e[i].value > 0);
    }
    if (is_off)
        ms_buf_add(&m->outages, &off, sizeof off);
}

static const char *named(struct making *m, const struct ms_platform_profile *p)
{
    char text[1024];
    snprintf(text, sizeof text, "%s '%.400s' (%.400s:%d)",
             p->kind == MS_PROFILE_HOST_STATE ? "host" : "link", p->element, m->path, p->line);
    return ms_arena_strdup(m->arena, text);
}

static bool add_profile(struct making *m, const struct ms_platform_profile *p,
                        const char *const *name, int n_links)
{
    size_t n;
    uint32_t link[2];
    struct ms_profile_event *e = unroll(p, &n);
    const char *what = named(m, p);
    bool ok = e && what;
    int n_of =
        ok && p->kind != MS_PROFILE_HOST_STATE ? links_of(p->element, name, n_links, link) : 0;
    if (ok && p->kind == MS_PROFILE_HOST_STATE)
        add_state(m, e, n,
                  (struct ms_outage){.link = UINT32_MAX, .host = p->element, .what = what});
    for (int i = 0; i < n_of; i++) {
        if (p->kind == MS_PROFILE_BANDWIDTH)
            add_bandwidth(m, e, n, link[i]);
        else
            add_state(m, e, n, (struct ms_outage){.link = link[i], .what = what});
    }
    free(e);
    return ok;
}

bool ms_fault_hits(const struct ms_fault_link *f, const char *link, int cable, int n_cables)
{
    const char *mark = strrchr(f->pattern, '#');
    char text[512], number[16];
    if (!mark)
        return fnmatch(f->pattern, link, 0) == 0;
    snprintf(text, sizeof text, "%.*s", (int)(mark - f->pattern), f->pattern);
    if (n_cables < 2 || fnmatch(text, link, 0) != 0)
        return false;
    for (int i = cable < 0 ? 0 : cable; i < (cable < 0 ? n_cables : cable + 1); i++) {
        snprintf(number, sizeof number, "%d", i);
        if (fnmatch(mark + 1, number, 0) == 0)
            return true;
    }
    return false;
}

static bool hits(const struct ms_fault_link *f, const struct ms_link_list *links, uint32_t l,
                 int cable)
{
    return ms_fault_hits(f, links->name[l], cable, links->cables[l]);
}

/* What is left of a cable at a time, of all faults that hit it. */
static double cable_left(const struct ms_fault_params *p, const struct ms_link_list *links,
                         uint32_t l, int cable, double at_s)
{
    double share = 1;
    for (int i = 0; i < p->n_links; i++)
        if (hits(&p->links[i], links, l, cable) && p->links[i].at_s <= at_s &&
            at_s < p->links[i].until_s)
            share *= p->links[i].bandwidth_factor;
    return share;
}

/* Do some faults take a single cable of the link? */
static bool by_cable(const struct ms_fault_params *p, const struct ms_link_list *links, uint32_t l)
{
    for (int i = 0; i < p->n_links; i++)
        if (strchr(p->links[i].pattern, '#') && hits(&p->links[i], links, l, -1))
            return true;
    return false;
}

/* What is left of a link whose cables are alike, or summed up. */
static double share_left(const struct ms_fault_params *p, const struct ms_link_list *links,
                         uint32_t l, double at_s)
{
    double sum = 0;
    int n = by_cable(p, links, l) ? links->cables[l] : 1;
    for (int k = 0; k < n; k++)
        sum += cable_left(p, links, l, k, at_s);
    return sum / n;
}

/* Is nothing left of a link from a time on, whatever ends or begins later? */
static bool is_down_for_good(const struct ms_fault_params *p, const struct ms_link_list *links,
                             uint32_t l, double at_s)
{
    bool down = !(share_left(p, links, l, at_s) > 0);
    for (int i = 0; i < 2 * p->n_links && down; i++) {
        double later_s = i % 2 ? p->links[i / 2].until_s : p->links[i / 2].at_s;
        down = !(later_s > at_s) || !isfinite(later_s) || !(share_left(p, links, l, later_s) > 0);
    }
    return down;
}

/* A link of which nothing is left for good: the exchange that needs it is told its name. */
static void add_down(struct making *m, const struct ms_link_list *links, uint32_t l, double at_s)
{
    char text[600];
    snprintf(text, sizeof text, "link '%.400s' (faults.links)", links->name[l]);
    struct ms_outage off = {.from_s = at_s, .to_s = INFINITY, .link = l};
    off.what = ms_arena_strdup(m->arena, text);
    if (off.what)
        ms_buf_add(&m->outages, &off, sizeof off);
}

static void add_fault(struct making *m, const struct ms_fault_params *p,
                      const struct ms_link_list *links, uint32_t l, double at_s)
{
    bool cables = links->hashed && by_cable(p, links, l);
    for (int k = 0; k < (cables ? links->cables[l] : 1); k++) {
        double left = cables ? cable_left(p, links, l, k, at_s) : share_left(p, links, l, at_s);
        struct ms_link_event e = {at_s, links->bandwidth_Bps[l] * left, l, cables ? k : -1, false};
        ms_buf_add(&m->events, &e, sizeof e);
    }
    if (is_down_for_good(p, links, l, at_s))
        add_down(m, links, l, at_s);
}

static void add_faults(struct making *m, const struct ms_fault_params *p,
                       const struct ms_link_list *links, uint32_t l)
{
    for (int i = 0; i < 2 * p->n_links; i++) {
        const struct ms_fault_link *f = &p->links[i / 2];
        double at_s = i % 2 ? f->until_s : f->at_s;
        if (isfinite(at_s) && hits(f, links, l, -1))
            add_fault(m, p, links, l, at_s);
    }
}

static enum ms_status check_faults(const struct ms_fault_params *p,
                                   const struct ms_link_list *links, struct ms_err *err)
{
    for (int i = 0; i < p->n_links; i++) {
        int l = 0;
        while (l < links->n && !hits(&p->links[i], links, (uint32_t)l, -1))
            l++;
        if (l == links->n)
            return ms_err_at(err, MS_INVALID, NULL, 0, 0, "faults.links",
                             "no link%s is called '%s'; the first and the last are '%s' and '%s'",
                             strchr(p->links[i].pattern, '#') ? " of several cables" : "",
                             p->links[i].pattern, links->n ? links->name[0] : "",
                             links->n ? links->name[links->n - 1] : "");
    }
    return MS_OK;
}

enum ms_status ms_platform_events_make(const struct ms_platform *p,
                                       const struct ms_fault_params *faults,
                                       const struct ms_link_list *links, struct ms_arena *a,
                                       struct ms_platform_events *out, struct ms_err *err)
{
    struct making m = {.arena = a, .path = p->path};
    bool ok = true;
    enum ms_status s = check_faults(faults, links, err);
    if (s != MS_OK)
        return s;
    for (int i = 0; i < p->n_profiles && ok; i++)
        ok = add_profile(&m, &p->profile[i], links->name, links->n);
    for (int l = 0; l < links->n && faults->n_links; l++)
        add_faults(&m, faults, links, (uint32_t)l);
    out->n_events = m.events.n / sizeof *out->event;
    out->n_outages = m.outages.n / sizeof *out->outage;
    out->event = MS_NEW(a, struct ms_link_event, out->n_events + 1);
    out->outage = MS_NEW(a, struct ms_outage, out->n_outages + 1);
    ok = ok && out->event && out->outage && !m.events.failed && !m.outages.failed;
    if (ok && m.events.n)
        memcpy(out->event, m.events.p, m.events.n);
    if (ok && m.outages.n)
        memcpy(out->outage, m.outages.p, m.outages.n);
    ms_buf_finish(&m.events);
    ms_buf_finish(&m.outages);
    return ok ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory for the events of %s", p->path);
}

const struct ms_outage *ms_platform_events_off(const struct ms_platform_events *e, uint32_t link,
                                               double at_s)
{
    for (size_t i = 0; i < e->n_outages; i++)
        if (e->outage[i].link == link && e->outage[i].from_s <= at_s && at_s < e->outage[i].to_s)
            return &e->outage[i];
    return NULL;
}
