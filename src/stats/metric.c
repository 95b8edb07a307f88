/* Which numbers of a record are answers that results can be compared by, and what each is. */
#include "stats/metric.h"

#define TIMES(series, help)                                                                        \
    {series ".p50_us", help}, {series ".p95_us", NULL}, {series ".p99_us", NULL},                  \
        {series ".max_us", NULL},                                                                  \
    {                                                                                              \
        series ".mean_us", NULL                                                                    \
    }

/* clang-format off */
const struct ms_metric ms_metrics[] = {
    TIMES("exchange", "dispatch + combine of one (repeat, step, layer, group): the sum of the two below"),
    TIMES("dispatch", "tokens to the experts: last completion - last entry"),
    TIMES("combine", "results back: last completion - last entry"),
    TIMES("rank", "a rank's own dispatch + combine"),
    TIMES("layer", "first dispatch entry to last combine completion, compute and waiting included"),
    TIMES("step", "all layers"),
    {"step.tokens_per_s", "tokens of all ranks over the mean time of a step"},
    {"step.exposed_share", "share of a step in which a rank does not compute, mean over ranks"},
    TIMES("request.mean_step", "a request's mean step time"),
    TIMES("request.worst_step", "its worst step, where steps decode requests"),
    TIMES("request.first_token", "a prompt's time to its first token: the prefill step it is in"),
    {"variance.layer", "share of the exchange time's variance between layers"},
    {"variance.batch", "share between batches (steps of a repeat: their requests)"},
    {"variance.within", "share that is neither (tokens, network)"},
    {"entry_skew_us", "last - first dispatch entry, mean"},
    {"slowdown.vs_balanced_p50", "p50 of the case / p50 of its balanced twin"},
    {"slowdown.vs_balanced_p99", "p99 of the case / p99 of its balanced twin"},
    {"bytes.network", "payload over hops that leave a node"},
    {"bytes.intra_node", "payload between GPUs of one node"},
    {"bytes.local", "copies whose expert sits on their own rank: they never move"},
    {"imbalance.gini", "(n+1 - 2*sum(cumsum(sort p))/sum p)/n of tokens per expert"},
    {"imbalance.cv", "std(load)/mean(load), population std"},
    {"imbalance.variance", "mean((p - 1/n)^2), p = load/sum"},
    {"imbalance.entropy", "1 - H(p)/ln n"},
    {"imbalance.max_over_mean", "tokens of the busiest expert over the mean"},
    {"imbalance.rank_max_over_mean", "selections computed by the busiest rank over the mean"},
    {"imbalance.dropped_share", "selections dropped by capacity over those asked for"},
    {"remote_copies_per_token", "other ranks that a token goes to, mean over tokens"},
    {NULL, NULL},
};
/* clang-format on */

size_t ms_metric_names(const char **out, size_t cap)
{
    size_t n = 0;
    for (; ms_metrics[n].name; n++)
        if (out && n < cap)
            out[n] = ms_metrics[n].name;
    return n;
}
