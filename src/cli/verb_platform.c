/* `moesim platform generate|import|check|show`: write, import, check or describe a platform file. */
#include <string.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/platform_verbs.h"
#include "cli/verb.h"
#include "cluster/platform.h"
#include "sim/route_check.h"

static const struct ms_option no_options[] = {{0}};

static const struct ms_option check_options[] = {
    {"quiet", 'q', NULL, "say nothing about files that are good"},
    {"no-routes", 0, NULL, "only the file itself; do not ask SimGrid for its routes"},
    {0}};

static const struct ms_verb check_verb = {
    .name = "platform check",
    .arguments = "FILE… [options]",
    .summary = "Check platform files before SimGrid sees them: elements, units, names, radicals, "
               "files they refer to;\n"
               "then the routes, asked of SimGrid in a child of its own: every pair, transit "
               "through third GPUs, idle\n"
               "parallel links. All errors of a file at once (at most 20), as FILE:LINE: error: …; "
               "exit code 3.",
    .examples = "moesim platform check platforms/rail-8x8.xml\nmoesim platform check *.xml",
    .options = check_options,
};

/* One file: its structure, then its routes. Adds to n_errors. */
static enum ms_status check_one(const char *path, bool routes, bool quiet, size_t *n_errors)
{
    struct ms_errs errs = {0};
    struct ms_platform p;
    struct ms_route_summary sum = {0};
    enum ms_status s = ms_platform_read(path, &p, &errs);
    if (s == MS_OK && routes)
        s = ms_route_check(&p, &sum, &errs);
    ms_errs_print(stderr, &errs);
    if (s == MS_OK && !quiet)
        printf("%s: ok: %d hosts, %d node%s, %d links%s%s\n", path, p.n_hosts, p.n_nodes,
               p.n_nodes == 1 ? "" : "s", p.n_links, routes ? ", " : "", routes ? sum.text : "");
    if (s == MS_NOMEM || s == MS_INTERNAL)
        fprintf(stderr, "moesim platform check: %s: %s\n", path,
                s == MS_NOMEM ? "out of memory" : "SimGrid failed");
    *n_errors += s == MS_OK ? 0 : errs.n ? errs.n : 1;
    ms_platform_finish(&p);
    ms_errs_finish(&errs);
    return s;
}

static int check(int argc, char **argv)
{
    struct ms_args args;
    size_t n = 0;
    int stop = ms_args_parse(&check_verb, argc, argv, &args), code = MS_OK;
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands == 0)
        return ms_usage(&check_verb, "no file given");
    bool routes = !ms_args_get(&args, "no-routes", NULL),
         quiet = ms_args_get(&args, "quiet", NULL) != NULL;
    for (int i = 0; i < args.n_operands; i++) {
        int one = ms_exit_code(check_one(args.operand[i], routes, quiet, &n));
        code = one > code ? one : code;
    }
    if (n)
        fprintf(stderr, "%zu error%s\n", n, n == 1 ? "" : "s");
    return code;
}

static const char *const words[] = {"generate", "import", "check", "show"};

static const char *word(size_t i)
{
    return i < 4 ? words[i] : NULL;
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    char list[128];
    if (argc < 2)
        return ms_usage(self, "say what to do: generate, import, check or show");
    if (!strcmp(argv[1], "generate"))
        return ms_platform_generate(argc - 1, argv + 1);
    if (!strcmp(argv[1], "import"))
        return ms_platform_import(argc - 1, argv + 1);
    if (!strcmp(argv[1], "check"))
        return check(argc - 1, argv + 1);
    if (!strcmp(argv[1], "show"))
        return ms_platform_show(argc - 1, argv + 1);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        ms_help_verb(stdout, self);
        return MS_OK;
    }
    return ms_usage(self, "'%s' is not known%s", argv[1],
                    ms_allowed(list, sizeof list, argv[1], words, 4));
}

const struct ms_verb ms_verb_platform = {
    .name = "platform",
    .arguments = "generate TOPOLOGY | import FILE… | check FILE… | show FILE  [options]",
    .summary =
        "Write, check or describe a cluster as a SimGrid platform file\n"
        "Each has its own --help:\n"
        "  generate   a topology: star, nvlink, rail, rail-only, fat-tree, dragonfly, "
        "dragonfly-plus, torus,\n"
        "             multi-plane, hyperx (moesim platform generate --help)\n"
        "  import     ibnetdiscover, NCCL, Slurm and SimAI descriptions of a real cluster\n"
        "  check      a file's structure and its routes, all errors with their lines\n"
        "  show       nodes, links by kind, switches, cables, bisection, a pair's route, a picture",
    .examples = "moesim platform generate rail --nodes 8 --gpus-per-node 8 -o rail-8x8.xml\n"
                "moesim platform show rail-8x8.xml --svg rail-8x8.svg\n"
                "moesim platform show rail-8x8.xml --route gpu0 gpu63\n"
                "moesim platform check rail-8x8.xml",
    .options = no_options,
    .run = run,
    .word = word,
};
