/* Decides what becomes of a case when ranks are lost: who is, when, and how the others go on. */
#include "sweep/case_lost.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demand/nodes.h"

static enum ms_status no_memory(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for the ranks that are lost");
}

/* ---- who, and when ---- */

static double lost_at(const struct ms_fault_params *f, const char *host)
{
    double at_s = INFINITY;
    for (int i = 0; i < f->n_hosts; i++)
        if (fnmatch(f->hosts[i].pattern, host, 0) == 0)
            at_s = fmin(at_s, f->hosts[i].at_s);
    return at_s;
}

static const char *host_of(const struct ms_case_lost *l, int rank)
{
    const struct ms_workload *w = &l->in->s.workload;
    return l->in->sim.platform->host_name[ms_rank_host(w, rank / w->ranks, rank % w->ranks)];
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void list_times(struct ms_case_lost *l)
{
    int n = 0;
    for (int r = 0; r < l->R; r++)
        if (isfinite(l->at_s[r]))
            l->time_s[n++] = l->at_s[r];
    qsort(l->time_s, (size_t)n, sizeof *l->time_s, by_value);
    for (int i = 0; i < n; i++)
        if (l->n_times == 0 || l->time_s[i] > l->time_s[l->n_times - 1])
            l->time_s[l->n_times++] = l->time_s[i];
}

enum ms_status ms_case_lost_open(struct ms_case_lost *l, struct ms_case_input *in,
                                 struct ms_arena *arena, struct ms_err *err)
{
    const struct ms_fault_params *f = &in->s.sim.faults;
    *l = (struct ms_case_lost){
        .in = in, .arena = arena, .R = in->s.workload.ranks * in->s.workload.groups};
    if (f->n_hosts == 0)
        return MS_OK;
    size_t R = (size_t)l->R;
    l->at_s = MS_NEW(arena, double, R);
    l->time_s = MS_NEW(arena, double, R);
    l->gone = MS_NEW(arena, int, R);
    l->told.lost = MS_NEW(arena, struct ms_record_lost, R);
    if (!l->at_s || !l->time_s || !l->gone || !l->told.lost)
        return no_memory(err);
    for (int r = 0; r < l->R; r++)
        l->at_s[r] = lost_at(f, host_of(l, r));
    list_times(l);
    if (l->n_times == 0)
        return MS_OK;
    in->sim.gone = l->gone;
    in->sim.gone_s = l->time_s[0];
    for (int r = 0; r < l->R; r++)
        if (l->at_s[r] <= l->time_s[0])
            l->gone[in->sim.n_gone++] = r;
    return MS_OK;
}

/* ---- those that are left ---- */

/** The rest of the runs, from one time at which ranks are lost to the next. */
struct sequel {
    struct ms_case_lost *l;
    struct ms_demand *demand;
    bool *lost, *before; /* [R] by now, and at an earlier time */
    int *was;            /* [left] */
    int left;
    int *step; /* [repeats] the first one of theirs; n_steps or more: none */
    int *gone; /* [left] lost at the next time, as those that are left are counted */
    struct ms_workload workload;
    struct ms_sim_params params;
    struct ms_fault_link *links;
};

static const struct ms_traffic *traffic(void *ctx, int run, int step, int layer, int group)
{
    const struct sequel *q = ctx;
    (void)run; /* the one begun */
    return ms_demand_traffic(q->demand, step, layer, group);
}

static const struct ms_move *moves(void *ctx, int run, int step, int layer, int group, size_t *n)
{
    const struct sequel *q = ctx;
    (void)run;
    return ms_demand_moves(q->demand, step, layer, group, n, NULL);
}

static bool wanted(void *ctx, int run)
{
    const struct sequel *q = ctx;
    return q->step[run] < q->workload.steps;
}

static int first_step(void *ctx, int run)
{
    const struct sequel *q = ctx;
    return q->step[run];
}

static enum ms_status begin(void *ctx, int run, struct ms_err *err)
{
    struct sequel *q = ctx;
    struct ms_record_degraded *told = &q->l->told;
    enum ms_status s = ms_demand_begin(q->demand, run, err);
    if (s == MS_OK)
        s = ms_demand_begin_lost(q->demand, run, q->lost, q->before, q->step[run], err);
    if (s != MS_OK)
        return s;
    size_t n;
    int experts;
    const struct ms_move *m = ms_demand_moves(q->demand, q->step[run], -1, 0, &n, &experts);
    told->experts_moved += experts;
    for (size_t i = 0; i < n; i++)
        told->moved_bytes += m[i].bytes;
    return MS_OK;
}

/* Links' weather goes on: times count from the moment that the others go on. */
static void shift_links(struct sequel *q, double by_s)
{
    struct ms_fault_params *f = &q->params.faults;
    int n = 0;
    for (int i = 0; i < f->n_links; i++) {
        struct ms_fault_link link = q->l->in->s.sim.faults.links[i];
        link.at_s = fmax(link.at_s - by_s, 0);
        link.until_s -= by_s;
        if (link.until_s > 0)
            q->links[n++] = link;
    }
    f->links = q->links;
    f->n_links = n;
}

static enum ms_status make_sequel(struct sequel *q, struct ms_case_lost *l,
                                  struct ms_demand *demand, struct ms_err *err)
{
    size_t R = (size_t)l->R, repeats = (size_t)l->in->s.repeats;
    *q = (struct sequel){.l = l, .demand = demand, .workload = l->in->s.workload};
    q->lost = MS_NEW(l->arena, bool, R);
    q->before = MS_NEW(l->arena, bool, R);
    q->was = MS_NEW(l->arena, int, R);
    q->gone = MS_NEW(l->arena, int, R);
    q->step = MS_NEW(l->arena, int, repeats);
    q->links = MS_NEW(l->arena, struct ms_fault_link, (size_t)l->in->s.sim.faults.n_links + 1);
    return q->lost && q->before && q->was && q->gone && q->step && q->links ? MS_OK
                                                                            : no_memory(err);
}

/* The runs that were stuck go on with the next step; the others have none. @return how many do */
static int next_steps(struct sequel *q, const struct ms_sim_output *out)
{
    int n = 0, P = q->workload.steps;
    for (int r = 0; r < q->l->in->s.repeats; r++) {
        bool on = (!q->left || q->step[r] < P) && out->stuck[r].step >= 0;
        q->step[r] = on ? out->stuck[r].step + 1 : P;
        n += q->step[r] < P;
    }
    return n;
}

/* Ranks lost by time k, those that are left, and those of them that the next time takes. */
static struct ms_sim_input input_of(struct sequel *q, int k)
{
    struct ms_case_lost *l = q->l;
    struct ms_sim_input in = l->in->sim;
    double now_s = l->time_s[k], next_s = k + 1 < l->n_times ? l->time_s[k + 1] : INFINITY;
    int n_gone = 0;
    q->left = 0;
    for (int r = 0; r < l->R; r++) {
        q->before[r] = k > 0 && l->at_s[r] <= l->time_s[k - 1];
        q->lost[r] = l->at_s[r] <= now_s;
        if (q->lost[r])
            continue;
        if (l->at_s[r] <= next_s && isfinite(next_s))
            q->gone[n_gone++] = q->left;
        q->was[q->left++] = r;
    }
    q->workload.ranks = q->left;
    q->params = l->in->s.sim;
    shift_links(q, now_s);
    in.workload = &q->workload;
    in.params = &q->params;
    in.was = q->was;
    in.n_was = l->R;
    in.gone = q->gone;
    in.n_gone = n_gone;
    in.gone_s = next_s - now_s;
    in.moves_first = true;
    in.moves_beside = false;
    in.causes = false;
    in.timeline_path = NULL;
    in.progress = NULL;
    in.source = (struct ms_sim_source){.ctx = q,
                                       .traffic = traffic,
                                       .moves = moves,
                                       .begin = begin,
                                       .wanted = wanted,
                                       .first_step = first_step};
    return in;
}

/* ---- their samples beside those of before ---- */

static void take_cells(struct ms_sim_output *to, const struct ms_sim_output *from,
                       const struct sequel *q, size_t at, size_t n)
{
    double *const a[] = {to->dispatch_s,        to->combine_s,        to->entry_skew_s, to->layer_s,
                         to->dispatch_notify_s, to->combine_notify_s, to->bound_s};
    const double *const b[] = {from->dispatch_s, from->combine_s,         from->entry_skew_s,
                               from->layer_s,    from->dispatch_notify_s, from->combine_notify_s,
                               from->bound_s};
    for (size_t k = 0; k < sizeof a / sizeof *a; k++)
        memcpy(a[k] + at, b[k] + at, n * sizeof *a[k]);
    size_t G = (size_t)to->n_ranks, left = (size_t)from->n_ranks;
    for (size_t i = at; i < at + n; i++) {
        for (size_t r = 0; r < G; r++)
            to->rank_dispatch_s[i * G + r] = to->rank_combine_s[i * G + r] = NAN;
        for (size_t r = 0; r < left; r++) {
            size_t own = i * G + (size_t)q->was[r];
            to->rank_dispatch_s[own] = from->rank_dispatch_s[i * left + r];
            to->rank_combine_s[own] = from->rank_combine_s[i * left + r];
        }
    }
}

static void take_run(struct ms_sim_output *to, const struct ms_sim_output *from,
                     const struct sequel *q, int run)
{
    size_t per_step = (size_t)to->n_layers, steps = (size_t)(to->n_steps - q->step[run]);
    size_t step = (size_t)run * (size_t)to->n_steps + (size_t)q->step[run];
    take_cells(to, from, q, step * per_step, steps * per_step);
    memcpy(to->step_s + step, from->step_s + step, steps * sizeof *to->step_s);
    memcpy(to->exposed_s + step, from->exposed_s + step, steps * sizeof *to->exposed_s);
    memcpy(to->move_s + step, from->move_s + step, steps * sizeof *to->move_s);
    memcpy(to->move_wait_s + step, from->move_wait_s + step, steps * sizeof *to->move_wait_s);
    to->bytes_network[run] += from->bytes_network[run];
    to->bytes_intra_node[run] += from->bytes_intra_node[run];
    to->bytes_local[run] += from->bytes_local[run];
    to->moved_network[run] += from->moved_network[run];
    to->moved_intra_node[run] += from->moved_intra_node[run];
    to->active_s[run] += from->active_s[run];
    to->run_wall_s[run] += from->run_wall_s[run];
    for (int l = 0; l < to->n_links; l++) {
        size_t at = (size_t)run * (size_t)to->n_links + (size_t)l;
        to->link_bytes[at] += from->link_bytes[at];
    }
}

static void take(struct sequel *q, struct ms_sim_output *to, const struct ms_sim_output *from)
{
    double move_s = 0;
    int n = 0;
    for (int r = 0; r < q->l->in->s.repeats; r++) {
        if (q->step[r] >= to->n_steps)
            continue;
        take_run(to, from, q, r);
        bool stuck = from->stuck && from->stuck[r].step >= 0;
        q->l->told.steps_after += (stuck ? from->stuck[r].step : to->n_steps) - q->step[r];
        move_s += from->move_s[r * to->n_steps + q->step[r]];
        n++;
    }
    to->n_flows += from->n_flows;
    to->n_solves += from->n_solves;
    to->platform_wall_s += from->platform_wall_s;
    q->l->told.move_s += move_s;
    q->l->told.n_moves += n;
    q->l->told.ranks_left = q->left;
}

static enum ms_status go_on(struct sequel *q, int k, struct ms_sim_output *out, bool *again,
                            struct ms_err *err)
{
    struct ms_sim_input in = input_of(q, k);
    struct ms_sim_output more = {0};
    enum ms_status s = ms_sim_run(&in, &more, err);
    if (s != MS_OK)
        return s;
    take(q, out, &more);
    *again = in.n_gone > 0 && next_steps(q, &more) > 0;
    ms_sim_finish(&more);
    return MS_OK;
}

/* ---- what is said of it ---- */

static void tell(struct ms_case_lost *l, const struct ms_sim_output *out)
{
    struct ms_record_degraded *t = &l->told;
    t->remap = l->in->s.sim.faults.on_failure == MS_FAILURE_REMAP;
    for (int r = 0; r < l->in->s.repeats; r++) {
        const struct ms_stuck *s = &out->stuck[r * l->in->sim.runs_a_repeat];
        if (s->step < 0)
            continue;
        if (t->repeats++ == 0) {
            t->first = *s;
            t->first_repeat = r;
        }
    }
}

/* Who is lost by the last time that a run met. */
static void list_lost(struct ms_case_lost *l, double until_s)
{
    struct ms_record_degraded *t = &l->told;
    t->n_lost = 0;
    for (int r = 0; r < l->R; r++)
        if (l->at_s[r] <= until_s)
            t->lost[t->n_lost++] = (struct ms_record_lost){r, host_of(l, r), l->at_s[r]};
}

/* On stderr, which the parent shows beside the case's name. */
static void talk(const struct ms_case_lost *l)
{
    const struct ms_record_degraded *t = &l->told;
    const struct ms_record_lost *first = &t->lost[0];
    for (int i = 1; i < t->n_lost; i++)
        first = t->lost[i].at_s < first->at_s ? &t->lost[i] : first;
    if (t->repeats == 0) {
        fprintf(stderr, "rank %d (%s) is lost at %.9g us, when all repeats are over already\n",
                first->rank, first->host, 1e6 * first->at_s);
        return;
    }
    fprintf(stderr,
            "degraded: rank %d (%s)%s lost at %.9g us: the %s of step %d, layer %d cannot be "
            "completed (%d of %d repeats; where: repeat %d); %d ranks wait in it, %d of all for "
            "data of, or to, the lost%s\n",
            first->rank, first->host, t->n_lost > 1 ? " and others are" : " is", 1e6 * first->at_s,
            t->first.combine ? "combine" : "dispatch", t->first.step, t->first.layer, t->repeats,
            l->in->s.repeats, t->first_repeat, t->first.n_waiting, t->first.n_for_it,
            t->remap ? "; the others go on with the next step" : "");
}

enum ms_status ms_case_lost_finish(struct ms_case_lost *l, struct ms_demand *demand,
                                   struct ms_sim_output *out, struct ms_err *err)
{
    if (l->n_times == 0)
        return MS_OK;
    tell(l, out);
    list_lost(l, l->time_s[0]);
    talk(l);
    if (!l->told.remap || l->told.repeats == 0)
        return MS_OK;
    struct sequel q;
    enum ms_status s = make_sequel(&q, l, demand, err);
    bool again = s == MS_OK && next_steps(&q, out) > 0;
    for (int k = 0; k < l->n_times && again && s == MS_OK; k++) {
        list_lost(l, l->time_s[k]);
        s = go_on(&q, k, out, &again, err);
    }
    if (l->told.n_moves > 0)
        l->told.move_s /= l->told.n_moves;
    return s;
}
