/* One walk over the cases of a study: what is wrong with each, what it is called, what it depends
 * on, and what it will cost. */
#include "sweep/plan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/machine.h"
#include "base/seal.h"
#include "base/strings.h"
#include "base/units.h"
#include "demand/control.h"
#include "moe/train.h"
#include "scenario/errors.h"
#include "scenario/idle.h"
#include "sim/sim.h"
#include "sweep/case_run.h"
#include "sweep/fits.h"

struct planner {
    struct ms_plan *plan;
    enum ms_scenario_use use;
    bool forward;
    struct ms_store_case *store_case; /* [n], becomes plan->store.c */
    struct ms_strings tried;          /* hashes of routing and placement */
    const char *settings;             /* the first whole case, as JSON */
    struct ms_idle idle;              /* keys that no case uses */
    double free_bytes;                /* of memory, when planning began */
};

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for the cases");
}

/* The case is out; its reason is the first error, as one sentence. */
static void mark(struct planner *p, size_t i, const struct ms_err *e)
{
    char text[1900], place[560] = ""; /* without its folder: records hold no absolute paths */
    const char *slash = strrchr(e->file, '/'), *name = slash ? slash + 1 : e->file;
    if (*name && e->line > 0)
        snprintf(place, sizeof place, "%s:%d: ", name, e->line);
    else if (*name)
        snprintf(place, sizeof place, "%s: ", name);
    snprintf(text, sizeof text, "%s%s%s%s", place, e->key, *e->key ? ": " : "", e->text);
    p->plan->c[i].invalid = ms_arena_strdup(&p->plan->arena, text);
}

/* ---- one case ---- */

/* Where the value at p ends, of JSON as our writer makes it: at a comma or bracket of its level. */
static const char *value_end(const char *p)
{
    int depth = 0;
    for (; *p; p++) {
        if (*p == '"') {
            do
                p += strcspn(p + 1, "\"\\") + 1;
            while (*p == '\\' && *++p);
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if ((*p == ',' && depth == 0) || ((*p == '}' || *p == ']') && depth-- == 0)) {
            break;
        }
        if (!*p)
            break;
    }
    return p;
}

static bool is_dropped(const char *member, const char *const *drop)
{
    for (; *drop; drop++) {
        size_t n = strlen(*drop);
        if (strncmp(member + 1, *drop, n) == 0 && member[n + 1] == '"')
            return true;
    }
    return false;
}

static const char *const not_work[] = {"platform", "cluster",    "placement", "exchange",
                                       "compute",  "hardware",   "network",   "twin",
                                       "faults",   "background", NULL};
/* Nor does another seed make a routing or a placement impossible. */
static const char *const not_demand[] = {"seed",       "platform", "exchange", "compute",
                                         "hardware",   "network",  "twin",     "faults",
                                         "background", NULL};

/* The members of the canonical text that decide which tokens go where, and those that routing and
 * placement are tried for, as hashes. */
static enum ms_status hash_parts(const char *canonical, struct ms_hash *work,
                                 struct ms_hash *demand, struct ms_err *err)
{
    struct ms_buf of_work = {0}, of_demand = {0};
    for (const char *p = canonical + 1; *p == '"';) {
        const char *end = value_end(p);
        struct ms_buf *to[] = {is_dropped(p, not_work) ? NULL : &of_work,
                               is_dropped(p, not_demand) ? NULL : &of_demand};
        for (int i = 0; i < 2; i++)
            if (to[i]) {
                ms_buf_add(to[i], p, (size_t)(end - p));
                ms_buf_add(to[i], ",", 1);
            }
        p = end + (*end == ',');
    }
    bool failed = of_work.failed || of_demand.failed;
    *work = ms_hash128(of_work.p ? of_work.p : "", of_work.n);
    *demand = ms_hash128(of_demand.p ? of_demand.p : "", of_demand.n);
    ms_buf_finish(&of_work);
    ms_buf_finish(&of_demand);
    return failed ? nomem(err) : MS_OK;
}

static void add_words(struct ms_buf *b, const char *a, const char *c, const char *d, const char *e)
{
    const char *const words[] = {a, c, d, e};
    for (int i = 0; i < 4; i++)
        ms_buf_adds(b, words[i]);
}

/* What is only checked is no record of any version, and needs no SimGrid. */
static bool is_kept(const struct planner *p)
{
    return p->use != MS_USE_ANY;
}

static enum ms_status name_case(struct planner *p, const struct ms_case *c, struct ms_hash *demand,
                                struct ms_err *err)
{
    struct ms_plan_case *out = &p->plan->c[c->index];
    struct ms_store_case *st = &p->store_case[c->index];
    struct ms_buf b = {0};
    enum ms_status s = ms_scenario_canonical(&c->s, &p->plan->inputs->files, &b, err);
    if (s == MS_OK && b.failed)
        s = nomem(err);
    if (s == MS_OK)
        s = hash_parts(b.p, &out->work_hash, demand, err);
    if (s == MS_OK) {
        st->scenario_hash = ms_hash128(b.p, b.n);
        if (!p->settings)
            p->settings = ms_arena_strdup(&p->plan->arena, b.p);
        if (c->s.in_force)
            add_words(&b, "\nhardware ", c->s.in_force->name, " ", c->s.in_force->hash.hex);
        if (is_kept(p))
            add_words(&b, "\nmoesim ", MS_VERSION, "\nSimGrid ", ms_sim_simgrid_version());
        ms_buf_adds(&b, "\n");
        s = b.failed ? nomem(err) : MS_OK;
        st->key = ms_hash128(b.p, b.n);
    }
    ms_buf_finish(&b);
    return s;
}

/* What is not wrong and yet not what it looks like. */
static void warn_demand(const struct ms_case_input *in, struct ms_errs *found)
{
    struct ms_errs said = {0};
    ms_demand_warn(&in->demand, &said);
    for (size_t i = 0; i < said.n_warnings; i++) {
        struct ms_err *w = &said.warn[i];
        const char *file = ms_scenario_place(&in->s, w->key, &w->line, &w->col);
        ms_errs_warn_at(found, file, w->line, w->col, w->key, "%s", w->text);
    }
    ms_errs_finish(&said);
}

/* A trace of other ranks than the scenario's is taken rank by rank, round and round. */
static void tell_ranks(const struct ms_scenario *s, int trace_ranks, struct ms_errs *found)
{
    int ranks = s->workload.ranks * s->workload.groups, line, col;
    if (trace_ranks <= 1 || trace_ranks == ranks)
        return;
    const char *file = ms_scenario_place(s, "routing.trace", &line, &col);
    if (trace_ranks > ranks)
        ms_errs_warn_at(found, file, line, col, "routing.trace",
                        "has %d ranks, the scenario %d: the first %d of the file are taken",
                        trace_ranks, ranks, ranks);
    else
        ms_errs_warn_at(found, file, line, col, "routing.trace",
                        "has %d ranks, the scenario %d: the file's ranks are taken in turn",
                        trace_ranks, ranks);
}

/* A trace that could be read otherwise. */
static void warn_trace(const struct ms_demand *d, const struct ms_scenario *s,
                       struct ms_errs *found)
{
    const char *note;
    for (int i = 0; (note = ms_demand_trace_note(d, i)); i++)
        if (strncmp(note, "warning: ", 9) == 0)
            ms_errs_warn_at(found, s->routing.trace, 0, 0, "routing.trace", "%s", note + 9);
}

/* Routing and placement are read once for every different one: their errors belong before the first
 * fork. */
static enum ms_status try_demand(struct planner *p, const struct ms_case_input *in,
                                 struct ms_hash hash, struct ms_errs *found, struct ms_err *err)
{
    size_t n = (size_t)in->s.workload.ranks * (size_t)in->s.workload.groups;
    struct ms_hash nodes = ms_hash128(in->demand.rank_node, n * sizeof(int));
    char both[2 * sizeof hash.hex];
    snprintf(both, sizeof both, "%s%s", hash.hex, nodes.hex);
    struct ms_hash key = ms_hash128(both, strlen(both));
    size_t n_tried = p->tried.n;
    if (ms_strings_add(&p->tried, key.hex) < n_tried)
        return MS_OK;
    if (p->tried.failed)
        return nomem(err);
    struct ms_demand *d = NULL;
    enum ms_status s = ms_demand_create(&in->demand, &d, err);
    if (s == MS_OK)
        warn_trace(d, &in->s, found);
    if (s == MS_OK)
        tell_ranks(&in->s, ms_demand_note(d).trace_ranks, found);
    ms_demand_destroy(d);
    if (s == MS_OK)
        warn_demand(in, found);
    return s;
}

/* An error of a room that knows the key only: where it stands in the file. */
static void add_placed(struct ms_errs *found, const struct ms_scenario *s, struct ms_err *e)
{
    if (!*e->file && *e->key)
        snprintf(e->file, sizeof e->file, "%s", ms_scenario_place(s, e->key, &e->line, &e->col));
    ms_errs_add(found, e);
}

/* What cannot fit into this machine is refused before it is tried. An estimate may be twice too high,
 * so only what is twice too much is. */
static enum ms_status check_fits(const struct ms_scenario *s, double bytes, double free_bytes,
                                 struct ms_err *err)
{
    char need[32], have[32];
    if (bytes <= 2 * free_bytes)
        return MS_OK;
    return ms_err_at(
        err, MS_INVALID, NULL, 0, 0, "workload.ranks",
        "%d ranks in %d group%s with %d layer%s x %d step%s x %d repeat%s take about %s of memory, "
        "and %s is free; take fewer of them",
        s->workload.ranks, s->workload.groups, s->workload.groups == 1 ? "" : "s",
        s->workload.layers, s->workload.layers == 1 ? "" : "s", s->workload.steps,
        s->workload.steps == 1 ? "" : "s", s->repeats, s->repeats == 1 ? "" : "s",
        ms_units_show(bytes, MS_UNIT_BYTES, need, sizeof need),
        ms_units_show(free_bytes, MS_UNIT_BYTES, have, sizeof have));
}

/* Of a case without errors so far: its names, and its routing and placement tried. */
static void try_inputs(struct planner *p, const struct ms_case *c, struct ms_errs *found)
{
    struct ms_plan_case *out = &p->plan->c[c->index];
    struct ms_case_input in = {0};
    struct ms_err err = {0};
    struct ms_hash demand;
    bool pass = c->s.routing.source == MS_SOURCE_CHECKPOINT;
    if (pass && p->use != MS_USE_RUN)
        return; /* nor are gigabytes hashed */
    enum ms_status s = name_case(p, c, &demand, &err);
    if (s == MS_OK)
        s = ms_case_input_init(&in, &c->s, out->platform, &p->plan->inputs->files, 1, &err);
    if (s == MS_OK) {
        struct ms_estimate e = ms_plan_estimate(&in.s, out->platform, p->plan->n);
        out->cost_s = e.wall_s;
        out->memory_bytes = e.memory_bytes;
        out->repeatable = ms_sim_repeatable(out->platform, &in.s.sim);
        s = check_fits(&in.s, e.memory_bytes, p->free_bytes, &err);
    }
    if (s == MS_OK) {
        if (!pass || p->forward)
            s = try_demand(p, &in, demand, found, &err);
    }
    if (s != MS_OK)
        add_placed(found, &c->s, &err);
    ms_case_input_finish(&in);
}

/* A training has names only: nothing is routed before it is trained. */
static void name_training(struct planner *p, const struct ms_case *c, struct ms_errs *found)
{
    struct ms_hash demand;
    struct ms_err err = {0};
    if (name_case(p, c, &demand, &err) != MS_OK)
        add_placed(found, &c->s, &err);
    const struct ms_train_params *t = c->s.train;
    p->plan->c[c->index].cost_s =
        (double)(t->steps * t->batch * t->seq * t->model.layers * t->model.hidden) / 1e7;
}

/* A profile that the platform names is no error of a line of the scenario, but it is told there. */
static void add_hardware(struct planner *p, struct ms_case *c, struct ms_errs *found)
{
    struct ms_errs of_hardware = {0};
    struct ms_plan_case *out = &p->plan->c[c->index];
    ms_inputs_hardware(p->plan->inputs, &c->s, out->platform, &of_hardware);
    for (size_t i = 0; i < of_hardware.n; i++)
        add_placed(found, &c->s, &of_hardware.e[i]);
    ms_errs_finish(&of_hardware);
    out->hardware = c->s.in_force;
}

/* found holds what reading the case found. */
static void check_case(struct planner *p, struct ms_case *c, struct ms_errs *found)
{
    struct ms_scenario *s = &c->s;
    struct ms_plan_case *out = &p->plan->c[c->index];
    struct ms_errs of_platform = {0};
    struct ms_err err = {0};
    const char *checkpoint =
        s->routing.source == MS_SOURCE_CHECKPOINT ? s->routing.checkpoint : NULL;
    if (s->platform && p->use != MS_USE_TRAIN &&
        (ms_inputs_knows(p->plan->inputs, s->platform) || access(s->platform, F_OK) == 0))
        out->platform = ms_inputs_platform(p->plan->inputs, s->platform, s, &of_platform);
    if (out->platform)
        add_hardware(p, c, found);
    ms_scenario_check(s, out->platform, p->use, found);
    if (checkpoint && access(checkpoint, F_OK) == 0 &&
        ms_inputs_checkpoint(p->plan->inputs, &s->routing, &err) != MS_OK)
        add_placed(found, s, &err);
    ms_errors_merge(found, &of_platform, 0);
    ms_errs_finish(&of_platform);
    if (found->n == 0 && out->platform && s->routing.source != MS_SOURCE_MATRIX)
        ms_fits_warn(s, out->platform, found);
    if (found->n == 0 && s->train && strcmp(s->train->init, "random") == 0 &&
        ms_train_memory_check(s->train, NULL, &err) != MS_OK)
        add_placed(found, s, &err);
    if (found->n == 0 && p->use == MS_USE_TRAIN)
        name_training(p, c, found);
    else if (found->n == 0 && out->platform)
        try_inputs(p, c, found);
}

static enum ms_status add_axes(struct planner *p, const struct ms_case *c, struct ms_err *err)
{
    struct ms_buf b = {0};
    struct ms_json j = {.out = &b};
    char id[32];
    ms_json_object(&j, NULL);
    for (int a = 0; a < c->n_axes; a++)
        ms_json_raw(&j, c->axis[a].key, c->axis[a].json);
    ms_json_end_object(&j);
    snprintf(id, sizeof id, "c%04zu", c->index);
    struct ms_store_case *st = &p->store_case[c->index];
    st->id = ms_arena_strdup(&p->plan->arena, id);
    st->axes_json = b.failed ? NULL : ms_arena_strdup(&p->plan->arena, b.p);
    ms_buf_finish(&b);
    return st->id && st->axes_json ? MS_OK : nomem(err);
}

/* ---- the study ---- */

static void add_study_axes(struct ms_json *j, const struct ms_study *study)
{
    ms_json_array(j, "axes");
    for (int a = 0; a < study->n_axes; a++) {
        const char *const *labels;
        size_t n = ms_study_axis_labels(study, a, &labels);
        ms_json_object(j, NULL);
        ms_json_string(j, "key", ms_study_axis_key(study, a));
        if (ms_study_axis_zip(study, a))
            ms_json_string(j, "zip", ms_study_axis_zip(study, a));
        ms_json_array(j, "labels");
        for (size_t i = 0; i < n; i++)
            ms_json_string(j, NULL, labels[i]);
        ms_json_end_array(j);
        ms_json_end_object(j);
    }
    ms_json_end_array(j);
}

static enum ms_status describe_study(struct planner *p, struct ms_err *err)
{
    const struct ms_study *study = p->plan->study;
    struct ms_buf all = {0}, b = {0};
    struct ms_json j = {.out = &b};
    for (size_t i = 0; i < p->plan->n; i++)
        ms_buf_printf(&all, "%s %s\n", p->store_case[i].scenario_hash.hex,
                      p->store_case[i].axes_json);
    p->plan->store.study_hash = ms_hash128(all.p ? all.p : "", all.n);
    ms_json_object(&j, NULL);
    ms_json_string(&j, "schema", "moesim.study/1");
    ms_json_string(&j, "name", study->base.name);
    ms_json_string(&j, "study_hash", p->plan->store.study_hash.hex);
    ms_json_integer(&j, "n_cases", (int64_t)p->plan->n);
    add_study_axes(&j, study);
    ms_json_raw(&j, "settings", p->settings ? p->settings : "null");
    ms_json_object(&j, "report");
    ms_json_string(&j, "by", study->base.report.by);
    ms_json_string(&j, "metric", study->base.report.metric);
    ms_json_number(&j, "margin", study->base.report.margin);
    ms_json_end_object(&j);
    ms_seal_add(&b);
    ms_buf_adds(&b, "\n");
    p->plan->store.scenario_json =
        b.failed || all.failed ? NULL : ms_arena_strdup(&p->plan->arena, b.p);
    ms_buf_finish(&all);
    ms_buf_finish(&b);
    return p->plan->store.scenario_json ? MS_OK : nomem(err);
}

static enum ms_status plan_case(struct planner *p, size_t i, struct ms_errs *errs,
                                struct ms_err *err)
{
    struct ms_errs found = {0};
    struct ms_case c = {0};
    if (ms_study_read_case(p->plan->study, i, &c, &found) == MS_NOMEM) {
        ms_errs_finish(&found);
        return nomem(err);
    }
    enum ms_status s = add_axes(p, &c, err);
    p->plan->misread |= found.n > 0;
    if (found.n == 0)
        ms_idle_see(&p->idle, &c.s);
    if (s == MS_OK)
        check_case(p, &c, &found);
    ms_errors_merge(errs, &found, 0);
    if (found.n > 0)
        mark(p, i, &found.e[0]);
    ms_errs_finish(&found);
    ms_case_finish(&c);
    return s;
}

static const char *profile_of(const struct ms_plan_case *c)
{
    return c->hardware ? c->hardware->name : "none";
}

/* Start-ups that differ from case to case say more of a comparison than what it is about. */
static void warn_of_profiles(const struct ms_plan *plan, struct ms_errs *errs)
{
    const struct ms_scenario *s = &plan->study->base;
    const struct ms_plan_case *first = NULL;
    int line, col;
    const char *file = plan->n > 0 ? ms_scenario_place(s, "hardware", &line, &col) : NULL;
    for (size_t i = 0; i < plan->n; i++) {
        const struct ms_plan_case *c = &plan->c[i];
        if (!c->platform)
            continue;
        first = first ? first : c;
        if (strcmp(profile_of(first), profile_of(c)) == 0)
            continue;
        ms_errs_warn_at(
            errs, file, line, col, "hardware",
            "cases of this sweep run with different profiles ('%s' and '%s'): what they "
            "differ in is not the swept keys alone",
            profile_of(first), profile_of(c));
        return;
    }
}

static enum ms_status plan_all(struct planner *p, struct ms_errs *errs, struct ms_err *err)
{
    struct ms_plan *plan = p->plan;
    size_t enough = p->use == MS_USE_RUN ? SIZE_MAX : errs->n + MS_ERRORS_ENOUGH;
    plan->c = MS_NEW(&plan->arena, struct ms_plan_case, plan->n);
    p->store_case = MS_NEW(&plan->arena, struct ms_store_case, plan->n);
    plan->store.c = p->store_case;
    plan->store.n = plan->n;
    if (!plan->c || !p->store_case)
        return nomem(err);
    for (size_t i = 0; i < plan->n && errs->n < enough; i++) {
        enum ms_status s = plan_case(p, i, errs, err);
        if (s != MS_OK)
            return s;
    }
    warn_of_profiles(plan, errs);
    ms_idle_tell(&p->idle, errs);
    return p->use == MS_USE_RUN || p->use == MS_USE_TRAIN ? describe_study(p, err) : MS_OK;
}

enum ms_status ms_plan_make(struct ms_plan *out, const struct ms_study *study,
                            enum ms_scenario_use use, bool forward, struct ms_inputs *inputs,
                            struct ms_errs *errs)
{
    *out = (struct ms_plan){.study = study, .inputs = inputs, .n = study->n_cases};
    struct planner p = {
        .plan = out, .use = use, .forward = forward, .free_bytes = ms_free_memory_bytes()};
    struct ms_err err = {0};
    if (is_kept(&p))
        ms_simgrid_load_ahead(); /* beside the platforms that are read now */
    enum ms_status s = out->n > 0 ? plan_all(&p, errs, &err) : MS_OK;
    if (s == MS_OK && is_kept(&p))
        s = ms_simgrid_load(&err);
    if (s != MS_OK) {
        ms_errs_add(errs, &err);
        ms_plan_finish(out);
    }
    ms_strings_finish(&p.tried);
    ms_errors_sort(errs, 0);
    return ms_errors_status(errs, 0);
}

void ms_plan_finish(struct ms_plan *p)
{
    ms_arena_finish(&p->arena);
    *p = (struct ms_plan){0};
}
