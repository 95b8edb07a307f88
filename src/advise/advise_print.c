/* What is said of plans: the best few with what each is worth and costs, and whether to change at
 * all. */
#include <math.h>
#include <string.h>

#include "advise/advise.h"
#include "base/json.h"

/* Above what its bytes take at least. The quantum of time lets a few completions be early. */
static double gap_of(const struct ms_advice *p)
{
    return p->bound_us > 0 ? fmax(p->metric_us / p->bound_us - 1, 0) : NAN;
}

static void words(const struct ms_advice *p, char *text, size_t size)
{
    int at = 0;
    if (p->n_sets == 0)
        snprintf(text, size, "what is there");
    for (int i = 0; i < p->n_sets && at < (int)size; i++)
        at += snprintf(text + at, size - (size_t)at, "%s%s", i ? ", " : "", p->set[i]);
}

static void bytes(double b, char *text, size_t size)
{
    if (!isfinite(b))
        snprintf(text, size, "-");
    else if (b >= 1e9)
        snprintf(text, size, "%.1f GB", b / 1e9);
    else
        snprintf(text, size, "%.1f MB", b / 1e6);
}

/* How long moving takes, and after how many steps that is made up for. */
static void say_payback(const struct ms_advice *p, FILE *out)
{
    if (p->move_us > 0 && isfinite(p->move_us))
        fprintf(out, " in %.3g ms (simulated)", p->move_us / 1e3);
    if (!(p->moved_bytes > 0) || isnan(p->payback_steps))
        fprintf(out, "\n");
    else if (!isfinite(p->payback_steps))
        fprintf(out, ", never paid back: steps are no shorter\n");
    else if (!isfinite(p->payback_hi))
        fprintf(out, ", paid back after %.0f steps (%.0f or more: steps may be no shorter)\n",
                ceil(p->payback_steps), ceil(p->payback_lo));
    else
        fprintf(out, ", paid back after %.0f steps [%.0f, %.0f]\n", ceil(p->payback_steps),
                ceil(p->payback_lo), ceil(p->payback_hi));
}

static void row(const struct ms_advised *a, const struct ms_advice *p, size_t number, FILE *out)
{
    char text[700], memory[32], moved[32], gap[32] = "-", has[64] = "";
    words(p, text, sizeof text);
    bytes(p->memory_bytes, memory, sizeof memory);
    bytes(p->moved_bytes, moved, sizeof moved);
    if (p->bound_us > 0)
        snprintf(gap, sizeof gap, "%+.0f %%", 100 * gap_of(p));
    if (isfinite(p->memory_bytes))
        snprintf(has, sizeof has, "%s of experts a rank", memory);
    if (p == a->base)
        fprintf(out, "   %9.1f us  %38s  gap %s%s%s: %s\n", p->metric_us, "", gap,
                isfinite(p->memory_bytes) ? ", " : "", has, text);
    else
        fprintf(out, "%zu. %9.1f us  x%.3f [%.3f, %.3f] %-8s step x%.3f [%.3f, %.3f]  gap %s: %s\n",
                number, p->metric_us, p->metric.ratio, p->metric.lo, p->metric.hi,
                ms_verdict_name(p->verdict), p->step.ratio, p->step.lo, p->step.hi, gap, text);
    if (isfinite(p->rank_load) && isfinite(p->slots_bound))
        fprintf(out, "      fullest rank %.3f of the mean, its slots allow %.3f\n", p->rank_load,
                p->slots_bound);
    if (p != a->base && isfinite(p->memory_bytes) &&
        (p->moved_bytes > 0 || p->memory_bytes != a->base->memory_bytes)) {
        fprintf(out, "      %s of experts a rank, %s moved", memory, moved);
        say_payback(p, out);
    }
    if (p != a->base && a->base->cables != p->cables && isfinite(p->cables))
        fprintf(out, "      %.0f cables where what is there has %.0f\n", p->cables,
                a->base->cables);
    if (!ms_advise_same_hardware(a, p))
        fprintf(out,
                "      another hardware profile than what is there has, or none: no verdict\n");
    if (p->other_work)
        fprintf(out, "      other work: %.0f tokens/s where what is there has %.0f\n",
                p->tokens_per_s, a->base->tokens_per_s);
}

static void say_slo(const struct ms_advised *a, FILE *out)
{
    char text[700];
    if (a->slo_us <= 0)
        return;
    if (!a->cheapest) {
        fprintf(out, "No plan that was tried keeps %s at %.6g us.\n", a->metric, a->slo_us);
        return;
    }
    words(a->cheapest, text, sizeof text);
    fprintf(out, "The cheapest that keeps %s at %.6g us: %s (%.1f us).\n", a->metric, a->slo_us,
            text, a->cheapest->metric_us);
}

void ms_advise_text(const struct ms_advised *a, FILE *out)
{
    char text[700];
    bool any = false;
    fprintf(out,
            "%s on %d held-out repeats of %d of %d layers; %zu plans were tried (%zu more cannot "
            "be here)\n",
            a->metric, a->n_repeats, a->n_layers, a->of_layers, a->n_candidates - a->n_impossible,
            a->n_impossible);
    row(a, a->base, 0, out);
    for (size_t i = 0; i < a->n_best; i++) {
        row(a, a->best[i], i + 1, out);
        any |= !a->best[i]->other_work && a->best[i]->verdict == MS_VERDICT_FASTER;
    }
    say_slo(a, out);
    if (!any) {
        fprintf(out,
                "Keep what you have: no plan is faster beyond the margin of %g on batches it "
                "was not chosen on.\n",
                a->margin);
        return;
    }
    for (size_t i = 0; i < a->n_best; i++)
        if (!a->best[i]->other_work && a->best[i]->verdict == MS_VERDICT_FASTER) {
            words(a->best[i], text, sizeof text);
            fprintf(out, "Change: %s.\n", text);
            ms_advise_heat_text(a, a->best[i], out);
            return;
        }
}

static void add_plan(struct ms_json *j, const char *key, const struct ms_advised *a,
                     const struct ms_advice *p)
{
    ms_json_object(j, key);
    ms_json_object(j, "set");
    for (int i = 0; i < p->n_sets; i++) {
        char name[300];
        const char *eq = strchr(p->set[i], '=');
        snprintf(name, sizeof name, "%.*s", (int)(eq - p->set[i]), p->set[i]);
        ms_json_string(j, name, eq + 1);
    }
    ms_json_end_object(j);
    ms_json_number(j, "metric_us", p->metric_us);
    if (p != a->base) {
        ms_json_number(j, "ratio", p->metric.ratio);
        ms_json_array(j, "ci95");
        ms_json_number(j, NULL, p->metric.lo);
        ms_json_number(j, NULL, p->metric.hi);
        ms_json_end_array(j);
        ms_json_string(j, "verdict", ms_verdict_name(p->verdict));
        ms_json_number(j, "step_ratio", p->step.ratio);
        ms_json_array(j, "step_ci95");
        ms_json_number(j, NULL, p->step.lo);
        ms_json_number(j, NULL, p->step.hi);
        ms_json_end_array(j);
        ms_json_string(j, "step_verdict", ms_verdict_name(p->step_verdict));
    }
    ms_json_number(j, "tokens_per_s", p->tokens_per_s);
    ms_json_number(j, "bound_us", p->bound_us);
    ms_json_number(j, "gap", gap_of(p));
    ms_json_number(j, "rank_max_over_mean", p->rank_load);
    ms_json_number(j, "slots_bound", p->slots_bound);
    ms_json_number(j, "memory_bytes_per_rank", p->memory_bytes);
    ms_json_number(j, "moved_bytes", p->moved_bytes);
    ms_json_number(j, "move_us", p->move_us);
    ms_json_number(j, "payback_steps", isfinite(p->payback_steps) ? p->payback_steps : NAN);
    if (p != a->base) {
        ms_json_array(j, "payback_ci95");
        ms_json_number(j, NULL, isfinite(p->payback_lo) ? p->payback_lo : NAN);
        ms_json_number(j, NULL, isfinite(p->payback_hi) ? p->payback_hi : NAN);
        ms_json_end_array(j);
    }
    ms_json_number(j, "cables", p->cables);
    if (p->other_work)
        ms_json_bool(j, "other_work", true);
    if (a->slo_us > 0)
        ms_json_bool(j, "keeps_slo", p->keeps_slo);
    ms_json_end_object(j);
}

void ms_advise_json(const struct ms_advised *a, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    ms_json_string(&j, "metric", a->metric);
    add_plan(&j, "baseline", a, a->base);
    ms_json_array(&j, "plans");
    for (size_t i = 0; i < a->n_best; i++)
        add_plan(&j, NULL, a, a->best[i]);
    ms_json_end_array(&j);
    if (a->n_best > 0)
        ms_advise_heat_json(a, a->best[0], &j);
    if (a->cheapest)
        add_plan(&j, "cheapest", a, a->cheapest);
    ms_json_integer(&j, "candidates", (int64_t)a->n_candidates);
    ms_json_integer(&j, "evaluations", (int64_t)a->n_evaluations);
    ms_json_integer(&j, "layers", a->n_layers);
    ms_json_integer(&j, "repeats", a->n_repeats);
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
}
