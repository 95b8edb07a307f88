/* Decides what the ranks that are left do without the lost ones: where their experts stand then, which
 * weights cross for that, and what every exchange has to move. */
#include <string.h>

#include "demand/demand_int.h"
#include "demand/nodes.h"
#include "routing/preset.h"

/* The next rank in number that is left. */
static int next_left(int n_ranks, const bool *gone, int rank)
{
    do
        rank = (rank + 1) % n_ranks;
    while (gone[rank]);
    return rank;
}

/* Who has the weights of an expert that nobody has a copy of: another rank of the lost one's node than
 * the one that gets them, which reads them from the node's memory; else the rank after that one. */
static int sender_of(const struct ms_demand *d, const bool *gone, int lost, int to)
{
    const int *node = d->rank_node;
    for (int k = 1; k < d->G; k++) {
        int r = (lost + k) % d->G;
        if (!gone[r] && r != to && node[r] == node[lost])
            return r;
    }
    return next_left(d->G, gone, to);
}

static bool held_by_one_left(const int *slot, int per_rank, int n_ranks, const bool *gone,
                             int expert)
{
    for (int i = 0; i < n_ranks * per_rank; i++)
        if (slot[i] == expert && !gone[i / per_rank])
            return true;
    return false;
}

/** A layer's experts while they are handed over. */
struct heirs {
    const struct ms_demand *d;
    const bool *gone,
        *before;     /* lost now, and those of them whose experts were handed over before */
    const int *slot; /* [S] as all ranks were there */
    int *more;       /* [G] experts that a rank gets */
    int *heir;       /* [S] the rank that a slot's expert goes to; -1: nowhere */
};

/* Of a lost rank's experts each that nobody left holds, once. */
static void choose_heirs(struct heirs *h)
{
    int S = h->d->S, G = h->d->G, per = S / G;
    memset(h->more, 0, (size_t)G * sizeof *h->more);
    for (int i = 0; i < S; i++) {
        int r = i / per;
        bool again = false;
        h->heir[i] = -1;
        for (int k = 0; k < i && !again; k++)
            again = h->slot[k] == h->slot[i] && h->heir[k] >= 0;
        if (!h->gone[r] || again || held_by_one_left(h->slot, per, G, h->gone, h->slot[i]))
            continue;
        h->heir[i] = next_left(G, h->gone, r);
        h->more[h->heir[i]]++;
    }
}

static int most_of(const int *v, int n)
{
    int most = 0;
    for (int i = 0; i < n; i++)
        most = v[i] > most ? v[i] : most;
    return most;
}

/* The experts of a layer by rank: what a rank held, and what it gets. [G][per] */
static void hand_over(const struct heirs *h, int per, int *out)
{
    int G = h->d->G, had = h->d->S / G;
    for (int i = 0; i < G * per; i++)
        out[i] = -1;
    for (int r = 0; r < G; r++)
        if (!h->gone[r])
            memcpy(out + (size_t)r * (size_t)per, h->slot + (size_t)r * (size_t)had,
                   (size_t)had * sizeof *out);
    memset(h->more, 0, (size_t)G * sizeof *h->more);
    for (int i = 0; i < h->d->S; i++)
        if (h->heir[i] >= 0)
            out[h->heir[i] * per + had + h->more[h->heir[i]]++] = h->slot[i];
}

/* The rank that had the weights of slot i's expert until now; -1: its heir still has them. */
static int last_holder(const struct heirs *h, int per, int i)
{
    int G = h->d->G, r = i / per;
    if (!h->before || !h->before[r])
        return r;
    if (!held_by_one_left(h->slot, per, G, h->before, h->slot[i])) { /* handed over then */
        r = next_left(G, h->before, r);
        return h->gone[r] ? r : -1;
    }
    for (int k = 0; k < h->d->S; k++) /* a copy served it, whose rank is lost now */
        if (h->slot[k] == h->slot[i] && !h->before[k / per])
            r = k / per;
    return r;
}

/* Weights that were not handed over before. count [G][G] */
static int count_moves(const struct heirs *h, double *count)
{
    int n = 0, per = h->d->S / h->d->G;
    for (int i = 0; i < h->d->S; i++) {
        int to = h->heir[i], r = to < 0 ? -1 : last_holder(h, per, i);
        if (r < 0)
            continue;
        count[ms_cell(sender_of(h->d, h->gone, r, to), h->d->G, to)]++;
        n++;
    }
    return n;
}

static enum ms_status no_memory(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory for the ranks that are left");
}

static enum ms_status place(struct ms_demand *d, struct heirs *h, double *count, struct ms_err *err)
{
    struct ms_demand_lost *l = d->lost;
    const struct ms_placement *p = &d->placement[d->group_placement[0]];
    int most = 0, had = d->S / d->G;
    for (int layer = 0; layer < d->L; layer++) {
        h->slot = p->slot_expert + ms_cell(layer, d->S, 0);
        choose_heirs(h);
        int more = most_of(h->more, d->G);
        most = more > most ? more : most;
        l->moves.experts += count_moves(h, count);
    }
    l->n_slots = (had + most) * d->G;
    l->placement = (struct ms_placement){
        .n_layers = d->L, .n_experts = d->E, .n_ranks = d->G, .n_slots = l->n_slots};
    l->placement.slot_expert = MS_NEW(&d->run, int, ms_cell(d->L, l->n_slots, 0));
    if (!l->placement.slot_expert)
        return no_memory(err);
    for (int layer = 0; layer < d->L; layer++) {
        h->slot = p->slot_expert + ms_cell(layer, d->S, 0);
        choose_heirs(h);
        hand_over(h, had + most, l->placement.slot_expert + ms_cell(layer, l->n_slots, 0));
    }
    return MS_OK;
}

/* Ranks that are left, numbered anew. new_of [G], -1: lost */
static void number_left(struct ms_demand *d, int *new_of, int *scratch, int *given)
{
    struct ms_demand_lost *l = d->lost;
    l->G = 0;
    for (int r = 0; r < d->G; r++) {
        new_of[r] = l->gone[r] ? -1 : l->G;
        if (!l->gone[r])
            given[l->G++] = d->in.rank_node[r];
    }
    l->n_nodes = ms_number_nodes(l->G, given, scratch, l->rank_node);
}

static enum ms_status list_moves(struct ms_demand *d, const double *count, const int *new_of,
                                 struct ms_err *err)
{
    struct ms_demand_moves *m = &d->lost->moves;
    double bytes = ms_model_expert_bytes(d->in.model);
    size_t n = (size_t)d->G * (size_t)d->G;
    for (size_t i = 0; i < n; i++)
        m->n += count[i] > 0;
    m->move = MS_NEW(&d->run, struct ms_move, m->n + 1);
    if (!m->move)
        return no_memory(err);
    for (size_t i = 0, at = 0; i < n; i++)
        if (count[i] > 0)
            m->move[at++] = (struct ms_move){new_of[i / (size_t)d->G], new_of[i % (size_t)d->G],
                                             count[i] * bytes};
    return MS_OK;
}

/* An exchange of all ranks, in which the lost ones have nothing, without their rows and columns.
 * scratch [2G]. */
static bool shrink(const struct ms_demand *d, const struct ms_traffic *from, const int *new_of,
                   double *scratch, struct ms_traffic *to)
{
    const struct ms_demand_lost *l = d->lost;
    int per = l->n_slots / d->G;
    for (int s = 0; s < d->G; s++) {
        if (new_of[s] < 0)
            continue;
        const struct ms_traffic_row *row = &from->row[s];
        memset(scratch, 0, 2 * (size_t)d->G * sizeof *scratch);
        for (int i = 0; i < row->n; i++)
            if (new_of[row->rank[i]] >= 0) {
                scratch[new_of[row->rank[i]]] = row->selections[i];
                scratch[d->G + new_of[row->rank[i]]] = row->copies[i];
            }
        if (!ms_traffic_set_row(to, new_of[s], scratch, scratch + d->G))
            return false;
        for (int r = 0; r < d->G; r++) {
            if (new_of[r] < 0)
                continue;
            to->node_copies[ms_cell(new_of[s], l->n_nodes, l->rank_node[new_of[r]])] =
                from->node_copies[ms_cell(s, from->n_nodes, d->rank_node[r])];
        }
        memcpy(to->slot_tokens + ms_cell(new_of[s], per, 0), from->slot_tokens + ms_cell(s, per, 0),
               (size_t)per * sizeof *to->slot_tokens);
    }
    memcpy(to->expert_tokens, from->expert_tokens, (size_t)d->E * sizeof *to->expert_tokens);
    to->dropped = from->dropped;
    to->requested = from->requested;
    return true;
}

/* Counted among all ranks, under the slots that there are now. */
static enum ms_status draw(struct ms_demand *d, int repeat, const int *new_of, struct ms_err *err)
{
    struct ms_demand_lost *l = d->lost;
    struct ms_traffic *own = d->traffic;
    size_t n = ms_demand_exchanges(d), first = (size_t)l->first_step * (size_t)d->L;
    int S = d->S;
    struct ms_traffic *left = MS_NEW(&d->run, struct ms_traffic, n);
    l->all = MS_NEW(&d->run, struct ms_traffic, n);
    double *scratch = MS_NEW(&d->run, double, 2 * (size_t)d->G);
    bool ok = left && l->all && scratch;
    for (size_t i = first; i < n && ok; i++)
        ok = ms_demand_init_traffic(d, &l->all[i], d->G, d->group_nodes[0], l->n_slots) &&
             ms_demand_init_traffic(d, &left[i], l->G, l->n_nodes, l->n_slots / d->G * l->G);
    if (!ok)
        return no_memory(err);
    d->S = l->n_slots;
    d->traffic = l->all;
    enum ms_status s = ms_demand_draw_traffic(d, repeat, l->first_step, d->P, err);
    d->traffic = own;
    d->S = S;
    for (size_t i = first; i < n && s == MS_OK; i++)
        if (!shrink(d, &l->all[i], new_of, scratch, &left[i]))
            s = no_memory(err);
    if (s == MS_OK)
        l->traffic = left;
    return s;
}

enum ms_status ms_demand_begin_lost(struct ms_demand *d, int repeat, const bool *lost,
                                    const bool *before, int step, struct ms_err *err)
{
    size_t G = (size_t)d->G, S = (size_t)d->S;
    int left = 0;
    enum ms_status s = ms_demand_complete(d, err);
    if (s != MS_OK)
        return s;
    for (int r = 0; r < d->G; r++)
        left += !lost[r];
    if (left < 2)
        return ms_err_set(err, MS_INFEASIBLE, "%d of %d ranks are left: too few to go on", left,
                          d->G);
    struct ms_demand_lost *l = d->lost = MS_NEW(&d->run, struct ms_demand_lost, 1);
    int *scratch = MS_NEW(&d->run, int, 3 * G + 1), *heir = MS_NEW(&d->run, int, S + 1);
    int *new_of = MS_NEW(&d->run, int, G), *more = MS_NEW(&d->run, int, G);
    double *count = MS_NEW(&d->run, double, G *G);
    if (l)
        l->rank_node = MS_NEW(&d->run, int, G);
    if (!l || !scratch || !heir || !new_of || !more || !count || !l->rank_node)
        return no_memory(err);
    l->gone = lost;
    l->first_step = step;
    struct heirs h = {.d = d, .gone = lost, .before = before, .more = more, .heir = heir};
    number_left(d, new_of, scratch, scratch + G);
    s = place(d, &h, count, err);
    if (s == MS_OK)
        s = list_moves(d, count, new_of, err);
    return s == MS_OK ? draw(d, repeat, new_of, err) : s;
}
