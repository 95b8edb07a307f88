/* The member `rebalance` of a record: what placing anew costs, what it gains against keeping the first
 * placement on the same draws, and when that pays. */
#include <math.h>

#include "sweep/record_parts.h"

/** Step times of a case and of its kept twin. */
struct view {
    const struct ms_record_input *in;
    int every, steps;
    bool beside;
};

static size_t cell(const struct view *v, int run, int step, int group)
{
    const struct ms_sim_output *o = v->in->out;
    return ms_cell(run, o->n_steps, step) * (size_t)o->n_groups + (size_t)group;
}

/* A step in which weights cross or are waited for. */
static bool moves(const struct view *v, int step)
{
    bool now = step > 0 && step % v->every == 0;
    int next = step + 1;
    return now || (v->beside && next < v->steps && next % v->every == 0);
}

/* What a step took less than with the first placement: mean over repeats and groups. */
static double saved_us(const struct view *v, int step)
{
    const struct ms_sim_output *o = v->in->out;
    double sum = 0;
    int R = v->in->s->repeats, Q = o->n_groups;
    for (int r = 0; r < R; r++)
        for (int q = 0; q < Q; q++) {
            int own = v->in->repeat_run[r], kept = own + v->in->kept_run;
            sum += o->step_s[cell(v, kept, step, q)] - o->step_s[cell(v, own, step, q)];
        }
    return 1e6 * sum / R / Q;
}

/* Mean over placements, repeats and groups of a time of theirs. */
static double mean_us(const struct view *v, const double *by_step)
{
    const struct ms_sim_output *o = v->in->out;
    double sum = 0;
    int R = v->in->s->repeats, n = 0;
    for (int r = 0; r < R; r++)
        for (int p = v->every; p < v->steps; p += v->every)
            for (int q = 0; q < o->n_groups; q++, n++)
                sum += by_step[cell(v, v->in->repeat_run[r], p, q)];
    return n > 0 ? 1e6 * sum / n : NAN;
}

static double kept_step_us(const struct view *v)
{
    const struct ms_sim_output *o = v->in->out;
    double sum = 0;
    for (int r = 0; r < v->in->s->repeats; r++)
        for (int i = 0; i < o->n_steps * o->n_groups; i++)
            sum += o->step_s[ms_cell(v->in->repeat_run[r] + v->in->kept_run,
                                     o->n_steps * o->n_groups, i)];
    return 1e6 * sum / v->in->s->repeats / o->n_steps / o->n_groups;
}

/* gain: of a step without moves, after the first new placement. cost: of a placement, how much longer
 * the steps of its moves take than they would with that gain. NAN where there is no such step. */
static void pay(const struct view *v, double *gain_us, double *cost_us)
{
    double gain = 0, cost = 0;
    int calm = 0, placements = (v->steps - 1) / v->every;
    for (int p = v->every; p < v->steps; p++)
        if (!moves(v, p)) {
            gain += saved_us(v, p);
            calm++;
        }
    *gain_us = calm > 0 ? gain / calm : NAN;
    for (int p = 0; p < v->steps; p++)
        if (moves(v, p))
            cost += (p < v->every ? 0 : *gain_us) - saved_us(v, p);
    *cost_us = cost / placements;
}

void ms_record_add_rebalance(struct ms_json *j, const struct ms_record_input *in)
{
    const struct ms_rebalance_params *p = &in->s->placement.rebalance;
    const struct ms_sim_output *o = in->out;
    struct view v = {in, p->every, o->n_steps, p->overlap == MS_REBALANCE_BESIDE};
    double gain_us, cost_us, bytes = 0, network = 0, net_us = 0;
    if (!in->kept_run)
        return;
    int placements = (v.steps - 1) / v.every;
    double n = (double)placements * in->s->repeats * o->n_groups;
    for (int r = 0; r < in->s->repeats; r++) {
        network += o->moved_network[in->repeat_run[r]];
        bytes += o->moved_network[in->repeat_run[r]] + o->moved_intra_node[in->repeat_run[r]];
    }
    for (int s = 0; s < v.steps; s++)
        net_us += saved_us(&v, s) / v.steps;
    pay(&v, &gain_us, &cost_us);
    ms_json_object(j, "rebalance");
    ms_json_integer(j, "placements", placements);
    ms_json_number(j, "experts_moved", (double)in->experts_moved / n);
    ms_json_number(j, "bytes", bytes / n);
    ms_json_number(j, "network_bytes", network / n);
    ms_json_number(j, "move_us", mean_us(&v, o->move_s));
    ms_json_number(j, "wait_us", mean_us(&v, o->move_wait_s));
    ms_json_number(j, "kept_step_us", kept_step_us(&v));
    ms_json_number(j, "net_saved_us_per_step", net_us);
    ms_json_number(j, "gain_us_per_step", gain_us);
    ms_json_number(j, "cost_us", cost_us);
    ms_json_number(j, "payback_steps", gain_us > 0 ? fmax(cost_us, 0) / gain_us : NAN);
    ms_json_end_object(j);
}
