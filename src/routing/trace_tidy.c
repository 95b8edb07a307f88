/* Puts a trace in order once it is read: layers and steps without tokens, padding and repeated rows
 * are found, left out where they carry nothing, and said. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "routing/trace_read.h"

enum { REPEATED_LEAST = 8, REPEATED_SHARE = 20 }; /* from 8 rows and a twentieth on it is told */

static enum ms_status no_memory(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory");
}

static bool has_tokens(const struct ms_trace *t, int step, int rank, int layer)
{
    const double *c = t->count + ms_trace_row(t, step, rank, layer);
    for (int e = 0; e < t->n_experts; e++)
        if (c[e] > 0)
            return true;
    return false;
}

/* "0, 1, 2 and 5" for messages; long lists are cut. */
static void name_layers(const struct ms_trace *t, const bool *keep, char *out, size_t size)
{
    int said = 0;
    *out = 0;
    for (int l = 0; l < t->n_layers; l++) {
        size_t n = strlen(out);
        if (keep[l])
            continue;
        if (said == 8) {
            snprintf(out + n, size - n, ", …");
            return;
        }
        snprintf(out + n, size - n, "%s%d", said++ ? ", " : "", t->layer_id[l]);
    }
}

/* ---- counts ---- */

/* Move the kept rows together. step, layer: [n] which to keep */
static void compact(struct ms_trace *t, const bool *step, const bool *layer)
{
    size_t E = (size_t)t->n_experts;
    double *to = t->count;
    int steps = 0, layers = 0;
    for (int s = 0; s < t->n_steps; s++) {
        for (int r = 0; step[s] && r < t->n_ranks; r++)
            for (int l = 0; l < t->n_layers; l++)
                if (layer[l]) {
                    memmove(to, t->count + ms_trace_row(t, s, r, l), E * sizeof *to);
                    to += E;
                }
        steps += step[s];
    }
    for (int l = 0; l < t->n_layers; l++)
        if (layer[l])
            t->layer_id[layers++] = t->layer_id[l];
    t->n_steps = steps;
    t->n_layers = layers;
}

static enum ms_status tidy_counts(const struct ms_trace_request *q, struct ms_trace *t,
                                  struct ms_err *err)
{
    bool *step = MS_NEW(&t->arena, bool, (size_t)t->n_steps);
    bool *layer = MS_NEW(&t->arena, bool, (size_t)t->n_layers);
    int live = 0, idle = 0, partly = 0;
    char names[128];
    if (!step || !layer)
        return no_memory(err);
    for (int s = 0; s < t->n_steps; s++)
        for (int r = 0; r < t->n_ranks; r++)
            for (int l = 0; l < t->n_layers; l++)
                if (has_tokens(t, s, r, l))
                    step[s] = layer[l] = true;
    for (int l = 0; l < t->n_layers; l++)
        live += layer[l];
    if (live == 0)
        return ms_err_at(err, MS_INVALID, q->path, 0, 0, "routing.trace",
                         "has no tokens at all, in no layer and no step");
    for (int s = 0; s < t->n_steps; s++) {
        bool full = step[s];
        for (int r = 0; full && r < t->n_ranks; r++)
            for (int l = 0; full && l < t->n_layers; l++)
                full = !layer[l] || has_tokens(t, s, r, l);
        idle += !step[s];
        partly += step[s] && !full;
        step[s] = q->whole ? full : step[s];
    }
    if (live < t->n_layers) {
        name_layers(t, layer, names, sizeof names);
        ms_trace_note(t, "%d of %d layers have no tokens in any step and are left out as dense: %s",
                      t->n_layers - live, t->n_layers, names);
    }
    if (idle)
        ms_trace_note(t, "%d of %d steps have no tokens and are left out", idle, t->n_steps);
    if (q->whole && partly) {
        ms_trace_note(t, "%d of %d steps have no tokens in some layer or rank and are left out",
                      partly, t->n_steps);
        if (idle + partly == t->n_steps)
            return ms_err_at(err, MS_INVALID, q->path, 0, 0, "routing.trace",
                             "has no step in which every layer and rank has tokens");
    }
    if (live < t->n_layers || idle || (q->whole && partly))
        compact(t, step, layer);
    return MS_OK;
}

/* ---- token ids ---- */

static const uint16_t *token_row(const struct ms_trace *t, int token, int layer)
{
    return t->ids + ((size_t)token * (size_t)t->n_layers + (size_t)layer) * (size_t)t->top_k;
}

/* How many of a token's places in a layer are taken. */
static int n_chosen(const struct ms_trace *t, int token, int layer)
{
    const uint16_t *row = token_row(t, token, layer);
    int n = 0;
    for (int k = 0; k < t->top_k; k++)
        n += row[k] != MS_NO_EXPERT;
    return n;
}

static void compact_ids(struct ms_trace *t, const bool *token, const bool *layer)
{
    size_t K = (size_t)t->top_k;
    uint16_t *to = t->ids;
    int tokens = 0, layers = 0;
    for (int i = 0; i < t->n_tokens; i++) {
        for (int l = 0; token[i] && l < t->n_layers; l++)
            if (layer[l]) {
                memmove(to, token_row(t, i, l), K * sizeof *to);
                to += K;
            }
        tokens += token[i];
    }
    for (int l = 0; l < t->n_layers; l++)
        if (layer[l])
            t->layer_id[layers++] = t->layer_id[l];
    if (tokens != t->n_tokens)
        t->n_requests = 0; /* their tokens no longer stand together in equal numbers */
    t->n_tokens = tokens;
    t->n_layers = layers;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* An engine's warm-up sends one token thousands of times: it looks like a collapsed router. */
static enum ms_status note_repeats(struct ms_trace *t, struct ms_err *err)
{
    size_t n = (size_t)t->n_tokens, bytes = (size_t)t->n_layers * (size_t)t->top_k * sizeof *t->ids;
    uint64_t *h = MS_NEW(&t->arena, uint64_t, n);
    size_t most = 0, run = 0;
    if (!h)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        h[i] = ms_hash64(token_row(t, (int)i, 0), bytes);
    qsort(h, n, sizeof *h, by_value);
    for (size_t i = 0; i < n; i++) {
        run = i && h[i] == h[i - 1] ? run + 1 : 1;
        most = run > most ? run : most;
    }
    if (most >= REPEATED_LEAST && most * REPEATED_SHARE >= n)
        ms_trace_note(t, "%zu of %zu tokens are one repeated row: warm-up of the engine?", most, n);
    return MS_OK;
}

static enum ms_status tidy_ids(const struct ms_trace_request *q, struct ms_trace *t,
                               struct ms_err *err)
{
    bool *token = MS_NEW(&t->arena, bool, (size_t)t->n_tokens);
    bool *layer = MS_NEW(&t->arena, bool, (size_t)t->n_layers);
    int live = 0, empty = 0, partly = 0;
    char names[128];
    if (!token || !layer)
        return no_memory(err);
    for (int i = 0; i < t->n_tokens; i++)
        for (int l = 0; l < t->n_layers; l++)
            if (n_chosen(t, i, l) > 0)
                token[i] = layer[l] = true;
    for (int l = 0; l < t->n_layers; l++)
        live += layer[l];
    if (live == 0)
        return ms_err_at(err, MS_INVALID, q->path, 0, 0, "routing.trace",
                         "holds no expert at all: every id is -1");
    for (int i = 0; i < t->n_tokens; i++) {
        bool full = token[i];
        for (int l = 0; full && l < t->n_layers; l++)
            full = !layer[l] || n_chosen(t, i, l) == t->top_k;
        empty += !token[i];
        partly += token[i] && !full;
        token[i] = q->whole ? full : token[i];
    }
    if (live < t->n_layers) {
        name_layers(t, layer, names, sizeof names);
        ms_trace_note(t, "%d of %d layers hold no expert and are left out as dense: %s",
                      t->n_layers - live, t->n_layers, names);
    }
    if (empty)
        ms_trace_note(t, "%d of %d tokens are padding (every id -1) and are left out", empty,
                      t->n_tokens);
    if (partly)
        ms_trace_note(t, "%d of %d tokens have fewer than %d experts in some layer%s", partly,
                      t->n_tokens, t->top_k, q->whole ? " and are left out" : "");
    if (q->whole && empty + partly == t->n_tokens)
        return ms_err_at(err, MS_INVALID, q->path, 0, 0, "routing.trace",
                         "has no token with %d experts in every layer", t->top_k);
    if (live < t->n_layers || empty || (q->whole && partly))
        compact_ids(t, token, layer);
    return note_repeats(t, err);
}

enum ms_status ms_trace_tidy(const struct ms_trace_request *q, struct ms_trace *t,
                             struct ms_err *err)
{
    return t->ids ? tidy_ids(q, t, err) : tidy_counts(q, t, err);
}
