/** @file check.c  What no single key can say: sections against each other, against the platform,
 *  against the disk. */
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
#include "scenario/check_parts.h"
#include "sim/exchange.h"

/* An error of another room, which knows the key but not the place. */
static void pass_on(const struct ms_case_check *c, const struct ms_err *err)
{
    if (err->file[0] || !err->key[0])
        ms_errs_add(c->errs, err);
    else
        ms_check_key_fail(c, err->key, "%s", err->text);
}

/* ---- what must be there ---- */

static void check_needs(const struct ms_case_check *c, enum ms_scenario_use use)
{
    const struct ms_scenario *s = c->s;
    bool matrix = s->routing.source == MS_SOURCE_MATRIX;
    bool run = use == MS_USE_RUN || (use == MS_USE_ANY && !s->train);
    if (run && !s->platform && !MS_DOUBTFUL(c, "platform"))
        ms_check_key_fail(c, "platform", "must be given: a SimGrid platform file");
    if (run && !matrix && !s->has_model && !MS_DOUBTFUL(c, "model", "routing.source"))
        ms_check_key_fail(c, "model",
                          "must be given: a preset, a config.json, or hidden, experts, top_k …");
    if (use == MS_USE_TRAIN && !s->train)
        ms_check_key_fail(c, "train", "must be given: the section that says what to train");
}

static void check_file(const struct ms_case_check *c, const char *key, const char *path)
{
    char near[600];
    if (path && strcmp(path, "-") != 0 && access(path, F_OK) != 0)
        ms_check_key_fail(c, key, "no such file: %s%s", path,
                          ms_near_file(path, strcmp(key, "platform") == 0 ? "platforms" : NULL,
                                       near, sizeof near));
}

/* A source needs its file; a file needs its source. */
static void check_source(const struct ms_case_check *c)
{
    const struct ms_routing_params *p = &c->s->routing;
    const struct {
        int source;
        const char *key, *path;
    } files[] = {{MS_SOURCE_TRACE, "routing.trace", p->trace},
                 {MS_SOURCE_CHECKPOINT, "routing.checkpoint", p->checkpoint},
                 {MS_SOURCE_MATRIX, "routing.matrix", p->matrix}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (p->source == files[i].source && !files[i].path && !MS_DOUBTFUL(c, files[i].key))
            ms_check_key_fail(c, files[i].key, "must be given for routing.source: %s",
                              ms_source_names[p->source]);
        else if (p->source == files[i].source) /* a sweep over sources keeps the others' files */
            check_file(c, files[i].key, files[i].path);
    }
    if (p->source == MS_SOURCE_CHECKPOINT && p->n_text == 0 && !p->tokens &&
        !MS_DOUBTFUL(c, "routing.text"))
        ms_check_key_fail(c, "routing.text", "must be given for routing.source: checkpoint");
    for (int i = 0; p->source == MS_SOURCE_CHECKPOINT && i < p->n_text; i++)
        check_file(c, "routing.text", p->text[i]);
}

/* Assignments work on the scores of a router: a checkpoint has them, and a law of weights (ln
 * weight + noise). */
static void check_assignment(const struct ms_case_check *c)
{
    const struct ms_routing_params *p = &c->s->routing;
    const struct ms_router *a = ms_assign_find(p->assignment);
    if (MS_DOUBTFUL(c, "routing"))
        return;
    if (ms_rank_assign_find(p->assignment)) {
        if (p->source != MS_SOURCE_SYNTHETIC)
            ms_check_key_fail(
                c, "routing.assignment",
                "'%s' chooses by itself: it would leave the %s unused; take source: synthetic",
                p->assignment, ms_source_names[p->source]);
        return;
    }
    bool counts = p->source == MS_SOURCE_TRACE || p->source == MS_SOURCE_MATRIX;
    if (counts && strcmp(p->assignment, "top_k") != 0)
        ms_check_key_fail(
            c, "routing.assignment",
            "'%s' works on the scores of a router: a checkpoint has them, and so has a popularity "
            "law; a %s has none",
            p->assignment, ms_source_names[p->source]);
    else if (p->source == MS_SOURCE_CHECKPOINT && a && a->expert_choice)
        ms_check_key_fail(
            c, "routing.assignment",
            "'%s' gives a token no fixed number of experts; a checkpoint's traffic needs that",
            p->assignment);
}

static void check_matrix(const struct ms_case_check *c)
{
    const struct ms_scenario *s = c->s;
    if (s->routing.source != MS_SOURCE_MATRIX || MS_DOUBTFUL(c, "workload"))
        return;
    if (s->workload.steps != 1)
        ms_check_key_fail(c, "workload.steps", "%d steps, but a matrix is one exchange",
                          s->workload.steps);
    if (s->workload.training)
        ms_check_key_fail(c, "workload.pass", "a matrix has no backward pass");
    if (s->workload.groups != 1)
        ms_check_key_fail(c, "workload.groups", "%d groups, but a matrix is one group",
                          s->workload.groups);
}

/* Copies of experts that nobody knows to be hot: "redundancy does not help" would be the answer. */
static void check_redundancy(const struct ms_case_check *c)
{
    const struct ms_place_params *p = &c->s->placement;
    const struct ms_place_strategy *mine = ms_place_find(p->strategy);
    char names[300] = "";
    if (p->redundant_experts == 0 || !mine || mine->needs_load || mine->needs_map ||
        MS_DOUBTFUL(c, "placement"))
        return;
    for (const struct ms_place_strategy *const *s = ms_place_strategies(); *s; s++)
        if ((*s)->needs_load && strlen(names) + strlen((*s)->name) + 5 < sizeof names)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                     names[0] ? ", " : "", (*s)->name);
    ms_check_key_warn(
        c, "placement.redundant_experts",
        "%d copies of experts %s takes without a look at their load, not of the hottest; "
        "placements that look at loads: %s",
        p->redundant_experts, p->strategy, names);
}

/* A plan spreads an expert's tokens over its copies; a choice that does not look undoes it. */
static void check_replicas(const struct ms_case_check *c)
{
    const struct ms_place_params *p = &c->s->placement;
    const struct ms_place_strategy *mine = ms_place_find(p->strategy);
    const struct ms_replica_choice *choice = ms_replica_of(p);
    if (!mine || !mine->needs_load || p->redundant_experts == 0 || !choice || choice->keeps_plan ||
        !choice->fixed || MS_DOUBTFUL(c, "placement"))
        return;
    ms_check_key_warn(
        c, "placement.replica_choice",
        "%s sends every token to the copy beside it, whatever that copy was planned to take: ranks "
        "are less even than %s plans; replica_choice: quota keeps the plan, balanced solves each "
        "batch",
        choice->name, p->strategy);
}

/* A new placement needs a step to come and a load that has changed. */
static void check_rebalance(const struct ms_case_check *c)
{
    const struct ms_place_params *p = &c->s->placement;
    const struct ms_workload *w = &c->s->workload;
    const struct ms_place_strategy *mine = ms_place_find(p->strategy);
    if (p->rebalance.every <= 0 || !mine || !mine->needs_load || MS_DOUBTFUL(c, "placement"))
        return;
    if (p->rebalance.every >= w->steps)
        ms_check_key_warn(
            c, "placement.rebalance.every",
            "no new placement comes: it would before step %d, and there are %d (workload.steps)",
            p->rebalance.every, w->steps);
    else if (w->requests.phase == MS_REQUESTS_NONE && c->s->routing.drift <= 0 &&
             c->s->routing.source == MS_SOURCE_SYNTHETIC)
        ms_check_key_warn(
            c, "placement.rebalance.every",
            "the load does not change from step to step, so weights move for noise alone; "
            "routing.drift or workload.requests makes it change");
}

static void check_report(const struct ms_case_check *c)
{
    const char *by = c->s->report.by;
    char hint[600];
    if (by && !c->s->report.by_zip && strcmp(by, "folder") != 0 && !ms_key_settable(by))
        ms_check_key_fail(c, "report.by", "'%s' is no key of a scenario%s", by,
                          ms_key_hint(by, true, hint, sizeof hint));
}

/* ---- model ---- */

static void check_model(const struct ms_case_check *c)
{
    const struct ms_model_shape *m = &c->s->model;
    bool unread = m->groups < 1; /* its config.json: told where it was read */
    if (!c->s->has_model || MS_DOUBTFUL(c, "model") || unread)
        return;
    if (m->top_k > m->experts)
        ms_check_key_fail(c, "model.top_k", "%d experts a token, but model.experts is %d", m->top_k,
                          m->experts);
    if (m->experts % m->groups != 0)
        ms_check_key_fail(c, "model.groups", "%d groups do not divide %d experts", m->groups,
                          m->experts);
    if (m->group_limit > m->groups)
        ms_check_key_fail(c, "model.group_limit", "%d groups a token, but model.groups is %d",
                          m->group_limit, m->groups);
    else if (m->experts % m->groups == 0 && m->top_k <= m->experts &&
             (long)m->experts / m->groups * m->group_limit < m->top_k)
        ms_check_key_fail(c, "model.group_limit",
                          "%d is too few: top_k %d needs at least %d groups of %d experts",
                          m->group_limit, m->top_k,
                          (m->top_k + m->experts / m->groups - 1) / (m->experts / m->groups),
                          m->experts / m->groups);
}

static void check_layers(const struct ms_case_check *c)
{
    const struct ms_scenario *s = c->s;
    if (MS_DOUBTFUL(c, "model", "workload.layers", "workload.tokens_per_rank", "routing.source"))
        return;
    if (s->has_model && s->workload.layers > s->model.moe_layers &&
        s->routing.source != MS_SOURCE_MATRIX)
        ms_check_key_fail(c, "workload.layers", "%d layers, but model.moe_layers is %d",
                          s->workload.layers, s->model.moe_layers);
    if (s->workload.tokens.kind == MS_TOKENS_TRACE && s->routing.source != MS_SOURCE_TRACE)
        ms_check_key_fail(c, "workload.tokens_per_rank", "'trace' needs routing.source: trace");
}

/* ---- ranks ---- */

static void check_tokens(const struct ms_case_check *c, int ranks)
{
    const struct ms_tokens *t = &c->s->workload.tokens;
    if (t->kind == MS_TOKENS_LIST && t->n_list != ranks &&
        !MS_DOUBTFUL(c, "workload.tokens_per_rank"))
        ms_check_key_fail(c, "workload.tokens_per_rank", "%d numbers, but %d ranks", t->n_list,
                          ranks);
}

/* Replicas fill slots, and every rank has equally many. */
static void check_slots(const struct ms_case_check *c, int ranks)
{
    const struct ms_scenario *s = c->s;
    int slots = s->model.experts + s->placement.redundant_experts;
    const struct ms_place_strategy *strategy = ms_place_find(s->placement.strategy);
    if (strategy && strategy->needs_map) /* the map says how many slots there are */
        return;
    if (!s->has_model || s->routing.source == MS_SOURCE_MATRIX || slots % ranks == 0 ||
        MS_DOUBTFUL(c, "model", "placement.redundant_experts", "routing.source"))
        return;
    const char *given = "model.experts";
    if (s->placement.redundant_experts)
        given = "placement.redundant_experts";
    else if (ms_yaml_find(s->tree, "workload.ranks", NULL))
        given = "workload.ranks";
    int more = s->placement.redundant_experts + ranks - slots % ranks;
    ms_check_key_fail(c, given,
                      "%d slots (%d experts + %d redundant) are no multiple of %d ranks; "
                      "placement.redundant_experts: %d would fit, or fewer ranks and more groups",
                      slots, s->model.experts, s->placement.redundant_experts, ranks, more);
}

static void check_hosts(const struct ms_case_check *c)
{
    const struct ms_scenario *s = c->s;
    int hosts = c->platform->n_hosts, groups = s->workload.groups;
    if (MS_DOUBTFUL(c, "workload.ranks", "workload.groups"))
        return;
    if (s->workload.ranks == 0 && groups > hosts)
        ms_check_key_fail(c, "workload.groups", "%d groups, but %s has %d hosts", groups,
                          s->platform, hosts);
    else if (s->workload.ranks == 0 && hosts % groups != 0)
        ms_check_key_fail(c, "workload.groups", "%d groups do not divide the %d hosts of %s",
                          groups, hosts, s->platform);
    else if ((long)s->workload.ranks * groups > hosts && groups == 1)
        ms_check_key_fail(c, "workload.ranks", "%d ranks, but %s has %d hosts", s->workload.ranks,
                          s->platform, hosts);
    else if ((long)s->workload.ranks * groups > hosts)
        ms_check_key_fail(c, "workload.ranks", "%d groups of %d ranks are %ld, but %s has %d hosts",
                          groups, s->workload.ranks, (long)s->workload.ranks * groups, s->platform,
                          hosts);
    else {
        struct ms_scenario r = *s;
        ms_scenario_resolve(&r, c->platform);
        check_tokens(c, r.workload.ranks);
        check_slots(c, r.workload.ranks);
    }
}

static void check_nodes(const struct ms_case_check *c)
{
    const struct ms_scenario *s = c->s;
    const struct ms_platform *p = c->platform;
    if (MS_DOUBTFUL(c, "cluster"))
        return;
    if (p->n_nodes > 0 && s->gpus_per_node > 0 && p->gpus_per_node != s->gpus_per_node)
        ms_check_key_fail(c, "cluster.gpus_per_node",
                          "%d, but %s has its own node property; leave this key out",
                          s->gpus_per_node, s->platform);
    if (p->n_nodes == 0 && s->gpus_per_node > 0 && p->n_hosts % s->gpus_per_node != 0)
        ms_check_key_fail(c, "cluster.gpus_per_node", "%d does not divide the %d hosts of %s",
                          s->gpus_per_node, p->n_hosts, s->platform);
}

/* Costs that the profile does not have would count as nothing. */
static void check_hardware(const struct ms_case_check *c)
{
    const struct ms_hardware *h = c->s->in_force;
    const struct ms_exchange *x = ms_exchange_find(c->s->sim.exchange.algorithm);
    const char *library = c->s->sim.hardware.library;
    bool usual = !library || strcmp(library, "auto") == 0;
    if (!usual && !(h && ms_hardware_has_library(h, library))) {
        ms_check_key_fail(c, "hardware.library",
                          "'%s' is not a library that the profile %s%s%s has costs of", library,
                          h ? "'" : "", h ? h->name : "none", h ? "'" : "");
        return;
    }
    struct ms_scenario s = *c->s;
    ms_scenario_resolve(&s, c->platform);
    if (!h || !x || s.sim.hardware.kernels.given)
        return;
    ms_check_key_fail(
        c, "hardware",
        "the profile '%s' says nothing of the %s kernels%s%s that exchange.algorithm: %s stands "
        "for; another algorithm, another profile or none",
        h->name, ms_hardware_kernels_name(x->kernels), usual ? "" : " of ", usual ? "" : library,
        x->name);
}

/* What the simulator knows better: algorithms that need nodes, rails that do not meet, profiles. */
static void check_sim(const struct ms_case_check *c)
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

static void check_train(const struct ms_case_check *c)
{
    const struct ms_train_params *t = c->s->train;
    struct ms_err err = {0};
    if (!t || MS_DOUBTFUL(c, "train"))
        return;
    if (ms_train_params_check(t, &err) != MS_OK)
        pass_on(c, &err);
    if (strcmp(t->init, "random") != 0)
        check_file(c, "train.init", t->init);
    for (size_t i = 0; i < t->data.n_text; i++)
        check_file(c, "train.data.text", t->data.text[i]);
    check_file(c, "train.data.tokens", t->data.tokens);
}

static void check_attention(const struct ms_case_check *c)
{
    const struct ms_scenario *s = c->s;
    if (!MS_DOUBTFUL(c, "model", "compute") && isnan(s->sim.compute.dense_s) && s->has_model &&
        s->model.heads == 0)
        ms_check_key_fail(
            c, "compute.dense",
            "'auto' needs to know the model's attention: model.heads, kv_heads and head_dim");
    if (!MS_DOUBTFUL(c, "model", "compute") && isnan(s->sim.compute.outside_s) && s->has_model &&
        (s->model.vocabulary == 0 ||
         (s->model.dense_layers > 0 && s->model.dense_intermediate == 0)))
        ms_check_key_fail(
            c, "compute.outside",
            "'auto' needs to know what the model has beside its MoE layers: model.dense_layers, "
            "dense_intermediate and vocabulary");
}

void ms_scenario_check(const struct ms_scenario *s, const struct ms_platform *platform,
                       enum ms_scenario_use use, struct ms_errs *errs)
{
    const struct ms_case_check c = {s, platform, errs, errs->n};
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
        ms_check_fault_links(&c);
        ms_check_lost(&c);
    }
    if (platform && errs->n == n && s->workload.layers > 0 &&
        !MS_DOUBTFUL(&c, "workload", "exchange", "network", "compute", "hardware", "cluster"))
        check_sim(&c);
}
