/* Decides when weights cross that a new placement needs, and who waits for them. */
#include "sim/move.h"

#include <math.h>
#include <string.h>

#include "sim/actor.h"
#include "sim/cause.h"

struct ms_moved {
    int step; /* of the placement whose weights the rank has; -1: none yet */
    double at_s;
};

struct ms_moves {
    struct ms_moved *moved; /* [R][layers + 1]: the last one is all layers together */
    int *waits_for;         /* [R * halves] the column it waits for, -1: none */
};

static int column(const struct ms_core *c, int layer)
{
    return layer < 0 ? c->n_layers : layer;
}

static struct ms_moved *moved(struct ms_core *c, int group, int rank, int layer)
{
    size_t r = (size_t)group * (size_t)c->n_ranks + (size_t)rank;
    return &c->moves->moved[r * (size_t)(c->n_layers + 1) + (size_t)column(c, layer)];
}

enum ms_status ms_moves_init(struct ms_core *c)
{
    size_t R = (size_t)c->n_total, halves = (size_t)c->n_halves;
    bool every = c->in->moves_every > 0 && c->in->moves_every < c->n_steps;
    if (!c->in->source.moves || !(every || c->in->moves_first))
        return MS_OK;
    struct ms_moves *m = MS_NEW(&c->arena, struct ms_moves, 1);
    if (m) {
        m->moved = MS_NEW(&c->arena, struct ms_moved, R * (size_t)(c->n_layers + 1));
        m->waits_for = MS_NEW(&c->arena, int, R *halves);
    }
    if (!m || !m->moved || !m->waits_for)
        return ms_core_fail(c, MS_NOMEM, "out of memory for weights that move");
    c->moves = m;
    return MS_OK;
}

void ms_moves_begin(struct ms_core *c)
{
    if (!c->moves)
        return;
    for (size_t i = 0; i < (size_t)c->n_total * (size_t)(c->n_layers + 1); i++)
        c->moves->moved[i] = (struct ms_moved){-1, 0};
    for (int i = 0; i < c->n_total * c->n_halves; i++)
        c->moves->waits_for[i] = -1;
}

static const struct ms_move *list(struct ms_core *c, int step, int layer, int group, size_t *n)
{
    const struct ms_sim_source *s = &c->in->source;
    *n = 0;
    return s->moves(s->ctx, c->run.number, step, layer, group, n);
}

static bool renewed(const struct ms_core *c, int step)
{
    if (c->moves && c->in->moves_first)
        return step == c->run.first_step;
    return c->moves && step > 0 && step < c->n_steps && step % c->in->moves_every == 0;
}

/* ---- ranks ---- */

/* The rank posts what it sends and gets; of two halves the first one does. */
static bool enter(struct ms_actor *actor, int step, int layer)
{
    struct ms_core *c = actor->core;
    size_t n;
    list(c, step, layer, actor->group, &n);
    if (n == 0 || actor->half > 0)
        return true;
    ms_actor_sleep_until(actor, actor->now_s);
    return ms_leg_run_enter(c, actor, step, layer, MS_PHASE_MOVE, actor->now_s, actor->now_s) ==
           MS_OK;
}

/* What a rank loses by waiting. */
static void note_wait(struct ms_core *c, const struct ms_actor *actor, int step, int layer,
                      double from_s)
{
    size_t k = ((size_t)c->run.number * (size_t)c->n_steps + (size_t)step) * (size_t)c->n_groups;
    c->out->move_wait_s[k + (size_t)actor->group] += (actor->now_s - from_s) / c->n_ranks;
    ms_causes_weights(c, actor, actor->now_s - from_s);
    ms_timeline_span(c, actor, "weights", step, layer < 0 ? 0 : layer, from_s, actor->now_s);
}

static bool wait_for(struct ms_actor *actor, int step, int layer)
{
    struct ms_core *c = actor->core;
    size_t n;
    list(c, step, layer, actor->group, &n);
    if (n == 0)
        return true;
    struct ms_moved *m = moved(c, actor->group, actor->rank, layer);
    double from_s = actor->now_s;
    if (m->step < step) {
        c->moves->waits_for[actor - c->crew.actor] = column(c, layer);
        ms_actor_wait(actor);
        if (c->status)
            return false;
    }
    actor->now_s = fmax(actor->now_s, m->at_s);
    ms_actor_sleep_until(actor, actor->now_s);
    if (actor->half == 0 && actor->now_s > from_s)
        note_wait(c, actor, step, layer, from_s);
    return !c->status;
}

bool ms_moves_step(struct ms_actor *actor, int step)
{
    struct ms_core *c = actor->core;
    if (!renewed(c, step) || c->in->moves_beside)
        return true;
    return enter(actor, step, -1) && wait_for(actor, step, -1);
}

bool ms_moves_layer(struct ms_actor *actor, int step, int layer)
{
    struct ms_core *c = actor->core;
    bool ok = true;
    if (!c->moves || !c->in->moves_beside)
        return true;
    if (renewed(c, step))
        ok = wait_for(actor, step, layer);
    if (ok && renewed(c, step + 1))
        ok = enter(actor, step + 1, layer);
    return ok;
}

/* ---- legs ---- */

enum ms_status ms_moves_plan(struct ms_core *c, struct ms_leg_run *leg)
{
    struct ms_leg *plan = &leg->plan;
    size_t n;
    const struct ms_move *move = list(c, leg->step, leg->layer, leg->group, &n);
    ms_leg_init(plan, c->n_ranks, false, !c->in->moves_beside, false);
    for (size_t i = 0; i < n; i++)
        ms_leg_add(plan, &(struct ms_leg_flow){.gate = ms_leg_start(plan, move[i].from),
                                               .meet = ms_leg_start(plan, move[i].to),
                                               .end = ms_leg_complete(plan, move[i].to),
                                               .src = move[i].from,
                                               .dst = move[i].to,
                                               .bytes = move[i].bytes,
                                               .messages = 1,
                                               .delivered = move[i].bytes});
    leg->work.acts = false;
    return ms_core_note(c, ms_leg_close(plan, c->err));
}

void ms_moves_bytes(struct ms_core *c, const struct ms_leg_run *leg)
{
    const int *node = c->platform.layout[leg->group].node;
    const struct ms_leg *plan = &leg->plan;
    for (uint32_t f = 0; f < plan->n_flows; f++)
        (node[plan->src[f]] != node[plan->dst[f]] ? c->out->moved_network
                                                  : c->out->moved_intra_node)[c->run.number] +=
            plan->bytes[f];
}

void ms_moves_complete(struct ms_leg_run *leg, int rank, double at_s)
{
    struct ms_core *c = leg->core;
    *moved(c, leg->group, rank, leg->layer) = (struct ms_moved){leg->step, at_s};
    leg->last_complete_s = fmax(leg->last_complete_s, at_s);
    for (int half = 0; half < c->n_halves; half++) {
        struct ms_actor *actor = ms_core_actor(c, leg->group, rank, half);
        int *waits = &c->moves->waits_for[actor - c->crew.actor];
        if (*waits != column(c, leg->layer))
            continue;
        *waits = -1;
        ms_actor_wake(actor);
    }
}

void ms_moves_done(struct ms_core *c, const struct ms_leg_run *leg)
{
    size_t k =
        ((size_t)c->run.number * (size_t)c->n_steps + (size_t)leg->step) * (size_t)c->n_groups +
        (size_t)leg->group;
    c->out->move_s[k] = fmax(c->out->move_s[k], leg->last_complete_s - leg->first_entry_s);
}
