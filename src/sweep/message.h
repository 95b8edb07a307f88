/** @file message.h  What a child sends through its pipe: one frame, whole or nothing.
 *
 *  A frame is a magic word, the child's status, a length, the XXH3 of the body, then the body: the
 *  parts, each with its length. A case is done only when its frame is complete and its hash right,
 *  whatever the exit status says (SimGrid can exit 0 without having simulated anything). Host byte
 *  order: both ends are one program on one machine. */
#ifndef MS_SWEEP_MESSAGE_H
#define MS_SWEEP_MESSAGE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"

/** The parts of an answer; what is in them is the sender's business. */
enum { MS_PART_RECORD, MS_PART_TIMING, MS_PART_SAMPLES, MS_N_PARTS };

/** Zero-initialise; finish frees. A failure has only its sentence. */
struct ms_message {
    enum ms_status status;
    struct ms_buf part[MS_N_PARTS];
    char error[1024];
    /** [1] in a child: where it says how much of the job is done, 0 to 1; NULL: nobody asks; not sent */
    volatile double *progress;
    bool last; /**< the process that made it should make no other; not sent */
    /** Sends it when it is whole, and ends the process: it makes no other. NULL: whoever asked for the
     *  message sends it; not sent */
    void (*send)(const struct ms_message *m);
    int send_fd;
};

enum ms_frame_state { MS_FRAME_PARTIAL, MS_FRAME_WHOLE, MS_FRAME_WRONG };

/** Append the frame of a message. */
void ms_message_encode(const struct ms_message *m, struct ms_buf *out);
/** Look at the bytes received so far. WHOLE: out is filled. WRONG: no frame can come of these
 *  bytes; why says so in a few words. */
enum ms_frame_state ms_message_decode(const char *bytes, size_t n, struct ms_message *out,
                                      const char **why);
/** How many of n bytes the first frame takes, where more may follow. 0: it is not whole, or none. */
size_t ms_message_length(const char *bytes, size_t n);
void ms_message_finish(struct ms_message *m);

#endif
