/* From times to the output's arrays: what each of them means is in MODEL.md, "What is measured". */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/core.h"

static size_t n_cells(const struct ms_core *c)
{
    return (size_t)c->n_steps * (size_t)c->n_layers * (size_t)c->n_groups;
}

static size_t cell_of_run(const struct ms_core *c, int step, int layer, int group)
{
    return (size_t)c->run.number * n_cells(c) + ms_core_cell(c, step, layer, group);
}

enum ms_status ms_samples_init(struct ms_core *c)
{
    struct ms_sim_output *o = c->out;
    struct ms_arena *a = &o->arena;
    size_t runs = (size_t)c->in->n_runs, cells = runs * n_cells(c), steps = (size_t)c->n_steps;
    o->n_runs = c->in->n_runs;
    o->n_steps = c->n_steps;
    o->n_layers = c->n_layers;
    o->n_groups = c->n_groups;
    o->n_ranks = c->n_ranks;
    double **by_cell[] = {&o->dispatch_s, &o->combine_s,         &o->entry_skew_s,    &o->layer_s,
                          &o->bound_s,    &o->dispatch_notify_s, &o->combine_notify_s};
    double **by_rank[] = {&o->rank_dispatch_s, &o->rank_combine_s};
    double **by_step[] = {&o->step_s, &o->exposed_s, &o->move_s, &o->move_wait_s};
    double **by_run[] = {&o->bytes_network, &o->bytes_intra_node, &o->bytes_local,     &o->active_s,
                         &o->run_wall_s,    &o->moved_network,    &o->moved_intra_node};
    bool ok = true;
    for (size_t i = 0; i < sizeof by_cell / sizeof *by_cell; i++)
        ok = (*by_cell[i] = MS_NEW(a, double, cells)) && ok;
    for (int i = 0; i < 2; i++)
        ok = (*by_rank[i] = MS_NEW(a, double, cells *(size_t)c->n_ranks)) && ok;
    for (size_t i = 0; i < sizeof by_step / sizeof *by_step; i++)
        ok = (*by_step[i] = MS_NEW(a, double, runs *steps *(size_t)c->n_groups)) && ok;
    for (size_t i = 0; i < sizeof by_run / sizeof *by_run; i++)
        ok = (*by_run[i] = MS_NEW(a, double, runs)) && ok;
    c->samples.layer_begin_s = MS_NEW(&c->arena, double, 2 * n_cells(c));
    c->samples.layer_end_s = MS_NEW(&c->arena, double, 2 * n_cells(c));
    c->samples.rank_begin_s = MS_NEW(&c->arena, double, steps *(size_t)c->n_total);
    c->samples.rank_end_s = MS_NEW(&c->arena, double, steps *(size_t)c->n_total);
    c->samples.rank_busy_s = MS_NEW(&c->arena, double, steps *(size_t)c->n_total);
    if (c->in->n_gone > 0) {
        c->samples.halt = MS_NEW(&c->arena, struct ms_halt, (size_t)c->n_total);
        o->stuck = MS_NEW(a, struct ms_stuck, runs);
        ok = ok && c->samples.halt && o->stuck;
    }
    ok = ok && c->samples.layer_begin_s && c->samples.layer_end_s && c->samples.rank_begin_s &&
         c->samples.rank_end_s && c->samples.rank_busy_s;
    return ok ? MS_OK : ms_core_fail(c, MS_NOMEM, "out of memory for %zu samples", cells);
}

void ms_samples_begin(struct ms_core *c)
{
    for (size_t i = 0; i < 2 * n_cells(c); i++) {
        c->samples.layer_begin_s[i] = INFINITY;
        c->samples.layer_end_s[i] = -INFINITY;
    }
    for (size_t i = 0; i < (size_t)c->n_steps * (size_t)c->n_total; i++) {
        c->samples.rank_begin_s[i] = INFINITY;
        c->samples.rank_end_s[i] = -INFINITY;
        c->samples.rank_busy_s[i] = 0;
    }
    for (int r = 0; c->samples.halt && r < c->n_total; r++)
        c->samples.halt[r] = (struct ms_halt){.step = -1};
    c->samples.n_spans = 0;
}

void ms_samples_rank(struct ms_core *c, const struct ms_actor *actor, int step, int layer,
                     enum ms_phase phase, double spent_s)
{
    bool dispatch = phase == MS_PHASE_DISPATCH || phase == MS_PHASE_DISPATCH_BACK;
    bool late = ms_core_late(c, actor->now_s);
    double *v = dispatch ? c->out->rank_dispatch_s : c->out->rank_combine_s;
    v[cell_of_run(c, step, layer, actor->group) * (size_t)c->n_ranks + (size_t)actor->rank] +=
        c->n_halves > 1 || late ? NAN : spent_s;
    struct ms_halt *h = c->samples.halt;
    h = late ? &h[actor->group * c->n_ranks + actor->rank] : NULL;
    if (h && h->step < 0)
        *h = (struct ms_halt){.step = step,
                              .layer = layer,
                              .order = actor->n_complete,
                              .phase = phase,
                              .waits = !ms_core_late(c, actor->now_s - spent_s)};
}

static void note_span(struct ms_core *c, double from_s, double to_s)
{
    if (c->samples.n_spans == c->samples.span_cap) {
        size_t cap = c->samples.span_cap ? 2 * c->samples.span_cap : 256;
        struct ms_span *p = realloc(c->samples.span, cap * sizeof *p);
        if (!p) {
            ms_core_fail(c, MS_NOMEM, "out of memory for %zu legs", cap);
            return;
        }
        c->samples.span = p;
        c->samples.span_cap = cap;
    }
    c->samples.span[c->samples.n_spans++] = (struct ms_span){from_s, to_s};
}

void ms_samples_leg(struct ms_core *c, const struct ms_leg_run *leg)
{
    size_t i = cell_of_run(c, leg->step, leg->layer, leg->group);
    bool back = leg->phase >= MS_PHASE_COMBINE_BACK;
    bool dispatch = leg->phase == MS_PHASE_DISPATCH || leg->phase == MS_PHASE_DISPATCH_BACK;
    double took_s = leg->last_complete_s - leg->last_entry_s;
    /* with half-batches only layer and step are defined */
    bool alone = c->n_halves == 1 && !ms_core_late(c, leg->last_complete_s);
    (dispatch ? c->out->dispatch_s : c->out->combine_s)[i] += alone ? took_s : NAN;
    (dispatch ? c->out->dispatch_notify_s : c->out->combine_notify_s)[i] +=
        leg->work.acts ? leg->work.notify_s : 0;
    if (leg->phase == MS_PHASE_DISPATCH)
        c->out->entry_skew_s[i] += alone ? leg->last_entry_s - leg->first_entry_s : NAN;
    size_t k = (back ? n_cells(c) : 0) + ms_core_cell(c, leg->step, leg->layer, leg->group);
    c->samples.layer_begin_s[k] = fmin(c->samples.layer_begin_s[k], leg->first_entry_s);
    c->samples.layer_end_s[k] = fmax(c->samples.layer_end_s[k], leg->last_complete_s);
    if (!ms_core_late(c, leg->first_entry_s))
        note_span(c, leg->first_entry_s, leg->last_complete_s);
}

void ms_samples_bound(struct ms_core *c, const struct ms_leg_run *leg, double least_s)
{
    size_t i = cell_of_run(c, leg->step, leg->layer, leg->group);
    c->out->bound_s[i] += c->n_halves == 1 ? least_s : NAN;
}

void ms_samples_bytes(struct ms_core *c, const struct ms_leg_run *leg,
                      const struct ms_leg_problem *p)
{
    const struct ms_leg *plan = &leg->plan;
    const int *node = c->platform.layout[leg->group].node;
    double network = 0, intra = 0;
    for (uint32_t f = 0; f < plan->n_flows; f++)
        if (ms_leg_has_main(plan, f))
            *(node[plan->src[f]] != node[plan->dst[f]] ? &network : &intra) += plan->bytes[f];
    for (uint32_t f = 0; f < plan->n_flows && plan->n_parts; f++) {
        struct ms_leg_stream s;
        ms_leg_stream_of(plan, f, &s);
        for (uint32_t i = 0; i < s.n_parts; i++) {
            struct ms_leg_part part = ms_leg_part_of(plan, &s, i);
            *(node[part.src] != node[part.dst] ? &network : &intra) += part.bytes;
        }
    }
    if (ms_core_late(c, leg->first_entry_s))
        return;
    c->out->bytes_network[c->run.number] += network;
    c->out->bytes_intra_node[c->run.number] += intra;
    c->out->bytes_local[c->run.number] += ms_exchange_local_bytes(p);
}

void ms_samples_links(struct ms_core *c, const struct ms_leg_run *leg, uint32_t n_seen)
{
    bool late = ms_core_late(c, leg->first_entry_s);
    double *total = c->out->link_bytes + (size_t)c->run.number * (size_t)c->platform.n_links;
    for (uint32_t i = 0; i < n_seen; i++) {
        uint32_t l = c->samples.link_seen[i];
        total[l] += late ? 0 : c->samples.link_load[l];
        c->samples.link_load[l] = 0;
    }
}

static int by_start(const void *a, const void *b)
{
    const struct ms_span *x = a, *y = b;
    return (x->from_s > y->from_s) - (x->from_s < y->from_s);
}

static double active_time(struct ms_core *c)
{
    double sum = 0, until = -INFINITY;
    if (c->samples.n_spans)
        qsort(c->samples.span, c->samples.n_spans, sizeof *c->samples.span, by_start);
    for (size_t i = 0; i < c->samples.n_spans; i++) {
        double from = fmax(c->samples.span[i].from_s, until);
        if (c->samples.span[i].to_s > from) {
            sum += c->samples.span[i].to_s - from;
            until = c->samples.span[i].to_s;
        }
    }
    return sum;
}

static void step_times(struct ms_core *c, int step, int group)
{
    double begin = INFINITY, end = -INFINITY, exposed = 0;
    size_t at = (size_t)step * (size_t)c->n_total + (size_t)group * (size_t)c->n_ranks;
    for (size_t i = at; i < at + (size_t)c->n_ranks; i++) {
        begin = fmin(begin, c->samples.rank_begin_s[i]);
        end = fmax(end, c->samples.rank_end_s[i]);
        exposed +=
            c->samples.rank_end_s[i] - c->samples.rank_begin_s[i] - c->samples.rank_busy_s[i];
    }
    size_t k = ((size_t)c->run.number * (size_t)c->n_steps + (size_t)step) * (size_t)c->n_groups +
               (size_t)group;
    bool whole = step >= c->run.first_step && !ms_core_late(c, end);
    c->out->step_s[k] = whole ? end - begin : NAN;
    c->out->exposed_s[k] = whole ? exposed / c->n_ranks : NAN;
}

/* A cell of the run that was not completed, or left out. */
static void clear(struct ms_core *c, size_t i)
{
    size_t at = (size_t)c->run.number * n_cells(c) + i, R = (size_t)c->n_ranks;
    struct ms_sim_output *o = c->out;
    o->dispatch_s[at] = o->combine_s[at] = o->layer_s[at] = o->bound_s[at] = NAN;
    o->entry_skew_s[at] = o->dispatch_notify_s[at] = o->combine_notify_s[at] = NAN;
    for (size_t r = 0;
         r < R && i / ((size_t)c->n_layers * (size_t)c->n_groups) < (size_t)c->run.first_step; r++)
        o->rank_dispatch_s[at * R + r] = o->rank_combine_s[at * R + r] = NAN;
}

/* Does a rank of a group have something to send to, or to get of, one that is gone? */
static bool needs_gone(const struct ms_core *c, const struct ms_traffic *t, int group, int rank)
{
    for (int i = 0; i < c->in->n_gone; i++) {
        int d = c->in->gone[i] - group * c->n_ranks;
        if (d < 0 || d >= c->n_ranks)
            continue;
        if (rank == d)
            return false;
        if (ms_traffic_selections(t, rank, d) > 0 || ms_traffic_selections(t, d, rank) > 0)
            return true;
    }
    return false;
}

/* Is a rank gone, or one of its group? */
static bool is_gone(const struct ms_core *c, int rank, bool of_group)
{
    int each = of_group ? c->n_ranks : 1;
    for (int i = 0; i < c->in->n_gone; i++)
        if (c->in->gone[i] / each == rank / each)
            return true;
    return false;
}

/* The first exchange of the run that is not over when ranks are gone, and who waits in it. */
static struct ms_stuck stuck_in(struct ms_core *c)
{
    const struct ms_halt *h = c->samples.halt, *first = NULL;
    struct ms_stuck s = {.step = -1};
    for (int r = 0; r < c->n_total; r++)
        if (h[r].step >= 0 && is_gone(c, r, true) && (!first || h[r].order < first->order)) {
            first = &h[r];
            s.group = r / c->n_ranks;
        }
    if (!first)
        return s;
    s.step = first->step;
    s.layer = first->layer;
    s.combine = first->phase == MS_PHASE_COMBINE || first->phase == MS_PHASE_COMBINE_BACK;
    s.back = first->phase >= MS_PHASE_COMBINE_BACK;
    const struct ms_traffic *t = ms_core_traffic(c, s.step, s.layer, s.group);
    for (int r = 0; r < c->n_ranks && t; r++) {
        int rank = s.group * c->n_ranks + r;
        s.n_waiting += !is_gone(c, rank, false) && h[rank].waits && h[rank].order == first->order;
        s.n_for_it += !is_gone(c, rank, false) && needs_gone(c, t, s.group, r);
    }
    return s;
}

enum ms_status ms_samples_end(struct ms_core *c)
{
    double worst = 0;
    for (size_t i = 0; i < n_cells(c); i++) {
        double t = c->samples.layer_end_s[i] - c->samples.layer_begin_s[i];
        if (c->n_phases == 4)
            t += c->samples.layer_end_s[n_cells(c) + i] - c->samples.layer_begin_s[n_cells(c) + i];
        c->out->layer_s[(size_t)c->run.number * n_cells(c) + i] = t;
        double end_s = fmax(c->samples.layer_end_s[i], c->samples.layer_end_s[n_cells(c) + i]);
        bool skipped = i < (size_t)c->run.first_step * (size_t)c->n_layers * (size_t)c->n_groups;
        if (skipped || ms_core_late(c, end_s))
            clear(c, i);
        else
            worst = isfinite(t) && t >= 0 ? worst : NAN;
    }
    if (c->samples.halt)
        c->out->stuck[c->run.number] = stuck_in(c);
    for (int s = 0; s < c->n_steps; s++)
        for (int g = 0; g < c->n_groups; g++)
            step_times(c, s, g);
    c->out->active_s[c->run.number] = active_time(c);
    if (isnan(worst))
        return ms_core_fail(c, MS_INTERNAL, "run %d has a layer without a finite time",
                            c->run.number);
    return c->status;
}
