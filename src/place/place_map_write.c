/* Writes a map of experts to slots as SGLang, TensorRT-LLM and vLLM-Ascend read it: SGLang wants a
 * row for every layer of the model, so layers that the map does not have get the trivial one. */
#include "base/json.h"
#include "place/place_map.h"

static const int *row_of(const struct ms_place_map *m, int l)
{
    return m->slot_expert + (size_t)l * (size_t)m->n_slots;
}

static void json_row(struct ms_json *j, const struct ms_place_map *m, const int *row)
{
    ms_json_array(j, NULL);
    for (int i = 0; i < m->n_slots; i++)
        ms_json_integer(j, NULL, row ? row[i] : i % m->n_experts);
    ms_json_end_array(j);
}

static enum ms_status write_sglang(const struct ms_place_map *m, struct ms_buf *out,
                                   struct ms_err *err)
{
    int last = m->layer_id[m->n_layers - 1];
    last = m->model_layers > last + 1 ? m->model_layers - 1 : last;
    struct ms_json j = {.out = out};
    if (last >= 4096)
        return ms_err_set(err, MS_INVALID,
                          "layer %d: SGLang's map has a row for every layer, and 4096 are the most",
                          last);
    ms_json_object(&j, NULL);
    ms_json_array(&j, "physical_to_logical_map");
    for (int row = 0, l = 0; row <= last; row++)
        json_row(&j, m, l < m->n_layers && m->layer_id[l] == row ? row_of(m, l++) : NULL);
    ms_json_end_array(&j);
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
    return MS_OK;
}

static enum ms_status write_moesim(const struct ms_place_map *m, struct ms_buf *out,
                                   struct ms_err *err)
{
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    ms_json_array(&j, "physical_to_logical_map");
    for (int l = 0; l < m->n_layers; l++)
        json_row(&j, m, row_of(m, l));
    ms_json_end_array(&j);
    ms_json_array(&j, "layer_id");
    for (int l = 0; l < m->n_layers; l++)
        ms_json_integer(&j, NULL, m->layer_id[l]);
    ms_json_end_array(&j);
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
    return MS_OK;
}

static enum ms_status write_trtllm(const struct ms_place_map *m, struct ms_buf *out,
                                   struct ms_err *err)
{
    ms_buf_printf(out, "num_slots: %d\nlayer_updates_per_iter: 0\ninitial_global_assignments:\n",
                  m->n_slots);
    for (int l = 0; l < m->n_layers; l++) {
        ms_buf_printf(out, "  %d: [", m->layer_id[l]);
        for (int i = 0; i < m->n_slots; i++)
            ms_buf_printf(out, "%s%d", i ? ", " : "", row_of(m, l)[i]);
        ms_buf_adds(out, "]\n");
    }
    return MS_OK;
}

static enum ms_status write_ascend(const struct ms_place_map *m, struct ms_buf *out,
                                   struct ms_err *err)
{
    struct ms_json j = {.out = out};
    if (m->n_ranks < 1 || m->n_slots % m->n_ranks != 0)
        return ms_err_set(err, MS_INVALID,
                          "vLLM-Ascend's map is by device: say on how many with --ranks N (a "
                          "divisor of the %d slots)",
                          m->n_slots);
    int per = m->n_slots / m->n_ranks;
    ms_json_object(&j, NULL);
    ms_json_integer(&j, "moe_layer_count", m->n_layers);
    ms_json_array(&j, "layer_list");
    for (int l = 0; l < m->n_layers; l++) {
        ms_json_object(&j, NULL);
        ms_json_integer(&j, "layer_id", m->layer_id[l]);
        ms_json_integer(&j, "device_count", m->n_ranks);
        ms_json_array(&j, "device_list");
        for (int r = 0; r < m->n_ranks; r++) {
            ms_json_object(&j, NULL);
            ms_json_integer(&j, "device_id", r);
            ms_json_array(&j, "device_expert");
            for (int i = 0; i < per; i++)
                ms_json_integer(&j, NULL, row_of(m, l)[r * per + i]);
            ms_json_end_array(&j);
            ms_json_end_object(&j);
        }
        ms_json_end_array(&j);
        ms_json_end_object(&j);
    }
    ms_json_end_array(&j);
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
    return MS_OK;
}

const struct ms_place_map_writer ms_place_map_writers[] = {
    {"sglang", ".json", "SGLang's physical_to_logical_map, a row for every layer", write_sglang},
    {"trtllm", ".yaml", "TensorRT-LLM's load balancer", write_trtllm},
    {"ascend", ".json", "vLLM-Ascend's expert map, by device", write_ascend},
    {"moesim", ".json", "SGLang's map with layer_id, only the layers there are", write_moesim},
    {0},
};
