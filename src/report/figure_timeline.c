/* The slowest exchange of a trace as a figure of report.html: a row a rank, what it did when. Decides which
 * exchange of the trace that is, and which rank it waits for. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure_parts.h"
#include "report/page_parts.h"

enum { MOST_RANKS = 72 };

/* What a bar shows; the order is that of the legend. */
enum kind { START_UP, DISPATCH, COMPUTE, COMBINE, WAIT, N_KINDS };

static const char *const kind_name[N_KINDS] = {"start-up", "dispatch", "computing", "combine",
                                               "waits for the others"};
static const int kind_colour[N_KINDS] = {5, 1, 8, 3, -1};

struct span {
    enum kind kind;
    bool leg; /* a whole dispatch or combine, not the start-up in it */
    int group, row, step, layer;
    double from_us, to_us;
};

struct trace {
    struct span *span; /* [n] */
    size_t n;
    int group, step, layer; /* the slowest exchange */
    double from_us, to_us, time_us;
    int last;    /* the row that ends it */
    int culprit; /* the rank that the first cause names; -1: not known */
    char case_id[32];
    int repeat;
};

static double number_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static enum kind kind_of(const char *name)
{
    if (strcmp(name, "start-up") == 0)
        return START_UP;
    if (strncmp(name, "dispatch", 8) == 0)
        return DISPATCH;
    return strncmp(name, "combine", 7) == 0 ? COMBINE : COMPUTE;
}

static enum ms_status read_spans(const json_t *events, struct trace *t)
{
    const json_t *e;
    size_t i;
    t->span = calloc(json_array_size(events) + 1, sizeof *t->span);
    if (!t->span)
        return MS_NOMEM;
    json_array_foreach(events, i, e)
    {
        const char *ph = json_string_value(json_object_get(e, "ph")),
                   *name = json_string_value(json_object_get(e, "name"));
        const json_t *args = json_object_get(e, "args");
        if (!ph || strcmp(ph, "X") != 0 || !name)
            continue;
        struct span *s = &t->span[t->n++];
        *s = (struct span){.kind = kind_of(name),
                           .group = (int)number_of(e, "pid"),
                           .row = (int)number_of(e, "tid"),
                           .step = (int)number_of(args, "step"),
                           .layer = (int)number_of(args, "layer"),
                           .from_us = number_of(e, "ts"),
                           .to_us = number_of(e, "ts") + number_of(e, "dur")};
        s->leg = strcmp(name, "dispatch") == 0 || strcmp(name, "combine") == 0;
    }
    return MS_OK;
}

static bool same_exchange(const struct span *a, const struct span *b)
{
    return a->group == b->group && a->step == b->step && a->layer == b->layer;
}

static int by_exchange(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    int d = x->group != y->group ? x->group - y->group
            : x->step != y->step ? x->step - y->step
                                 : x->layer - y->layer;
    return d                  ? d
           : x->row != y->row ? x->row - y->row
                              : (x->from_us > y->from_us) - (x->from_us < y->from_us);
}

/* A leg lasts from its last entry to its last completion, an exchange as long as its two legs. */
static double time_of(const struct span *s, size_t n)
{
    double entry[2] = {-1, -1}, end[2] = {-1, -1};
    for (size_t i = 0; i < n; i++) {
        int leg = s[i].kind == COMBINE;
        if (!s[i].leg)
            continue;
        entry[leg] = fmax(entry[leg], s[i].from_us);
        end[leg] = fmax(end[leg], s[i].to_us);
    }
    return entry[0] < 0 || entry[1] < 0 ? 0 : end[0] - entry[0] + end[1] - entry[1];
}

/* Keep the spans of the slowest exchange only. @return false: there is none */
static bool find_slowest(struct trace *t)
{
    size_t best = 0, n_best = 0;
    qsort(t->span, t->n, sizeof *t->span, by_exchange);
    for (size_t i = 0, n; i < t->n; i += n) {
        for (n = 1; i + n < t->n && same_exchange(&t->span[i], &t->span[i + n]); n++)
            ;
        double time_us = time_of(&t->span[i], n);
        if (time_us > t->time_us) {
            t->time_us = time_us;
            best = i;
            n_best = n;
        }
    }
    if (n_best == 0)
        return false;
    memmove(t->span, t->span + best, n_best * sizeof *t->span);
    t->n = n_best;
    t->group = t->span[0].group;
    t->step = t->span[0].step;
    t->layer = t->span[0].layer;
    t->from_us = INFINITY;
    for (size_t i = 0; i < t->n; i++) {
        t->from_us = fmin(t->from_us, t->span[i].from_us);
        if (t->span[i].leg && t->span[i].to_us > t->to_us) {
            t->to_us = t->span[i].to_us;
            t->last = t->span[i].row;
        }
    }
    return true;
}

/* ---- whom the causes name ---- */

static void find_culprit(struct trace *t, int halves, const char *explained, size_t n)
{
    json_error_t why;
    json_t *root = n > 0 ? json_loadb(explained, n, 0, &why) : NULL;
    const json_t *cases = json_object_get(root, "cases"), *one;
    size_t i;
    t->culprit = -1;
    json_array_foreach(cases, i, one)
    {
        const char *id = json_string_value(json_object_get(one, "case"));
        const json_t *first = json_array_get(json_object_get(one, "causes"), 0);
        const json_t *rank = json_object_get(first, "rank");
        const json_t *slow = json_array_get(json_object_get(one, "slowest"), 0);
        if (!id || strcmp(id, t->case_id) != 0)
            continue;
        if (json_is_integer(rank))
            t->culprit = (int)json_integer_value(rank);
        if (json_is_integer(json_object_get(slow, "last_rank")) &&
            (int)number_of(slow, "repeat") == t->repeat &&
            (int)number_of(slow, "step") == t->step && (int)number_of(slow, "layer") == t->layer &&
            (int)number_of(slow, "group") == t->group)
            t->last = halves * (int)number_of(slow, "last_rank"); /* many end at once */
    }
    json_decref(root);
}

/* ---- the picture ---- */

/* Rows of a rank: several half-batches are rows of their own. */
static int halves_of(const json_t *events)
{
    const json_t *e;
    size_t i;
    json_array_foreach(events, i, e)
    {
        const char *name = json_string_value(json_object_get(json_object_get(e, "args"), "name"));
        if (name && strstr(name, ", half 1"))
            return 2;
    }
    return 1;
}

static double end_of_row(const struct trace *t, int row)
{
    double end = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->span[i].row == row)
            end = fmax(end, t->span[i].to_us);
    return end;
}

static void bar(struct ms_buf *b, const struct ms_scale *x, double y, double height, enum kind kind,
                double from_us, double to_us, int rank)
{
    if (to_us - from_us <= 0)
        return;
    ms_buf_printf(b, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" ",
                  ms_figure_at(x, from_us), y,
                  fmax(0.4, ms_figure_at(x, to_us) - ms_figure_at(x, from_us)), height);
    ms_figure_fill(b, kind_colour[kind]);
    ms_buf_printf(b, "><title>rank %d, %s: %.4g us</title></rect>", rank, kind_name[kind],
                  to_us - from_us);
}

/* A rank's bars, from the exchange's beginning on; what is no bar is waiting. */
static void draw_row(struct ms_buf *b, const struct trace *t, const struct ms_scale *x, double y,
                     double height, int row, int rank)
{
    double at = t->from_us;
    for (size_t i = 0; i < t->n; i++) {
        const struct span *s = &t->span[i];
        if (s->row != row || s->kind == START_UP)
            continue;
        bar(b, x, y, height, WAIT, at - t->from_us, s->from_us - t->from_us, rank);
        bar(b, x, y, height, s->kind, s->from_us - t->from_us, s->to_us - t->from_us, rank);
        at = fmax(at, s->to_us);
    }
    bar(b, x, y, height, WAIT, at - t->from_us, t->to_us - t->from_us, rank);
    for (size_t i = 0; i < t->n; i++)
        if (t->span[i].row == row && t->span[i].kind == START_UP)
            bar(b, x, y, height, START_UP, t->span[i].from_us - t->from_us,
                t->span[i].to_us - t->from_us, rank);
    ms_buf_adds(b, "\n");
}

/* Which rows are drawn: all, or of many those that end last and the culprit's. */
static int choose_rows(const struct trace *t, int n_rows, int halves, int *row)
{
    int n = 0;
    double least = -INFINITY;
    double *end = n_rows > MOST_RANKS ? calloc((size_t)n_rows, sizeof *end) : NULL;
    for (int r = 0; end && r < n_rows; r++)
        end[r] = end_of_row(t, r);
    for (int k = 0; end && k < n_rows; k++) { /* the end that MOST_RANKS - 2 rows reach */
        int later = 0;
        for (int r = 0; r < n_rows; r++)
            later += end[r] > end[k];
        if (later >= MOST_RANKS - 2)
            least = fmax(least, end[k]);
    }
    for (int r = 0; r < n_rows && n < MOST_RANKS; r++) {
        bool named = r == t->last || (t->culprit >= 0 && r / halves == t->culprit);
        bool left = n_rows - r <= MOST_RANKS - n;
        if (!end || named || left || (end[r] > least && n < MOST_RANKS - 2))
            row[n++] = r;
    }
    free(end);
    return n;
}

static void mark(struct ms_buf *b, double y, const char *class, const char *words, int rank)
{
    ms_buf_printf(b,
                  "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" style=\"font-weight:600\" "
                  "class=\"%s\">%s %d</text>\n",
                  MS_FIGURE_LABEL - 8, y + 4, class, words, rank);
}

static void draw(struct ms_buf *b, const struct trace *t, int n_rows, int halves)
{
    int row[MOST_RANKS], n = choose_rows(t, n_rows, halves, row);
    double height = n <= 16 ? 16 : n <= 40 ? 10 : 7;
    double bottom = MS_FIGURE_TOP + height * n;
    struct ms_scale x = {0, t->to_us - t->from_us, MS_FIGURE_LABEL, MS_FIGURE_W - MS_FIGURE_RIGHT};
    char name[160];
    snprintf(name, sizeof name, "Timeline of the slowest exchange of %s: %.5g us, %d rank%s",
             *t->case_id ? t->case_id : "the trace", t->time_us, n_rows / halves,
             n_rows == halves ? "" : "s");
    ms_figure_begin(b, name, (int)bottom + MS_FIGURE_BOTTOM);
    double taken = -100;
    for (int i = 0; i < n; i++) {
        double y = MS_FIGURE_TOP + height * i;
        int rank = row[i] / halves;
        draw_row(b, t, &x, y, height - 1, row[i], rank);
        bool culprit = rank == t->culprit, last = row[i] == t->last;
        if (culprit || last) {
            mark(b, y + height / 2, "", culprit ? "the cause: rank" : "last: rank", rank);
            taken = y;
        } else if ((n <= 16 || rank % 8 == 0) && y - taken >= 14) {
            ms_buf_printf(b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">rank %d</text>\n",
                          MS_FIGURE_LABEL - 8, y + height / 2 + 4, rank);
            taken = y;
        }
    }
    ms_figure_x_axis(b, &x, bottom, bottom, "microseconds from the first entry");
    ms_figure_drawn(b);
    ms_figure_keys(b, kind_name, kind_colour, N_KINDS);
    if (n < n_rows)
        ms_buf_printf(
            b,
            "<p class=\"dim\">Drawn are %d of %d rows: the cause, and those that end last.</p>\n",
            n, n_rows);
}

/* The same in words: what an average rank did, and who kept the others. */
static void describe(struct ms_buf *b, const struct trace *t, int n_rows, int halves)
{
    double sum_us[N_KINDS] = {0};
    char text[600];
    for (size_t i = 0; i < t->n; i++)
        sum_us[t->span[i].kind] += t->span[i].to_us - t->span[i].from_us;
    double busy = sum_us[DISPATCH] + sum_us[COMBINE] + sum_us[COMPUTE];
    int at = snprintf(
        text, sizeof text,
        "Repeat %d, step %d, layer %d, group %d. On average a rank spends %.4g us in dispatch and "
        "%.4g us in combine (%.4g us of them start-up), %.4g us computing and %.4g us waiting for "
        "the others. Rank %d is the last to have all of its results.",
        t->repeat, t->step, t->layer, t->group, sum_us[DISPATCH] / n_rows, sum_us[COMBINE] / n_rows,
        sum_us[START_UP] / n_rows, sum_us[COMPUTE] / n_rows,
        fmax(0, t->to_us - t->from_us - busy / n_rows), t->last / halves);
    if (t->culprit >= 0 && at > 0 && (size_t)at < sizeof text)
        snprintf(text + at, sizeof text - (size_t)at,
                 " What the exchange waits for is at rank %d: the first of the causes above.",
                 t->culprit);
    ms_figure_caption(b, text);
}

enum ms_status ms_page_timeline(struct ms_buf *b, const char *path, const char *explained, size_t n,
                                struct ms_err *err)
{
    struct ms_buf text = {0};
    json_error_t why = {0};
    struct trace t = {0};
    enum ms_status s = ms_file_read(path, &text, err);
    json_t *root = s == MS_OK ? json_loadb(text.p ? text.p : "", text.n, 0, &why) : NULL;
    const json_t *events = json_object_get(root, "traceEvents");
    const json_t *other = json_object_get(root, "otherData");
    const char *id = json_string_value(json_object_get(other, "case"));
    snprintf(t.case_id, sizeof t.case_id, "%s", id ? id : "");
    t.repeat = (int)number_of(other, "repeat");
    if (s == MS_OK && !json_is_array(events))
        s = ms_err_at(err, MS_INVALID, path, root ? 0 : why.line, 0, NULL,
                      "is not what `moesim explain --timeline` writes");
    if (s == MS_OK)
        s = read_spans(events, &t);
    if (s == MS_OK && find_slowest(&t)) {
        int n_rows = 0, halves = halves_of(events);
        for (size_t i = 0; i < t.n; i++)
            n_rows = t.span[i].row + 1 > n_rows ? t.span[i].row + 1 : n_rows;
        find_culprit(&t, halves, explained, n);
        ms_buf_adds(b, "<h2>The slowest exchange</h2>\n<div class=\"figures wide-only\">\n");
        draw(b, &t, n_rows, halves);
        describe(b, &t, n_rows, halves);
        ms_buf_adds(b, "</div>\n");
    } else if (s == MS_OK) {
        ms_buf_adds(b, "<p>The trace holds no exchange that ended.</p>\n");
    }
    free(t.span);
    json_decref(root);
    ms_buf_finish(&text);
    return s;
}
