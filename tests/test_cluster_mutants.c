/* cluster/ against SimGrid: whatever the reader lets through, SimGrid must load and route. Good
 * platforms are mutated (lines dropped, doubled, swapped; attribute values exchanged), always in
 * the same way. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "cluster/topology.h"
#include "sim/route_query.h"

enum { MAX_LINES = 400, N_MUTANTS = 120 };

static const char *const words[] = {
    "",        "0",   "-1",   "nan",    "1e400",       "gpu0", "nic_0_UP", "nic_0",
    "switch0", "UP",  "DOWN", "Floyd",  "Full",        "None", "Cluster",  "FATPIPE",
    "NO",      "1Gf", "1us",  "0-3",    "1GBps",       "3,4",  "TORUS",    "edge0",
    "trunk",   "r0",  "l0",   "SHARED", "SPLITDUPLEX", "a",    "b",        "5"};

/* Exchange the n-th quoted value of a line for a word or for a value of another line. */
static void swap_value(struct ms_rng *rng, char *line, const char *other, char *out, size_t size)
{
    char *open = strchr(line, '"');
    char value[128] = "";
    for (uint32_t skip = ms_rng_below(rng, 3); open && skip-- > 0;) {
        char *close = strchr(open + 1, '"'), *more = close ? strchr(close + 1, '"') : NULL;
        open = more ? more : open;
    }
    char *close = open ? strchr(open + 1, '"') : NULL;
    const char *from = strchr(other, '"');
    snprintf(value, sizeof value, "%s", words[ms_rng_below(rng, sizeof words / sizeof *words)]);
    if (from && ms_rng_below(rng, 2))
        snprintf(value, sizeof value, "%.*s", (int)strcspn(from + 1, "\""), from + 1);
    if (close)
        snprintf(out, size, "%.*s%s%s", (int)(open + 1 - line), line, value, close);
    else
        snprintf(out, size, "%s", line);
}

static void mutate(struct ms_rng *rng, const char *text, struct ms_buf *out)
{
    static char copy[65536], changed[1024];
    char *line[MAX_LINES], *save = NULL;
    int n = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *l = strtok_r(copy, "\n", &save); l && n < MAX_LINES; l = strtok_r(NULL, "\n", &save))
        line[n++] = l;
    int i = 2 + (int)ms_rng_below(rng, (uint32_t)n - 2),
        k = 2 + (int)ms_rng_below(rng, (uint32_t)n - 2);
    uint32_t kind = ms_rng_below(rng, 8);
    if (kind == 0) {
        char *t = line[i];
        line[i] = line[k];
        line[k] = t;
    } else if (kind >= 3) {
        swap_value(rng, line[i], line[k], changed, sizeof changed);
        line[i] = changed;
    }
    for (int l = 0; l < n; l++) {
        if (kind == 1 && l == i)
            continue;
        ms_buf_printf(out, "%s\n", line[l]);
        if (kind == 2 && l == i)
            ms_buf_printf(out, "%s\n", line[k]);
    }
}

/* @return whether the reader took it; then SimGrid must, too */
static bool try_one(const char *path, const struct ms_buf *text)
{
    struct ms_errs errs = {0};
    struct ms_err err = {0};
    struct ms_platform p;
    struct ms_route_query r;
    ck_assert_int_eq(ms_file_write(path, text->p, text->n, NULL), MS_OK);
    bool good = ms_platform_read(path, &p, &errs) == MS_OK;
    ck_assert(good == (errs.n == 0));
    if (good && p.n_hosts > 1) {
        struct ms_route_pair all[] = {{0, p.n_hosts - 1}, {p.n_hosts - 1, 0}, {0, 1}}, pair[3];
        size_t n = 0;
        for (int i = 0; i < 3; i++) /* the reader has warned of the others */
            if (ms_platform_joined(&p, all[i].src, all[i].dst))
                pair[n++] = all[i];
        ck_assert_msg(ms_route_query_ask(&p, pair, n, &r, &err) == MS_OK, "%s\nof:\n%.3000s",
                      err.text, text->p);
        for (size_t i = 0; i < n; i++)
            ck_assert_msg(r.first[i + 1] > r.first[i], "no route %s -> %s of:\n%.3000s",
                          p.host_name[pair[i].src], p.host_name[pair[i].dst], text->p);
        ms_route_query_finish(&r);
    }
    ms_platform_finish(&p);
    ms_errs_finish(&errs);
    return good;
}

static void seed_text(int which, struct ms_buf *out)
{
    static const char *const files[] = {"small.xml", "two-clusters.xml", "line.xml",
                                        "rail-transit.xml"};
    static const char *const made[] = {"rail", "fat-tree", "torus"};
    if (which < 4) {
        char path[1024];
        snprintf(path, sizeof path, "%s/platforms/%s", TEST_DATA, files[which]);
        ck_assert_int_eq(ms_file_read(path, out, NULL), MS_OK);
        return;
    }
    const struct ms_topology *t = ms_topology_find(made[which - 4]);
    struct ms_topology_params p;
    ms_topology_defaults(t, &p);
    p.nodes = 4;
    p.gpus_per_node = 2;
    ck_assert_int_eq(ms_topology_generate(t, &p, out, NULL), MS_OK);
}

START_TEST(test_what_the_reader_takes_simgrid_takes)
{
    char path[64];
    struct ms_buf text = {0};
    int taken = 0;
    snprintf(path, sizeof path, "test_mutants_%d.tmp.xml", (int)getpid());
    seed_text(_i, &text);
    for (int m = 0; m < N_MUTANTS; m++) {
        struct ms_rng rng;
        struct ms_buf mutant = {0};
        ms_rng_init(&rng, 1, "mutant", (uint64_t)_i, (uint64_t)m, 0);
        mutate(&rng, text.p, &mutant);
        taken += try_one(path, &mutant);
        ms_buf_finish(&mutant);
    }
    remove(path);
    ms_buf_finish(&text);
    ck_assert_int_gt(taken, N_MUTANTS / 20); /* both outcomes are exercised */
    ck_assert_int_lt(taken, N_MUTANTS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mutants");
    TCase *t = tcase_create("mutants");
    tcase_add_loop_test(t, test_what_the_reader_takes_simgrid_takes, 0, 7);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
