/* Trains one case of a study in its folder, and decides what its record says of the training. */
#define _XOPEN_SOURCE 700
#include "sweep/train_case.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/seal.h"
#include "moe/train.h"
#include "stats/imbalance.h"
#include "sweep/lines.h"

enum { PATH = 4200 };

static const char *file_of(const struct ms_store_case *c, const char *dir, const char *name,
                           char *path)
{
    snprintf(path, PATH, "%s/%s%s%s", dir, c->id, *name ? "/" : "", name);
    return path;
}

/* Whose training a folder holds. Of a key that is damaged nothing follows: the checkpoint says itself of
 * which run it is, and nothing is thrown away on its account. */
enum whose { OURS, ANOTHERS, NOT_KNOWN };

static void key_line(const struct ms_store_case *c, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    ms_json_string(&j, "key", c->key.hex);
    ms_seal_add(out);
    ms_buf_adds(out, "\n");
}

static enum whose whose_folder(const struct ms_store_case *c, const char *dir)
{
    char path[PATH];
    struct ms_buf said = {0}, ours = {0};
    key_line(c, &ours);
    enum whose w = NOT_KNOWN;
    if (ms_file_is(file_of(c, dir, "key.json", path)) && ms_file_read(path, &said, NULL) == MS_OK &&
        !ours.failed) {
        bool whole = said.n > 0 && ms_seal_check(said.p, said.n - 1) == MS_SEAL_WHOLE;
        bool same = said.n == ours.n && memcmp(said.p, ours.p, ours.n) == 0;
        w = same ? OURS : whole ? ANOTHERS : NOT_KNOWN;
    }
    ms_buf_finish(&said);
    ms_buf_finish(&ours);
    return w;
}

static enum ms_status write_key(const struct ms_store_case *c, const char *dir, struct ms_err *err)
{
    char path[PATH];
    struct ms_buf line = {0};
    key_line(c, &line);
    enum ms_status s = line.failed
                           ? ms_err_set(err, MS_NOMEM, "out of memory")
                           : ms_file_write(file_of(c, dir, "key.json", path), line.p, line.n, err);
    ms_buf_finish(&line);
    return s;
}

bool ms_train_case_whole(const struct ms_store_case *c, const char *dir)
{
    char path[PATH];
    return whose_folder(c, dir) == OURS &&
           access(file_of(c, dir, "checkpoint/config.json", path), F_OK) == 0;
}

/* ---- what the history says ---- */

struct told {
    int64_t first, n; /* of the steps that means are over */
    double ce;
    const struct ms_train_params *p;
    double *loss; /* [n_losses] */
    double *metric;
    json_t *eval; /* of the last evaluation */
};

static double number_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static bool take_line(void *ctx, const char *line, json_t *o)
{
    struct told *t = ctx;
    json_t *eval = json_object_get(o, "eval");
    if (eval) {
        json_decref(t->eval);
        t->eval = json_incref(eval);
    }
    if (json_integer_value(json_object_get(o, "step")) < t->first)
        return true;
    double share = 1.0 / (double)t->n;
    t->ce += number_of(o, "ce") * share;
    for (size_t i = 0; i < t->p->n_losses; i++)
        t->loss[i] += number_of(o, t->p->losses[i].loss->name) * share;
    const json_t *imbalance = json_object_get(o, "imbalance");
    for (int m = 0; ms_imbalance_metrics[m].name; m++)
        t->metric[m] += number_of(imbalance, ms_imbalance_metrics[m].name) * share;
    return true;
}

static void add_domains(struct ms_json *j, const struct told *t)
{
    const char *name;
    json_t *of;
    double ce = 0, n = (double)json_object_size(t->eval);
    ms_json_object(j, "domains");
    json_object_foreach(t->eval, name, of)
    {
        ms_json_object(j, name);
        ms_json_number(j, "ce", number_of(of, "ce"));
        ms_json_number(j, "ppl", number_of(of, "ppl"));
        ms_json_end_object(j);
        ce += number_of(of, "ce") / n;
    }
    ms_json_end_object(j);
    ms_json_number(j, "heldout_ce", n > 0 ? ce : NAN);
    ms_json_number(j, "heldout_ppl", n > 0 ? exp(ce) : NAN);
}

static void add_told(struct ms_json *j, const struct ms_scenario *s, const struct told *t)
{
    ms_json_object(j, "training");
    ms_json_integer(j, "steps", t->p->steps);
    ms_json_number(j, "ce", t->ce);
    add_domains(j, t);
    ms_json_end_object(j);
    ms_json_object(j, "losses");
    for (size_t i = 0; i < t->p->n_losses; i++)
        ms_json_number(j, t->p->losses[i].loss->name, t->loss[i]);
    ms_json_end_object(j);
    ms_json_object(j, "imbalance");
    for (int m = 0; ms_imbalance_metrics[m].name; m++)
        ms_json_number(j, ms_imbalance_metrics[m].name, t->metric[m]);
    ms_json_end_object(j);
    ms_json_object(j, "caption");
    ms_json_string(j, "scenario", s->name);
    ms_json_string(j, "source", "training");
    ms_json_end_object(j);
}

static void add_identity(struct ms_json *j, const struct ms_scenario *s)
{
    struct ms_hash none = ms_hash128("training", 8);
    ms_json_null(j, "platform_hash");
    ms_json_string(j, "work_hash", none.hex);
    ms_json_integer(j, "seed", (int64_t)s->seed);
    ms_json_object(j, "versions");
    ms_json_string(j, "moesim", MS_VERSION);
    ms_json_end_object(j);
}

static enum ms_status write_record(const struct ms_scenario *s, const char *folder,
                                   struct ms_buf *out, struct ms_err *err)
{
    struct ms_json j = {.out = out};
    int n_metrics = 0;
    while (ms_imbalance_metrics[n_metrics].name)
        n_metrics++;
    struct told t = {.p = s->train};
    t.n = s->train->steps >= 10 ? s->train->steps / 10 : 1;
    t.first = s->train->steps - t.n;
    t.loss = calloc(s->train->n_losses + 1, sizeof *t.loss);
    t.metric = calloc((size_t)n_metrics, sizeof *t.metric);
    enum ms_status status = t.loss && t.metric ? ms_history_each(folder, take_line, &t, err)
                                               : ms_err_set(err, MS_NOMEM, "out of memory");
    if (status == MS_OK) {
        add_identity(&j, s);
        add_told(&j, s, &t);
    }
    json_decref(t.eval);
    free(t.loss);
    free(t.metric);
    return status;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

/* Of another key: nothing of it may be taken for this one's. */
static enum ms_status start_over(const char *folder, struct ms_err *err)
{
    if (access(folder, F_OK) == 0 && nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        return ms_err_at(err, MS_IO, folder, 0, 0, NULL, "cannot be removed: %s", strerror(errno));
    return ms_dir_make(folder, err);
}

enum ms_status ms_train_case_run(const struct ms_scenario *s, const struct ms_store_case *c,
                                 const char *dir, int threads, struct ms_message *out,
                                 struct ms_err *err)
{
    char folder[PATH];
    double start = ms_clock_s();
    struct ms_json timing = {.out = &out->part[MS_PART_TIMING]};
    struct ms_train_options o = {.dir = file_of(c, dir, "", folder), .threads = threads};
    enum ms_status status =
        whose_folder(c, dir) == ANOTHERS ? start_over(folder, err) : ms_dir_make(folder, err);
    if (status == MS_OK)
        status = write_key(c, dir, err);
    if (status == MS_OK)
        status = ms_train_run(s->train, &o, err);
    if (status == MS_OK)
        status = write_record(s, folder, &out->part[MS_PART_RECORD], err);
    ms_json_number(&timing, "wall_s", ms_clock_s() - start);
    return status;
}
