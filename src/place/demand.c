#include "place/demand.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "place/demand_int.h"
#include "routing/sample.h"

enum { MOST_RANKS = 4096, MOST_SLOTS = 65534 };

/* Node columns of every group, and which groups have the same ones. */
static enum ms_status number_nodes(struct ms_demand *d, struct ms_err *err)
{
    size_t Q = (size_t)d->Q, G = (size_t)d->G;
    d->group_nodes = MS_NEW(&d->arena, int, Q);
    d->group_placement = MS_NEW(&d->arena, int, Q);
    d->rank_node = MS_NEW(&d->arena, int, Q *G);
    if (d->group_nodes == NULL || d->group_placement == NULL || d->rank_node == NULL)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int q = 0; q < d->Q; q++) {
        const int *given = d->in.rank_node + (size_t)q * d->G;
        int *column = d->rank_node + (size_t)q * d->G;
        for (int r = 0; r < d->G; r++) {
            int first = 0;
            while (given[first] != given[r])
                first++;
            column[r] = first < r ? column[first] : d->group_nodes[q]++;
        }
        int same = 0;
        while (memcmp(d->rank_node + (size_t)same * d->G, column, G * sizeof *column) != 0)
            same++;
        d->group_placement[q] = same;
    }
    return MS_OK;
}

static enum ms_status check_sizes(const struct ms_demand *d, struct ms_err *err)
{
    if (d->G > MOST_RANKS)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.ranks",
                         "%d ranks in a group; at most %d", d->G, MOST_RANKS);
    if (d->S > MOST_SLOTS)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.redundant_experts",
                         "%d slots; at most %d", d->S, MOST_SLOTS);
    double bytes = 16.0 * d->G * d->G * d->L * d->P * d->Q, most = 0x1p35;
    if (bytes > most)
        return ms_err_at(
            err, MS_INVALID, NULL, 0, 0, "workload",
            "the traffic of %d steps x %d layers x %d groups of %d ranks takes %.0f GiB; "
            "take fewer steps or layers",
            d->P, d->L, d->Q, d->G, bytes / 0x1p30);
    return MS_OK;
}

static enum ms_status open_placement(struct ms_demand *d, struct ms_err *err)
{
    const char *name = d->in.place->strategy;
    d->strategy = ms_place_find(name);
    if (d->strategy == NULL) {
        const char *names[64];
        char allowed[512];
        size_t n = 0;
        for (const struct ms_place_strategy *const *s = ms_place_strategies(); *s != NULL; s++)
            names[n++] = (*s)->name;
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.strategy",
                         "'%s' is not a placement%s", name,
                         ms_allowed(allowed, sizeof allowed, name, names, n));
    }
    d->placement = MS_NEW(&d->arena, struct ms_placement, (size_t)d->Q);
    double *load = MS_NEW(&d->run, double, (size_t)d->L * d->E);
    if (d->placement == NULL || load == NULL)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < (size_t)d->L * d->E; i++)
        load[i] = 1;
    return ms_demand_place(d, load, 0, err);
}

static enum ms_status open_all(struct ms_demand *d, struct ms_err *err)
{
    enum ms_status s = check_sizes(d, err);
    if (s == MS_OK)
        s = number_nodes(d, err);
    bool matrix = d->in.routing->source == MS_SOURCE_MATRIX;
    if (s == MS_OK && !matrix)
        s = ms_shape_check(d->in.model, err);
    if (s == MS_OK)
        s = ms_demand_open_source(d, err);
    if (s == MS_OK && !matrix)
        s = open_placement(d, err);
    return s;
}

enum ms_status ms_demand_create(const struct ms_demand_input *in, struct ms_demand **out,
                                struct ms_err *err)
{
    struct ms_demand *d = calloc(1, sizeof *d);
    if (d == NULL)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    const struct ms_workload *w = in->workload;
    bool matrix = in->routing->source == MS_SOURCE_MATRIX;
    d->in = *in;
    d->G = w->ranks;
    d->Q = w->groups;
    d->L = w->layers;
    d->P = w->steps;
    d->repeat = -1;
    if (!matrix) {
        d->E = in->model->experts;
        d->K = in->model->top_k;
        d->S = d->E + in->place->redundant_experts;
    }
    enum ms_status s = open_all(d, err);
    if (s != MS_OK) {
        ms_demand_destroy(d);
        return s;
    }
    *out = d;
    return MS_OK;
}

void ms_demand_destroy(struct ms_demand *d)
{
    if (d == NULL)
        return;
    for (int q = 0; q < d->Q && d->placement != NULL; q++)
        ms_place_finish(&d->placement[q]);
    ms_trace_finish(&d->trace);
    ms_matrix_finish(&d->matrix);
    ms_arena_finish(&d->run);
    ms_arena_finish(&d->arena);
    free(d);
}

static enum ms_status allocate_traffic(struct ms_demand *d, struct ms_traffic **out,
                                       struct ms_err *err)
{
    size_t n = (size_t)d->P * d->L * d->Q;
    struct ms_traffic *t = MS_NEW(&d->run, struct ms_traffic, n);
    bool ok = t != NULL;
    for (size_t i = 0; i < n && ok; i++)
        ok = ms_traffic_init(&t[i], &d->run, d->G, d->group_nodes[i % d->Q], d->S, d->E);
    *out = t;
    return ok ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory for the traffic of a run");
}

static void fill_from_matrix(struct ms_demand *d)
{
    for (int q = 0; q < d->Q; q++) {
        struct ms_traffic *t = &d->traffic[q];
        const int *node = ms_demand_rank_node(d, q);
        t->is_matrix = 1;
        for (int s = 0; s < d->G; s++)
            for (int r = 0; r < d->G; r++) {
                double bytes = d->matrix.bytes[(size_t)s * d->G + r];
                t->selections[(size_t)s * d->G + r] = t->rank_copies[(size_t)s * d->G + r] = bytes;
                t->node_copies[(size_t)s * t->n_nodes + node[r]] += bytes;
                t->requested += bytes;
            }
    }
}

static void note_realised(struct ms_demand *d)
{
    size_t n = (size_t)d->P * d->L * d->Q;
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0, top = 0;
        for (int e = 0; e < d->E; e++) {
            sum += d->traffic[i].expert_tokens[e];
            top = fmax(top, d->traffic[i].expert_tokens[e]);
        }
        total += sum > 0 ? top * d->E / sum : 1;
    }
    d->note.realised_max_over_mean = total / (double)n;
}

enum ms_status ms_demand_begin(struct ms_demand *d, int repeat, struct ms_err *err)
{
    ms_arena_reset(&d->run);
    d->repeat = -1;
    d->twin = NULL;
    d->twin_begun = false;
    enum ms_status s = allocate_traffic(d, &d->traffic, err);
    if (s != MS_OK)
        return s;
    if (d->matrix.bytes != NULL) {
        fill_from_matrix(d);
    } else {
        s = ms_demand_draw(d, repeat, err);
        if (s != MS_OK)
            return s;
        note_realised(d);
    }
    d->repeat = repeat;
    return MS_OK;
}

enum ms_status ms_demand_begin_twin(struct ms_demand *d, bool per_node_leg, struct ms_err *err)
{
    if (d->repeat < 0)
        return ms_err_set(err, MS_INTERNAL, "a twin was asked for before its run");
    enum ms_status s = d->twin == NULL ? allocate_traffic(d, &d->twin, err) : MS_OK;
    if (s != MS_OK)
        return s;
    size_t n = (size_t)d->P * d->L * d->Q;
    for (size_t i = 0; i < n; i++)
        ms_traffic_twin(&d->traffic[i], ms_demand_rank_node(d, (int)(i % d->Q)), per_node_leg,
                        &d->twin[i]);
    d->twin_begun = true;
    return MS_OK;
}

struct ms_hash ms_demand_twin_key(const struct ms_demand *d, bool per_node_leg)
{
    struct ms_buf b = {0};
    size_t n = (size_t)d->P * d->L * d->Q;
    for (size_t i = 0; i < n; i++) {
        double sums[MS_TWIN_SUMS];
        ms_traffic_twin_sums(&d->traffic[i], ms_demand_rank_node(d, (int)(i % d->Q)), per_node_leg,
                             sums);
        ms_buf_add(&b, sums, sizeof sums);
    }
    struct ms_hash h = ms_hash128(b.p, b.n);
    ms_buf_finish(&b);
    return h;
}

const struct ms_traffic *ms_demand_traffic(const struct ms_demand *d, int step, int layer,
                                           int group)
{
    return &(d->twin_begun ? d->twin : d->traffic)[ms_demand_index(d, step, layer, group)];
}

const int *ms_demand_rank_node(const struct ms_demand *d, int group)
{
    return d->rank_node + (size_t)group * d->G;
}

const struct ms_placement *ms_demand_placement(const struct ms_demand *d, int group)
{
    return d->placement != NULL ? &d->placement[d->group_placement[group]] : NULL;
}

struct ms_demand_note ms_demand_note(const struct ms_demand *d)
{
    return d->note;
}
