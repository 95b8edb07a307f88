/* How `moesim evaluate` prints what it found: the JSON record, CSV and the table, price of an
 * assignment against top_k included. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "cli/evaluate.h"
#include "moe/loss_values.h"
#include "stats/imbalance.h"

static double max_over_mean(const struct ms_evaluations *all, const struct ms_evaluation *r)
{
    size_t L = (size_t)all->n_layers, E = (size_t)all->n_experts;
    double sum = 0, *load = all->scratch, *scratch = load + E;
    for (size_t l = 0; l < L; l++) {
        for (size_t e = 0; e < E; e++)
            load[e] = (double)r->counts[l * E + e];
        sum += ms_imbalance_of(load, E, scratch).max_over_mean / (double)L;
    }
    return L > 0 ? sum : 1;
}

static void add_losses(struct ms_json *w, const char *key, const double *value)
{
    if (!value)
        return;
    ms_json_object(w, key);
    for (int i = 0; i < ms_loss_count(); i++)
        ms_json_number(w, ms_losses[i]->name, value[i]);
    ms_json_end_object(w);
}

void ms_evaluate_json(const struct ms_evaluations *all, struct ms_buf *out)
{
    struct ms_json w = {.out = out};
    ms_json_object(&w, NULL);
    ms_json_array(&w, "results");
    for (int i = 0; i < all->n; i++) {
        const struct ms_evaluation *r = &all->e[i];
        ms_json_object(&w, NULL);
        ms_json_string(&w, "text", r->text);
        ms_json_string(&w, "assignment", r->assignment);
        ms_json_bool(&w, "causal", r->causal);
        ms_json_integer(&w, "tokens", r->tokens);
        ms_json_number(&w, "ce", r->ce);
        ms_json_number(&w, "ppl", r->ppl);
        ms_json_number(&w, "max_over_mean", max_over_mean(all, r));
        ms_json_array(&w, "expert_counts");
        for (int l = 0; l < all->n_layers; l++) {
            ms_json_array(&w, NULL);
            for (int e = 0; e < all->n_experts; e++)
                ms_json_integer(&w, NULL, r->counts[l * all->n_experts + e]);
            ms_json_end_array(&w);
        }
        ms_json_end_array(&w);
        add_losses(&w, "losses", r->losses);
        ms_json_end_object(&w);
    }
    ms_json_end_array(&w);
    add_losses(&w, "balanced_losses", all->balanced_losses);
    ms_json_integer(&w, "seq", all->window);
    ms_json_integer(&w, "windows_at_once", all->windows_at_once);
    ms_json_end_object(&w);
    ms_buf_adds(out, "\n");
}

void ms_evaluate_csv(const struct ms_evaluations *all, struct ms_buf *out)
{
    char a[32], b[32], c[32];
    ms_buf_adds(out, "text,assignment,causal,tokens,ce,ppl,max_over_mean\n");
    for (int i = 0; i < all->n; i++) {
        const struct ms_evaluation *r = &all->e[i];
        ms_buf_printf(out, "%s,%s,%s,%lld,%s,%s,%s\n", r->text, r->assignment,
                      r->causal ? "true" : "false", (long long)r->tokens, ms_number(r->ce, a),
                      ms_number(r->ppl, b), ms_number(max_over_mean(all, r), c));
    }
}

/* A row a loss and text, a column an assignment. */
static void losses_table(const struct ms_evaluations *all, int wide, struct ms_buf *out)
{
    ms_buf_printf(out, "\n%-*s  %-13s %10s", wide, "text", "loss", "balanced");
    for (int a = 0; a < all->n_assigns; a++)
        ms_buf_printf(out, "  %14s", all->e[a].assignment);
    ms_buf_adds(out, "\n");
    for (int i = 0; i < all->n; i += all->n_assigns)
        for (int l = 0; l < ms_loss_count(); l++) {
            ms_buf_printf(out, "%-*s  %-13s %10.4g", wide, all->e[i].text, ms_losses[l]->name,
                          all->balanced_losses[l]);
            for (int a = 0; a < all->n_assigns; a++)
                ms_buf_printf(out, "  %14.4g", all->e[i + a].losses[l]);
            ms_buf_adds(out, "\n");
        }
    ms_buf_printf(out, "unweighted, batches of %d windows of %d tokens\n", all->windows_at_once,
                  all->window);
}

void ms_evaluate_table(const struct ms_evaluations *all, struct ms_buf *out)
{
    int wide = 4;
    bool future = false;
    for (int i = 0; i < all->n; i++)
        wide = (int)strlen(all->e[i].text) > wide ? (int)strlen(all->e[i].text) : wide;
    ms_buf_printf(out, "%-*s  %-14s %6s  %9s  %8s  %9s  %9s  %8s\n", wide, "text", "assignment",
                  "causal", "tokens", "ce nats", "ppl", "ppl ratio", "max/mean");
    for (int i = 0; i < all->n; i++) {
        const struct ms_evaluation *r = &all->e[i],
                                   *first = &all->e[i / all->n_assigns * all->n_assigns];
        ms_buf_printf(out, "%-*s  %-14s %6s  %9lld  %8.4f  %9.4f  %9.3f  %8.2f\n", wide, r->text,
                      r->assignment, r->causal ? "yes" : "no", (long long)r->tokens, r->ce, r->ppl,
                      r->ppl / first->ppl, max_over_mean(all, r));
        future = future || !r->causal;
    }
    if (future)
        ms_buf_printf(out,
                      "causal no: a token's experts depend on the whole batch of %d windows, later "
                      "tokens too; such a "
                      "perplexity cannot be had when generating text.\n",
                      all->windows_at_once);
    if (all->balanced_losses)
        losses_table(all, wide, out);
}
