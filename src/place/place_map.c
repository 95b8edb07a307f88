/* Reads a map of experts to slots from the formats of SGLang, TensorRT-LLM and vLLM-Ascend, and
 * checks that every layer holds as many slots as the others. */
#define _GNU_SOURCE
#include "place/place_map.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/yaml_tree.h"

enum { MOST_LAYERS = 4096, MOST_SLOTS = 65535 };

struct reader {
    const char *path;
    struct ms_place_map *m;
    struct ms_err *err;
};

static enum ms_status bad(const struct reader *r, int line, const char *what)
{
    return ms_err_at(r->err, MS_INVALID, r->path, line, 0, "placement.map", "%s", what);
}

static enum ms_status shape(const struct reader *r, size_t layers, size_t slots)
{
    struct ms_place_map *m = r->m;
    if (layers < 1 || layers > MOST_LAYERS || slots < 1 || slots > MOST_SLOTS)
        return ms_err_at(r->err, MS_INVALID, r->path, 0, 0, "placement.map",
                         "%zu layers of %zu slots: a map has 1 to 4096 layers of 1 to 65535 slots",
                         layers, slots);
    m->n_layers = (int)layers;
    m->n_slots = (int)slots;
    m->layer_id = MS_NEW(&m->arena, int, layers);
    m->slot_expert = MS_NEW(&m->arena, int, layers *slots);
    if (!m->layer_id || !m->slot_expert)
        return ms_err_set(r->err, MS_NOMEM, "out of memory");
    for (int l = 0; l < m->n_layers; l++)
        m->layer_id[l] = l;
    return MS_OK;
}

static enum ms_status put(const struct reader *r, int line, size_t layer, size_t slot, long expert)
{
    struct ms_place_map *m = r->m;
    if (expert < 0 || expert >= MOST_SLOTS)
        return ms_err_at(r->err, MS_INVALID, r->path, line, 0, "placement.map",
                         "layer %d, slot %zu: %ld is not an expert", m->layer_id[layer], slot,
                         expert);
    m->slot_expert[layer * (size_t)m->n_slots + slot] = (int)expert;
    if (expert >= m->n_experts)
        m->n_experts = (int)expert + 1;
    return MS_OK;
}

static enum ms_status number_layer(const struct reader *r, int line, size_t layer, long id)
{
    struct ms_place_map *m = r->m;
    if (id < 0 || id > 1000000 || (layer > 0 && id <= m->layer_id[layer - 1]))
        return ms_err_at(r->err, MS_INVALID, r->path, line, 0, "placement.map",
                         "layer %ld: layers are whole numbers, each once and rising", id);
    m->layer_id[layer] = (int)id;
    m->numbered = true;
    return MS_OK;
}

/* ---- SGLang, and ours ---- */

static enum ms_status read_rows(const struct reader *r, const json_t *root, const json_t *rows)
{
    size_t slots = json_array_size(json_array_get(rows, 0));
    enum ms_status s = shape(r, json_array_size(rows), slots);
    const json_t *ids = json_object_get(root, "layer_id");
    for (size_t l = 0; s == MS_OK && l < json_array_size(rows); l++) {
        const json_t *row = json_array_get(rows, l);
        if (json_array_size(row) != slots)
            return ms_err_at(r->err, MS_INVALID, r->path, 0, 0, "placement.map",
                             "row %zu has %zu slots, the first has %zu", l, json_array_size(row),
                             slots);
        if (ids)
            s = number_layer(r, 0, l, (long)json_integer_value(json_array_get(ids, l)));
        for (size_t i = 0; s == MS_OK && i < slots; i++) {
            const json_t *e = json_array_get(row, i);
            s = put(r, 0, l, i, json_is_integer(e) ? (long)json_integer_value(e) : -1);
        }
    }
    return s;
}

/* ---- vLLM-Ascend ---- */

static enum ms_status read_devices(const struct reader *r, size_t layer, const json_t *devices)
{
    size_t n = json_array_size(devices), per = (size_t)r->m->n_slots / n, i, k;
    const json_t *device, *expert;
    json_array_foreach(devices, i, device)
    {
        const json_t *held = json_object_get(device, "device_expert"),
                     *id = json_object_get(device, "device_id");
        size_t rank = json_is_integer(id) ? (size_t)json_integer_value(id) : i;
        if (rank >= n || json_array_size(held) != per)
            return bad(r, 0,
                       "device_list is not a list of devices 0, 1, … with as many experts "
                       "each in device_expert");
        json_array_foreach(held, k, expert)
        {
            enum ms_status s = put(r, 0, layer, rank * per + k,
                                   json_is_integer(expert) ? (long)json_integer_value(expert) : -1);
            if (s != MS_OK)
                return s;
        }
    }
    return MS_OK;
}

static enum ms_status read_layer_list(const struct reader *r, const json_t *list)
{
    const json_t *first = json_object_get(json_array_get(list, 0), "device_list");
    size_t n = json_array_size(first),
           per = json_array_size(json_object_get(json_array_get(first, 0), "device_expert"));
    enum ms_status s = shape(r, json_array_size(list), n * per);
    r->m->n_ranks = (int)n;
    for (size_t l = 0; s == MS_OK && l < json_array_size(list); l++) {
        const json_t *o = json_array_get(list, l), *id = json_object_get(o, "layer_id"),
                     *devices = json_object_get(o, "device_list");
        s = number_layer(r, 0, l, json_is_integer(id) ? (long)json_integer_value(id) : (long)l);
        if (s == MS_OK && json_array_size(devices) != n)
            s = bad(r, 0, "every layer must have the same devices");
        if (s == MS_OK)
            s = read_devices(r, l, devices);
    }
    return s;
}

static enum ms_status read_json(const struct reader *r, const struct ms_buf *b)
{
    json_error_t why;
    json_t *root = json_loadb(b->p, b->n, JSON_REJECT_DUPLICATES, &why);
    if (!root)
        return ms_err_at(r->err, MS_INVALID, r->path, why.line, why.column, "placement.map",
                         "is not JSON: %s", ms_json_reason(why.text));
    const json_t *rows =
        json_is_array(root) ? root : json_object_get(root, "physical_to_logical_map");
    const json_t *list = json_object_get(root, "layer_list");
    enum ms_status s = rows   ? read_rows(r, root, rows)
                       : list ? read_layer_list(r, list)
                              : bad(r, 0,
                                    "has neither physical_to_logical_map (SGLang, moesim) nor "
                                    "layer_list (vLLM-Ascend)");
    json_decref(root);
    return s;
}

/* ---- TensorRT-LLM ---- */

static bool whole(const char *text, long *out)
{
    char *end;
    *out = text ? strtol(text, &end, 10) : -1;
    return text && end != text && !*end;
}

static enum ms_status read_assignments(const struct reader *r, const struct ms_yaml *root)
{
    const struct ms_entry *slots = ms_yaml_get(root, "num_slots"),
                          *map = ms_yaml_get(root, "initial_global_assignments");
    long n = 0;
    if (!slots || !whole(slots->value->text, &n) || n < 1)
        return bad(r, slots ? slots->line : 0, "num_slots must be a whole number of 1 or more");
    if (!map || map->value->kind != MS_YAML_MAP || map->value->n == 0)
        return bad(r, map ? map->line : 0,
                   "has no initial_global_assignments: {layer: [expert of each slot]}");
    enum ms_status s = shape(r, map->value->n, (size_t)n);
    size_t l = 0;
    for (const struct ms_entry *e = map->value->first; s == MS_OK && e; e = e->next, l++) {
        long id, v;
        size_t i = 0;
        if (!whole(e->key, &id) || e->value->kind != MS_YAML_LIST || e->value->n != (size_t)n)
            return ms_err_at(r->err, MS_INVALID, r->path, e->line, e->col, "placement.map",
                             "layer '%s' does not hold num_slots = %ld experts", e->key, n);
        s = number_layer(r, e->line, l, id);
        for (const struct ms_entry *x = e->value->first; s == MS_OK && x; x = x->next)
            s = put(r, x->line, l, i++, whole(x->value->text, &v) ? v : -1);
    }
    return s;
}

static enum ms_status read_yaml(const struct reader *r, const struct ms_buf *b)
{
    struct ms_arena arena = {0};
    struct ms_errs errs = {0};
    const struct ms_entry *root = ms_yaml_parse(&arena, r->path, 0, b->p, b->n, &errs);
    enum ms_status s = MS_OK;
    if (errs.n > 0) {
        *r->err = errs.e[0];
        s = errs.e[0].status;
    } else {
        s = root ? read_assignments(r, root->value) : bad(r, 0, "is empty");
    }
    ms_errs_finish(&errs);
    ms_arena_finish(&arena);
    return s;
}

/* ---- the whole ---- */

bool ms_place_map_is(const char *text, size_t n)
{
    static const char *const words[] = {"\"physical_to_logical_map\"", "\"layer_list\"",
                                        "initial_global_assignments"};
    for (size_t i = 0; text && i < sizeof words / sizeof *words; i++)
        if (memmem(text, n, words[i], strlen(words[i])))
            return true;
    return false;
}

enum ms_status ms_place_map_read(const char *path, struct ms_place_map *out, struct ms_err *err)
{
    struct ms_place_map m = {0};
    struct ms_err local = {0};
    struct ms_buf b = {0};
    struct reader r = {.path = path, .m = &m, .err = &local};
    enum ms_status s = ms_file_read(path, &b, &local);
    if (s == MS_OK && b.n == 0)
        s = bad(&r, 0, "is empty");
    if (s == MS_OK) {
        char first = b.p[strspn(b.p, " \t\r\n")];
        s = first == '{' || first == '[' ? read_json(&r, &b) : read_yaml(&r, &b);
    }
    ms_buf_finish(&b);
    if (s != MS_OK) {
        ms_place_map_finish(&m);
        if (!local.key[0])
            snprintf(local.key, sizeof local.key, "placement.map");
        if (err && err->status == MS_OK)
            *err = local;
        return s;
    }
    *out = m;
    return MS_OK;
}

void ms_place_map_finish(struct ms_place_map *m)
{
    ms_arena_finish(&m->arena);
    *m = (struct ms_place_map){0};
}

const int *ms_place_map_layer(const struct ms_place_map *m, int moe_layers, int i)
{
    int dense = !m->numbered && m->n_layers > moe_layers ? m->n_layers - moe_layers : 0;
    return dense + i < m->n_layers ? m->slot_expert + (size_t)(dense + i) * (size_t)m->n_slots
                                   : NULL;
}
