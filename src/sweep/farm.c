#define _GNU_SOURCE
#include "sweep/farm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sweep/farm_end.h"

enum {
    TALK_BYTES = 2048, /* kept of a child's stderr */
    TICK_MS = 200,
    GRACE_MS = 2000, /* for a child whose pipe is closed to be gone */
    GRACE_STEP_MS = 5,
};

struct child {
    pid_t pid; /* 0 = free */
    size_t job;
    int answer_fd, talk_fd; /* -1 = closed */
    struct ms_buf answer;
    char talk[TALK_BYTES + 1];
    size_t n_talk;
    double started_s;
};

struct farm {
    const struct ms_farm *f;
    struct child *child; /* [f->n_procs] */
    size_t n_running;
    int signal_fd;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- in the child ---- */

static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return; /* the parent sees half a frame */
        p += k;
        n -= (size_t)k;
    }
}

static void settle_in_child(pid_t parent, int talk_fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* the parent was gone before the request */
    int null_fd = open("/dev/null", O_RDONLY);
    if (null_fd >= 0)
        dup2(null_fd, STDIN_FILENO);
    dup2(talk_fd, STDOUT_FILENO);
    dup2(talk_fd, STDERR_FILENO);
    int oom = open("/proc/self/oom_score_adj", O_WRONLY);
    if (oom >= 0) {
        write_all(oom, "500", 3);
        close(oom);
    }
}

static void __attribute__((noreturn)) be_child(const struct ms_farm *f, size_t job, int answer_fd)
{
    struct ms_message m = {0};
    struct ms_err err = {0};
    struct ms_buf frame = {0};
    m.status = f->work(f->ctx, job, &m, &err);
    for (int i = 0; m.status == MS_OK && i < MS_N_PARTS; i++)
        if (m.part[i].failed)
            m.status = ms_err_set(&err, MS_NOMEM, "out of memory for the record");
    if (m.status != MS_OK) {
        struct ms_message failure = {.status = m.status};
        int n =
            snprintf(failure.error, sizeof failure.error, "%s%s", err.key, *err.key ? ": " : "");
        snprintf(failure.error + n, sizeof failure.error - (size_t)n, "%s",
                 *err.text ? err.text : "failed without a reason");
        ms_message_encode(&failure, &frame);
    } else {
        ms_message_encode(&m, &frame);
    }
    if (!frame.failed)
        write_all(answer_fd, frame.p, frame.n);
    _exit(m.status == MS_OK ? 0 : 1); /* no atexit work of SimGrid */
}

/* ---- in the parent ---- */

static void drop_inherited(struct farm *farm)
{
    for (int i = 0; i < farm->f->n_procs; i++) {
        close_fd(&farm->child[i].answer_fd);
        close_fd(&farm->child[i].talk_fd);
    }
    close_fd(&farm->signal_fd);
}

static enum ms_status start(struct farm *farm, size_t job, struct ms_err *err)
{
    struct child *c = farm->child;
    while (c->pid != 0)
        c++;
    int answer[2], talk[2];
    if (pipe2(answer, O_CLOEXEC) != 0)
        return ms_err_set(err, MS_INTERNAL, "no pipe for a child: %s", strerror(errno));
    if (pipe2(talk, O_CLOEXEC) != 0) {
        close(answer[0]), close(answer[1]);
        return ms_err_set(err, MS_INTERNAL, "no pipe for a child: %s", strerror(errno));
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) { /* SIGINT and SIGTERM stay blocked here: the parent alone decides about them */
        drop_inherited(farm);
        close(answer[0]), close(talk[0]);
        settle_in_child(parent, talk[1]);
        be_child(farm->f, job, answer[1]);
    }
    close(answer[1]), close(talk[1]);
    if (pid < 0) {
        close(answer[0]), close(talk[0]);
        return ms_err_set(err, MS_INTERNAL, "no process for a case: %s", strerror(errno));
    }
    fcntl(answer[0], F_SETFL, O_NONBLOCK);
    fcntl(talk[0], F_SETFL, O_NONBLOCK);
    *c = (struct child){
        .pid = pid, .job = job, .answer_fd = answer[0], .talk_fd = talk[0], .started_s = now_s()};
    farm->n_running++;
    return MS_OK;
}

/* Keep the last TALK_BYTES. */
static void add_talk(struct child *c, const char *p, size_t n)
{
    if (n > TALK_BYTES) {
        p += n - TALK_BYTES;
        n = TALK_BYTES;
    }
    if (c->n_talk + n > TALK_BYTES) {
        size_t drop = c->n_talk + n - TALK_BYTES;
        memmove(c->talk, c->talk + drop, c->n_talk - drop);
        c->n_talk -= drop;
    }
    memcpy(c->talk + c->n_talk, p, n);
    c->n_talk += n;
    c->talk[c->n_talk] = '\0';
}

static void read_talk(struct child *c)
{
    char block[4096];
    ssize_t k = 0;
    while (c->talk_fd >= 0 && (k = read(c->talk_fd, block, sizeof block)) > 0)
        add_talk(c, block, (size_t)k);
    if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR))
        close_fd(&c->talk_fd);
}

/* @return true once nothing more can come */
static bool read_answer(struct child *c)
{
    char block[65536];
    ssize_t k = 0;
    while (c->answer_fd >= 0 && (k = read(c->answer_fd, block, sizeof block)) > 0)
        ms_buf_add(&c->answer, block, (size_t)k);
    if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR))
        close_fd(&c->answer_fd);
    return c->answer_fd < 0;
}

/* Wait for a child that should be gone; one that is not is killed. @return the wait status */
static int reap(struct child *c, bool at_once, struct rusage *usage)
{
    int status = 0;
    for (int waited = 0; !at_once && waited < GRACE_MS; waited += GRACE_STEP_MS) {
        pid_t pid = wait4(c->pid, &status, WNOHANG, usage);
        if (pid == c->pid || (pid < 0 && errno != EINTR))
            return status;
        nanosleep(&(struct timespec){.tv_nsec = GRACE_STEP_MS * 1000000L}, NULL);
    }
    kill(c->pid, SIGKILL);
    while (wait4(c->pid, &status, 0, usage) < 0 && errno == EINTR)
        ;
    return status;
}

static enum ms_status hand_over(struct farm *farm, struct child *c, struct ms_message *m,
                                const struct rusage *usage, struct ms_err *err)
{
    struct ms_farm_answer a = {.job = c->job,
                               .message = m,
                               .talk = c->talk,
                               .wall_s = now_s() - c->started_s,
                               .peak_rss_kib = usage->ru_maxrss};
    enum ms_status s = farm->f->done(farm->f->ctx, &a, err);
    ms_message_finish(m);
    ms_buf_finish(&c->answer);
    close_fd(&c->answer_fd);
    close_fd(&c->talk_fd);
    c->pid = 0;
    farm->n_running--;
    return s;
}

/* The child has said all it will: judge it. */
static enum ms_status finish(struct farm *farm, struct child *c, bool timed_out, struct ms_err *err)
{
    struct ms_message m = {0};
    struct rusage usage = {0};
    const char *why = NULL;
    enum ms_frame_state state = MS_FRAME_PARTIAL;
    if (c->answer.n > 0)
        state = ms_message_decode(c->answer.p, c->answer.n, &m, &why);
    int status = reap(c, timed_out || state != MS_FRAME_PARTIAL, &usage);
    read_talk(c);
    if (state != MS_FRAME_WHOLE || c->answer.failed) {
        ms_message_finish(&m);
        m.status = MS_INTERNAL;
        if (timed_out)
            snprintf(m.error, sizeof m.error, "no answer within %g s (--case-timeout)",
                     farm->f->timeout_s);
        else if (state == MS_FRAME_WRONG)
            snprintf(m.error, sizeof m.error, "the simulating process failed: %s", why);
        else
            ms_farm_name_end(status, c->answer.n > 0 ? "its answer is cut short" : NULL, m.error,
                             sizeof m.error);
        ms_farm_add_talk(c->talk, m.error, sizeof m.error);
    }
    return hand_over(farm, c, &m, &usage, err);
}

/* Whole frames end a case at once: what the child does afterwards no longer matters. */
static bool has_answered(const struct child *c)
{
    struct ms_message m = {0};
    const char *why;
    if (c->answer.n == 0)
        return false;
    enum ms_frame_state s = ms_message_decode(c->answer.p, c->answer.n, &m, &why);
    ms_message_finish(&m);
    return s != MS_FRAME_PARTIAL;
}

static enum ms_status look_at_children(struct farm *farm, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    for (int i = 0; s == MS_OK && i < farm->f->n_procs; i++) {
        struct child *c = &farm->child[i];
        if (c->pid == 0)
            continue;
        size_t before = c->answer.n;
        read_talk(c);
        bool closed = read_answer(c);
        bool late = farm->f->timeout_s > 0 && now_s() - c->started_s > farm->f->timeout_s;
        if (closed || late || (c->answer.n > before && has_answered(c)))
            s = finish(farm, c, late && !closed, err);
    }
    return s;
}

/* Until something happens or it is time for a tick. @return the signal that asks us to stop, 0 =
 * none */
static int wait_for_news(struct farm *farm, struct pollfd *fds)
{
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = farm->signal_fd, .events = POLLIN};
    for (int i = 0; i < farm->f->n_procs; i++) {
        if (farm->child[i].pid == 0)
            continue;
        fds[n++] = (struct pollfd){.fd = farm->child[i].answer_fd, .events = POLLIN};
        if (farm->child[i].talk_fd >= 0)
            fds[n++] = (struct pollfd){.fd = farm->child[i].talk_fd, .events = POLLIN};
    }
    poll(fds, n, TICK_MS);
    struct signalfd_siginfo info;
    if (read(farm->signal_fd, &info, sizeof info) == sizeof info)
        return (int)info.ssi_signo;
    return 0;
}

static void kill_all(struct farm *farm)
{
    for (int i = 0; i < farm->f->n_procs; i++) {
        struct child *c = &farm->child[i];
        if (c->pid == 0)
            continue;
        struct rusage usage;
        reap(c, true, &usage);
        ms_buf_finish(&c->answer);
        close_fd(&c->answer_fd);
        close_fd(&c->talk_fd);
        c->pid = 0;
    }
    farm->n_running = 0;
}

/* Fill the free places. A fork that fails is only fatal when nobody is running. */
static enum ms_status start_some(struct farm *farm, const size_t *jobs, size_t n_jobs, size_t *next,
                                 struct ms_err *err)
{
    while (*next < n_jobs && farm->n_running < (size_t)farm->f->n_procs) {
        struct ms_err why = {0};
        enum ms_status s = start(farm, jobs[*next], &why);
        if (s != MS_OK && farm->n_running > 0)
            break;
        if (s != MS_OK)
            return ms_err_set(err, s, "%s", why.text);
        (*next)++;
    }
    return MS_OK;
}

static enum ms_status run_jobs(struct farm *farm, const size_t *jobs, size_t n_jobs,
                               int *signal_number, struct ms_err *err)
{
    struct pollfd *fds = calloc(2 * (size_t)farm->f->n_procs + 1, sizeof *fds);
    if (!fds)
        return ms_err_set(err, MS_NOMEM, "out of memory for the fork pool");
    size_t next = 0;
    enum ms_status s = MS_OK;
    while (s == MS_OK && (next < n_jobs || farm->n_running > 0)) {
        s = start_some(farm, jobs, n_jobs, &next, err);
        if (s == MS_OK && (*signal_number = wait_for_news(farm, fds)) != 0)
            s = ms_err_set(err, MS_INTERRUPTED, "interrupted: %s", strsignal(*signal_number));
        if (s == MS_OK || s == MS_INTERRUPTED) { /* what has arrived is kept, also on the way out */
            enum ms_status look = look_at_children(farm, err);
            s = s == MS_OK ? look : s;
        }
        if (s == MS_OK && farm->f->tick)
            farm->f->tick(farm->f->ctx, farm->n_running);
    }
    kill_all(farm);
    free(fds);
    return s;
}

enum ms_status ms_farm_run(const struct ms_farm *f, const size_t *jobs, size_t n_jobs,
                           int *signal_number, struct ms_err *err)
{
    struct farm farm = {.f = f, .signal_fd = -1};
    sigset_t set, old;
    *signal_number = 0;
    farm.child = calloc((size_t)f->n_procs, sizeof *farm.child);
    if (!farm.child)
        return ms_err_set(err, MS_NOMEM, "out of memory for the fork pool");
    for (int i = 0; i < f->n_procs; i++)
        farm.child[i].answer_fd = farm.child[i].talk_fd = -1;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &old);
    farm.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    enum ms_status s = MS_OK;
    if (farm.signal_fd < 0)
        s = ms_err_set(err, MS_INTERNAL, "no signalfd: %s", strerror(errno));
    else
        s = run_jobs(&farm, jobs, n_jobs, signal_number, err);
    close_fd(&farm.signal_fd);
    sigprocmask(SIG_SETMASK, &old, NULL);
    free(farm.child);
    return s;
}
