/* The frame in which a child hands over its answer: lengths first, so that half of one is known for
 * half. */
#include "sweep/message.h"

#include <stdint.h>
#include <string.h>

#include "base/hash.h"

static const char magic[8] = {'m', 's', 'c', 'a', 's', 'e', '1', '\n'};

struct head {
    char magic[8];
    uint64_t status, length, hash;
};

enum { MAX_STATUS = MS_INTERRUPTED };
static const uint64_t max_length = (uint64_t)8 << 30;

/* Over the head's own words too: a flipped status must not turn a failure into an answer. */
static uint64_t hash_of(const struct head *h, const char *body)
{
    uint64_t words[3] = {h->status, h->length, ms_hash64(body, h->length)};
    return ms_hash64(words, sizeof words);
}

void ms_message_encode(const struct ms_message *m, struct ms_buf *out)
{
    struct ms_buf body = {0};
    for (int i = 0; i <= MS_N_PARTS; i++) {
        const char *text = i < MS_N_PARTS ? m->part[i].p : m->error;
        uint64_t n = i < MS_N_PARTS ? m->part[i].n : strlen(m->error);
        ms_buf_add(&body, &n, sizeof n);
        if (n > 0)
            ms_buf_add(&body, text, n);
    }
    struct head h = {.status = (uint64_t)m->status, .length = body.n};
    memcpy(h.magic, magic, sizeof magic);
    h.hash = body.failed ? 0 : hash_of(&h, body.p);
    ms_buf_add(out, &h, sizeof h);
    ms_buf_add(out, body.p, body.n);
    out->failed |= body.failed;
    ms_buf_finish(&body);
}

/* The parts of a body whose hash was right; a wrong length can then only be our own mistake, but is
 * checked. */
static bool split(const char *p, size_t left, struct ms_message *out)
{
    for (int i = 0; i <= MS_N_PARTS; i++) {
        uint64_t n;
        if (left < sizeof n)
            return false;
        memcpy(&n, p, sizeof n);
        p += sizeof n, left -= sizeof n;
        if (n > left || (i == MS_N_PARTS && n >= sizeof out->error))
            return false;
        if (i < MS_N_PARTS)
            ms_buf_add(&out->part[i], p, n);
        else
            memcpy(out->error, p, n);
        p += n, left -= n;
    }
    return left == 0;
}

enum ms_frame_state ms_message_decode(const char *bytes, size_t n, struct ms_message *out,
                                      const char **why)
{
    struct head h;
    size_t seen = n < sizeof magic ? n : sizeof magic;
    *why = "its answer is not one of ours";
    if (memcmp(bytes, magic, seen) != 0)
        return MS_FRAME_WRONG;
    if (n < sizeof h)
        return MS_FRAME_PARTIAL;
    memcpy(&h, bytes, sizeof h);
    if (h.status > MAX_STATUS || h.length > max_length)
        return MS_FRAME_WRONG;
    if (n - sizeof h < h.length)
        return MS_FRAME_PARTIAL;
    *why = "its answer is longer than it said";
    if (n - sizeof h > h.length)
        return MS_FRAME_WRONG;
    *why = "its answer does not match its own hash";
    if (hash_of(&h, bytes + sizeof h) != h.hash)
        return MS_FRAME_WRONG;
    *out = (struct ms_message){.status = (enum ms_status)h.status};
    if (split(bytes + sizeof h, h.length, out))
        return MS_FRAME_WHOLE;
    ms_message_finish(out);
    return MS_FRAME_WRONG;
}

size_t ms_message_length(const char *bytes, size_t n)
{
    struct head h;
    if (n < sizeof h || memcmp(bytes, magic, sizeof magic) != 0)
        return 0;
    memcpy(&h, bytes, sizeof h);
    return h.length <= n - sizeof h ? sizeof h + (size_t)h.length : 0;
}

void ms_message_finish(struct ms_message *m)
{
    for (int i = 0; i < MS_N_PARTS; i++)
        ms_buf_finish(&m->part[i]);
    *m = (struct ms_message){0};
}
