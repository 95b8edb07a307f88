/* `moesim report`: results as one page and pictures. Decides where they are written and of which
 * comparison they are. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "cli/verb.h"
#include "report/html.h"
#include "report/plot.h"

static const struct ms_option options[] = {
    {"output", 'o', "DIR", "where report.html and the pictures go (default: the first folder)"},
    {"by", 'b', "KEY", "what to compare, as in compare (two folders: folder)"},
    {"metric", 'm', "NAME", "such as exchange.p99_us (default: report.metric)"},
    {"baseline", 0, "VALUE", "the value of KEY that the others are compared with"},
    {"where", 'w', "KEY=VALUE",
     "only the cases that have it, or have not (KEY!=VALUE); repeatable"},
    {"platform", 'p', "FILE",
     "a platform of the results, to draw its links on (shipped ones are found by themselves); "
     "repeatable"},
    {"explained", 'e', "FILE",
     "what `moesim explain DIR --format json` printed, for the causes on the page (default: the "
     "first folder's explain.json, where there is one)"},
    {"timeline", 't', "FILE",
     "what `moesim explain DIR --timeline FILE` wrote, for the slowest exchange on the page "
     "(default: the first folder's timeline.json, where there is one)"},
    {"no-pictures", 0, NULL, "the page alone: gnuplot, which draws the pictures, is not needed"},
    {0}};

static enum ms_status gather(const struct ms_args *a, struct ms_results *r,
                             const struct ms_compare_options *o, struct ms_err *err)
{
    enum ms_status s =
        ms_results_read(r, (const char *const *)a->operand, (size_t)a->n_operands, err);
    ms_errs_print(stderr, &r->warnings);
    for (int i = 0; s == MS_OK && i < a->n_options; i++)
        if (strcmp(a->option[i].name, "where") == 0)
            s = ms_results_keep(r, a->option[i].value, err);
    return s == MS_OK && o->by ? ms_results_join(r, o->by, err) : s;
}

/* A path as it is for who reads it on, cleaned for a terminal. */
static void say_written(const char *path)
{
    if (isatty(STDOUT_FILENO))
        ms_print_clean(stdout, "%s\n", path);
    else
        printf("%s\n", path);
}

/* A file that an option names, or that lies in one of the folders; NULL: neither. */
static const char *beside(const struct ms_args *a, const char *option, struct ms_buf *path)
{
    const char *given = ms_args_get(a, option, NULL);
    const char *name = strcmp(option, "timeline") == 0 ? "timeline" : "explain";
    for (int i = 0; i < a->n_operands && !given; i++) {
        path->n = 0;
        ms_buf_printf(path, "%s/%s.json", a->operand[i], name);
        given = !path->failed && access(path->p, F_OK) == 0 ? path->p : NULL;
    }
    return given;
}

static enum ms_status write_page(const struct ms_comparison *c, const struct ms_args *a,
                                 const char *dir, struct ms_err *err)
{
    struct ms_buf page = {0}, path = {0}, explained = {0}, timeline = {0};
    const char *platforms[256];
    struct ms_page_sources from = {.platforms = platforms};
    for (int i = 0; i < a->n_options; i++)
        if (strcmp(a->option[i].name, "platform") == 0)
            platforms[from.n_platforms++] = a->option[i].value;
    from.explained = beside(a, "explained", &explained);
    from.timeline = beside(a, "timeline", &timeline);
    enum ms_status s = ms_report_html(c, &from, &page, err);
    ms_buf_finish(&explained);
    ms_buf_finish(&timeline);
    ms_buf_printf(&path, "%s/report.html", dir);
    if (s == MS_OK)
        s = path.failed ? ms_err_set(err, MS_NOMEM, "out of memory")
                        : ms_file_write(path.p, page.p, page.n, err);
    if (s == MS_OK)
        say_written(path.p);
    ms_buf_finish(&page);
    ms_buf_finish(&path);
    return s;
}

static enum ms_status draw(const struct ms_comparison *c, const char *dir, struct ms_err *err)
{
    static const char *const endings[] = {"svg", "png"};
    enum ms_status s = MS_OK;
    if (!c->is_series || c->series == MS_SERIES_RANK)
        return MS_OK; /* no samples, no curves */
    for (size_t i = 0; s == MS_OK && i < 2; i++) {
        struct ms_buf path = {0};
        ms_buf_printf(&path, "%s/report.%s", dir, endings[i]);
        s = path.failed ? ms_err_set(err, MS_NOMEM, "out of memory")
                        : ms_plot_compare(c, path.p, err);
        if (s == MS_OK)
            say_written(path.p);
        ms_buf_finish(&path);
    }
    return s;
}

/* What a killed report left is swept under the folder's lock, which is not kept: a page may be made of
 * a folder that a run is writing, and a run may start beside it. */
static enum ms_status open_folder(const char *dir, struct ms_err *err)
{
    int lock_fd = -1;
    enum ms_status s = ms_dir_make(dir, err);
    if (s == MS_OK)
        (void)!ms_lock_folder(dir, &lock_fd, NULL, NULL);
    if (lock_fd >= 0)
        close(lock_fd);
    return s;
}

static int report(const struct ms_args *a, struct ms_compare_options o)
{
    struct ms_results r = {0};
    struct ms_comparison c = {0};
    struct ms_err err = {0};
    const char *dir = ms_args_get(a, "output", a->operand[0]);
    if (!o.by && a->n_operands > 1)
        o.by = "folder";
    enum ms_status s = gather(a, &r, &o, &err);
    r.wall_s = 0; /* how long this machine took is no part of the page */
    if (s == MS_OK)
        s = ms_compare_make(&c, &r, &o, &err);
    if (s == MS_OK)
        s = open_folder(dir, &err);
    if (s == MS_OK)
        s = write_page(&c, a, dir, &err);
    if (s == MS_OK && !ms_args_get(a, "no-pictures", NULL))
        s = draw(&c, dir, &err);
    if (s == MS_USAGE)
        fprintf(stderr, "moesim report: %s\n", err.text);
    else if (s != MS_OK)
        ms_err_print(stderr, &err, "error");
    ms_compare_finish(&c);
    ms_results_finish(&r);
    return ms_exit_code(s);
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands == 0)
        return ms_usage(self, "no results folder given");
    return report(&args, (struct ms_compare_options){
                             .by = ms_args_get(&args, "by", NULL),
                             .metric = ms_args_get(&args, "metric", NULL),
                             .baseline = ms_args_get(&args, "baseline", NULL),
                             .margin = -1,
                             .alone = true,
                         });
}

const struct ms_verb ms_verb_report = {
    .name = "report",
    .arguments = "DIR… [options]",
    .summary = "Results as one page to send around (report.html), and pictures",
    .examples = "moesim report results/compare-topologies\n"
                "moesim explain results/mine --format json --timeline results/mine/timeline.json "
                ">results/mine/explain.json && moesim "
                "report results/mine\n"
                "moesim report results/before results/after -o results/both",
    .options = options,
    .run = run,
};
