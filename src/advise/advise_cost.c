/* Decides what a plan costs: memory, the weights that must be moved to get there, how long that takes
 * (simulated: one exchange of bytes on the plan's own platform) and after how many steps it is
 * paid. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advise/advise.h"
#include "base/file.h"
#include "place/moves.h"
#include "routing/preset.h"

/* Experts that go from rank to rank, all layers that are placed. @return how many; NAN: not known */
static double count_moves(const struct ms_placement *from, const struct ms_placement *to,
                          const int *rank_node, double *count)
{
    int *sent = calloc((size_t)to->n_ranks + 1, sizeof *sent);
    double n = 0;
    if (!sent || from->n_ranks != to->n_ranks || from->n_layers != to->n_layers) {
        free(sent);
        return NAN;
    }
    for (int l = 0; l < to->n_layers; l++)
        n += ms_place_moves(rank_node, to->n_ranks,
                            from->slot_expert + ms_cell(l, from->n_slots, 0), from->n_slots,
                            to->slot_expert + ms_cell(l, to->n_slots, 0), to->n_slots, sent, count);
    free(sent);
    return n;
}

/* The bytes as `moesim traffic` writes them, for source: matrix. */
static enum ms_status write_matrix(const double *count, int n, double each, char *path,
                                   struct ms_err *err)
{
    struct ms_buf text = {0};
    for (int r = 0; r < n; r++)
        for (int c = 0; c < n; c++)
            ms_buf_printf(&text, "%.0f%s", count[ms_cell(r, n, c)] * each, c + 1 < n ? "," : "\n");
    int file = mkstemp(path);
    if (file >= 0)
        close(file);
    enum ms_status s = file < 0 || text.failed ? ms_err_set(err, MS_IO, "cannot write %s", path)
                                               : ms_file_write(path, text.p, text.n, err);
    ms_buf_finish(&text);
    return s;
}

/** A plan's move to be simulated. */
struct move {
    char path[64];
    struct ms_advice *plan;
};

/* The plan's platform, and on it nothing but the weights. */
static enum ms_status only_weights(const void *ctx, struct ms_case *c, struct ms_err *err)
{
    const struct move *m = ctx;
    struct ms_scenario *s = &c->s;
    (void)err;
    s->routing = (struct ms_routing_params){.source = MS_SOURCE_MATRIX, .matrix = m->path};
    s->placement = (struct ms_place_params){.strategy = "contiguous"};
    s->workload.layers = s->workload.steps = s->workload.groups = 1;
    s->workload.training = false;
    s->workload.requests.phase = MS_REQUESTS_NONE;
    s->sim.exchange.algorithm = "direct";
    s->sim.exchange.forwarding = MS_FORWARD_NONE;
    s->sim.exchange.deduplicate = MS_DEDUP_AUTO;
    s->sim.compute.overlap = MS_OVERLAP_NONE;
    s->sim.faults.straggler_share = s->sim.faults.jitter_sigma = s->sim.faults.jitter_tail_share =
        0;
    s->twin = false;
    s->repeats = 1;
    return MS_OK;
}

/* Who moves what to whom for a plan. @return MS_OK, the plan's bytes NAN where that is not known */
static enum ms_status moves_of(struct ms_advised *a, struct ms_advice *p, uint64_t seed,
                               double expert_bytes, struct move *m, struct ms_err *err)
{
    struct ms_placement from = {0}, to = {0};
    int *rank_node = NULL;
    enum ms_status s = MS_OK;
    if (ms_advise_placement(a->base, a->n_layers, seed, &from, NULL, NULL) == MS_OK &&
        ms_advise_placement(p, a->n_layers, seed, &to, &rank_node, NULL) == MS_OK) {
        double *count = calloc((size_t)to.n_ranks * (size_t)to.n_ranks + 1, sizeof *count);
        double each = expert_bytes * a->of_layers / a->n_layers;
        p->moved_bytes = count ? count_moves(&from, &to, rank_node, count) * each : NAN;
        if (p->moved_bytes > 0) {
            snprintf(m->path, sizeof m->path, "/tmp/moesim-weights-XXXXXX");
            m->plan = p;
            s = write_matrix(count, to.n_ranks, each, m->path, err);
        }
        free(count);
    }
    free(rank_node);
    ms_place_finish(&from);
    ms_place_finish(&to);
    return s;
}

static enum ms_status cost_of(struct ms_advised *a, struct ms_advice *p, uint64_t seed,
                              struct move *m, struct ms_err *err)
{
    struct ms_case c = {0};
    enum ms_status s = ms_study_case(&p->study, 0, &c, NULL);
    if (s != MS_OK)
        return MS_OK;
    double ranks = ms_trial_number(&p->trial, "ranks");
    double slots = c.s.model.experts + c.s.placement.redundant_experts;
    double each = ms_model_expert_bytes(&c.s.model);
    bool placed = ms_advise_changes(p, "placement");
    p->memory_bytes =
        c.s.routing.source == MS_SOURCE_MATRIX ? NAN : slots / ranks * each * a->of_layers;
    p->moved_bytes = placed || p->other_work ? NAN : 0;
    p->move_us = placed ? NAN : 0;
    if (placed && !p->other_work)
        s = moves_of(a, p, seed, each, m, err);
    ms_case_finish(&c);
    return s;
}

/* Steps that save together what moving takes, at the step's ratio and at the ends of its interval. */
static void pay(const struct ms_advised *a, struct ms_advice *p)
{
    double step_us = ms_trial_number(&a->base->trial, "step.mean_us") * a->of_layers / a->n_layers;
    const double ratio[3] = {p->step.ratio, p->step.lo, p->step.hi};
    double steps[3];
    for (int i = 0; i < 3; i++)
        steps[i] = p->move_us == 0 ? 0
                   : ratio[i] < 1  ? p->move_us / (step_us * (1 - ratio[i]))
                                   : INFINITY;
    p->payback_steps = isfinite(p->move_us) ? steps[0] : NAN;
    p->payback_lo = isfinite(p->move_us) ? steps[1] : NAN;
    p->payback_hi = isfinite(p->move_us) ? steps[2] : NAN;
}

enum ms_status ms_advise_costs(struct ms_advised *a, uint64_t seed, int n_procs, int *signal_number,
                               struct ms_err *err)
{
    struct move m[MS_PLANS_TOLD + 1] = {{{0}, NULL}};
    struct ms_trial t[MS_PLANS_TOLD + 1];
    size_t n = 0;
    enum ms_status s = cost_of(a, a->base, seed, &m[0], err);
    for (size_t i = 0; i < a->n_best && s == MS_OK; i++) {
        s = cost_of(a, a->best[i], seed, &m[n], err);
        if (!m[n].plan)
            continue;
        t[n] = (struct ms_trial){.plan = &m[n].plan->plan, .change = only_weights, .ctx = &m[n]};
        n++;
    }
    if (s == MS_OK && n > 0)
        s = ms_trials_run(t, n, n_procs, signal_number, err);
    for (size_t i = 0; i < n; i++) {
        m[i].plan->move_us = ms_trial_number(&t[i], "exchange.max_us");
        ms_trials_finish(&t[i], 1);
        unlink(m[i].path);
    }
    for (size_t i = 0; i < a->n_best; i++)
        pay(a, a->best[i]);
    return s;
}
