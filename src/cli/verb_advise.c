/* `moesim advise`: what to change in a scenario. Decides how the answer is printed and where plans are
 * written. */
#include <stdlib.h>
#include <string.h>

#include "advise/advise.h"
#include "base/file.h"
#include "base/pool.h"
#include "cli/verb.h"

static const struct ms_option options[] = {
    {"set", 's', "KEY=VALUE", "replace a key of the scenario (VALUE is YAML); may be repeated"},
    {"metric", 'm', "NAME", "what shall be small (default: report.metric, else exchange.p99_us)"},
    {"platforms", 'p', "A.xml,B.xml", "other platforms to try"},
    {"slo", 0, "METRIC=US", "name the cheapest plan that keeps it, such as exchange.p99_us=300"},
    {"repeats", 0, "N", "held-out repeats (default: 12; verdicts need 10)"},
    {"layers", 0, "N", "layers that are simulated (default: at most 8)"},
    {"jobs", 'j', "N", "processes at once (default: all cores); the answer is the same"},
    {"output", 'o', "DIR",
     "write the plans: scenario fragments, and placements for SGLang and TensorRT-LLM"},
    {"format", 'f', "text|json", "default: text"},
    {0}};

static void tell(const char *what, size_t n)
{
    fprintf(stderr, "moesim advise: %zu %s\n", n, what);
}

static enum ms_status print(const struct ms_advised *a, bool json, struct ms_err *err)
{
    struct ms_buf text = {0};
    if (!json) {
        ms_advise_text(a, stdout);
        return MS_OK;
    }
    ms_advise_json(a, &text);
    enum ms_status s = text.failed ? ms_err_set(err, MS_NOMEM, "out of memory")
                                   : ms_file_write("-", text.p, text.n, err);
    ms_buf_finish(&text);
    return s;
}

static int advise(const struct ms_args *args, const struct ms_advise_options *o)
{
    struct ms_advised *a = calloc(1, sizeof *a);
    struct ms_errs errs = {0};
    struct ms_err err = {0};
    int signal_number = 0;
    const char *dir = ms_args_get(args, "output", NULL);
    enum ms_status s =
        a ? ms_advise(o, a, &errs, &signal_number, &err) : ms_err_set(&err, MS_NOMEM, "no memory");
    ms_errs_print(stderr, &errs);
    if (s == MS_OK)
        s = print(a, strcmp(ms_args_get(args, "format", "text"), "json") == 0, &err);
    if (s == MS_OK && dir)
        s = ms_dir_make(dir, &err);
    if (s == MS_OK && dir)
        s = ms_advise_export(a, dir, &err);
    if (s != MS_OK && err.status != MS_OK)
        ms_err_print(stderr, &err, "error");
    if (a)
        ms_advise_finish(a);
    free(a);
    ms_errs_finish(&errs);
    return s == MS_INTERRUPTED ? 128 + signal_number : ms_exit_code(s);
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    const char *sets[256];
    int64_t jobs = ms_cores(), repeats = 0, layers = 0;
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands != 1)
        return ms_usage(self, "one scenario is needed");
    if (!ms_args_integer(self, &args, "jobs", 1, 4096, &jobs) ||
        !ms_args_integer(self, &args, "repeats", 2, 10000, &repeats) ||
        !ms_args_integer(self, &args, "layers", 1, 100000, &layers))
        return MS_USAGE;
    const char *format = ms_args_get(&args, "format", "text");
    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
        return ms_usage(self, "--format: '%s' is not a format; allowed: text, json", format);
    struct ms_advise_options o = {.scenario = args.operand[0],
                                  .sets = sets,
                                  .platforms = ms_args_get(&args, "platforms", NULL),
                                  .metric = ms_args_get(&args, "metric", NULL),
                                  .n_procs = (int)jobs,
                                  .repeats = (int)repeats,
                                  .layers = (int)layers,
                                  .tell = tell};
    char metric[64];
    const char *slo = ms_args_get(&args, "slo", NULL), *eq = slo ? strchr(slo, '=') : NULL;
    if (slo) {
        char *end = NULL;
        o.slo_us = eq ? strtod(eq + 1, &end) : 0;
        if (!eq || *end || !(o.slo_us > 0) || (size_t)(eq - slo) >= sizeof metric)
            return ms_usage(self, "--slo: '%s' is not METRIC=MICROSECONDS", slo);
        snprintf(metric, sizeof metric, "%.*s", (int)(eq - slo), slo);
        o.metric = metric;
    }
    for (int i = 0; i < args.n_options && o.n_sets < 256; i++)
        if (strcmp(args.option[i].name, "set") == 0)
            sets[o.n_sets++] = args.option[i].value;
    return advise(&args, &o);
}

const struct ms_verb ms_verb_advise = {
    .name = "advise",
    .arguments = "SCENARIO [options]",
    .summary = "What to change: placements, spare experts, exchanges, platforms; worth and cost",
    .examples = "moesim advise mine.yaml\n"
                "moesim advise mine.yaml --slo exchange.p99_us=300\n"
                "moesim advise mine.yaml --platforms rail.xml,fat-tree.xml --format json\n"
                "moesim advise mine.yaml -o plans",
    .options = options,
    .run = run,
};
