/* The fork pool: how many children at once, which jobs next, when a child has answered or is given
 * up, which jobs are tried again, and what is said of one that gave no answer. */
#define _GNU_SOURCE
#include "sweep/farm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "sim/load.h"

enum {
    TICK_MS = 200,
    SHOWN_TALK_BYTES = 2048, /* of a good case */
    QUOTED_TALK_BYTES = 400, /* in the reason of a failed one */
};

/* Jobs in the order in which they are to be done. */
struct span {
    const size_t *job; /* [n] borrowed */
    size_t n;
    bool alone; /* a child each */
};

struct slot {
    struct ms_child child; /* pid 0 = free */
    struct span jobs;      /* of this child */
    size_t at;             /* the one it does now */
    double since_s;        /* ms_clock_s() when it began that */
};

struct farm {
    const struct ms_farm *f;
    struct slot *slot;         /* [f->n_procs] */
    volatile double *progress; /* [f->n_procs] shared with the children */
    size_t n_running;
    int signal_fd;
    struct span *left; /* [n_left] what no child has yet, the next ones last */
    size_t n_left, left_cap;
};

static bool leave(struct farm *farm, struct span jobs)
{
    if (jobs.n == 0)
        return true;
    if (farm->n_left == farm->left_cap) {
        size_t cap = farm->left_cap + 64;
        struct span *more = realloc(farm->left, cap * sizeof *more);
        if (!more)
            return false;
        farm->left = more;
        farm->left_cap = cap;
    }
    farm->left[farm->n_left++] = jobs;
    return true;
}

/* ---- in the child ---- */

/* What belongs to the parent: the other children's pipes and the signals. */
static void drop_inherited(struct farm *farm)
{
    for (int i = 0; i < farm->f->n_procs; i++) {
        if (farm->slot[i].child.pid == 0)
            continue;
        close(farm->slot[i].child.answer_fd);
        close(farm->slot[i].child.talk_fd);
    }
    close(farm->signal_fd);
}

/* When memory runs out, the kernel shall take this process, not the parent. */
static void offer_to_oom_killer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)ms_fd_write(fd, "500", 3);
    close(fd);
}

/* ms_message.send: what the process still holds goes with it. */
static void send_and_end(const struct ms_message *m)
{
    struct ms_buf frame = {0};
    for (int i = 0; i < MS_N_PARTS; i++)
        if (m->part[i].failed)
            return;
    ms_message_encode(m, &frame);
    if (!frame.failed)
        _exit(ms_fd_write(m->send_fd, frame.p, frame.n) ? 0 : 1);
}

/* @param answer_fd where the answer goes if the child has but one job; -1: it has more */
static enum ms_status do_job(const struct ms_farm *f, size_t job, volatile double *progress,
                             int answer_fd, struct ms_buf *frame, bool *last)
{
    struct ms_message m = {
        .progress = progress, .send = answer_fd >= 0 ? send_and_end : NULL, .send_fd = answer_fd};
    *progress = 0;
    struct ms_err err = {0};
    m.status = f->work(f->ctx, job, &m, &err);
    for (int i = 0; m.status == MS_OK && i < MS_N_PARTS; i++)
        if (m.part[i].failed)
            m.status = ms_err_set(&err, MS_NOMEM, "out of memory for the record");
    if (m.status == MS_OK) {
        *last = m.last;
        ms_message_encode(&m, frame);
        ms_message_finish(&m);
        return MS_OK;
    }
    struct ms_message failure = {.status = m.status};
    int n = snprintf(failure.error, sizeof failure.error, "%s%s", err.key, *err.key ? ": " : "");
    snprintf(failure.error + n, sizeof failure.error - (size_t)n, "%s",
             *err.text ? err.text : "failed without a reason");
    ms_message_encode(&failure, frame);
    return m.status;
}

struct order {
    struct farm *farm;
    volatile double *progress;
    struct span jobs;
};

/* SIGINT, SIGTERM and SIGHUP stay blocked here: the parent alone decides about them. */
static int be_child(void *ctx, int answer_fd)
{
    const struct order *o = ctx;
    enum ms_status s = MS_OK;
    bool last = false;
    drop_inherited(o->farm);
    offer_to_oom_killer();
    for (size_t i = 0; s == MS_OK && !last && i < o->jobs.n; i++) {
        struct ms_buf frame = {0};
        int only_fd = o->jobs.n == 1 ? answer_fd : -1;
        s = do_job(o->farm->f, o->jobs.job[i], o->progress, only_fd, &frame, &last);
        if (frame.failed || !ms_fd_write(answer_fd, frame.p, frame.n))
            break; /* the parent sees half a frame */
        ms_buf_finish(&frame);
    }
    return s == MS_OK ? 0 : 1;
}

/* ---- what to say of a child that gave no answer ---- */

/* One sentence. `why`: what was wrong with its answer, NULL = there was none. */
static void name_end(int status, const char *why, char *out, size_t size)
{
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);
        snprintf(out, size, "the simulating process was killed by signal %d (%s)%s", sig,
                 strsignal(sig), sig == SIGKILL ? "; out of memory?" : "");
    } else if (why) {
        snprintf(out, size, "the simulating process failed: %s", why);
    } else {
        snprintf(out, size, "the simulating process ended with exit status %d and no answer",
                 WEXITSTATUS(status));
    }
}

/* The last `most` bytes of what it said. */
static const char *end_of_talk(const struct ms_child *c, size_t most)
{
    if (!c->talk.p || c->talk.failed)
        return "";
    return c->talk.n > most ? c->talk.p + c->talk.n - most : c->talk.p;
}

/* SimGrid's reason, or the end of what it said: lines joined by " | ", nothing unprintable. */
static void add_talk(const struct ms_child *c, char *out, size_t size)
{
    char reason[512];
    const char *talk = ms_simgrid_reason(c->talk.failed ? NULL : c->talk.p, reason, sizeof reason)
                           ? reason
                           : end_of_talk(c, QUOTED_TALK_BYTES);
    size_t n = strlen(talk), used = strlen(out);
    while (n > 0 && (unsigned char)talk[n - 1] <= ' ')
        n--;
    if (n == 0)
        return;
    used += (size_t)snprintf(out + used, size - used, "; it said: ");
    for (size_t i = 0; i < n && used + 4 < size; i++) {
        if (talk[i] == '\n')
            used += (size_t)snprintf(out + used, size - used, " | ");
        else if ((unsigned char)talk[i] >= ' ' && talk[i] != 127)
            out[used++] = talk[i];
    }
    out[used] = '\0';
}

/* ---- in the parent ---- */

static enum ms_status start(struct farm *farm, struct span jobs, struct ms_err *err)
{
    struct slot *slot = farm->slot;
    while (slot->child.pid != 0)
        slot++;
    struct order o = {farm, &farm->progress[slot - farm->slot], jobs};
    enum ms_status s = ms_child_start(&slot->child, be_child, &o, err);
    slot->jobs = jobs;
    slot->at = 0;
    slot->since_s = slot->child.started_s;
    farm->n_running += s == MS_OK;
    return s;
}

static enum ms_status hand_over(struct farm *farm, struct slot *slot, struct ms_message *m,
                                struct ms_err *err)
{
    struct ms_farm_answer a = {.job = slot->jobs.job[slot->at],
                               .message = m,
                               .talk = end_of_talk(&slot->child, SHOWN_TALK_BYTES),
                               .wall_s = ms_clock_s() - slot->since_s};
    return farm->f->done(farm->f->ctx, &a, err);
}

enum fate {
    DONE,  /* the job has its answer */
    AGAIN, /* it is tried once more, in a child of its own */
    LEFT,  /* it was not begun */
};

/* The child is gone; what it was given beyond the job it was at waits again. */
static enum ms_status let_go(struct farm *farm, struct slot *slot, enum fate fate,
                             struct ms_err *err)
{
    const struct span *j = &slot->jobs;
    size_t next = slot->at + (fate != LEFT);
    struct span rest = {j->job + next, j->n - next, j->alone};
    struct span again = {j->job + slot->at, fate == AGAIN, true};
    ms_child_finish(&slot->child);
    farm->n_running--;
    bool ok = leave(farm, rest);
    ok = leave(farm, again) && ok;
    return ok ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory for the fork pool");
}

/* The child will say no more, or shall not: judge what it said of the job it was at. */
static enum ms_status finish(struct farm *farm, struct slot *slot, bool timed_out,
                             struct ms_err *err)
{
    struct ms_child *c = &slot->child;
    struct ms_message m = {0};
    const char *why = NULL;
    enum ms_frame_state state = MS_FRAME_PARTIAL;
    if (c->answer.n > 0)
        state = ms_message_decode(c->answer.p, c->answer.n, &m, &why);
    int status = ms_child_reap(c, timed_out || state != MS_FRAME_PARTIAL, NULL);
    if (state != MS_FRAME_WHOLE || c->answer.failed) {
        ms_message_finish(&m);
        m.status = MS_INTERNAL;
        if (timed_out)
            snprintf(m.error, sizeof m.error, "no answer within %g s (--case-timeout)",
                     farm->f->timeout_s);
        else if (state == MS_FRAME_WRONG)
            snprintf(m.error, sizeof m.error, "the simulating process failed: %s", why);
        else
            name_end(status, c->answer.n > 0 ? "its answer is cut short" : NULL, m.error,
                     sizeof m.error);
        add_talk(c, m.error, sizeof m.error);
    }
    bool mute = c->answer.n == 0 && !timed_out && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    enum fate fate = m.status == MS_OK || slot->at == 0 ? DONE : mute ? LEFT : AGAIN;
    enum ms_status s = fate == DONE ? hand_over(farm, slot, &m, err) : MS_OK;
    ms_message_finish(&m);
    enum ms_status gone = let_go(farm, slot, fate, err);
    return s == MS_OK ? gone : s;
}

/* Good answers to jobs before the child's last: it goes on. */
static enum ms_status take_answers(struct farm *farm, struct slot *slot, struct ms_err *err)
{
    struct ms_child *c = &slot->child;
    enum ms_status s = MS_OK;
    size_t used = 0, n;
    while (s == MS_OK && slot->at + 1 < slot->jobs.n &&
           (n = ms_message_length(c->answer.p + used, c->answer.n - used)) > 0) {
        struct ms_message m = {0};
        const char *why;
        if (ms_message_decode(c->answer.p + used, n, &m, &why) != MS_FRAME_WHOLE ||
            m.status != MS_OK) { /* its last word */
            ms_message_finish(&m);
            break;
        }
        s = hand_over(farm, slot, &m, err);
        ms_message_finish(&m);
        if (c->talk.p)
            c->talk.p[c->talk.n = 0] = '\0';
        used += n;
        slot->at++;
        slot->since_s = ms_clock_s();
    }
    if (used > 0) {
        c->answer.n -= used;
        memmove(c->answer.p, c->answer.p + used, c->answer.n);
    }
    return s;
}

/* A whole frame that is the last one ends a child at once: what it does afterwards no longer matters.
 * So does a failure, or what is no frame. */
static bool has_answered(const struct ms_child *c)
{
    struct ms_message m = {0};
    const char *why;
    if (c->answer.n == 0)
        return false;
    enum ms_frame_state s = ms_message_decode(c->answer.p, c->answer.n, &m, &why);
    ms_message_finish(&m);
    return s != MS_FRAME_PARTIAL;
}

static enum ms_status look_at(struct farm *farm, struct slot *slot, struct ms_err *err)
{
    struct ms_child *c = &slot->child;
    size_t before = c->answer.n;
    bool closed = ms_child_read(c);
    bool more = c->answer.n > before;
    if (more) /* what it said before its answer is in the pipe by now */
        closed = ms_child_read(c);
    enum ms_status s = more ? take_answers(farm, slot, err) : MS_OK;
    if (s != MS_OK)
        return s;
    bool late = farm->f->timeout_s > 0 && ms_clock_s() - slot->since_s > farm->f->timeout_s;
    return closed || late || (more && has_answered(c)) ? finish(farm, slot, late && !closed, err)
                                                       : MS_OK;
}

static enum ms_status look_at_children(struct farm *farm, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    for (int i = 0; s == MS_OK && i < farm->f->n_procs; i++)
        if (farm->slot[i].child.pid != 0)
            s = look_at(farm, &farm->slot[i], err);
    return s;
}

/* Until something happens or it is time for a tick.
 * @return the signal that asks us to stop, 0 = none */
static int wait_for_news(struct farm *farm, struct pollfd *fds)
{
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = farm->signal_fd, .events = POLLIN};
    for (int i = 0; i < farm->f->n_procs; i++) {
        const struct ms_child *c = &farm->slot[i].child;
        if (c->pid == 0)
            continue;
        fds[n++] = (struct pollfd){.fd = c->answer_fd, .events = POLLIN};
        if (c->talk_fd >= 0)
            fds[n++] = (struct pollfd){.fd = c->talk_fd, .events = POLLIN};
    }
    poll(fds, n, TICK_MS);
    struct signalfd_siginfo info;
    if (read(farm->signal_fd, &info, sizeof info) == sizeof info)
        return (int)info.ssi_signo;
    return 0;
}

static void kill_all(struct farm *farm)
{
    for (int i = 0; i < farm->f->n_procs; i++)
        ms_child_finish(&farm->slot[i].child);
    farm->n_running = 0;
}

/* The next jobs for one child. */
static struct span take(struct farm *farm)
{
    struct span *from = &farm->left[farm->n_left - 1], jobs = *from;
    size_t n = 1;
    if (!from->alone && farm->f->batch)
        n = farm->f->batch(farm->f->ctx, from->job, from->n);
    jobs.n = n < from->n ? n : from->n;
    from->job += jobs.n;
    from->n -= jobs.n;
    farm->n_left -= from->n == 0;
    return jobs;
}

/* Fill the free places. A fork that fails is only fatal when nobody is running. */
static enum ms_status start_some(struct farm *farm, struct ms_err *err)
{
    while (farm->n_left > 0 && farm->n_running < (size_t)farm->f->n_procs) {
        struct ms_err why = {0};
        struct span jobs = take(farm);
        enum ms_status s = start(farm, jobs, &why);
        if (s == MS_OK)
            continue;
        if (!leave(farm, jobs) || farm->n_running == 0)
            return ms_err_set(err, s, "%s", why.text);
        break;
    }
    return MS_OK;
}

static void tick(const struct farm *farm)
{
    const struct ms_farm *f = farm->f;
    double now_s = ms_clock_s();
    for (int i = 0; f->under_way && i < f->n_procs; i++) {
        const struct slot *slot = &farm->slot[i];
        if (slot->child.pid != 0)
            f->under_way(f->ctx, slot->jobs.job[slot->at], farm->progress[i],
                         now_s - slot->since_s);
    }
    f->tick(f->ctx, farm->n_running);
}

static enum ms_status run_jobs(struct farm *farm, int *signal_number, struct ms_err *err)
{
    struct pollfd *fds = calloc(2 * (size_t)farm->f->n_procs + 1, sizeof *fds);
    if (!fds)
        return ms_err_set(err, MS_NOMEM, "out of memory for the fork pool");
    enum ms_status s = MS_OK;
    while (s == MS_OK && (farm->n_left > 0 || farm->n_running > 0)) {
        s = start_some(farm, err);
        if (s == MS_OK && (*signal_number = wait_for_news(farm, fds)) != 0)
            s = ms_err_set(err, MS_INTERRUPTED, "interrupted: %s", strsignal(*signal_number));
        if (s == MS_OK || s == MS_INTERRUPTED) { /* what has arrived is kept, also on the way out */
            enum ms_status look = look_at_children(farm, err);
            s = s == MS_OK ? look : s;
        }
        if (s == MS_OK && farm->f->tick)
            tick(farm);
    }
    kill_all(farm);
    free(fds);
    return s;
}

/* nohup's way of saying that the end of the terminal is not to matter. */
static bool ignores_hangup(void)
{
    struct sigaction a;
    return sigaction(SIGHUP, NULL, &a) == 0 && a.sa_handler == SIG_IGN;
}

enum ms_status ms_farm_run(const struct ms_farm *f, const size_t *jobs, size_t n_jobs,
                           int *signal_number, struct ms_err *err)
{
    struct farm farm = {.f = f, .signal_fd = -1};
    sigset_t set, old;
    *signal_number = 0;
    size_t shared = (size_t)f->n_procs * sizeof *farm.progress;
    farm.slot = calloc((size_t)f->n_procs, sizeof *farm.slot);
    void *p = mmap(NULL, shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    farm.progress = p == MAP_FAILED ? NULL : p;
    if (!farm.slot || !farm.progress || !leave(&farm, (struct span){jobs, n_jobs, false})) {
        free(farm.slot);
        if (farm.progress)
            munmap(p, shared);
        return ms_err_set(err, MS_NOMEM, "out of memory for the fork pool");
    }
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (!ignores_hangup())
        sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &old);
    farm.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    enum ms_status s = MS_OK;
    if (farm.signal_fd < 0)
        s = ms_err_set(err, MS_INTERNAL, "no signalfd: %s", strerror(errno));
    else
        s = run_jobs(&farm, signal_number, err);
    if (farm.signal_fd >= 0)
        close(farm.signal_fd);
    sigprocmask(SIG_SETMASK, &old, NULL);
    munmap(p, shared);
    free(farm.left);
    free(farm.slot);
    return s;
}
