/* Reader of .npy: counts [steps,][ranks,]layers,experts, or token ids [tokens,layers,k]. Decides
 * which of the two an array is. */
#include <string.h>

#include "base/npy.h"
#include "routing/trace.h"

enum { STEPS, RANKS, LAYERS, EXPERTS, N_AXES };

static const char *const axis_names[N_AXES] = {"steps", "ranks", "layers", "experts"};

/* Every last-axis row holds distinct whole numbers below n_experts (0 = any). */
static bool looks_like_ids(const struct ms_npy *a, int n_experts)
{
    size_t k = a->shape[2], rows = k ? a->count / k : 0;
    if (a->n_dims != 3 || a->type >= MS_NPY_F4 || k == 0 || k > 64)
        return false;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < k; j++) {
            double v = ms_npy_number(a, i * k + j);
            if (v < 0 || v >= (n_experts ? n_experts : 65535))
                return false;
            for (size_t m = 0; m < j; m++)
                if (ms_npy_number(a, i * k + m) == v)
                    return false;
        }
    return true;
}

static enum ms_status bad(const char *path, struct ms_err *err, const char *key, const char *what)
{
    return ms_err_at(err, MS_INVALID, path, 0, 0, key, "%s", what);
}

/* dim[axis] = which dimension of the array, -1 = none. */
static enum ms_status choose_axes(const struct ms_trace_request *q, const struct ms_npy *a,
                                  int *dim, struct ms_err *err)
{
    static const int usual[3][4] = {
        {LAYERS, EXPERTS}, {STEPS, LAYERS, EXPERTS}, {STEPS, RANKS, LAYERS, EXPERTS}};
    for (int x = 0; x < N_AXES; x++)
        dim[x] = -1;
    if (a->n_dims < 2)
        return bad(q->path, err, "routing.trace",
                   "has one dimension; counts have two to four: [steps,][ranks,]layers,experts");
    if (q->n_axes == 0) {
        for (int d = 0; d < a->n_dims; d++)
            dim[usual[a->n_dims - 2][d]] = d;
        return MS_OK;
    }
    if (q->n_axes != a->n_dims)
        return ms_err_at(err, MS_INVALID, q->path, 0, 0, "routing.trace_axes",
                         "%d axes, but the array has %d dimensions", q->n_axes, a->n_dims);
    for (int d = 0; d < a->n_dims; d++) {
        int x = 0;
        while (x < N_AXES && strcmp(axis_names[x], q->axes[d]) != 0)
            x++;
        char allowed[256];
        if (x == N_AXES)
            return ms_err_at(err, MS_INVALID, q->path, 0, 0, "routing.trace_axes",
                             "'%s' is not an axis%s", q->axes[d],
                             ms_allowed(allowed, sizeof allowed, q->axes[d], axis_names, N_AXES));
        if (dim[x] >= 0)
            return ms_err_at(err, MS_INVALID, q->path, 0, 0, "routing.trace_axes",
                             "'%s' is there twice", q->axes[d]);
        dim[x] = d;
    }
    if (dim[LAYERS] < 0 || dim[EXPERTS] < 0)
        return bad(q->path, err, "routing.trace_axes", "layers and experts are both needed");
    return MS_OK;
}

static enum ms_status read_ids(const struct ms_trace_request *q, const struct ms_npy *a,
                               struct ms_trace *t, struct ms_err *err)
{
    if (a->shape[0] == 0 || a->shape[0] > 1u << 30 || a->shape[1] > 1u << 16)
        return bad(q->path, err, "routing.trace", "is not [tokens, layers, k]");
    t->n_steps = t->n_ranks = 1;
    t->n_tokens = (int)a->shape[0];
    t->n_layers = (int)a->shape[1];
    t->top_k = (int)a->shape[2];
    t->ids = MS_NEW(&t->arena, uint16_t, a->count);
    t->layer_id = MS_NEW(&t->arena, int, (size_t)t->n_layers);
    if (!t->ids || !t->layer_id)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int l = 0; l < t->n_layers; l++)
        t->layer_id[l] = l;
    t->n_experts = q->n_experts;
    for (size_t i = 0; i < a->count; i++) {
        t->ids[i] = (uint16_t)ms_npy_number(a, i);
        if (t->ids[i] >= t->n_experts)
            t->n_experts = t->ids[i] + 1;
    }
    return MS_OK;
}

static enum ms_status read_counts(const struct ms_trace_request *q, const struct ms_npy *a,
                                  struct ms_trace *t, struct ms_err *err)
{
    int dim[N_AXES];
    enum ms_status s = choose_axes(q, a, dim, err);
    if (s != MS_OK)
        return s;
    size_t stride[MS_NPY_MAX_DIMS], step[N_AXES];
    long n[N_AXES];
    for (int d = a->n_dims - 1; d >= 0; d--)
        stride[d] = d == a->n_dims - 1 ? 1 : stride[d + 1] * a->shape[d + 1];
    for (int x = 0; x < N_AXES; x++) {
        n[x] = dim[x] < 0 ? 1 : (long)a->shape[dim[x]];
        step[x] = dim[x] < 0 ? 0 : stride[dim[x]];
    }
    s = ms_trace_shape(t, q->path, n[STEPS], n[RANKS], n[LAYERS], n[EXPERTS], err);
    if (s != MS_OK)
        return s;
    t->has_ranks = dim[RANKS] >= 0;
    double *out = t->count;
    for (long i = 0; i < n[STEPS]; i++)
        for (long r = 0; r < n[RANKS]; r++)
            for (long l = 0; l < n[LAYERS]; l++)
                for (long e = 0; e < n[EXPERTS]; e++)
                    *out++ = ms_npy_number(a, i * step[STEPS] + r * step[RANKS] + l * step[LAYERS] +
                                                  e * step[EXPERTS]);
    return MS_OK;
}

enum ms_status ms_trace_read_npy(const struct ms_trace_request *q, struct ms_trace *out,
                                 struct ms_err *err)
{
    struct ms_npy a = {0};
    enum ms_status s = ms_npy_read(q->path, &a, err);
    if (s != MS_OK)
        return s;
    bool last_is_experts = a.n_dims == 3 && q->n_experts != 0 && (int)a.shape[2] == q->n_experts;
    bool ids = q->n_axes == 0 && !last_is_experts && looks_like_ids(&a, q->n_experts);
    s = ids ? read_ids(q, &a, out, err) : read_counts(q, &a, out, err);
    ms_npy_finish(&a);
    return s;
}
