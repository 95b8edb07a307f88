/* report/: tables line up in any script, and a comparison says what its records say. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/rng.h"
#include "base/seal.h"
#include "report/compare.h"
#include "report/overview.h"
#include "report/plot.h"
#include "report/progress.h"
#include "report/results.h"
#include "report/table.h"
#include "stats/percentile.h"

/* ---- tables ---- */

static char *printed(const struct ms_table *t, bool colour, int width)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    struct ms_term term = {.colour = colour, .width = width};
    ck_assert(ms_table_print(t, f, &term));
    fclose(f);
    return text;
}

START_TEST(test_widths_are_those_of_a_terminal)
{
    ck_assert_int_eq(ms_text_width("rail-8x8"), 8);
    ck_assert_int_eq(ms_text_width("größe"), 5);
    ck_assert_int_eq(ms_text_width("e\xcc\x81"), 1);
    ck_assert_int_eq(ms_text_width("日本"), 4);
    ck_assert_int_eq(ms_text_width("\xff\xfe"), 2); /* no UTF-8: a column each, never a crash */
    ck_assert_int_eq(ms_text_width("\xe6\x97"), 2);
}
END_TEST

static struct ms_table *small_table(void)
{
    struct ms_table *t = ms_table_create();
    ms_table_column(t, "platform", MS_LEFT, 0);
    ms_table_column(t, "p99 us", MS_RIGHT, 0);
    ms_table_column(t, "cables", MS_RIGHT, 1);
    ms_table_row(t);
    ms_table_cell(t, MS_PLAIN, "räil");
    ms_table_cell(t, MS_GREEN, "%.1f", 7.25);
    ms_table_cell(t, MS_PLAIN, "192");
    ms_table_row(t);
    ms_table_cell(t, MS_PLAIN, "日本-a-very-long-name-of-a-topology");
    ms_table_cell(t, MS_PLAIN, "1198.6*");
    return t;
}

START_TEST(test_tables_line_up_and_never_end_in_blanks)
{
    struct ms_table *t = small_table();
    char *text = printed(t, false, 100);
    ck_assert_str_eq(text, "platform                              p99 us  cables\n"
                           "räil                                     7.2     192\n"
                           "日本-a-very-long-name-of-a-topology  1198.6*\n");
    free(text);
    text = printed(t, false, 45); /* the optional column goes, then the first is shortened */
    ck_assert_ptr_nonnull(strstr(text, "\n(left out to fit: cables)\n"));
    ck_assert(strstr(text, "cables") > strchr(text, '\n'));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_int_le(ms_text_width(line), 45);
    free(text);
    text = printed(t, false, 30);
    ck_assert_ptr_nonnull(strstr(text, "…"));
    free(text);
    text = printed(t, true, 100);
    ck_assert_ptr_nonnull(strstr(text, "\033[32m7.2\033[0m"));
    free(text);
    ms_table_destroy(t);
}
END_TEST

START_TEST(test_no_colour_without_a_terminal)
{
    FILE *f = tmpfile();
    ck_assert(!ms_term_of(f).colour && ms_term_of(f).width == 140);
    fclose(f);
}
END_TEST

/* ---- comparisons ---- */

enum { R = 25, PER = 8, N = R * PER };
static char root[] = "/tmp/moesim_report_XXXXXX";

struct fake {
    const char *platform, *routing, *work, *source;
    double factor;
    int repeats;
    bool failed;
};

static void add_samples(struct ms_json *j, const struct fake *f, double *all)
{
    ms_json_object(j, "samples");
    ms_json_array(j, "exchange_us");
    for (int r = 0; r < f->repeats; r++) {
        struct ms_rng rng; /* the same repeats on every platform */
        ms_rng_init(&rng, 1, "fake", (uint64_t)r, 0, 0);
        ms_json_array(j, NULL);
        for (int i = 0; i < PER; i++) {
            all[r * PER + i] = 100 * f->factor * exp(0.4 * ms_rng_normal(&rng));
            ms_json_number(j, NULL, all[r * PER + i]);
        }
        ms_json_end_array(j);
    }
    ms_json_end_array(j);
    ms_json_end_object(j);
}

static void add_record(struct ms_buf *out, int index, const struct fake *f)
{
    double all[N];
    struct ms_buf samples = {0};
    struct ms_json sj = {.out = &samples}, j = {.out = out};
    char id[32];
    snprintf(id, sizeof id, "c%04d", index);
    ms_json_object(&sj, NULL);
    add_samples(&sj, f, all);
    ms_json_end_object(&sj);
    struct ms_summary s = ms_summarise(all, (size_t)(f->repeats * PER), 400);
    ms_json_object(&j, NULL);
    ms_json_string(&j, "schema", "moesim.result/1");
    ms_json_string(&j, "case", id);
    ms_json_string(&j, "key", id);
    ms_json_object(&j, "axes");
    ms_json_string(&j, "platform", f->platform);
    ms_json_string(&j, "routing.trace", f->routing);
    ms_json_end_object(&j);
    ms_json_string(&j, "status", f->failed ? "failed" : "ok");
    if (!f->failed) {
        ms_json_string(&j, "platform_hash", "x");
        ms_json_string(&j, "work_hash", f->work);
        ms_json_integer(&j, "seed", 1);
        ms_json_integer(&j, "ranks", 64);
        ms_json_integer(&j, "repeats", f->repeats);
        ms_json_integer(&j, "units", 16 * f->repeats); /* 25: enough for p99 */
        ms_json_object(&j, "exchange");
        ms_json_number(&j, "p50_us", s.p50);
        ms_json_number(&j, "p95_us", s.p95);
        ms_json_number(&j, "p99_us", s.p99);
        ms_json_number(&j, "max_us", s.max);
        ms_json_number(&j, "mean_us", s.mean);
        ms_json_integer(&j, "n", (int64_t)s.n);
        ms_json_end_object(&j);
        if (strcmp(f->source, "stragglers") == 0) {
            ms_json_raw(&j, "caption", "{\"stragglers\":true}");
            ms_json_raw(&j, "layer", "{\"p99_us\":5,\"n\":400}");
        }
        ms_json_raw(&j, "slowdown", "{\"vs_balanced_p50\":1.5,\"vs_balanced_p99\":1.9}");
        ms_json_raw(&j, "platform",
                    strcmp(f->platform, "star") == 0 ? "{\"topology\":\"star\"}"
                                                     : "{\"name\":\"x\",\"switches\":20,\"cables\":"
                                                       "192,\"bisection_per_gpu_Bps\":4.6e10}");
        ms_json_raw(&j, "samples", strchr(samples.p, ':') + 1);
        out->n--; /* the raw text ends with the outer brace */
    }
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
    ms_buf_finish(&samples);
}

static struct ms_results read_fakes(const struct fake *f, int n)
{
    struct ms_buf b = {0};
    char path[64];
    const char *paths[] = {path};
    struct ms_results r = {0};
    struct ms_err e = {0};
    snprintf(path, sizeof path, "%s/results.jsonl", root);
    for (int i = 0; i < n; i++)
        add_record(&b, i, &f[i]);
    ck_assert_int_eq(ms_file_write(path, b.p, b.n, NULL), MS_OK);
    ck_assert_msg(ms_results_read(&r, paths, 1, &e) == MS_OK, "%s", e.text);
    ck_assert_uint_eq(r.n, (size_t)n);
    ms_buf_finish(&b);
    return r;
}

static const struct fake four[] = {
    {"rail", "hot", "w1", "", 1.0, R, false},  {"tree", "hot", "w1", "", 1.01, R, false},
    {"slow", "hot", "w1", "", 2.0, R, false},  {"fast", "hot", "w1", "", 0.5, R, false},
    {"broken", "hot", "w1", "", 1.0, R, true},
};

static char *table_text(const struct ms_comparison *c)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    struct ms_term term = {.width = 120};
    ck_assert_int_eq(ms_compare_table(c, f, &term), MS_OK);
    fclose(f);
    return text;
}

START_TEST(test_ratios_and_verdicts_are_those_of_the_samples)
{
    struct ms_results r = read_fakes(four, 5);
    struct ms_comparison c = {0};
    struct ms_compare_options o = {.margin = -1};
    struct ms_err e = {0};
    ck_assert_msg(ms_compare_make(&c, &r, &o, &e) == MS_OK, "%s", e.text);
    ck_assert_str_eq(c.by, "platform");
    ck_assert_str_eq(c.metric, "exchange.p99_us");
    ck_assert_uint_eq(c.n_groups, 1);
    const struct ms_compare_row *row = c.group[0].row;
    ck_assert(row[0].is_baseline && strcmp(row[0].label, "rail") == 0);
    ck_assert_str_eq(row[1].label, "fast"); /* the others by value, failures last */
    ck_assert_str_eq(row[4].label, "broken");
    ck_assert_double_eq_tol(row[1].ratio.ratio, 0.5, 1e-9);
    ck_assert_double_eq_tol(row[3].ratio.hi, 2.0, 1e-9);
    ck_assert_int_eq(row[1].verdict, MS_VERDICT_FASTER);
    ck_assert_int_eq(row[2].verdict, MS_VERDICT_TIE);
    ck_assert_int_eq(row[3].verdict, MS_VERDICT_SLOWER);
    char *text = table_text(&c);
    ck_assert_ptr_nonnull(strstr(text, "2.000 [2.000, 2.000]  slower"));
    ck_assert_ptr_nonnull(strstr(text, "1 of 3 other topologies tie with rail"));
    ck_assert_ptr_nonnull(strstr(text, "46 GB/s"));
    ck_assert_ptr_nonnull(strstr(text, "failed"));
    free(text);
    ms_compare_finish(&c);
    ms_results_finish(&r);
}
END_TEST

START_TEST(test_it_says_when_topology_does_not_matter)
{
    struct fake f[3] = {four[0], four[1], four[1]};
    f[2].platform = "torus";
    f[2].factor = 0.99;
    struct ms_results r = read_fakes(f, 3);
    struct ms_comparison c = {0};
    struct ms_compare_options o = {.margin = -1};
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, NULL), MS_OK);
    char *text = table_text(&c);
    ck_assert_ptr_nonnull(strstr(
        text,
        "Topology does not matter here: the intervals of all 2 others lie within 5 % of rail"));
    ck_assert_ptr_nonnull(
        strstr(text, "every case is x1.90 to x1.90 of its own balanced twin at p99"));
    free(text);
    ms_compare_finish(&c);
    ms_results_finish(&r);
}
END_TEST

START_TEST(test_a_star_shows_who_waits_for_ports_only)
{
    struct fake f[3] = {four[0], four[2], four[0]};
    f[2].platform = "star";
    struct ms_results r = read_fakes(f, 3);
    struct ms_comparison c = {0};
    struct ms_compare_options o = {.margin = -1};
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, NULL), MS_OK);
    char *text = table_text(&c);
    ck_assert_ptr_nonnull(
        strstr(text, "1 of 2 are within 5 % of star, which has ports and no fabric"));
    free(text);
    ms_compare_finish(&c);
    ms_results_finish(&r);
}
END_TEST

START_TEST(test_with_stragglers_the_layer_is_compared)
{
    struct fake f[2] = {four[0], four[2]};
    f[0].source = f[1].source = "stragglers";
    struct ms_results r = read_fakes(f, 2);
    struct ms_comparison c = {0};
    struct ms_compare_options o = {.margin = -1};
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, NULL), MS_OK);
    ck_assert_str_eq(c.metric, "layer.p99_us");
    ms_compare_finish(&c);
    ms_results_finish(&r);
}
END_TEST

START_TEST(test_other_axes_make_groups_and_other_work_is_refused)
{
    struct fake f[4] = {four[0], four[2], four[0], four[2]};
    f[2].routing = f[3].routing = "even";
    f[2].work = f[3].work = "w2";
    struct ms_results r = read_fakes(f, 4);
    struct ms_comparison c = {0};
    struct ms_compare_options o = {.margin = -1};
    struct ms_err e = {0};
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, NULL), MS_OK);
    ck_assert_uint_eq(c.n_groups, 2);
    ck_assert_str_eq(c.group[1].title, "routing.trace=even");
    ms_compare_finish(&c);
    o.by = "routing.trace"; /* a question about the tokens themselves is allowed */
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, NULL), MS_OK);
    ck_assert_uint_eq(c.n_groups, 2);
    ck_assert_str_eq(c.baseline, "hot");
    ms_compare_finish(&c);
    ms_results_finish(&r);
    f[1].work = "w3";
    r = read_fakes(f, 2);
    o.by = NULL;
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, &e), MS_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "do not move the same tokens"));
    ms_results_finish(&r);
    f[1] = f[0];
    f[1].factor = 3;
    e = (struct ms_err){0};
    r = read_fakes((struct fake[]){f[0], f[1], four[1]}, 3);
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, &e), MS_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "two results for platform 'rail'"));
    ms_results_finish(&r);
}
END_TEST

START_TEST(test_unsupported_percentiles_are_marked_and_not_judged)
{
    struct fake f[2] = {four[0], four[2]};
    f[0].repeats = f[1].repeats = 3; /* 48 units: p50 */
    struct ms_results r = read_fakes(f, 2);
    struct ms_comparison c = {0};
    struct ms_compare_options o = {.margin = -1};
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, NULL), MS_OK);
    ck_assert_str_eq(c.metric, "exchange.p50_us");
    char *text = table_text(&c);
    ck_assert_ptr_nonnull(strstr(text, "*  ")); /* on p99 */
    ck_assert_ptr_nonnull(strstr(text, "slowdown p50"));
    ck_assert_ptr_nonnull(strstr(text, "x1.50 "));
    ck_assert_ptr_nonnull(strstr(text, "unclear"));
    ck_assert_ptr_nonnull(strstr(text, "* not carried: 48 independent repeats"));
    ck_assert_ptr_nonnull(strstr(text, "repeats=5 would carry p95"));
    ck_assert_ptr_nonnull(strstr(text, "Under 10 repeats (here 3)"));
    free(text);
    ms_compare_finish(&c);
    o.metric = "exchange.p99_us"; /* unless told */
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, NULL), MS_OK);
    ck_assert_str_eq(c.metric, "exchange.p99_us");
    ms_compare_finish(&c);
    ms_results_finish(&r);
}
END_TEST

START_TEST(test_wrong_names_are_usage_errors_that_say_what_is_there)
{
    struct ms_results r = read_fakes(four, 4);
    struct ms_comparison c = {0};
    struct {
        struct ms_compare_options o;
        const char *says;
    } bad[] = {{{.by = "platfrom", .margin = -1}, "did you mean 'platform'"},
               {{.metric = "exchange.p98_us", .margin = -1}, "did you mean 'exchange.p9"},
               {{.baseline = "rial", .margin = -1}, "did you mean 'rail'"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_err e = {0};
        ck_assert_int_eq(ms_compare_make(&c, &r, &bad[i].o, &e), MS_USAGE);
        ck_assert_msg(strstr(e.text, bad[i].says) != NULL, "%s", e.text);
    }
    ms_results_finish(&r);
}
END_TEST

START_TEST(test_any_number_of_a_record_is_a_metric)
{
    struct ms_results r = read_fakes(four, 4);
    struct ms_comparison c = {0};
    struct ms_compare_options o = {.metric = "platform.cables", .margin = -1};
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, NULL), MS_OK);
    ck_assert(!c.is_series && c.group[0].row[1].ratio.ratio == 1 &&
              !c.group[0].row[1].ratio.has_interval &&
              c.group[0].row[1].verdict == MS_VERDICT_NONE);
    struct ms_buf csv = {0}, json = {0};
    ms_compare_csv(&c, &csv);
    ms_compare_json(&c, &json);
    ck_assert_int_eq(strncmp(csv.p, "group,platform,case,metric,value,ratio,", 39), 0);
    json_t *o2 = json_loads(json.p, 0, NULL);
    ck_assert_uint_eq(
        json_array_size(json_object_get(json_array_get(json_object_get(o2, "groups"), 0), "rows")),
        4);
    json_decref(o2);
    ms_buf_finish(&csv);
    ms_buf_finish(&json);
    ms_compare_finish(&c);
    ms_results_finish(&r);
}
END_TEST

START_TEST(test_a_picture_runs_no_commands_and_draws_every_row)
{
    struct fake f[3] = {four[0], four[1], four[2]};
    f[1].platform = "it's `touch /tmp/x` $(y) \"z\"";
    struct ms_results r = read_fakes(f, 3);
    struct ms_comparison c = {0};
    struct ms_compare_options o = {.margin = -1};
    struct ms_buf b = {0};
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, NULL), MS_OK);
    ck_assert_int_eq(ms_plot_script(&c, "out.svg", MS_SVG, &b, NULL), MS_OK);
    ck_assert_ptr_nonnull(strstr(b.p, "'it''s `touch /tmp/x` $(y) \"z\"'"));
    ck_assert_ptr_nonnull(strstr(b.p, "$curve0_2 << EOD"));
    ck_assert_ptr_nonnull(strstr(b.p, "set output 'out.svg'"));
    ms_buf_finish(&b);
    struct ms_err e = {0};
    ck_assert_int_eq(ms_plot_compare(&c, "x.gif", &e), MS_USAGE);
    ms_compare_finish(&c);
    o.metric = "platform.cables";
    e = (struct ms_err){0};
    ck_assert_int_eq(ms_compare_make(&c, &r, &o, NULL), MS_OK);
    ck_assert_int_eq(ms_plot_compare(&c, "x.svg", &e), MS_USAGE);
    ms_compare_finish(&c);
    ms_results_finish(&r);
}
END_TEST

START_TEST(test_the_bar_never_wraps)
{
    struct ms_run_state s = {
        .n_done = 7, .n_cases = 44, .n_failed = 1, .done = 7.5, .elapsed_s = 75, .left_s = 4000};
    for (int columns = 20; columns <= 120; columns++) {
        char *text = NULL;
        size_t n = 0;
        FILE *f = open_memstream(&text, &n);
        struct ms_progress p = {
            .out = f, .term = {false, 60, columns}, .name = "compare-topologies", .on = true};
        ms_progress_show(&p, &s);
        fclose(f);
        ck_assert_ptr_nonnull(strstr(text, "7/44"));
        *strstr(text, "\033[K") = '\0';
        ck_assert_int_lt(ms_text_width(text + 1), columns);
        ck_assert(columns < 80 || (strstr(text, "compare-topologies") && strstr(text, "█")));
        free(text);
    }
}
END_TEST

static char *overview_of(struct ms_results *r)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    struct ms_term term = {.width = 100};
    ck_assert_int_eq(ms_overview_print(r, f, &term), MS_OK);
    fclose(f);
    ms_results_finish(r);
    return text;
}

START_TEST(test_overview_fits_a_hundred_columns)
{
    struct ms_results r = read_fakes(four, 5);
    char *text = overview_of(&r);
    ck_assert_ptr_nonnull(strstr(text, "c0004"));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_int_le(ms_text_width(line), 100);
    free(text);
}
END_TEST

/* A run's closing table reads a part of each record: it says what all of it says, of exchanges, of
 * layers alone and of trainings. */
START_TEST(test_the_part_of_a_record_that_is_read_is_enough)
{
    static const char *const times[] = {
        "\"exchange\":{\"n\":9,\"p50_us\":7.5,\"p95_us\":8.5,\"p99_us\":9.5},"
        "\"slowdown\":{\"vs_balanced_p99\":1.25},"
        "\"variance\":{\"layer\":0.5,\"batch\":0.2,\"within\":0.3}",
        "\"layer\":{\"n\":4,\"p50_us\":17.5,\"p95_us\":18.5,\"p99_us\":19.5},"
        "\"step\":{\"n\":2,\"p50_us\":27.5,\"p95_us\":28.5,\"p99_us\":29.5}",
        "\"training\":{\"steps\":30,\"ce\":2.125,\"heldout_ce\":2.25,\"heldout_ppl\":9.5}"};
    char dir[64], path[80];
    snprintf(dir, sizeof dir, "%s/part", root);
    snprintf(path, sizeof path, "%s/results.jsonl", dir);
    mkdir(dir, 0755);
    struct ms_buf b = {0};
    for (int i = 0; i < 2; i++) {
        struct ms_buf line = {0};
        ms_buf_printf(
            &line,
            "{\"schema\":\"moesim.result/1\",\"case\":\"c%d\",\"key\":\"%032x\",\"axes\":"
            "{\"workload.tokens_per_rank\":%d},\"status\":\"ok\",\"seed\":1,\"repeats\":9,"
            "\"hardware\":\"h100\",\"units\":3,\"network_model\":\"fluid\",\"ranks\":8,"
            "\"platform\":{\"name\":\"rail%d\",\"nodes\":8},\"caption\":{\"scenario\":\"s\","
            "\"algorithm\":\"%s\",\"placement\":\"lpt\"},\"imbalance\":{"
            "\"rank_max_over_mean\":1.5,\"gini\":0.25,\"max_over_mean\":2.5},%s,"
            "\"links\":[1,2]",
            i, (unsigned)i, 16 << i, i, i ? "ring" : "direct", times[_i]);
        ms_seal_add(&line);
        ms_buf_printf(&b, "%s\n", line.p);
        ms_buf_finish(&line);
    }
    ck_assert_int_eq(ms_file_write(path, b.p, b.n, NULL), MS_OK);
    struct ms_results all = {0}, part = {0};
    const char *paths[] = {dir};
    struct ms_err err = {0};
    ck_assert_msg(ms_results_read(&all, paths, 1, &err) == MS_OK, "%s", err.text);
    ck_assert_msg(ms_results_read_brief(&part, dir, &err) == MS_OK, "%s", err.text);
    ck_assert_uint_eq(part.n, 2);
    char *whole = overview_of(&all), *brief = overview_of(&part);
    ck_assert_str_eq(brief, whole);
    ck_assert_ptr_nonnull(strstr(whole, _i < 2 ? "9.5" : "9.50"));
    free(whole), free(brief);
    ms_buf_finish(&b);
}
END_TEST

/* Two records for each of n values of a numeric axis, in a file. */
static void write_wide(const char *path, int n)
{
    struct ms_buf b = {0};
    for (int i = 0; i < 2 * n; i++)
        ms_buf_printf(
            &b,
            "{\"schema\":\"moesim.result/1\",\"case\":\"c%04d\",\"key\":\"%032x\","
            "\"axes\":{\"routing.popularity.sigma\":%g,\"exchange.algorithm\":\"%s\"},"
            "\"status\":\"ok\",\"work_hash\":\"w%d\",\"seed\":1,\"repeats\":2,\"exchange\":"
            "{\"p50_us\":%d,\"p95_us\":9,\"p99_us\":9,\"n\":4},\"links\":[{\"name\":\"l\"}],"
            "\"samples\":{\"exchange_us\":[[1.5,%d.25],[2,3]]}}\n",
            i, (unsigned)i, 0.001 * (i / 2 + 1), i % 2 ? "ring" : "direct", i / 2, 10 + i % 7,
            4 + i % 3);
    ck_assert_int_eq(ms_file_write(path, b.p, b.n, NULL), MS_OK);
    ms_buf_finish(&b);
}

/* Compare n values in a child. @return its CPU seconds; *kib: its peak memory */
static double cost_of_wide(int n, const char *by, long *kib)
{
    char path[64];
    const char *paths[] = {path};
    struct rusage use;
    int status;
    snprintf(path, sizeof path, "%s/wide.jsonl", root);
    write_wide(path, n);
    pid_t child = fork();
    if (child == 0) {
        struct ms_results r = {0};
        struct ms_comparison c = {0};
        struct ms_compare_options o = {.by = by, .margin = -1};
        bool ok = ms_results_read(&r, paths, 1, NULL) == MS_OK && r.n == 2 * (size_t)n &&
                  ms_compare_make(&c, &r, &o, NULL) == MS_OK;
        FILE *nowhere = fopen("/dev/null", "w");
        struct ms_term term = {.width = 120};
        ok = ok && nowhere && ms_compare_table(&c, nowhere, &term) == MS_OK;
        _exit(!ok || (c.n_groups != 2) == (strcmp(by, "exchange.algorithm") != 0));
    }
    ck_assert_int_eq(wait4(child, &status, 0, &use), child);
    ck_assert_int_eq(status, 0);
    *kib = use.ru_maxrss;
    return (double)use.ru_utime.tv_sec + 1e-6 * (double)use.ru_utime.tv_usec;
}

/* Was quadratic in time and memory: 4000 records took 718 MB. */
START_TEST(test_comparing_is_linear_in_records)
{
    const char *by[] = {"exchange.algorithm", "routing.popularity.sigma"};
    for (int i = 0; i < 2; i++) {
        long small_kib, kib;
        double small_s = cost_of_wide(1250, by[i], &small_kib),
               s = cost_of_wide(10000, by[i], &kib);
        ck_assert_msg(kib < 300 * 1024, "20,000 records took %ld KiB", kib);
        ck_assert_msg(s < 24 * small_s + 0.5, "%g s for 2500 records, %g s for 20,000", small_s, s);
    }
}
END_TEST

int main(void)
{
    if (!mkdtemp(root))
        return 1;
    Suite *s = suite_create("report");
    TCase *t = tcase_create("report");
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    tcase_add_test(t, test_widths_are_those_of_a_terminal);
    tcase_add_test(t, test_tables_line_up_and_never_end_in_blanks);
    tcase_add_test(t, test_no_colour_without_a_terminal);
    tcase_add_test(t, test_ratios_and_verdicts_are_those_of_the_samples);
    tcase_add_test(t, test_it_says_when_topology_does_not_matter);
    tcase_add_test(t, test_a_star_shows_who_waits_for_ports_only);
    tcase_add_test(t, test_with_stragglers_the_layer_is_compared);
    tcase_add_test(t, test_other_axes_make_groups_and_other_work_is_refused);
    tcase_add_test(t, test_unsupported_percentiles_are_marked_and_not_judged);
    tcase_add_test(t, test_wrong_names_are_usage_errors_that_say_what_is_there);
    tcase_add_test(t, test_any_number_of_a_record_is_a_metric);
    tcase_add_test(t, test_a_picture_runs_no_commands_and_draws_every_row);
    tcase_add_test(t, test_the_bar_never_wraps);
    tcase_add_test(t, test_overview_fits_a_hundred_columns);
    tcase_add_loop_test(t, test_the_part_of_a_record_that_is_read_is_enough, 0, 3);
    tcase_add_test(t, test_comparing_is_linear_in_records);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) != 0 || failed ? 1 : 0;
}
