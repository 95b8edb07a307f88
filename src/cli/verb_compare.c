/* `moesim compare`: which is faster, by how much, and whether that is more than noise. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "cli/verb.h"
#include "report/compare.h"
#include "report/plot.h"

static const struct ms_option options[] = {
    {"by", 'b', "KEY", "what to compare: an axis of the sweep (default: report.by, else platform)"},
    {"metric", 'm', "NAME",
     "such as exchange.p99_us, layer.p95_us, step.tokens_per_s (default: report.metric)"},
    {"baseline", 0, "VALUE",
     "the value of KEY that the others are compared with (default: the first)"},
    {"margin", 0, "SHARE", "ratios closer to 1 than this are ties (default: report.margin, 0.05)"},
    {"plot", 0, "FILE.svg|png",
     "also draw it (needs gnuplot): median and tail with intervals, and the tail itself"},
    {"format", 'f', "table|csv|json", "default: table"},
    {0}};

static int print(const struct ms_comparison *c, const char *format)
{
    struct ms_term term = ms_term_of(stdout);
    struct ms_buf b = {0};
    if (strcmp(format, "table") == 0)
        return ms_exit_code(ms_compare_table(c, stdout, &term));
    if (strcmp(format, "csv") == 0)
        ms_compare_csv(c, &b);
    else
        ms_compare_json(c, &b);
    int code = b.failed ? MS_INTERNAL : MS_OK;
    if (!b.failed)
        fwrite(b.p, 1, b.n, stdout);
    ms_buf_finish(&b);
    return code;
}

static int compare(const struct ms_args *a, const struct ms_compare_options *o, const char *format)
{
    struct ms_results r = {0};
    struct ms_comparison c = {0};
    struct ms_err err = {0};
    enum ms_status s =
        ms_results_read(&r, (const char *const *)a->operand, (size_t)a->n_operands, &err);
    if (s == MS_OK)
        s = ms_compare_make(&c, &r, o, &err);
    int code = ms_exit_code(s);
    const char *picture = ms_args_get(a, "plot", NULL);
    if (s == MS_OK) {
        code = print(&c, format);
        s = picture ? ms_plot_compare(&c, picture, &err) : MS_OK;
        code = s != MS_OK ? ms_exit_code(s) : code;
    }
    if (s == MS_OK)
        ;
    else if (s == MS_USAGE)
        fprintf(stderr, "moesim compare: %s\n", err.text);
    else
        ms_err_print(stderr, &err, "error");
    ms_compare_finish(&c);
    ms_results_finish(&r);
    return code;
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
                                   .margin = -1};
    if (strcmp(format, "table") != 0 && strcmp(format, "csv") != 0 && strcmp(format, "json") != 0)
        return ms_usage(self, "--format: '%s' is not a format; allowed: table, csv, json", format);
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
                "moesim compare results/mine --plot tail.svg",
    .options = options,
    .run = run,
};
