/* Decides in which order a demand is opened and a run drawn, and answers what was drawn. What can
 * be wrong in the input is found while opening. */
#include "demand/demand.h"

#include <stdlib.h>
#include <string.h>

#include "demand/demand_int.h"
#include "demand/nodes.h"
#include "routing/sample.h"

/* Node columns of every group, and which groups have the same ones. */
static enum ms_status number_nodes(struct ms_demand *d, struct ms_err *err)
{
    size_t Q = (size_t)d->Q, G = (size_t)d->G;
    d->group_nodes = MS_NEW(&d->arena, int, Q);
    d->group_placement = MS_NEW(&d->arena, int, Q);
    d->rank_node = MS_NEW(&d->arena, int, Q *G);
    d->twin_maker = MS_NEW(&d->arena, struct ms_twin *, Q);
    int *seen = MS_NEW(&d->arena, int, G);
    if (!d->group_nodes || !d->group_placement || !d->rank_node || !d->twin_maker || !seen)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int q = 0; q < d->Q; q++) {
        int *column = d->rank_node + (size_t)q * G, same = 0;
        d->group_nodes[q] = ms_number_nodes(d->G, d->in.rank_node + (size_t)q * G, seen, column);
        while (memcmp(d->rank_node + (size_t)same * G, column, G * sizeof *column))
            same++;
        d->group_placement[q] = same;
    }
    return MS_OK;
}

static enum ms_status check_sizes(const struct ms_demand *d, struct ms_err *err)
{
    if (d->G > MS_MOST_RANKS)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.ranks",
                         "%d ranks in a group; at most %d", d->G, MS_MOST_RANKS);
    if (d->S > MS_MOST_SLOTS)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.redundant_experts",
                         "%d slots; at most %d", d->S, MS_MOST_SLOTS);
    double bytes = 16.0 * d->G * d->G * d->L * d->P * d->Q, most = 0x1p35;
    if (bytes > most)
        return ms_err_at(
            err, MS_INVALID, NULL, 0, 0, "workload",
            "the traffic of %d steps x %d layers x %d groups of %d ranks takes %.0f GiB; "
            "take fewer steps or layers",
            d->P, d->L, d->Q, d->G, bytes / 0x1p30);
    return MS_OK;
}

static enum ms_status open_source(struct ms_demand *d, struct ms_err *err)
{
    enum ms_status s = ms_demand_check_tokens(d, err);
    if (s == MS_OK)
        s = ms_demand_open_assignment(d, err);
    if (s == MS_OK)
        s = d->in.routing->source == MS_SOURCE_SYNTHETIC ? ms_demand_open_law(d, err)
                                                         : ms_demand_open_trace(d, err);
    return s;
}

static enum ms_status open_all(struct ms_demand *d, struct ms_err *err)
{
    enum ms_status s = check_sizes(d, err);
    if (s == MS_OK)
        s = number_nodes(d, err);
    if (s == MS_OK && d->in.routing->source == MS_SOURCE_MATRIX)
        return ms_demand_open_matrix(d, err);
    if (s == MS_OK)
        s = ms_shape_check(d->in.model, err);
    if (s == MS_OK)
        s = open_source(d, err);
    if (s == MS_OK)
        s = ms_demand_open_placement(d, err);
    return s;
}

enum ms_status ms_demand_create(const struct ms_demand_input *in, struct ms_demand **out,
                                struct ms_err *err)
{
    struct ms_demand *d = calloc(1, sizeof *d);
    if (!d)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    const struct ms_workload *w = in->workload;
    pthread_mutex_init(&d->rows_guard, NULL);
    d->in = *in;
    d->G = w->ranks;
    d->Q = w->groups;
    d->L = w->layers;
    d->P = d->epoch_steps = w->steps;
    d->n_epochs = 1;
    d->D = 1;
    d->repeat = -1;
    if (in->routing->source != MS_SOURCE_MATRIX) {
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

const char *ms_demand_trace_note(const struct ms_demand *d, int i)
{
    return i < d->trace.n_notes ? d->trace.note[i] : NULL;
}

void ms_demand_destroy(struct ms_demand *d)
{
    if (!d)
        return;
    ms_demand_stop_drawing(d);
    for (int i = 0; i < d->n_epochs * d->Q && d->placement; i++)
        ms_place_finish(&d->placement[i]);
    for (int q = 0; q < d->Q && d->twin_maker; q++)
        ms_twin_destroy(d->twin_maker[q]);
    ms_place_map_finish(&d->map);
    ms_trace_finish(&d->trace);
    ms_matrix_finish(&d->matrix);
    ms_arena_finish(&d->run);
    ms_arena_finish(&d->rows);
    pthread_mutex_destroy(&d->rows_guard);
    ms_arena_finish(&d->arena);
    free(d);
}

static int group_of(const struct ms_demand *d, size_t exchange)
{
    return (int)(exchange % (size_t)d->Q);
}

bool ms_demand_init_traffic(struct ms_demand *d, struct ms_traffic *t, int n_ranks, int n_nodes,
                            int n_slots)
{
    bool ok = ms_traffic_init(t, &d->run, n_ranks, n_nodes, n_slots, d->E);
    t->rows = &d->rows;
    t->guard = &d->rows_guard;
    return ok;
}

static enum ms_status allocate_traffic(struct ms_demand *d, struct ms_traffic **out,
                                       struct ms_err *err)
{
    size_t n = ms_demand_exchanges(d);
    struct ms_traffic *t = MS_NEW(&d->run, struct ms_traffic, n);
    bool ok = t;
    for (size_t i = 0; i < n && ok; i++)
        ok = ms_demand_init_traffic(d, &t[i], d->G, d->group_nodes[group_of(d, i)], d->S);
    *out = t;
    return ok ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory for the traffic of a run");
}

static bool fill_from_matrix(struct ms_demand *d)
{
    for (int q = 0; q < d->Q; q++) {
        struct ms_traffic *t = &d->traffic[q];
        const int *node = ms_demand_rank_node(d, q);
        t->is_matrix = 1;
        for (int s = 0; s < d->G; s++) {
            const double *bytes = d->matrix.bytes + ms_cell(s, d->G, 0);
            if (!ms_traffic_set_row(t, s, bytes, bytes))
                return false;
            for (int r = 0; r < d->G; r++) {
                t->node_copies[ms_cell(s, t->n_nodes, node[r])] += bytes[r];
                t->requested += bytes[r];
            }
        }
    }
    return true;
}

static void note_realised(struct ms_demand *d)
{
    size_t n = ms_demand_exchanges(d);
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += ms_traffic_max_over_mean(d->traffic[i].expert_tokens, d->E, 1);
    d->note.realised_max_over_mean = total / (double)n;
}

/* A placement sees what was drawn before it; of a run's only one the traffic may come while the run goes
 * on. */
static enum ms_status draw_epoch(struct ms_demand *d, int repeat, int epoch, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    int first = epoch * d->epoch_steps, last = first + d->epoch_steps;
    if (d->strategy->needs_load)
        s = ms_demand_draw_placement(d, repeat, epoch, err);
    if (s == MS_OK && epoch > 0)
        s = ms_demand_list_moves(d, epoch, err);
    if (s == MS_OK && d->n_epochs == 1)
        return ms_demand_start_drawing(d, repeat, 0, d->P, err);
    if (s == MS_OK)
        s = ms_demand_draw_traffic(d, repeat, first, last < d->P ? last : d->P, err);
    return s;
}

static enum ms_status draw(struct ms_demand *d, int repeat, struct ms_err *err)
{
    enum ms_status s = ms_demand_draw_popularity(d, repeat, err);
    if (s == MS_OK)
        s = ms_demand_draw_tokens(d, repeat, err);
    if (s == MS_OK)
        s = ms_demand_draw_requests(d, repeat, err);
    if (s == MS_OK && d->n_epochs > 1) {
        d->moves = MS_NEW(&d->run, struct ms_demand_moves,
                          (size_t)d->n_epochs * (size_t)d->L * (size_t)d->Q);
        s = d->moves ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    }
    for (int k = 0; s == MS_OK && k < d->n_epochs; k++)
        s = draw_epoch(d, repeat, k, err);
    if (s == MS_OK && !d->job)
        note_realised(d);
    return s;
}

enum ms_status ms_demand_begin_ahead(struct ms_demand *d, int repeat, struct ms_err *err)
{
    ms_demand_stop_drawing(d);
    ms_arena_reset(&d->run);
    ms_arena_reset(&d->rows);
    d->repeat = -1;
    d->twin = NULL;
    d->kept = NULL;
    d->twin_begun = d->kept_begun = false;
    d->mean_f = NULL;
    d->past_popularity = NULL;
    d->past_step = NULL;
    d->n_past = 0;
    d->seen = d->past_load = NULL;
    d->moves = NULL;
    d->lost = NULL;
    enum ms_status s = allocate_traffic(d, &d->traffic, err);
    if (s != MS_OK)
        return s;
    if (!d->matrix.bytes)
        s = draw(d, repeat, err);
    else if (!fill_from_matrix(d))
        s = ms_err_set(err, MS_NOMEM, "out of memory for the traffic of a run");
    if (s == MS_OK)
        d->repeat = repeat;
    return s;
}

enum ms_status ms_demand_ready(struct ms_demand *d, int step, int layer, int group,
                               struct ms_err *err)
{
    size_t at = ms_cell(step, d->L, layer) * (size_t)d->Q + (size_t)group;
    return ms_demand_await(d, at + 1, err);
}

enum ms_status ms_demand_complete(struct ms_demand *d, struct ms_err *err)
{
    enum ms_status s = ms_demand_await(d, ms_demand_exchanges(d), err);
    if (s == MS_OK && d->job)
        note_realised(d);
    ms_demand_stop_drawing(d);
    if (s != MS_OK)
        d->repeat = -1;
    return s;
}

enum ms_status ms_demand_begin(struct ms_demand *d, int repeat, struct ms_err *err)
{
    enum ms_status s = ms_demand_begin_ahead(d, repeat, err);
    if (s == MS_OK)
        s = ms_demand_complete(d, err);
    return s;
}

/* When the first twin is asked for: each looks at every pair of ranks. */
static enum ms_status create_makers(struct ms_demand *d, struct ms_err *err)
{
    for (int q = 0; q < d->Q; q++) {
        const int *column = d->rank_node + (size_t)q * (size_t)d->G;
        if (d->group_placement[q] == q && !d->twin_maker[q] &&
            !(d->twin_maker[q] = ms_twin_create(d->G, column, d->in.twin_by)))
            return ms_err_set(err, MS_NOMEM, "out of memory for the twin of %d ranks", d->G);
    }
    return MS_OK;
}

static struct ms_twin *maker_of(const struct ms_demand *d, size_t exchange)
{
    return d->twin_maker[d->group_placement[group_of(d, exchange)]];
}

enum ms_status ms_demand_begin_twin(struct ms_demand *d, struct ms_err *err)
{
    if (d->repeat < 0)
        return ms_err_set(err, MS_INTERNAL, "a twin was asked for before its run");
    enum ms_status s = ms_demand_complete(d, err);
    if (s == MS_OK)
        s = create_makers(d, err);
    if (s == MS_OK && !d->twin)
        s = allocate_traffic(d, &d->twin, err);
    if (s != MS_OK)
        return s;
    for (size_t i = 0; i < ms_demand_exchanges(d); i++)
        if (!ms_twin_fill(maker_of(d, i), &d->traffic[i], &d->twin[i]))
            return ms_err_set(err, MS_NOMEM, "out of memory for a balanced twin");
    d->twin_begun = true;
    d->kept_begun = false;
    return MS_OK;
}

enum ms_status ms_demand_begin_kept(struct ms_demand *d, struct ms_err *err)
{
    struct ms_traffic *own = d->traffic;
    if (d->repeat < 0)
        return ms_err_set(err, MS_INTERNAL, "a kept run was asked for before its own");
    enum ms_status s = ms_demand_complete(d, err);
    if (s == MS_OK && !d->kept)
        s = allocate_traffic(d, &d->kept, err);
    if (s != MS_OK)
        return s;
    d->twin_begun = false;
    d->kept_begun = true;
    d->traffic = d->kept;
    s = ms_demand_draw_traffic(d, d->repeat, 0, d->P, err);
    d->traffic = own;
    return s;
}

bool ms_demand_rebalances(const struct ms_demand *d)
{
    return d->n_epochs > 1;
}

const struct ms_move *ms_demand_moves(const struct ms_demand *d, int step, int layer, int group,
                                      size_t *n, int *experts)
{
    int epoch = step / (d->epoch_steps > 0 ? d->epoch_steps : 1);
    if (d->lost && d->lost->traffic) {
        *n = step == d->lost->first_step ? d->lost->moves.n : 0;
        if (experts)
            *experts = *n > 0 ? d->lost->moves.experts : 0;
        return d->lost->moves.move;
    }
    bool any = d->moves && !d->twin_begun && !d->kept_begun && step % d->epoch_steps == 0;
    *n = 0;
    if (experts)
        *experts = 0;
    if (!any || epoch == 0)
        return NULL;
    size_t row = ms_cell(epoch, d->L, layer < 0 ? 0 : layer);
    const struct ms_demand_moves *m = &d->moves[row * (size_t)d->Q + (size_t)group];
    *n = m->n;
    if (experts)
        *experts = m->experts;
    return m->move;
}

enum ms_status ms_demand_twin_key(struct ms_demand *d, struct ms_hash *key, struct ms_err *err)
{
    struct ms_buf b = {0};
    enum ms_status s = create_makers(d, err);
    if (s != MS_OK)
        return s;
    for (size_t i = 0; i < ms_demand_exchanges(d); i++)
        ms_twin_totals(maker_of(d, i), &d->traffic[i], &b);
    *key = ms_hash128(b.p, b.n);
    ms_buf_finish(&b);
    return MS_OK;
}

const struct ms_traffic *ms_demand_traffic(const struct ms_demand *d, int step, int layer,
                                           int group)
{
    size_t row = ms_cell(step, d->L, layer);
    if (d->lost && d->lost->traffic)
        return &d->lost->traffic[row];
    const struct ms_traffic *of = d->kept_begun ? d->kept : d->twin_begun ? d->twin : d->traffic;
    return &of[row * (size_t)d->Q + (size_t)group];
}

const int *ms_demand_rank_node(const struct ms_demand *d, int group)
{
    if (d->lost && d->lost->traffic)
        return d->lost->rank_node;
    return d->rank_node + ms_cell(group, d->G, 0);
}

const struct ms_placement *ms_demand_placement(const struct ms_demand *d, int step, int group)
{
    if (d->lost)
        return &d->lost->placement;
    int epoch = d->kept_begun || d->n_epochs < 2 ? 0 : step / d->epoch_steps;
    return d->placement ? &d->placement[ms_cell(epoch, d->Q, d->group_placement[group])] : NULL;
}

struct ms_demand_note ms_demand_note(const struct ms_demand *d)
{
    return d->note;
}
