/* Decides which selections an expert that is over its capacity loses: the least likely ones, or the
 * last. */
#include "routing/capacity.h"

#include <math.h>
#include <stdlib.h>

int64_t ms_capacity(double factor, int top_k, int64_t n_tokens, int n_experts)
{
    /* The product of a factor such as 1.1 may lie a rounding error above a whole number. */
    double c = factor * top_k * (double)n_tokens / n_experts;
    return (int64_t)ceil(c - 1e-9 * c);
}

struct entry {
    float prob;
    int at;
};

/* Best first; the earlier entry first among equals. */
static int by_prob(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->prob != y->prob)
        return x->prob < y->prob ? 1 : -1;
    return x->at - y->at;
}

static int by_position(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->at - y->at;
}

enum ms_status ms_capacity_drop(const struct ms_model_shape *m, int64_t capacity, int policy, int n,
                                uint16_t *chosen, const float *prob, int64_t *dropped,
                                struct ms_err *err)
{
    int E = m->experts, total = n * m->top_k;
    *dropped = 0;
    int *start = calloc((size_t)E + 2, sizeof *start);
    struct entry *entry = malloc(((size_t)total + 1) * sizeof *entry);
    if (!start || !entry) {
        free(start);
        free(entry);
        return ms_err_set(err, MS_NOMEM, "out of memory");
    }
    for (int i = 0; i < total; i++)
        start[chosen[i] + 2]++;
    for (int e = 0; e < E; e++)
        start[e + 2] += start[e + 1];
    for (int i = 0; i < total; i++)
        entry[start[chosen[i] + 1]++] = (struct entry){prob ? prob[i] : 0, i};
    for (int e = 0; e < E; e++) {
        int count = start[e + 1] - start[e];
        if (count <= capacity)
            continue;
        qsort(entry + start[e], (size_t)count, sizeof *entry,
              policy == MS_DROP_PROBS ? by_prob : by_position);
        for (int i = start[e] + (int)capacity; i < start[e + 1]; i++)
            chosen[entry[i].at] = (uint16_t)E;
        *dropped += count - capacity;
    }
    free(start);
    free(entry);
    return MS_OK;
}
