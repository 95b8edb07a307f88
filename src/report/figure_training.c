/* How a training went: cross-entropy and evenness by step, a curve a case, from the folder's
 * history.jsonl. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/figure_parts.h"
#include "sweep/lines.h"

enum { MOST_CURVES = 12, BINS = 240 };

/* One curve, its steps in bins; held-out values where they were taken. */
struct course {
    double sum[BINS], max_over_mean[BINS];
    double n[BINS];
    double heldout[BINS]; /* 0: not taken there */
    double steps;         /* of the whole training */
};

static double number_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static double heldout_of(const json_t *eval)
{
    const char *name;
    json_t *of;
    double sum = 0;
    json_object_foreach((json_t *)eval, name, of) sum += number_of(of, "ce");
    return sum / (double)json_object_size(eval);
}

static bool take_line(void *ctx, const char *line, json_t *o)
{
    struct course *c = ctx;
    double step = number_of(o, "step"), ce = number_of(o, "ce");
    const json_t *eval = json_object_get(o, "eval");
    if (isnan(step) || isnan(ce) || step < 0 || step >= c->steps)
        return true;
    size_t bin = (size_t)(step / c->steps * BINS);
    c->sum[bin] += ce;
    c->max_over_mean[bin] += number_of(json_object_get(o, "imbalance"), "max_over_mean");
    c->n[bin] += 1;
    if (json_object_size(eval) > 0)
        c->heldout[bin] = heldout_of(eval);
    return true;
}

/* Of no training, or one whose folder is not here: MS_OK without steps.
 * @return MS_OK; MS_INVALID: its history is not what was written; MS_NOMEM */
static enum ms_status read_course(const struct ms_result *r, struct course *c, struct ms_err *err)
{
    struct ms_buf path = {0};
    *c = (struct course){.steps = ms_result_number(r, "training.steps")};
    if (isnan(c->steps))
        return MS_OK;
    ms_buf_printf(&path, "%s/%s/history.jsonl", r->source, r->id);
    bool there = !path.failed && ms_file_is(path.p);
    enum ms_status s = path.failed ? MS_NOMEM : MS_OK;
    if (there) {
        path.p[path.n - strlen("/history.jsonl")] = '\0';
        s = ms_history_each(path.p, take_line, c, err);
    }
    ms_buf_finish(&path);
    return s;
}

static bool has_steps(const struct course *c)
{
    double n = 0;
    for (int i = 0; i < BINS; i++)
        n += c->n[i];
    return n > 0;
}

static double mean_at(const struct course *c, const double *sum, int i)
{
    return c->n[i] > 0 ? sum[i] / c->n[i] : NAN;
}

static const double *sum_of(const struct course *c, bool balance)
{
    return balance ? c->max_over_mean : c->sum;
}

static void draw_course(struct ms_buf *b, const struct course *c, bool balance,
                        const struct ms_scale *x, const struct ms_scale *y, size_t number)
{
    bool first = true;
    ms_buf_printf(b, "<path fill=\"none\" stroke-width=\"1.5\" class=\"c%zu\" d=\"", number % 12);
    for (int i = 0; i < BINS; i++) {
        double v = mean_at(c, sum_of(c, balance), i);
        if (isnan(v))
            continue;
        ms_buf_printf(b, "%c%.1f %.1f", first ? 'M' : 'L',
                      ms_figure_at(x, (i + 0.5) / BINS * c->steps), ms_figure_at(y, v));
        first = false;
    }
    ms_buf_adds(b, "\"/>\n");
    for (int i = 0; !balance && i < BINS; i++)
        if (c->heldout[i] > 0)
            ms_buf_printf(b, "<circle class=\"f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
                          number % 12, ms_figure_at(x, (i + 0.5) / BINS * c->steps),
                          ms_figure_at(y, c->heldout[i]));
}

static void draw(struct ms_buf *b, const struct ms_compare_group *g, const struct course *c,
                 size_t n, bool balance)
{
    struct ms_scale x = {0, 0, MS_FIGURE_LEFT, MS_FIGURE_W - MS_FIGURE_RIGHT};
    struct ms_scale y = {INFINITY, 0, MS_FIGURE_H - MS_FIGURE_BOTTOM, MS_FIGURE_TOP};
    for (size_t k = 0; k < n; k++) {
        x.hi = fmax(x.hi, c[k].steps);
        for (int i = 0; i < BINS; i++) {
            double v = mean_at(&c[k], sum_of(&c[k], balance), i);
            if (!isnan(v)) {
                y.lo = fmin(y.lo, v);
                y.hi = fmax(y.hi, v);
            }
            if (!balance && c[k].heldout[i] > 0) {
                y.lo = fmin(y.lo, c[k].heldout[i]);
                y.hi = fmax(y.hi, c[k].heldout[i]);
            }
        }
    }
    if (balance)
        y.lo = 1;
    ms_figure_begin(b, balance ? "Busiest expert over the mean, by step" : "Cross-entropy, by step",
                    MS_FIGURE_H);
    ms_figure_y_title(b, y.from, y.to, balance ? "busiest over mean" : "cross-entropy, nats");
    ms_figure_y_axis(b, &y);
    ms_figure_x_axis(b, &x, MS_FIGURE_H - MS_FIGURE_BOTTOM, MS_FIGURE_TOP, "step of training");
    for (size_t k = 0; k < n; k++)
        draw_course(b, &c[k], balance, &x, &y, k);
    ms_figure_drawn(b);
    ms_figure_legend(b, g, n);
    ms_figure_caption(b, balance
                             ? "How uneven the experts' loads were at each step: the busiest over "
                               "the mean, mean of the layers."
                             : "Cross-entropy of the batches (nats); dots are the held-out text.");
}

/* No curve is drawn beside one that cannot be believed. */
static void say_why_not(struct ms_buf *b, const struct ms_err *err)
{
    ms_buf_adds(b, "<p class=\"note\">No curves of the training: ");
    ms_html_text(b, err->file);
    ms_buf_adds(b, " ");
    ms_html_text(b, err->text);
    ms_buf_adds(b, ".</p>\n");
}

enum ms_status ms_figure_training(struct ms_buf *b, const struct ms_compare_group *g)
{
    size_t n = 0;
    struct ms_err err = {0};
    enum ms_status s = MS_OK;
    struct course *c = calloc(MOST_CURVES, sizeof *c);
    if (!c)
        return MS_NOMEM;
    while (s == MS_OK && n < MOST_CURVES && n < g->n) {
        s = read_course(g->row[n].r, &c[n], &err);
        if (s == MS_OK && !has_steps(&c[n]))
            break;
        n += s == MS_OK;
    }
    if (s != MS_OK && s != MS_NOMEM)
        say_why_not(b, &err);
    for (int balance = 0; s == MS_OK && n > 0 && balance < 2; balance++)
        draw(b, g, c, n, balance);
    free(c);
    return s == MS_NOMEM ? s : MS_OK;
}
