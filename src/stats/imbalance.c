/* Decides what each measure of imbalance is a formula of; all of them from one sort and one pass
 * over the shares. */
#include "stats/imbalance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROW(member, text)                                                                          \
    {                                                                                              \
#member, text, offsetof(struct ms_imbalance, member)                                       \
    }

const struct ms_imbalance_metric ms_imbalance_metrics[] = {
    ROW(gini, "(n+1 - 2*sum(cumsum(sort p))/sum p)/n"),
    ROW(cv, "std(load)/mean(load), population std"),
    ROW(variance, "mean((p - 1/n)^2), p = load/sum"),
    ROW(entropy, "1 - H(p)/ln n"),
    ROW(max_over_mean, "max(load)/mean(load)"),
    ROW(max_violation, "max/mean - 1 (DeepSeek's MaxVio)"),
    ROW(balancedness, "mean/max (SGLang, vLLM)"),
    ROW(imbalance_ratio, "(max - mean)/mean (TensorRT-LLM)"),
    ROW(min_over_max, "min(load)/max(load)"),
    ROW(top_share, "max(load)/sum(load)"),
    {0},
};

double ms_imbalance_get(const struct ms_imbalance *m, const struct ms_imbalance_metric *which)
{
    return *(const double *)((const char *)m + which->offset);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* p sorted ascending and summing to 1. */
static void fill(struct ms_imbalance *m, const double *p, size_t n)
{
    double cumulated = 0, H = 0, mean = 1.0 / (double)n, top = p[n - 1];
    for (size_t i = 0; i < n; i++) {
        cumulated += (double)(n - i) * p[i];
        m->variance += (p[i] - mean) * (p[i] - mean) / (double)n;
        H -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    }
    m->gini = ((double)n + 1 - 2 * cumulated) / (double)n;
    m->cv = sqrt(m->variance) / mean;
    m->entropy = n > 1 ? 1 - H / log((double)n) : 0;
    m->max_over_mean = top / mean;
    m->max_violation = m->imbalance_ratio = top / mean - 1;
    m->balancedness = mean / top;
    m->min_over_max = p[0] / top;
    m->top_share = top;
}

struct ms_imbalance ms_imbalance_of(const double *load, size_t n, double *scratch)
{
    struct ms_imbalance m = {0};
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += load[i];
    for (size_t i = 0; i < n; i++)
        scratch[i] = sum > 0 ? load[i] / sum : 1.0 / (double)n;
    qsort(scratch, n, sizeof *scratch, ascending);
    fill(&m, scratch, n);
    return m;
}
