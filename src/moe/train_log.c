/* The files of a run as it goes: history.jsonl and loads.csv line by line, timing.jsonl apart,
 * and cutting them back to the checkpoint on resume. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/csv.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/seal.h"
#include "moe/kernels.h"
#include "moe/train_run.h"

#ifdef __clang__
static const char compiler[] = "clang " __clang_version__;
#else
static const char compiler[] = "gcc " __VERSION__;
#endif

static const char loads_header[] = "step,domain,layer_id,expert_id,count\n";

static enum ms_status io_error(const char *path, struct ms_err *err)
{
    return ms_err_at(err, MS_IO, path, 0, 0, NULL, "%s", strerror(errno));
}

static enum ms_status open_one(FILE **out, const struct ms_train_run *r, const char *name,
                               long long keep, struct ms_err *err)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", r->o->dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || fstat(fd, &st) != 0)
        return io_error(path, err);
    if (keep >= 0 && st.st_size < keep) {
        close(fd);
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                         "shorter than when the checkpoint was written (%lld bytes, then %lld)",
                         (long long)st.st_size, keep);
    }
    if ((keep >= 0 && ftruncate(fd, keep) != 0) || lseek(fd, 0, SEEK_END) < 0 ||
        !(*out = fdopen(fd, "a"))) {
        close(fd);
        return io_error(path, err);
    }
    return MS_OK;
}

enum ms_status ms_train_log_lock(struct ms_train_run *r, struct ms_err *err)
{
    enum ms_status s = ms_lock_folder(r->o->dir, &r->lock_fd, r->o->warnings, err);
    return s ? s : open_one(&r->timing, r, "timing.jsonl", -1, err);
}

/* Hash the first `bytes` of a log, NULL: it is shorter or cannot be read. */
static struct ms_hasher *hash_prefix(const char *path, long long bytes, enum ms_status *s,
                                     struct ms_err *err)
{
    char chunk[1 << 16];
    size_t size = 0, left = (size_t)bytes;
    int fd = -1;
    struct ms_hasher *h = ms_hasher_create();
    *s = h ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    if (!*s && bytes > 0)
        *s = ms_file_open(path, &fd, &size, err);
    while (!*s && left > 0) {
        ssize_t n = read(fd, chunk, left < sizeof chunk ? left : sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            *s = io_error(path, err);
        if (n == 0)
            *s = ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                           "shorter than when the checkpoint was written (%zu bytes, then %lld)",
                           size, bytes);
        if (n > 0) {
            ms_hasher_add(h, chunk, (size_t)n);
            left -= (size_t)n;
        }
    }
    if (fd >= 0)
        close(fd);
    return h;
}

static enum ms_status check_one(struct ms_hasher **out, const struct ms_train_run *r,
                                const char *name, const struct ms_manifest_log *l,
                                struct ms_err *err)
{
    char path[4096];
    enum ms_status s;
    snprintf(path, sizeof path, "%s/%s", r->o->dir, name);
    ms_hasher_destroy(*out);
    *out = hash_prefix(path, l ? l->bytes : 0, &s, err);
    if (!s && l && strcmp(ms_hasher_now(*out).hex, l->hash.hex) != 0)
        s = ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                      "its first %lld bytes are not what was written when the checkpoint was made",
                      l->bytes);
    return s;
}

enum ms_status ms_train_log_check(struct ms_train_run *r, const struct ms_manifest *m,
                                  struct ms_err *err)
{
    enum ms_status s = check_one(&r->history_hash, r, "history.jsonl", m ? &m->history : NULL, err);
    return s ? s : check_one(&r->loads_hash, r, "loads.csv", m ? &m->loads : NULL, err);
}

enum ms_status ms_train_log_open(struct ms_train_run *r, struct ms_err *err)
{
    enum ms_status s = open_one(&r->history, r, "history.jsonl", r->state.history_bytes, err);
    s = s ? s : open_one(&r->loads, r, "loads.csv", r->state.loads_bytes, err);
    if (!s && r->state.loads_bytes == 0) {
        if (fputs(loads_header, r->loads) < 0)
            return io_error("loads.csv", err);
        ms_hasher_add(r->loads_hash, loads_header, sizeof loads_header - 1);
    }
    return s;
}

static void add_imbalance(struct ms_train_run *r, struct ms_json *j)
{
    struct ms_imbalance sum = {0};
    size_t grid = (size_t)r->L * (size_t)r->E;
    ms_json_object(j, "imbalance");
    for (const struct ms_imbalance_metric *m = ms_imbalance_metrics; r->L > 0 && m->name; m++) {
        double mean = 0;
        for (int l = 0; l < r->L; l++) {
            for (int e = 0; e < r->E; e++) {
                r->load[e] = 0;
                for (int d = 0; d < r->data.n_domains; d++)
                    r->load[e] +=
                        (double)r->domain_counts[(size_t)d * grid + (size_t)(l * r->E + e)];
            }
            sum = ms_imbalance_of(r->load, (size_t)r->E, r->scratch);
            mean += ms_imbalance_get(&sum, m) / r->L;
        }
        ms_json_number(j, m->name, mean);
    }
    ms_json_end_object(j);
}

static void add_heldout(const struct ms_train_run *r, struct ms_json *j)
{
    ms_json_object(j, "eval");
    for (int d = 0; d < r->data.n_domains; d++) {
        if (r->heldout[d].tokens == 0)
            continue;
        ms_json_object(j, r->data.domains[d].name);
        ms_json_number(j, "ce", r->heldout[d].ce);
        ms_json_number(j, "ppl", r->heldout[d].ppl);
        ms_json_end_object(j);
    }
    ms_json_end_object(j);
}

static void history_line(struct ms_train_run *r, bool evaluated, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    ms_json_integer(&j, "step", r->state.step - 1);
    ms_json_number(&j, "ce", r->ce);
    for (size_t i = 0; i < r->p->n_losses; i++)
        ms_json_number(&j, r->p->losses[i].loss->name, r->values[i]);
    ms_json_number(&j, "loss", r->loss);
    ms_json_number(&j, "grad_norm", r->grad_norm);
    ms_json_number(&j, "lr", r->adamw.lr_now);
    ms_json_string(&j, "kernels", ms_kernels_pick()->name); /* these two may round otherwise */
    ms_json_string(&j, "compiler", compiler);
    add_imbalance(r, &j);
    if (evaluated)
        add_heldout(r, &j);
    ms_seal_add(out);
    ms_buf_adds(out, "\n");
}

static void timing_line(const struct ms_train_run *r, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    double wall = r->forward_s + r->backward_s + r->update_s;
    ms_json_object(&j, NULL);
    ms_json_integer(&j, "step", r->state.step - 1);
    ms_json_number(&j, "wall_s", wall);
    ms_json_number(&j, "tokens_per_s", wall > 0 ? r->B * r->T / wall : 0);
    ms_json_number(&j, "forward_s", r->forward_s);
    ms_json_number(&j, "backward_s", r->backward_s);
    ms_json_number(&j, "update_s", r->update_s);
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
}

static void loads_lines(const struct ms_train_run *r, struct ms_buf *out)
{
    const int64_t *count = r->domain_counts;
    for (int d = 0; d < r->data.n_domains; d++) {
        bool present = false; /* a batch smaller than the number of domains leaves some out */
        for (int b = 0; b < r->B; b++)
            present = present || r->row_domain[b] == d;
        for (int l = 0; l < r->L; l++)
            for (int e = 0; e < r->E; e++, count++) {
                if (!present)
                    continue;
                ms_buf_printf(out, "%lld,", (long long)r->state.step - 1);
                ms_csv_cell(out, r->data.domains[d].name);
                ms_buf_printf(out, ",%d,%d,%lld\n", ms_model_moe_layer_id(r->model, l), e,
                              (long long)*count);
            }
    }
}

/* One write a file, so that a line is torn only by the end of the machine. */
static enum ms_status append(FILE *f, struct ms_hasher *hash, const struct ms_buf *b,
                             const char *name, struct ms_err *err)
{
    if (b->failed)
        return ms_err_set(err, MS_NOMEM, "no memory for a line of %s", name);
    if (fwrite(b->p, 1, b->n, f) != b->n || fflush(f) != 0)
        return io_error(name, err);
    if (hash)
        ms_hasher_add(hash, b->p, b->n);
    return MS_OK;
}

enum ms_status ms_train_log_step(struct ms_train_run *r, bool evaluated, struct ms_err *err)
{
    struct ms_buf history = {0}, loads = {0}, timing = {0};
    history_line(r, evaluated, &history);
    loads_lines(r, &loads);
    timing_line(r, &timing);
    enum ms_status s = append(r->history, r->history_hash, &history, "history.jsonl", err);
    if (!s && loads.n > 0)
        s = append(r->loads, r->loads_hash, &loads, "loads.csv", err);
    s = s ? s : append(r->timing, NULL, &timing, "timing.jsonl", err);
    ms_buf_finish(&history);
    ms_buf_finish(&loads);
    ms_buf_finish(&timing);
    return s;
}

enum ms_status ms_train_log_sync(struct ms_train_run *r, struct ms_err *err)
{
    FILE *files[] = {r->history, r->loads};
    long long *lengths[] = {&r->state.history_bytes, &r->state.loads_bytes};
    for (int i = 0; i < 2; i++) {
        struct stat st;
        if (fflush(files[i]) != 0 || fsync(fileno(files[i])) != 0 ||
            fstat(fileno(files[i]), &st) != 0)
            return io_error(i == 0 ? "history.jsonl" : "loads.csv", err);
        *lengths[i] = st.st_size;
    }
    return MS_OK;
}

void ms_train_log_close(struct ms_train_run *r)
{
    FILE **files[] = {&r->history, &r->loads, &r->timing};
    for (int i = 0; i < 3; i++) {
        if (*files[i])
            fclose(*files[i]);
        *files[i] = NULL;
    }
    ms_hasher_destroy(r->history_hash);
    ms_hasher_destroy(r->loads_hash);
    r->history_hash = r->loads_hash = NULL;
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    r->lock_fd = -1;
}
