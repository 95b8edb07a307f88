/* Fuzz targets: what the program itself wrote and reads again: results folders for compare, resume
 * and merge, and a training run's checkpoint. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/npy.h"
#include "fuzz.h"
#include "moe/loss.h"
#include "moe/manifest.h"
#include "moe/router.h"
#include "moe/train.h"
#include "report/compare.h"
#include "report/results.h"
#include "sweep/store.h"

/* ---- compare ---- */

static void use_results(struct ms_results *r)
{
    struct ms_comparison c = {0};
    struct ms_compare_options o = {.margin = -1};
    struct ms_err err = {0};
    enum ms_status s = ms_compare_make(&c, r, &o, &err);
    fuzz_told(s, &err);
    if (s == MS_OK) {
        struct ms_buf b = {0};
        ms_compare_csv(&c, &b);
        ms_compare_json(&c, &b);
        ms_buf_finish(&b);
    }
    ms_compare_finish(&c);
}

static void results(const char *data, size_t n)
{
    const char *path = fuzz_file("results.jsonl", data, n);
    struct ms_results r = {0};
    struct ms_err err = {0};
    enum ms_status s = ms_results_read(&r, &path, 1, &err);
    fuzz_told(s, &err);
    if (s == MS_OK)
        use_results(&r);
    ms_results_finish(&r);
}

/* ---- resume ---- */

enum { N_CASES = 4 };

static char scenario_json[256];

static struct ms_store_study store_study(void)
{
    static char id[N_CASES][16], axes[N_CASES][32];
    static struct ms_store_case c[N_CASES];
    struct ms_hash h = ms_hash128("study", 5);
    for (int i = 0; i < N_CASES; i++) {
        snprintf(id[i], sizeof id[i], "c%04d", i);
        snprintf(axes[i], sizeof axes[i], "{\"seed\":%d}", i);
        c[i] = (struct ms_store_case){id[i], axes[i], ms_hash128(axes[i], strlen(axes[i])),
                                      ms_hash128(id[i], strlen(id[i]))};
    }
    snprintf(scenario_json, sizeof scenario_json,
             "{\"name\":\"study\",\"study_hash\":\"%s\",\"n_cases\":%d}\n", h.hex, N_CASES);
    return (struct ms_store_study){
        .c = c, .n = N_CASES, .study_hash = h, .scenario_json = scenario_json};
}

static const char *inside(const char *folder)
{
    static char path[4][FUZZ_PATH];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, FUZZ_PATH, "%s/%s", fuzz_folder(), folder);
    return p;
}

/* results.jsonl, and after a NUL timing.jsonl: whatever they are, the study can be finished. */
static void store(const char *data, size_t n)
{
    struct ms_store_study study = store_study();
    struct fuzz_part part[2];
    int k = fuzz_cut(data, n, 2, part);
    struct ms_store *s = NULL;
    struct ms_err err = {0};
    fuzz_file("store/scenario.json", scenario_json, strlen(scenario_json));
    fuzz_file("store/results.jsonl", part[0].p, part[0].n);
    fuzz_file("store/timing.jsonl", k > 1 ? part[1].p : "", k > 1 ? part[1].n : 0);
    enum ms_status opened = ms_store_open(&s, inside("store"), &study, false, &err);
    fuzz_told(opened, &err);
    for (size_t i = 0; opened == MS_OK && i < N_CASES; i++)
        if (!ms_store_has(s, i))
            fuzz_must(ms_store_fail(s, i, "not simulated", NULL) == MS_OK);
    struct ms_err closed = {0};
    if (opened == MS_OK)
        fuzz_told(ms_store_close(s, &closed), &closed);
}

/* ---- merge ---- */

/* scenario.json, then the records and times of the first folder, then those of the second. */
static void merge(const char *data, size_t n)
{
    struct fuzz_part part[5] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}};
    fuzz_cut(data, n, 5, part);
    const char *from[2] = {inside("m1"), inside("m2")};
    fuzz_file("m1/scenario.json", part[0].p, part[0].n);
    fuzz_file("m2/scenario.json", part[0].p, part[0].n);
    fuzz_file("m1/results.jsonl", part[1].p, part[1].n);
    fuzz_file("m1/timing.jsonl", part[2].p, part[2].n);
    fuzz_file("m2/results.jsonl", part[3].p, part[3].n);
    fuzz_file("m2/timing.jsonl", part[4].p, part[4].n);
    size_t n_cases, missing, failed;
    struct ms_err err = {0};
    enum ms_status s =
        ms_store_merge(from, 2, inside("joined"), true, &n_cases, &missing, &failed, NULL, &err);
    fuzz_told(s, &err);
    fuzz_must(s != MS_OK || missing + failed <= n_cases);
}

static void add_file(struct ms_buf *b, const char *folder, const char *name)
{
    char path[FUZZ_PATH];
    snprintf(path, sizeof path, "%s/%s", inside(folder), name);
    ms_file_read(path, b, NULL);
}

static void make_store(const char *folder, int first, int last)
{
    struct ms_store_study study = store_study();
    struct ms_store *s;
    fuzz_must(ms_store_open(&s, inside(folder), &study, true, NULL) == MS_OK);
    for (int i = first; i < last; i++) {
        struct ms_buf body = {0}, timing = {0}, samples = {0};
        ms_buf_printf(&body,
                      MS_RECORD_BODY "\"ab\",\"seed\":%d,\"repeats\":2,\"exchange\":{\"p99_us\":%d."
                                     "5,\"n\":3},\"network_model\":\"fluid\"",
                      i, i);
        ms_buf_printf(&timing, "\"wall_s\":%d", i);
        fuzz_must(ms_store_add(s, (size_t)i, &body, &timing, &samples, NULL) == MS_OK);
        ms_buf_finish(&body);
        ms_buf_finish(&timing);
        ms_buf_finish(&samples);
    }
    fuzz_must(ms_store_close(s, NULL) == MS_OK);
}

static void write_seed(const char *folder, const char *name, struct ms_buf *b)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s", folder, name);
    ms_file_write(path, b->p ? b->p : "", b->n, NULL);
    ms_buf_finish(b);
}

static void store_seeds(const char *folder)
{
    struct ms_buf b = {0};
    make_store("store", 0, N_CASES);
    add_file(&b, "store", "results.jsonl");
    ms_buf_add(&b, "", 1);
    add_file(&b, "store", "timing.jsonl");
    write_seed(folder, "whole", &b);
}

static void merge_seeds(const char *folder)
{
    struct ms_buf b = {0};
    make_store("m1", 0, 2);
    make_store("m2", 2, N_CASES);
    add_file(&b, "m1", "scenario.json");
    ms_buf_add(&b, "", 1);
    for (int i = 0; i < 4; i++) {
        add_file(&b, i < 2 ? "m1" : "m2", i % 2 ? "timing.jsonl" : "results.jsonl");
        if (i < 3)
            ms_buf_add(&b, "", 1);
    }
    write_seed(folder, "halves", &b);
}

/* ---- resuming training ---- */

enum { STEPS = 2, N_RUN_FILES = 5 };

static const char *const run_files[N_RUN_FILES] = {
    "history.jsonl", "loads.csv", "checkpoint/config.json", "checkpoint/model.safetensors",
    "checkpoint/training.safetensors"};

static enum ms_status train(const volatile int *stop, struct ms_err *err)
{
    struct ms_train_params p = ms_train_params_default();
    struct ms_train_options o = {.dir = inside("run"), .threads = 1, .stop = stop};
    p.model.vocab = 8, p.model.hidden = 8, p.model.layers = 1, p.model.heads = 2;
    p.model.kv_heads = 1, p.model.experts = 2, p.model.top_k = 1;
    p.model.expert_intermediate = 4, p.model.max_positions = 8;
    p.batch = 1, p.seq = 4, p.steps = STEPS;
    p.evaluate_every = p.checkpoint_every = 0;
    p.data.tokens = inside("ids.npy");
    return ms_train_run(&p, &o, err);
}

/* A finished run, made once and put back before every input. */
static const struct ms_buf *finished_run(void)
{
    static struct ms_buf file[N_RUN_FILES];
    static const int32_t ids[STEPS][1][5] = {{{0, 1, 2, 3, 4}}, {{5, 6, 7, 0, 1}}};
    struct ms_err err = {0};
    if (file[0].n)
        return file;
    ms_npy_write(inside("ids.npy"), MS_NPY_I4, 3, (size_t[]){STEPS, 1, 5}, ids, NULL);
    if (train(NULL, &err) != MS_OK) {
        fprintf(stderr, "fuzz: the run that is to be resumed: %s\n", err.text);
        exit(1);
    }
    for (int i = 0; i < N_RUN_FILES; i++)
        add_file(&file[i], "run", run_files[i]);
    return file;
}

static size_t header_size(const struct ms_buf *f)
{
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | (unsigned char)f->p[i];
    return (size_t)n;
}

static struct ms_manifest_log log_of(const char *p, size_t n)
{
    return (struct ms_manifest_log){.bytes = (long long)n, .hash = ms_hash128(p, n)};
}

/* The files as they are now, as if they had been written so: what is behind the hashes is read. */
static void remake_manifest(const struct ms_manifest_log *history,
                            const struct ms_manifest_log *loads)
{
    static const char *const files[] = {"config.json", "model.safetensors", "training.safetensors"};
    struct ms_manifest m = {.step = STEPS, .history = *history, .loads = *loads};
    struct ms_err err = {0};
    fuzz_must(ms_manifest_write(inside("run/checkpoint"), files, 3, &m, &err) == MS_OK);
}

/* The header of training.safetensors (the metadata is in it), after NULs history and loads. */
static void training(const char *data, size_t n)
{
    static const volatile int stop = 1; /* one that goes on is stopped at its next step */
    const struct ms_buf *file = finished_run();
    const struct ms_buf *state = &file[N_RUN_FILES - 1];
    struct fuzz_part part[3];
    int k = fuzz_cut(data, n, 3, part);
    struct ms_buf b = {0};
    char name[64];
    struct ms_manifest_log logs[2];
    for (int i = 0; i < N_RUN_FILES - 1; i++) {
        bool given = i + 1 < k;
        snprintf(name, sizeof name, "run/%s", run_files[i]);
        fuzz_file(name, given ? part[i + 1].p : file[i].p, given ? part[i + 1].n : file[i].n);
        if (i < 2)
            logs[i] = log_of(given ? part[i + 1].p : file[i].p, given ? part[i + 1].n : file[i].n);
    }
    for (size_t i = 0, left = part[0].n; i < 8; i++, left >>= 8)
        ms_buf_add(&b, &(char){(char)(left & 255)}, 1);
    ms_buf_add(&b, part[0].p, part[0].n);
    ms_buf_add(&b, state->p + 8 + header_size(state), state->n - 8 - header_size(state));
    fuzz_file("run/checkpoint/training.safetensors", b.p, b.n);
    ms_buf_finish(&b);
    remake_manifest(&logs[0], &logs[1]);
    struct ms_err err = {0};
    enum ms_status s = train(&stop, &err);
    fuzz_must(s == MS_OK || s == MS_INTERRUPTED || err.text[0]);
}

static void training_seeds(const char *folder)
{
    const struct ms_buf *file = finished_run();
    struct ms_buf b = {0};
    ms_buf_add(&b, file[N_RUN_FILES - 1].p + 8, header_size(&file[N_RUN_FILES - 1]));
    write_seed(folder, "header", &b);
    ms_buf_add(&b, file[N_RUN_FILES - 1].p + 8, header_size(&file[N_RUN_FILES - 1]));
    for (int i = 0; i < 2; i++) {
        ms_buf_add(&b, "", 1);
        ms_buf_add(&b, file[i].p, file[i].n);
    }
    write_seed(folder, "logs", &b);
}

const struct fuzz_target fuzz_results[] = {{"results", results, "tests/fuzz/seeds/results-*", NULL},
                                           {"store", store, "", store_seeds},
                                           {"merge", merge, "", merge_seeds},
                                           {"training", training, "", training_seeds},
                                           {0}};
