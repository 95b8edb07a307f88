/* base/: the promises every other room stands on. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ahead.h"
#include "base/arena.h"
#include "base/child.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/huge.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/strings.h"
#include "base/units.h"

START_TEST(test_units_are_exact_and_reject_the_rest)
{
    double v = -1;
    ck_assert(ms_units_parse("2us", MS_UNIT_TIME, &v) && v == 2e-6);
    ck_assert(ms_units_parse("0.05us", MS_UNIT_TIME, &v) && v == 5e-8);
    ck_assert(ms_units_parse("400Gbps", MS_UNIT_RATE, &v) && v == 50e9);
    ck_assert(ms_units_parse("50GBps", MS_UNIT_RATE, &v) && v == 50e9);
    ck_assert(ms_units_parse("64KiB", MS_UNIT_BYTES, &v) && v == 65536);
    ck_assert(ms_units_parse("1e6", MS_UNIT_NONE, &v) && v == 1e6);
    const char *bad[] = {"", "us", "2 xs", "nan", "inf", "0x10", "1e999", "2us3", "--2", "1GBps "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        v = 7;
        ck_assert_msg(!ms_units_parse(bad[i], MS_UNIT_TIME, &v) && v == 7, "'%s'", bad[i]);
    }
}
END_TEST

/* As people write them, in every spelling. */
START_TEST(test_units_of_the_field_are_taken)
{
    static const struct {
        const char *text;
        enum ms_unit unit;
        double value;
    } good[] = {{"27\u00b5s", MS_UNIT_TIME, 27e-6},    {"27 \u03bcs", MS_UNIT_TIME, 27e-6},
                {"100GB/s", MS_UNIT_RATE, 100e9},      {"100 GB/s", MS_UNIT_RATE, 100e9},
                {"3TB/s", MS_UNIT_RATE, 3e12},         {"800G", MS_UNIT_RATE, 100e9},
                {"800Gb/s", MS_UNIT_RATE, 100e9},      {"800 Gbit/s", MS_UNIT_RATE, 100e9},
                {"400 TFLOPS", MS_UNIT_FLOPS, 400e12}, {"400Tf", MS_UNIT_FLOPS, 400e12},
                {"989 Tflop/s", MS_UNIT_FLOPS, 989e12}};
    double v;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(ms_units_parse(good[i].text, good[i].unit, &v) && v == good[i].value, "%s",
                      good[i].text);
}
END_TEST

/* Both forms that the program prints are read back: the short one nearly, the exact one exactly. */
START_TEST(test_units_that_are_printed_are_read_back)
{
    struct ms_rng r;
    char text[64];
    ms_rng_init(&r, 3, "units", 0, 0, 0);
    for (int i = 0; i < 4000; i++) {
        enum ms_unit unit = (enum ms_unit)(MS_UNIT_TIME + i % 4);
        double v = pow(10, 30 * ms_rng_unit(&r) - (unit == MS_UNIT_TIME ? 15 : 3)), back;
        if (i % 3 == 0) /* round ones */
            v = strtod(ms_units_show(v, MS_UNIT_NONE, text, sizeof text), NULL);
        ck_assert(ms_units_parse(ms_units_show(v, unit, text, sizeof text), unit, &back));
        ck_assert_msg(fabs(back / v - 1) < 1e-3, "%s is not %g", text, v);
        ck_assert(ms_units_parse(ms_units_write(v, unit, text, sizeof text), unit, &back));
        ck_assert_msg(back == v, "%s is not %.17g", text, v);
    }
    ck_assert_str_eq(ms_units_write(46.5e9, MS_UNIT_RATE, text, sizeof text), "46.5GBps");
    ck_assert_str_eq(ms_units_write(1.4e-6, MS_UNIT_TIME, text, sizeof text), "1.4us");
}
END_TEST

/* 528 links of one fault are one warning. */
START_TEST(test_equal_warnings_are_folded)
{
    struct ms_errs errs = {0};
    char *out = NULL;
    size_t n;
    for (int i = 0; i < 528; i++)
        ms_errs_warn_at(&errs, "x.xml", i + 1, 0, NULL, "link 'nic_%d': %d B/s is little", i, i);
    ms_errs_warn_at(&errs, "x.xml", 9, 0, NULL, "host 'a': speed 0");
    FILE *f = open_memstream(&out, &n);
    ms_errs_print(f, &errs);
    fclose(f);
    ck_assert_str_eq(out, "x.xml:1: warning: link 'nic_0': 0 B/s is little\n"
                          "moesim: and 527 more like it\n"
                          "x.xml:9: warning: host 'a': speed 0\n");
    free(out);
    ms_errs_finish(&errs);
}
END_TEST

START_TEST(test_numbers_read_back_to_the_same_double)
{
    struct ms_rng r;
    char text[32];
    ms_rng_init(&r, 1, "numbers", 0, 0, 0);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = ms_rng_u64(&r);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            ck_assert(strtod(ms_number(v, text), NULL) == v);
        char printed[32];
        v = ((double)ms_rng_below(&r, 2000000) - 1e6) / pow(10, 1 + i % 7);
        snprintf(printed, sizeof printed, "%.15g", v); /* a few digits: what printf says */
        ck_assert(v == 0 || strcmp(ms_number(v, text), printed) == 0);
    }
    ck_assert_str_eq(ms_number(0.1, text), "0.1");
    ck_assert_str_eq(ms_number(NAN, text), "null");
    ck_assert_str_eq(ms_number(3, text), "3");
}
END_TEST

START_TEST(test_json_places_commas_and_escapes)
{
    struct ms_buf b = {0};
    struct ms_json j = {.out = &b};
    ms_json_object(&j, NULL);
    ms_json_string(&j, "a\"", "x\ny");
    ms_json_array(&j, "b");
    ms_json_number(&j, NULL, 1.5);
    ms_json_null(&j, NULL);
    ms_json_end_array(&j);
    ms_json_bool(&j, "c", true);
    ms_json_end_object(&j);
    ck_assert_str_eq(b.p, "{\"a\\\"\":\"x\\ny\",\"b\":[1.5,null],\"c\":true}");
    ms_buf_finish(&b);
}
END_TEST

static const char scanned[] = "{\"case\":\"c0000\",\"axes\":{\"p\":[1,-2.50,{}]},\"ok\":true,"
                              "\"none\":null,\"x\":-0.1e-3,\"t\":\"a\\\"b\"}";

/* Members come in order, as they stand, whatever lies in between. */
START_TEST(test_json_is_scanned_member_by_member)
{
    static const struct {
        const char *key, *value;
        enum ms_json_kind kind;
    } want[] = {{"case", "c0000", MS_JSON_STRING}, {"axes", "{\"p\":[1,-2.50,{}]}", MS_JSON_OBJECT},
                {"ok", "true", MS_JSON_TRUE},      {"none", "null", MS_JSON_NULL},
                {"x", "-0.1e-3", MS_JSON_NUMBER},  {"t", "a\\\"b", MS_JSON_STRING}};
    struct ms_json_scan s = ms_json_scan_text(scanned, strlen(scanned));
    struct ms_json_slice key, v;
    size_t n = 0;
    for (; ms_json_scan_next(&s, &key, &v); n++) {
        ck_assert_uint_lt(n, 6);
        ck_assert(ms_json_slice_is(&key, want[n].key));
        ck_assert_int_eq(v.kind, want[n].kind);
        ck_assert_uint_eq(v.n, strlen(want[n].value));
        ck_assert_mem_eq(v.p, want[n].value, v.n);
        ck_assert_int_eq(v.escaped, n == 5);
        if (v.kind == MS_JSON_NUMBER)
            ck_assert_double_eq(ms_json_slice_number(&v), -0.1e-3);
    }
    ck_assert(n == 6 && !s.wrong);
    struct ms_buf deep = {0};
    for (int i = 0; i < 100000; i++)
        ms_buf_adds(&deep, "{\"a\":");
    ck_assert(!ms_json_is_object(deep.p, deep.n)); /* and no stack runs over */
    ms_buf_finish(&deep);
}
END_TEST

/* What is passed over unread ends where it ends when it is read: brackets and quotes in strings, and
 * backslashes before quotes, are no brackets and no quotes. */
START_TEST(test_a_known_text_is_scanned_as_a_checked_one)
{
    static const char text[] =
        "{\"a]\":{\"b\":[\"}\",\"\\\"]\",[{}],\"\\\\\"]},\"c\":[[],{\"d\":\"\\\\\\\"}\"}],"
        "\"e\":\"}\",\"f\":{}}";
    struct ms_json_scan read = ms_json_scan_text(text, strlen(text)),
                        known = ms_json_scan_known(text, strlen(text));
    struct ms_json_slice k[2], v[2];
    int n = 0;
    while (ms_json_scan_next(&read, &k[0], &v[0])) {
        ck_assert(ms_json_scan_next(&known, &k[1], &v[1]));
        ck_assert_ptr_eq(k[0].p, k[1].p);
        ck_assert_ptr_eq(v[0].p, v[1].p);
        ck_assert_uint_eq(v[0].n, v[1].n);
        ck_assert_int_eq(v[0].kind, v[1].kind);
        n++;
    }
    ck_assert_int_eq(n, 4);
    ck_assert(!ms_json_scan_next(&known, &k[1], &v[1]) && !read.wrong && !known.wrong);
    for (size_t cut = 0; cut < strlen(text); cut++) { /* and never runs over its end */
        char *part = strndup(text, cut);
        struct ms_json_scan s = ms_json_scan_known(part, cut);
        while (ms_json_scan_next(&s, &k[0], &v[0]))
            ck_assert(v[0].p + v[0].n <= part + cut);
        ck_assert(s.wrong);
        free(part);
    }
}
END_TEST

/* jansson is the reference: texts with a few characters changed are objects for both or for none. */
START_TEST(test_a_scan_takes_what_a_parser_takes)
{
    static const char letters[] = "{}[]\",:\\ 01-.tnr";
    struct ms_rng rng;
    int n_good = 0;
    ms_rng_init(&rng, 1, "scan", 0, 0, 0);
    for (int i = 0; i < 30000; i++) {
        char text[128];
        size_t n = strlen(scanned);
        memcpy(text, scanned, n);
        for (uint32_t k = ms_rng_below(&rng, 4); k > 0; k--) {
            size_t at = ms_rng_below(&rng, (uint32_t)n);
            if (ms_rng_below(&rng, 2)) {
                memmove(text + at, text + at + 1, n - at - 1);
                n--;
            } else {
                text[at] = letters[ms_rng_below(&rng, sizeof letters - 1)];
            }
        }
        text[n] = '\0';
        json_t *o = json_loadb(text, n, 0, NULL);
        ck_assert_msg(json_is_object(o) == ms_json_is_object(text, n), "%s", text);
        n_good += json_is_object(o);
        json_decref(o);
    }
    ck_assert_int_gt(n_good, 8000);
    ck_assert_int_lt(n_good, 25000);
}
END_TEST

START_TEST(test_streams_depend_on_their_name_alone)
{
    struct ms_rng a, b, c;
    ms_rng_init(&a, 1, "x", 2, 3, 4);
    ms_rng_init(&b, 1, "x", 2, 3, 4);
    ms_rng_init(&c, 1, "x", 2, 4, 3);
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t v = ms_rng_u32(&a);
        ck_assert_uint_eq(v, ms_rng_u32(&b));
        same += v == ms_rng_u32(&c);
    }
    ck_assert_int_le(same, 2);
}
END_TEST

START_TEST(test_draws_have_their_moments)
{
    struct ms_rng r;
    ms_rng_init(&r, 5, "moments", 0, 0, 0);
    enum { N = 200000 };
    double n1 = 0, n2 = 0, e1 = 0, g1 = 0, gam = 0;
    int counts[7] = {0};
    for (int i = 0; i < N; i++) {
        double x = ms_rng_normal(&r);
        n1 += x;
        n2 += x * x;
        e1 += ms_rng_exponential(&r);
        g1 += ms_rng_gumbel(&r);
        gam += ms_rng_gamma(&r, 0.4);
        counts[ms_rng_below(&r, 7)]++;
    }
    ck_assert_double_eq_tol(n1 / N, 0, 0.01);
    ck_assert_double_eq_tol(n2 / N, 1, 0.02);
    ck_assert_double_eq_tol(e1 / N, 1, 0.01);
    ck_assert_double_eq_tol(g1 / N, 0.5772, 0.015);
    ck_assert_double_eq_tol(gam / N, 0.4, 0.01);
    for (int i = 0; i < 7; i++)
        ck_assert_double_eq_tol(counts[i] / (double)N, 1 / 7.0, 0.005);
}
END_TEST

START_TEST(test_natural_order_counts_digits)
{
    ck_assert_int_lt(ms_natural_cmp("n2", "n10"), 0);
    ck_assert_int_gt(ms_natural_cmp("n10g1", "n2g9"), 0);
    ck_assert_int_eq(ms_natural_cmp("a", "a"), 0);
    ck_assert_int_ne(ms_natural_cmp("n01", "n1"), 0);
    ck_assert_int_lt(ms_natural_cmp("n", "n1"), 0);
}
END_TEST

START_TEST(test_nearest_name_and_error_line)
{
    const char *names[] = {"contiguous", "round_robin", "random"};
    char text[256];
    ck_assert_str_eq(ms_nearest("contigous", names, 3), "contiguous");
    ck_assert_ptr_null(ms_nearest("zebra", names, 3));
    ms_allowed(text, sizeof text, "radnom", names, 3);
    ck_assert_str_eq(text, "; allowed: contiguous, round_robin, random; did you mean 'random'?");
    struct ms_err e = {0};
    ck_assert_int_eq(ms_err_at(&e, MS_INVALID, "f.yaml", 9, 3, "a.b", "first"), MS_INVALID);
    ms_err_set(&e, MS_IO, "second");
    ck_assert_str_eq(e.text, "first");
    char *out = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&out, &n);
    ms_err_print(f, &e, "error");
    fclose(f);
    ck_assert_str_eq(out, "f.yaml:9:3: error: a.b: first\n");
    free(out);
}
END_TEST

START_TEST(test_arena_is_aligned_zeroed_and_checks_products)
{
    struct ms_arena a = {0};
    for (int round = 0; round < 2; round++) {
        for (size_t n = 1; n < 200000; n = n * 3 + 1) {
            unsigned char *p = ms_arena_alloc(&a, n, 1);
            ck_assert_uint_eq((uintptr_t)p % 64, 0);
            for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(p[i], 0);
            memset(p, 255, n);
        }
        ms_arena_reset(&a);
    }
    char *first = ms_arena_strdup(&a, "strings"), *second = ms_arena_strdup(&a, "stand close");
    ck_assert_ptr_eq(second, first + sizeof "strings");
    ck_assert_uint_eq((uintptr_t)ms_arena_alloc(&a, 1, 8) % 64, 0);
    ck_assert_str_eq(first, "strings");
    ck_assert_str_eq(second, "stand close");
    ck_assert_ptr_null(ms_arena_alloc(&a, SIZE_MAX / 2, 4));
    ms_arena_finish(&a);
}
END_TEST

START_TEST(test_strings_are_numbered_as_met)
{
    struct ms_strings s = {0};
    char text[16];
    ck_assert_uint_eq(ms_strings_find(&s, "a"), 0); /* n of an empty set: not there */
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < 1000; i++) {
            snprintf(text, sizeof text, "name %zu", i);
            ck_assert_uint_eq(ms_strings_add(&s, text), i);
        }
    ck_assert_uint_eq(s.n, 1000);
    ck_assert_str_eq(s.text[17], "name 17");
    ck_assert_uint_eq(ms_strings_find(&s, "name 999"), 999);
    ck_assert_uint_eq(ms_strings_find(&s, "name 1000"), 1000);
    ck_assert(!s.failed);
    ms_strings_finish(&s);
}
END_TEST

START_TEST(test_files_are_replaced_whole)
{
    struct ms_err e = {0};
    char path[] = "/tmp/moesim_test_XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(path));
    char file[64], stem[64];
    snprintf(file, sizeof file, "%s/a.b.json", path);
    ck_assert_int_eq(ms_file_write(file, "one", 3, &e), MS_OK);
    ck_assert_int_eq(ms_file_write(file, "two!", 4, &e), MS_OK);
    struct ms_buf b = {0};
    ck_assert_int_eq(ms_file_read(file, &b, &e), MS_OK);
    ck_assert_str_eq(b.p, "two!");
    ms_buf_finish(&b);
    ck_assert_int_eq(ms_file_read("/nonexistent/x", &b, &e), MS_INVALID);
    e = (struct ms_err){0};
    ck_assert_int_eq(ms_file_read(path, &b, &e), MS_IO);
    ms_buf_finish(&b);
    ck_assert_str_eq(ms_path_stem(file, stem, sizeof stem), "a.b");
    char *beside = ms_path_beside(file, "p/q.xml");
    ck_assert_int_eq(strncmp(beside, path, strlen(path)), 0);
    free(beside);
    remove(file);
    remove(path);
}
END_TEST

static void square(void *ctx, size_t item, int thread)
{
    ((double *)ctx)[item] = (double)item * (double)item;
}

START_TEST(test_pool_does_every_item_once_for_any_thread_count)
{
    for (int t = 1; t <= 4; t++) {
        struct ms_pool *p = ms_pool_create(t);
        for (int round = 0; round < 200; round++) {
            double v[100] = {0};
            ms_pool_run(p, 100, square, v);
            for (int i = 0; i < 100; i++)
                ck_assert(v[i] == (double)i * i);
        }
        ms_pool_destroy(p);
    }
}
END_TEST

struct fates {
    int seen[100];
    int bad[3]; /* items that fail */
};

static bool meet(void *ctx, size_t item, int thread)
{
    struct fates *f = ctx;
    f->seen[item]++;
    return (int)item != f->bad[0] && (int)item != f->bad[1] && (int)item != f->bad[2];
}

START_TEST(test_items_done_ahead_are_there_when_waited_for)
{
    for (int t = 1; t <= 4; t++)
        for (int round = 0; round < 100; round++) {
            struct fates f = {.bad = {-1, -1, -1}};
            size_t failed;
            struct ms_ahead *a = ms_ahead_start(t, 100, meet, &f);
            for (size_t n = 10; n <= 100; n += 30) {
                ck_assert(ms_ahead_wait(a, n, &failed));
                for (size_t i = 0; i < n; i++)
                    ck_assert_int_eq(f.seen[i], 1);
            }
            ms_ahead_stop(a);
            a = ms_ahead_start(t, 100, meet, &f); /* stopped before anybody waits */
            ms_ahead_stop(a);
        }
}
END_TEST

/* Several fail: whoever waits for less goes on, the others hear of the first. */
START_TEST(test_the_first_item_that_fails_is_the_one_told)
{
    for (int t = 1; t <= 4; t++)
        for (int round = 0; round < 100; round++) {
            struct fates f = {.bad = {42, 41, 43}};
            size_t failed;
            struct ms_ahead *a = ms_ahead_start(t, 100, meet, &f);
            ck_assert(ms_ahead_wait(a, 41, &failed));
            ck_assert(!ms_ahead_wait(a, 42, &failed));
            ck_assert_uint_eq(failed, 41);
            ck_assert(!ms_ahead_wait(a, 100, &failed));
            ck_assert_uint_eq(failed, 41);
            ck_assert_int_eq(f.seen[99], 0);
            ms_ahead_stop(a);
        }
}
END_TEST

/* Items come out by time, then tie, then id, whatever the order they went in and moved. */
START_TEST(test_heap_gives_the_least_first)
{
    struct ms_rng r;
    struct ms_heap h;
    enum { N = 200 };
    double time_s[N];
    ms_rng_init(&r, 3, "heap", 0, 0, 0);
    ck_assert(ms_heap_init_places(&h, N));
    for (uint32_t i = 0; i < N; i++) {
        time_s[i] = ms_rng_below(&r, 20);
        ck_assert(ms_heap_push(&h, (struct ms_heap_item){time_s[i], i % 3, i}));
    }
    for (int k = 0; k < 1000; k++) {
        uint32_t i = ms_rng_below(&r, N);
        ms_heap_move(&h, i, time_s[i] = k % 7 ? (double)ms_rng_below(&r, 20) : (double)INFINITY);
        ck_assert(h.item[h.place[i]].id == i);
    }
    struct ms_heap_item before = {-1, 0, 0};
    for (size_t n = N; n > 0; n--) {
        struct ms_heap_item x = ms_heap_pop(&h);
        ck_assert(x.time_s == time_s[x.id] && x.tie == x.id % 3 && h.n == n - 1);
        ck_assert(ms_heap_before(&before, &x));
        before = x;
    }
    ms_heap_finish(&h);
}
END_TEST

static int answer_much(void *ctx, int fd)
{
    char block[1000];
    memset(block, *(const char *)ctx, sizeof block);
    for (int i = 0; i < 1000; i++) {
        fprintf(stderr, "talk %d\n", i);
        if (!ms_fd_write(fd, block, sizeof block))
            return 9;
    }
    return 3;
}

static int never_answer(void *ctx, int fd)
{
    fprintf(stderr, "waiting\n");
    while (pause() == -1)
        ;
    return 0;
}

static int abort_half_way(void *ctx, int fd)
{
    (void)ms_fd_write(fd, "half", 4);
    raise(SIGKILL);
    return 0;
}

START_TEST(test_a_childs_answer_and_talk_come_whole_and_a_late_one_is_killed)
{
    struct ms_child c = {0};
    struct ms_err err = {0};
    bool in_time = false;
    ck_assert_int_eq(ms_child_ask(&c, answer_much, "x", 60, &in_time, &err), MS_OK);
    ck_assert(in_time && c.answer.n == 1000000 && c.answer.p[999999] == 'x');
    ck_assert_ptr_nonnull(strstr(c.talk.p, "talk 0\n"));
    ck_assert_ptr_nonnull(strstr(c.talk.p, "talk 999\n"));
    ms_child_finish(&c);
    ck_assert_int_eq(ms_child_ask(&c, never_answer, NULL, 1, &in_time, &err), MS_OK);
    ck_assert(!in_time && c.answer.n == 0);
    ck_assert_str_eq(c.talk.p, "waiting\n");
    ms_child_finish(&c);
    ck_assert_int_eq(ms_child_ask(&c, abort_half_way, NULL, 60, &in_time, &err), MS_OK);
    ck_assert(in_time && c.answer.n == 4);
    ms_child_finish(&c);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
}
END_TEST

/* From nothing to 12 MB, as arrays grow: with addresses to spare, where it stands from 1 MB on; with
 * none, by copies. */
static int grow_big(bool limited)
{
    struct rlimit limit = {(rlim_t)1 << 36, RLIM_INFINITY};
    uint64_t *v = NULL;
    size_t n = 0;
    int moves = 0;
    if (limited)
        setrlimit(RLIMIT_AS, &limit);
    for (size_t cap = 1000; cap * sizeof *v <= (size_t)12 << 20; cap += cap / 2) {
        uint64_t *w = ms_huge_realloc(v, cap * sizeof *v);
        ck_assert(w != NULL);
        moves += w != v && cap * sizeof *v > 2 * MS_HUGE_BYTES;
        for (v = w; n < cap; n++)
            v[n] = n * n;
    }
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(v[i], i * i);
    free(v);
    return moves;
}

START_TEST(test_big_arrays_keep_what_they_hold)
{
    ck_assert_int_eq(grow_big(false), 0);
#ifndef __SANITIZE_ADDRESS__ /* which needs more addresses than there would be */
    ck_assert_int_ge(grow_big(true), 1);
#endif
    char *p = ms_huge_alloc(100), *q = ms_huge_alloc((size_t)5 << 20);
    ck_assert(p && q);
    memset(p, 1, 100);
    memset(q, 1, (size_t)5 << 20);
    free(p), free(q);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("base");
    suite_add_tcase(s, t);
    tcase_add_test(t, test_units_are_exact_and_reject_the_rest);
    tcase_add_test(t, test_units_of_the_field_are_taken);
    tcase_add_test(t, test_units_that_are_printed_are_read_back);
    tcase_add_test(t, test_equal_warnings_are_folded);
    tcase_add_test(t, test_numbers_read_back_to_the_same_double);
    tcase_add_test(t, test_json_places_commas_and_escapes);
    tcase_add_test(t, test_json_is_scanned_member_by_member);
    tcase_add_test(t, test_a_known_text_is_scanned_as_a_checked_one);
    tcase_add_test(t, test_a_scan_takes_what_a_parser_takes);
    tcase_add_test(t, test_streams_depend_on_their_name_alone);
    tcase_add_test(t, test_draws_have_their_moments);
    tcase_add_test(t, test_natural_order_counts_digits);
    tcase_add_test(t, test_nearest_name_and_error_line);
    tcase_add_test(t, test_arena_is_aligned_zeroed_and_checks_products);
    tcase_add_test(t, test_strings_are_numbered_as_met);
    tcase_add_test(t, test_files_are_replaced_whole);
    tcase_add_test(t, test_pool_does_every_item_once_for_any_thread_count);
    tcase_add_test(t, test_items_done_ahead_are_there_when_waited_for);
    tcase_add_test(t, test_the_first_item_that_fails_is_the_one_told);
    tcase_add_test(t, test_big_arrays_keep_what_they_hold);
    tcase_add_test(t, test_heap_gives_the_least_first);
    tcase_add_test(t, test_a_childs_answer_and_talk_come_whole_and_a_late_one_is_killed);
    tcase_set_timeout(t, 60);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
