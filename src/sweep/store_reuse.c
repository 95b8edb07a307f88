/* What a results folder holds already: the records of this study's cases, found by their keys wherever
 * they stood, and not made again. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep/lines.h"
#include "sweep/samples_file.h"
#include "sweep/store_parts.h"

/* Samples that are not what was written are simulated again. */
static bool has_samples(const struct ms_store *s, const struct ms_store_case *c)
{
    enum ms_samples_state state;
    if (ms_samples_read(s->dir, c->id, c->key.hex, &state, NULL, NULL) != MS_OK)
        return false;
    if (state == MS_SAMPLES_BROKEN && s->study->warnings)
        ms_errs_warn_at(
            s->study->warnings, s->dir, 0, 0, "samples",
            "%s.csv is not what was written for this case (its hash or key does not match); "
            "the case runs again",
            c->id);
    return state == MS_SAMPLES_WHOLE;
}

/* A line that is there: of its words the hashes. */
struct old_line {
    struct ms_store_place place;
    uint64_t key, key_end; /* of the key's first and last half */
    uint64_t id, head;
    bool degraded;
};

/* Lines by their key, those of one key in the order of the file. */
struct old_lines {
    struct old_line *line; /* the heap's */
    size_t n, cap;
    bool with_body; /* a record without one is none that can be kept */
};

static void set_key(struct old_line *l, const char *key, size_t n)
{
    l->key = ms_hash64(key, n / 2);
    l->key_end = ms_hash64(key + n / 2, n - n / 2);
}

static bool keep_line(void *ctx, const struct ms_line_met *l)
{
    struct old_lines *o = ctx;
    if (l->head == 0 || l->n >= UINT32_MAX || (o->with_body && !ms_store_good(l->status)))
        return true;
    if (o->n == o->cap) {
        size_t cap = o->cap ? 2 * o->cap : 64;
        struct old_line *more = realloc(o->line, cap * sizeof *more);
        if (!more)
            return false;
        o->line = more;
        o->cap = cap;
    }
    struct old_line *line = &o->line[o->n++];
    *line = (struct old_line){
        .place = {l->at, (uint32_t)l->n, (uint32_t)l->head, false},
        .id = ms_hash64(l->id.p, l->id.n),
        .head = ms_hash64(l->text, l->head),
        .degraded = strcmp(l->status, "degraded") == 0,
    };
    set_key(line, l->key.p, l->key.n);
    return true;
}

static int compare_keys(const struct old_line *x, const struct old_line *y)
{
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key)
                            : (x->key_end > y->key_end) - (x->key_end < y->key_end);
}

static int compare_lines(const void *a, const void *b)
{
    const struct old_line *x = a, *y = b;
    int c = compare_keys(x, y);
    return c ? c : (x->place.at > y->place.at) - (x->place.at < y->place.at);
}

/* The lines of a case's key. @return how many */
static size_t lines_of(const struct old_lines *o, const struct ms_store_case *c,
                       const struct old_line **first)
{
    struct old_line wanted = {.id = 0};
    size_t lo = 0, hi = o->n, n = 0;
    set_key(&wanted, c->key.hex, strlen(c->key.hex));
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare_keys(&o->line[mid], &wanted) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *first = o->n > 0 ? o->line + lo : NULL;
    while (lo + n < o->n && compare_keys(&o->line[lo + n], &wanted) == 0)
        n++;
    return n;
}

/* The line for a case, and whether it begins as the case's would now. */
static void use(const struct old_line *l, const struct ms_buf *head, struct ms_store_place *out)
{
    *out = l->place;
    out->right = head->n == l->place.head && ms_hash64(head->p, head->n) == l->head;
}

/* A record that was made before for the same key, wherever it stood. */
static enum ms_status reuse(struct ms_store *s, size_t index, const struct old_lines *old,
                            struct ms_err *err)
{
    const struct ms_store_case *c = &s->study->c[index];
    const struct old_line *l;
    size_t n = lines_of(old, c, &l);
    for (; n > 0; n--, l++) {
        if (s->study->needs_samples &&
            (l->id != ms_hash64(c->id, strlen(c->id)) || !has_samples(s, c)))
            continue;
        struct ms_buf head = {0};
        ms_store_head_good(c, l->degraded, &head);
        if (!head.failed)
            use(l, &head, &s->entry[index].record);
        s->entry[index].ok = !head.failed;
        ms_buf_finish(&head);
        return s->entry[index].ok ? MS_OK : ms_store_no_memory(err);
    }
    return MS_OK;
}

/* The latest of the key. */
static enum ms_status reuse_timing(struct ms_store *s, size_t index, const struct old_lines *times,
                                   struct ms_err *err)
{
    const struct ms_store_case *c = &s->study->c[index];
    const struct old_line *first;
    size_t n = s->entry[index].ok ? lines_of(times, c, &first) : 0;
    if (n == 0)
        return MS_OK;
    struct ms_buf head = {0};
    ms_store_head_timing(c, &head);
    if (!head.failed)
        use(first + n - 1, &head, &s->entry[index].timing);
    bool ok = !head.failed;
    ms_buf_finish(&head);
    return ok ? MS_OK : ms_store_no_memory(err);
}

/* The lines of one of the files, which stays open for what is kept of them. */
static enum ms_status walk(struct ms_store *s, struct ms_store_file *f, struct old_lines *out,
                           struct ms_lines_seen *seen, struct ms_err *err)
{
    char *path = ms_path_join(&s->arena, s->dir, f->name);
    if (!path)
        return ms_store_no_memory(err);
    enum ms_status status = ms_lines_walk(path, keep_line, out, seen, &f->end, err);
    if (status != MS_OK || access(path, F_OK) != 0)
        return status;
    if (out->n > 0)
        qsort(out->line, out->n, sizeof *out->line, compare_lines);
    f->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    return f->fd >= 0
               ? MS_OK
               : ms_err_at(err, MS_IO, s->dir, 0, 0, NULL, "cannot append: %s", strerror(errno));
}

static enum ms_status reuse_records(struct ms_store *s, struct ms_err *err)
{
    struct ms_lines_seen seen = {0};
    struct old_lines old = {.with_body = true};
    char text[160];
    enum ms_status status = walk(s, &s->results, &old, &seen, err);
    seen.n_broken += seen.n_unsealed; /* nothing is resumed on trust */
    seen.n_unsealed = 0;
    if (status == MS_OK && s->study->warnings &&
        ms_lines_told(&seen, "; their cases run again", text, sizeof text))
        ms_errs_warn_at(s->study->warnings, s->dir, 0, 0, "results.jsonl", "%s", text);
    for (size_t i = 0; status == MS_OK && i < s->study->n; i++)
        status = reuse(s, i, &old, err);
    free(old.line);
    return status;
}

enum ms_status ms_store_reuse(struct ms_store *s, struct ms_err *err)
{
    struct old_lines times = {.with_body = false};
    enum ms_status status = reuse_records(s, err);
    if (status == MS_OK)
        status = walk(s, &s->timing, &times, NULL, err);
    for (size_t i = 0; status == MS_OK && i < s->study->n; i++)
        status = reuse_timing(s, i, &times, err);
    free(times.line);
    return status;
}
