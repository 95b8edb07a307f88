/* `moesim demo`: everything at once in half a minute, from what the program ships. */
#include "base/clock.h"
#include "cli/demo.h"
#include "cli/verb.h"

static const struct ms_option options[] = {
    {"output", 'o', "DIR", "where everything goes (default: results/demo)"},
    {"quiet", 'q', NULL, "the findings alone, not the commands"},
    {0}};

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    struct ms_err err = {0};
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands)
        return ms_usage(self, "it takes no operand ('%s')", args.operand[0]);
    const char *dir = ms_args_get(&args, "output", "results/demo");
    FILE *nowhere = ms_args_get(&args, "quiet", NULL) ? fopen("/dev/null", "we") : NULL;
    FILE *talk = nowhere ? nowhere : stderr;
    double start = ms_clock_s();
    fprintf(talk, "moesim demo runs these commands, some side by side:\n");
    enum ms_status s = ms_demo_run(dir, talk, &err);
    if (s == MS_OK)
        s = ms_demo_find(dir, stdout, &err);
    if (s == MS_OK)
        fprintf(talk, "moesim demo: %.0f s; everything is in %s\n", ms_clock_s() - start, dir);
    else
        ms_err_print(stderr, &err, "error");
    if (nowhere)
        fclose(nowhere);
    return ms_exit_code(s);
}

const struct ms_verb ms_verb_demo = {
    .name = "demo",
    .arguments = "[options]",
    .summary = "Everything at once in half a minute: train, profile, evaluate, simulate, report",
    .examples = "moesim demo\nmoesim demo -o /tmp/demo",
    .options = options,
    .run = run,
};
