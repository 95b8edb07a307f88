/* Forking, the two pipes to the parent, and waiting: how a child starts, what is kept of it, and how
 * long it is waited for. */
#define _GNU_SOURCE
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    GRACE_MS = 2000, /* for a child whose pipe is closed to be gone */
    GRACE_STEP_MS = 5,
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
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
}

enum ms_status ms_child_start(struct ms_child *c, ms_child_work *work, void *ctx,
                              struct ms_err *err)
{
    int answer[2], talk[2];
    if (pipe2(answer, O_CLOEXEC) != 0)
        return ms_err_set(err, MS_INTERNAL, "no pipe for a child: %s", strerror(errno));
    if (pipe2(talk, O_CLOEXEC) != 0) {
        close(answer[0]), close(answer[1]);
        return ms_err_set(err, MS_INTERNAL, "no pipe for a child: %s", strerror(errno));
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        close(answer[0]), close(talk[0]);
        settle_in_child(parent, talk[1]);
        _exit(work(ctx, answer[1]));
    }
    close(answer[1]), close(talk[1]);
    if (pid < 0) {
        close(answer[0]), close(talk[0]);
        return ms_err_set(err, MS_INTERNAL, "no process for a child: %s", strerror(errno));
    }
    fcntl(answer[0], F_SETFL, O_NONBLOCK);
    fcntl(talk[0], F_SETFL, O_NONBLOCK);
    c->pid = pid;
    c->answer_fd = answer[0];
    c->talk_fd = talk[0];
    c->started_s = ms_clock_s();
    return MS_OK;
}

/* Drop the middle when there is twice as much as is kept: the beginning tells why, the end how. */
static void trim(struct ms_buf *talk)
{
    if (talk->failed || talk->n <= MS_CHILD_HEAD_BYTES + 2 * MS_CHILD_TALK_BYTES)
        return;
    memmove(talk->p + MS_CHILD_HEAD_BYTES, talk->p + talk->n - MS_CHILD_TALK_BYTES,
            MS_CHILD_TALK_BYTES + 1);
    talk->n = MS_CHILD_HEAD_BYTES + MS_CHILD_TALK_BYTES;
    talk->p[MS_CHILD_HEAD_BYTES - 1] = '\n';
}

/* What is there; a pipe that can say no more is closed. */
static void drain(int *fd, struct ms_buf *out, bool end_only)
{
    char block[16384];
    ssize_t k = 0;
    while (*fd >= 0 && ((k = read(*fd, block, sizeof block)) > 0 || (k < 0 && errno == EINTR))) {
        if (k > 0)
            ms_buf_add(out, block, (size_t)k);
        if (end_only)
            trim(out);
    }
    if (k == 0 || errno != EAGAIN)
        close_fd(fd);
}

bool ms_child_read(struct ms_child *c)
{
    drain(&c->talk_fd, &c->talk, true);
    drain(&c->answer_fd, &c->answer, false);
    return c->answer_fd < 0;
}

int ms_child_reap(struct ms_child *c, bool at_once, struct rusage *usage)
{
    struct rusage unused;
    int status = 0;
    pid_t pid = 0;
    usage = usage ? usage : &unused;
    for (int waited = 0; !at_once && waited < GRACE_MS; waited += GRACE_STEP_MS) {
        pid = wait4(c->pid, &status, WNOHANG, usage);
        if (pid == c->pid || (pid < 0 && errno != EINTR))
            break;
        nanosleep(&(struct timespec){.tv_nsec = GRACE_STEP_MS * 1000000L}, NULL);
    }
    if (pid == 0) {
        kill(c->pid, SIGKILL);
        while (wait4(c->pid, &status, 0, usage) < 0 && errno == EINTR)
            ;
    }
    drain(&c->talk_fd, &c->talk, true);
    close_fd(&c->talk_fd);
    close_fd(&c->answer_fd);
    c->pid = 0;
    return status;
}

void ms_child_finish(struct ms_child *c)
{
    if (c->pid)
        ms_child_reap(c, true, NULL);
    ms_buf_finish(&c->answer);
    ms_buf_finish(&c->talk);
    *c = (struct ms_child){0};
}

enum ms_status ms_child_ask(struct ms_child *c, ms_child_work *work, void *ctx, double timeout_s,
                            bool *in_time, struct ms_err *err)
{
    enum ms_status s = ms_child_start(c, work, ctx, err);
    if (s != MS_OK)
        return s;
    bool whole = false;
    double left_s;
    while (!whole && (left_s = c->started_s + timeout_s - ms_clock_s()) > 0) {
        struct pollfd p[] = {{.fd = c->answer_fd, .events = POLLIN},
                             {.fd = c->talk_fd, .events = POLLIN}};
        poll(p, 2, left_s < 1 ? (int)(1000 * left_s) + 1 : 1000);
        whole = ms_child_read(c);
    }
    *in_time = whole;
    ms_child_reap(c, !whole, NULL);
    return MS_OK;
}
