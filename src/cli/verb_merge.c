/* `moesim merge`: the results of shards, joined. */
#include <stdlib.h>

#include "base/err.h"
#include "cli/verb.h"
#include "sweep/store.h"

static const struct ms_option options[] = {
    {"output", 'o', "DIR", "folder for the joined results (required)"},
    {"force", 0, NULL, "take over a folder that holds results of another scenario"},
    {0}};

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    struct ms_err err = {0};
    size_t n, missing, failed;
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    const char *out = ms_args_get(&args, "output", NULL);
    if (args.n_operands == 0)
        return ms_usage(self, "no results folder given");
    if (!out)
        return ms_usage(self, "--output=DIR is required");
    enum ms_status s =
        ms_store_merge((const char *const *)args.operand, (size_t)args.n_operands, out,
                       ms_args_get(&args, "force", NULL) != NULL, &n, &missing, &failed, &err);
    if (s != MS_OK) {
        ms_err_print(stderr, &err, "error");
        return ms_exit_code(s);
    }
    fprintf(stderr, "moesim merge: %zu of %zu cases in %s", n - missing, n, out);
    if (missing)
        fprintf(stderr, "; %zu are in none of the folders", missing);
    if (failed)
        fprintf(stderr, "; %zu failed", failed);
    fputc('\n', stderr);
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
