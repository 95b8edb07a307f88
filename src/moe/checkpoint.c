/* Opens a checkpoint folder (config.json, one or many .safetensors), finds the stored tensor of
 * each parameter, and writes folders that Hugging Face loads. */
#include "moe/checkpoint.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "moe/checkpoint_files.h"
#include "moe/checkpoint_names.h"
#include "moe/manifest.h"
#include "moe/model.h"

/* ---- opening ---- */

static const char *inside(struct ms_checkpoint *c, const char *name)
{
    struct ms_buf b = {0};
    ms_buf_printf(&b, "%s/%s", c->folder, name);
    const char *p = b.failed ? NULL : ms_arena_strdup(&c->arena, b.p);
    ms_buf_finish(&b);
    return p;
}

static enum ms_status open_file(struct ms_checkpoint *c, const char *path, struct ms_err *err)
{
    if (!path)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    enum ms_status s = ms_st_open(path, &c->files[c->n_files], err);
    if (!s)
        c->n_files++;
    return s;
}

struct ms_found ms_checkpoint_find(const struct ms_checkpoint *c, const char *name)
{
    for (size_t i = 0; i < c->n_files; i++) {
        const struct ms_st_tensor *t = ms_st_find(c->files[i], name);
        if (t)
            return (struct ms_found){c->files[i], t};
    }
    return (struct ms_found){0};
}

/* Every tensor of the map must be in the file the map says, and every file exists once. */
static enum ms_status open_mapped(struct ms_checkpoint *c, const char *index, json_t *map,
                                  struct ms_err *err)
{
    const char *name;
    json_t *v;
    c->files = MS_NEW(&c->arena, struct ms_st_file *, json_object_size(map) + 1);
    if (!c->files)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    json_object_foreach(map, name, v)
    {
        const char *file = json_string_value(v);
        if (!file || !*file || strchr(file, '/'))
            return ms_err_at(err, MS_INVALID, index, 0, 0, name,
                             "is not mapped to a file of the folder");
        const char *path = inside(c, file);
        size_t i = 0;
        while (path && i < c->n_files && strcmp(ms_st_path(c->files[i]), path) != 0)
            i++;
        enum ms_status s = i == c->n_files ? open_file(c, path, err) : MS_OK;
        if (s)
            return s;
        if (!ms_st_find(c->files[i], name))
            return ms_err_at(err, MS_INVALID, ms_st_path(c->files[i]), 0, 0, name,
                             "is not in this file, but the index says so");
    }
    return MS_OK;
}

static enum ms_status open_shards(struct ms_checkpoint *c, const char *index, struct ms_err *err)
{
    struct ms_buf text = {0};
    json_error_t why;
    enum ms_status s = ms_file_read(index, &text, err);
    if (s)
        return s;
    json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &why);
    json_t *map = json_object_get(root, "weight_map");
    if (!root)
        s = ms_err_at(err, MS_INVALID, index, why.line, why.column, NULL, "%s", why.text);
    else if (!json_is_object(map))
        s = ms_err_at(err, MS_INVALID, index, 0, 0, "weight_map", "is missing");
    else
        s = open_mapped(c, index, map, err);
    json_decref(root);
    ms_buf_finish(&text);
    return s;
}

static bool exists(const char *path)
{
    return path && ms_file_is(path);
}

static enum ms_status open_all(struct ms_checkpoint *c, struct ms_err *err)
{
    const char *config = inside(c, "config.json"),
               *index = inside(c, "model.safetensors.index.json");
    const char *whole = inside(c, "model.safetensors");
    if (!config || !index || !whole)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    enum ms_status s = ms_file_read(config, &c->config_text, err);
    if (!s)
        s = ms_moe_config_parse(config, c->config_text.p, c->config_text.n, &c->config, err);
    if (s)
        return s;
    if (!exists(whole) && exists(index))
        return open_shards(c, index, err);
    if (!exists(whole) && exists(inside(c, "pytorch_model.bin")))
        return ms_err_at(
            err, MS_INVALID, whole, 0, 0, NULL,
            "no such file; pytorch_model.bin is not read: convert it with python3 -c \"from "
            "transformers import AutoModelForCausalLM as A; A.from_pretrained('.').save_pretrained("
            "'.', safe_serialization=True)\"");
    c->files = MS_NEW(&c->arena, struct ms_st_file *, 1);
    return c->files ? open_file(c, whole, err) : ms_err_set(err, MS_NOMEM, "out of memory");
}

enum ms_status ms_checkpoint_open(const char *folder, struct ms_checkpoint **out,
                                  struct ms_err *err)
{
    struct ms_checkpoint *c = calloc(1, sizeof *c);
    if (!c)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    c->folder = ms_arena_strdup(&c->arena, folder);
    bool ours;
    enum ms_status s = c->folder ? ms_manifest_check(folder, &ours, NULL, err)
                                 : ms_err_set(err, MS_NOMEM, "out of memory");
    s = s ? s : open_all(c, err);
    if (s) {
        ms_checkpoint_close(c);
        return s;
    }
    *out = c;
    return MS_OK;
}

void ms_checkpoint_close(struct ms_checkpoint *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_files; i++)
        ms_st_close(c->files[i]);
    ms_buf_finish(&c->config_text);
    ms_arena_finish(&c->arena);
    free(c);
}

const struct ms_moe_config *ms_checkpoint_config(const struct ms_checkpoint *c)
{
    return &c->config;
}

const char *ms_checkpoint_config_text(const struct ms_checkpoint *c)
{
    return c->config_text.p;
}

const char *ms_checkpoint_metadata(const struct ms_checkpoint *c, const char *key)
{
    return c->n_files ? ms_st_metadata(c->files[0], key) : NULL;
}

size_t ms_checkpoint_values(const struct ms_checkpoint *c)
{
    size_t n = 0;
    for (size_t f = 0; f < c->n_files; f++)
        for (size_t i = 0; i < ms_st_count(c->files[f]); i++)
            n += ms_st_at(c->files[f], i)->count;
    return n;
}

/* ---- saving ---- */

static bool any(const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] != 0)
            return true;
    return false;
}

/* Fill tensors (memory for all), borrowing names from the arena and data from the model. @return how
 * many, 0: no memory */
static size_t list_tensors(const struct ms_model *m, struct ms_arena *a, struct ms_st_tensor *out)
{
    const struct ms_moe_config *c = ms_model_config(m);
    size_t n_params, n = 0, E = (size_t)c->experts;
    const struct ms_param *params = ms_model_params(m, &n_params);
    for (size_t i = 0; i < n_params; i++)
        for (size_t j = 0; j < ms_tensor_pieces(&params[i]); j++) {
            struct ms_tensor_piece p = ms_tensor_piece(c->family, &params[i], j);
            struct ms_st_tensor *t = &out[n++];
            *t = (struct ms_st_tensor){.name = ms_arena_strdup(a, p.name),
                                       .type = MS_ST_F32,
                                       .n_dims = p.n_dims,
                                       .shape = {p.shape[0], p.shape[1]},
                                       .count = ms_tensor_count(&p),
                                       .data = params[i].value + p.offset};
            if (!t->name)
                return 0;
        }
    const float *bias = ms_model_router_bias((struct ms_model *)m);
    for (int i = 0; any(bias, E * (size_t)ms_model_moe_layers(m)) && i < ms_model_moe_layers(m);
         i++) {
        char name[192];
        ms_tensor_bias(m, i, name, sizeof name);
        struct ms_st_tensor *t = &out[n++];
        *t = (struct ms_st_tensor){ms_arena_strdup(a, name), MS_ST_F32, 1, {E}, E,
                                   bias + (size_t)i * E};
        if (!t->name)
            return 0;
    }
    return n;
}

static enum ms_status save_weights(const struct ms_model *m, const char *path,
                                   const struct ms_st_meta *meta, size_t n_meta, struct ms_err *err)
{
    struct ms_arena a = {0};
    size_t n_params, most = (size_t)ms_model_moe_layers(m);
    const struct ms_param *params = ms_model_params(m, &n_params);
    for (size_t i = 0; i < n_params; i++)
        most += ms_tensor_pieces(&params[i]);
    struct ms_st_tensor *tensors = MS_NEW(&a, struct ms_st_tensor, most);
    struct ms_st_meta *all = MS_NEW(&a, struct ms_st_meta, n_meta + 1);
    size_t n = tensors && all ? list_tensors(m, &a, tensors) : 0;
    enum ms_status s;
    if (!n) {
        s = ms_err_set(err, MS_NOMEM, "out of memory for a checkpoint");
    } else {
        all[0] = (struct ms_st_meta){"format", "pt"};
        if (n_meta)
            memcpy(all + 1, meta, n_meta * sizeof *meta);
        s = ms_st_write(path, tensors, n, all, n_meta + 1, err);
    }
    ms_arena_finish(&a);
    return s;
}

enum ms_status ms_checkpoint_save(const struct ms_model *m, const char *folder,
                                  const char *config_text, const struct ms_st_meta *meta,
                                  size_t n_meta, struct ms_err *err)
{
    struct ms_buf text = {0}, config = {0}, weights = {0};
    ms_buf_printf(&config, "%s/config.json", folder);
    ms_buf_printf(&weights, "%s/model.safetensors", folder);
    enum ms_status s =
        config.failed || weights.failed ? ms_err_set(err, MS_NOMEM, "out of memory") : MS_OK;
    if (!s)
        s = ms_dir_make(folder, err);
    if (!s)
        s = ms_moe_config_print(ms_model_config(m), config_text, &text, err);
    if (!s)
        s = text.failed ? ms_err_set(err, MS_NOMEM, "out of memory")
                        : ms_file_replace(config.p, text.p, text.n, err);
    if (!s)
        s = save_weights(m, weights.p, meta, n_meta, err);
    ms_buf_finish(&text);
    ms_buf_finish(&config);
    ms_buf_finish(&weights);
    return s;
}
