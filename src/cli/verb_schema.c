/* `moesim schema`: the scenario file as JSON Schema, so that editors complete and refuse what the
 * reader would. */
#include "base/err.h"
#include "base/file.h"
#include "cli/verb.h"
#include "scenario/scenario.h"

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    struct ms_buf out = {0};
    struct ms_err err = {0};
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands > 0)
        return ms_usage(self, "takes no argument, not '%s'", args.operand[0]);
    ms_scenario_schema(&out);
    ms_buf_adds(&out, "\n");
    enum ms_status s = out.failed ? ms_err_set(&err, MS_NOMEM, "out of memory")
                                  : ms_file_write("-", out.p, out.n, &err);
    if (s != MS_OK)
        ms_err_print(stderr, &err, "error");
    ms_buf_finish(&out);
    return ms_exit_code(s);
}

const struct ms_verb ms_verb_schema = {
    .name = "schema",
    .arguments = "",
    .summary = "Print the JSON Schema (draft-07) of the scenario file",
    .examples = "moesim schema > scenario.schema.json",
    .options = (const struct ms_option[]){{0}},
    .run = run,
};
