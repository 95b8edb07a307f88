/* Reader of JSON Lines: vLLM's offline EPLB statistics (physical slots folded to experts through
 * their map, a step a line), and loggers that write one token and layer a line. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "routing/trace_read.h"

enum { MOST_LAYERS = 65536, MOST_CHOICES = 1024 };

/* The choices of one layer, token behind token. */
struct layer_tokens {
    int id;
    size_t n, cap; /* tokens */
    uint16_t *ids; /* [n][k] */
    uint64_t *who; /* [n] hash of request and token number */
};

struct reader {
    struct ms_trace_file *f;
    int line;
    /* token lines */
    struct layer_tokens *layer;
    int n_layers, cap_layers, k, n_experts;
    /* statistics */
    double *load; /* [n_steps][layers][experts] */
    size_t n_steps, cap_steps;
    long layers, experts;
};

static enum ms_status bad(const struct reader *r, struct ms_err *err, const char *what)
{
    return ms_err_at(err, MS_INVALID, r->f->path, r->line, 0, "routing.trace", "%s", what);
}

static enum ms_status no_memory(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory");
}

static const json_t *any_of(const json_t *o, const char *const *names)
{
    for (; *names; names++) {
        const json_t *v = json_object_get(o, *names);
        if (v)
            return v;
    }
    return NULL;
}

/* Does the line pass the filter? A field that is not there passes nothing. */
static bool selected(const struct reader *r, const json_t *o)
{
    const struct ms_trace_request *q = r->f->request;
    for (int i = 0; i < q->n_filter; i++) {
        const json_t *v = json_object_get(o, q->filter[i].column);
        char number[32];
        const char *text = json_is_string(v)   ? json_string_value(v)
                           : json_is_number(v) ? ms_number(json_number_value(v), number)
                                               : NULL;
        if (!text || strcmp(text, q->filter[i].value) != 0)
            return false;
    }
    return true;
}

/* ---- statistics ---- */

/* One line of vLLM's eplb_load_stats: expert_load [layers][slots], p2l_map the same shape. */
static enum ms_status add_step(struct reader *r, const json_t *o, struct ms_err *err)
{
    const json_t *load = json_object_get(o, "expert_load"), *map = json_object_get(o, "p2l_map");
    size_t layers = json_array_size(load), slots = json_array_size(json_array_get(load, 0));
    if (layers == 0 || slots == 0 || slots > 65535 || layers > MOST_LAYERS)
        return bad(r, err, "expert_load is not [layers][slots]");
    if (!map)
        return bad(r, err, "has no p2l_map: which expert a slot holds is not known");
    long experts = r->experts;
    for (size_t l = 0; r->n_steps == 0 && l < layers; l++)
        for (size_t i = 0; i < slots; i++) {
            long e = (long)json_integer_value(json_array_get(json_array_get(map, l), i));
            experts = e >= experts && e < 65535 ? e + 1 : experts;
        }
    if (r->n_steps == 0) {
        r->layers = (long)layers;
        r->experts = experts;
    }
    if ((long)layers != r->layers)
        return bad(r, err, "has not as many layers as the first step");
    size_t E = (size_t)r->experts, grid = layers * E;
    if ((double)grid * (double)(r->n_steps + 1) > (double)(1u << 28))
        return bad(r, err, "more than 2^28 counts are no trace");
    if (r->n_steps == r->cap_steps) {
        size_t cap = r->cap_steps ? 2 * r->cap_steps : 16;
        double *more = realloc(r->load, cap * grid * sizeof *more);
        if (!more)
            return no_memory(err);
        r->load = more;
        r->cap_steps = cap;
    }
    double *to = r->load + r->n_steps * grid;
    memset(to, 0, grid * sizeof *to);
    for (size_t l = 0; l < layers; l++) {
        const json_t *row = json_array_get(load, l), *held = json_array_get(map, l);
        if (json_array_size(row) != slots || json_array_size(held) != slots)
            return bad(r, err, "expert_load and p2l_map are not of one shape [layers][slots]");
        for (size_t i = 0; i < slots; i++) {
            const json_t *v = json_array_get(row, i), *e = json_array_get(held, i);
            if (!json_is_number(v) || !json_is_integer(e))
                return bad(r, err, "expert_load or p2l_map holds what is not a number");
            if (json_integer_value(e) == -1) /* an empty slot */
                continue;
            if (json_integer_value(e) < -1 || json_integer_value(e) >= r->experts)
                return bad(r, err, "p2l_map names an expert that the first step does not have");
            to[l * E + (size_t)json_integer_value(e)] += json_number_value(v);
        }
    }
    r->n_steps++;
    return MS_OK;
}

/* ---- tokens ---- */

static struct layer_tokens *layer_of(struct reader *r, int id)
{
    int at = 0;
    while (at < r->n_layers && r->layer[at].id < id)
        at++;
    if (at < r->n_layers && r->layer[at].id == id)
        return &r->layer[at];
    if (r->n_layers == r->cap_layers) {
        int cap = r->cap_layers ? 2 * r->cap_layers : 64;
        struct layer_tokens *more = realloc(r->layer, (size_t)cap * sizeof *more);
        if (!more)
            return NULL;
        r->layer = more;
        r->cap_layers = cap;
    }
    memmove(r->layer + at + 1, r->layer + at, (size_t)(r->n_layers - at) * sizeof *r->layer);
    r->layer[at] = (struct layer_tokens){.id = id};
    r->n_layers++;
    return &r->layer[at];
}

/* The first token decides how many choices a row has; more later widen the rows at the end. */
static enum ms_status add_token(struct reader *r, int id, const json_t *ids, uint64_t who,
                                struct ms_err *err)
{
    struct layer_tokens *y = layer_of(r, id);
    size_t k = json_array_size(ids);
    if (!y)
        return no_memory(err);
    if (k == 0 || k > MOST_CHOICES)
        return bad(r, err, "a token without experts, or with more than 1024");
    if (r->k == 0)
        r->k = (int)k;
    if ((int)k > r->k)
        return bad(r, err, "a token with more experts than the first has");
    if (y->n == y->cap) {
        size_t cap = y->cap ? 2 * y->cap : 256;
        uint16_t *more = realloc(y->ids, cap * (size_t)r->k * sizeof *more);
        y->ids = more ? more : y->ids;
        uint64_t *names = more ? realloc(y->who, cap * sizeof *names) : NULL;
        y->who = names ? names : y->who;
        if (!names)
            return no_memory(err);
        y->cap = cap;
    }
    uint16_t *to = y->ids + y->n * (size_t)r->k;
    for (size_t i = 0; i < (size_t)r->k; i++) {
        const json_t *v = i < k ? json_array_get(ids, i) : NULL;
        json_int_t e = v ? json_integer_value(v) : -1;
        if (v && (!json_is_integer(v) || e < -1 || e >= MS_NO_EXPERT))
            return bad(r, err, "an expert that is not a whole number of 0..65534 (or -1 for none)");
        for (size_t j = 0; e >= 0 && j < i; j++)
            if (to[j] == (uint16_t)e)
                return bad(r, err, "a token that chose one expert twice");
        to[i] = e < 0 ? MS_NO_EXPERT : (uint16_t)e;
        r->n_experts = e >= r->n_experts ? (int)e + 1 : r->n_experts;
    }
    y->who[y->n++] = who;
    return MS_OK;
}

/* Which token a line is about, so that layers can be matched. */
static uint64_t name_of(const json_t *o)
{
    static const char *const fields[] = {"req_id",    "request_id", "step",
                                         "token_idx", "token",      "pos"};
    struct ms_buf b = {0};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const json_t *v = json_object_get(o, fields[i]);
        if (json_is_string(v))
            ms_buf_adds(&b, json_string_value(v));
        else if (json_is_integer(v))
            ms_buf_printf(&b, "%lld", (long long)json_integer_value(v));
        ms_buf_adds(&b, "|");
    }
    uint64_t h = b.failed ? 0 : ms_hash64(b.p, b.n);
    ms_buf_finish(&b);
    return h;
}

static enum ms_status add_choices(struct reader *r, const json_t *o, const json_t *ids,
                                  struct ms_err *err)
{
    static const char *const names[] = {"layer", "layer_id", "layer_idx", NULL};
    const json_t *layer = any_of(o, names), *one;
    size_t i;
    if (!json_is_integer(layer) || json_integer_value(layer) < 0 ||
        json_integer_value(layer) >= MOST_LAYERS)
        return bad(r, err, "the layer is not a whole number of 0..65535");
    int id = (int)json_integer_value(layer);
    if (!json_is_array(ids))
        return bad(r, err, "topk_ids is not a list");
    uint64_t who = name_of(o);
    if (!json_is_array(json_array_get(ids, 0)))
        return add_token(r, id, ids, who, err);
    enum ms_status s = MS_OK; /* a batch of tokens in a line */
    json_array_foreach(ids, i, one)
    {
        if (s == MS_OK)
            s = add_token(r, id, one, who + i, err);
    }
    return s;
}

/* Do all layers hold the same tokens in the same order? */
static bool layers_match(const struct reader *r)
{
    for (int l = 1; l < r->n_layers; l++)
        if (r->layer[l].n != r->layer[0].n ||
            memcmp(r->layer[l].who, r->layer[0].who, r->layer[0].n * sizeof *r->layer[0].who) != 0)
            return false;
    return true;
}

static enum ms_status fill_ids(const struct reader *r, struct ms_trace *t, struct ms_err *err)
{
    size_t n = r->layer[0].n, L = (size_t)r->n_layers, K = (size_t)r->k;
    enum ms_status s = ms_trace_shape_ids(t, r->f->path, n, L, K, err);
    for (size_t i = 0; s == MS_OK && i < n; i++)
        for (size_t l = 0; l < L; l++)
            memcpy(t->ids + (i * L + l) * K, r->layer[l].ids + i * K, K * sizeof *t->ids);
    t->n_experts = r->n_experts;
    return s;
}

/* Tokens that cannot be matched over the layers still say how often each expert was chosen. */
static enum ms_status fill_counts(const struct reader *r, struct ms_trace *t, struct ms_err *err)
{
    enum ms_status s =
        ms_trace_shape(t, r->f->path, 1, 1, r->n_layers, r->n_experts, SIZE_MAX, err);
    for (int l = 0; s == MS_OK && l < r->n_layers; l++)
        for (size_t i = 0; i < r->layer[l].n * (size_t)r->k; i++)
            if (r->layer[l].ids[i] != MS_NO_EXPERT)
                t->count[ms_trace_row(t, 0, 0, l) + r->layer[l].ids[i]]++;
    ms_trace_note(t, "the layers do not hold the same tokens in the same order: read as counts, "
                     "without what a token chose together");
    return s;
}

static enum ms_status fill(const struct reader *r, struct ms_trace *t, struct ms_err *err)
{
    if (r->n_steps && r->n_layers)
        return ms_err_at(err, MS_INVALID, r->f->path, 0, 0, "routing.trace",
                         "mixes statistics (expert_load) and tokens (topk_ids)");
    if (r->n_steps) {
        enum ms_status s = ms_trace_shape(t, r->f->path, (long)r->n_steps, 1, r->layers, r->experts,
                                          SIZE_MAX, err);
        if (s == MS_OK)
            memcpy(t->count, r->load,
                   r->n_steps * (size_t)r->layers * (size_t)r->experts * sizeof *r->load);
        return s;
    }
    if (r->n_layers == 0)
        return ms_err_at(err, MS_INVALID, r->f->path, 0, 0,
                         r->f->request->n_filter ? "routing.trace_filter" : "routing.trace",
                         r->f->request->n_filter
                             ? "no line passes the filter"
                             : "no line has \"topk_ids\" with \"layer\" (a token) nor "
                               "\"expert_load\" with \"p2l_map\" (vLLM's statistics)");
    enum ms_status s = layers_match(r) ? fill_ids(r, t, err) : fill_counts(r, t, err);
    for (int l = 0; s == MS_OK && l < r->n_layers; l++)
        t->layer_id[l] = r->layer[l].id;
    return s;
}

/* A line that is neither (a head with the model's name) may say how many experts there are. */
static void read_head(struct reader *r, const json_t *o)
{
    static const char *const names[] = {"num_experts", "n_experts", "num_logical_experts", NULL};
    const json_t *v = any_of(o, names);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : 0;
    if (n > r->n_experts && n < 65535)
        r->n_experts = (int)n;
    if (n > r->experts && n < 65535 && r->n_steps == 0)
        r->experts = (long)n;
}

static enum ms_status read_line(struct reader *r, const char *p, size_t n, struct ms_err *err)
{
    static const char *const choices[] = {"topk_ids", "topk_experts", "expert_ids", NULL};
    json_error_t why;
    json_t *o = json_loadb(p, n, JSON_REJECT_DUPLICATES, &why);
    if (!o)
        return ms_err_at(err, MS_INVALID, r->f->path, r->line, why.column, "routing.trace",
                         "is not JSON: %s", ms_json_reason(why.text));
    const json_t *ids = any_of(o, choices);
    enum ms_status s = MS_OK;
    if (!json_is_object(o))
        s = bad(r, err, "is not a JSON object");
    else if (!ids && !json_object_get(o, "expert_load"))
        read_head(r, o);
    else if (selected(r, o))
        s = ids ? add_choices(r, o, ids, err) : add_step(r, o, err);
    json_decref(o);
    return s;
}

enum ms_status ms_trace_read_json_lines(struct ms_trace_file *f, struct ms_trace *out,
                                        struct ms_err *err)
{
    struct reader r = {.f = f};
    const char *p = f->bytes.p ? f->bytes.p : "", *end = p + f->bytes.n;
    enum ms_status s = MS_OK;
    while (s == MS_OK && p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t n = stop ? (size_t)(stop - p) : (size_t)(end - p);
        r.line++;
        size_t blank = strspn(p, " \t\r");
        if (blank < n)
            s = read_line(&r, p, n, err);
        p += n + (stop != NULL);
    }
    if (s == MS_OK)
        s = fill(&r, out, err);
    for (int l = 0; l < r.n_layers; l++) {
        free(r.layer[l].ids);
        free(r.layer[l].who);
    }
    free(r.layer);
    free(r.load);
    return s;
}
