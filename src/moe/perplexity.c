/* Runs a model over the windows of a text in batches and sums up cross-entropy, tokens by expert
 * and the chosen experts. */
#include "moe/perplexity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ms_windows ms_windows_of(const int32_t *id, size_t n, int N)
{
    return (struct ms_windows){id, (size_t)N, n > 0 ? (n - 1) / (size_t)N : 0, N};
}

static void fill(const struct ms_windows *w, size_t window, int32_t *tokens, int32_t *targets)
{
    const int32_t *id = w->id + window * w->stride;
    memcpy(tokens, id, (size_t)w->N * sizeof *tokens);
    memcpy(targets, id + 1, (size_t)w->N * sizeof *targets);
}

static void count(const struct ms_model *m, struct ms_perplexity *out)
{
    int L = ms_model_moe_layers(m), E = ms_model_config(m)->experts;
    const struct ms_routes *r = ms_model_routes(m);
    for (int l = 0; l < L; l++)
        for (int e = 0; e < E; e++)
            out->counts[(size_t)l * (size_t)E + (size_t)e] += r[l].selected[e];
}

static void keep_choices(const struct ms_model *m, struct ms_perplexity *out)
{
    size_t L = (size_t)ms_model_moe_layers(m), K = (size_t)ms_model_config(m)->top_k;
    const struct ms_routes *r = ms_model_routes(m);
    for (size_t l = 0; l < L; l++)
        for (int t = 0; t < r[l].T; t++)
            for (int i = r[l].token_start[t], k = 0; i < r[l].token_start[t + 1]; i++, k++)
                out->choices[(((size_t)out->tokens + (size_t)t) * L + l) * K + (size_t)k] =
                    (uint16_t)r[l].expert[r[l].token_pair[i]];
}

enum ms_status ms_perplexity_run(struct ms_model *m, const struct ms_windows *w, int B,
                                 size_t max_windows, uint64_t seed, struct ms_perplexity *out,
                                 struct ms_err *err)
{
    size_t N = (size_t)w->N, n = w->n_windows;
    enum ms_status s = MS_OK;
    double sum = 0;
    if (max_windows > 0 && n > max_windows)
        n = max_windows;
    int32_t *tokens = malloc(2 * (size_t)B * N * sizeof *tokens);
    if (!tokens)
        return ms_err_set(err, MS_NOMEM, "no memory for %d windows of %d tokens", B, w->N);
    out->tokens = 0;
    for (size_t first = 0; first < n && !s; first += (size_t)B) {
        size_t rows = n - first < (size_t)B ? n - first : (size_t)B;
        int32_t *targets = tokens + rows * N;
        for (size_t b = 0; b < rows; b++)
            fill(w, first + b, tokens + b * N, targets + b * N);
        struct ms_model_input in = {
            .B = (int)rows, .T = w->N, .tokens = tokens, .targets = targets};
        in.seed = seed;
        in.first_token = first * N;
        s = ms_model_forward(m, &in, NULL, err);
        if (s)
            break;
        const float *nll = ms_model_nll(m);
        for (size_t i = 0; nll && i < rows * N; i++)
            sum += (double)nll[i];
        if (out->counts)
            count(m, out);
        if (out->choices)
            keep_choices(m, out);
        if (out->batch)
            s = out->batch(out->ctx, m, &in, err);
        out->tokens += (int64_t)(rows * N);
    }
    free(tokens);
    out->ce = out->tokens > 0 ? sum / (double)out->tokens : 0;
    out->ppl = exp(out->ce);
    return s;
}
