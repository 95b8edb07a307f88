/* sweep/store: the folder has the same bytes whatever was run before, in which order, in how many
 * pieces. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/seal.h"
#include "sweep/lines.h"
#include "sweep/samples_file.h"
#include "sweep/store.h"
#include "sweep/summary.h"

enum { N = 7 };
static char root[] = "/tmp/moesim_store_XXXXXX";
static struct ms_store_case cases[N];
static char ids[N][16], axes[N][64];
static struct ms_store_study study;

/* `shift`: another study in which case i has the content of case i + shift of the first. */
static void make_study(int shift)
{
    static char json[2][256];
    char hash_text[32];
    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof ids[i], "c%04d", i);
        snprintf(axes[i], sizeof axes[i], "{\"x\":%d}", i + shift);
        snprintf(hash_text, sizeof hash_text, "case %d", i + shift);
        cases[i] = (struct ms_store_case){ids[i], axes[i], ms_hash128(hash_text, strlen(hash_text)),
                                          ms_hash128(hash_text, 4 + strlen(hash_text) - 4)};
    }
    struct ms_hash h = ms_hash128(&shift, sizeof shift);
    snprintf(json[shift != 0], sizeof json[0],
             "{\"name\":\"study%d\",\"study_hash\":\"%s\",\"n_cases\":%d}\n", shift, h.hex, N);
    study = (struct ms_store_study){
        .c = cases, .n = N, .study_hash = h, .scenario_json = json[shift != 0]};
}

static const char *in(const char *name)
{
    static char path[64][256];
    static int turn;
    turn = (turn + 1) % 64;
    snprintf(path[turn], sizeof path[turn], "%s/%s", root, name);
    return path[turn];
}

static struct ms_store *open_store(const char *name, bool force)
{
    struct ms_store *s = NULL;
    struct ms_err e = {0};
    ck_assert_msg(ms_store_open(&s, in(name), &study, force, &e) == MS_OK, "%s", e.text);
    return s;
}

static void add(struct ms_store *s, int i, int content, const char *samples)
{
    struct ms_buf body = {0}, timing = {0}, rows = {0};
    ms_buf_printf(&body,
                  MS_RECORD_BODY
                  "\"ab\",\"exchange\":{\"p99_us\":%d.5,\"n\":3},\"error_free\":\"a,b\"",
                  content);
    ms_buf_printf(&timing, "\"wall_s\":%d", i);
    ms_buf_adds(&rows, samples);
    ck_assert_int_eq(ms_store_add(s, (size_t)i, &body, &timing, &rows, NULL), MS_OK);
    ms_buf_finish(&body);
    ms_buf_finish(&timing);
    ms_buf_finish(&rows);
}

static char *text_of(const char *dir, const char *file)
{
    char path[300];
    struct ms_buf b = {0};
    snprintf(path, sizeof path, "%s/%s", in(dir), file);
    ms_buf_adds(&b, "");
    ck_assert_int_eq(ms_file_read(path, &b, NULL), MS_OK);
    return b.p;
}

static void same_files(const char *a, const char *b)
{
    const char *files[] = {"results.jsonl", "summary.csv", "scenario.json"};
    for (int i = 0; i < 3; i++) {
        char *x = text_of(a, files[i]), *y = text_of(b, files[i]);
        ck_assert_msg(strcmp(x, y) == 0, "%s differs between %s and %s", files[i], a, b);
        free(x);
        free(y);
    }
}

static void whole(const char *dir, const int *order)
{
    struct ms_store *s = open_store(dir, false);
    for (int i = 0; i < N; i++)
        if (!ms_store_has(s, (size_t)order[i]))
            add(s, order[i], order[i], "");
    ck_assert_int_eq(ms_store_close(s, NULL), MS_OK);
}

static const int up[N] = {0, 1, 2, 3, 4, 5, 6}, mixed[N] = {4, 0, 6, 2, 1, 5, 3};

START_TEST(test_order_does_not_show)
{
    whole("up", up);
    whole("mixed", mixed);
    same_files("up", "mixed");
    whole("up", mixed); /* nothing left to do: still the same */
    same_files("up", "mixed");
}
END_TEST

START_TEST(test_a_kill_at_any_byte_is_resumed_to_the_same_file)
{
    whole("ref", up);
    char *full = text_of("ref", "results.jsonl");
    size_t n = strlen(full);
    for (size_t cut = 0; cut <= n; cut += 37) {
        struct ms_store *s = open_store("cut", true);
        ms_store_abandon(s);
        ck_assert_int_eq(ms_file_write(in("cut/results.jsonl"), full, cut, NULL), MS_OK);
        s = open_store("cut", false);
        int left = 0;
        for (int i = 0; i < N; i++)
            if (!ms_store_has(s, (size_t)i)) {
                add(s, i, i, "");
                left++;
            }
        size_t lines = 0;
        for (size_t i = 0; i < cut; i++)
            lines += full[i] == '\n';
        ck_assert_int_eq(left, N - (int)lines); /* only what was torn or missing runs again */
        ck_assert_int_eq(ms_store_close(s, NULL), MS_OK);
        same_files("ref", "cut");
    }
    free(full);
}
END_TEST

START_TEST(test_merged_shards_equal_the_whole)
{
    whole("one", up);
    for (int shard = 0; shard < 3; shard++) {
        char name[16];
        snprintf(name, sizeof name, "shard%d", shard);
        struct ms_store *s = open_store(name, false);
        for (int i = N - 1; i >= 0; i--)
            if (i % 3 == shard)
                add(s, i, i, "rows\n");
        ck_assert_int_eq(ms_store_close(s, NULL), MS_OK);
    }
    const char *dirs[] = {in("shard2"), in("shard0"), in("shard1")};
    size_t n, missing, failed;
    ck_assert_int_eq(
        ms_store_merge(dirs, 3, in("joined"), false, &n, &missing, &failed, NULL, NULL), MS_OK);
    ck_assert(n == N && missing == 0 && failed == 0);
    same_files("one", "joined");
    ck_assert_int_eq(access(in("joined/samples/c0003.csv"), F_OK), 0);
    ck_assert_int_eq(ms_store_merge(dirs, 2, in("part"), false, &n, &missing, &failed, NULL, NULL),
                     MS_OK);
    ck_assert_uint_eq(missing, 2);
}
END_TEST

START_TEST(test_failed_records_run_again_and_answers_beat_failures)
{
    struct ms_store *s = open_store("fail", false);
    ck_assert_int_eq(ms_store_fail(s, 2, "killed by \"signal 11\"", NULL), MS_OK);
    add(s, 0, 0, "");
    ck_assert_int_eq(ms_store_close(s, NULL), MS_OK);
    char *t = text_of("fail", "results.jsonl");
    ck_assert_ptr_nonnull(strstr(t, "\"status\":\"failed\",\"scenario_hash\""));
    ck_assert_ptr_nonnull(strstr(t, "\"error\":\"killed by \\\"signal 11\\\"\",\"hash\":\""));
    free(t);
    s = open_store("fail", false);
    ck_assert(ms_store_has(s, 0) && !ms_store_has(s, 2));
    for (int i = 1; i < N; i++)
        add(s, i, i, "");
    ck_assert_int_eq(ms_store_close(s, NULL), MS_OK);
    whole("sound", up);
    same_files("fail", "sound");
}
END_TEST

START_TEST(test_another_study_is_refused_and_forced_keeps_equal_cases)
{
    whole("taken", up);
    make_study(2); /* its case i is case i + 2 of the first */
    struct ms_store *s = NULL;
    struct ms_err e = {0};
    ck_assert_int_eq(ms_store_open(&s, in("taken"), &study, false, &e), MS_USAGE);
    ck_assert_ptr_nonnull(strstr(e.text, "study0"));
    s = open_store("taken", true);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(ms_store_has(s, (size_t)i), i + 2 < N);
        if (!ms_store_has(s, (size_t)i))
            add(s, i, i + 2, "");
    }
    ck_assert_int_eq(ms_store_close(s, NULL), MS_OK);
    s = open_store("fresh", false);
    for (int i = 0; i < N; i++)
        add(s, i, i + 2, "");
    ck_assert_int_eq(ms_store_close(s, NULL), MS_OK);
    same_files("taken", "fresh"); /* heads are new: renumbered cases leave no trace */
    make_study(0);
}
END_TEST

static void put_bytes(const char *path, const char *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert(f && fwrite(p, 1, n, f) == n && fclose(f) == 0);
}

START_TEST(test_no_flipped_bit_of_a_record_is_believed)
{
    whole("flip", up);
    char *full = text_of("flip", "results.jsonl");
    size_t n = strlen(full);
    struct ms_arena arena = {0};
    for (size_t bit = 0; bit < 8 * n; bit += 7) {
        struct ms_lines_seen seen = {0};
        struct ms_line *lines;
        size_t n_lines;
        full[bit / 8] = (char)(full[bit / 8] ^ 1 << bit % 8);
        put_bytes(in("flip/results.jsonl"), full, n);
        full[bit / 8] = (char)(full[bit / 8] ^ 1 << bit % 8);
        ck_assert_int_eq(
            ms_lines_read(in("flip"), "results.jsonl", &arena, &lines, &n_lines, &seen, NULL),
            MS_OK);
        ck_assert_uint_ge(n_lines, N - 2); /* a newline that is gone joins two lines */
        ck_assert_uint_lt(n_lines, N);
        ck_assert(bit / 8 == n - 1 || seen.n_broken + seen.n_unsealed > 0);
        for (size_t i = 0; i < n_lines; i++)
            ck_assert_ptr_nonnull(strstr(full, lines[i].text));
        ms_arena_reset(&arena);
    }
    ms_arena_finish(&arena);
    free(full);
}
END_TEST

START_TEST(test_a_damaged_record_is_told_and_made_again)
{
    struct ms_errs warnings = {0};
    whole("hurt", up);
    whole("sane", up);
    char *full = text_of("hurt", "results.jsonl"), *at = strstr(full, "p99_us\":3.5");
    ck_assert_ptr_nonnull(at);
    at[8] = '2';
    put_bytes(in("hurt/results.jsonl"), full, strlen(full));
    free(full);
    study.warnings = &warnings;
    struct ms_store *s = open_store("hurt", false);
    study.warnings = NULL;
    ck_assert(!ms_store_has(s, 3) && ms_store_has(s, 2) && ms_store_has(s, 4));
    ck_assert_uint_eq(warnings.n_warnings, 1);
    ck_assert_ptr_nonnull(strstr(warnings.warn[0].text, "1 record is not what was written"));
    ms_errs_finish(&warnings);
    add(s, 3, 3, "");
    ck_assert_int_eq(ms_store_close(s, NULL), MS_OK);
    same_files("hurt", "sane");
}
END_TEST

START_TEST(test_blanks_and_carriage_returns_behind_a_record_are_read)
{
    whole("crlf", up);
    whole("lf", up);
    char *full = text_of("crlf", "results.jsonl");
    struct ms_buf b = {0};
    for (const char *p = full; *p; p++)
        ms_buf_adds(&b, *p == '\n' ? (p - full) % 2 ? "\r\n" : " \t\n" : (char[]){*p, '\0'});
    put_bytes(in("crlf/results.jsonl"), b.p, b.n);
    ms_buf_finish(&b);
    free(full);
    struct ms_store *s = open_store("crlf", false);
    for (size_t i = 0; i < N; i++)
        ck_assert(ms_store_has(s, i));
    ck_assert_int_eq(ms_store_close(s, NULL), MS_OK);
    same_files("crlf", "lf");
}
END_TEST

START_TEST(test_what_a_killed_writer_left_is_gone_after_the_next_start)
{
    whole("litter", up);
    ck_assert_int_eq(ms_dir_make(in("litter/samples"), NULL), MS_OK);
    put_bytes(in("litter/.results.jsonl.moesim-part"), "x", 1);
    put_bytes(in("litter/samples/.c0001.csv.moesim-part.77"), "x", 1);
    put_bytes(in("litter/mine.moesim-part"), "x", 1); /* not one of ours */
    ms_store_abandon(open_store("litter", false));
    ck_assert_int_ne(access(in("litter/.results.jsonl.moesim-part"), F_OK), 0);
    ck_assert_int_ne(access(in("litter/samples/.c0001.csv.moesim-part.77"), F_OK), 0);
    ck_assert_int_eq(access(in("litter/mine.moesim-part"), F_OK), 0);
}
END_TEST

START_TEST(test_a_folder_in_use_is_refused)
{
    int ready[2], go[2];
    ck_assert(pipe(ready) == 0 && pipe(go) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        struct ms_store *s = NULL;
        if (ms_store_open(&s, in("busy"), &study, false, NULL) != MS_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        _exit(read(go[0], &c, 1) == 1 ? 0 : 1);
    }
    char c;
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    struct ms_store *s = NULL;
    struct ms_err e = {0};
    ck_assert_int_eq(ms_store_open(&s, in("busy"), &study, false, &e), MS_IO);
    ck_assert_ptr_nonnull(strstr(e.text, "is writing here"));
    ck_assert_int_eq(write(go[1], "x", 1), 1);
    int status;
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
    s = open_store("busy", false); /* the lock died with its holder */
    ms_store_abandon(s);
}
END_TEST

START_TEST(test_a_record_without_its_samples_runs_again_when_samples_are_wanted)
{
    whole("plain", up);
    study.needs_samples = true;
    struct ms_store *s = open_store("plain", false);
    ck_assert(!ms_store_has(s, 3));
    add(s, 3, 3, "a,b\n1,2\n");
    ck_assert_int_eq(ms_store_close(s, NULL), MS_OK);
    s = open_store("plain", false);
    ck_assert(ms_store_has(s, 3) && !ms_store_has(s, 4));
    ms_store_abandon(s);
    study.needs_samples = false;
}
END_TEST

START_TEST(test_samples_are_believed_for_their_own_key_and_whole_only)
{
    enum ms_samples_state state;
    struct ms_buf rows = {0}, got = {0};
    char dir[256]; /* in() turns its paths over */
    snprintf(dir, sizeof dir, "%s", in("sampled"));
    ms_buf_adds(&rows, "a,b\n1,2\n");
    ck_assert_int_eq(ms_samples_write(dir, "c0001", "k1", &rows, NULL), MS_OK);
    ck_assert_int_eq(ms_samples_read(dir, "c0001", "k1", &state, &got, NULL), MS_OK);
    ck_assert(state == MS_SAMPLES_WHOLE && got.n == rows.n);
    ms_buf_finish(&got);
    ms_samples_read(dir, "c0001", "k2", &state, NULL, NULL);
    ck_assert_int_eq(state, MS_SAMPLES_BROKEN); /* of another scenario's run in the same folder */
    ms_samples_read(dir, "c0002", "k1", &state, NULL, NULL);
    ck_assert_int_eq(state, MS_SAMPLES_NONE);
    for (size_t bit = 0; bit < 8 * rows.n; bit++) {
        char hurt[16];
        memcpy(hurt, rows.p, rows.n);
        hurt[bit / 8] ^= (char)(1 << bit % 8);
        put_bytes(in("sampled/samples/c0001.csv"), hurt, rows.n);
        ms_samples_read(dir, "c0001", "k1", &state, NULL, NULL);
        ck_assert_int_eq(state, MS_SAMPLES_BROKEN);
    }
    ck_assert_int_eq(ms_samples_write(dir, "c0001", "k1", &rows, NULL), MS_OK);
    unlink(in("sampled/samples/c0001.json"));
    ms_samples_read(dir, "c0001", "k1", &state, NULL, NULL);
    ck_assert_int_eq(state, MS_SAMPLES_BROKEN);
    ms_buf_finish(&rows);
}
END_TEST

static bool count_step(void *ctx, const char *line, json_t *o)
{
    ++*(int *)ctx;
    return true;
}

static enum ms_status steps_of(const char *text, size_t n, int *steps)
{
    struct ms_err e = {0};
    *steps = 0;
    put_bytes(in("history.jsonl"), text, n);
    return ms_history_each(root, count_step, steps, &e);
}

START_TEST(test_a_history_is_read_whole_and_in_order_or_not_at_all)
{
    struct ms_buf line[3] = {0}, all = {0}, gap = {0};
    int steps;
    for (int i = 0; i < 3; i++) {
        ms_buf_printf(&line[i], "{\"step\":%d,\"ce\":1.5", i);
        ms_seal_add(&line[i]);
        ms_buf_adds(&line[i], "\n");
        ms_buf_add(&all, line[i].p, line[i].n);
        if (i != 1)
            ms_buf_add(&gap, line[i].p, line[i].n);
    }
    ck_assert_int_eq(steps_of(all.p, all.n, &steps), MS_OK);
    ck_assert_int_eq(steps, 3);
    ck_assert_int_eq(steps_of(gap.p, gap.n, &steps), MS_INVALID);
    ck_assert_int_eq(steps_of(all.p, all.n - 4, &steps), MS_INVALID); /* torn */
    for (size_t bit = 0; bit < 8 * all.n; bit++) {
        all.p[bit / 8] ^= (char)(1 << bit % 8);
        ck_assert_int_eq(steps_of(all.p, all.n, &steps), MS_INVALID);
        all.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (int i = 0; i < 3; i++)
        ms_buf_finish(&line[i]);
    ms_buf_finish(&all);
    ms_buf_finish(&gap);
}
END_TEST

START_TEST(test_a_sweep_leaves_what_somebody_is_writing)
{
    int ready[2], go[2];
    char c;
    ck_assert(pipe(ready) == 0 && pipe(go) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct ms_part part;
        if (ms_part_open(&part, in("written"), NULL) != MS_OK || write(ready[1], "x", 1) != 1 ||
            read(go[0], &c, 1) != 1)
            _exit(1);
        _exit(ms_part_close(&part, true, 0, NULL) == MS_OK ? 0 : 2);
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    put_bytes(in(".left.moesim-part"), "x", 1);
    ms_part_sweep(root);
    ck_assert_int_ne(access(in(".left.moesim-part"), F_OK), 0);
    ck_assert_int_eq(write(go[1], "x", 1), 1);
    int status;
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(access(in("written"), F_OK), 0);
}
END_TEST

START_TEST(test_a_body_that_is_none_is_a_failed_case)
{
    struct ms_store *s = open_store("liar", false);
    struct ms_buf body = {0}, record = {0};
    ms_buf_adds(&body, "hello");
    ck_assert_int_eq(ms_store_add(s, 1, &body, NULL, NULL, NULL), MS_OK);
    ck_assert(!ms_store_has(s, 1));
    ck_assert_int_eq(ms_store_record(s, 1, &record, NULL), MS_OK);
    ck_assert_ptr_nonnull(strstr(record.p, "\"status\":\"failed\""));
    ms_buf_finish(&record);
    ms_buf_finish(&body);
    ms_store_abandon(s);
}
END_TEST

START_TEST(test_csv_cells_are_quoted_where_they_must_be)
{
    const char *record =
        "{\"case\":\"c0000\",\"axes\":{\"a,b\":\"x \\\"y\\\"\"},\"status\":\"ok\"}";
    struct ms_summary_file summary = {0};
    ck_assert_int_eq(ms_summary_open(&summary, in("quoted.csv"), NULL), MS_OK);
    ck_assert_int_eq(ms_summary_add(&summary, record, NULL), MS_OK);
    ck_assert_int_eq(ms_summary_close(&summary, MS_OK, NULL), MS_OK);
    char *text = text_of("", "quoted.csv");
    ck_assert_int_eq(strncmp(text, "case,\"a,b\",status,exchange_p50_us,", 34), 0);
    ck_assert_ptr_nonnull(strstr(text, "\nc0000,\"x \"\"y\"\"\",ok,"));
    free(text);
}
END_TEST

int main(void)
{
    if (!mkdtemp(root))
        return 1;
    make_study(0);
    Suite *s = suite_create("store");
    TCase *t = tcase_create("store");
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    tcase_add_test(t, test_order_does_not_show);
    tcase_add_test(t, test_a_kill_at_any_byte_is_resumed_to_the_same_file);
    tcase_add_test(t, test_merged_shards_equal_the_whole);
    tcase_add_test(t, test_failed_records_run_again_and_answers_beat_failures);
    tcase_add_test(t, test_another_study_is_refused_and_forced_keeps_equal_cases);
    tcase_add_test(t, test_no_flipped_bit_of_a_record_is_believed);
    tcase_add_test(t, test_a_damaged_record_is_told_and_made_again);
    tcase_add_test(t, test_blanks_and_carriage_returns_behind_a_record_are_read);
    tcase_add_test(t, test_what_a_killed_writer_left_is_gone_after_the_next_start);
    tcase_add_test(t, test_a_folder_in_use_is_refused);
    tcase_add_test(t, test_a_record_without_its_samples_runs_again_when_samples_are_wanted);
    tcase_add_test(t, test_samples_are_believed_for_their_own_key_and_whole_only);
    tcase_add_test(t, test_a_history_is_read_whole_and_in_order_or_not_at_all);
    tcase_add_test(t, test_a_sweep_leaves_what_somebody_is_writing);
    tcase_add_test(t, test_a_body_that_is_none_is_a_failed_case);
    tcase_add_test(t, test_csv_cells_are_quoted_where_they_must_be);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) != 0 || failed ? 1 : 0;
}
