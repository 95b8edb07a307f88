/* Job scripts: a sweep as an array of shards, each some minutes long by the estimate, and a last job
 * that joins them. One file a scheduler starts in three roles: submit, shard K, merge. */
#include "cli/run_emit.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "report/progress.h"

const char ms_emit_names[] = "slurm|parallel";

/* What is asked of a scheduler: filled into the frame below. */
struct scheduler {
    const char *name, *submit, *task; /* shell: how all is started; the number of this shard */
};

static const char submit_slurm[] =
    "    # Slurm starts a copy of this file: a task that is killed or whose node is lost is "
    "requeued\n"
    "    # and goes on from what its folder holds. The last job waits for the end of every task.\n"
    "    array=$(sbatch --parsable --job-name=\"$NAME\" --array=\"1-$SHARDS\" --requeue \\\n"
    "        --nodes=1 --ntasks=1 --cpus-per-task=\"$JOBS\" --time=\"$MINUTES\" --open-mode=append "
    "\\\n"
    "        --output=\"$OUT.shards/%a.log\" $SBATCH_MORE \"$0\" shard)\n"
    "    sbatch --job-name=\"$NAME-merge\" --dependency=\"afterany:${array%%;*}\" --requeue \\\n"
    "        --nodes=1 --ntasks=1 --output=\"$OUT.shards/merge.log\" $SBATCH_MORE \"$0\" merge\n";

static const char submit_parallel[] =
    "    # SLOTS shards at once on each machine; with ssh: PARALLEL_MORE='--sshloginfile hosts "
    "--wd .'\n"
    "    # (the folder must be shared). A shard that fails is tried three times and goes on from "
    "what\n"
    "    # its folder holds; another start of this script runs only what is left.\n"
    "    parallel --jobs \"${SLOTS:-1}\" --retries 3 --joblog \"$OUT.shards/joblog\" "
    "$PARALLEL_MORE \\\n"
    "        bash \"$0\" shard {} ::: $(seq \"$SHARDS\") || echo \"some shards failed\" >&2\n"
    "    bash \"$0\" merge\n";

static const struct scheduler schedulers[] = {
    {"slurm", submit_slurm, "${2:-$SLURM_ARRAY_TASK_ID}"},
    {"parallel", submit_parallel, "$2"},
};
enum { N_SCHEDULERS = sizeof schedulers / sizeof *schedulers };

static const struct scheduler *find(const char *name)
{
    for (int i = 0; i < N_SCHEDULERS; i++)
        if (strcmp(schedulers[i].name, name) == 0)
            return &schedulers[i];
    return NULL;
}

bool ms_emit_known(const char *how)
{
    return find(how) != NULL;
}

/* One word of a shell's command line, whatever is in it. */
static void quoted(struct ms_buf *out, const char *word)
{
    ms_buf_adds(out, "'");
    for (const char *c = word; *c; c++)
        if (*c == '\'')
            ms_buf_adds(out, "'\\''");
        else
            ms_buf_add(out, c, 1);
    ms_buf_adds(out, "'");
}

/* Options that change what is simulated or kept, as they were given. */
static void repeat_options(const struct ms_args *a, struct ms_buf *out)
{
    static const char *const kept[] = {"set",        "samples",      "timeline",
                                       "keep-going", "case-timeout", "force"};
    for (int i = 0; i < a->n_options; i++)
        for (size_t k = 0; k < sizeof kept / sizeof *kept; k++)
            if (strcmp(a->option[i].name, kept[k]) == 0) {
                ms_buf_printf(out, " --%s", kept[k]);
                if (*a->option[i].value) {
                    ms_buf_adds(out, "=");
                    quoted(out, a->option[i].value);
                }
            }
}

struct size {
    size_t n_shards;
    double total_s, longest_s; /* of one process; of the longest shard's wall time */
};

/* Wall time of shard k: its cases on its processes, no shorter than the longest of them. */
static double shard_s(const struct ms_plan *p, size_t k, size_t n, int procs)
{
    double sum = 0, most = 0;
    for (size_t i = k; i < p->n; i += n) {
        sum += p->c[i].cost_s;
        most = fmax(most, p->c[i].cost_s);
    }
    return fmax(sum / procs, most);
}

static struct size size_of(const struct ms_emit *e)
{
    struct size z = {.n_shards = 1};
    for (size_t i = 0; i < e->plan->n; i++)
        z.total_s += e->plan->c[i].cost_s;
    double want = ceil(z.total_s / e->n_procs / (60 * e->minutes));
    if (want > 1)
        z.n_shards = want < (double)e->plan->n ? (size_t)want : e->plan->n;
    for (size_t k = 0; k < z.n_shards; k++)
        z.longest_s = fmax(z.longest_s, shard_s(e->plan, k, z.n_shards, e->n_procs));
    return z;
}

/* This program's file: what the shards run unless MOESIM names another. */
static void program(struct ms_buf *out)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    quoted(out, n > 0 ? exe : "moesim");
}

static void variables(const struct ms_emit *e, const struct size *z, struct ms_buf *out)
{
    double limit =
        ceil(3 * z->longest_s / 60) + 10; /* the estimate is one for a machine like this */
    ms_buf_adds(out, "MOESIM=${MOESIM:-");
    program(out);
    ms_buf_adds(out, "}\nSCENARIO=");
    quoted(out, e->scenario);
    ms_buf_adds(out, "\nOUT=");
    quoted(out, e->dir);
    ms_buf_adds(out, "\nNAME=");
    quoted(out, e->plan->study->base.name);
    ms_buf_printf(out, "\nSHARDS=${SHARDS:-%zu}\nJOBS=${JOBS:-%d}\nMINUTES=${MINUTES:-%.0f}\n",
                  z->n_shards, e->n_procs, limit);
    ms_buf_adds(out, "SBATCH_MORE=${SBATCH_MORE-}      # --partition, --account, …\n");
    ms_buf_adds(out, "PARALLEL_MORE=${PARALLEL_MORE-}\n");
}

bool ms_emit_script(const struct ms_emit *e, struct ms_buf *out)
{
    const struct scheduler *s = find(e->how);
    struct size z = size_of(e);
    char text[32];
    ms_buf_printf(
        out,
        "#!/bin/bash\n"
        "# %zu case%s in %zu shard%s; the longest is estimated at %s on %d process%s of a "
        "machine like the one this was written on.\n"
        "# Start it with: bash THIS-FILE      in the folder it was written in\n"
        "set -eu\n",
        e->plan->n, e->plan->n == 1 ? "" : "s", z.n_shards, z.n_shards == 1 ? "" : "s",
        ms_duration(z.longest_s, text, sizeof text), e->n_procs, e->n_procs == 1 ? "" : "es");
    variables(e, &z, out);
    ms_buf_adds(out, "\n"
                     "# Yours: what a node needs before moesim can run, and how it is run.\n"
                     "prepare() {\n"
                     "    :   # module load simgrid\n"
                     "}\n"
                     "launch() {\n"
                     "    \"$@\"   # apptainer exec moesim.sif \"$@\"\n"
                     "}\n\n"
                     "case ${1-submit} in\n"
                     "submit)\n"
                     "    mkdir -p \"$OUT.shards\"\n");
    ms_buf_adds(out, s->submit);
    ms_buf_printf(out,
                  "    ;;\n"
                  "shard)\n"
                  "    k=%s\n"
                  "    prepare\n"
                  "    launch \"$MOESIM\" run \"$SCENARIO\" --shard \"$k/$SHARDS\" -j \"$JOBS\" "
                  "-o \"$OUT.shards/$k\" --progress never",
                  s->task);
    repeat_options(e->args, out);
    ms_buf_adds(out, "\n"
                     "    ;;\n"
                     "merge)\n"
                     "    prepare\n"
                     "    launch \"$MOESIM\" merge \"$OUT.shards\"/[0-9]*/ -o \"$OUT\"\n"
                     "    ;;\n"
                     "esac\n");
    return !out->failed;
}
