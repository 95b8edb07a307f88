/* `moesim compare`: which is faster, by how much, and whether that is more than noise. Decides how
 * options become records, a comparison and its form. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "cli/verb.h"
#include "report/compare.h"
#include "report/plot.h"

static const struct ms_option options[] = {
    {"by", 'b', "KEY",
     "what to compare: an axis of the sweep, the name of a zip, folder, or keys joined by + \n"
     "(default: report.by, else platform)"},
    {"where", 'w', "KEY=VALUE",
     "only the cases that have it, or have not (KEY!=VALUE); repeatable"},
    {"x", 'x', "KEY|METRIC",
     "draw the metric against this number: an axis, or imbalance.gini and the like"},
    {"metric", 'm', "NAME",
     "such as exchange.p99_us, layer.p95_us, step.tokens_per_s (default: report.metric)"},
    {"baseline", 0, "VALUE",
     "the value of KEY that the others are compared with (default: the first)"},
    {"margin", 0, "SHARE", "ratios closer to 1 than this are ties (default: report.margin, 0.05)"},
    {"plot", 0, "FILE.svg|png|pdf",
     "also draw it (needs gnuplot): median and tail with intervals, and the tail itself"},
    {"format", 'f', "table|csv|json|markdown|latex", "default: table"},
    {0}};

static const char *const formats[] = {"table", "csv", "json", "markdown", "latex"};
enum { N_FORMATS = sizeof formats / sizeof *formats };

static enum ms_status print(const struct ms_comparison *c, const char *format)
{
    struct ms_term term = ms_term_of(stdout);
    struct ms_buf b = {0};
    if (strcmp(format, "table") == 0)
        return ms_compare_table(c, stdout, &term);
    if (strcmp(format, "markdown") == 0 || strcmp(format, "latex") == 0)
        return ms_compare_document(c, strcmp(format, "latex") == 0, stdout);
    if (strcmp(format, "csv") == 0)
        ms_compare_csv(c, &b);
    else
        ms_compare_json(c, &b);
    enum ms_status s = b.failed ? MS_NOMEM : MS_OK;
    if (s == MS_OK)
        fwrite(b.p, 1, b.n, stdout);
    ms_buf_finish(&b);
    return s;
}

/* Records, the conditions on them, and the joined key. */
static enum ms_status gather(const struct ms_args *a, struct ms_results *r, const char *by,
                             struct ms_err *err)
{
    enum ms_status s =
        ms_results_read(r, (const char *const *)a->operand, (size_t)a->n_operands, err);
    ms_errs_print(stderr, &r->warnings);
    for (int i = 0; s == MS_OK && i < a->n_options; i++)
        if (strcmp(a->option[i].name, "where") == 0)
            s = ms_results_keep(r, a->option[i].value, err);
    return s == MS_OK && by ? ms_results_join(r, by, err) : s;
}

static int compare(const struct ms_args *a, const struct ms_compare_options *o, const char *format)
{
    struct ms_results r = {0};
    struct ms_comparison c = {0};
    struct ms_err err = {0};
    const char *picture = ms_args_get(a, "plot", NULL);
    enum ms_status s = gather(a, &r, o->by, &err);
    if (strcmp(format, "table") != 0)
        r.wall_s = 0; /* how long this machine took is for the screen alone */
    if (s == MS_OK)
        s = ms_compare_make(&c, &r, o, &err);
    if (s == MS_OK && print(&c, format) != MS_OK)
        s = ms_err_set(&err, MS_NOMEM, "out of memory printing");
    if (s == MS_OK && picture)
        s = ms_plot_compare(&c, picture, &err);
    if (s == MS_USAGE)
        fprintf(stderr, "moesim compare: %s\n", err.text);
    else if (s != MS_OK)
        ms_err_print(stderr, &err, "error");
    ms_compare_finish(&c);
    ms_results_finish(&r);
    return ms_exit_code(s);
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands == 0)
        return ms_usage(self, "no results folder given");
    const char *format = ms_args_get(&args, "format", "table"),
               *margin = ms_args_get(&args, "margin", NULL);
    struct ms_compare_options o = {.by = ms_args_get(&args, "by", NULL),
                                   .metric = ms_args_get(&args, "metric", NULL),
                                   .baseline = ms_args_get(&args, "baseline", NULL),
                                   .x = ms_args_get(&args, "x", NULL),
                                   .margin = -1};
    bool known = false;
    for (int i = 0; i < N_FORMATS; i++)
        known = known || strcmp(format, formats[i]) == 0;
    if (!known)
        return ms_usage(
            self, "--format: '%s' is not a format; allowed: table, csv, json, markdown, latex",
            format);
    if (margin) {
        char *end;
        o.margin = strtod(margin, &end);
        if (*end || end == margin || !(o.margin >= 0) || o.margin > 10)
            return ms_usage(self, "--margin: '%s' is not a share such as 0.05", margin);
    }
    return compare(&args, &o, format);
}

const struct ms_verb ms_verb_compare = {
    .name = "compare",
    .arguments = "DIR|FILE… [options]",
    .summary = "Compare results along one axis: ratio, interval, verdict, cost",
    .examples = "moesim compare results/compare-topologies\n"
                "moesim compare results/mine --by placement.strategy --baseline contiguous\n"
                "moesim compare results/mine --metric layer.p95_us --format csv\n"
                "moesim compare results/mine --plot tail.svg\n"
                "moesim compare results/before results/after --by folder\n"
                "moesim compare results/mine --where exchange.algorithm=direct --x imbalance.gini "
                "--plot tail.pdf",
    .options = options,
    .run = run,
};
