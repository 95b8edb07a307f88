/* `moesim check`: everything that can be said about scenarios and platforms without simulating. */
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/verb.h"
#include "cluster/platform.h"
#include "report/progress.h"
#include "scenario/errors.h"
#include "scenario/scenario.h"
#include "sim/route_check.h"
#include "sweep/plan.h"

static const struct ms_option options[] = {
    {"set", 's', "KEY=VALUE", "replace a key of the scenarios (VALUE is YAML); may be repeated"},
    {"print", 'p', NULL,
     "print the effective scenario of every case of good files, one JSON object a line"},
    {"quiet", 'q', NULL, "say nothing about files that are good"},
    {0}};

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcasecmp(s + n - m, tail) == 0;
}

/* By its name; where that says nothing, by its first character. */
static bool is_platform(const char *path)
{
    char head[4096];
    if (ends_with(path, ".xml"))
        return true;
    if (ends_with(path, ".yaml") || ends_with(path, ".yml") || strcmp(path, "-") == 0)
        return false;
    size_t size, at = 0;
    int fd;
    if (ms_file_open(path, &fd, &size, NULL) != MS_OK)
        return false;
    ssize_t n = read(fd, head, sizeof head);
    close(fd);
    while (n > 0 && at < (size_t)n && isspace((unsigned char)head[at]))
        at++;
    return n > 0 && at < (size_t)n && head[at] == '<';
}

static enum ms_status check_platform(const char *path, struct ms_inputs *inputs,
                                     struct ms_errs *errs, char *good, size_t size)
{
    struct ms_route_summary routes = {0};
    const struct ms_platform *p = ms_inputs_platform(inputs, path, NULL, errs);
    if (!p)
        return ms_errors_status(errs, 0);
    enum ms_status s = ms_route_check(p, &routes, errs);
    if (s == MS_OK)
        snprintf(good, size, "platform, %d hosts, %s", p->n_hosts, routes.text);
    return s;
}

static bool is_auto(const char *library)
{
    return !library || strcmp(library, "auto") == 0;
}

/* What has a value of its own for each leg, or none in the scenario's words. */
static void add_in_force(struct ms_json *j, const struct ms_scenario *s)
{
    double chunk[2];
    ms_sim_chunk_tokens(&s->sim, s->model.experts, chunk);
    ms_json_object(j, "in_force");
    ms_json_string(j, "hardware", s->sim.hardware.profile);
    ms_json_string(j, "library", s->sim.hardware.library);
    if (s->sim.exchange.sms > 0)
        ms_json_integer(j, "sms", s->sim.exchange.sms);
    else
        ms_json_null(j, "sms");
    ms_json_number(j, "dispatch_chunk_tokens", chunk[0]);
    ms_json_number(j, "combine_chunk_tokens", chunk[1]);
    ms_json_end_object(j);
}

/* Chunks that each leg has its own of: one word cannot say both, so both are said. */
static void say_chunks(const struct ms_scenario *s, struct ms_buf *scenario)
{
    static const char word[] = "\"chunk_tokens\":\"auto\"";
    char *at = scenario->p ? strstr(scenario->p, word) : NULL;
    double chunk[2];
    ms_sim_chunk_tokens(&s->sim, s->model.experts, chunk);
    if (!at || !(chunk[0] > 0 && chunk[1] > 0))
        return;
    struct ms_buf out = {0};
    ms_buf_add(&out, scenario->p, (size_t)(at - scenario->p));
    ms_buf_printf(&out, "\"chunk_tokens\":{\"dispatch\":%.17g,\"combine\":%.17g}%s", chunk[0],
                  chunk[1], at + sizeof word - 1);
    ms_buf_finish(scenario);
    *scenario = out;
}

/* {"case":"c0000","axes":{…},"scenario":{…},"in_force":{…}} */
static void print_case(const struct ms_case *c)
{
    struct ms_buf out = {0}, scenario = {0};
    struct ms_json j = {.out = &out};
    char id[32];
    snprintf(id, sizeof id, "c%04zu", c->index);
    ms_scenario_echo(&c->s, &scenario, NULL);
    say_chunks(&c->s, &scenario);
    ms_json_object(&j, NULL);
    ms_json_string(&j, "case", id);
    ms_json_object(&j, "axes");
    for (int a = 0; a < c->n_axes; a++)
        ms_json_raw(&j, c->axis[a].key, c->axis[a].json);
    ms_json_end_object(&j);
    ms_json_raw(&j, "scenario", scenario.p ? scenario.p : "null");
    add_in_force(&j, &c->s);
    ms_json_end_object(&j);
    if (!out.failed)
        puts(out.p);
    ms_buf_finish(&scenario);
    ms_buf_finish(&out);
}

/* What autos have come to, as far as one word of the scenario can say it. */
static void say_autos(struct ms_scenario *s, const struct ms_platform *p)
{
    double chunk[2];
    if (is_auto(s->sim.hardware.library))
        s->sim.hardware.library = p ? ms_scenario_costs(s, p) : "none";
    if (s->placement.rebalance.history == 0)
        s->placement.rebalance.history = s->placement.history;
    ms_sim_chunk_tokens(&s->sim, s->model.experts, chunk);
    if (s->sim.exchange.chunk_tokens == 0 && chunk[0] == chunk[1])
        s->sim.exchange.chunk_tokens = (int)chunk[0];
}

/* With all that the platform and the hardware profile decide. */
static void print_cases(const struct ms_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        struct ms_case c = {0};
        if (ms_study_case(plan->study, i, &c, NULL) == MS_OK) {
            c.s.in_force = plan->c[i].hardware;
            if (plan->c[i].platform)
                ms_scenario_resolve(&c.s, plan->c[i].platform);
            say_autos(&c.s, plan->c[i].platform);
            print_case(&c);
        }
        ms_case_finish(&c);
    }
}

/* "scenario, 6 cases, about 12 s and 80 MB" : of one process, and of its largest case. */
static void say_good(const struct ms_study *study, const struct ms_plan *plan, char *good,
                     size_t size)
{
    double wall_s = 0, bytes = 0;
    char time[32];
    int n =
        snprintf(good, size, "%s, %zu case%s", study->base.train ? "training scenario" : "scenario",
                 study->n_cases, study->n_cases == 1 ? "" : "s");
    for (size_t i = 0; i < plan->n; i++) {
        wall_s += plan->c[i].cost_s;
        bytes = plan->c[i].memory_bytes > bytes ? plan->c[i].memory_bytes : bytes;
    }
    if (bytes > 0 && (wall_s >= 10 || bytes >= 1e9) && n > 0 && (size_t)n < size)
        snprintf(good + n, size - (size_t)n, ", about %s in one process and %.2g %s",
                 ms_duration(wall_s, time, sizeof time), bytes / (bytes < 1e9 ? 1e6 : 1e9),
                 bytes < 1e9 ? "MB" : "GB");
}

static enum ms_status check_scenario(const char *path, const char *const *sets, size_t n_sets,
                                     bool print, struct ms_inputs *inputs, struct ms_errs *errs,
                                     char *good, size_t size)
{
    struct ms_study study = {0};
    struct ms_plan plan = {0};
    enum ms_status s = ms_study_read(&study, path, sets, n_sets, errs);
    if (s == MS_OK || s == MS_INVALID)
        s = ms_plan_make(&plan, &study, MS_USE_ANY, false, inputs, errs);
    if (s == MS_OK && print)
        print_cases(&plan);
    if (s == MS_OK)
        say_good(&study, &plan, good, size);
    ms_plan_finish(&plan);
    ms_study_finish(&study);
    return s;
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    struct ms_inputs inputs = {0};
    const char *sets[256];
    size_t n_sets = 0, n_errors = 0;
    int stop = ms_args_parse(self, argc, argv, &args), code = MS_OK;
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands == 0)
        return ms_usage(self, "no file given");
    bool print = ms_args_get(&args, "print", NULL) != NULL;
    bool quiet = print || ms_args_get(&args, "quiet", NULL);
    for (int i = 0; i < args.n_options; i++)
        if (strcmp(args.option[i].name, "set") == 0)
            sets[n_sets++] = args.option[i].value;
    for (int i = 0; i < args.n_operands; i++) {
        const char *path = args.operand[i];
        struct ms_errs errs = {0};
        char good[240] = "";
        enum ms_status s =
            is_platform(path)
                ? check_platform(path, &inputs, &errs, good, sizeof good)
                : check_scenario(path, sets, n_sets, print, &inputs, &errs, good, sizeof good);
        ms_errs_print(stderr, &errs);
        n_errors += errs.n;
        if (s == MS_OK && !quiet)
            printf("%s: ok (%s)\n", path, good);
        if (s != MS_OK && code != MS_INTERNAL)
            code = ms_exit_code(s) > code ? ms_exit_code(s) : code;
        ms_errs_finish(&errs);
    }
    ms_inputs_finish(&inputs);
    if (code != MS_OK)
        fprintf(stderr, "%zu error%s; nothing was simulated\n", n_errors, n_errors == 1 ? "" : "s");
    return code;
}

const struct ms_verb ms_verb_check = {
    .name = "check",
    .arguments = "FILE… [options]",
    .summary = "Check scenarios and platforms; report every error, simulate nothing",
    .examples =
        "moesim check scenarios/compare-topologies.yaml\n"
        "moesim check platforms/*.xml\n"
        "moesim check mine.yaml --set workload.ranks=32\n"
        "moesim check mine.yaml --print      # every key of every case at its effective value",
    .options = options,
    .run = run,
};
