/** @file check.c  What no single key can say: sections against each other, against the platform,
 *  against the disk. */
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demand/nodes.h"
#include "demand/rank_assign.h"
#include "demand/replica.h"
#include "moe/router.h"
#include "moe/train.h"
#include "place/place.h"
#include "scenario/read.h"
#include "sim/exchange.h"

struct check {
    const struct ms_scenario *s;
    const struct ms_platform *platform;
    struct ms_errs *errs;
    size_t n_before; /* errors of reading */
};

/* Did reading complain about a key below one of these sections (or the key itself)? Then what
 * depends on it is not judged. */
static bool doubtful(const struct check *c, const char *const *sections)
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

#define DOUBTFUL(c, ...) doubtful(c, (const char *const[]){__VA_ARGS__, NULL})

static void fail(const struct check *c, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(const struct check *c, const char *key, const char *fmt, ...)
{
    char text[sizeof((struct ms_err *)0)->text];
    int line, col;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *file = ms_scenario_place(c->s, key, &line, &col);
    ms_errs_add_at(c->errs, MS_INVALID, file, line, col, key, "%s", text);
}

static void warn(const struct check *c, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void warn(const struct check *c, const char *key, const char *fmt, ...)
{
    char text[sizeof((struct ms_err *)0)->text];
    int line, col;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *file = ms_scenario_place(c->s, key, &line, &col);
    ms_errs_warn_at(c->errs, file, line, col, key, "%s", text);
}

/* An error of another room, which knows the key but not the place. */
static void pass_on(const struct check *c, const struct ms_err *err)
{
    if (err->file[0] || !err->key[0])
        ms_errs_add(c->errs, err);
    else
        fail(c, err->key, "%s", err->text);
}

/* ---- what must be there ---- */

static void check_needs(const struct check *c, enum ms_scenario_use use)
{
    const struct ms_scenario *s = c->s;
    bool matrix = s->routing.source == MS_SOURCE_MATRIX;
    bool run = use == MS_USE_RUN || (use == MS_USE_ANY && !s->train);
    if (run && !s->platform && !DOUBTFUL(c, "platform"))
        fail(c, "platform", "must be given: a SimGrid platform file");
    if (run && !matrix && !s->has_model && !DOUBTFUL(c, "model", "routing.source"))
        fail(c, "model", "must be given: a preset, a config.json, or hidden, experts, top_k …");
    if (use == MS_USE_TRAIN && !s->train)
        fail(c, "train", "must be given: the section that says what to train");
}

static void check_file(const struct check *c, const char *key, const char *path)
{
    if (path && strcmp(path, "-") != 0 && access(path, F_OK) != 0)
        fail(c, key, "no such file: %s", path);
}

/* A source needs its file; a file needs its source. */
static void check_source(const struct check *c)
{
    const struct ms_routing_params *p = &c->s->routing;
    const struct {
        int source;
        const char *key, *path;
    } files[] = {{MS_SOURCE_TRACE, "routing.trace", p->trace},
                 {MS_SOURCE_CHECKPOINT, "routing.checkpoint", p->checkpoint},
                 {MS_SOURCE_MATRIX, "routing.matrix", p->matrix}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (p->source == files[i].source && !files[i].path && !DOUBTFUL(c, files[i].key))
            fail(c, files[i].key, "must be given for routing.source: %s",
                 ms_source_names[p->source]);
        else if (p->source == files[i].source) /* a sweep over sources keeps the others' files */
            check_file(c, files[i].key, files[i].path);
    }
    if (p->source == MS_SOURCE_CHECKPOINT && p->n_text == 0 && !p->tokens &&
        !DOUBTFUL(c, "routing.text"))
        fail(c, "routing.text", "must be given for routing.source: checkpoint");
    for (int i = 0; p->source == MS_SOURCE_CHECKPOINT && i < p->n_text; i++)
        check_file(c, "routing.text", p->text[i]);
}

/* Assignments work on the scores of a router: a checkpoint has them, and a law of weights (ln
 * weight + noise). */
static void check_assignment(const struct check *c)
{
    const struct ms_routing_params *p = &c->s->routing;
    const struct ms_router *a = ms_assign_find(p->assignment);
    if (DOUBTFUL(c, "routing"))
        return;
    if (ms_rank_assign_find(p->assignment)) {
        if (p->source != MS_SOURCE_SYNTHETIC)
            fail(c, "routing.assignment",
                 "'%s' chooses by itself: it would leave the %s unused; take source: synthetic",
                 p->assignment, ms_source_names[p->source]);
        return;
    }
    bool counts = p->source == MS_SOURCE_TRACE || p->source == MS_SOURCE_MATRIX;
    if (counts && strcmp(p->assignment, "top_k") != 0)
        fail(c, "routing.assignment",
             "'%s' works on the scores of a router: a checkpoint has them, and so has a popularity "
             "law; a %s has none",
             p->assignment, ms_source_names[p->source]);
    else if (p->source == MS_SOURCE_CHECKPOINT && a && a->expert_choice)
        fail(c, "routing.assignment",
             "'%s' gives a token no fixed number of experts; a checkpoint's traffic needs that",
             p->assignment);
}

static void check_matrix(const struct check *c)
{
    const struct ms_scenario *s = c->s;
    if (s->routing.source != MS_SOURCE_MATRIX || DOUBTFUL(c, "workload"))
        return;
    if (s->workload.steps != 1)
        fail(c, "workload.steps", "%d steps, but a matrix is one exchange", s->workload.steps);
    if (s->workload.training)
        fail(c, "workload.pass", "a matrix has no backward pass");
    if (s->workload.groups != 1)
        fail(c, "workload.groups", "%d groups, but a matrix is one group", s->workload.groups);
}

/* Copies of experts that nobody knows to be hot: "redundancy does not help" would be the answer. */
static void check_redundancy(const struct check *c)
{
    const struct ms_place_params *p = &c->s->placement;
    const struct ms_place_strategy *mine = ms_place_find(p->strategy);
    char names[300] = "";
    if (p->redundant_experts == 0 || !mine || mine->needs_load || mine->needs_map ||
        DOUBTFUL(c, "placement"))
        return;
    for (const struct ms_place_strategy *const *s = ms_place_strategies(); *s; s++)
        if ((*s)->needs_load && strlen(names) + strlen((*s)->name) + 5 < sizeof names)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                     names[0] ? ", " : "", (*s)->name);
    warn(c, "placement.redundant_experts",
         "%d copies of experts %s takes without a look at their load, not of the hottest; "
         "placements that look at loads: %s",
         p->redundant_experts, p->strategy, names);
}

/* A plan spreads an expert's tokens over its copies; a choice that does not look undoes it. */
static void check_replicas(const struct check *c)
{
    const struct ms_place_params *p = &c->s->placement;
    const struct ms_place_strategy *mine = ms_place_find(p->strategy);
    const struct ms_replica_choice *choice = ms_replica_of(p);
    if (!mine || !mine->needs_load || p->redundant_experts == 0 || !choice || choice->keeps_plan ||
        !choice->fixed || DOUBTFUL(c, "placement"))
        return;
    warn(
        c, "placement.replica_choice",
        "%s sends every token to the copy beside it, whatever that copy was planned to take: ranks "
        "are less even than %s plans; replica_choice: quota keeps the plan, balanced solves each "
        "batch",
        choice->name, p->strategy);
}

/* A new placement needs a step to come and a load that has changed. */
static void check_rebalance(const struct check *c)
{
    const struct ms_place_params *p = &c->s->placement;
    const struct ms_workload *w = &c->s->workload;
    const struct ms_place_strategy *mine = ms_place_find(p->strategy);
    if (p->rebalance.every <= 0 || !mine || !mine->needs_load || DOUBTFUL(c, "placement"))
        return;
    if (p->rebalance.every >= w->steps)
        warn(c, "placement.rebalance.every",
             "no new placement comes: it would before step %d, and there are %d (workload.steps)",
             p->rebalance.every, w->steps);
    else if (w->requests.phase == MS_REQUESTS_NONE && c->s->routing.drift <= 0 &&
             c->s->routing.source == MS_SOURCE_SYNTHETIC)
        warn(c, "placement.rebalance.every",
             "the load does not change from step to step, so weights move for noise alone; "
             "routing.drift or workload.requests makes it change");
}

/* A name of faults.hosts that is no rank's. */
static void check_lost_name(const struct check *c, const struct ms_entry *at, const char *pattern,
                            int n_ranks, bool *lost)
{
    const struct ms_platform *p = c->platform;
    bool any = false;
    for (int r = 0; r < n_ranks; r++) {
        const char *host = p->host_name[ms_rank_host(&c->s->workload, r / c->s->workload.ranks,
                                                     r % c->s->workload.ranks)];
        if (fnmatch(pattern, host, 0) != 0)
            continue;
        any = lost[r] = true;
    }
    if (any)
        return;
    const char *file;
    int line, col;
    file = ms_scenario_place(c->s, "faults.hosts", &line, &col);
    ms_errs_add_at(c->errs, MS_INVALID, at ? at->file : file, at ? at->line : line,
                   at ? at->col : col, "faults.hosts",
                   "no rank's host is called '%s'; the first and the last are '%s' and '%s'",
                   pattern, p->host_name[0], p->host_name[n_ranks - 1]);
}

/* What those that are left could not go on with. */
static void check_remap(const struct check *c)
{
    const struct ms_scenario *s = c->s;
    const char *key = "faults.on_failure";
    if (s->workload.groups > 1)
        fail(c, key, "'remap' needs workload.groups: 1, not %d", s->workload.groups);
    else if (s->workload.training)
        fail(c, key, "'remap' needs workload.pass: forward");
    else if (s->sim.compute.overlap != MS_OVERLAP_NONE)
        fail(c, key, "'remap' needs compute.overlap: none");
    else if (s->routing.source == MS_SOURCE_MATRIX)
        fail(c, key, "'remap' moves experts: a byte matrix has none");
    else if (s->routing.assignment && ms_rank_assign_find(s->routing.assignment))
        fail(c, key, "'remap' needs experts of one rank each: '%s' chooses ranks by itself",
             s->routing.assignment);
    else if (!ms_sim_repeatable(c->platform, &s->sim))
        fail(c, key,
             "'remap' needs network.model: fluid, and a platform whose links keep to "
             "their rates (no bandwidth_file, state_file)");
    else if (s->workload.steps < 2)
        warn(c, key, "there is no step after the one in which a rank is lost (workload.steps: %d)",
             s->workload.steps);
}

/* Links by name, where the file shows them all; SimGrid's own are looked up when it runs. */
static void check_fault_links(const struct check *c)
{
    const struct ms_platform *p = c->platform;
    const struct ms_fault_params *f = &c->s->sim.faults;
    const struct ms_entry *list = ms_yaml_find(c->s->tree, "faults.links", NULL), *at = NULL;
    if (DOUBTFUL(c, "faults", "network"))
        return;
    if (list && list->value->kind == MS_YAML_LIST)
        at = list->value->first;
    for (int i = 0; i < f->n_links; i++, at = at ? at->next : NULL) {
        const struct ms_fault_link *v = &f->links[i];
        bool cable = strchr(v->pattern, '#'), found = false;
        for (int l = 0; l < p->n_links && !found; l++)
            found = ms_fault_hits(v, p->link[l].name, -1, p->link[l].cables);
        char text[200] = "";
        if (!found && p->links_complete)
            snprintf(text, sizeof text,
                     "no link%s of %.60s is called '%.60s' (moesim platform show)",
                     cable ? " of several cables" : "", c->s->platform, v->pattern);
        else if (cable && !(v->bandwidth_factor > 0) && v->at_s > 0 && !isfinite(v->until_s) &&
                 c->s->sim.network.multipath == MS_PATHS_ECMP)
            snprintf(text, sizeof text,
                     "'%.60s' goes down for good while flows are on it: down from the start (at: "
                     "0us), or until a time",
                     v->pattern);
        if (!text[0])
            continue;
        int line, col;
        const char *file = ms_scenario_place(c->s, "faults.links", &line, &col);
        ms_errs_add_at(c->errs, MS_INVALID, at ? at->file : file, at ? at->line : line,
                       at ? at->col : col, "faults.links", "%s", text);
    }
}

static void check_lost(const struct check *c)
{
    struct ms_scenario s = *c->s;
    const struct check own = {&s, c->platform, c->errs, c->n_before};
    if (DOUBTFUL(c, "faults", "workload", "network", "cluster"))
        return;
    if (s.sim.faults.n_hosts == 0) {
        if (s.sim.faults.on_failure != MS_FAILURE_STOP)
            warn(c, "faults.on_failure", "no rank is lost (faults.hosts): it does nothing");
        return;
    }
    ms_scenario_resolve(&s, c->platform);
    int n = s.workload.ranks * s.workload.groups, left = 0;
    bool *lost = calloc((size_t)n + 1, sizeof *lost);
    const struct ms_entry *list = ms_yaml_find(s.tree, "faults.hosts", NULL);
    const struct ms_entry *at =
        list && list->value->kind == MS_YAML_LIST ? list->value->first : NULL;
    for (int i = 0; i < s.sim.faults.n_hosts && lost; i++, at = at ? at->next : NULL)
        check_lost_name(&own, at, s.sim.faults.hosts[i].pattern, n, lost);
    for (int r = 0; r < n && lost; r++)
        left += !lost[r];
    free(lost);
    if (s.placement.rebalance.every > 0)
        fail(c, "faults.hosts",
             "ranks are lost and placements renewed (placement.rebalance.every): "
             "not both");
    if (s.sim.faults.on_failure != MS_FAILURE_REMAP)
        return;
    check_remap(&own);
    if (left < 2)
        fail(c, "faults.hosts", "%d of %d ranks are left: too few for the others to go on", left,
             n);
}

static void check_report(const struct check *c)
{
    const char *by = c->s->report.by;
    char hint[600];
    if (by && !c->s->report.by_zip && strcmp(by, "folder") != 0 && !ms_key_settable(by))
        fail(c, "report.by", "'%s' is no key of a scenario%s", by,
             ms_key_hint(by, true, hint, sizeof hint));
}

/* ---- model ---- */

static void check_model(const struct check *c)
{
    const struct ms_model_shape *m = &c->s->model;
    bool unread = m->groups < 1; /* its config.json: told where it was read */
    if (!c->s->has_model || DOUBTFUL(c, "model") || unread)
        return;
    if (m->top_k > m->experts)
        fail(c, "model.top_k", "%d experts a token, but model.experts is %d", m->top_k, m->experts);
    if (m->experts % m->groups != 0)
        fail(c, "model.groups", "%d groups do not divide %d experts", m->groups, m->experts);
    if (m->group_limit > m->groups)
        fail(c, "model.group_limit", "%d groups a token, but model.groups is %d", m->group_limit,
             m->groups);
    else if (m->experts % m->groups == 0 && m->top_k <= m->experts &&
             (long)m->experts / m->groups * m->group_limit < m->top_k)
        fail(c, "model.group_limit",
             "%d is too few: top_k %d needs at least %d groups of %d experts", m->group_limit,
             m->top_k, (m->top_k + m->experts / m->groups - 1) / (m->experts / m->groups),
             m->experts / m->groups);
}

static void check_layers(const struct check *c)
{
    const struct ms_scenario *s = c->s;
    if (DOUBTFUL(c, "model", "workload.layers", "workload.tokens_per_rank", "routing.source"))
        return;
    if (s->has_model && s->workload.layers > s->model.moe_layers &&
        s->routing.source != MS_SOURCE_MATRIX)
        fail(c, "workload.layers", "%d layers, but model.moe_layers is %d", s->workload.layers,
             s->model.moe_layers);
    if (s->workload.tokens.kind == MS_TOKENS_TRACE && s->routing.source != MS_SOURCE_TRACE)
        fail(c, "workload.tokens_per_rank", "'trace' needs routing.source: trace");
}

/* ---- ranks ---- */

static void check_tokens(const struct check *c, int ranks)
{
    const struct ms_tokens *t = &c->s->workload.tokens;
    if (t->kind == MS_TOKENS_LIST && t->n_list != ranks && !DOUBTFUL(c, "workload.tokens_per_rank"))
        fail(c, "workload.tokens_per_rank", "%d numbers, but %d ranks", t->n_list, ranks);
}

/* Replicas fill slots, and every rank has equally many. */
static void check_slots(const struct check *c, int ranks)
{
    const struct ms_scenario *s = c->s;
    int slots = s->model.experts + s->placement.redundant_experts;
    const struct ms_place_strategy *strategy = ms_place_find(s->placement.strategy);
    if (strategy && strategy->needs_map) /* the map says how many slots there are */
        return;
    if (!s->has_model || s->routing.source == MS_SOURCE_MATRIX || slots % ranks == 0 ||
        DOUBTFUL(c, "model", "placement.redundant_experts", "routing.source"))
        return;
    const char *given = "model.experts";
    if (s->placement.redundant_experts)
        given = "placement.redundant_experts";
    else if (ms_yaml_find(s->tree, "workload.ranks", NULL))
        given = "workload.ranks";
    int more = s->placement.redundant_experts + ranks - slots % ranks;
    fail(c, given,
         "%d slots (%d experts + %d redundant) are no multiple of %d ranks; "
         "placement.redundant_experts: %d would fit, or fewer ranks and more groups",
         slots, s->model.experts, s->placement.redundant_experts, ranks, more);
}

static void check_hosts(const struct check *c)
{
    const struct ms_scenario *s = c->s;
    int hosts = c->platform->n_hosts, groups = s->workload.groups;
    if (DOUBTFUL(c, "workload.ranks", "workload.groups"))
        return;
    if (s->workload.ranks == 0 && groups > hosts)
        fail(c, "workload.groups", "%d groups, but %s has %d hosts", groups, s->platform, hosts);
    else if (s->workload.ranks == 0 && hosts % groups != 0)
        fail(c, "workload.groups", "%d groups do not divide the %d hosts of %s", groups, hosts,
             s->platform);
    else if ((long)s->workload.ranks * groups > hosts && groups == 1)
        fail(c, "workload.ranks", "%d ranks, but %s has %d hosts", s->workload.ranks, s->platform,
             hosts);
    else if ((long)s->workload.ranks * groups > hosts)
        fail(c, "workload.ranks", "%d groups of %d ranks are %ld, but %s has %d hosts", groups,
             s->workload.ranks, (long)s->workload.ranks * groups, s->platform, hosts);
    else {
        struct ms_scenario r = *s;
        ms_scenario_resolve(&r, c->platform);
        check_tokens(c, r.workload.ranks);
        check_slots(c, r.workload.ranks);
    }
}

static void check_nodes(const struct check *c)
{
    const struct ms_scenario *s = c->s;
    const struct ms_platform *p = c->platform;
    if (DOUBTFUL(c, "cluster"))
        return;
    if (p->n_nodes > 0 && s->gpus_per_node > 0 && p->gpus_per_node != s->gpus_per_node)
        fail(c, "cluster.gpus_per_node", "%d, but %s has its own node property; leave this key out",
             s->gpus_per_node, s->platform);
    if (p->n_nodes == 0 && s->gpus_per_node > 0 && p->n_hosts % s->gpus_per_node != 0)
        fail(c, "cluster.gpus_per_node", "%d does not divide the %d hosts of %s", s->gpus_per_node,
             p->n_hosts, s->platform);
}

/* Costs that the profile does not have would count as nothing. */
static void check_hardware(const struct check *c)
{
    const struct ms_hardware *h = c->s->in_force;
    const struct ms_exchange *x = ms_exchange_find(c->s->sim.exchange.algorithm);
    const char *library = c->s->sim.hardware.library;
    bool usual = !library || strcmp(library, "auto") == 0;
    if (!usual && !(h && ms_hardware_has_library(h, library))) {
        fail(c, "hardware.library", "'%s' is not a library that the profile %s%s%s has costs of",
             library, h ? "'" : "", h ? h->name : "none", h ? "'" : "");
        return;
    }
    struct ms_scenario s = *c->s;
    ms_scenario_resolve(&s, c->platform);
    if (!h || !x || s.sim.hardware.kernels.given)
        return;
    fail(c, "hardware",
         "the profile '%s' says nothing of the %s kernels%s%s that exchange.algorithm: %s stands "
         "for; another algorithm, another profile or none",
         h->name, ms_hardware_kernels_name(x->kernels), usual ? "" : " of ", usual ? "" : library,
         x->name);
}

/* What the simulator knows better: algorithms that need nodes, rails that do not meet, profiles. */
static void check_sim(const struct check *c)
{
    struct ms_scenario s = *c->s;
    struct ms_errs found = {0};
    ms_scenario_resolve(&s, c->platform);
    struct ms_sim_input in = {.platform = c->platform,
                              .model = &s.model,
                              .workload = &s.workload,
                              .params = &s.sim,
                              .n_runs = 1,
                              .seed = s.seed,
                              .n_threads = 1};
    ms_sim_check(&in, &found);
    for (size_t i = 0; i < found.n; i++)
        pass_on(c, &found.e[i]);
    for (size_t i = 0; i < found.n_warnings; i++) {
        struct ms_err *w = &found.warn[i];
        const char *file = ms_scenario_place(c->s, w->key, &w->line, &w->col);
        ms_errs_warn_at(c->errs, file, w->line, w->col, w->key, "%s", w->text);
    }
    ms_errs_finish(&found);
}

/* ---- train ---- */

static void check_train(const struct check *c)
{
    const struct ms_train_params *t = c->s->train;
    struct ms_err err = {0};
    if (!t || DOUBTFUL(c, "train"))
        return;
    if (ms_train_params_check(t, &err) != MS_OK)
        pass_on(c, &err);
    if (strcmp(t->init, "random") != 0)
        check_file(c, "train.init", t->init);
    for (size_t i = 0; i < t->data.n_text; i++)
        check_file(c, "train.data.text", t->data.text[i]);
    check_file(c, "train.data.tokens", t->data.tokens);
}

static void check_attention(const struct check *c)
{
    const struct ms_scenario *s = c->s;
    if (!DOUBTFUL(c, "model", "compute") && isnan(s->sim.compute.dense_s) && s->has_model &&
        s->model.heads == 0)
        fail(c, "compute.dense",
             "'auto' needs to know the model's attention: model.heads, kv_heads and head_dim");
    if (!DOUBTFUL(c, "model", "compute") && isnan(s->sim.compute.outside_s) && s->has_model &&
        (s->model.vocabulary == 0 ||
         (s->model.dense_layers > 0 && s->model.dense_intermediate == 0)))
        fail(c, "compute.outside",
             "'auto' needs to know what the model has beside its MoE layers: model.dense_layers, "
             "dense_intermediate and vocabulary");
}

void ms_scenario_check(const struct ms_scenario *s, const struct ms_platform *platform,
                       enum ms_scenario_use use, struct ms_errs *errs)
{
    const struct check c = {s, platform, errs, errs->n};
    check_needs(&c, use);
    check_file(&c, "platform", platform ? NULL : s->platform);
    check_source(&c);
    check_assignment(&c);
    check_matrix(&c);
    check_model(&c);
    check_layers(&c);
    check_train(&c);
    check_redundancy(&c);
    check_rebalance(&c);
    check_replicas(&c);
    check_report(&c);
    check_attention(&c);
    size_t n = errs->n;
    if (platform) {
        check_hosts(&c);
        check_nodes(&c);
        check_hardware(&c);
    }
    if (platform && errs->n == n) {
        check_fault_links(&c);
        check_lost(&c);
    }
    if (platform && errs->n == n && s->workload.layers > 0 &&
        !DOUBTFUL(&c, "workload", "exchange", "network", "compute", "hardware", "cluster"))
        check_sim(&c);
}
