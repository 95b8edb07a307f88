/* Decides what a trace, a checkpoint or a matrix gives to draw from: frequencies of every step,
 * rank and layer, checked before anything is drawn. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "demand/demand_int.h"
#include "place/place_map.h"
#include "routing/sample.h"

/* The row of a rank in count and trace_f: the file's steps and layers cycle, its ranks too. */
static size_t row_of(const struct ms_demand *d, int step, int layer, int group, int rank)
{
    const struct ms_trace *t = &d->trace;
    int who = (group * d->G + rank) % t->n_ranks;
    size_t row = ms_cell(step % t->n_steps, t->n_ranks, who);
    return (row * (size_t)t->n_layers + (size_t)(layer % t->n_layers)) * (size_t)d->E;
}

const double *ms_demand_traced(const struct ms_demand *d, int step, int layer, int group, int rank)
{
    return d->trace_f + row_of(d, step, layer, group, rank);
}

double ms_demand_traced_total(const struct ms_demand *d, int step, int layer, int group, int rank)
{
    if (d->trace.ids)
        return (double)d->trace.n_tokens * d->K;
    const double *count = d->trace.count + row_of(d, step, layer, group, rank);
    double sum = 0;
    for (int e = 0; e < d->E; e++)
        sum += count[e];
    return sum;
}

/* Inclusion frequencies that cannot be: found before anything is drawn, and named. */
static enum ms_status check_rows(struct ms_demand *d, size_t n_rows, struct ms_err *err)
{
    const struct ms_trace *t = &d->trace;
    struct ms_sampler *s = ms_sampler_create(d->in.model);
    if (!s)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    enum ms_status status = MS_OK;
    for (size_t i = 0; i < n_rows && status == MS_OK; i++) {
        struct ms_err local = {0};
        status = ms_sampler_set(s, d->trace_f + i * (size_t)d->E, true, &local);
        if (status != MS_OK)
            ms_err_at(err, status, d->in.routing->trace, 0, 0, "routing.trace", "layer %d: %s",
                      t->layer_id[i % (size_t)t->n_layers], local.text);
    }
    ms_sampler_destroy(s);
    return status;
}

static enum ms_status normalise(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_trace *t = &d->trace;
    size_t n_rows = (size_t)t->n_steps * (size_t)t->n_ranks * (size_t)t->n_layers;
    d->trace_f = MS_NEW(&d->arena, double, n_rows *(size_t)d->E);
    if (!d->trace_f)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < n_rows; i++) {
        const double *count = t->count + i * (size_t)d->E;
        double sum = 0, *f = d->trace_f + i * (size_t)d->E;
        for (int e = 0; e < d->E; e++)
            sum += count[e];
        for (int e = 0; e < d->E; e++)
            f[e] = count[e] / sum;
    }
    return check_rows(d, n_rows, err);
}

/* What the record says beside the counts: how uneven the layers in use are in the file. */
static enum ms_status note_requested(struct ms_demand *d, struct ms_err *err)
{
    int layers = d->L < d->trace.n_layers ? d->L : d->trace.n_layers;
    double *count = MS_NEW(&d->arena, double, (size_t)d->E), total = 0;
    if (!count)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int l = 0; l < layers; l++) {
        ms_trace_layer(&d->trace, 0, l, count);
        total += ms_traffic_max_over_mean(count, d->E, 1);
    }
    d->note.requested_max_over_mean = total / layers;
    d->note.has_requested = true;
    d->note.co_selection_measured = d->trace.ids;
    return MS_OK;
}

/* trace_filter: {step: last} and {step: sum} are choices among the file's steps, not of its rows.
 * @return the choice, NULL: none; the other filters in *kept */
static const char *chosen_steps(const struct ms_routing_params *r, struct ms_trace_filter *kept,
                                int *n_kept)
{
    const char *choice = NULL;
    *n_kept = 0;
    for (int i = 0; i < r->n_filter; i++) {
        const char *value = r->filter[i].value;
        if (!strcmp(r->filter[i].column, "step") &&
            (!strcmp(value, "last") || !strcmp(value, "sum")))
            choice = value;
        else
            kept[(*n_kept)++] = r->filter[i];
    }
    return choice;
}

/* One step of several: the last, or all added up. Steps that nobody chose among are an error: the
 * first one of a training run is the untrained model. */
static enum ms_status take_steps(struct ms_demand *d, const char *choice, struct ms_err *err)
{
    struct ms_trace *t = &d->trace;
    size_t row = (size_t)t->n_ranks * (size_t)t->n_layers * (size_t)t->n_experts;
    if (t->ids || t->n_steps == 1)
        return MS_OK;
    if (!choice && t->n_steps > d->P)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.trace",
                         "has %d steps, but workload.steps is %d; trace_filter: {step: last} takes "
                         "the last, {step: sum} all of them together, workload.steps: %d one "
                         "after the other",
                         t->n_steps, d->P, t->n_steps);
    if (!choice)
        return MS_OK;
    size_t last = (size_t)(t->n_steps - 1) * row;
    if (!strcmp(choice, "last"))
        memmove(t->count, t->count + last, row * sizeof *t->count);
    else
        for (size_t i = row; i < last + row; i++)
            t->count[i % row] += t->count[i];
    t->n_steps = 1;
    return MS_OK;
}

/* What the file or the checkpoint says, read. */
static enum ms_status read_source(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    bool checkpoint = r->source == MS_SOURCE_CHECKPOINT;
    struct ms_trace_filter *filter = MS_NEW(&d->arena, struct ms_trace_filter, (size_t)r->n_filter);
    int n_filter;
    if (!filter)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    const char *choice = chosen_steps(r, filter, &n_filter);
    struct ms_trace_request q = {.files = d->in.files,
                                 .path = checkpoint ? r->checkpoint : r->trace,
                                 .filter = filter,
                                 .n_filter = n_filter,
                                 .axes = r->trace_axes,
                                 .n_axes = r->n_trace_axes,
                                 .n_experts = d->E,
                                 .top_k = d->K,
                                 .ranks_axis = r->trace_ranks == MS_TRACE_RANKS_KEEP,
                                 .whole = true};
    const char *map_path = r->trace_map ? r->trace_map : d->in.place ? d->in.place->map : NULL;
    struct ms_place_map map = {0};
    struct ms_trace_slots slots;
    if (!q.path)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0,
                         checkpoint ? "routing.checkpoint" : "routing.trace",
                         "is needed with source: %s", checkpoint ? "checkpoint" : "trace");
    struct ms_trace_texts texts = {.text = r->text,
                                   .n_text = r->n_text,
                                   .tokens = r->tokens,
                                   .assignment = r->assignment,
                                   .seed = d->in.seed,
                                   .n_threads = d->in.n_threads};
    if (checkpoint)
        return ms_trace_from_checkpoint(&q, &texts, &d->trace, err);
    enum ms_status s = map_path ? ms_place_map_read(map_path, &map, err) : MS_OK;
    slots = (struct ms_trace_slots){map.n_layers, map.n_slots, map.slot_expert};
    q.slots = map_path ? &slots : NULL;
    s = s ? s : ms_trace_read(&q, &d->trace, err);
    ms_place_map_finish(&map);
    d->note.trace_ranks = d->trace.n_ranks;
    return s ? s : take_steps(d, choice, err);
}

enum ms_status ms_demand_open_trace(struct ms_demand *d, struct ms_err *err)
{
    if (d->in.routing->drift != 0)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.drift",
                         "a trace does not drift; drift needs source: synthetic");
    const struct ms_request_params *q = &d->in.workload->requests;
    d->inclusion = true;
    if (q->phase != MS_REQUESTS_NONE && !q->file)
        return d->in.routing->source == MS_SOURCE_CHECKPOINT ? ms_demand_text_domains(d, err)
                                                             : ms_demand_trace_domains(d, err);
    enum ms_status s = read_source(d, err);
    if (s == MS_OK)
        s = note_requested(d, err);
    if (s == MS_OK && q->file)
        return ms_demand_recorded_domains(d, err);
    if (s == MS_OK && !d->trace.ids)
        s = normalise(d, err);
    return s;
}

enum ms_status ms_demand_open_matrix(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    if (d->in.workload->requests.phase != MS_REQUESTS_NONE)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.requests",
                         "a matrix says how many bytes go where: there is nothing that requests "
                         "could choose");
    if (!r->matrix)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "routing.matrix",
                         "is needed with source: matrix");
    if (d->L != 1 || d->P != 1)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload",
                         "a matrix is one exchange: layers and steps must be 1");
    enum ms_status s =
        ms_matrix_read(d->in.files, r->matrix, r->filter, r->n_filter, &d->matrix, err);
    if (s == MS_OK && d->matrix.n != d->G)
        return ms_err_at(err, MS_INVALID, r->matrix, 0, 0, "routing.matrix",
                         "is for %d ranks, but workload.ranks is %d", d->matrix.n, d->G);
    return s;
}
