/* How expert usage is shown: the table with a bar for each expert, JSON, and CSV that can be
 * read again as a routing trace. */
#include "cli/expert_use.h"

#include <math.h>
#include <string.h>

#include "base/csv.h"
#include "base/json.h"
#include "stats/imbalance.h"

enum { EXPERTS_SHOWN = 64 }; /* a table row of bars no wider than that */

void ms_use_finish(struct ms_expert_use *p)
{
    ms_arena_finish(&p->arena);
    *p = (struct ms_expert_use){0};
}

enum ms_status ms_use_make(struct ms_expert_use *p, int n_layers, int n_experts, int n_parts,
                           int n_steps, struct ms_err *err)
{
    size_t grid = (size_t)n_layers * (size_t)n_experts;
    p->n_layers = n_layers;
    p->n_experts = n_experts;
    p->layer_id = MS_NEW(&p->arena, int, (size_t)n_layers);
    p->all.counts = MS_NEW(&p->arena, double, grid);
    p->parts = MS_NEW(&p->arena, struct ms_use_part, (size_t)n_parts);
    p->steps = MS_NEW(&p->arena, struct ms_imbalance, (size_t)n_steps);
    p->scratch = MS_NEW(&p->arena, double, (size_t)n_experts);
    bool failed = !p->scratch || !p->layer_id || !p->all.counts || !p->parts || !p->steps;
    for (int i = 0; i < n_parts && !failed; i++)
        failed = !(p->parts[i].counts = MS_NEW(&p->arena, double, grid));
    return failed ? ms_err_set(err, MS_NOMEM, "no memory for the counts") : MS_OK;
}

static struct ms_imbalance layer_metrics(const struct ms_expert_use *p, const double *counts, int l)
{
    return ms_imbalance_of(counts + (size_t)l * (size_t)p->n_experts, (size_t)p->n_experts,
                           p->scratch);
}

struct ms_imbalance ms_use_mean(const struct ms_expert_use *p, const double *counts)
{
    struct ms_imbalance mean = {0};
    for (int l = 0; l < p->n_layers; l++) {
        struct ms_imbalance m = layer_metrics(p, counts, l);
        for (const struct ms_imbalance_metric *r = ms_imbalance_metrics; r->name; r++)
            *(double *)(void *)((char *)&mean + r->offset) += ms_imbalance_get(&m, r) / p->n_layers;
    }
    return mean;
}

static void json_metrics(struct ms_json *j, const struct ms_imbalance *m)
{
    for (const struct ms_imbalance_metric *r = ms_imbalance_metrics; r->name; r++)
        ms_json_number(j, r->name, ms_imbalance_get(m, r));
}

static void json_layers(struct ms_json *j, const struct ms_expert_use *p,
                        const struct ms_use_part *u)
{
    ms_json_array(j, "layers");
    for (int l = 0; l < p->n_layers; l++) {
        struct ms_imbalance m = layer_metrics(p, u->counts, l);
        ms_json_object(j, NULL);
        ms_json_integer(j, "layer_id", p->layer_id[l]);
        ms_json_array(j, "counts");
        for (int e = 0; e < p->n_experts; e++)
            ms_json_number(j, NULL, u->counts[(size_t)l * (size_t)p->n_experts + (size_t)e]);
        ms_json_end_array(j);
        json_metrics(j, &m);
        ms_json_end_object(j);
    }
    ms_json_end_array(j);
}

void ms_use_json(const struct ms_expert_use *p, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    struct ms_imbalance mean = ms_use_mean(p, p->all.counts);
    ms_json_object(&j, NULL);
    json_layers(&j, p, &p->all);
    ms_json_string(&j, "source", p->source);
    ms_json_integer(&j, "experts", p->n_experts);
    if (p->top_k > 0)
        ms_json_integer(&j, "top_k", p->top_k);
    if (p->tokens > 0)
        ms_json_number(&j, "tokens", p->tokens);
    ms_json_object(&j, "mean");
    json_metrics(&j, &mean);
    ms_json_end_object(&j);
    ms_json_object(&j, "definitions");
    for (const struct ms_imbalance_metric *r = ms_imbalance_metrics; r->name; r++)
        ms_json_string(&j, r->name, r->definition);
    ms_json_end_object(&j);
    if (p->n_parts > 0) {
        ms_json_array(&j, "parts");
        for (int i = 0; i < p->n_parts; i++) {
            ms_json_object(&j, NULL);
            ms_json_string(&j, "name", p->parts[i].name);
            json_layers(&j, p, &p->parts[i]);
            ms_json_end_object(&j);
        }
        ms_json_end_array(&j);
    }
    if (p->n_steps > 0) {
        ms_json_array(&j, "steps");
        for (int i = 0; i < p->n_steps; i++) {
            ms_json_object(&j, NULL);
            ms_json_integer(&j, "step", i);
            json_metrics(&j, &p->steps[i]);
            ms_json_end_object(&j);
        }
        ms_json_end_array(&j);
    }
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
}

static void csv_rows(const struct ms_expert_use *p, const struct ms_use_part *u, bool named,
                     struct ms_buf *out)
{
    char count[32];
    for (int l = 0; l < p->n_layers; l++)
        for (int e = 0; e < p->n_experts; e++) {
            if (named) {
                ms_csv_cell(out, u->name);
                ms_buf_adds(out, ",");
            }
            ms_buf_printf(
                out, "%d,%d,%s\n", p->layer_id[l], e,
                ms_number(u->counts[(size_t)l * (size_t)p->n_experts + (size_t)e], count));
        }
}

void ms_use_csv(const struct ms_expert_use *p, struct ms_buf *out)
{
    ms_buf_adds(out, p->n_parts > 0 ? "domain,layer_id,expert_id,count\n"
                                    : "layer_id,expert_id,count\n");
    for (int i = 0; i < p->n_parts; i++)
        csv_rows(p, &p->parts[i], true, out);
    if (p->n_parts == 0)
        csv_rows(p, &p->all, false, out);
}

/* One character an expert (or a range of them): its load against the mean, as a bar. */
static void bars(const struct ms_expert_use *p, const struct ms_use_part *u, int l,
                 struct ms_buf *out)
{
    static const char *const levels[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const double *c = u->counts + (size_t)l * (size_t)p->n_experts;
    int E = p->n_experts, n = E < EXPERTS_SHOWN ? E : EXPERTS_SHOWN;
    double top = 0, v[EXPERTS_SHOWN];
    for (int i = 0; i < n; i++) {
        v[i] = 0; /* the busiest of the range */
        for (int e = (int)((long)i * E / n); e < (int)((long)(i + 1) * E / n); e++)
            v[i] = c[e] > v[i] ? c[e] : v[i];
        top = v[i] > top ? v[i] : top;
    }
    for (int i = 0; i < n; i++)
        ms_buf_adds(out, levels[top > 0 ? (int)ceil(8 * v[i] / top) : 0]);
}

static int busiest(const struct ms_expert_use *p, const struct ms_use_part *u, int l)
{
    const double *c = u->counts + (size_t)l * (size_t)p->n_experts;
    int best = 0;
    for (int e = 1; e < p->n_experts; e++)
        best = c[e] > c[best] ? e : best;
    return best;
}

static void metric_cells(const struct ms_imbalance *m, struct ms_buf *out)
{
    ms_buf_printf(out, "%8.4f %8.4f %9.6f %8.4f %8.3f %8.3f %8.3f %8.4f", m->gini, m->cv,
                  m->variance, m->entropy, m->max_over_mean, m->balancedness, m->min_over_max,
                  m->top_share);
}

static void rows(const struct ms_expert_use *p, const struct ms_use_part *u, struct ms_buf *out)
{
    struct ms_imbalance mean = ms_use_mean(p, u->counts);
    ms_buf_printf(out, "%-6s %8s %8s %9s %8s %8s %8s %8s %8s  %-7s %s\n", "layer", "gini", "cv",
                  "variance", "entropy", "max/mean", "mean/max", "min/max", "topshare", "hottest",
                  "load by expert");
    for (int l = 0; l < p->n_layers; l++) {
        struct ms_imbalance m = layer_metrics(p, u->counts, l);
        ms_buf_printf(out, "%-6d ", p->layer_id[l]);
        metric_cells(&m, out);
        ms_buf_printf(out, "  %-7d ", busiest(p, u, l));
        bars(p, u, l, out);
        ms_buf_adds(out, "\n");
    }
    ms_buf_printf(out, "%-6s ", "mean");
    metric_cells(&mean, out);
    ms_buf_adds(out, "\n");
}

/* What real models show, as a yardstick: each within its own range only, and beside models with
 * about as many experts, since max/mean grows with their number. */
static const char *judgement(double max_over_mean, int n_experts)
{
    static const struct {
        double from, to;
        const char *words;
    } olmoe[] = {
        {0, 2.5, "more even than OLMoE on mixed text (64 experts: 2.5 to 3.0)"},
        {2.5, 3.0, "like OLMoE on mixed text (64 experts: 2.5 to 3.0)"},
        {3.0, 4.5, "between OLMoE on mixed text (64 experts: to 3.0) and on one domain (from 4.5)"},
        {4.5, 7.8, "like OLMoE on a single domain (64 experts: 4.5 to 7.8)"},
        {7.8, 9, "between OLMoE on one domain (to 7.8) and a model without balancing (from 9)"},
        {9, 14, "like a model trained without any balancing (9 to 14)"},
    };
    if (n_experts < 32)
        return max_over_mean < 1.08   ? "more even than Mixtral 8x7B (8 experts: 1.08 to 1.33)"
               : max_over_mean < 1.33 ? "like Mixtral 8x7B (8 experts: 1.08 to 1.33)"
                                      : "less even than Mixtral 8x7B (8 experts: 1.08 to 1.33)";
    for (size_t i = 0; i < sizeof olmoe / sizeof *olmoe; i++)
        if (max_over_mean < olmoe[i].to)
            return olmoe[i].words;
    return "less even than a model trained without any balancing (9 to 14)";
}

static void report_part(const struct ms_expert_use *p, const struct ms_use_part *u,
                        struct ms_buf *out)
{
    ms_buf_printf(out, "\n%s\n", u->name);
    rows(p, u, out);
}

/* At most `most` of the steps, the first and the last among them. */
static void steps_part(const struct ms_expert_use *p, int most, struct ms_buf *out)
{
    int n = p->n_steps < most ? p->n_steps : most;
    ms_buf_printf(out,
                  "\n%-6s %8s %8s %9s %8s %8s %8s %8s %8s  (mean over layers, %d of %d steps)\n",
                  "step", "gini", "cv", "variance", "entropy", "max/mean", "mean/max", "min/max",
                  "topshare", n, p->n_steps);
    for (int i = 0; i < n; i++) {
        int step = n > 1 ? (int)((long)i * (p->n_steps - 1) / (n - 1)) : 0;
        ms_buf_printf(out, "%-6d ", step);
        metric_cells(&p->steps[step], out);
        ms_buf_adds(out, "\n");
    }
}

static void counts_part(const struct ms_expert_use *p, struct ms_buf *out)
{
    char count[32];
    ms_buf_adds(out, "\ntokens per expert\n");
    for (int l = 0; l < p->n_layers; l++) {
        ms_buf_printf(out, "layer %d:", p->layer_id[l]);
        for (int e = 0; e < p->n_experts; e++)
            ms_buf_printf(
                out, " %s",
                ms_number(p->all.counts[(size_t)l * (size_t)p->n_experts + (size_t)e], count));
        ms_buf_adds(out, "\n");
    }
}

void ms_use_table(const struct ms_expert_use *p, bool report, struct ms_buf *out)
{
    struct ms_imbalance mean = ms_use_mean(p, p->all.counts);
    ms_buf_printf(out, "%s: %d layers, %d experts", p->source, p->n_layers, p->n_experts);
    if (p->top_k > 0)
        ms_buf_printf(out, ", top-%d", p->top_k);
    if (p->tokens > 0)
        ms_buf_printf(out, ", %.0f tokens", p->tokens);
    ms_buf_adds(out, "\n");
    rows(p, &p->all, out);
    if (p->n_layers > 0)
        ms_buf_printf(out, "max/mean %.2f: %s", mean.max_over_mean,
                      judgement(mean.max_over_mean, p->n_experts));
    if (p->n_layers > 0 && p->top_k > 0)
        ms_buf_printf(out, "; the most it can be is E/k = %.3g", (double)p->n_experts / p->top_k);
    ms_buf_adds(out, "\n");
    for (int i = 0; i < p->n_parts; i++)
        report_part(p, &p->parts[i], out);
    if (p->n_steps > 0)
        steps_part(p, report ? 101 : 11, out);
    if (!report)
        return;
    counts_part(p, out);
    ms_buf_adds(out, "\ndefinitions (p = load / sum of loads, n experts)\n");
    for (const struct ms_imbalance_metric *r = ms_imbalance_metrics; r->name; r++)
        ms_buf_printf(out, "  %-16s %s\n", r->name, r->definition);
}
