/* Where a case's simulation gets its traffic from: runs begun, twins that are worth simulating, and what is
 * measured of the traffic on the way. */
#include "sweep/case_source.h"

#include <string.h>

#include "base/clock.h"
#include "place/bound.h"

static const struct ms_traffic *traffic(void *ctx, int run, int step, int layer, int group)
{
    const struct ms_case_source *s = ctx;
    return ms_demand_traffic(s->demand, step, layer, group);
}

static const struct ms_move *moves(void *ctx, int run, int step, int layer, int group, size_t *n)
{
    const struct ms_case_source *s = ctx;
    (void)run; /* the one begun */
    return ms_demand_moves(s->demand, step, layer, group, n, NULL);
}

/* Does a run keep the first placement? */
static bool keeps(const struct ms_case_source *s, int run)
{
    return s->kept && run % s->stride == s->stride - 1;
}

static void add_imbalance(struct ms_imbalance *sum, const struct ms_imbalance *m)
{
    sum->gini += m->gini;
    sum->cv += m->cv;
    sum->variance += m->variance;
    sum->entropy += m->entropy;
    sum->max_over_mean += m->max_over_mean;
}

/* The most loaded rank, and of its slots the one with the most tokens. */
static struct ms_record_hot hottest(const struct ms_traffic *t, const double *rank_load,
                                    const struct ms_placement *p, int layer)
{
    int per_rank = t->n_slots / t->n_ranks, rank = 0;
    for (int r = 1; r < t->n_ranks; r++)
        if (rank_load[r] > rank_load[rank])
            rank = r;
    int slot = rank * per_rank;
    for (int k = slot + 1; k < (rank + 1) * per_rank; k++)
        if (t->slot_tokens[k] > t->slot_tokens[slot])
            slot = k;
    return (struct ms_record_hot){
        .rank = rank, .domain = -1, .expert = p ? p->slot_expert[layer * p->n_slots + slot] : -1};
}

static void measure(struct ms_case_source *s, const struct ms_traffic *t, int step, int layer,
                    int group, struct ms_record_hot *hot)
{
    if (t->is_matrix)
        return;
    struct ms_imbalance m = ms_imbalance_of(t->expert_tokens, (size_t)t->n_experts, s->scratch);
    add_imbalance(&s->sum, &m);
    int per_rank = t->n_slots / t->n_ranks;
    double *rank = s->scratch + (t->n_experts > t->n_ranks ? t->n_experts : t->n_ranks);
    for (int r = 0; r < t->n_ranks; r++) {
        rank[r] = 0;
        for (int k = 0; k < per_rank; k++)
            rank[r] += t->slot_tokens[r * per_rank + k];
    }
    for (int e = 0; e < t->n_experts; e++)
        s->sums.expert[layer * t->n_experts + e] += t->expert_tokens[e];
    for (int r = 0; r < t->n_ranks; r++)
        s->sums.rank[r] += rank[r];
    for (int r = 0; s->sums.rank_by_layer && r < t->n_ranks; r++)
        s->sums.rank_by_layer[ms_cell(layer, t->n_ranks, r)] += rank[r];
    if (s->sums.rank_by_layer)
        s->slots_bound_sum +=
            ms_place_bound(t->expert_tokens, t->n_experts, t->n_ranks, t->n_slots);
    *hot = hottest(t, rank, ms_demand_placement(s->demand, step, group), layer);
    if (s->tells_domains)
        hot->domain =
            ms_demand_hot_domain(s->demand, step, layer, group, hot->expert, &hot->domain_share);
    if (hot->domain >= 0)
        hot->name = ms_demand_domain_name(s->demand, hot->domain);
    m = ms_imbalance_of(rank, (size_t)t->n_ranks, s->scratch);
    hot->max_over_mean = m.max_over_mean;
    s->rank_max_sum += m.max_over_mean;
    s->dropped += t->dropped;
    s->requested += t->requested;
    s->copies += ms_traffic_remote_copies(t, s->in->s.model.top_k) * t->requested;
    if (layer == 0)
        s->first_layer_requested += t->requested;
    s->n_exchanges++;
}

static void count_moves(struct ms_case_source *s, int step, int group)
{
    int experts, layers = s->in->s.placement.rebalance.overlap == MS_REBALANCE_BEFORE
                              ? 1
                              : s->in->s.workload.layers;
    size_t n;
    for (int l = 0; l < layers; l++) {
        ms_demand_moves(s->demand, step, l, group, &n, &experts);
        s->experts_moved += experts;
    }
}

/* Those of the repeat before `until`, in their order: they are there. */
static void measure_until(struct ms_case_source *s, size_t until)
{
    const struct ms_workload *w = &s->in->s.workload;
    size_t a_step = (size_t)w->layers * (size_t)w->groups;
    size_t first = (size_t)s->repeat * (size_t)w->steps * a_step;
    for (; s->n_measured < until; s->n_measured++) {
        size_t i = s->n_measured;
        int step = (int)(i / a_step), layer = (int)(i % a_step) / w->groups,
            group = (int)(i % (size_t)w->groups);
        measure(s, ms_demand_traffic(s->demand, step, layer, group), step, layer, group,
                &s->hot[first + i]);
    }
}

/* All traffic of the repeat is there and measured. */
enum ms_status ms_case_source_complete(struct ms_case_source *s, struct ms_err *err)
{
    const struct ms_workload *w = &s->in->s.workload;
    if (s->completed || s->repeat < 0)
        return MS_OK;
    double start = ms_clock_s();
    enum ms_status status = ms_demand_complete(s->demand, err);
    if (status != MS_OK)
        return status;
    measure_until(s, (size_t)w->steps * (size_t)w->layers * (size_t)w->groups);
    s->realised_sum += ms_demand_note(s->demand).realised_max_over_mean;
    s->completed = true;
    s->routing_s += ms_clock_s() - start;
    return MS_OK;
}

/* ms_sim_source.ready: the exchange, and with it all before. */
static enum ms_status ready(void *ctx, int run, int step, int layer, int group, struct ms_err *err)
{
    struct ms_case_source *s = ctx;
    const struct ms_workload *w = &s->in->s.workload;
    if (s->completed)
        return MS_OK;
    double start = ms_clock_s();
    enum ms_status status = ms_demand_ready(s->demand, step, layer, group, err);
    if (status == MS_OK)
        measure_until(s, (ms_cell(step, w->layers, layer)) * (size_t)w->groups + (size_t)group + 1);
    s->routing_s += ms_clock_s() - start;
    return status;
}

enum ms_status ms_case_source_begin(struct ms_case_source *s, int repeat, struct ms_err *err)
{
    const struct ms_workload *w = &s->in->s.workload;
    double start = ms_clock_s();
    if (s->repeat == repeat)
        return MS_OK;
    enum ms_status status = ms_demand_begin_ahead(s->demand, repeat, err);
    if (status != MS_OK)
        return status;
    s->repeat = repeat;
    s->n_measured = 0;
    s->completed = false;
    if (s->stays)
        ms_demand_add_stays(s->demand, s->stays + (size_t)repeat * s->stays_size);
    for (int p = 0; p < w->steps; p++)
        for (int g = 0; g < w->groups; g++)
            count_moves(s, p, g);
    s->routing_s += ms_clock_s() - start;
    return MS_OK;
}

/* ms_sim_source.wanted: an equal twin simulated before stands for this one. */
static bool wanted(void *ctx, int run)
{
    struct ms_case_source *s = ctx;
    int repeat = run / s->stride;
    if (s->status == MS_OK && (run % s->stride != 0 || s->repeat != repeat))
        s->status = ms_case_source_complete(s, &s->err);
    if (s->status != MS_OK || run % s->stride == 0 || keeps(s, run))
        return true;
    s->status = ms_demand_twin_key(s->demand, &s->twin_key[repeat], &s->err);
    if (s->status != MS_OK)
        return true;
    for (int r = 0; r < repeat && !ms_sim_noisy(&s->in->s.sim); r++)
        if (strcmp(s->twin_key[r].hex, s->twin_key[repeat].hex) == 0) {
            s->twin_run[repeat] = s->twin_run[r];
            return false;
        }
    s->twin_run[repeat] = run;
    return true;
}

static enum ms_status begin(void *ctx, int run, struct ms_err *err)
{
    struct ms_case_source *s = ctx;
    if (s->status != MS_OK) {
        *err = s->err;
        return s->status;
    }
    if (run % s->stride == 0)
        return ms_case_source_begin(s, run / s->stride, err);
    double start = ms_clock_s();
    enum ms_status status =
        keeps(s, run) ? ms_demand_begin_kept(s->demand, err) : ms_demand_begin_twin(s->demand, err);
    s->routing_s += ms_clock_s() - start;
    return status;
}

enum ms_status ms_case_source_init(struct ms_case_source *s, struct ms_case_input *in,
                                   const struct ms_case_options *options, struct ms_arena *arena,
                                   struct ms_err *err)
{
    size_t R = (size_t)in->s.repeats;
    size_t widest = (size_t)(in->s.model.experts > in->s.workload.ranks ? in->s.model.experts
                                                                        : in->s.workload.ranks);
    *s = (struct ms_case_source){.in = in, .stride = in->sim.runs_a_repeat, .repeat = -1};
    s->kept = s->stride > 1 + in->s.twin;
    s->tells_domains = options->causes;
    bool details = options->details;
    s->repeat_run = MS_NEW(arena, int, R);
    s->twin_run = MS_NEW(arena, int, R);
    s->twin_key = MS_NEW(arena, struct ms_hash, R);
    s->scratch = MS_NEW(arena, double, 2 * widest);
    const struct ms_workload *w = &in->s.workload;
    s->hot = MS_NEW(arena, struct ms_record_hot,
                    R * (size_t)w->steps * (size_t)w->layers * (size_t)w->groups);
    bool view = w->steps <= 256 && (w->requests.phase == MS_REQUESTS_PREFILL ||
                                    (w->requests.phase == MS_REQUESTS_DECODE && w->steps > 1));
    s->sums = (struct ms_record_sums){
        .n_layers = w->layers, .n_experts = in->s.model.experts, .n_ranks = w->ranks};
    s->sums.expert = MS_NEW(arena, double, (size_t)w->layers *(size_t)in->s.model.experts + 1);
    s->sums.rank = MS_NEW(arena, double, (size_t)w->ranks);
    s->stays_size = (size_t)w->groups * (size_t)w->steps * (size_t)w->steps;
    s->stays = view ? MS_NEW(arena, double, R * s->stays_size) : NULL;
    if (view && !s->stays)
        return ms_err_set(err, MS_NOMEM, "out of memory for a case");
    size_t by_layer = (size_t)w->layers * (size_t)w->ranks;
    s->sums.rank_by_layer = details ? MS_NEW(arena, double, by_layer + 1) : NULL;
    if (details && !s->sums.rank_by_layer)
        return ms_err_set(err, MS_NOMEM, "out of memory for a case");
    if (!s->hot || !s->repeat_run || !s->twin_run || !s->twin_key || !s->scratch ||
        !s->sums.expert || !s->sums.rank)
        return ms_err_set(err, MS_NOMEM, "out of memory for a case");
    for (size_t r = 0; r < R; r++)
        s->repeat_run[r] = (int)r * s->stride;
    in->sim.source = (struct ms_sim_source){
        .ctx = s, .traffic = traffic, .ready = ready, .begin = begin, .wanted = wanted};
    if (in->sim.moves_every > 0)
        in->sim.source.moves = moves;
    double start = ms_clock_s();
    enum ms_status status = ms_demand_create(&in->demand, &s->demand, err);
    s->routing_s = ms_clock_s() - start;
    return status;
}

struct ms_record_load ms_case_source_load(const struct ms_case_source *s)
{
    const struct ms_scenario *sc = &s->in->s;
    struct ms_record_load l = {.has_experts = s->n_exchanges > 0};
    if (!l.has_experts)
        return l;
    double n = (double)s->n_exchanges;
    l.expert.gini = s->sum.gini / n;
    l.expert.cv = s->sum.cv / n;
    l.expert.variance = s->sum.variance / n;
    l.expert.entropy = s->sum.entropy / n;
    l.expert.max_over_mean = s->sum.max_over_mean / n;
    l.rank_max_over_mean = s->rank_max_sum / n;
    l.remote_copies_per_token = s->requested > 0 ? s->copies / s->requested : 0;
    l.dropped_share = s->requested > 0 ? s->dropped / s->requested : 0;
    l.realised_max_over_mean = s->realised_sum / sc->repeats;
    l.tokens_per_step =
        s->first_layer_requested / sc->model.top_k / sc->repeats / sc->workload.steps;
    return l;
}
