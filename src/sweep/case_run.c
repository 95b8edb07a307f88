/* One case, from its scenario to its record: what demand and simulator are asked, which twins are
 * worth simulating, and what is measured of the traffic on the way. */
#include "sweep/case_run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/json.h"
#include "demand/nodes.h"
#include "demand/replica.h"
#include "place/bound.h"
#include "sweep/case_lost.h"
#include "sweep/record.h"

/* ---- what demand and simulator are asked ---- */

/* Will there be more than one placement? */
static bool renews(const struct ms_scenario *s)
{
    const struct ms_place_strategy *place = ms_place_find(s->placement.strategy);
    int every = s->placement.rebalance.every;
    return every > 0 && every < s->workload.steps && place && place->needs_load &&
           s->routing.source != MS_SOURCE_MATRIX;
}

enum ms_status ms_case_input_init(struct ms_case_input *in, const struct ms_scenario *s,
                                  struct ms_platform *platform, struct ms_files *files,
                                  int n_threads, struct ms_err *err)
{
    *in = (struct ms_case_input){.s = *s};
    in->s.twin = s->twin && s->sim.faults.n_hosts == 0; /* nothing to compare a cut run with */
    if (platform->n_nodes == 0 && s->gpus_per_node > 0) {
        enum ms_status status = ms_platform_group(platform, s->gpus_per_node, err);
        if (status != MS_OK)
            return status;
    }
    ms_scenario_resolve(&in->s, platform);
    size_t n_ranks = (size_t)in->s.workload.ranks * (size_t)in->s.workload.groups;
    int *node = MS_NEW(&in->arena, int, n_ranks + 1);
    if (!node)
        return ms_err_set(err, MS_NOMEM, "out of memory for a case");
    ms_rank_nodes(&in->s.workload, platform->host_node, platform->n_hosts, node);
    const struct ms_model_shape *model = s->has_model ? &in->s.model : NULL;
    bool renewed = renews(&in->s);
    int runs = 1 + in->s.twin + renewed; /* of a repeat */
    in->demand = (struct ms_demand_input){.model = model,
                                          .workload = &in->s.workload,
                                          .routing = &in->s.routing,
                                          .place = &in->s.placement,
                                          .rank_node = node,
                                          .seed = s->seed,
                                          .n_threads = n_threads,
                                          .files = files,
                                          .twin_by = ms_sim_twin_by(&s->sim.exchange),
                                          .node_copies = ms_sim_node_copies(&s->sim.exchange)};
    in->sim = (struct ms_sim_input){.platform = platform,
                                    .model = &in->s.model,
                                    .workload = &in->s.workload,
                                    .params = &in->s.sim,
                                    .n_runs = s->repeats * runs,
                                    .runs_a_repeat = runs,
                                    .moves_every = renewed ? s->placement.rebalance.every : 0,
                                    .moves_beside = s->placement.rebalance.overlap,
                                    .seed = s->seed,
                                    .n_threads = n_threads};
    const struct ms_replica_choice *choice = ms_replica_of(&s->placement);
    in->sim.exchanges_counts = model && choice && choice->split &&
                               s->routing.source != MS_SOURCE_MATRIX &&
                               (s->placement.redundant_experts > 0 || s->placement.map);
    return MS_OK;
}

void ms_case_input_finish(struct ms_case_input *in)
{
    ms_arena_finish(&in->arena);
    *in = (struct ms_case_input){0};
}

/* ---- the source of traffic ---- */

struct source {
    const struct ms_case_input *in;
    struct ms_demand *demand;
    int stride;      /* runs a repeat: its own, its twin, with the first placement kept */
    int *repeat_run; /* [repeats] */
    int *twin_run;   /* [repeats] */
    int kept;        /* the last run of a repeat keeps its first placement; 0: there is none */
    int64_t experts_moved;     /* of weights, all repeats, groups */
    struct ms_hash *twin_key;  /* [repeats] */
    struct ms_record_hot *hot; /* [repeat][step][layer][group] */
    double *stays;             /* [repeat][group][step][step] of requests, NULL: no request view */
    size_t stays_size;         /* of a repeat */
    double *scratch;           /* [max of experts and ranks] twice */
    struct ms_imbalance sum;   /* over n_exchanges */
    bool tells_domains;        /* of the hottest experts */
    double slots_bound_sum;
    double rank_max_sum, realised_sum, dropped, requested, copies, first_layer_requested;
    size_t n_exchanges;
    struct ms_record_sums sums; /* of loads, by expert and by rank */
    int repeat;                 /* begun; -1: none */
    size_t n_measured;          /* exchanges of it, in their order */
    bool completed;             /* all of them */
    enum ms_status status;      /* of what has nobody to tell it to: the next run is told */
    struct ms_err err;
    double routing_s;
};

static const struct ms_traffic *traffic(void *ctx, int run, int step, int layer, int group)
{
    const struct source *s = ctx;
    return ms_demand_traffic(s->demand, step, layer, group);
}

static const struct ms_move *moves(void *ctx, int run, int step, int layer, int group, size_t *n)
{
    const struct source *s = ctx;
    (void)run; /* the one begun */
    return ms_demand_moves(s->demand, step, layer, group, n, NULL);
}

/* Does a run keep the first placement? */
static bool keeps(const struct source *s, int run)
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

static void measure(struct source *s, const struct ms_traffic *t, int step, int layer, int group,
                    struct ms_record_hot *hot)
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

static void count_moves(struct source *s, int step, int group)
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
static void measure_until(struct source *s, size_t until)
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
static enum ms_status complete(struct source *s, struct ms_err *err)
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
    struct source *s = ctx;
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

static enum ms_status begin_repeat(struct source *s, int repeat, struct ms_err *err)
{
    const struct ms_workload *w = &s->in->s.workload;
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
    return MS_OK;
}

/* ms_sim_source.wanted: an equal twin simulated before stands for this one. */
static bool wanted(void *ctx, int run)
{
    struct source *s = ctx;
    int repeat = run / s->stride;
    if (s->status == MS_OK && (run % s->stride != 0 || s->repeat != repeat))
        s->status = complete(s, &s->err);
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
    struct source *s = ctx;
    double start = ms_clock_s();
    enum ms_status status = s->status;
    if (status != MS_OK)
        *err = s->err;
    else if (run % s->stride == 0)
        status = begin_repeat(s, run / s->stride, err);
    else if (keeps(s, run))
        status = ms_demand_begin_kept(s->demand, err);
    else
        status = ms_demand_begin_twin(s->demand, err);
    s->routing_s += ms_clock_s() - start;
    return status;
}

static enum ms_status source_init(struct source *s, struct ms_case_input *in,
                                  const struct ms_case_options *options, struct ms_arena *arena,
                                  struct ms_err *err)
{
    size_t R = (size_t)in->s.repeats;
    size_t widest = (size_t)(in->s.model.experts > in->s.workload.ranks ? in->s.model.experts
                                                                        : in->s.workload.ranks);
    *s = (struct source){.in = in, .stride = in->sim.runs_a_repeat, .repeat = -1};
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

static struct ms_record_load load_of(const struct source *s)
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

/* ---- the answer ---- */

static void add_timing(const struct source *s, const struct ms_sim_output *o, double wall_s,
                       struct ms_buf *out)
{
    double solver = 0, twin = 0;
    struct rusage usage;
    struct ms_json j = {.out = out};
    getrusage(RUSAGE_SELF, &usage);
    for (int r = 0; r < s->in->s.repeats; r++)
        solver += o->run_wall_s[r * s->stride];
    for (int r = 0; s->in->s.twin && r < s->in->s.repeats; r++)
        if (s->twin_run[r] == s->stride * r + 1)
            twin += o->run_wall_s[s->stride * r + 1];
    for (int r = 0; s->kept && r < s->in->s.repeats; r++)
        twin += o->run_wall_s[s->stride * (r + 1) - 1];
    ms_json_number(&j, "wall_s", wall_s);
    ms_json_number(&j, "routing_s", s->routing_s); /* what the case's main thread drew or waited */
    ms_json_number(&j, "platform_s", o->platform_wall_s);
    ms_json_number(&j, "solver_s", solver);
    ms_json_number(&j, "twin_s", twin);
    ms_json_integer(&j, "peak_rss_kib", usage.ru_maxrss);
    ms_json_integer(&j, "flows", o->n_flows);
    ms_json_integer(&j, "solves", o->n_solves);
}

static enum ms_status answer(const struct source *s, const struct ms_platform *platform,
                             const struct ms_sim_output *o, const struct ms_case_lost *lost,
                             struct ms_hash work_hash, const struct ms_case_options *options,
                             struct ms_message *out, struct ms_err *err)
{
    struct ms_platform_cost cost;
    enum ms_status status = ms_platform_cost(platform, &cost, err);
    if (status != MS_OK)
        return status;
    struct ms_record_load load = load_of(s);
    struct ms_record_sums sums = s->sums;
    if (s->n_exchanges > 0)
        sums.slots_bound = s->slots_bound_sum / (double)s->n_exchanges;
    struct ms_record_input in = {.s = &s->in->s,
                                 .degraded = lost->told.repeats > 0 ? &lost->told : NULL,
                                 .platform = platform,
                                 .cost = &cost,
                                 .out = o,
                                 .repeat_run = s->repeat_run,
                                 .twin_run = s->in->s.twin ? s->twin_run : NULL,
                                 .kept_run = s->kept ? s->stride - 1 : 0,
                                 .experts_moved = s->experts_moved,
                                 .load = &load,
                                 .hot = load.has_experts ? s->hot : NULL,
                                 .stays = s->stays,
                                 .sums = load.has_experts ? &sums : NULL,
                                 .note = ms_demand_note(s->demand),
                                 .work_hash = work_hash};
    status = ms_record_body(&in, &out->part[MS_PART_RECORD], err);
    if (status == MS_OK && options->samples)
        ms_record_samples_csv(&in, &out->part[MS_PART_SAMPLES]);
    return status;
}

static enum ms_status simulate(struct ms_case_input *in, struct ms_hash work_hash,
                               const struct ms_case_options *options, double start,
                               struct ms_message *out, struct ms_err *err)
{
    struct ms_arena arena = {0};
    struct source source = {0};
    struct ms_sim_output o = {0};
    struct ms_case_lost lost = {0};
    in->sim.timeline_path = options->timeline_path;
    in->sim.timeline_case = options->timeline_case;
    in->sim.timeline_run = options->timeline_repeat * in->sim.runs_a_repeat;
    in->sim.causes = options->causes;
    in->sim.engine = options->engine;
    in->sim.progress = out->progress;
    enum ms_status status = source_init(&source, in, options, &arena, err);
    if (status == MS_OK)
        status = ms_case_lost_open(&lost, in, &arena, err);
    if (lost.n_times > 0 && !in->sim.engine) /* more than one simulation in this process */
        in->sim.engine = ms_sim_engine_create();
    if (status == MS_OK) /* while SimGrid loads the platform */
        status = begin_repeat(&source, 0, err);
    if (status == MS_OK)
        status = ms_sim_run(&in->sim, &o, err);
    if (status == MS_OK)
        status = complete(&source, err);
    if (status == MS_OK)
        status = ms_case_lost_finish(&lost, source.demand, &o, err);
    if (status == MS_OK)
        status = answer(&source, in->sim.platform, &o, &lost, work_hash, options, out, err);
    if (status == MS_OK)
        add_timing(&source, &o, ms_clock_s() - start, &out->part[MS_PART_TIMING]);
    ms_sim_finish(&o);
    ms_demand_destroy(source.demand);
    ms_arena_finish(&arena);
    return status;
}

enum ms_status ms_case_run(const struct ms_scenario *s, const struct ms_plan_case *c,
                           struct ms_files *files, const struct ms_case_options *options,
                           struct ms_message *out, struct ms_err *err)
{
    double start = ms_clock_s();
    struct ms_case_input in = {0};
    enum ms_status status = ms_case_input_init(&in, s, c->platform, files, options->n_threads, err);
    if (status == MS_OK)
        status = simulate(&in, c->work_hash, options, start, out, err);
    ms_case_input_finish(&in);
    return status;
}
