#include "sweep/plan.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "sweep/case_run.h"

/* A platform file is read once however many cases use it. */
struct platform_slot {
    const char *path;
    enum ms_status status;
    struct ms_err first; /* its first error */
    struct ms_platform platform;
    struct platform_slot *next;
};

struct planner {
    struct ms_plan *plan;
    struct ms_store_case *store_case; /* [n], becomes plan->store.c */
    struct ms_errs *errs;
    struct platform_slot *platforms;
    struct ms_hash *demand_done; /* [n_demands] routing and placement already tried */
    size_t n_demands;
    enum ms_status worst;
};

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for the cases");
}

/* ---- errors ---- */

static bool same_error(const struct ms_err *a, const struct ms_err *b)
{
    return a->line == b->line && a->col == b->col && strcmp(a->file, b->file) == 0 &&
           strcmp(a->key, b->key) == 0 && strcmp(a->text, b->text) == 0;
}

static bool known(const struct ms_err *e, const struct ms_err *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (same_error(e, &list[i]))
            return true;
    return false;
}

/* Cases share most of their lines: each error is told once. */
static void tell(struct planner *p, const struct ms_errs *found)
{
    for (size_t i = 0; i < found->n; i++)
        if (!known(&found->e[i], p->errs->e, p->errs->n))
            ms_errs_add(p->errs, &found->e[i]);
    for (size_t i = 0; i < found->n_warnings; i++) {
        const struct ms_err *w = &found->warn[i];
        if (!known(w, p->errs->warn, p->errs->n_warnings))
            ms_errs_warn_at(p->errs, *w->file ? w->file : NULL, w->line, w->col,
                            *w->key ? w->key : NULL, "%s", w->text);
    }
}

/* The case is out; its reason is the first error, as one sentence. */
static void mark(struct planner *p, size_t i, const struct ms_err *e, enum ms_status s)
{
    char text[1900], place[560] = ""; /* without its folder: records hold no absolute paths */
    const char *slash = strrchr(e->file, '/'), *name = slash ? slash + 1 : e->file;
    if (*name && e->line > 0)
        snprintf(place, sizeof place, "%s:%d: ", name, e->line);
    else if (*name)
        snprintf(place, sizeof place, "%s: ", name);
    snprintf(text, sizeof text, "%s%s%s%s", place, e->key, *e->key ? ": " : "", e->text);
    p->plan->c[i].invalid = ms_arena_strdup(&p->plan->arena, text);
    if (p->worst == MS_OK || s == MS_IO)
        p->worst = s == MS_INFEASIBLE ? MS_INVALID : s;
}

/* ---- one case ---- */

static struct platform_slot *platform_of(struct planner *p, const char *path, struct ms_errs *errs)
{
    for (struct platform_slot *s = p->platforms; s; s = s->next)
        if (strcmp(s->path, path) == 0)
            return s;
    struct platform_slot *s = MS_NEW(&p->plan->arena, struct platform_slot, 1);
    if (!s)
        return NULL;
    s->path = ms_arena_strdup(&p->plan->arena, path);
    size_t before = errs->n;
    s->status = ms_platform_read(path, &s->platform, errs);
    if (errs->n > before)
        s->first = errs->e[before];
    s->next = p->platforms;
    p->platforms = s;
    return s;
}

/* A member list of the canonical text, everything that decides which tokens go where, as a hash. */
static struct ms_hash hash_without(const char *canonical, const char *const *drop)
{
    json_t *o = json_loads(canonical, 0, NULL);
    for (; *drop; drop++)
        json_object_del(o, *drop);
    char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    struct ms_hash h = ms_hash128(text ? text : "", text ? strlen(text) : 0);
    free(text);
    json_decref(o);
    return h;
}

static const char *const not_work[] = {"platform", "cluster", "placement", "exchange", "compute",
                                       "hardware", "network", "twin",      "faults",   NULL};
static const char *const not_demand[] = {"platform", "exchange", "compute", "hardware",
                                         "network",  "twin",     "faults",  NULL};

static enum ms_status name_case(struct planner *p, const struct ms_case *c, struct ms_hash *demand,
                                struct ms_err *err)
{
    struct ms_plan_case *out = &p->plan->c[c->index];
    struct ms_store_case *st = &p->store_case[c->index];
    struct ms_buf b = {0};
    enum ms_status s = ms_scenario_canonical(&c->s, &b, err);
    if (s == MS_OK && b.failed)
        s = nomem(err);
    if (s == MS_OK) {
        st->scenario_hash = ms_hash128(b.p, b.n);
        out->work_hash = hash_without(b.p, not_work);
        *demand = hash_without(b.p, not_demand);
        ms_buf_printf(&b, "\nmoesim %s\nSimGrid %s\n", MS_VERSION, ms_sim_simgrid_version());
        st->key = ms_hash128(b.p, b.n);
    }
    ms_buf_finish(&b);
    return s;
}

/* Reading routing and placement once for every different one: their errors belong before the first
 * fork. */
static enum ms_status try_demand(struct planner *p, const struct ms_case_input *in,
                                 struct ms_hash hash, struct ms_err *err)
{
    size_t n = (size_t)in->s.workload.ranks * (size_t)in->s.workload.groups;
    struct ms_hash nodes = ms_hash128(in->demand.rank_node, n * sizeof(int));
    char both[2 * sizeof hash.hex];
    snprintf(both, sizeof both, "%s%s", hash.hex, nodes.hex);
    struct ms_hash key = ms_hash128(both, strlen(both));
    for (size_t i = 0; i < p->n_demands; i++)
        if (strcmp(p->demand_done[i].hex, key.hex) == 0)
            return MS_OK;
    struct ms_demand *d = NULL;
    enum ms_status s = ms_demand_create(&in->demand, &d, err);
    ms_demand_destroy(d);
    if (s == MS_OK)
        p->demand_done[p->n_demands++] = key;
    return s;
}

/* Errors of rooms that know the key only: where it stands in the file. */
static void place_errors(const struct ms_scenario *s, struct ms_errs *found)
{
    for (size_t i = 0; i < found->n; i++) {
        struct ms_err *e = &found->e[i];
        if (*e->file || !*e->key)
            continue;
        snprintf(e->file, sizeof e->file, "%s", ms_scenario_place(s, e->key, &e->line, &e->col));
    }
}

/* The platform of a case, with its nodes; NULL: it has errors, which are in found. */
static struct ms_platform *platform_for(struct planner *p, const struct ms_scenario *s,
                                        struct ms_errs *found)
{
    struct platform_slot *slot = s->platform ? platform_of(p, s->platform, found) : NULL;
    struct ms_err err = {0};
    if (!slot || slot->status != MS_OK) {
        if (found->n == 0 && slot)
            ms_errs_add(found, &slot->first);
        return NULL;
    }
    if (slot->platform.n_nodes == 0 && s->gpus_per_node > 0 &&
        ms_platform_group(&slot->platform, s->gpus_per_node, &err) != MS_OK) {
        ms_errs_add(found, &err);
        return NULL;
    }
    return &slot->platform;
}

/* What simulator and routing refuse. */
static void check_parts(struct planner *p, const struct ms_case *c, struct ms_platform *platform,
                        struct ms_hash demand, struct ms_errs *found)
{
    struct ms_case_input in = {0};
    struct ms_err err = {0};
    enum ms_status s = ms_case_input_init(&in, &c->s, platform, 1, &err);
    if (s == MS_OK)
        ms_sim_check(&in.sim, found);
    if (s == MS_OK && found->n == 0)
        s = try_demand(p, &in, demand, &err);
    if (s != MS_OK)
        ms_errs_add(found, &err);
    p->plan->c[c->index].cost_s = ms_plan_estimate(&in.s);
    place_errors(&c->s, found);
    ms_case_input_finish(&in);
}

/* known_good: ms_study_check had nothing to say about any case. */
static void check_case(struct planner *p, const struct ms_case *c, bool known_good)
{
    struct ms_errs found = {0};
    struct ms_err err = {0};
    struct ms_hash demand;
    struct ms_platform *platform = platform_for(p, &c->s, &found);
    if (!known_good)
        ms_scenario_check(&c->s, platform, MS_USE_RUN, &found);
    if (found.n == 0) {
        bool named = name_case(p, c, &demand, &err) == MS_OK;
        if (named)
            check_parts(p, c, platform, demand, &found);
        else
            ms_errs_add(&found, &err);
        if (named || known_good) /* a missing file was told by the study check */
            tell(p, &found);
    }
    if (found.n > 0)
        mark(p, c->index, &found.e[0], found.e[0].status);
    ms_errs_finish(&found);
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
    ms_json_object(&j, "report");
    ms_json_string(&j, "by", study->base.report.by);
    ms_json_string(&j, "metric", study->base.report.metric);
    ms_json_number(&j, "margin", study->base.report.margin);
    ms_json_end_object(&j);
    ms_json_end_object(&j);
    ms_buf_adds(&b, "\n");
    p->plan->store.scenario_json =
        b.failed || all.failed ? NULL : ms_arena_strdup(&p->plan->arena, b.p);
    ms_buf_finish(&all);
    ms_buf_finish(&b);
    return p->plan->store.scenario_json ? MS_OK : nomem(err);
}

static enum ms_status plan_cases(struct planner *p, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    bool known_good = ms_study_check(p->plan->study, MS_USE_RUN, p->errs) == MS_OK;
    for (size_t i = 0; s == MS_OK && i < p->plan->n; i++) {
        struct ms_case c = {0};
        s = ms_study_case(p->plan->study, i, &c, err);
        if (s == MS_OK)
            s = add_axes(p, &c, err);
        if (s == MS_OK)
            check_case(p, &c, known_good);
        ms_case_finish(&c);
    }
    return s;
}

enum ms_status ms_plan_make(struct ms_plan *out, const struct ms_study *study, struct ms_errs *errs)
{
    *out = (struct ms_plan){.study = study, .n = study->n_cases};
    struct planner p = {.plan = out, .errs = errs};
    struct ms_err err = {0};
    out->c = MS_NEW(&out->arena, struct ms_plan_case, out->n);
    p.store_case = MS_NEW(&out->arena, struct ms_store_case, out->n);
    p.demand_done = MS_NEW(&out->arena, struct ms_hash, out->n);
    out->store.c = p.store_case;
    out->store.n = out->n;
    enum ms_status s = out->c && p.store_case && p.demand_done ? plan_cases(&p, &err) : nomem(&err);
    if (s == MS_OK)
        s = describe_study(&p, &err);
    for (struct platform_slot *slot = p.platforms; slot; slot = slot->next)
        ms_platform_finish(&slot->platform);
    if (s != MS_OK) {
        ms_errs_add(errs, &err);
        ms_plan_finish(out);
        return s;
    }
    return p.worst;
}

void ms_plan_finish(struct ms_plan *p)
{
    ms_arena_finish(&p->arena);
    *p = (struct ms_plan){0};
}
