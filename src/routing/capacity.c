/* Decides which selections a holder that is over its capacity loses: the least likely ones, or the
 * last. */
#include "routing/capacity.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

int64_t ms_capacity(double factor, int top_k, int64_t n_tokens, int n_holders)
{
    /* The product of a factor such as 1.1 may lie a rounding error above a whole number. */
    double c = factor * top_k * (double)n_tokens / n_holders;
    return (int64_t)ceil(c - 1e-9 * c);
}

struct entry {
    float prob;
    uint32_t at;
};

/* Best first; the earlier entry first among equals. */
static bool before(struct entry x, struct entry y)
{
    return x.prob != y.prob ? x.prob > y.prob : x.at < y.at;
}

static void swap(struct entry *e, size_t a, size_t b)
{
    struct entry t = e[a];
    e[a] = e[b];
    e[b] = t;
}

/* Order e [n] so far that the best `most` stand in front (Hoare's selection). */
static void best_to_front(struct entry *e, size_t n, size_t most)
{
    size_t low = 0, high = n;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2, end = low;
        swap(e, mid, high - 1);
        for (size_t i = low; i < high - 1; i++)
            if (before(e[i], e[high - 1]))
                swap(e, i, end++);
        swap(e, end, high - 1);
        if (end == most)
            return;
        if (end < most)
            low = end + 1;
        else
            high = end;
    }
}

enum ms_status ms_capacity_drop(const struct ms_capacity_problem *p, uint16_t none,
                                uint16_t *selection, int64_t *dropped, struct ms_err *err)
{
    size_t H = (size_t)p->n_holders;
    size_t *start = calloc(H + 3, sizeof *start);
    struct entry *entry = malloc((p->n + 1) * sizeof *entry);
    *dropped = 0;
    if (!start || !entry) {
        free(start);
        free(entry);
        return ms_err_set(err, MS_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < p->n; i++)
        start[p->holder[i] + 2]++;
    for (size_t h = 0; h <= H; h++)
        start[h + 2] += start[h + 1];
    for (size_t i = 0; i < p->n; i++)
        entry[start[p->holder[i] + 1]++] = (struct entry){p->prob ? p->prob[i] : 0, (uint32_t)i};
    for (size_t h = 0; h < H; h++) {
        size_t count = start[h + 1] - start[h];
        if (count <= (size_t)p->most)
            continue;
        if (p->policy == MS_DROP_PROBS)
            best_to_front(entry + start[h], count, (size_t)p->most);
        for (size_t i = start[h] + (size_t)p->most; i < start[h + 1]; i++)
            selection[entry[i].at] = none;
        *dropped += (int64_t)count - p->most;
    }
    free(start);
    free(entry);
    return MS_OK;
}
