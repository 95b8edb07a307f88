/* The checkpoint of a run: DIR/checkpoint holds config.json and model.safetensors, which Hugging
 * Face loads, and training.safetensors: both moments of AdamW, and as metadata the step, the
 * lengths of the logs and whose run it is; and manifest.json, their hashes. A new one is written whole into checkpoint.new and
 * exchanged with the old one in one system call. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/safetensors.h"
#include "moe/checkpoint.h"
#include "moe/train_run.h"

static const char *const files[] = {"config.json", "model.safetensors", "training.safetensors",
                                    "tokenizer.json", "manifest.json"};
enum { N_FILES = sizeof files / sizeof *files };

static void path_of(const struct ms_train_run *r, const char *folder, const char *file, char *out,
                    size_t size)
{
    snprintf(out, size, "%s/%s%s%s", r->o->dir, folder, file ? "/" : "", file ? file : "");
}

static void add_params(const struct ms_train_params *p, struct ms_buf *b)
{
    const struct ms_train_model *m = &p->model;
    ms_buf_printf(b, "init %s seed %llu batch %lld seq %lld evaluate %lld\n", p->init,
                  (unsigned long long)p->seed, (long long)p->batch, (long long)p->seq,
                  (long long)p->evaluate_every);
    if (strcmp(p->init, "random") == 0)
        ms_buf_printf(b, "model %d %lld %lld %lld %lld %lld %lld %lld %lld %lld\n", m->family,
                      (long long)m->vocab, (long long)m->hidden, (long long)m->layers,
                      (long long)m->heads, (long long)m->kv_heads, (long long)m->experts,
                      (long long)m->top_k, (long long)m->expert_intermediate,
                      (long long)m->max_positions);
    const struct ms_adamw_params *o = &p->optimizer;
    ms_buf_printf(b, "adamw %.17g %.17g %.17g %.17g %.17g %.17g %lld\n", o->lr, o->betas[0],
                  o->betas[1], o->eps, o->weight_decay, o->clip, (long long)o->warmup);
    const struct ms_router_params *q = &p->router_params;
    ms_buf_printf(b, "router %s %.17g %d %lld %lld %d %d %.17g %.17g bias %.17g\n", p->router->name,
                  q->capacity_factor, q->drop_policy, (long long)q->groups,
                  (long long)q->group_limit, q->group_score, q->weights, q->scale, q->noise_std,
                  p->bias_update);
    for (size_t i = 0; i < p->n_losses; i++)
        ms_buf_printf(b, "loss %s %.17g\n", p->losses[i].loss->name, p->losses[i].weight);
    ms_buf_printf(b, "normalise %d parts %lld heldout %.17g\n", p->normalise,
                  (long long)p->micro_batches, p->data.heldout);
}

enum ms_status ms_train_identity(struct ms_train_run *r, struct ms_err *err)
{
    struct ms_buf b = {0};
    add_params(r->p, &b);
    for (int d = 0; d < r->data.n_domains; d++) {
        const struct ms_domain *m = &r->data.domains[d];
        ms_buf_printf(&b, "domain %s %s\n", m->name, m->text.source.hex);
    }
    if (r->data.tokens.data)
        ms_buf_printf(
            &b, "tokens %s\n",
            ms_hash128(r->data.tokens.data, r->data.tokens.count * ms_npy_size(r->data.tokens.type))
                .hex);
    bool failed = b.failed;
    r->identity = ms_hash128(b.p, b.n);
    ms_buf_finish(&b);
    return failed ? ms_err_set(err, MS_NOMEM, "no memory to hash the run") : MS_OK;
}

static bool holds(const struct ms_train_run *r, const char *folder, const char *file)
{
    char path[4096];
    struct stat st;
    path_of(r, folder, file, path, sizeof path);
    return stat(path, &st) == 0;
}

static bool exists(const struct ms_train_run *r, const char *folder)
{
    return holds(r, folder, "training.safetensors");
}

/* A checkpoint folder and what a killed writer left in it. @return false: something else is there */
static bool remove_folder(const struct ms_train_run *r, const char *folder)
{
    char path[4096];
    for (int i = 0; i < N_FILES; i++) {
        path_of(r, folder, files[i], path, sizeof path);
        unlink(path);
    }
    path_of(r, folder, NULL, path, sizeof path);
    ms_part_sweep(path);
    return rmdir(path) == 0 || errno == ENOENT;
}

/* What is left where the machine has no exchange of folders and the process died between two
 * renames. */
static void recover(const struct ms_train_run *r)
{
    char old[4096], now[4096];
    path_of(r, "checkpoint.old", NULL, old, sizeof old);
    path_of(r, "checkpoint", NULL, now, sizeof now);
    if (!exists(r, "checkpoint") && exists(r, "checkpoint.old") && rename(old, now) != 0)
        return;                         /* then there is no checkpoint, and the run starts anew */
    remove_folder(r, "checkpoint.new"); /* of a process that died beside its last exchange, when */
    remove_folder(r, "checkpoint.old"); /* nothing may be left to do that would clear them */
}

/* Digits and nothing else. */
static bool number_of(const struct ms_st_file *f, const char *key, long long *out)
{
    const char *text = ms_st_metadata(f, key);
    size_t n = text ? strlen(text) : 0;
    if (n == 0 || n > 18 || strspn(text, "0123456789") != n)
        return false;
    *out = strtoll(text, NULL, 10);
    return n == 1 || text[0] != '0';
}

enum { N_STATE_KEYS = 5 }; /* step, n_high, history_bytes, loads_bytes, run */

static enum ms_status read_state(struct ms_train_run *r, const struct ms_st_file *f,
                                 const struct ms_manifest *manifest, struct ms_err *err)
{
    const struct ms_st_tensor *m = ms_st_find(f, "m"), *v = ms_st_find(f, "v");
    struct ms_train_state t;
    long long step, high;
    bool good = ms_st_metadata_count(f) == N_STATE_KEYS && number_of(f, "step", &step) &&
                number_of(f, "n_high", &high) && number_of(f, "history_bytes", &t.history_bytes) &&
                number_of(f, "loads_bytes", &t.loads_bytes);
    if (!good || step != manifest->step || t.history_bytes != manifest->history.bytes ||
        t.loads_bytes != manifest->loads.bytes)
        return ms_err_at(err, MS_INVALID, ms_st_path(f), 0, 0, "__metadata__",
                         "is not what a run of moesim writes beside this manifest.json");
    if (ms_st_count(f) != 2 || !m || !v || m->count != r->adamw.n_values ||
        v->count != r->adamw.n_values || !ms_st_floats(m, 0, m->count, r->adamw.m) ||
        !ms_st_floats(v, 0, v->count, r->adamw.v))
        return ms_err_at(err, MS_INVALID, ms_st_path(f), 0, 0, NULL,
                         "not the optimiser state of this model");
    t.step = r->adamw.n_steps = step;
    t.n_high = high;
    r->state = t;
    return MS_OK;
}

static enum ms_status load_weights(struct ms_train_run *r, struct ms_err *err)
{
    char folder[4096];
    struct ms_checkpoint *c;
    path_of(r, "checkpoint", NULL, folder, sizeof folder);
    enum ms_status s = ms_checkpoint_open(folder, &c, err);
    if (s)
        return s;
    s = ms_checkpoint_load(c, r->model, err);
    ms_checkpoint_close(c);
    return s;
}

/* Remains of a run without a checkpoint to go on from; nothing of it is thrown away unasked. */
static enum ms_status refuse_remains(const struct ms_train_run *r, struct ms_err *err)
{
    char path[4096];
    struct stat st;
    if (holds(r, "checkpoint", "model.safetensors")) {
        path_of(r, "checkpoint", NULL, path, sizeof path);
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                         "holds weights without training.safetensors, the optimiser's state: the "
                         "run cannot go on; choose another -o (train.init takes these weights), or "
                         "--force to start over");
    }
    path_of(r, "history.jsonl", NULL, path, sizeof path);
    if (stat(path, &st) == 0 && st.st_size > 0)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                         "is of a run whose checkpoint is gone: the run cannot go on; choose "
                         "another -o, or --force to start over");
    return MS_OK;
}

/* All of it as it was written, the logs up to it included. */
static enum ms_status check_whole(struct ms_train_run *r, struct ms_manifest *m, struct ms_err *err)
{
    char folder[4096];
    bool there;
    path_of(r, "checkpoint", NULL, folder, sizeof folder);
    enum ms_status s = ms_manifest_check(folder, &there, m, err);
    if (!s && !there)
        s = ms_err_at(err, MS_INVALID, folder, 0, 0, NULL,
                      "has no manifest.json: whether its files are what was written is not known");
    return s ? s : ms_train_log_check(r, m, err);
}

static enum ms_status load_state(struct ms_train_run *r, const struct ms_manifest *m,
                                 struct ms_err *err)
{
    char path[4096];
    struct ms_st_file *f;
    path_of(r, "checkpoint", "training.safetensors", path, sizeof path);
    enum ms_status s = ms_st_open(path, &f, err);
    if (s)
        return s;
    const char *run = ms_st_metadata(f, "run");
    if (!run || strcmp(run, r->identity.hex) != 0)
        s = ms_err_at(err, MS_USAGE, r->o->dir, 0, 0, NULL,
                      "holds a run of another scenario or of other texts; choose another -o, or "
                      "--force to start over");
    s = s ? s : read_state(r, f, m, err);
    ms_st_close(f);
    return s;
}

/* What cannot be gone on from: a sentence that says what can be done. */
static enum ms_status no_way_on(const struct ms_train_run *r, const struct ms_err *why,
                                struct ms_err *err)
{
    if (why->status != MS_INVALID) {
        if (err)
            *err = *why;
        return why->status;
    }
    return ms_err_at(
        err, MS_INVALID, why->file[0] ? why->file : r->o->dir, 0, 0, why->key,
        "%s: the run cannot go on from it; choose another -o, or --force to start over", why->text);
}

enum ms_status ms_train_state_load(struct ms_train_run *r, bool *found, struct ms_err *err)
{
    struct ms_manifest m;
    struct ms_err why = {0};
    enum ms_status s = MS_OK;
    recover(r);
    *found = exists(r, "checkpoint");
    if (*found) {
        s = check_whole(r, &m, &why);
        s = s ? s : load_state(r, &m, &why);
        if ((s == MS_INVALID || s == MS_USAGE) && r->o->force)
            *found = false;
        else if (s)
            return no_way_on(r, &why, err);
    } else if (!r->o->force) {
        s = refuse_remains(r, err);
        if (s)
            return s;
    }
    return *found ? load_weights(r, err) : ms_train_log_check(r, NULL, err);
}

static enum ms_status save_training(const struct ms_train_run *r, const char *path,
                                    struct ms_err *err)
{
    char step[24], high[24], history[24], loads[24];
    snprintf(step, sizeof step, "%lld", (long long)r->state.step);
    snprintf(high, sizeof high, "%lld", (long long)r->state.n_high);
    snprintf(history, sizeof history, "%lld", r->state.history_bytes);
    snprintf(loads, sizeof loads, "%lld", r->state.loads_bytes);
    struct ms_st_meta meta[] = {{"step", step},
                                {"n_high", high},
                                {"history_bytes", history},
                                {"loads_bytes", loads},
                                {"run", r->identity.hex}};
    struct ms_st_tensor t[2] = {
        {.name = "m", .type = MS_ST_F32, .n_dims = 1, .data = r->adamw.m},
        {.name = "v", .type = MS_ST_F32, .n_dims = 1, .data = r->adamw.v},
    };
    for (int i = 0; i < 2; i++)
        t[i].shape[0] = t[i].count = r->adamw.n_values;
    return ms_st_write(path, t, 2, meta, sizeof meta / sizeof *meta, err);
}

static enum ms_status clear_folder(const struct ms_train_run *r, const char *folder,
                                   struct ms_err *err)
{
    char path[4096];
    if (remove_folder(r, folder))
        return MS_OK;
    int why = errno;
    path_of(r, folder, NULL, path, sizeof path);
    return ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot be removed: %s", strerror(why));
}

/* checkpoint.new becomes checkpoint. */
static enum ms_status exchange(const struct ms_train_run *r, struct ms_err *err)
{
    char fresh[4096], now[4096], old[4096];
    path_of(r, "checkpoint.new", NULL, fresh, sizeof fresh);
    path_of(r, "checkpoint", NULL, now, sizeof now);
    path_of(r, "checkpoint.old", NULL, old, sizeof old);
    if (renameat2(AT_FDCWD, fresh, AT_FDCWD, now, RENAME_EXCHANGE) == 0) {
        ms_dir_sync(now);
        return clear_folder(r, "checkpoint.new", err);
    }
    if (errno != ENOENT) { /* a file system without exchange */
        enum ms_status s = clear_folder(r, "checkpoint.old", err);
        if (s)
            return s;
        if (rename(now, old) != 0 && errno != ENOENT)
            return ms_err_at(err, MS_IO, now, 0, 0, NULL, "%s", strerror(errno));
    }
    if (rename(fresh, now) != 0)
        return ms_err_at(err, MS_IO, fresh, 0, 0, NULL, "%s", strerror(errno));
    ms_dir_sync(now);
    return clear_folder(r, "checkpoint.old", err);
}

/* The tokenizer of the folder fine-tuned belongs to the weights that come of it. */
static enum ms_status copy_tokenizer(const struct ms_train_run *r, struct ms_err *err)
{
    char from[4096], to[4096];
    struct ms_buf text = {0};
    struct stat st;
    snprintf(from, sizeof from, "%s/tokenizer.json", r->p->init);
    if (strcmp(r->p->init, "random") == 0 || stat(from, &st) != 0)
        return MS_OK;
    path_of(r, "checkpoint.new", "tokenizer.json", to, sizeof to);
    enum ms_status s = ms_file_read(from, &text, err);
    s = s ? s : ms_file_replace(to, text.p ? text.p : "", text.n, err);
    ms_buf_finish(&text);
    return s;
}

enum ms_status ms_train_state_save(struct ms_train_run *r, struct ms_err *err)
{
    char folder[4096], path[4096], router[256];
    const struct ms_router_params *q = &r->p->router_params;
    snprintf(router, sizeof router,
             "%s groups=%lld group_limit=%lld group_score=%d weights=%d scale=%.17g",
             r->p->router->name, (long long)q->groups, (long long)q->group_limit, q->group_score,
             q->weights, q->scale);
    struct ms_st_meta meta = {"moesim_router", router};
    path_of(r, "checkpoint.new", NULL, folder, sizeof folder);
    path_of(r, "checkpoint.new", "training.safetensors", path, sizeof path);
    enum ms_status s = ms_train_log_sync(r, err);
    s = s ? s : clear_folder(r, "checkpoint.new", err); /* of a process that died while it wrote */
    s = s ? s : ms_checkpoint_save(r->model, folder, r->config_text, &meta, 1, err);
    s = s ? s : save_training(r, path, err);
    s = s ? s : copy_tokenizer(r, err);
    struct ms_manifest manifest = {
        .step = r->state.step,
        .history = {r->state.history_bytes, ms_hasher_now(r->history_hash)},
        .loads = {r->state.loads_bytes, ms_hasher_now(r->loads_hash)}};
    s = s ? s : ms_manifest_write(folder, files, N_FILES - 1, &manifest, err);
    return s ? s : exchange(r, err);
}
