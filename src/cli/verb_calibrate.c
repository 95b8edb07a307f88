/* `moesim calibrate`: a profile's constants from measured rows. Decides which rows and which base
 * profile are meant, and prints what the fit is worth. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"
#include "cli/verb.h"
#include "fidelity/fidelity.h"
#include "hardware/calibrate.h"
#include "report/fidelity_print.h"

static const struct ms_option options[] = {
    {"output", 'o', "PROFILE.yaml", "where the profile is written (required)"},
    {"hardware", 0, "NAME", "fit the rows of this hardware (default: the one that the rows name)"},
    {"base", 0, "NAME|FILE",
     "profile whose other numbers are kept (default: the one of the hardware)"},
    {"no-simulation", 0, NULL, "closed forms only; do not simulate the rows with the new profile"},
    {"jobs", 'j', "N", "processes at once (default: all cores)"},
    {0}};

struct setting {
    const char *output, *hardware, *base;
    bool simulate;
    int n_procs;
};

/* ---- which rows ---- */

static enum ms_status read_rows(struct ms_measured *m, const struct ms_args *a,
                                struct ms_errs *errs)
{
    enum ms_status s = MS_OK;
    for (int i = 0; i < a->n_operands; i++) {
        struct stat st;
        bool folder = stat(a->operand[i], &st) == 0 && S_ISDIR(st.st_mode);
        enum ms_status one = folder ? ms_measured_read_folder(m, NULL, a->operand[i], errs)
                                    : ms_measured_read(m, NULL, a->operand[i], errs);
        s = s == MS_OK ? one : s;
    }
    return s;
}

/* The hardware that all rows with fit = yes name. */
static const char *only_hardware(const struct ms_measured *m, struct ms_errs *errs)
{
    const char *name = NULL;
    for (size_t i = 0; i < m->n; i++) {
        const struct ms_measured_row *r = &m->row[i];
        if (r->fit != MS_FIT_YES)
            continue;
        if (name && strcmp(name, r->hardware) != 0) {
            ms_errs_add_at(errs, MS_INVALID, r->file, r->line, 0, "hardware",
                           "rows are of '%s' and of '%s': say which with --hardware", name,
                           r->hardware);
            return NULL;
        }
        name = r->hardware;
    }
    if (!name)
        ms_errs_add_at(errs, MS_INVALID, NULL, 0, 0, NULL, "no row has fit = yes");
    return name;
}

/* ---- what came out ---- */

static const char *leg_word(const struct ms_fit *f)
{
    static const char *const words[] = {"both", "dispatch", "combine"};
    return words[f->leg + 1];
}

static void print_fits(const struct ms_calibration *c, const struct ms_term *term)
{
    struct ms_table *t = ms_table_create();
    ms_table_column(t, "section", MS_LEFT, 0);
    ms_table_column(t, "leg", MS_LEFT, 0);
    ms_table_column(t, "rows", MS_RIGHT, 0);
    ms_table_column(t, "mean error", MS_RIGHT, 0);
    ms_table_column(t, "worst", MS_RIGHT, 0);
    for (size_t i = 0; i < c->n; i++) {
        const struct ms_fit *f = &c->fit[i];
        ms_table_row(t);
        ms_table_cell(t, MS_PLAIN, "%s", f->section);
        ms_table_cell(t, MS_PLAIN, "%s", leg_word(f));
        ms_table_cell(t, MS_PLAIN, "%zu", f->n);
        ms_table_cell(t, MS_PLAIN, "%.1f %%", 100 * f->mean);
        ms_table_cell(t, MS_PLAIN, "%.1f %%", 100 * f->worst);
    }
    ms_table_print(t, stdout, term);
    ms_table_destroy(t);
}

static void left_out_row(struct ms_table *t, const struct ms_fit *f, enum ms_fit_size size)
{
    static const char *const words[] = {"ranks", "tokens", "hidden", "experts", "SMs"};
    const struct ms_fit_left_out *worst;
    int n_sizes = 0;
    double mean = ms_fit_left_out_mean(f, size, &worst);
    if (!worst)
        return;
    for (int i = 0; i < f->n_left_out; i++)
        n_sizes += f->left_out[i].size == size;
    ms_table_row(t);
    ms_table_cell(t, MS_PLAIN, "%s", f->section);
    ms_table_cell(t, MS_PLAIN, "%s", leg_word(f));
    ms_table_cell(t, MS_PLAIN, "%s",
                  size == MS_SIZE_TOKENS && f->row[0]->tokens == 0 ? "bytes" : words[size]);
    ms_table_cell(t, MS_PLAIN, "%d", n_sizes);
    ms_table_cell(t, MS_PLAIN, "%.1f %%", 100 * mean);
    ms_table_cell(t, MS_PLAIN, "%.0f: %.1f %%", worst->value, 100 * worst->mean);
}

static void print_left_out(const struct ms_calibration *c, const struct ms_term *term)
{
    struct ms_table *t = ms_table_create();
    bool any = false;
    for (size_t i = 0; i < c->n; i++)
        any = any || c->fit[i].n_left_out > 0;
    if (!any)
        puts("\nThe rows of no section have two sizes: none can be left out and predicted.");
    ms_table_column(t, "each size left out", MS_LEFT, 0);
    ms_table_column(t, "leg", MS_LEFT, 0);
    ms_table_column(t, "of", MS_LEFT, 0);
    ms_table_column(t, "sizes", MS_RIGHT, 0);
    ms_table_column(t, "mean error", MS_RIGHT, 0);
    ms_table_column(t, "worst size", MS_RIGHT, 0);
    for (size_t i = 0; i < c->n; i++)
        for (int size = 0; size < MS_N_SIZES; size++)
            left_out_row(t, &c->fit[i], (enum ms_fit_size)size);
    if (any) {
        putchar('\n');
        ms_table_print(t, stdout, term);
    }
    ms_table_destroy(t);
}

static void print_constants(const struct ms_calibration *c, const struct ms_term *term)
{
    struct ms_table *t = ms_table_create();
    char text[48];
    ms_table_column(t, "constant", MS_LEFT, 0);
    ms_table_column(t, "value", MS_RIGHT, 0);
    ms_table_column(t, "+-", MS_RIGHT, 0);
    ms_table_column(t, "", MS_LEFT, 0);
    for (size_t i = 0; i < c->n; i++)
        for (int k = 0; k < c->fit[i].n_constants; k++) {
            const struct ms_fit_constant *f = &c->fit[i].constant[k];
            double usual = fmax(fabs(f->value), f->of->start);
            ms_table_row(t);
            ms_table_cell(t, MS_PLAIN, "%s.%s", c->fit[i].section, f->key);
            ms_table_cell(t, MS_PLAIN, "%s", ms_fit_value_text(f, f->value, text, sizeof text));
            ms_table_cell(t, MS_DIM, "%s",
                          f->fixed ? ms_fit_value_text(f, f->error * usual, text, sizeof text)
                                   : "");
            ms_table_cell(t, f->fixed ? MS_PLAIN : MS_YELLOW, "%s",
                          f->fixed      ? f->value <= f->of->low    ? "at its lower bound"
                                          : f->value >= f->of->high ? "at its upper bound"
                                                                    : ""
                          : f->agrees   ? "the base profile's does as well"
                          : f->base > 0 ? "not fixed by the rows: the base profile's"
                                        : "not fixed by the rows: left out");
        }
    ms_table_print(t, stdout, term);
    ms_table_destroy(t);
}

/* The rows with the new profile, through the simulator. */
static enum ms_status simulate(const struct ms_measured *m, const struct setting *s,
                               const struct ms_term *term, int *signal_number, struct ms_errs *errs)
{
    struct ms_fidelity f = {0};
    struct ms_fidelity_options o = {
        .hardware = s->hardware, .fit_only = true, .profile = s->output, .n_procs = s->n_procs};
    enum ms_status status = ms_fidelity_run(m, &o, &f, signal_number, errs);
    if (status == MS_OK) {
        printf("\nthe same rows simulated with %s:\n", s->output);
        if (!ms_fidelity_table(&f, false, stdout, term))
            status = MS_NOMEM;
    }
    ms_fidelity_finish(&f);
    return status;
}

/* The lines of '#' that the base begins with. */
static void comments_of(const char *path, struct ms_buf *out)
{
    struct ms_buf b = {0};
    if (ms_file_read(path, &b, NULL) == MS_OK)
        for (const char *line = b.p; line && *line == '#';) {
            size_t n = strcspn(line, "\n");
            ms_buf_add(out, line, n + (line[n] == '\n'));
            line += n + (line[n] == '\n');
        }
    ms_buf_finish(&b);
}

static enum ms_status write_profile(const struct ms_calibration *c, const struct setting *s,
                                    struct ms_errs *errs)
{
    struct ms_buf text = {0}, comments = {0};
    struct ms_err err = {0};
    comments_of(c->base->path, &comments);
    ms_calibration_profile(c, comments.n ? comments.p : "", &text);
    enum ms_status status = text.failed ? ms_err_set(&err, MS_NOMEM, "out of memory for a profile")
                                        : ms_file_write(s->output, text.p, text.n, &err);
    if (status != MS_OK)
        ms_errs_add(errs, &err);
    ms_buf_finish(&text);
    ms_buf_finish(&comments);
    return status;
}

static int calibrate(struct setting *s, const struct ms_measured *m, struct ms_errs *errs)
{
    struct ms_arena arena = {0};
    struct ms_hardware base = {0};
    struct ms_calibration c = {0};
    struct ms_err err = {0};
    struct ms_term term = ms_term_of(stdout);
    int signal_number = 0;
    enum ms_status status = MS_OK;
    if (!s->hardware && !(s->hardware = only_hardware(m, errs)))
        status = MS_INVALID;
    if (status == MS_OK)
        status = ms_hardware_read(NULL, s->base ? s->base : s->hardware,
                                  s->base ? NULL : m->row[0].file, &arena, &base, errs);
    if (status == MS_INVALID && !s->base && s->hardware && !base.path)
        ms_errs_add_at(errs, MS_INVALID, NULL, 0, 0, "--base",
                       "name the profile whose links and other numbers are to be kept");
    if (status == MS_OK && ms_calibrate(m, s->hardware, &base, &c, &err) != MS_OK) {
        status = err.status;
        ms_errs_add(errs, &err);
    }
    if (status == MS_OK)
        status = write_profile(&c, s, errs);
    if (status == MS_OK) {
        print_fits(&c, &term);
        print_left_out(&c, &term);
        putchar('\n');
        print_constants(&c, &term);
        if (s->simulate)
            status = simulate(m, s, &term, &signal_number, errs);
    }
    ms_calibration_finish(&c);
    ms_arena_finish(&arena);
    return status == MS_INTERRUPTED ? 128 + signal_number : ms_exit_code(status);
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    int64_t jobs = sysconf(_SC_NPROCESSORS_ONLN);
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    const char *asked = ms_args_get(&args, "jobs", NULL);
    if (asked && !ms_integer_parse(asked, 1, 4096, &jobs))
        return ms_usage(self, "--jobs: '%s' is not a number of processes (1 to 4096)", asked);
    struct setting s = {.output = ms_args_get(&args, "output", NULL),
                        .hardware = ms_args_get(&args, "hardware", NULL),
                        .base = ms_args_get(&args, "base", NULL),
                        .simulate = !ms_args_get(&args, "no-simulation", NULL),
                        .n_procs = (int)jobs};
    if (args.n_operands == 0)
        return ms_usage(self, "no measured file given");
    if (!s.output)
        return ms_usage(self, "--output=PROFILE.yaml is required");
    struct ms_measured m = {0};
    struct ms_errs errs = {0};
    enum ms_status status = read_rows(&m, &args, &errs);
    int code = status == MS_OK ? calibrate(&s, &m, &errs) : ms_exit_code(status);
    ms_errs_print(stderr, &errs);
    ms_errs_finish(&errs);
    ms_measured_finish(&m);
    return code;
}

const struct ms_verb ms_verb_calibrate = {
    .name = "calibrate",
    .arguments = "FILE… -o PROFILE.yaml [options]",
    .summary = "Find the constants of a hardware profile from measured rows: residuals, each size\n"
               "(ranks, tokens, …) left out and predicted, and which constants the rows cannot fix",
    .examples = "moesim calibrate mine.csv -o mine.yaml\n"
                "moesim calibrate ep8.csv ep16.csv --base h100-cx7 -o mine.yaml\n"
                "moesim fidelity ep32.csv --profile mine.yaml",
    .options = options,
    .run = run,
};
