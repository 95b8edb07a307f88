/* `moesim merge`: the results of shards, joined. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/verb.h"
#include "sweep/shards.h"
#include "sweep/store.h"

static const struct ms_option options[] = {
    {"output", 'o', "DIR", "folder for the joined results (required)"},
    {"force", 0, NULL, "take over a folder that holds results of another scenario"},
    {0}};

/* Which shards are missing or there twice, a line each. */
static void name_shards(const struct ms_args *a, size_t n_cases)
{
    struct ms_buf told = {0};
    struct ms_err err = {0};
    enum ms_status s = ms_shards_tell((const char *const *)a->operand, (size_t)a->n_operands,
                                      n_cases, &told, &err);
    if (s != MS_OK)
        ms_err_print(stderr, &err, "error");
    for (const char *line = told.p ? told.p : ""; *line;) {
        size_t n = strcspn(line, "\n");
        ms_print_clean(stderr, "moesim merge: %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
    ms_buf_finish(&told);
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    struct ms_err err = {0};
    struct ms_errs warnings = {0};
    size_t n, missing, failed;
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    const char *out = ms_args_get(&args, "output", NULL);
    if (args.n_operands == 0)
        return ms_usage(self, "no results folder given");
    if (!out)
        return ms_usage(self, "--output=DIR is required");
    enum ms_status s = ms_store_merge((const char *const *)args.operand, (size_t)args.n_operands,
                                      out, ms_args_get(&args, "force", NULL) != NULL, &n, &missing,
                                      &failed, &warnings, &err);
    ms_errs_print(stderr, &warnings);
    ms_errs_finish(&warnings);
    if (s != MS_OK) {
        ms_err_print(stderr, &err, "error");
        return ms_exit_code(s);
    }
    ms_print_clean(stderr, "moesim merge: %zu of %zu cases in %s", n - missing, n, out);
    if (missing)
        fprintf(stderr, "; %zu are in none of the folders", missing);
    if (failed)
        fprintf(stderr, "; %zu failed", failed);
    fputc('\n', stderr);
    name_shards(&args, n);
    return missing || failed ? MS_FAILED : MS_OK;
}

const struct ms_verb ms_verb_merge = {
    .name = "merge",
    .arguments = "DIR… -o DIR",
    .summary = "Join the results of shards, byte-identical to the run that was never split",
    .examples = "moesim merge results/part1 results/part2 results/part3 -o results/whole",
    .options = options,
    .run = run,
};
