/* Decides how the tokens of replicated experts are shared out when everything is known: water-filling
 * over experts until no rank set can be relieved. */
#include "place/split.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { MOST_ROUNDS = 20000, PROVE_EVERY = 4 };

bool ms_copies_init(struct ms_copies *c, struct ms_arena *arena, int n_experts, int n_ranks,
                    int n_slots)
{
    *c = (struct ms_copies){.n_experts = n_experts, .n_ranks = n_ranks, .n_slots = n_slots};
    c->start = MS_NEW(arena, int, (size_t)n_experts + 2);
    c->rank = MS_NEW(arena, int, (size_t)n_slots);
    c->slot = MS_NEW(arena, int, (size_t)n_slots);
    c->times = MS_NEW(arena, int, (size_t)n_slots);
    return c->start && c->rank && c->slot && c->times;
}

void ms_copies_fill(struct ms_copies *c, const int *slot_expert)
{
    int E = c->n_experts, S = c->n_slots, n = 0;
    memset(c->start, 0, ((size_t)E + 2) * sizeof *c->start);
    for (int i = 0; i < S; i++)
        if (slot_expert[i] >= 0)
            c->start[slot_expert[i] + 2]++;
    for (int e = 0; e < E; e++)
        c->start[e + 2] += c->start[e + 1];
    for (int i = 0; i < S; i++)
        if (slot_expert[i] >= 0)
            c->slot[c->start[slot_expert[i] + 1]++] = i;
    for (int e = 0, from = 0; e < E; e++) { /* slots rise, so those of a rank are neighbours */
        int to = c->start[e + 1], first = n;
        for (int i = from; i < to; i++) {
            int r = (int)((int64_t)c->slot[i] * c->n_ranks / S);
            if (n > first && c->rank[n - 1] == r) {
                c->times[n - 1]++;
                continue;
            }
            c->slot[n] = c->slot[i];
            c->rank[n] = r;
            c->times[n++] = 1;
        }
        from = to;
        c->start[e + 1] = n;
    }
}

bool ms_split_init(struct ms_split *s, struct ms_arena *arena, int n_ranks, int n_slots)
{
    s->arena = arena;
    s->order = MS_NEW(arena, int, (size_t)n_slots);
    s->replicated = MS_NEW(arena, int, (size_t)n_slots);
    s->base = MS_NEW(arena, double, (size_t)n_slots);
    s->full = MS_NEW(arena, bool, (size_t)n_ranks);
    return s->order && s->replicated && s->base && s->full;
}

/* fmax is a call that asks for NaN; loads have none. */
static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

/* The load of one expert poured over its ranks, lightest first. @return the most a part changed */
static double pour(const struct ms_copies *c, int e, double load, const struct ms_split *scratch,
                   double *part, double *rank_load)
{
    int first = c->start[e], n = c->start[e + 1] - first, used = 0, *order = scratch->order;
    double level = 0, below = load, change = 0, *base = scratch->base;
    for (int i = 0; i < n; i++) { /* its ranks by what they hold of others */
        int k = first + i, at = i;
        double without = rank_load[c->rank[k]] - part[k];
        for (; at > 0 && base[at - 1] > without; at--) {
            order[at] = order[at - 1];
            base[at] = base[at - 1];
        }
        order[at] = k;
        base[at] = without;
    }
    while (used < n) { /* one more rank under water as long as the level reaches it */
        if (used > 0 && base[used] >= level)
            break;
        below += base[used];
        level = below / ++used;
    }
    for (int i = 0; i < n; i++) {
        int k = order[i];
        double is = i < used ? larger(level - base[i], 0) : 0;
        change = larger(change, fabs(is - part[k]));
        part[k] = is;
        rank_load[c->rank[k]] = base[i] + is;
    }
    return change;
}

static double largest(const double *v, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        most = larger(most, v[i]);
    return most;
}

/* No split can bring the fullest rank below the mean of a set of ranks over what only they hold. */
static double proven(const struct ms_copies *c, const double *load, const double *rank_load,
                     double from, bool *full)
{
    int n_full = 0;
    double only = 0;
    for (int r = 0; r < c->n_ranks; r++) {
        full[r] = rank_load[r] >= from;
        n_full += full[r];
    }
    for (int e = 0; e < c->n_experts; e++) {
        bool inside = true;
        for (int k = c->start[e]; k < c->start[e + 1] && inside; k++)
            inside = full[c->rank[k]];
        only += inside ? load[e] : 0;
    }
    return n_full ? only / n_full : 0;
}

static bool still(const struct ms_copies *c, const double *load, const double *rank_load,
                  double tolerance, bool *full)
{
    double most = largest(rank_load, c->n_ranks);
    for (double margin = tolerance; margin < 1e-2; margin *= 10)
        if (proven(c, load, rank_load, most * (1 - margin), full) >= most * (1 - tolerance))
            return true;
    return false;
}

double ms_split_balanced(const struct ms_copies *c, const double *load, double tolerance,
                         struct ms_split *scratch, double *part, double *rank_load)
{
    int E = c->n_experts, n = 0;
    double all = 0;
    memset(rank_load, 0, (size_t)c->n_ranks * sizeof *rank_load);
    for (int e = 0; e < E; e++) {
        all += load[e];
        for (int k = c->start[e]; k < c->start[e + 1]; k++)
            part[k] = 0;
        if (c->start[e + 1] - c->start[e] == 1) {
            part[c->start[e]] = load[e];
            rank_load[c->rank[c->start[e]]] += load[e];
        } else if (load[e] > 0) {
            scratch->replicated[n++] = e;
        }
    }
    for (int round = 0; round < MOST_ROUNDS; round++) {
        double change = 0;
        for (int i = 0; i < n; i++) {
            int e = scratch->replicated[round % 2 ? n - 1 - i : i];
            change = larger(change, pour(c, e, load[e], scratch, part, rank_load));
        }
        if (change <= 1e-13 * all)
            break;
        if (round % PROVE_EVERY == PROVE_EVERY - 1 &&
            still(c, load, rank_load, tolerance, scratch->full))
            break;
    }
    return largest(rank_load, c->n_ranks);
}
