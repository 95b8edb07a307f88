/* What the demo found: the verbs' own JSON read back, put together in comprehensive_summary.json and
 * said in one screen. No number here is made by the demo itself. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/demo.h"

/* The files read, each parsed. */
struct found {
    const char *dir;
    json_t *profile[MS_DEMO_MODELS], *evaluation[MS_DEMO_MODELS], *levels, *loads;
};

/* ---- reading ---- */

static enum ms_status read_json(const char *dir, const char *name, json_t **out, struct ms_err *err)
{
    char path[4200];
    json_error_t why;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    *out = json_load_file(path, 0, &why);
    return *out ? MS_OK
                : ms_err_at(err, MS_INTERNAL, path, why.line, why.column, NULL, "%s", why.text);
}

static enum ms_status read_all(struct found *f, struct ms_err *err)
{
    const struct {
        const char *name;
        json_t **into;
    } files[] = {
        {"unbalanced/profile/profile.json", &f->profile[MS_DEMO_UNBALANCED]},
        {"balanced/profile/profile.json", &f->profile[MS_DEMO_BALANCED]},
        {"unbalanced/evaluation.json", &f->evaluation[MS_DEMO_UNBALANCED]},
        {"assignment_strategies.json", &f->evaluation[MS_DEMO_BALANCED]},
        {"simulation_results.json", &f->levels},
        {"trained_loads.json", &f->loads},
    };
    enum ms_status s = MS_OK;
    for (size_t i = 0; s == MS_OK && i < sizeof files / sizeof *files; i++)
        s = read_json(f->dir, files[i].name, files[i].into, err);
    return s;
}

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* The model's own routing: the first result of an evaluation. */
static const json_t *own_routing(const struct found *f, int model)
{
    return json_array_get(json_object_get(f->evaluation[model], "results"), 0);
}

static double mean_of_layers(const json_t *profile, const char *metric)
{
    const json_t *layers = json_object_get(profile, "layers"), *layer;
    double sum = 0;
    size_t i;
    json_array_foreach((json_t *)layers, i, layer) sum += number(layer, metric);
    return sum / (double)json_array_size(layers);
}

/* ---- comprehensive_summary.json ---- */

static void add_text(struct ms_json *w, const char *key, const json_t *value)
{
    char *s = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
    ms_json_raw(w, key, s ? s : "null");
    free(s);
}

static void add_training(struct ms_json *w, const struct found *f)
{
    ms_json_object(w, "training");
    for (int m = 0; m < MS_DEMO_MODELS; m++) {
        const json_t *e = own_routing(f, m);
        ms_json_object(w, ms_demo_models[m]);
        ms_json_number(w, "heldout_ce", number(e, "ce"));
        ms_json_number(w, "heldout_perplexity", number(e, "ppl"));
        ms_json_number(w, "gini", mean_of_layers(f->profile[m], "gini"));
        ms_json_number(w, "max_over_mean", number(e, "max_over_mean"));
        ms_json_end_object(w);
    }
    ms_json_end_object(w);
}

static void add_assignments(struct ms_json *w, const struct found *f)
{
    const json_t *results = json_object_get(f->evaluation[MS_DEMO_BALANCED], "results"), *r;
    size_t i;
    ms_json_array(w, "assignment_strategies");
    json_array_foreach((json_t *)results, i, r)
    {
        ms_json_object(w, NULL);
        ms_json_string(w, "assignment", text(r, "assignment"));
        ms_json_bool(w, "causal", json_is_true(json_object_get(r, "causal")));
        ms_json_number(w, "perplexity", number(r, "ppl"));
        ms_json_number(w, "max_over_mean", number(r, "max_over_mean"));
        ms_json_end_object(w);
    }
    ms_json_end_array(w);
}

static void add_losses(struct ms_json *w, const struct found *f)
{
    ms_json_object(w, "loss_functions");
    for (int m = 0; m < MS_DEMO_MODELS; m++)
        add_text(w, ms_demo_models[m], json_object_get(own_routing(f, m), "losses"));
    add_text(w, "perfect_balance",
             json_object_get(f->evaluation[MS_DEMO_BALANCED], "balanced_losses"));
    ms_json_end_object(w);
}

static enum ms_status write_json(const struct found *f, const char *name,
                                 void (*fill)(struct ms_json *, const struct found *),
                                 struct ms_err *err)
{
    char path[4200];
    struct ms_buf b = {0};
    struct ms_json w = {.out = &b};
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    ms_json_object(&w, NULL);
    fill(&w, f);
    ms_json_end_object(&w);
    ms_buf_adds(&b, "\n");
    enum ms_status s =
        b.failed ? ms_err_set(err, MS_NOMEM, "out of memory") : ms_file_write(path, b.p, b.n, err);
    ms_buf_finish(&b);
    return s;
}

static void add_everything(struct ms_json *w, const struct found *f)
{
    ms_json_string(w, "schema", "moesim.demo/1");
    add_training(w, f);
    add_assignments(w, f);
    add_losses(w, f);
    add_text(w, "trained_loads", json_object_get(f->loads, "groups"));
    add_text(w, "imbalance_levels", json_object_get(f->levels, "groups"));
}

/* ---- files under the names they are looked for ---- */

static enum ms_status copy(const char *dir, const char *from, const char *to, struct ms_err *err)
{
    char source[4200], target[4200];
    struct ms_buf b = {0};
    snprintf(source, sizeof source, "%s/%s", dir, from);
    snprintf(target, sizeof target, "%s/%s", dir, to);
    enum ms_status s = ms_file_read(source, &b, err);
    if (s == MS_OK)
        s = ms_file_write(target, b.p, b.n, err);
    ms_buf_finish(&b);
    return s;
}

static enum ms_status copy_profiles(const char *dir, struct ms_err *err)
{
    static const char *const endings[] = {"svg", "png"};
    char path[4200], from[64], to[64];
    struct ms_buf both = {0};
    enum ms_status s = MS_OK;
    for (int m = 0; s == MS_OK && m < MS_DEMO_MODELS; m++) {
        for (int i = 0; s == MS_OK && i < 2; i++) {
            snprintf(from, sizeof from, "%s/profile/profile.%s", ms_demo_models[m], endings[i]);
            snprintf(to, sizeof to, "expert_dist_%s.%s", ms_demo_models[m], endings[i]);
            s = copy(dir, from, to, err);
        }
        snprintf(path, sizeof path, "%s/%s/profile/profiling_report.txt", dir, ms_demo_models[m]);
        ms_buf_adds(&both, m ? "\n\n" : "");
        if (s == MS_OK)
            s = ms_file_read(path, &both, err);
    }
    snprintf(path, sizeof path, "%s/profiling_report.txt", dir);
    if (s == MS_OK)
        s = ms_file_write(path, both.p, both.n, err);
    ms_buf_finish(&both);
    return s;
}

static enum ms_status draw(const struct found *f, struct ms_err *err)
{
    double *gini[MS_DEMO_MODELS] = {NULL};
    size_t n = json_array_size(json_object_get(f->profile[0], "layers"));
    enum ms_status s = MS_OK;
    for (int m = 0; m < MS_DEMO_MODELS; m++) {
        const json_t *layers = json_object_get(f->profile[m], "layers");
        gini[m] = calloc(n + 1, sizeof *gini[m]);
        if (!gini[m])
            s = ms_err_set(err, MS_NOMEM, "out of memory");
        for (size_t l = 0; gini[m] && l < n; l++)
            gini[m][l] = number(json_array_get(layers, l), "gini");
    }
    if (s == MS_OK)
        s = ms_demo_plot(f->dir, (int)n, (const double *const *)gini, err);
    for (int m = 0; m < MS_DEMO_MODELS; m++)
        free(gini[m]);
    return s;
}

/* ---- the screen ---- */

static void say_training(const struct found *f, FILE *out)
{
    fprintf(out, "1. A balancing loss evens out the experts (16 experts, top-2, held-out text)\n");
    fprintf(out, "   %-22s %10s %10s %10s\n", "", "perplexity", "Gini", "max/mean");
    for (int m = 0; m < MS_DEMO_MODELS; m++)
        fprintf(out, "   %-22s %10.2f %10.3f %10.2f\n",
                m == MS_DEMO_BALANCED ? "switch loss, 0.02" : "no balancing loss",
                number(own_routing(f, m), "ppl"), mean_of_layers(f->profile[m], "gini"),
                number(own_routing(f, m), "max_over_mean"));
}

static void say_loads(const struct found *f, FILE *out)
{
    const json_t *groups = json_object_get(f->loads, "groups"), *g;
    size_t i;
    fprintf(out, "\n2. and with them the all-to-all of these loads on 8 GPUs (median, us)\n");
    fprintf(out, "   %-28s %10s %10s   %s\n", "", "no loss", "switch", "ratio (95 %)");
    json_array_foreach((json_t *)groups, i, g)
    {
        const json_t *rows = json_object_get(g, "rows"), *a = json_array_get(rows, 0),
                     *b = json_array_get(rows, 1), *ci = json_object_get(b, "ci95");
        const char *name = strchr(text(g, "group"), '=');
        fprintf(out, "   %-28s %10.1f %10.1f   %.3f [%.3f, %.3f]  %s\n", name ? name + 1 : "",
                number(a, "metric"), number(b, "metric"), number(b, "ratio"),
                json_number_value(json_array_get(ci, 0)), json_number_value(json_array_get(ci, 1)),
                text(b, "verdict"));
    }
}

static void say_levels(const struct found *f, FILE *out)
{
    const json_t *groups = json_object_get(f->levels, "groups"), *g, *row;
    size_t i, k;
    fprintf(out, "\n3. The more uneven, the slower, on every fabric (median, us, by level)\n");
    json_array_foreach((json_t *)groups, i, g)
    {
        const json_t *rows = json_object_get(g, "rows");
        const char *name = strchr(text(g, "group"), '=');
        if (i == 0) {
            fprintf(out, "   %-28s", "");
            json_array_foreach((json_t *)rows, k, row) fprintf(out, " %9s", text(row, "value"));
        }
        fprintf(out, "\n   %-28s", name ? name + 1 : "");
        json_array_foreach((json_t *)rows, k, row) fprintf(out, " %9.1f", number(row, "metric"));
    }
    fputc('\n', out);
}

static void say_assignments(const struct found *f, FILE *out)
{
    const json_t *results = json_object_get(f->evaluation[MS_DEMO_BALANCED], "results"), *r;
    double own = number(own_routing(f, MS_DEMO_BALANCED), "ppl");
    size_t i;
    fprintf(out,
            "\n4. Forcing an even assignment on a trained model costs perplexity\n   %-16s %10s "
            "%8s %10s\n",
            "assignment", "perplexity", "ratio", "max/mean");
    json_array_foreach((json_t *)results, i, r)
        fprintf(out, "   %-16s %10.2f %8.3f %10.2f%s\n", text(r, "assignment"), number(r, "ppl"),
                number(r, "ppl") / own, number(r, "max_over_mean"),
                json_is_true(json_object_get(r, "causal")) ? "" : "   sees later tokens");
}

static void say_losses(const struct found *f, FILE *out)
{
    static const char *const shown[] = {"gini", "variance", "cv", "entropy", "switch", "z"};
    fprintf(out,
            "\n5. What the balancing losses say of the two models (0 or 1: perfect balance)\n"
            "   %-22s",
            "");
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        fprintf(out, " %9s", shown[i]);
    for (int m = 0; m < MS_DEMO_MODELS; m++) {
        fprintf(out, "\n   %-22s",
                m == MS_DEMO_BALANCED ? "switch loss, 0.02" : "no balancing loss");
        for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
            fprintf(out, " %9.4g", number(json_object_get(own_routing(f, m), "losses"), shown[i]));
    }
    fputc('\n', out);
}

static void say(const struct found *f, FILE *out)
{
    say_training(f, out);
    say_loads(f, out);
    say_levels(f, out);
    say_assignments(f, out);
    say_losses(f, out);
    fprintf(out,
            "\n%s/report.html has the simulations as a page; imbalance_metrics, "
            "communication_comparison and\nexpert_dist_* are pictures (SVG, PNG); "
            "comprehensive_summary.json has every number above.\n",
            f->dir);
}

enum ms_status ms_demo_find(const char *dir, FILE *out, struct ms_err *err)
{
    struct found f = {.dir = dir};
    enum ms_status s = read_all(&f, err);
    if (s == MS_OK)
        s = write_json(&f, "comprehensive_summary.json", add_everything, err);
    if (s == MS_OK)
        s = write_json(&f, "loss_functions.json", add_losses, err);
    if (s == MS_OK)
        s = copy_profiles(dir, err);
    if (s == MS_OK)
        s = draw(&f, err);
    if (s == MS_OK)
        say(&f, out);
    for (int m = 0; m < MS_DEMO_MODELS; m++) {
        json_decref(f.profile[m]);
        json_decref(f.evaluation[m]);
    }
    json_decref(f.levels);
    json_decref(f.loads);
    return s;
}
