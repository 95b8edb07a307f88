/* sweep/: whatever a child does, its case alone is lost, and only whole answers count. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sweep/farm.h"
#include "sweep/message.h"

static struct ms_message three_parts(void)
{
    struct ms_message m = {0};
    ms_buf_adds(&m.part[MS_PART_RECORD], "{\"a\":1}");
    ms_buf_add(&m.part[MS_PART_SAMPLES], "a\0b", 3);
    return m;
}

START_TEST(test_a_frame_is_whole_or_nothing)
{
    struct ms_message m = three_parts(), back = {0};
    struct ms_buf b = {0};
    const char *why;
    ms_message_encode(&m, &b);
    for (size_t n = 0; n < b.n; n++)
        ck_assert_int_eq(ms_message_decode(b.p, n, &back, &why), MS_FRAME_PARTIAL);
    ck_assert_int_eq(ms_message_decode(b.p, b.n, &back, &why), MS_FRAME_WHOLE);
    ck_assert_str_eq(back.part[MS_PART_RECORD].p, "{\"a\":1}");
    ck_assert_uint_eq(back.part[MS_PART_SAMPLES].n, 3);
    ck_assert_uint_eq(back.part[MS_PART_TIMING].n, 0);
    ms_message_finish(&back);
    for (size_t i = 0; i < b.n; i++) { /* one flipped bit anywhere is never taken for an answer */
        b.p[i] ^= 4;
        ck_assert_int_ne(ms_message_decode(b.p, b.n, &back, &why), MS_FRAME_WHOLE);
        b.p[i] ^= 4;
    }
    ms_buf_add(&b, "x", 1);
    ck_assert_int_eq(ms_message_decode(b.p, b.n, &back, &why), MS_FRAME_WRONG);
    ms_message_finish(&m);
    ms_buf_finish(&b);
}
END_TEST

enum {
    GOOD,
    CRASH,
    ABORT,
    EXIT_0,
    EXIT_2,
    HANG,
    HANG_CLOSED,
    HALF,
    NOISE,
    TOO_LONG,
    MEMORY,
    REFUSES,
    TALKS,
    LATE_CRASH,
    BIG,
    N_KINDS
};

/* The child is not told its pipe: it is the write-only one that is not its stderr. */
static int answer_fd(void)
{
    struct stat err, st;
    fstat(STDERR_FILENO, &err);
    for (int fd = 3; fd < 256; fd++)
        if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_ino != err.st_ino &&
            (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
            return fd;
    return -1;
}

static void raw(const char *p, size_t n)
{
    if (write(answer_fd(), p, n) != (ssize_t)n)
        _exit(99);
}

static void misbehave(size_t job)
{
    struct ms_message m = three_parts();
    struct ms_buf b = {0};
    ms_message_encode(&m, &b);
    switch (job) {
    case CRASH:
        signal(SIGSEGV, SIG_DFL); /* not the sanitizer's */
        raise(SIGSEGV);
        break;
    case ABORT:
        fprintf(stderr, "xbt/CRITICAL: no route\n");
        signal(SIGABRT, SIG_DFL);
        abort();
    case EXIT_0:
        _exit(0);
    case EXIT_2:
        _exit(2);
    case HANG:
        for (;;)
            pause();
    case HANG_CLOSED:
        close(answer_fd());
        for (;;)
            pause();
    case HALF:
        raw(b.p, b.n / 2);
        _exit(0);
    case NOISE:
        raw("not a frame", 11);
        _exit(0);
    case TOO_LONG:
        ms_buf_add(&b, "more", 4);
        raw(b.p, b.n);
        _exit(0);
    case LATE_CRASH:
        raw(b.p, b.n);
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
}

#ifdef __SANITIZE_ADDRESS__ /* which ends the process itself when memory is out */
#define OUT_OF_MEMORY "no answer"
#else
#define OUT_OF_MEMORY "out of memory"
#endif

static enum ms_status work(void *ctx, size_t job, struct ms_message *out, struct ms_err *err)
{
    misbehave(job);
    if (job == MEMORY) {
        struct rlimit limit = {64 << 20, 64 << 20};
        setrlimit(RLIMIT_DATA, &limit);
        void *p = malloc((size_t)1 << 30);
        if (!p)
            return ms_err_set(err, MS_NOMEM, "out of memory for 1 GiB");
        free(p);
    }
    if (job == REFUSES)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.ranks", "72 ranks, but 64 hosts");
    if (job == TALKS)
        for (int i = 0; i < 20000; i++)
            printf("line %d\n", i);
    fflush(stdout);
    *out = three_parts();
    if (job == BIG)
        for (int i = 0; i < 300000; i++)
            ms_buf_printf(&out->part[MS_PART_SAMPLES], "%d\n", i);
    return MS_OK;
}

struct seen {
    int n[N_KINDS];
    enum ms_status status[N_KINDS];
    char error[N_KINDS][1024];
    size_t n_samples;
    pid_t kill_parent_after;
};

static enum ms_status done(void *ctx, const struct ms_farm_answer *a, struct ms_err *err)
{
    struct seen *s = ctx;
    s->n[a->job]++;
    s->status[a->job] = a->message->status;
    snprintf(s->error[a->job], sizeof s->error[0], "%s", a->message->error);
    if (a->job == BIG)
        s->n_samples = a->message->part[MS_PART_SAMPLES].n;
    if (a->job == TALKS)
        ck_assert_ptr_nonnull(strstr(a->talk, "line 19999\n"));
    return MS_OK;
}

/* shared: what comes after a whole answer is taken for the start of the next. */
static void check_fates(const struct seen *s, bool shared)
{
    const char *expect[N_KINDS] = {
        [CRASH] = "killed by signal 11",
        [ABORT] = "killed by signal 6",
        [EXIT_0] = "exit status 0 and no answer",
        [EXIT_2] = "exit status 2 and no answer",
        [HANG] = "no answer within 5 s",
        [HANG_CLOSED] = "killed by signal 9",
        [HALF] = "cut short",
        [NOISE] = "not one of ours",
        [TOO_LONG] = "longer than it said",
        [MEMORY] = OUT_OF_MEMORY,
        [REFUSES] = "workload.ranks: 72 ranks, but 64 hosts",
    };
    for (int k = 0; k < N_KINDS; k++) {
        ck_assert_msg(s->n[k] == 1, "job %d ended %d times", k, s->n[k]);
        if (k == TOO_LONG && shared)
            continue;
        ck_assert_msg((s->status[k] == MS_OK) == !expect[k], "job %d: %s", k, s->error[k]);
        if (expect[k])
            ck_assert_msg(strstr(s->error[k], expect[k]) != NULL, "job %d: '%s'", k, s->error[k]);
    }
    ck_assert_ptr_nonnull(strstr(s->error[ABORT], "xbt/CRITICAL: no route"));
    ck_assert_int_eq(s->status[REFUSES], MS_INVALID);
    ck_assert_uint_gt(s->n_samples, 1 << 20); /* many pipe buffers long, and whole */
}

static size_t all_in_one(void *ctx, const size_t *jobs, size_t n)
{
    return n;
}

static size_t three(void *ctx, const size_t *jobs, size_t n)
{
    return n < 3 ? n : 3;
}

/* However many jobs share a child, each ends once, and as it would alone. */
START_TEST(test_every_way_to_fail_costs_one_case)
{
    size_t (*const batch[])(void *, const size_t *, size_t) = {NULL, all_in_one, three};
    size_t jobs[N_KINDS];
    for (size_t i = 0; i < N_KINDS; i++)
        jobs[i] = i;
    for (int k = 0; k < 3; k++) {
        struct seen seen = {0};
        struct ms_farm f = {.ctx = &seen,
                            .n_procs = k == 1 ? 1 : 5,
                            .timeout_s = 5,
                            .batch = batch[k],
                            .work = work,
                            .done = done};
        int sig;
        ck_assert_int_eq(ms_farm_run(&f, jobs, N_KINDS, &sig, NULL), MS_OK);
        ck_assert_int_eq(sig, 0);
        check_fates(&seen, batch[k]);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left behind */
    }
}
END_TEST

/* The pid of the child that did it, and after every fourth that this was the last one. */
static enum ms_status tell_pid(void *ctx, size_t job, struct ms_message *out, struct ms_err *err)
{
    ms_buf_printf(&out->part[MS_PART_RECORD], "%d", (int)getpid());
    out->last = job % 4 == 3;
    return MS_OK;
}

static enum ms_status note_pid(void *ctx, const struct ms_farm_answer *a, struct ms_err *err)
{
    int *pid = ctx;
    ck_assert_int_eq(a->message->status, MS_OK);
    ck_assert_int_eq(pid[a->job], 0);
    pid[a->job] = atoi(a->message->part[MS_PART_RECORD].p);
    return MS_OK;
}

START_TEST(test_jobs_share_a_child_until_it_says_that_it_is_the_last)
{
    size_t jobs[20];
    int pid[20] = {0}, sig = 0;
    for (size_t i = 0; i < 20; i++)
        jobs[i] = i;
    struct ms_farm f = {
        .ctx = pid, .n_procs = 1, .batch = all_in_one, .work = tell_pid, .done = note_pid};
    ck_assert_int_eq(ms_farm_run(&f, jobs, 20, &sig, NULL), MS_OK);
    for (int i = 1; i < 20; i++)
        ck_assert_msg((pid[i] == pid[i - 1]) == (i % 4 != 0), "jobs %d and %d", i - 1, i);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

static enum ms_status count_then_signal(void *ctx, const struct ms_farm_answer *a,
                                        struct ms_err *err)
{
    int *n = ctx;
    if (++*n == 3)
        kill(getpid(), SIGTERM);
    return MS_OK;
}

static enum ms_status good_work(void *ctx, size_t job, struct ms_message *out, struct ms_err *err)
{
    *out = three_parts();
    return MS_OK;
}

START_TEST(test_a_signal_stops_the_farm_and_keeps_what_is_done)
{
    size_t jobs[50] = {0};
    int n = 0, sig = 0;
    struct ms_farm f = {.ctx = &n, .n_procs = 1, .work = good_work, .done = count_then_signal};
    ck_assert_int_eq(ms_farm_run(&f, jobs, 50, &sig, NULL), MS_INTERRUPTED);
    ck_assert_int_eq(sig, SIGTERM);
    ck_assert(n >= 3 && n < 50);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

static enum ms_status cannot_write(void *ctx, const struct ms_farm_answer *a, struct ms_err *err)
{
    return ms_err_set(err, MS_IO, "no space left");
}

START_TEST(test_a_store_that_cannot_write_stops_the_farm)
{
    size_t jobs[] = {GOOD, HANG, HANG};
    int sig;
    struct ms_err e = {0};
    struct ms_farm f = {.n_procs = 3, .work = work, .done = cannot_write};
    ck_assert_int_eq(ms_farm_run(&f, jobs, 3, &sig, &e), MS_IO);
    ck_assert_str_eq(e.text, "no space left");
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sweep");
    TCase *t = tcase_create("farm");
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    tcase_add_test(t, test_a_frame_is_whole_or_nothing);
    tcase_add_test(t, test_every_way_to_fail_costs_one_case);
    tcase_add_test(t, test_jobs_share_a_child_until_it_says_that_it_is_the_last);
    tcase_add_test(t, test_a_signal_stops_the_farm_and_keeps_what_is_done);
    tcase_add_test(t, test_a_store_that_cannot_write_stops_the_farm);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
