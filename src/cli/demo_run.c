/* The steps of `moesim demo`: a table of the program's own commands. Those of one stage do not need
 * each other and run side by side. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/inflate.h"
#include "base/shipped.h"
#include "cli/cli.h"
#include "cli/demo.h"

enum { MOST_WORDS = 20, MOST_AT_ONCE = 4 };

const char *const ms_demo_models[MS_DEMO_MODELS] = {"unbalanced", "balanced"};

/* %D stands for the demo's folder, %S for the shipped scenarios. What a command prints goes to
 * `out`, if there is one. */
static const struct step {
    int stage;
    const char *out;
    const char *word[MOST_WORDS];
} steps[] = {
    {0,
     NULL,
     {"train", "%S/demo/train.yaml", "-o", "%D/unbalanced", "--force", "-j1", "--set",
      "train.losses={}"}},
    {0, NULL, {"train", "%S/demo/train.yaml", "-o", "%D/balanced", "--force", "-j1"}},
    {1,
     NULL,
     {"profile", "%D/unbalanced/checkpoint", "--text", "%D/heldout.txt", "-o",
      "%D/unbalanced/profile"}},
    {1,
     NULL,
     {"profile", "%D/balanced/checkpoint", "--text", "%D/heldout.txt", "-o",
      "%D/balanced/profile"}},
    {1,
     "%D/unbalanced/evaluation.json",
     {"evaluate", "%D/unbalanced/checkpoint", "--text", "%D/heldout.txt", "--losses", "--format",
      "json"}},
    {1,
     "%D/assignment_strategies.json",
     {"evaluate", "%D/balanced/checkpoint", "--text", "%D/heldout.txt", "--assignment", "all",
      "--exclude", "0", "--losses", "--format", "json"}},
    {2, NULL, {"run", "%S/imbalance-levels.yaml", "-o", "%D/simulation", "--force"}},
    {2, NULL, {"run", "%D/trained-loads.yaml", "-o", "%D/trained-loads", "--force"}},
    {3,
     "%D/simulation_results.json",
     {"compare", "%D/simulation", "--by", "routing.popularity.level", "--format", "json"}},
    {3, "%D/trained_loads.json", {"compare", "%D/trained-loads", "--format", "json"}},
    {3,
     NULL,
     {"compare", "%D/simulation", "--x", "routing.popularity.level", "--by", "platform", "--plot",
      "%D/communication_comparison.svg"}},
    {3,
     NULL,
     {"compare", "%D/simulation", "--x", "routing.popularity.level", "--by", "platform", "--plot",
      "%D/communication_comparison.png"}},
    {4, NULL, {"report", "%D/simulation", "--by", "routing.popularity.level", "-o", "%D"}},
};
enum { N_STEPS = sizeof steps / sizeof *steps };

/* Files of the shipped scenarios that the demo's folder gets a copy of. */
static const char *const copies[][2] = {
    {"scenarios/demo/trained-loads.yaml", "trained-loads.yaml"},
    {"platforms/star-8-100g.xml", "star-8-100g.xml"},
    {"platforms/fat-tree2-8-100g-oversub4.xml", "fat-tree2-8-100g-oversub4.xml"},
    {"platforms/dragonfly-8-100g.xml", "dragonfly-8-100g.xml"},
    {"platforms/ring-8-100g.xml", "ring-8-100g.xml"},
};

/* A command under way. */
struct job {
    const struct step *step;
    char *argv[MOST_WORDS + 1];
    int argc;
    char *out;
    struct ms_child child;
    bool running;
};

/* A word of the table with its folders put in. NULL: no memory */
static char *expand(const char *word, const char *dir)
{
    char folder[4096], *text = NULL;
    const char *rest = word[0] == '%' ? word + 2 : word;
    const char *head = "";
    if (word[0] == '%')
        head = word[1] == 'D' ? dir : ms_shipped("scenarios", folder, sizeof folder);
    return asprintf(&text, "%s%s", head, rest) < 0 ? NULL : text;
}

static void job_finish(struct job *j)
{
    for (int i = 0; i < j->argc; i++)
        free(j->argv[i]);
    free(j->out);
    ms_child_finish(&j->child);
    *j = (struct job){0};
}

static bool job_make(struct job *j, const struct step *step, const char *dir)
{
    bool ok = true;
    j->step = step;
    for (; step->word[j->argc]; j->argc++)
        ok = (j->argv[j->argc] = expand(step->word[j->argc], dir)) && ok;
    j->out = step->out ? expand(step->out, dir) : NULL;
    return ok && (j->out || !step->out);
}

/* In the child: the verb itself. Its table or JSON goes to the file, words on stderr to the
 * parent. */
static int work(void *ctx, int answer_fd)
{
    struct job *j = ctx;
    if (!freopen(j->out ? j->out : "/dev/null", "w", stdout))
        return MS_IO;
    const struct ms_verb *v = ms_verb_find(j->argv[0]);
    int code = v->run(j->argc, j->argv, v);
    return fflush(stdout) == 0 ? code : MS_IO;
}

static void show_command(const struct job *j, FILE *talk)
{
    fprintf(talk, "  moesim");
    for (int i = 0; i < j->argc; i++)
        fprintf(talk, " %s", j->argv[i]);
    fprintf(talk, "%s%s", j->out ? " > " : "", j->out ? j->out : "");
    fprintf(talk, "   (%.1f s)\n", ms_clock_s() - j->child.started_s);
}

/* Everything it had to say has come: was it good? */
static enum ms_status job_end(struct job *j, FILE *talk, struct ms_err *err)
{
    int status = ms_child_reap(&j->child, false, NULL);
    j->running = false;
    show_command(j, talk);
    if (status == 0)
        return MS_OK;
    return ms_err_set(err, MS_FAILED, "moesim %s failed: %s", j->argv[0],
                      j->child.talk.p ? j->child.talk.p : "it said nothing");
}

static enum ms_status run_stage(struct job *job, int n, FILE *talk, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    int left = 0;
    for (int i = 0; i < n && s == MS_OK; i++) {
        s = ms_child_start(&job[i].child, work, &job[i], err);
        job[i].running = s == MS_OK;
        left += job[i].running;
    }
    while (left > 0 && s == MS_OK) {
        poll(NULL, 0, 20);
        for (int i = 0; i < n && s == MS_OK; i++)
            if (job[i].running && ms_child_read(&job[i].child)) {
                s = job_end(&job[i], talk, err);
                left--;
            }
    }
    return s;
}

static enum ms_status copy_inputs(const char *dir, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    for (size_t i = 0; s == MS_OK && i < sizeof copies / sizeof *copies; i++) {
        char from[4096], to[4200];
        struct ms_buf b = {0};
        snprintf(to, sizeof to, "%s/%s", dir, copies[i][1]);
        s = ms_file_read(ms_shipped(copies[i][0], from, sizeof from), &b, err);
        if (s == MS_OK)
            s = ms_file_write(to, b.p, b.n, err);
        ms_buf_finish(&b);
    }
    return s;
}

/* The end of the text, which scenarios/demo/train.yaml keeps back (heldout: 0.02). */
static enum ms_status write_heldout(const char *dir, struct ms_err *err)
{
    char from[4096], to[4200];
    struct ms_buf b = {0};
    snprintf(to, sizeof to, "%s/heldout.txt", dir);
    enum ms_status s = ms_file_read_unpacked(
        NULL, ms_shipped("scenarios/data/jargon.txt.gz", from, sizeof from), 0, &b, err);
    size_t n = b.n / 50;
    if (s == MS_OK)
        s = ms_file_write(to, b.p + (b.n - n), n, err);
    ms_buf_finish(&b);
    return s;
}

enum ms_status ms_demo_run(const char *dir, FILE *talk, struct ms_err *err)
{
    enum ms_status s = ms_dir_make(dir, err);
    if (s == MS_OK)
        s = copy_inputs(dir, err);
    if (s == MS_OK)
        s = write_heldout(dir, err);
    for (int first = 0, n; s == MS_OK && first < N_STEPS; first += n) {
        struct job job[MOST_AT_ONCE] = {0};
        for (n = 0; first + n < N_STEPS && steps[first + n].stage == steps[first].stage; n++)
            if (!job_make(&job[n], &steps[first + n], dir))
                s = ms_err_set(err, MS_NOMEM, "out of memory");
        if (s == MS_OK)
            s = run_stage(job, n, talk, err);
        for (int i = 0; i < n; i++)
            job_finish(&job[i]);
    }
    return s;
}
