/* `moesim fidelity`: measurements as scenarios, measured against simulated. Decides which files are
 * read and which bounds apply to them. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shipped.h"
#include "base/units.h"
#include "cli/verb.h"
#include "fidelity/fidelity.h"
#include "hardware/hardware.h"
#include "report/fidelity_print.h"

static const struct ms_option options[] = {
    {"family", 0, "FAMILY", "only rows of this family; may be repeated"},
    {"format", 'f', "table|csv|json|markdown", "what to print (default: table)"},
    {"rows", 0, NULL, "a line a row in the table, however many there are"},
    {"profile", 0, "NAME|FILE", "simulate every row with this profile, such as calibrate's"},
    {"plot", 0, "FILE.svg|png|pdf",
     "also draw it (needs gnuplot): measured against simulated, by family"},
    {"jobs", 'j', "N", "processes at once (default: all cores)"},
    {"progress", 0, "auto|always|never", "progress on stderr (default: when it is a terminal)"},
    {0}};

static const char *const formats[] = {"table", "csv", "json", "markdown"};
enum { N_FORMATS = sizeof formats / sizeof *formats };

struct setting {
    struct ms_fidelity_options o;
    const char *format, *plot;
    bool rows;
    const char *family[256];
};

static void on_progress(void *ctx, size_t n_done, size_t n)
{
    fprintf(stderr, "\rmoesim fidelity: %zu of %zu simulations%s", n_done, n,
            n_done == n ? "\n" : "");
}

static int parse(const struct ms_verb *self, const struct ms_args *a, struct setting *s)
{
    const char *jobs = ms_args_get(a, "jobs", NULL), *when = ms_args_get(a, "progress", "auto");
    int64_t n = sysconf(_SC_NPROCESSORS_ONLN);
    bool known = false;
    s->format = ms_args_get(a, "format", "table");
    for (int i = 0; i < N_FORMATS; i++)
        known = known || strcmp(s->format, formats[i]) == 0;
    if (!known)
        return ms_usage(self, "--format: '%s' is not a format; allowed: table, csv, json, markdown",
                        s->format);
    if (jobs && !ms_integer_parse(jobs, 1, 4096, &n))
        return ms_usage(self, "--jobs: '%s' is not a number of processes (1 to 4096)", jobs);
    if (strcmp(when, "auto") != 0 && strcmp(when, "always") != 0 && strcmp(when, "never") != 0)
        return ms_usage(self, "--progress: '%s' is none of auto, always, never", when);
    if (strcmp(when, "always") == 0 || (strcmp(when, "auto") == 0 && isatty(STDERR_FILENO)))
        s->o.progress = on_progress;
    for (int i = 0; i < a->n_options; i++)
        if (strcmp(a->option[i].name, "family") == 0)
            s->family[s->o.n_families++] = a->option[i].value;
    s->o.family = s->family;
    s->o.n_procs = (int)n;
    s->o.profile = ms_args_get(a, "profile", NULL);
    s->plot = ms_args_get(a, "plot", NULL);
    s->rows = ms_args_get(a, "rows", NULL) != NULL;
    return MS_OK;
}

static enum ms_status check_families(const struct ms_measured *m, const struct setting *s,
                                     struct ms_errs *errs)
{
    for (size_t k = 0; k < s->o.n_families; k++) {
        const char *names[64];
        char text[1024];
        size_t n = 0;
        bool there = false;
        for (size_t i = 0; i < m->n && !there; i++) {
            there = strcmp(m->row[i].family, s->family[k]) == 0;
            if (n < 64 && (n == 0 || strcmp(names[n - 1], m->row[i].family) != 0))
                names[n++] = m->row[i].family;
        }
        if (there)
            continue;
        ms_errs_add_at(errs, MS_INVALID, NULL, 0, 0, "--family", "no row is of '%s'%s",
                       s->family[k], ms_allowed(text, sizeof text, s->family[k], names, n));
        return MS_INVALID;
    }
    return MS_OK;
}

static enum ms_status print(const struct ms_fidelity *f, const struct setting *s,
                            struct ms_errs *errs)
{
    struct ms_term term = ms_term_of(stdout);
    struct ms_buf b = {0};
    struct ms_err err = {0};
    bool ok = true;
    if (strcmp(s->format, "table") == 0)
        ok = ms_fidelity_table(f, s->rows, stdout, &term);
    else if (strcmp(s->format, "markdown") == 0)
        ok = ms_fidelity_markdown(f, stdout);
    else if (strcmp(s->format, "csv") == 0)
        ms_fidelity_csv(f, &b);
    else
        ms_fidelity_json(f, &b);
    ok = ok && !b.failed;
    if (ok && b.n > 0)
        fwrite(b.p, 1, b.n, stdout);
    ms_buf_finish(&b);
    enum ms_status status =
        ok ? MS_OK : ms_err_set(&err, MS_NOMEM, "out of memory printing the rows");
    if (ok && s->plot)
        status = ms_fidelity_plot(f, s->plot, &err);
    if (status != MS_OK)
        ms_errs_add(errs, &err);
    return status;
}

static int fidelity(struct setting *s, const struct ms_measured *m, struct ms_errs *errs)
{
    struct ms_fidelity f = {0};
    int signal_number = 0;
    enum ms_status status = check_families(m, s, errs);
    bool beyond = false;
    if (status == MS_OK)
        status = ms_fidelity_run(m, &s->o, &f, &signal_number, errs);
    if (status == MS_OK)
        status = print(&f, s, errs);
    for (size_t i = 0; i < f.n_bounds; i++)
        beyond |= f.bound[i].beyond;
    int code = status == MS_INTERRUPTED ? 128 + signal_number
               : status != MS_OK        ? ms_exit_code(status)
               : beyond || f.n_failed   ? MS_FAILED
                                        : MS_OK;
    ms_fidelity_finish(&f);
    return code;
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    struct setting s = {0};
    int code = parse(self, &args, &s);
    if (code)
        return code;
    struct ms_measured m = {0};
    struct ms_errs errs = {0};
    enum ms_status status = MS_OK;
    char folder[4000], bounds[4096];
    if (args.n_operands == 0) {
        ms_shipped("platforms/hardware/measured", folder, sizeof folder);
        snprintf(bounds, sizeof bounds, "%s/bounds.csv", folder);
        status = ms_measured_read_folder(&m, NULL, folder, &errs);
        s.o.bounds = bounds;
    }
    for (int i = 0; i < args.n_operands; i++) {
        enum ms_status one = ms_measured_read(&m, NULL, args.operand[i], &errs);
        status = status == MS_OK ? one : status;
        s.o.beside = args.operand[0];
    }
    code = status == MS_OK ? fidelity(&s, &m, &errs) : ms_exit_code(status);
    ms_errs_print(stderr, &errs);
    ms_errs_finish(&errs);
    ms_measured_finish(&m);
    return code;
}

const struct ms_verb ms_verb_fidelity = {
    .name = "fidelity",
    .arguments = "[FILE…] [options]",
    .summary =
        "Measurements as scenarios: measured, simulated, error by family.\n"
        "Without FILE the published measurements that are shipped; exit code 1 when a family\n"
        "leaves the bound that stands beside them",
    .examples = "moesim fidelity\n"
                "moesim fidelity --family deepep_ll --rows\n"
                "moesim fidelity my-measurements.csv --format json\n"
                "moesim fidelity my-measurements.csv --profile mine.yaml --plot mine.svg",
    .options = options,
    .run = run,
};
