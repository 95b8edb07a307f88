/* `moesim explain`: why the tail of a result is what it is. Decides which cases of which scenario are
 * simulated again. */
#include <stdlib.h>
#include <string.h>

#include "advise/explain.h"
#include "base/file.h"
#include "base/pool.h"
#include "cli/origin.h"
#include "cli/verb.h"
#include "sweep/lines.h"

static const struct ms_option options[] = {
    {"case", 'c', "ID", "only this case (c0003); may be repeated (default: all)"},
    {"scenario", 0, "FILE", "the scenario, where the folder does not say which it is of"},
    {"set", 's', "KEY=VALUE", "as given to run, with --scenario; may be repeated"},
    {"jobs", 'j', "N", "processes at once (default: all cores)"},
    {"timeline", 0, "FILE.json",
     "also write the repeat of the slowest exchange of the first case for Perfetto"},
    {"quick", 0, NULL, "only what the time went into; nothing is simulated without it"},
    {"format", 'f', "text|json", "default: text"},
    {0}};

struct setting {
    struct ms_origin origin;
    struct ms_explain_options explain;
    const char *dir;
    bool json;
};

/* The cases that are asked for. @return how many; 0 after an error */
static size_t choose_cases(const struct ms_verb *self, const struct ms_args *a,
                           const struct ms_plan *plan, size_t *cases)
{
    size_t n = 0;
    for (int i = 0; i < a->n_options; i++) {
        size_t at = 0;
        if (strcmp(a->option[i].name, "case") != 0)
            continue;
        while (at < plan->n && strcmp(plan->store.c[at].id, a->option[i].value) != 0)
            at++;
        if (at == plan->n) {
            ms_usage(self, "there is no case '%s'; the last one is %s", a->option[i].value,
                     plan->store.c[plan->n - 1].id);
            return 0;
        }
        if (n < plan->n)
            cases[n++] = at;
    }
    for (size_t i = 0; n == 0 && i < plan->n; i++)
        cases[i] = i;
    return n > 0 ? n : plan->n;
}

static enum ms_status explain(const struct setting *q, const struct ms_plan *plan,
                              const size_t *cases, size_t n, int *signal_number, struct ms_err *err)
{
    struct ms_arena arena = {0};
    struct ms_buf text = {0};
    struct ms_explained *e = MS_NEW(&arena, struct ms_explained, n);
    enum ms_status s = e ? ms_explain(plan, cases, n, &q->explain, &arena, e, signal_number, err)
                         : ms_err_set(err, MS_NOMEM, "out of memory");
    if (s == MS_OK && q->json) {
        ms_explain_json(e, n, &text);
        s = text.failed ? ms_err_set(err, MS_NOMEM, "out of memory")
                        : ms_file_write("-", text.p, text.n, err);
    } else if (s == MS_OK) {
        ms_explain_text(e, n, stdout);
    }
    ms_buf_finish(&text);
    if (e)
        ms_explain_finish(e, n);
    ms_arena_finish(&arena);
    return s;
}

/* The folder's records must be of this very scenario. */
static enum ms_status check_study(const struct setting *q, const struct ms_plan *plan,
                                  struct ms_arena *arena, struct ms_err *err)
{
    const char *hash = ms_scenario_json_member(q->dir, "study_hash", arena);
    if (!hash)
        return ms_err_at(err, MS_INVALID, q->dir, 0, 0, NULL,
                         "holds no results (scenario.json is missing)");
    if (strcmp(hash, plan->store.study_hash.hex) != 0)
        return ms_err_at(err, MS_INVALID, q->origin.scenario, 0, 0, NULL,
                         "is not the scenario that made %s: it or its files have changed since",
                         q->dir);
    return MS_OK;
}

static int run_all(const struct ms_verb *self, const struct ms_args *a, struct setting *q,
                   struct ms_arena *arena)
{
    struct ms_study study = {0};
    struct ms_plan plan = {0};
    struct ms_inputs inputs = {0};
    struct ms_errs errs = {0};
    struct ms_err err = {0};
    int signal_number = 0, code = MS_OK;
    enum ms_status s =
        ms_study_read(&study, q->origin.scenario, q->origin.sets, q->origin.n_sets, &errs);
    if (s == MS_OK)
        s = ms_plan_make(&plan, &study, MS_USE_RUN, true, &inputs, &errs);
    if (s != MS_OK)
        ms_errs_print(stderr, &errs);
    else
        s = check_study(q, &plan, arena, &err);
    size_t *cases = s == MS_OK ? MS_NEW(arena, size_t, plan.n) : NULL;
    size_t n = cases ? choose_cases(self, a, &plan, cases) : 0;
    if (s == MS_OK && n == 0)
        code = MS_USAGE;
    else if (s == MS_OK)
        s = explain(q, &plan, cases, n, &signal_number, &err);
    if (s != MS_OK && err.status != MS_OK)
        ms_err_print(stderr, &err, "error");
    ms_plan_finish(&plan);
    ms_study_finish(&study);
    ms_inputs_finish(&inputs);
    ms_errs_finish(&errs);
    if (s == MS_INTERRUPTED)
        return 128 + signal_number;
    return code ? code : ms_exit_code(s);
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    struct ms_arena arena = {0};
    struct ms_err err = {0};
    struct setting q = {0};
    int64_t jobs = ms_cores();
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands != 1)
        return ms_usage(self, "one results folder is needed");
    const char *format = ms_args_get(&args, "format", "text");
    if (!ms_args_integer(self, &args, "jobs", 1, 4096, &jobs))
        return MS_USAGE;
    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
        return ms_usage(self, "--format: '%s' is not a format; allowed: text, json", format);
    q.dir = args.operand[0];
    q.json = strcmp(format, "json") == 0;
    q.explain = (struct ms_explain_options){.n_procs = (int)jobs,
                                            .cures = !ms_args_get(&args, "quick", NULL),
                                            .timeline = ms_args_get(&args, "timeline", NULL)};
    q.origin.scenario = ms_args_get(&args, "scenario", NULL);
    enum ms_status s = MS_OK;
    if (!q.origin.scenario) {
        s = ms_origin_read(q.dir, &arena, &q.origin, &err);
    } else {
        q.origin.sets = MS_NEW(&arena, const char *, (size_t)args.n_options + 1);
        for (int i = 0; i < args.n_options && q.origin.sets; i++)
            if (strcmp(args.option[i].name, "set") == 0)
                q.origin.sets[q.origin.n_sets++] = args.option[i].value;
    }
    int code;
    if (s != MS_OK) {
        ms_err_print(stderr, &err, "error");
        code = ms_exit_code(s);
    } else {
        code = run_all(self, &args, &q, &arena);
    }
    ms_arena_finish(&arena);
    return code;
}

const struct ms_verb ms_verb_explain = {
    .name = "explain",
    .arguments = "DIR [options]",
    .summary = "Why the tail is what it is: causes, and what it takes without each, simulated",
    .examples = "moesim explain results/compare-topologies --case c0003\n"
                "moesim explain results/mine --format json\n"
                "moesim explain results/mine --timeline slowest.json",
    .options = options,
    .run = run,
};
