/* Local search over several past batches: from the best of a few starts, slots of full ranks change
 * places with those of light ones, and copies that are not needed become copies of experts that
 * are, while the sum of costs falls. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "place/moves.h"
#include "place/place.h"
#include "place/place_map.h"
#include "place/split.h"

enum { EVALUATIONS = 900, PATIENCE = 300 };

extern const struct ms_place_strategy ms_place_eplb, ms_place_lpt;

/** One layer under way. */
struct search {
    const struct ms_place_problem *p;
    struct ms_rng *rng;
    int layer, per_rank;
    bool keeps_nodes;   /* groups stay on the nodes they were packed on */
    int *slot;          /* [S] */
    int *other;         /* [S] scratch */
    int *copies;        /* [E] */
    double *rank_load;  /* [G] equal shares of all batches */
    int *order;         /* [max of E, G] */
    char *settled;      /* [G] */
    const double *load; /* [E] */
    double best;
    int fullest;
    const int *old; /* [S] in force, NULL: none; only limit of its slots may change */
    int limit;
};

/* ---- costs where the caller has none: the fullest rank under the best split, and the fullest node by
 * its ranks' mean ---- */

struct plain {
    const struct ms_place_problem *p;
    struct ms_copies copies;
    struct ms_split scratch;
    double *part, *rank_load, *node_load;
    int *node_size;
};

static double fullest_node(struct plain *c)
{
    const struct ms_place_problem *p = c->p;
    double most = 0;
    for (int n = 0; n < p->n_nodes; n++)
        c->node_load[n] = c->node_size[n] = 0;
    for (int r = 0; r < p->n_ranks && p->n_nodes > 1; r++) {
        c->node_load[p->rank_node[r]] += c->rank_load[r];
        c->node_size[p->rank_node[r]]++;
    }
    for (int n = 0; n < p->n_nodes; n++)
        most = c->node_size[n] ? fmax(most, c->node_load[n] / c->node_size[n]) : most;
    return most;
}

static double plain_cost(void *ctx, int layer, const int *slot_expert, double limit, int *fullest,
                         double *share)
{
    struct plain *c = ctx;
    const struct ms_place_problem *p = c->p;
    const double *loads = p->batch_load ? p->batch_load : p->load;
    double sum = 0, worst = 0;
    (void)share;
    ms_copies_fill(&c->copies, slot_expert);
    for (int b = 0; b < (p->batch_load ? p->n_batches : 1) && sum <= limit; b++) {
        const double *load = loads + ms_cell(b, p->n_layers, layer) * (size_t)p->n_experts;
        double top = ms_split_balanced(&c->copies, load, 1e-3, &c->scratch, c->part, c->rank_load);
        sum += top + fullest_node(c);
        for (int r = 0; r < p->n_ranks && top > worst && fullest; r++)
            if (c->rank_load[r] >= top * (1 - 1e-9))
                *fullest = r;
        worst = fmax(worst, top);
    }
    return sum;
}

static bool plain_init(struct plain *c, struct ms_place_problem *p, struct ms_arena *arena)
{
    c->p = p;
    c->part = MS_NEW(arena, double, (size_t)p->n_slots);
    c->rank_load = MS_NEW(arena, double, (size_t)p->n_ranks);
    c->node_load = MS_NEW(arena, double, (size_t)p->n_nodes + 1);
    c->node_size = MS_NEW(arena, int, (size_t)p->n_nodes + 1);
    p->cost = plain_cost;
    p->cost_ctx = c;
    return ms_copies_init(&c->copies, arena, p->n_experts, p->n_ranks, p->n_slots) &&
           ms_split_init(&c->scratch, arena, p->n_ranks, p->n_slots) && c->part && c->rank_load &&
           c->node_load && c->node_size;
}

/* ---- starts ---- */

static double cost_of(struct search *s, const int *slot, double limit, int *fullest)
{
    return s->p->cost(s->p->cost_ctx, s->layer, slot, limit, fullest, NULL);
}

/* Take over what is in s->other where it is cheaper. */
static bool take_if_better(struct search *s)
{
    int fullest = s->fullest;
    double cost = cost_of(s, s->other, s->best, &fullest);
    if (!(cost < s->best))
        return false;
    s->best = cost;
    s->fullest = fullest;
    memcpy(s->slot, s->other, (size_t)s->p->n_slots * sizeof *s->slot);
    return true;
}

static void add_loads(struct search *s, const int *slot)
{
    memset(s->copies, 0, (size_t)s->p->n_experts * sizeof *s->copies);
    for (int i = 0; i < s->p->n_slots; i++)
        s->copies[slot[i]]++;
    for (int r = 0; r < s->p->n_ranks; r++) {
        s->rank_load[r] = 0;
        for (int i = r * s->per_rank; i < (r + 1) * s->per_rank; i++)
            s->rank_load[r] += s->load[slot[i]] / s->copies[slot[i]];
    }
}

/* The n keys of `order`, heaviest first, the first of equal ones first. */
static void sort_falling(int *order, int n, const double *key)
{
    for (int i = 0; i < n; i++) {
        int at = i;
        while (at > 0 && key[order[at - 1]] < key[i]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
}

/* The ranks' contents dealt over the nodes, the heaviest to the node that has least so far. */
static void deal(struct search *s)
{
    const struct ms_place_problem *p = s->p;
    int per = s->per_rank;
    add_loads(s, s->slot);
    sort_falling(s->order, p->n_ranks, s->rank_load);
    for (int i = 0; i < p->n_ranks; i++) { /* there and back over the nodes: 0 1 2 2 1 0 0 … */
        int round = i / p->n_nodes, column = i % p->n_nodes;
        int node = round % 2 ? p->n_nodes - 1 - column : column, to = -1, seen = 0;
        for (int r = 0; r < p->n_ranks && to < 0; r++)
            if (p->rank_node[r] == node && seen++ == round)
                to = r;
        if (to < 0) { /* nodes of unlike sizes: leave it */
            memcpy(s->other, s->slot, (size_t)p->n_slots * sizeof *s->slot);
            return;
        }
        memcpy(s->other + to * per, s->slot + s->order[i] * per, (size_t)per * sizeof *s->slot);
    }
}

/* Lightest rank with a free slot, of one node (-1: of all) and, if it can be, without the expert. */
static int lightest(const struct search *s, const int *used, int node, int expert)
{
    int best = -1;
    bool best_holds = true;
    for (int r = 0; r < s->p->n_ranks; r++) {
        if (used[r] == s->per_rank || (node >= 0 && s->p->rank_node[r] != node))
            continue;
        bool holds = false;
        for (int i = 0; i < used[r]; i++)
            holds |= s->other[r * s->per_rank + i] == expert;
        if (best < 0 || holds < best_holds ||
            (holds == best_holds && s->rank_load[r] < s->rank_load[best])) {
            best = r;
            best_holds = holds;
        }
    }
    return best;
}

/* The hottest experts on every node, as many as the spare slots allow; the others where there is least.
 * Slots left over are more copies of the hottest. */
static bool hot_everywhere(struct search *s, int *used, int n_hot)
{
    const struct ms_place_problem *p = s->p;
    int spare = p->n_slots - p->n_experts - n_hot * (p->n_nodes - 1);
    sort_falling(s->order, p->n_experts, s->load);
    memset(used, 0, (size_t)p->n_ranks * sizeof *used);
    memset(s->rank_load, 0, (size_t)p->n_ranks * sizeof *s->rank_load);
    for (int i = 0; i < p->n_experts; i++) {
        int e = s->order[i], more = i >= n_hot && i < n_hot + spare ? 1 : 0;
        int n = i < n_hot ? p->n_nodes : 1 + more;
        for (int k = 0; k < n; k++) {
            int r = lightest(s, used, i < n_hot ? k : -1, e);
            if (r < 0)
                r = lightest(s, used, -1, e);
            if (r < 0)
                return false;
            s->other[r * s->per_rank + used[r]++] = e;
            s->rank_load[r] += s->load[e] / n;
        }
    }
    for (int r = 0; r < p->n_ranks; r++)
        for (; used[r] < s->per_rank; used[r]++)
            s->other[r * s->per_rank + used[r]] = s->order[0];
    return true;
}

static void copy_layer(struct search *s, const int *all)
{
    memcpy(s->other, all + ms_cell(s->layer, s->p->n_slots, 0),
           (size_t)s->p->n_slots * sizeof *s->other);
}

/* Experts of the contents of rank `from` that rank `to` holds in force. */
static int shared(const struct search *s, int from, int to)
{
    int per = s->per_rank, n = 0;
    for (int i = from * per; i < (from + 1) * per; i++)
        for (int k = to * per; k < (to + 1) * per; k++)
            if (s->slot[i] == s->old[k]) {
                n++;
                break;
            }
    return n;
}

/* Whole ranks change places within their node, so that as much as can be stays where it is in force:
 * what ranks and nodes have to do is the same. */
static void match(struct search *s)
{
    const struct ms_place_problem *p = s->p;
    int G = p->n_ranks, per = s->per_rank;
    memset(s->settled, 0, (size_t)G * sizeof *s->settled);
    for (int r = 0; r < G; r++)
        s->order[r] = -1;
    for (int kept = per; kept >= 0; kept--)
        for (int from = 0; from < G; from++)
            for (int to = 0; to < G && !s->settled[from]; to++) {
                if (s->order[to] >= 0 || p->rank_node[from] != p->rank_node[to] ||
                    shared(s, from, to) != kept)
                    continue;
                s->order[to] = from;
                s->settled[from] = 1;
            }
    for (int r = 0; r < G; r++)
        memcpy(s->other + r * per, s->slot + s->order[r] * per, (size_t)per * sizeof *s->slot);
    memcpy(s->slot, s->other, (size_t)p->n_slots * sizeof *s->slot);
}

static void start(struct search *s, const int *eplb, const int *lpt, int *used)
{
    const struct ms_place_problem *p = s->p;
    s->best = INFINITY;
    s->fullest = 0;
    if (s->old) {
        memcpy(s->other, s->old, (size_t)p->n_slots * sizeof *s->other);
        take_if_better(s);
        if (s->limit > 0)
            return;
    }
    if (p->map) {
        const int *row = ms_place_map_layer(p->map, p->moe_layers, s->layer);
        if (row && p->map->n_slots == p->n_slots) {
            memcpy(s->other, row, (size_t)p->n_slots * sizeof *s->other);
            take_if_better(s);
        }
    }
    copy_layer(s, eplb);
    take_if_better(s);
    if (s->keeps_nodes)
        return;
    copy_layer(s, lpt);
    take_if_better(s);
    if (p->n_slots == p->n_experts) {
        for (int i = 0; i < p->n_slots; i++)
            s->other[i] = i;
        take_if_better(s);
    }
    if (p->n_nodes > 1 && p->n_ranks % p->n_nodes == 0) {
        deal(s);
        take_if_better(s);
        int most = (p->n_slots - p->n_experts) / (p->n_nodes - 1);
        for (int n = most; n > 0; n /= 2)
            if (hot_everywhere(s, used, n))
                take_if_better(s);
    }
}

/* ---- moves ---- */

static bool rank_holds(const struct search *s, int rank, int expert)
{
    for (int i = rank * s->per_rank; i < (rank + 1) * s->per_rank; i++)
        if (s->slot[i] == expert)
            return true;
    return false;
}

/* Of two ranks drawn, the lighter one. -1: none that may take from `from`. */
static int draw_light(struct search *s, int from)
{
    int best = -1;
    for (int i = 0; i < 2; i++) {
        int r = (int)ms_rng_below(s->rng, (uint32_t)s->p->n_ranks);
        if (r == from || (s->keeps_nodes && s->p->rank_node[r] != s->p->rank_node[from]))
            continue;
        if (best < 0 || s->rank_load[r] < s->rank_load[best])
            best = r;
    }
    return best;
}

/* One proposal into s->other. @return false: nothing came of it */
static bool propose(struct search *s)
{
    int h = s->fullest;
    if (ms_rng_below(s->rng, 4) == 0)
        h = (int)ms_rng_below(s->rng, (uint32_t)s->p->n_ranks);
    int r = draw_light(s, h);
    int a = h * s->per_rank + (int)ms_rng_below(s->rng, (uint32_t)s->per_rank);
    int b = r < 0 ? a : r * s->per_rank + (int)ms_rng_below(s->rng, (uint32_t)s->per_rank);
    int x = s->slot[a], y = s->slot[b];
    if (x == y || rank_holds(s, r, x))
        return false;
    memcpy(s->other, s->slot, (size_t)s->p->n_slots * sizeof *s->other);
    s->other[b] = x;
    if (s->copies[y] > 1 && ms_rng_below(s->rng, 2) == 0)
        return true; /* a copy that can be spared becomes one of x */
    s->other[a] = y;
    return !rank_holds(s, h, y);
}

/* Does what is proposed keep within the slots that may change? */
static bool within(const struct search *s)
{
    const struct ms_place_problem *p = s->p;
    return s->limit <= 0 ||
           ms_place_moved(p->n_ranks, s->old, p->n_slots, s->other, p->n_slots) <= s->limit;
}

static void improve(struct search *s)
{
    int idle = 0;
    add_loads(s, s->slot);
    for (int i = 0; i < EVALUATIONS && idle < PATIENCE; i++) {
        idle++;
        if (!propose(s) || !within(s) || !take_if_better(s))
            continue;
        idle = 0;
        add_loads(s, s->slot);
    }
}

static bool take(struct search *s, struct ms_arena *a, int **eplb, int **lpt, int **used)
{
    const struct ms_place_problem *p = s->p;
    size_t S = (size_t)p->n_slots, E = (size_t)p->n_experts, G = (size_t)p->n_ranks;
    size_t n = ms_cell(p->n_layers, p->n_slots, 0);
    s->slot = MS_NEW(a, int, S);
    s->other = MS_NEW(a, int, S);
    s->copies = MS_NEW(a, int, E);
    s->rank_load = MS_NEW(a, double, G);
    s->order = MS_NEW(a, int, E > G ? E : G);
    s->settled = MS_NEW(a, char, G);
    *eplb = MS_NEW(a, int, n);
    *lpt = MS_NEW(a, int, n);
    *used = MS_NEW(a, int, G);
    return s->slot && s->other && s->copies && s->rank_load && s->order && s->settled && *eplb &&
           *lpt && *used;
}

static enum ms_status solve(const struct ms_place_problem *given, struct ms_rng *rng,
                            int *slot_expert, struct ms_err *err)
{
    struct ms_place_problem p = *given;
    struct ms_arena arena = {0};
    struct search s = {.p = &p, .rng = rng, .per_rank = p.n_slots / p.n_ranks};
    struct plain plain;
    int *eplb, *lpt, *used;
    s.keeps_nodes = p.node_copies && p.n_groups > 1 && p.n_nodes > 1 &&
                    p.n_groups % p.n_nodes == 0 && p.n_ranks % p.n_nodes == 0 &&
                    p.n_experts % p.n_groups == 0;
    bool ok = take(&s, &arena, &eplb, &lpt, &used) && (p.cost || plain_init(&plain, &p, &arena));
    enum ms_status status =
        ok ? ms_place_eplb.solve(&p, rng, eplb, err) : ms_err_set(err, MS_NOMEM, "out of memory");
    if (status == MS_OK)
        status = ms_place_lpt.solve(&p, rng, lpt, err);
    for (s.layer = 0; s.layer < p.n_layers && status == MS_OK; s.layer++) {
        s.load = p.load + ms_cell(s.layer, p.n_experts, 0);
        s.old = p.old ? p.old + ms_cell(s.layer, p.n_slots, 0) : NULL;
        s.limit = s.old ? p.limit_slots : 0;
        start(&s, eplb, lpt, used);
        improve(&s);
        if (s.old && s.limit <= 0)
            match(&s);
        memcpy(slot_expert + ms_cell(s.layer, p.n_slots, 0), s.slot,
               (size_t)p.n_slots * sizeof *s.slot);
    }
    ms_arena_finish(&arena);
    return status;
}

const struct ms_place_strategy ms_place_search = {
    .name = "search",
    .help = "local search over past batches: the fullest rank and network port under the replica "
            "choice in use",
    .needs_load = 1,
    .plans_shares = 1,
    .heeds_limit = 1,
    .solve = solve,
};
