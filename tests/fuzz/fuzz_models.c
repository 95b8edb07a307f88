/* Fuzz targets: what models and frameworks write: traces, arrays, weights, tokenizers, config.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/inflate.h"
#include "base/npy.h"
#include "base/safetensors.h"
#include "fuzz.h"
#include "moe/checkpoint.h"
#include "moe/model.h"
#include "moe/tokenizer.h"
#include "routing/matrix.h"
#include "routing/model_config.h"
#include "routing/trace.h"

/* A trace that was read is counted, and what is written of it can be read again. */
static void use_trace(const struct ms_trace *t)
{
    double *sum = calloc((size_t)t->n_experts + 1, sizeof *sum);
    for (int l = 0; sum && l < t->n_layers && l < 8; l++)
        ms_trace_layer(t, 0, l, sum);
    free(sum);
    if ((double)t->n_steps * t->n_ranks * t->n_layers * t->n_experts > 5000)
        return;
    for (const struct ms_trace_writer *w = ms_trace_writers; w->name; w++) {
        char path[FUZZ_PATH];
        struct ms_err err = {0};
        snprintf(path, sizeof path, "%s/out%s", fuzz_folder(), w->ending);
        fuzz_told(w->write(t, path, &err), &err);
    }
}

static void read_trace(const char *path, bool whole)
{
    struct ms_trace_request r = {.path = path, .whole = whole};
    struct ms_trace t = {0};
    struct ms_err err = {0};
    enum ms_status s = ms_trace_read(&r, &t, &err);
    fuzz_told(s, &err);
    if (s == MS_OK)
        use_trace(&t);
    ms_trace_finish(&t);
}

static void trace_csv(const char *data, size_t n)
{
    const char *path = fuzz_file("t.csv", data, n);
    read_trace(path, false);
    read_trace(path, true);
}

static void trace_json(const char *data, size_t n)
{
    read_trace(fuzz_file("t.json", data, n), false);
}

static void trace_jsonl(const char *data, size_t n)
{
    read_trace(fuzz_file("t.jsonl", data, n), true);
}

static void trace_npy(const char *data, size_t n)
{
    struct ms_npy a = {0};
    struct ms_err err = {0};
    enum ms_status s = ms_npy_parse("a.npy", data, n, &a, &err);
    fuzz_told(s, &err);
    for (size_t i = 0; s == MS_OK && i < a.count && i < 64; i++) {
        int64_t whole;
        ms_npy_number(&a, i);
        ms_npy_integer(&a, i, &whole);
    }
    ms_npy_finish(&a);
    read_trace(fuzz_file("t.npy", data, n), false);
}

static void trace_npz(const char *data, size_t n)
{
    read_trace(fuzz_file("t.npz", data, n), false);
}

static void trace_gzip(const char *data, size_t n)
{
    read_trace(fuzz_file("t.csv.gz", data, n), false);
}

static void safetensors(const char *data, size_t n)
{
    const char *path = fuzz_file("trt/rank0.safetensors", data, n);
    struct ms_st_file *f = NULL;
    struct ms_err err = {0};
    enum ms_status s = ms_st_open(path, &f, &err);
    fuzz_told(s, &err);
    for (size_t i = 0; s == MS_OK && i < ms_st_count(f) && i < 32; i++) {
        const struct ms_st_tensor *t = ms_st_at(f, i);
        float x[64];
        int64_t k[64];
        size_t m = t->count < 64 ? t->count : 64;
        ms_st_floats(t, 0, m, x);
        ms_st_integers(t, t->count - m, m, k);
        fuzz_must(ms_st_find(f, t->name) == t);
    }
    if (s == MS_OK)
        ms_st_close(f);
    char folder[FUZZ_PATH];
    snprintf(folder, sizeof folder, "%s/trt", fuzz_folder());
    read_trace(folder, false);
}

static void matrix(const char *data, size_t n)
{
    struct ms_matrix m = {0};
    struct ms_err err = {0};
    struct ms_trace_filter filter = {.column = "layer", .value = "1"};
    const char *path = fuzz_file("m.csv", data, n);
    fuzz_told(ms_matrix_read(NULL, path, NULL, 0, &m, &err), &err);
    ms_matrix_finish(&m);
    struct ms_matrix one = {0};
    struct ms_err told = {0};
    fuzz_told(ms_matrix_read(NULL, path, &filter, 1, &one, &told), &told);
    ms_matrix_finish(&one);
}

/* config.json as both of its readers take it. */
static void config(const char *data, size_t n)
{
    struct ms_moe_config c = {0};
    struct ms_model_shape shape = {0};
    struct ms_err err = {0}, told = {0}, printed = {0};
    enum ms_status s = ms_moe_config_parse("config.json", data, n, &c, &err);
    fuzz_told(s, &err);
    if (s == MS_OK) {
        struct ms_buf b = {0};
        fuzz_told(ms_moe_config_print(&c, strlen(data) == n ? data : NULL, &b, &printed), &printed);
        ms_buf_finish(&b);
    }
    fuzz_told(ms_model_config_parse("config.json", data, n, &shape, &told), &told);
}

static bool is_small(const struct ms_moe_config *c)
{
    return c->vocab <= 512 && c->hidden <= 64 && c->layers <= 4 && c->experts <= 16 &&
           c->expert_intermediate <= 128 && c->dense_intermediate <= 128 && c->heads <= 16 &&
           c->kv_heads <= 16 && c->head_dim <= 64;
}

static void run_model(const struct ms_checkpoint *k)
{
    const struct ms_moe_config *c = ms_checkpoint_config(k);
    struct ms_model_options o = {.B = 1, .T = 4};
    struct ms_model *m = NULL;
    struct ms_err err = {0};
    int32_t tokens[4] = {0, 1, 0, 1}, targets[4] = {1, 0, 1, -1};
    struct ms_model_input in = {.B = 1, .T = 4, .tokens = tokens, .targets = targets};
    double ce;
    if (!is_small(c) || c->vocab < 2 || c->max_positions < 4 ||
        ms_model_create(c, &o, &m, &err) != MS_OK)
        return;
    struct ms_err told = {0}, ran = {0};
    enum ms_status s = ms_checkpoint_load(k, m, &told);
    fuzz_told(s, &told);
    if (s == MS_OK)
        ms_model_forward(m, &in, &ce, &ran);
    ms_model_destroy(m);
}

/* config.json, and after a NUL the weights. */
static void checkpoint(const char *data, size_t n)
{
    struct fuzz_part part[2];
    int k = fuzz_cut(data, n, 2, part);
    char folder[FUZZ_PATH];
    struct ms_checkpoint *c = NULL;
    struct ms_err err = {0};
    fuzz_file("hf/config.json", part[0].p, part[0].n);
    fuzz_file("hf/model.safetensors", k > 1 ? part[1].p : "", k > 1 ? part[1].n : 0);
    snprintf(folder, sizeof folder, "%s/hf", fuzz_folder());
    enum ms_status s = ms_checkpoint_open(folder, &c, &err);
    fuzz_told(s, &err);
    if (s == MS_OK) {
        run_model(c);
        ms_checkpoint_close(c);
    }
}

/* A small Mixtral as one seed. */
static void checkpoint_seeds(const char *folder)
{
    struct ms_moe_config c = ms_moe_config_default();
    c.vocab = 8, c.hidden = 8, c.layers = 1, c.heads = 2, c.kv_heads = 1, c.head_dim = 4;
    c.experts = 2, c.top_k = 1, c.expert_intermediate = 4, c.max_positions = 8;
    struct ms_model_options o = {.B = 1, .T = 4};
    struct ms_model *m = NULL;
    struct ms_buf seed = {0};
    char path[4096];
    if (ms_model_create(&c, &o, &m, NULL) != MS_OK)
        return;
    ms_model_init(m, 1);
    snprintf(path, sizeof path, "%s/seed", fuzz_folder());
    fuzz_must(ms_checkpoint_save(m, path, NULL, NULL, 0, NULL) == MS_OK);
    ms_model_destroy(m);
    snprintf(path, sizeof path, "%s/seed/config.json", fuzz_folder());
    ms_file_read(path, &seed, NULL);
    ms_buf_add(&seed, "", 1);
    snprintf(path, sizeof path, "%s/seed/model.safetensors", fuzz_folder());
    ms_file_read(path, &seed, NULL);
    snprintf(path, sizeof path, "%smixtral", folder);
    ms_file_write(path, seed.p, seed.n, NULL);
    ms_buf_finish(&seed);
}

/* tokenizer.json, and after a NUL the text it is to cut. */
static void tokenizer(const char *data, size_t n)
{
    static const char plain[] =
        "The quick  brown fox's 12345 jumps\n\tover d\xc3\xa9j\xc3\xa0 \xe4\xbd\xa0\xe5\xa5\xbd!";
    struct fuzz_part part[2];
    int k = fuzz_cut(data, n, 2, part);
    struct ms_tokenizer *t = NULL;
    struct ms_err err = {0};
    enum ms_status s =
        ms_tokenizer_open(fuzz_file("tokenizer.json", part[0].p, part[0].n), &t, &err);
    fuzz_told(s, &err);
    for (int special = 0; s == MS_OK && special < 2; special++) {
        struct ms_token_ids ids = {0};
        struct ms_err told = {0};
        const char *text = k > 1 ? part[1].p : plain;
        size_t length = k > 1 ? part[1].n : sizeof plain - 1;
        enum ms_status z = ms_tokenizer_encode(t, "text", text, length, special, &ids, &told);
        fuzz_told(z, &told);
        for (size_t i = 0; z == MS_OK && i < ids.n; i++)
            fuzz_must(ids.id[i] >= 0 && ids.id[i] < ms_tokenizer_vocab(t));
        free(ids.id);
    }
    if (s == MS_OK)
        ms_tokenizer_close(t);
}

static void npy_seeds(const char *folder)
{
    static const int32_t ids[2][3][2] = {{{0, 1}, {2, 3}, {1, 0}}, {{3, 2}, {0, 2}, {1, 3}}};
    static const double counts[2][4] = {{1, 2, 3, 4}, {0, 0, 5, 1}};
    char path[4096];
    snprintf(path, sizeof path, "%sids.npy", folder);
    ms_npy_write(path, MS_NPY_I4, 3, (size_t[]){2, 3, 2}, ids, NULL);
    snprintf(path, sizeof path, "%scounts.npy", folder);
    ms_npy_write(path, MS_NPY_F8, 2, (size_t[]){2, 4}, counts, NULL);
}

static void trt_seeds(const char *folder)
{
    static const int32_t ids[2][4][2] = {{{0, 1}, {2, 3}, {1, 0}, {3, 1}},
                                         {{3, 2}, {0, 2}, {1, 3}, {2, 1}}};
    char name[2][64], path[4096];
    struct ms_st_tensor t[2];
    for (int i = 0; i < 2; i++) {
        snprintf(name[i], sizeof name[i], "%d_%d", 5 + i, i);
        t[i] = (struct ms_st_tensor){.name = name[i],
                                     .type = MS_ST_I32,
                                     .n_dims = 2,
                                     .shape = {4, 2},
                                     .count = 8,
                                     .data = ids[i]};
    }
    snprintf(path, sizeof path, "%strt.safetensors", folder);
    ms_st_write(path, t, 2, NULL, 0, NULL);
}

const struct fuzz_target fuzz_models[] = {
    {"trace-csv", trace_csv,
     "tests/data/routing_counts.csv scenarios/data/olmoe_counts.csv tests/data/bad/scenarios/*.csv "
     "tests/fuzz/seeds/trace-csv-*",
     NULL},
    {"trace-json", trace_json, "tests/fuzz/seeds/trace-json-*", NULL},
    {"trace-jsonl", trace_jsonl, "tests/fuzz/seeds/trace-jsonl-*", NULL},
    {"trace-npy", trace_npy, "", npy_seeds},
    {"trace-npz", trace_npz, "tests/data/traces/*.npz", NULL},
    {"trace-gzip", trace_gzip, "tests/fuzz/seeds/trace-gzip-*", NULL},
    {"safetensors", safetensors, "tests/data/hf/losses.safetensors", trt_seeds},
    {"matrix", matrix, "tests/data/bad/scenarios/small-matrix.csv tests/fuzz/seeds/matrix-*", NULL},
    {"config", config, "tests/data/hf/*/config.json tests/fuzz/seeds/config-*", NULL},
    {"checkpoint", checkpoint, "", checkpoint_seeds},
    {"tokenizer", tokenizer, "tests/fuzz/seeds/tokenizer-*", NULL},
    {0}};
