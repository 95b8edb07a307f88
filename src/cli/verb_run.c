/* `moesim run`: every case of the scenarios, simulated into results folders. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/pool.h"
#include "cli/origin.h"
#include "cli/run_emit.h"
#include "cli/run_watch.h"
#include "cli/verb.h"
#include "report/overview.h"
#include "sweep/run.h"
#include "sweep/shards.h"

static const struct ms_option options[] = {
    {"jobs", 'j', "N", "processes at once (default: all cores)"},
    {"output", 'o', "DIR",
     "results folder (default: results/NAME; several scenarios: DIR/NAME each)"},
    {"set", 's', "KEY=VALUE",
     "replace a key of the scenarios, or a sweep axis (VALUE is YAML); may be repeated"},
    {"format", 'f', "table|csv|jsonl", "what to print when all is done (default: table)"},
    {"shard", 0, "K/N",
     "only every Nth case, starting with the Kth of 1..N; join with `moesim merge`"},
    {"dry-run", 'n', NULL, "list the cases and their estimated cost; simulate nothing"},
    {"emit", 0, "slurm|parallel",
     "print a job script instead: the cases as an array of shards, and a last job that joins them"},
    {"shard-minutes", 0, "N", "how long a shard of --emit shall take (default: 10)"},
    {"keep-going", 'k', NULL, "record cases with invalid input as failed and run the others"},
    {"progress", 0, "auto|always|never", "progress bar on stderr (default: when it is a terminal)"},
    {"quiet", 'q', NULL, "no bar, no table, no closing line: only warnings and errors"},
    {"samples", 0, NULL, "also write samples/cNNNN.csv: every exchange and rank time"},
    {"timeline", 0, NULL, "also write trace/cNNNN.json for Perfetto: a case's first repeat"},
    {"causes", 0, NULL,
     "records also say what the slowest exchanges went into (`moesim explain` does by itself)"},
    {"case-timeout", 0, "SECONDS",
     "give a case up after this wall time (default: 3600; 0 = never)"},
    {"force", 0, NULL, "take over a folder that holds results of another scenario"},
    {0}};

enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSONL };

struct job {
    struct ms_study study;
    struct ms_plan plan;
    struct ms_errs errs;
    const char *path;
    char dir[4096];
};

struct setting {
    struct ms_run_options run;
    enum format format;
    enum ms_progress_when progress;
    bool dry_run, keep_going, quiet;
    const char *emit; /* NULL: simulate */
    double shard_minutes;
    const struct ms_args *args;
    const char *output;
    const char *sets[256];
    size_t n_sets;
};

/* ---- the command line ---- */

static int parse_word(const char *text, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    return -1;
}

static int parse_shard(const struct ms_verb *self, const char *text, struct setting *s)
{
    char k[24];
    int64_t shard, of;
    const char *slash = strchr(text, '/');
    snprintf(k, sizeof k, "%.*s", slash ? (int)(slash - text) : 0, text);
    if (!slash || !ms_integer_parse(slash + 1, 1, 1000000, &of) ||
        !ms_integer_parse(k, 1, of, &shard))
        return ms_usage(self, "--shard: '%s' is not K/N with 1 <= K <= N", text);
    s->run.shard = (size_t)shard;
    s->run.n_shards = (size_t)of;
    return MS_OK;
}

static int parse_words(const struct ms_verb *self, const struct ms_args *a, struct setting *s)
{
    static const char *const formats[] = {"table", "csv", "jsonl", NULL};
    static const char *const whens[] = {"auto", "always", "never", NULL};
    const char *format = ms_args_get(a, "format", "table"),
               *when = ms_args_get(a, "progress", "auto");
    int f = parse_word(format, formats), w = parse_word(when, whens);
    if (f < 0)
        return ms_usage(self, "--format: '%s' is not a format; allowed: table, csv, jsonl", format);
    if (w < 0)
        return ms_usage(self, "--progress: '%s' is not one of auto, always, never", when);
    s->format = (enum format)f;
    s->quiet = ms_args_get(a, "quiet", NULL) != NULL;
    s->progress = s->quiet ? MS_PROGRESS_NEVER : (enum ms_progress_when)w;
    return MS_OK;
}

static int parse_emit(const struct ms_verb *self, const struct ms_args *a, struct setting *s)
{
    int64_t minutes = 10;
    s->emit = ms_args_get(a, "emit", NULL);
    if (!ms_args_integer(self, a, "shard-minutes", 1, 100000, &minutes))
        return MS_USAGE;
    s->shard_minutes = (double)minutes;
    if (!s->emit)
        return ms_args_get(a, "shard-minutes", NULL)
                   ? ms_usage(self, "--shard-minutes belongs to --emit")
                   : MS_OK;
    if (!ms_emit_known(s->emit))
        return ms_usage(self, "--emit: '%s' is not one of slurm, parallel", s->emit);
    if (a->n_operands != 1 || strcmp(a->operand[0], "-") == 0)
        return ms_usage(self, "--emit takes one scenario's file");
    if (s->dry_run || ms_args_get(a, "shard", NULL))
        return ms_usage(self, "--emit cuts the shards itself: no --shard or --dry-run beside it");
    return MS_OK;
}

static int parse(const struct ms_verb *self, const struct ms_args *a, struct setting *s)
{
    int64_t n = ms_cores();
    const char *jobs = ms_args_get(a, "jobs", NULL),
               *timeout = ms_args_get(a, "case-timeout", "3600");
    char *end;
    *s = (struct setting){
        .run = {.shard = 1, .n_shards = 1}, .args = a, .output = ms_args_get(a, "output", NULL)};
    if (a->n_operands == 0)
        return ms_usage(self, "no scenario given");
    if (jobs && !ms_integer_parse(jobs, 1, 4096, &n))
        return ms_usage(self, "--jobs: '%s' is not a number of processes (1 to 4096)", jobs);
    s->run.n_procs = (int)n;
    s->run.timeout_s = strtod(timeout, &end);
    if (*end || end == timeout || !(s->run.timeout_s >= 0) || s->run.timeout_s > 1e9)
        return ms_usage(self, "--case-timeout: '%s' is not a number of seconds", timeout);
    s->run.samples = ms_args_get(a, "samples", NULL) != NULL;
    s->run.timeline = ms_args_get(a, "timeline", NULL) != NULL;
    s->run.causes = ms_args_get(a, "causes", NULL) != NULL;
    s->run.force = ms_args_get(a, "force", NULL) != NULL;
    s->dry_run = ms_args_get(a, "dry-run", NULL) != NULL;
    s->keep_going = ms_args_get(a, "keep-going", NULL) != NULL;
    for (int i = 0; i < a->n_options; i++)
        if (strcmp(a->option[i].name, "set") == 0)
            s->sets[s->n_sets++] = a->option[i].value;
    const char *shard = ms_args_get(a, "shard", NULL);
    int code = shard ? parse_shard(self, shard, s) : MS_OK;
    code = code ? code : parse_emit(self, a, s);
    return code ? code : parse_words(self, a, s);
}

/* ---- reading: everything is checked before anything is simulated ---- */

static enum ms_status read_job(struct job *j, const char *path, const struct setting *s,
                               struct ms_inputs *inputs)
{
    j->path = path;
    enum ms_status status = ms_study_open(&j->study, path, s->sets, s->n_sets, &j->errs);
    bool read = status == MS_OK;
    if (read || status == MS_INVALID) /* then the plan tells what else is wrong with it */
        status = ms_plan_make(&j->plan, &j->study, MS_USE_RUN, true, inputs, &j->errs);
    ms_errs_print(stderr, &j->errs);
    /* with --keep-going a plan whose cases are named is good enough */
    read = read && !j->plan.misread;
    return s->keep_going && read && status == MS_INVALID && j->plan.n > 0 ? MS_OK : status;
}

static int name_folders(const struct ms_verb *self, struct job *j, int n, const struct setting *s)
{
    for (int i = 0; i < n; i++) {
        const char *name = j[i].study.base.name;
        if (n == 1 && s->output)
            snprintf(j[i].dir, sizeof j[i].dir, "%s", s->output);
        else
            snprintf(j[i].dir, sizeof j[i].dir, "%s/%s", s->output ? s->output : "results", name);
        for (int k = 0; k < i; k++)
            if (strcmp(j[k].dir, j[i].dir) == 0)
                return ms_usage(
                    self, "two scenarios are named '%s': their results would share a folder", name);
    }
    return MS_OK;
}

/* ---- --dry-run ---- */

static void list_cases(const struct job *j, const struct setting *s)
{
    struct ms_term term = ms_term_of(stdout);
    struct ms_table *t = ms_table_create();
    char text[32];
    double total = 0, longest = 0;
    size_t n = 0;
    ms_table_column(t, "case", MS_LEFT, false);
    for (int a = 0; a < j->study.n_axes; a++)
        ms_table_column(t, ms_study_axis_key(&j->study, a), MS_LEFT, false);
    ms_table_column(t, "estimated", MS_RIGHT, false);
    ms_table_column(t, "memory", MS_RIGHT, false);
    for (size_t i = s->run.shard - 1; i < j->plan.n; i += s->run.n_shards, n++) {
        struct ms_case c = {0};
        double cost = j->plan.c[i].cost_s;
        if (ms_study_case(&j->study, i, &c, NULL) != MS_OK)
            break;
        ms_table_row(t);
        ms_table_cell(t, MS_PLAIN, "%s", j->plan.store.c[i].id);
        for (int a = 0; a < c.n_axes; a++)
            ms_table_cell(t, MS_PLAIN, "%s", c.axis[a].label);
        if (j->plan.c[i].invalid)
            ms_table_cell(t, MS_RED, "invalid");
        else
            ms_table_cell(t, MS_PLAIN, cost < 1 ? "%.2g s" : cost < 10 ? "%.1f s" : "%.0f s", cost);
        ms_table_cell(t, MS_PLAIN, "%.0f MB", j->plan.c[i].memory_bytes / 1e6);
        total += cost;
        longest = cost > longest ? cost : longest;
        ms_case_finish(&c);
    }
    ms_table_print(t, stdout, &term);
    ms_table_destroy(t);
    double wall = total / s->run.n_procs > longest ? total / s->run.n_procs : longest;
    printf("%zu case%s of '%s', estimated %s on %d process%s; nothing was simulated\n", n,
           n == 1 ? "" : "s", j->study.base.name, ms_duration(wall, text, sizeof text),
           s->run.n_procs, s->run.n_procs == 1 ? "" : "es");
}

/* ---- --emit ---- */

static int emit(const struct job *j, const char *path, const struct setting *s)
{
    struct ms_emit e = {.how = s->emit,
                        .scenario = path,
                        .dir = j->dir,
                        .plan = &j->plan,
                        .args = s->args,
                        .n_procs = s->run.n_procs,
                        .minutes = s->shard_minutes};
    struct ms_buf script = {0};
    bool made = ms_emit_script(&e, &script);
    if (made)
        fwrite(script.p, 1, script.n, stdout);
    else
        fprintf(stderr, "moesim run: error: out of memory\n");
    ms_buf_finish(&script);
    return made ? MS_OK : MS_INTERNAL;
}

/* ---- running ---- */

static enum ms_status print_file(const char *dir, const char *name)
{
    char path[4200];
    struct ms_buf b = {0};
    struct ms_err err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    enum ms_status s = ms_file_read(path, &b, &err);
    if (s == MS_OK)
        fwrite(b.p ? b.p : "", 1, b.n, stdout);
    else
        ms_err_print(stderr, &err, "error");
    ms_buf_finish(&b);
    return s;
}

static enum ms_status print_results(const struct job *j, enum format format)
{
    if (format != FORMAT_TABLE)
        return print_file(j->dir, format == FORMAT_CSV ? "summary.csv" : "results.jsonl");
    return ms_print_overview(j->dir);
}

/* @return an exit code; 128 + the signal that interrupted it */
static int run_job(struct job *j, const struct setting *s)
{
    struct ms_run_talk talk = {.verb = "run",
                               .bar = ms_progress_start(stderr, j->study.base.name, s->progress)};
    struct ms_run_watch watch = ms_run_watch_of(&talk);
    struct ms_run_options o = s->run;
    struct ms_run_state st;
    struct ms_err err = {0};
    int sig;
    o.dir = j->dir;
    enum ms_status status = ms_plan_run(&j->plan, &o, &watch, &st, &sig, &err);
    ms_run_tell_dropped(&talk);
    if (status != MS_OK && status != MS_FAILED && status != MS_INTERRUPTED) {
        ms_err_print(stderr, &err, "error");
        return ms_exit_code(status);
    }
    if (ms_shard_note(j->dir, o.shard, o.n_shards, &err) != MS_OK ||
        ms_origin_write(j->dir, j->path, s->sets, s->n_sets, &err) != MS_OK)
        ms_err_print(stderr, &err, "error");
    enum ms_status printed = st.n_done > 0 && !s->quiet ? print_results(j, s->format) : MS_OK;
    fflush(stdout);
    if (!s->quiet || status != MS_OK)
        ms_run_tell_end(&talk, &st, j->dir, status, &err);
    if (status == MS_INTERRUPTED)
        return 128 + sig;
    return status != MS_OK ? ms_exit_code(status) : ms_exit_code(printed);
}

static int run_all(const struct ms_verb *self, struct job *j, char **paths, int n,
                   const struct setting *s, struct ms_inputs *inputs)
{
    int code = MS_OK;
    for (int i = 0; i < n; i++) {
        enum ms_status status = read_job(&j[i], paths[i], s, inputs);
        if (status != MS_OK && (code == MS_OK || ms_exit_code(status) > code))
            code = ms_exit_code(status);
    }
    if (code != MS_OK) {
        fprintf(stderr, "nothing was simulated\n");
        return code;
    }
    code = name_folders(self, j, n, s);
    for (int i = 0; code == MS_OK && s->dry_run && i < n; i++)
        list_cases(&j[i], s);
    if (code == MS_OK && s->emit)
        return emit(&j[0], paths[0], s);
    for (int i = 0; !s->dry_run && i < n && (code == MS_OK || code == MS_FAILED); i++) {
        int this = run_job(&j[i], s);
        code = this != MS_OK ? this : code;
    }
    return code;
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    struct setting s;
    struct ms_inputs inputs = {0};
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    int code = parse(self, &args, &s);
    if (code)
        return code;
    struct job *j = calloc((size_t)args.n_operands, sizeof *j);
    if (!j) {
        fprintf(stderr, "moesim run: error: out of memory\n");
        return MS_INTERNAL;
    }
    code = run_all(self, j, args.operand, args.n_operands, &s, &inputs);
    for (int i = 0; i < args.n_operands; i++) {
        ms_plan_finish(&j[i].plan);
        ms_study_finish(&j[i].study);
        ms_errs_finish(&j[i].errs);
    }
    ms_inputs_finish(&inputs);
    free(j);
    return code;
}

const struct ms_verb ms_verb_run = {
    .name = "run",
    .arguments = "SCENARIO… [options]",
    .summary = "Simulate every case of a scenario; resumes what was interrupted",
    .examples = "moesim run scenarios/compare-topologies.yaml\n"
                "moesim run mine.yaml --set repeats=2 -j 4 -o results/quick\n"
                "moesim run mine.yaml --dry-run\n"
                "moesim run mine.yaml --shard 1/3 -o results/part1\n"
                "moesim run mine.yaml --emit slurm -j 16 > job.sh; bash job.sh",
    .options = options,
    .run = run,
};
