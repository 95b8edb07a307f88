/** @file child.h  A forked child that answers through a pipe.
 *
 *  For work that may crash, hang or call exit(): what the child says on stdout and stderr is kept
 *  beside its answer, and it dies with its parent. Reading never blocks, so one loop can serve many
 *  children (sweep/farm.c); ms_child_ask is that loop for one child. What an answer means, and
 *  whether it came whole, is for the caller to judge. */
#ifndef MS_BASE_CHILD_H
#define MS_BASE_CHILD_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/file.h"

/** Of its talk, the beginning is kept and the end: at least so much of each. */
enum { MS_CHILD_HEAD_BYTES = 4096, MS_CHILD_TALK_BYTES = 16384 };

/** The parent's side. Zero-initialise; finish frees. */
struct ms_child {
    pid_t pid;              /**< 0 = none, or gone */
    int answer_fd, talk_fd; /**< non-blocking; meaningful while pid != 0; -1 = closed */
    struct ms_buf answer;   /**< what came so far */
    struct ms_buf talk;     /**< the end of what it said, NUL-terminated once it said something */
    double started_s;       /**< ms_clock_s() */
};

/** The child's side: writes to answer_fd what it has to say. When it returns the child is gone,
 *  by _exit and with the status returned: no atexit work of anybody. */
typedef int ms_child_work(void *ctx, int answer_fd);

/** Fork. The child's stdin is empty, its stdout and stderr are its talk.
 *  @param c zeroed  @return MS_OK; MS_INTERNAL where there is no pipe or no process */
enum ms_status ms_child_start(struct ms_child *c, ms_child_work *work, void *ctx,
                              struct ms_err *err);
/** Take what has arrived. @return true once nothing more can come of the answer */
bool ms_child_read(struct ms_child *c);
/** Wait for a child that should be gone; one that is not gone after two seconds is killed.
 *  @param at_once kill it without waiting  @param usage NULL = not wanted
 *  @return the wait status */
int ms_child_reap(struct ms_child *c, bool at_once, struct rusage *usage);
/** Kills what was not reaped. */
void ms_child_finish(struct ms_child *c);

/** Start a child and listen until it closes its pipe or timeout_s have passed; it is reaped then.
 *  @param c zeroed; answer and talk are the caller's (ms_child_finish), on any return
 *  @param in_time false: it was killed */
enum ms_status ms_child_ask(struct ms_child *c, ms_child_work *work, void *ctx, double timeout_s,
                            bool *in_time, struct ms_err *err);

#endif
