/* SimGrid itself: started with the settings of the network model, given the platform once a process,
 * slept on, asked for routes. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cluster/platform_outline.h"
#include "demand/nodes.h"
#include "sim/core.h"
#include "sim/load.h"
#include "sim/network_model.h"
#include "sim/paths.h"
#include "sim/simgrid.h"

#if SIMGRID_VERSION >= 33300
#define PRECISION "--cfg=precision/timing:1e-12"
#else
#define PRECISION "--cfg=surf/precision:1e-12"
#endif

static const char *const common[] = {"moesim", PRECISION, "--cfg=contexts/stack-size:64",
                                     "--cfg=contexts/guard-size:1", "--log=root.thres:critical"};
/* SimGrid's clock stands on multiples of this while it sleeps for us, so that all its sums are exact
 * as long as the clock is below CLOCK_EXACT_S (53 bits): a case is woken in the same order whenever
 * in the process it starts. What is slept is at least LEAST_S, above SimGrid's own precision. */
#define CLOCK_GRID_S 0x1p-50
#define CLOCK_EXACT_S 8.0
#define LEAST_S 0x1p-39

/* No further case is begun on a clock above this. */
#define CLOCK_TIRED_S 4.0

double ms_engine_now_s(const struct ms_core *c)
{
    return ms_sg.get_clock() - c->run.start_s;
}

double ms_engine_left_s(const struct ms_core *c, double at_s)
{
    double grid_s = nearbyint(at_s / CLOCK_GRID_S) * CLOCK_GRID_S;
    double left_s = c->run.start_s + grid_s - ms_sg.get_clock();
    return left_s > 0 && left_s < LEAST_S ? LEAST_S : left_s;
}

void ms_engine_sleep_until(const struct ms_core *c, double at_s)
{
    double left_s = ms_engine_left_s(c, at_s);
    if (left_s > 0)
        ms_sg.actor_sleep_for(left_s);
}

const char *ms_sim_simgrid_version(void)
{
    static char text[32] = "none";
    int major, minor, patch;
    if (ms_simgrid_load(NULL) != MS_OK)
        return text;
    ms_sg.version_get(&major, &minor, &patch);
    if (patch)
        snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    else
        snprintf(text, sizeof text, "%d.%d", major, minor);
    return text;
}

/* simgrid_init eats arguments and installs its own handlers (its SIGINT one calls exit): give it
 * our words, take ours back. */
static void start_simgrid(const char *const *args)
{
    static char text[16][64];
    char *argv[17];
    int argc = 0;
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        snprintf(text[argc++], sizeof text[0], "%s", common[i]);
    for (; *args; args++)
        snprintf(text[argc++], sizeof text[0], "%s", *args);
    for (int i = 0; i < argc; i++)
        argv[i] = text[i];
    argv[argc] = NULL;
    struct sigaction kept[32];
    for (int s = 1; s < 32; s++)
        sigaction(s, NULL, &kept[s]);
    ms_sg.init(&argc, argv);
    for (int s = 1; s < 32; s++)
        if (s != SIGKILL && s != SIGSTOP)
            sigaction(s, &kept[s], NULL);
}

static enum ms_status find_hosts(struct ms_core *c)
{
    const struct ms_platform *p = c->in->platform;
    c->platform.host = MS_NEW(&c->arena, sg_host_t, (size_t)c->n_total);
    if (!c->platform.host)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %d hosts", c->n_total);
    if (ms_sg.host_count() != (size_t)p->n_hosts_in_file)
        return ms_core_fail(c, MS_INTERNAL, "%s: SimGrid finds %zu hosts, the reader %d", p->path,
                            ms_sg.host_count(), p->n_hosts_in_file);
    for (int g = 0; g < c->n_groups; g++)
        for (int r = 0; r < c->n_ranks; r++) {
            int i = ms_core_host(c, g, r);
            sg_host_t h = ms_sg.host_by_name(p->host_name[i]);
            if (!h)
                return ms_core_fail(c, MS_INTERNAL, "%s: SimGrid does not know host '%s'", p->path,
                                    p->host_name[i]);
            c->platform.host[g * c->n_ranks + r] = h;
        }
    return MS_OK;
}

static int by_name(const void *a, const void *b)
{
    return ms_natural_cmp(ms_sg.link_get_name(*(const sg_link_t *)a),
                          ms_sg.link_get_name(*(const sg_link_t *)b));
}

static enum ms_status make_links(struct ms_core *c, struct ms_sim_engine *e, size_t n)
{
    const struct ms_platform *p = c->in->platform;
    e->n_links = (int)n;
    e->link_name = MS_NEW(&e->arena, const char *, n);
    e->bandwidth_Bps = MS_NEW(&e->arena, double, n);
    e->latency_s = MS_NEW(&e->arena, double, n);
    e->shared = MS_NEW(&e->arena, bool, n);
    e->of_file = p->rule ? MS_NEW(&e->arena, uint32_t, (size_t)p->n_links + 1) : NULL;
    return e->link_name && e->bandwidth_Bps && e->latency_s && e->shared && (!p->rule || e->of_file)
               ? MS_OK
               : ms_core_fail(c, MS_NOMEM, "out of memory for %zu links", n);
}

static int compare_names(const void *key, const void *row)
{
    return ms_natural_cmp(key, *(const char *const *)row);
}

/* SimGrid's links by name, so that their order does not depend on its tables; the loopback is no
 * link of ours. */
static enum ms_status find_links(struct ms_core *c, struct ms_sim_engine *e)
{
    size_t n = ms_sg.link_count(), kept = 0;
    sg_link_t *all = ms_sg.link_list();
    const struct ms_platform *p = c->in->platform;
    e->link = MS_NEW(&e->arena, sg_link_t, n);
    for (size_t i = 0; all && e->link && i < n; i++)
        if (strcmp(ms_sg.link_get_name(all[i]), "__loopback__"))
            e->link[kept++] = all[i];
    bool good = all && e->link;
    free(all);
    if (!good)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %zu links", n);
    qsort(e->link, kept, sizeof *e->link, by_name);
    enum ms_status s = make_links(c, e, kept);
    for (int i = 0; s == MS_OK && i < e->n_links; i++) {
        ms_sg.link_set_data(e->link[i], (void *)(uintptr_t)(i + 1));
        e->link_name[i] = ms_sg.link_get_name(e->link[i]);
        e->bandwidth_Bps[i] = ms_sg.link_get_bandwidth(e->link[i]);
        e->shared[i] = ms_sg.link_is_shared(e->link[i]);
        e->latency_s[i] = ms_sg.link_get_latency(e->link[i]);
        if (c->latency_at_sender)
            ms_sg.link_set_latency(e->link[i], 0);
    }
    for (int l = 0; s == MS_OK && e->of_file && l < p->n_links; l++) {
        const char **found = bsearch(p->link[l].name, e->link_name, (size_t)e->n_links,
                                     sizeof *e->link_name, compare_names);
        e->of_file[l] = found ? (uint32_t)(found - e->link_name) : UINT32_MAX;
    }
    return s;
}

/* The same of the platform's own links, for a SimGrid that has not all of them. */
static enum ms_status list_links(struct ms_core *c, struct ms_sim_engine *e)
{
    const struct ms_platform *p = c->in->platform;
    const struct ms_platform_link **row = ms_platform_links_by_name(p);
    enum ms_status s = row ? make_links(c, e, (size_t)p->n_links)
                           : ms_core_fail(c, MS_NOMEM, "out of memory for %d links", p->n_links);
    for (int i = 0; s == MS_OK && i < p->n_links; i++) {
        e->link_name[i] = row[i]->name;
        e->bandwidth_Bps[i] = row[i]->bandwidth_Bps;
        e->latency_s[i] = row[i]->latency_s;
        e->shared[i] = row[i]->policy != MS_LINK_FATPIPE;
        e->of_file[row[i] - p->link] = (uint32_t)i;
    }
    free(row);
    return s;
}

static enum ms_status take_links(struct ms_core *c, const struct ms_sim_engine *e)
{
    size_t n = (size_t)e->n_links;
    c->platform.n_links = e->n_links;
    c->platform.link = e->link;
    c->platform.link_latency_s = e->latency_s;
    c->platform.link_shared = e->shared;
    c->samples.link_load = MS_NEW(&c->arena, double, n);
    c->samples.link_seen = MS_NEW(&c->arena, uint32_t, n);
    c->samples.link_from_s = MS_NEW(&c->arena, double, n);
    return c->samples.link_load && c->samples.link_seen && c->samples.link_from_s
               ? MS_OK
               : ms_core_fail(c, MS_NOMEM, "out of memory for %zu links", n);
}

/* The route that SimGrid has; only inside an actor: Dijkstra zones abort before the simulation runs. */
static enum ms_status ask_simgrid(struct ms_core *c, int src, int dst, struct ms_route *out,
                                  struct ms_err *err)
{
    static xbt_dynar_t links; /* one engine a process */
    if (!links)
        links = ms_sg.dynar_new(sizeof(sg_link_t), NULL);
    ms_sg.dynar_reset(links);
    sg_host_t from = c->platform.host[src], to = c->platform.host[dst];
    ms_sg.host_get_route(from, to, links);
    out->n = ms_sg.dynar_length(links);
    if (out->n > out->max_links)
        return MS_OK;
    sg_link_t *link = out->n ? ms_sg.dynar_get_ptr(links, 0) : NULL;
    for (size_t i = 0; i < out->n; i++) {
        uintptr_t k = (uintptr_t)ms_sg.link_get_data(link[i]);
        if (!k)
            return ms_err_set(
                err, MS_INTERNAL, "the route from %s to %s uses link '%s', which is in no list",
                ms_sg.host_get_name(from), ms_sg.host_get_name(to), ms_sg.link_get_name(link[i]));
        out->links[i] = (uint32_t)(k - 1);
    }
    return MS_OK;
}

/* Every way between the hosts of the sample, from inside an actor. */
static bool compare_sample(const struct ms_platform *p)
{
    const char *name[256];
    int host[MS_RULE_SAMPLE], n = ms_rule_sample(p, host);
    xbt_dynar_t links = ms_sg.dynar_new(sizeof(sg_link_t), NULL);
    bool holds = true;
    for (int i = 0; i < n * n && holds; i++) {
        int a = host[i / n], b = host[i % n];
        if (a == b)
            continue;
        ms_sg.dynar_reset(links);
        ms_sg.host_get_route(ms_sg.host_by_name(p->host_name[a]),
                             ms_sg.host_by_name(p->host_name[b]), links);
        int m = (int)ms_sg.dynar_length(links);
        for (int k = 0; k < m && k < 256; k++)
            name[k] = ms_sg.link_get_name(*(sg_link_t *)ms_sg.dynar_get_ptr(links, (size_t)k));
        holds = m <= 256 && ms_rule_agrees(p, a, b, name, m);
    }
    ms_sg.dynar_free(&links);
    return holds;
}

/* Once a process. Where SimGrid says otherwise for a pair of the sample it is asked for all, unless it
 * has not the whole platform: then the rule is wrong, and so would be the answer. */
static enum ms_status try_rule(struct ms_core *c, struct ms_err *err)
{
    struct ms_sim_engine *e = c->engine;
    if (!e->rule_tried)
        e->rule_holds = compare_sample(c->in->platform);
    e->rule_tried = true;
    if (e->rule_holds)
        return MS_OK;
    c->platform.ruled.rule = NULL;
    return e->outlined ? ms_err_set(err, MS_INTERNAL,
                                    "%s: SimGrid has other routes than its topology's rule says",
                                    c->in->platform->path)
                       : MS_OK;
}

/* ms_routes.fetch */
static enum ms_status fetch_route(void *ctx, int group, int src, int dst, struct ms_route *out,
                                  struct ms_err *err)
{
    struct ms_core *c = ctx;
    int base = group * c->n_ranks;
    enum ms_status s = MS_OK;
    if (c->platform.ruled.rule && (s = try_rule(c, err)) != MS_OK)
        return s;
    if (c->platform.ruled.rule)
        ms_ruled_links(&c->platform.ruled, base + src, base + dst, out);
    else
        s = ask_simgrid(c, base + src, base + dst, out, err);
    if (s || out->n > out->max_links)
        return s;
    out->latency_s = 0;
    out->bandwidth_Bps = INFINITY;
    for (size_t i = 0; i < out->n; i++) {
        out->latency_s += c->platform.link_latency_s[out->links[i]];
        out->bandwidth_Bps = fmin(out->bandwidth_Bps, c->out->link_bandwidth[out->links[i]]);
    }
    return MS_OK;
}

static enum ms_status tell_links(struct ms_core *c)
{
    struct ms_sim_output *o = c->out;
    const struct ms_sim_engine *e = c->engine;
    size_t n = (size_t)e->n_links;
    o->n_links = e->n_links;
    o->link_name = MS_NEW(&o->arena, const char *, n);
    o->link_bandwidth = MS_NEW(&o->arena, double, n);
    o->link_shared = MS_NEW(&o->arena, bool, n);
    o->link_bytes = MS_NEW(&o->arena, double, n *(size_t)c->in->n_runs);
    if (!o->link_name || !o->link_bandwidth || !o->link_shared || !o->link_bytes)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %d links", e->n_links);
    memcpy(o->link_name, e->link_name, n * sizeof *o->link_name);
    memcpy(o->link_bandwidth, e->bandwidth_Bps, n * sizeof *o->link_bandwidth);
    memcpy(o->link_shared, e->shared, n * sizeof *o->link_shared);
    return MS_OK;
}

static bool is_rank(const struct ms_core *c, const char *host)
{
    for (int i = 0; i < c->n_total; i++)
        if (strcmp(ms_sg.host_get_name(c->platform.host[i]), host) == 0)
            return true;
    return false;
}

static enum ms_status find_rule(struct ms_core *c, const struct ms_sim_engine *e)
{
    int *host = MS_NEW(&c->arena, int, (size_t)c->n_total);
    if (!host)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %d hosts", c->n_total);
    for (int i = 0; i < c->n_total; i++)
        host[i] = ms_core_host(c, i / c->n_ranks, i % c->n_ranks);
    return ms_core_note(c, ms_ruled_init(&c->platform.ruled, c->in->platform, host, c->n_total,
                                         e->of_file, &c->arena, c->err));
}

static const int *cables_of(struct ms_core *c)
{
    int *cables = MS_NEW(&c->arena, int, (size_t)c->platform.n_links + 1);
    for (int l = 0; l < c->platform.n_links && cables; l++)
        cables[l] = 1;
    if (cables)
        ms_paths_cables(c->in->platform, c->out->link_name, (uint32_t)c->platform.n_links, cables);
    return cables;
}

static enum ms_status find_events(struct ms_core *c)
{
    struct ms_link_list links = {.n = c->platform.n_links,
                                 .name = c->out->link_name,
                                 .bandwidth_Bps = c->out->link_bandwidth,
                                 .cables = cables_of(c),
                                 .hashed = c->in->params->network.multipath == MS_PATHS_ECMP};
    if (!links.cables)
        return ms_core_fail(c, MS_NOMEM, "out of memory for %d links", links.n);
    struct ms_platform_events *e = &c->platform.events;
    enum ms_status s = ms_platform_events_make(c->in->platform, &c->in->params->faults, &links,
                                               &c->arena, e, c->err);
    size_t kept = 0;
    for (size_t i = 0; s == MS_OK && i < e->n_outages; i++)
        if (!e->outage[i].host || is_rank(c, e->outage[i].host))
            e->outage[kept++] = e->outage[i];
    e->n_outages = kept;
    return ms_core_note(c, s);
}

/* SimGrid with the platform in it, new or as the case before left it. */
static enum ms_status start(struct ms_core *c, struct ms_sim_engine *e)
{
    const struct ms_platform *p = c->in->platform;
    struct ms_buf outline = {0};
    int host[MS_RULE_SAMPLE];
    if (e->platform) /* loaded: asked for the same again, see ms_sim_engine_serves */
        return MS_OK;
    e->outlined = p->rule && c->model->transport->own_clock;
    enum ms_status s = ms_core_note(c, ms_simgrid_load(c->err));
    if (s == MS_OK && e->outlined)
        s = ms_core_note(c,
                         ms_platform_outline(p, host, ms_rule_sample(p, host), &outline, c->err));
    if (s == MS_OK) {
        e->platform = p;
        e->model = c->model;
        start_simgrid(c->model->simgrid_args);
        ms_sg.log_control_set("root.thres:critical");
        ms_load_platform(p, e->outlined ? &outline : NULL);
        s = e->outlined ? list_links(c, e) : find_links(c, e);
    }
    ms_buf_finish(&outline);
    return s;
}

enum ms_status ms_engine_start(struct ms_core *c)
{
    struct ms_sim_engine *e = c->engine;
    if (e->platform && !ms_sim_engine_serves(e, c->in->platform, c->in->params))
        return ms_core_fail(c, MS_INTERNAL, "SimGrid is loaded with another platform");
    enum ms_status s = start(c, e);
    c->platform.routes.fetch = fetch_route;
    c->platform.routes.ctx = c;
    if (s == MS_OK)
        s = find_hosts(c);
    if (s == MS_OK)
        s = take_links(c, e);
    if (s == MS_OK)
        s = tell_links(c);
    if (s == MS_OK)
        s = find_rule(c, e);
    if (s == MS_OK)
        s = find_events(c);
    return s;
}

enum ms_status ms_engine_check_clock(struct ms_core *c)
{
    bool first = c->engine->n_cases++ == 0;
    if (first || ms_sg.get_clock() < CLOCK_EXACT_S)
        return MS_OK;
    return ms_core_fail(c, MS_INTERNAL, "the clock of this process is no longer exact");
}

/* ---- an engine for several cases ---- */

struct ms_sim_engine *ms_sim_engine_create(void)
{
    return calloc(1, sizeof(struct ms_sim_engine));
}

bool ms_sim_engine_serves(const struct ms_sim_engine *e, const struct ms_platform *platform,
                          const struct ms_sim_params *params)
{
    return !e->platform ||
           (e->platform == platform && e->model == ms_network_model_find(params->network.model) &&
            ms_sim_repeatable(platform, params) && ms_sg.get_clock() < CLOCK_TIRED_S);
}

const char *ms_sim_repeatable(const struct ms_platform *platform,
                              const struct ms_sim_params *params)
{
    const struct ms_network_model *m = ms_network_model_find(params->network.model);
    return m && m->transport->own_clock && platform->n_profiles == 0 ? m->name : NULL;
}
