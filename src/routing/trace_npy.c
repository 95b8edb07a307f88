/* Reader of .npy and .npz: counts by steps, ranks, layers, experts, or token ids by tokens, layers,
 * choices. Decides which of them an array is, unless its axes are given, and says so. */
#include <stdlib.h>
#include <string.h>

#include "base/inflate.h"
#include "base/npy.h"
#include "routing/trace_read.h"

enum { STEPS, RANKS, LAYERS, EXPERTS, SLOTS, TOKENS, CHOICES, REQUESTS, N_AXES };

static const char *const axis_names[N_AXES] = {"steps", "ranks",  "layers", "experts",
                                               "slots", "tokens", "k",      "requests"};

struct array {
    const char *path;
    const struct ms_trace_request *q;
    struct ms_npy a;
    int dim[N_AXES]; /* which dimension of the array an axis is, -1 = none */
    size_t stride[MS_NPY_MAX_DIMS];
};

static enum ms_status bad(const struct array *x, struct ms_err *err, const char *key,
                          const char *what)
{
    return ms_err_at(err, MS_INVALID, x->path, 0, 0, key, "%s", what);
}

/* ---- which axes ---- */

/* An id, or -1 for none; false: neither. */
static bool is_id(const struct array *x, size_t i, int64_t *v)
{
    int64_t most = x->q->n_experts ? x->q->n_experts : MS_NO_EXPERT;
    return ms_npy_integer(&x->a, i, v) && *v >= -1 && *v < most;
}

/* Every last-axis row holds distinct whole numbers below the number of experts, or -1. Counts of a
 * few tokens may look the same by chance. @param chance receives how many equal pairs a row of
 * counts would show: small = both readings fit */
static bool looks_like_ids(const struct array *x, double *chance)
{
    size_t k = x->a.shape[2], rows = k ? x->a.count / k : 0;
    int64_t v, w, top = 1;
    bool hole = false;
    if (x->a.n_dims != 3 || x->a.type >= MS_NPY_F4 || k == 0 || k > 64)
        return false;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < k; j++) {
            if (!is_id(x, i * k + j, &v))
                return false;
            hole = hole || v < 0;
            top = v > top ? v : top;
            for (size_t m = 0; v >= 0 && m < j; m++)
                if (ms_npy_integer(&x->a, i * k + m, &w) && w == v)
                    return false;
        }
    *chance = hole ? 1e9 : (double)rows * (double)(k * (k - 1)) / 2 / (double)(top + 1);
    return true;
}

static bool has_name(const char *path, const char *start)
{
    const char *slash = strrchr(path, '/');
    return strncmp(slash ? slash + 1 : path, start, strlen(start)) == 0;
}

static void set_axes(struct array *x, int n, const int *axes)
{
    for (int d = 0; d < n; d++)
        x->dim[axes[d]] = d;
}

/* "[tokens, layers, k]" */
static void print_axes(const struct array *x, char *out, size_t size)
{
    *out = 0;
    for (int d = 0; d < x->a.n_dims; d++)
        for (int axis = 0; axis < N_AXES; axis++)
            if (x->dim[axis] == d)
                snprintf(out + strlen(out), size - strlen(out), "%s%s", d ? ", " : "[",
                         axis_names[axis]);
    snprintf(out + strlen(out), size - strlen(out), "]");
}

static void note_reading(const struct array *x, double chance, struct ms_trace *t)
{
    char axes[96];
    print_axes(x, axes, sizeof axes);
    bool ids = x->dim[TOKENS] >= 0;
    bool doubt = ids && (chance < 200 || x->a.shape[0] <= x->a.shape[1]);
    if (!doubt) {
        ms_trace_note(t,
                      "an array read as %s; other axes are given with --axes or "
                      "routing.trace_axes",
                      axes);
        return;
    }
    const char *turned = x->a.shape[0] <= x->a.shape[1] ? "[layers, tokens, k]" : NULL;
    ms_trace_note(t,
                  "warning: an array of %zu x %zu x %zu read as %s, but %s%s%s would fit too: give "
                  "--axes or routing.trace_axes",
                  x->a.shape[0], x->a.shape[1], x->a.shape[2], axes, turned ? turned : "",
                  turned && chance < 200 ? " or " : "",
                  chance < 200 ? "counts [steps, layers, experts]" : "");
}

/* By its shape: what NumPy users save most. */
static enum ms_status usual_axes(struct array *x, struct ms_trace *t, struct ms_err *err)
{
    static const int counts[4][4] = {
        {EXPERTS}, {LAYERS, EXPERTS}, {STEPS, LAYERS, EXPERTS}, {STEPS, RANKS, LAYERS, EXPERTS}};
    static const int ids[3] = {TOKENS, LAYERS, CHOICES}, slots[3] = {LAYERS, RANKS, SLOTS};
    const struct ms_trace_request *q = x->q;
    int n = x->a.n_dims;
    double chance = 1e9;
    bool experts_last = n == 3 && q->n_experts != 0 && x->a.shape[2] == (size_t)q->n_experts;
    if (n == 1)
        return bad(x, err, "routing.trace",
                   "has one dimension; counts have two to four: [steps,][ranks,]layers,experts");
    if (n == 3 && has_name(x->path, "moe_load_"))
        set_axes(x, 3, slots);
    else if (!experts_last && looks_like_ids(x, &chance))
        set_axes(x, 3, ids);
    else
        set_axes(x, n, counts[n - 1]);
    note_reading(x, chance, t);
    return MS_OK;
}

static enum ms_status named_axes(struct array *x, struct ms_err *err)
{
    const struct ms_trace_request *q = x->q;
    if (q->n_axes != x->a.n_dims)
        return ms_err_at(err, MS_INVALID, x->path, 0, 0, "routing.trace_axes",
                         "%d axes, but the array has %d dimensions", q->n_axes, x->a.n_dims);
    for (int d = 0; d < x->a.n_dims; d++) {
        int axis = 0;
        char allowed[256];
        while (axis < N_AXES && strcmp(axis_names[axis], q->axes[d]) != 0)
            axis++;
        if (axis == N_AXES)
            return ms_err_at(err, MS_INVALID, x->path, 0, 0, "routing.trace_axes",
                             "'%s' is not an axis%s", q->axes[d],
                             ms_allowed(allowed, sizeof allowed, q->axes[d], axis_names, N_AXES));
        if (x->dim[axis] >= 0)
            return ms_err_at(err, MS_INVALID, x->path, 0, 0, "routing.trace_axes",
                             "'%s' is there twice", q->axes[d]);
        x->dim[axis] = d;
    }
    bool ids = x->dim[TOKENS] >= 0 || x->dim[CHOICES] >= 0;
    if (ids && (x->dim[TOKENS] < 0 || x->dim[CHOICES] < 0 || x->dim[STEPS] >= 0 ||
                x->dim[RANKS] >= 0 || x->dim[EXPERTS] >= 0 || x->dim[SLOTS] >= 0))
        return bad(x, err, "routing.trace_axes",
                   "token ids have the axes tokens, k and perhaps requests and layers, and no "
                   "others");
    if (!ids && x->dim[REQUESTS] >= 0)
        return bad(x, err, "routing.trace_axes", "requests are an axis of token ids only");
    if (!ids && (x->dim[EXPERTS] >= 0) == (x->dim[SLOTS] >= 0))
        return bad(x, err, "routing.trace_axes",
                   "counts need experts (or slots of a rank, with ranks); token ids tokens and k");
    if (!ids && x->dim[LAYERS] < 0)
        return bad(x, err, "routing.trace_axes", "layers and experts are both needed");
    if (x->dim[SLOTS] >= 0 && x->dim[RANKS] < 0)
        return bad(x, err, "routing.trace_axes", "slots are those of a rank: ranks is missing");
    return MS_OK;
}

/* ---- what they hold ---- */

static size_t length(const struct array *x, int axis)
{
    return x->dim[axis] < 0 ? 1 : x->a.shape[x->dim[axis]];
}

static size_t step_of(const struct array *x, int axis)
{
    return x->dim[axis] < 0 ? 0 : x->stride[x->dim[axis]];
}

static enum ms_status read_ids(const struct array *x, struct ms_trace *t, struct ms_err *err)
{
    size_t each = length(x, TOKENS), L = length(x, LAYERS), K = length(x, CHOICES);
    size_t T = length(x, REQUESTS) * each;
    enum ms_status s = ms_trace_shape_ids(t, x->path, T, L, K, err);
    if (s != MS_OK)
        return s;
    t->n_requests = x->dim[REQUESTS] >= 0 ? (int)length(x, REQUESTS) : 0;
    for (size_t i = 0; i < T; i++)
        for (size_t l = 0; l < L; l++)
            for (size_t k = 0; k < K; k++) {
                int64_t v;
                size_t at = i / each * step_of(x, REQUESTS) + i % each * step_of(x, TOKENS) +
                            l * step_of(x, LAYERS) + k * step_of(x, CHOICES);
                if (!is_id(x, at, &v))
                    return ms_err_at(err, MS_INVALID, x->path, 0, 0, "routing.trace",
                                     "token %zu, layer %zu: %g is not an expert (nor -1 for none)",
                                     i, l, ms_npy_number(&x->a, at));
                if (v < 0)
                    continue;
                t->ids[(i * L + l) * K + k] = (uint16_t)v;
                if (v >= t->n_experts)
                    t->n_experts = (int)v + 1;
            }
    return MS_OK;
}

/* Counts of slots, one rank behind the other. @param at of step, layer and slot in the array */
static size_t slot_at(const struct array *x, size_t step, size_t layer, size_t slot)
{
    size_t each = length(x, SLOTS);
    return step * step_of(x, STEPS) + layer * step_of(x, LAYERS) + slot / each * step_of(x, RANKS) +
           slot % each * step_of(x, SLOTS);
}

/* How many experts the slots hold, by their map; slots that hold none have -1. */
static size_t held_experts(const struct ms_trace_slots *m)
{
    int most = -1;
    for (int i = 0; i < m->n_layers * m->n_slots; i++)
        most = m->expert[i] > most ? m->expert[i] : most;
    return (size_t)(most + 1);
}

/* Slots are folded to the experts that they held; without a map they are the experts in order. */
static enum ms_status read_slots(const struct array *x, struct ms_trace *t, struct ms_err *err)
{
    const struct ms_trace_slots *m = x->q->slots;
    size_t P = length(x, STEPS), L = length(x, LAYERS), R = length(x, RANKS),
           S = R * length(x, SLOTS), E = S;
    bool redundant = x->q->n_experts != 0 && S > (size_t)x->q->n_experts;
    if (!m && redundant)
        return ms_err_at(err, MS_INVALID, x->path, 0, 0, "routing.trace",
                         "%zu ranks of %zu slots hold %d experts and copies of some: which, says "
                         "the map that was in force (--map FILE, routing.trace_map)",
                         R, S / R, x->q->n_experts);
    if (m && ((size_t)m->n_slots != S || (size_t)m->n_layers < L))
        return ms_err_at(err, MS_INVALID, x->path, 0, 0, "routing.trace",
                         "has %zu layers of %zu slots, but its map %d of %d", L, S, m->n_layers,
                         m->n_slots);
    if (m)
        E = held_experts(m);
    enum ms_status s = ms_trace_shape(t, x->path, (long)P, 1, (long)L, (long)E, SIZE_MAX, err);
    for (size_t p = 0; s == MS_OK && p < P; p++)
        for (size_t l = 0; l < L; l++)
            for (size_t k = 0; k < S; k++) {
                const int *row = m ? m->expert + ((size_t)m->n_layers - L + l) * S : NULL;
                int e = row ? row[k] : (int)k;
                if (e >= 0)
                    t->count[(p * L + l) * E + (size_t)e] +=
                        ms_npy_number(&x->a, slot_at(x, p, l, k));
            }
    if (s == MS_OK && m)
        ms_trace_note(t, "%zu ranks of %zu slots folded to the %zu experts of their map", R, S / R,
                      E);
    else if (s == MS_OK)
        ms_trace_note(t,
                      "%zu ranks of %zu slots read as %zu experts in the order of the slots (with "
                      "copies among them, --map or routing.trace_map says which are one expert)",
                      R, S / R, E);
    return s;
}

static enum ms_status read_counts(const struct array *x, struct ms_trace *t, struct ms_err *err)
{
    size_t n[N_AXES];
    for (int a = 0; a < N_AXES; a++)
        n[a] = length(x, a);
    if (x->dim[SLOTS] >= 0)
        return read_slots(x, t, err);
    enum ms_status s = ms_trace_shape(t, x->path, (long)n[STEPS], (long)n[RANKS], (long)n[LAYERS],
                                      (long)n[EXPERTS], SIZE_MAX, err);
    if (s != MS_OK)
        return s;
    t->has_ranks = x->dim[RANKS] >= 0;
    double *out = t->count;
    for (size_t i = 0; i < n[STEPS]; i++)
        for (size_t r = 0; r < n[RANKS]; r++)
            for (size_t l = 0; l < n[LAYERS]; l++)
                for (size_t e = 0; e < n[EXPERTS]; e++)
                    *out++ =
                        ms_npy_number(&x->a, i * step_of(x, STEPS) + r * step_of(x, RANKS) +
                                                 l * step_of(x, LAYERS) + e * step_of(x, EXPERTS));
    return MS_OK;
}

static enum ms_status read_array(const char *path, const void *bytes, size_t n,
                                 const struct ms_trace_request *q, struct ms_trace *out,
                                 struct ms_err *err)
{
    struct array x = {.path = path, .q = q};
    enum ms_status s = ms_npy_parse(path, bytes, n, &x.a, err);
    if (s != MS_OK)
        return s;
    for (int axis = 0; axis < N_AXES; axis++)
        x.dim[axis] = -1;
    for (int d = x.a.n_dims - 1; d >= 0; d--)
        x.stride[d] = d == x.a.n_dims - 1 ? 1 : x.stride[d + 1] * x.a.shape[d + 1];
    s = q->n_axes == 0 ? usual_axes(&x, out, err) : named_axes(&x, err);
    if (s == MS_OK)
        s = x.dim[TOKENS] >= 0 ? read_ids(&x, out, err) : read_counts(&x, out, err);
    ms_npy_finish(&x.a);
    return s;
}

enum ms_status ms_trace_read_npy(struct ms_trace_file *f, struct ms_trace *out, struct ms_err *err)
{
    return read_array(f->path, f->bytes.p ? f->bytes.p : "", f->bytes.n, f->request, out, err);
}

/* An archive of arrays (numpy.savez): one is read, several are named. */
enum ms_status ms_trace_read_npz(struct ms_trace_file *f, struct ms_trace *out, struct ms_err *err)
{
    enum { MOST = 16 };
    struct ms_zip_member m[MOST];
    struct ms_buf array = {0};
    size_t n = 0;
    enum ms_status s = ms_zip_list(f->path, f->bytes.p, f->bytes.n, m, MOST, &n, err);
    if (s != MS_OK)
        return s;
    if (n != 1) {
        char names[400] = "";
        for (size_t i = 0; i < n && i < MOST; i++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%.40s", i ? ", " : "",
                     m[i].name);
        return ms_err_at(err, MS_INVALID, f->path, 0, 0, "routing.trace",
                         "holds %zu arrays (%s); save the one that is meant: numpy.save("
                         "'trace.npy', numpy.load('….npz')['%.*s'])",
                         n, names, (int)strcspn(n ? m[0].name : "", "."), n ? m[0].name : "");
    }
    s = ms_zip_read(f->path, f->bytes.p, f->bytes.n, &m[0], (size_t)4 << 30, &array, err);
    if (s == MS_OK)
        s = read_array(f->path, array.p ? array.p : "", array.n, f->request, out, err);
    ms_buf_finish(&array);
    return s;
}
