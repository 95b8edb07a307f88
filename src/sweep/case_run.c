/* One case, from its scenario to its record: what demand and simulator are asked, and what is told of what
 * they answer. */
#include "sweep/case_run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/ahead.h"
#include "base/clock.h"
#include "base/json.h"
#include "demand/nodes.h"
#include "demand/replica.h"
#include "sweep/case_lost.h"
#include "sweep/case_source.h"

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

/* ---- the answer ---- */

static void add_timing(const struct ms_case_source *s, const struct ms_sim_output *o, double wall_s,
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
    ms_json_number(&j, "routing_s", s->routing_s);
    ms_json_number(&j, "platform_s", o->platform_wall_s);
    ms_json_number(&j, "solver_s", solver);
    ms_json_number(&j, "twin_s", twin);
    ms_json_integer(&j, "peak_rss_kib", usage.ru_maxrss);
    ms_json_integer(&j, "flows", o->n_flows);
    ms_json_integer(&j, "solves", o->n_solves);
}

/* What the platform costs, found while the case is simulated. */
struct cost_ahead {
    const struct ms_platform *platform;
    struct ms_platform_cost cost;
    struct ms_err err;
    struct ms_ahead *found;
};

static bool find_cost(void *ctx, size_t item, int thread)
{
    struct cost_ahead *c = ctx;
    return ms_platform_cost(c->platform, &c->cost, &c->err) == MS_OK;
}

/* A case under way. */
struct job {
    struct ms_case_input *in;
    const struct ms_case_options *options;
    struct ms_hash work_hash;
    double start_s;
    struct ms_case_source source;
    struct ms_case_lost lost;
    struct cost_ahead cost;
    struct ms_sim_output simulated;
    struct ms_message *out;
    struct ms_err *err;
    bool concluded;
    enum ms_status status; /* once it is concluded */
};

static enum ms_status answer(struct job *j)
{
    const struct ms_case_source *s = &j->source;
    size_t failed;
    if (!ms_ahead_wait(j->cost.found, 1, &failed)) {
        *j->err = j->cost.err;
        return j->cost.err.status;
    }
    struct ms_record_load load = ms_case_source_load(s);
    struct ms_record_sums sums = s->sums;
    if (s->n_exchanges > 0)
        sums.slots_bound = s->slots_bound_sum / (double)s->n_exchanges;
    struct ms_record_input in = {.s = &s->in->s,
                                 .degraded = j->lost.told.repeats > 0 ? &j->lost.told : NULL,
                                 .platform = j->cost.platform,
                                 .cost = &j->cost.cost,
                                 .out = &j->simulated,
                                 .repeat_run = s->repeat_run,
                                 .twin_run = s->in->s.twin ? s->twin_run : NULL,
                                 .kept_run = s->kept ? s->stride - 1 : 0,
                                 .experts_moved = s->experts_moved,
                                 .load = &load,
                                 .hot = load.has_experts ? s->hot : NULL,
                                 .stays = s->stays,
                                 .sums = load.has_experts ? &sums : NULL,
                                 .note = ms_demand_note(s->demand),
                                 .work_hash = j->work_hash};
    enum ms_status status = ms_record_body(&in, &j->out->part[MS_PART_RECORD], j->err);
    if (status == MS_OK && j->options->samples)
        ms_record_samples_csv(&in, &j->out->part[MS_PART_SAMPLES]);
    return status;
}

/* All that was simulated, as a message. */
static enum ms_status conclude(struct job *j)
{
    enum ms_status status = ms_case_source_complete(&j->source, j->err);
    if (status == MS_OK)
        status = ms_case_lost_finish(&j->lost, j->source.demand, &j->simulated, j->err);
    if (status == MS_OK)
        status = answer(j);
    if (status == MS_OK)
        add_timing(&j->source, &j->simulated, ms_clock_s() - j->start_s,
                   &j->out->part[MS_PART_TIMING]);
    return status;
}

/* ms_sim_input.over: the process has no other case, so it ends here if all is well. */
static void over(void *ctx)
{
    struct job *j = ctx;
    j->concluded = true;
    j->status = conclude(j);
    if (j->status == MS_OK)
        j->out->send(j->out);
}

static void set_input(struct job *j)
{
    const struct ms_case_options *o = j->options;
    struct ms_sim_input *sim = &j->in->sim;
    sim->timeline_path = o->timeline_path;
    sim->timeline_case = o->timeline_case;
    sim->timeline_run = o->timeline_repeat * sim->runs_a_repeat;
    sim->causes = o->causes;
    sim->engine = o->engine;
    sim->progress = j->out->progress;
    j->cost.platform = sim->platform;
}

static enum ms_status begin(struct job *j, struct ms_arena *arena)
{
    struct ms_sim_input *sim = &j->in->sim;
    enum ms_status status = ms_case_source_init(&j->source, j->in, j->options, arena, j->err);
    if (status == MS_OK)
        status = ms_case_lost_open(&j->lost, j->in, arena, j->err);
    if (j->lost.n_times > 0 && !sim->engine) /* more than one simulation in this process */
        sim->engine = ms_sim_engine_create();
    if (j->out->send && j->lost.n_times == 0 && !sim->engine && !sim->timeline_path) {
        sim->over = over;
        sim->over_ctx = j;
    }
    if (status == MS_OK) /* while SimGrid loads the platform */
        status = ms_case_source_begin(&j->source, 0, j->err);
    if (status != MS_OK)
        return status;
    j->cost.found = ms_ahead_start(sim->n_threads > 1 ? 2 : 1, 1, find_cost, &j->cost);
    return j->cost.found ? MS_OK : ms_err_set(j->err, MS_NOMEM, "out of memory for a case");
}

static enum ms_status simulate(struct job *j)
{
    struct ms_arena arena = {0};
    set_input(j);
    enum ms_status status = begin(j, &arena);
    if (status == MS_OK)
        status = ms_sim_run(&j->in->sim, &j->simulated, j->err);
    if (status == MS_OK)
        status = j->concluded ? j->status : conclude(j);
    ms_ahead_stop(j->cost.found);
    ms_sim_finish(&j->simulated);
    ms_demand_destroy(j->source.demand);
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
    struct job j = {.in = &in,
                    .options = options,
                    .work_hash = c->work_hash,
                    .start_s = start,
                    .out = out,
                    .err = err};
    if (status == MS_OK)
        status = simulate(&j);
    ms_case_input_finish(&in);
    return status;
}
