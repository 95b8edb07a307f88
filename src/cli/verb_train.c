/* `moesim train`: train or fine-tune the language model of a scenario; goes on where it was
 * stopped. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"
#include "cli/moe_args.h"
#include "cli/run_watch.h"
#include "moe/train.h"
#include "scenario/scenario.h"
#include "sweep/plan.h"

static const struct ms_option options[] = {
    {"output", 'o', "DIR",
     "folder of the run (default: results/NAME); with a sweep a folder a case inside"},
    {"set", 's', "KEY=VALUE", "replace a key of the scenario (VALUE is YAML); may be repeated"},
    {"threads", 'j', "N",
     "threads, or trainings at once where the scenario has a sweep (default: all cores); the "
     "result does not depend on them"},
    {"force", 0, NULL, "start over where the folder holds another run"},
    {"progress", 0, "WHEN", "auto (default: when stderr is a terminal), always or never"},
    {"quiet", 'q', NULL, "no summary"},
    {0}};

static volatile int stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

/* What the summary and the bar show. */
struct view {
    bool bar;
    double drawn_s; /* when the bar was last drawn */
    struct ms_train_progress last;
};

static void draw(struct view *v, bool whole)
{
    const struct ms_train_progress *g = &v->last;
    double done = (double)(g->step - g->first);
    double left = done > 0 ? g->wall_s / done * (double)(g->steps - g->step) : 0;
    char heldout[40] = "";
    if (isfinite(g->heldout_ce))
        snprintf(heldout, sizeof heldout, "  held-out %.3f", g->heldout_ce);
    fprintf(stderr, "\r\033[Kstep %lld/%lld  ce %.3f%s  %.1fk tokens/s  ETA %d:%02d%s",
            (long long)g->step, (long long)g->steps, g->ce, heldout, g->tokens_per_s / 1e3,
            (int)(left / 60), (int)left % 60, whole ? "\n" : "");
    v->drawn_s = g->wall_s;
}

static void on_progress(void *ctx, const struct ms_train_progress *g)
{
    struct view *v = ctx;
    v->last = *g;
    if (v->bar && (g->step == g->steps || g->wall_s - v->drawn_s > 0.1 || g->step == g->first + 1))
        draw(v, g->step == g->steps);
}

static void summary(const struct view *v, const char *dir)
{
    const struct ms_train_progress *g = &v->last;
    if (g->steps == 0) {
        ms_print_clean(stdout, "nothing left to do: %s holds the whole run\n", dir);
        return;
    }
    printf("%lld steps (%lld now, %.1f s), cross-entropy %.4f nats", (long long)g->step,
           (long long)(g->step - g->first), g->wall_s, g->ce);
    if (isfinite(g->heldout_ce))
        printf(", held-out %.4f (perplexity %.3f)", g->heldout_ce, exp(g->heldout_ce));
    ms_print_clean(stdout, "; %s/{history.jsonl,loads.csv,checkpoint/}\n", dir);
}

static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    struct sigaction before;
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup */
        sigaction(SIGHUP, &a, NULL);
}

/* The key of a failed check stands somewhere in the file: point at it. */
static void add_place(const struct ms_scenario *s, struct ms_err *err)
{
    if (err->status != MS_INVALID || err->file[0] || !err->key[0])
        return;
    snprintf(err->file, sizeof err->file, "%s",
             ms_scenario_place(s, err->key, &err->line, &err->col));
}

static int train(const struct ms_scenario *s, const struct ms_args *args, bool bar, int threads)
{
    char dir[4096];
    struct ms_err err = {0};
    struct ms_errs warnings = {0};
    struct view view = {.bar = bar};
    const char *given = ms_args_get(args, "output", NULL);
    if (given)
        snprintf(dir, sizeof dir, "%s", given);
    else
        snprintf(dir, sizeof dir, "results/%s", s->name);
    struct ms_train_options o = {.dir = dir,
                                 .threads = threads,
                                 .force = ms_args_get(args, "force", NULL) != NULL,
                                 .stop = &stop_signal,
                                 .progress = on_progress,
                                 .ctx = &view,
                                 .warnings = &warnings};
    view.last.heldout_ce = NAN;
    catch_signals();
    enum ms_status status = ms_train_run(s->train, &o, &err);
    ms_errs_print(stderr, &warnings);
    ms_errs_finish(&warnings);
    if (status) {
        if (bar && view.last.steps > 0 && view.last.step < view.last.steps)
            fputc('\n', stderr);
        add_place(s, &err);
        int code = ms_moe_fail(&err);
        return status == MS_INTERRUPTED && stop_signal ? 128 + stop_signal : code;
    }
    if (!ms_args_get(args, "quiet", NULL))
        summary(&view, dir);
    return MS_OK;
}

/* Every case of a sweep in a folder of its own, as many at once as there are threads. */
static int train_study(const struct ms_plan *plan, const char *name, const struct ms_args *args,
                       int progress, int threads)
{
    char folder[4096];
    const char *dir = ms_args_get(args, "output", NULL);
    struct ms_run_talk talk = {.verb = "train",
                               .bar = ms_progress_start(stderr, name,
                                                        progress == 0   ? MS_PROGRESS_AUTO
                                                        : progress == 1 ? MS_PROGRESS_ALWAYS
                                                                        : MS_PROGRESS_NEVER)};
    struct ms_run_watch watch = ms_run_watch_of(&talk);
    struct ms_run_state st;
    struct ms_err err = {0};
    int sig;
    snprintf(folder, sizeof folder, "results/%s", name);
    dir = dir ? dir : folder;
    struct ms_run_options o = {.dir = dir,
                               .n_procs = threads,
                               .shard = 1,
                               .n_shards = 1,
                               .force = ms_args_get(args, "force", NULL) != NULL,
                               .train = true};
    enum ms_status status = ms_plan_run(plan, &o, &watch, &st, &sig, &err);
    ms_run_tell_dropped(&talk);
    if (status != MS_OK && status != MS_FAILED && status != MS_INTERRUPTED) {
        ms_err_print(stderr, &err, "error");
        return ms_exit_code(status);
    }
    if (st.n_done > 0 && !ms_args_get(args, "quiet", NULL))
        ms_print_overview(dir);
    fflush(stdout);
    ms_run_tell_end(&talk, &st, dir, status, &err);
    return status == MS_INTERRUPTED ? 128 + sig : ms_exit_code(status);
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    static const char *const when[] = {"auto", "always", "never", NULL};
    struct ms_args args;
    struct ms_study study = {0};
    struct ms_plan plan = {0};
    struct ms_inputs inputs = {0};
    struct ms_errs errs = {0};
    const char *sets[256];
    size_t n_sets = 0;
    int64_t threads = ms_cores();
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands != 1)
        return ms_usage(self, args.n_operands ? "one scenario at a time" : "no scenario given");
    int progress = ms_moe_word(self, &args, "progress", when, 0);
    if (progress < 0 || !ms_args_integer(self, &args, "threads", 1, 1024, &threads))
        return MS_USAGE;
    for (int i = 0; i < args.n_options; i++)
        if (strcmp(args.option[i].name, "set") == 0)
            sets[n_sets++] = args.option[i].value;
    enum ms_status s = ms_study_read(&study, args.operand[0], sets, n_sets, &errs);
    if (s == MS_OK)
        s = ms_plan_make(&plan, &study, MS_USE_TRAIN, false, &inputs, &errs);
    ms_errs_print(stderr, &errs);
    int code = ms_exit_code(s);
    if (s == MS_OK && study.n_axes > 0)
        code = train_study(&plan, study.base.name, &args, progress, (int)threads);
    else if (s == MS_OK)
        code = train(&study.base, &args, progress == 1 || (progress == 0 && isatty(STDERR_FILENO)),
                     (int)threads);
    ms_errs_finish(&errs);
    ms_plan_finish(&plan);
    ms_inputs_finish(&inputs);
    ms_study_finish(&study);
    return code;
}

const struct ms_verb ms_verb_train = {
    .name = "train",
    .arguments = "SCENARIO [options]",
    .summary = "Train or fine-tune the MoE language model; resumes exactly",
    .examples =
        "moesim train scenarios/train-jargon.yaml\n"
        "moesim train losses.yaml -o results/losses && moesim compare results/losses\n"
        "moesim train mine.yaml -o runs/a --set train.losses.switch=0.02\n"
        "moesim train mine.yaml -o runs/b --set train.init=mixtral-folder --set train.steps=200",
    .options = options,
    .run = run,
};
