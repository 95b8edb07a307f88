/* Reader of JSON: SGLang's {"logical_count": [steps][layers][experts]}, vLLM's
 * load_history[].logical_expert_load; a file of several objects is JSON Lines. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "routing/trace_read.h"
#include "base/json.h"

static enum ms_status bad(const char *path, struct ms_err *err, const char *what)
{
    return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace", "%s", what);
}

/* The layers-by-experts array of step i. */
static const json_t *step_at(const json_t *root, size_t i)
{
    const json_t *count = json_object_get(root, "logical_count");
    if (!count)
        return json_object_get(json_array_get(json_object_get(root, "load_history"), i),
                               "logical_expert_load");
    bool two = json_is_number(json_array_get(json_array_get(count, 0), 0));
    return two ? count : json_array_get(count, i);
}

static size_t steps_of(const json_t *root)
{
    const json_t *count = json_object_get(root, "logical_count");
    if (!count)
        return json_array_size(json_object_get(root, "load_history"));
    return json_is_number(json_array_get(json_array_get(count, 0), 0)) ? 1 : json_array_size(count);
}

static enum ms_status fill(const char *path, const json_t *root, struct ms_trace *t,
                           struct ms_err *err)
{
    size_t steps = steps_of(root), layers = json_array_size(step_at(root, 0));
    size_t experts = json_array_size(json_array_get(step_at(root, 0), 0));
    if (json_object_get(root, "physical_to_logical_map") && steps == 0)
        return bad(path, err,
                   "is a map of experts to slots, which holds no counts: it belongs to placement");
    if (steps == 0 || layers == 0 || experts == 0)
        return bad(path, err,
                   "has neither \"logical_count\": [steps][layers][experts] nor "
                   "\"load_history\": [{\"logical_expert_load\": [layers][experts]}]");
    enum ms_status s =
        ms_trace_shape(t, path, (long)steps, 1, (long)layers, (long)experts, SIZE_MAX, err);
    if (s != MS_OK)
        return s;
    double *out = t->count;
    for (size_t i = 0; i < steps; i++)
        for (size_t l = 0; l < layers; l++) {
            const json_t *row = json_array_get(step_at(root, i), l);
            if (json_array_size(step_at(root, i)) != layers || json_array_size(row) != experts)
                return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace",
                                 "step %zu, layer %zu does not have the shape of the first: %zu "
                                 "layers of %zu experts",
                                 i, l, layers, experts);
            for (size_t e = 0; e < experts; e++) {
                const json_t *v = json_array_get(row, e);
                if (!json_is_number(v))
                    return ms_err_at(err, MS_INVALID, path, 0, 0, "routing.trace",
                                     "step %zu, layer %zu, expert %zu is not a number", i, l, e);
                *out++ = json_number_value(v);
            }
        }
    return MS_OK;
}

enum ms_status ms_trace_read_json(struct ms_trace_file *f, struct ms_trace *out, struct ms_err *err)
{
    json_error_t why;
    const char *p = f->bytes.p ? f->bytes.p : "";
    size_t n = f->bytes.n, skip = n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    json_t *root = json_loadb(p + skip, n - skip, JSON_REJECT_DUPLICATES, &why);
    if (!root && json_error_code(&why) == json_error_end_of_input_expected && why.line > 1)
        return ms_trace_read_json_lines(f, out, err);
    if (!root)
        return ms_err_at(err, MS_INVALID, f->path, why.line, why.column, "routing.trace",
                         "is not JSON: %s", ms_json_reason(why.text));
    bool line = json_object_get(root, "topk_ids") || json_object_get(root, "topk_experts") ||
                json_object_get(root, "expert_load");
    enum ms_status s = line ? ms_trace_read_json_lines(f, out, err) : fill(f->path, root, out, err);
    json_decref(root);
    return s;
}
