/* The frame every router runs in: score, choose, capacity, sort, weigh, and the gradient of the
 * weights. */
#include "moe/router.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { CHUNK = 128 }; /* tokens of one work item */

struct call {
    const struct ms_router *router;
    const struct ms_route_problem *p;
    struct ms_router_work *w;
    struct ms_routes *r;
    const struct ms_routes *done; /* backward: r is not written */
    enum ms_score score;
    bool renormalise;
    float scale;
    const float *dweight;
    float *dlogits, *dnoise;
};

static bool is_renormalised(const struct ms_router *router, const struct ms_route_problem *p)
{
    int how = p->params.weights == MS_WEIGHTS_DEFAULT ? (int)router->weights : p->params.weights;
    /* DeepSeek-V2 weighs with the plain softmax, V3 renormalises its sigmoids */
    if (p->params.weights == MS_WEIGHTS_DEFAULT && how == MS_WEIGHTS_UNNORMALISED &&
        router->score == MS_SCORE_SOFTMAX &&
        ms_router_score(router, &p->params, p->K) == MS_SCORE_SIGMOID && p->K > 1)
        how = MS_WEIGHTS_RENORMALISED;
    if (how == MS_WEIGHTS_OWN)
        how = p->own_weights;
    return how != MS_WEIGHTS_UNNORMALISED;
}

static struct call call_of(const struct ms_router *router, const struct ms_route_problem *p,
                           struct ms_router_work *w)
{
    return (struct call){.router = router,
                         .p = p,
                         .w = w,
                         .score = ms_router_score(router, &p->params, p->K),
                         .renormalise = is_renormalised(router, p),
                         .scale = (float)p->params.scale};
}

static void softmax_row(const float *z, float *s, int E)
{
    float top = z[0], sum = 0;
    for (int e = 1; e < E; e++)
        top = z[e] > top ? z[e] : top;
    for (int e = 0; e < E; e++)
        sum += s[e] = expf(z[e] - top);
    for (int e = 0; e < E; e++)
        s[e] /= sum;
}

static void sigmoid_row(const float *z, float *s, float *prob, int E)
{
    float sum = 0;
    for (int e = 0; e < E; e++)
        sum += s[e] = 1 / (1 + expf(-z[e]));
    for (int e = 0; e < E; e++)
        prob[e] = sum > 0 ? s[e] / sum : 1 / (float)E;
}

/* Put every group but the best `limit` at -infinity. score: [groups], scratch */
static void mask_groups(float *choice, int E, const struct ms_router_params *q, float *score)
{
    int n = (int)q->groups, size = E / n;
    for (int g = 0; g < n; g++) {
        float best = -INFINITY, second = -INFINITY;
        for (int e = g * size; e < (g + 1) * size; e++) {
            float v = choice[e];
            if (v > best) {
                second = best;
                best = v;
            } else if (v > second) {
                second = v;
            }
        }
        score[g] = q->group_score == MS_GROUP_TOP2_SUM && size > 1 ? best + second : best;
    }
    for (int g = 0; g < n; g++) {
        int better = 0;
        for (int h = 0; h < n; h++)
            better += score[h] > score[g] || (score[h] == score[g] && h < g);
        if (better >= q->group_limit)
            for (int e = g * size; e < (g + 1) * size; e++)
                choice[e] = -INFINITY;
    }
}

static void score_chunk(void *ctx, size_t item, int thread)
{
    struct call *c = ctx;
    const struct ms_route_problem *p = c->p;
    struct ms_routes *r = c->r;
    int E = p->E, first = (int)item * CHUNK, last = first + CHUNK < p->T ? first + CHUNK : p->T;
    bool groups = p->params.groups > 1 && p->params.group_limit > 0 &&
                  p->params.group_limit < p->params.groups;
    if (r->has_noise)
        c->router->perturb(p, r, first, last);
    for (int t = first; t < last; t++) {
        size_t row = (size_t)t * (size_t)E;
        const float *z = (r->has_noise ? r->noisy : p->logits) + row;
        float *choice = c->w->choice + row;
        if (c->score == MS_SCORE_SIGMOID)
            sigmoid_row(z, r->score + row, r->prob + row, E);
        else
            softmax_row(z, r->score + row, E);
        if (c->score == MS_SCORE_SOFTMAX && r->prob != r->score)
            softmax_row(p->logits + row, r->prob + row, E);
        memcpy(choice, r->score + row, (size_t)E * sizeof *choice);
        if (p->bias && c->score == MS_SCORE_SIGMOID)
            for (int e = 0; e < E; e++)
                choice[e] += p->bias[e];
        if (groups)
            mask_groups(choice, E, &p->params, c->w->wide + row);
    }
}

static void choose_chunk(void *ctx, size_t item, int thread)
{
    struct call *c = ctx;
    int E = c->p->E, K = c->p->K;
    int first = (int)item * CHUNK, last = first + CHUNK < c->p->T ? first + CHUNK : c->p->T;
    for (int t = first; t < last; t++) {
        const float *v = c->w->choice + (size_t)t * (size_t)E;
        int32_t *best = c->w->pair_expert + (size_t)t * (size_t)K;
        int n = 0;
        for (int e = 0; e < E; e++) {
            if (!(v[e] > -INFINITY) || (n == K && !(v[e] > v[best[K - 1]])))
                continue;
            int at = n < K ? n++ : K - 1;
            for (; at > 0 && v[e] > v[best[at - 1]]; at--)
                best[at] = best[at - 1];
            best[at] = e;
        }
        for (int j = 0; j < K; j++) {
            if (j >= n)
                best[j] = -1;
            c->w->pair_token[(size_t)t * (size_t)K + (size_t)j] = t;
        }
    }
}

static size_t chunks(int T)
{
    return ((size_t)T + CHUNK - 1) / CHUNK;
}

void ms_router_choose_top_k(const struct ms_route_problem *p, struct ms_router_work *w)
{
    struct call c = {.p = p, .w = w};
    ms_pool_run(p->pool, chunks(p->T), choose_chunk, &c);
    w->n_pairs = p->T * p->K;
}

/* A total order also with NaN, which comes last: quickselect relies on it. */
static bool better(int32_t a, int32_t b, const float *value, size_t stride)
{
    float x = value[(size_t)a * stride], y = value[(size_t)b * stride];
    x = x >= -INFINITY ? x : -INFINITY;
    y = y >= -INFINITY ? y : -INFINITY;
    return x > y || (x == y && a < b);
}

void ms_router_select_best(int32_t *items, int n, int keep, const float *value, size_t stride)
{
    int low = 0, high = n - 1;
    while (low < high && keep > low && keep <= high) {
        int32_t pivot = items[low + (high - low) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (better(items[i], pivot, value, stride))
                i++;
            while (better(pivot, items[j], value, stride))
                j--;
            if (i <= j) {
                int32_t swap = items[i];
                items[i++] = items[j];
                items[j--] = swap;
            }
        }
        if (keep <= j)
            high = j;
        else if (keep > i)
            low = i;
        else
            return; /* the border lies between the parts */
    }
}

/* Decide which chosen pairs are computed: w->kept. list: the pairs sorted by expert, start
 * [E+1]. */
static void apply_capacity(const struct ms_route_problem *p, struct ms_router_work *w,
                           struct ms_routes *r, const int32_t *list, const int32_t *start)
{
    int E = p->E, C = ms_router_capacity(p->params.capacity_factor, p->T, E, p->K);
    memset(w->kept, 1, (size_t)w->n_pairs);
    for (int e = 0; e < E; e++) {
        int n = start[e + 1] - start[e];
        if (n <= C)
            continue;
        int32_t *tokens =
            w->order2; /* of this expert, ascending; the pair of token i is found again in `list` */
        for (int i = 0; i < n; i++)
            tokens[i] = w->pair_token[list[start[e] + i]];
        if (p->params.drop_policy == MS_DROP_PROBS)
            ms_router_select_best(tokens, n, C, r->score + e, (size_t)E);
        uint8_t *out = w->dropped;
        for (int i = C; i < n; i++)
            out[tokens[i]] = 1;
        for (int i = 0; i < n; i++)
            w->kept[list[start[e] + i]] = !out[w->pair_token[list[start[e] + i]]];
        for (int i = C; i < n; i++)
            out[tokens[i]] = 0;
    }
}

/* Pairs in the order (kept first, expert, token), with both indices. */
static void sort_pairs(const struct ms_route_problem *p, struct ms_router_work *w,
                       struct ms_routes *r)
{
    int E = p->E, T = p->T;
    int32_t *start = w->counts, *list = w->order;
    memset(start, 0, (size_t)(E + 2) * sizeof *start);
    for (int i = 0; i < w->n_pairs; i++)
        if (w->pair_expert[i] >= 0)
            start[w->pair_expert[i] + 2]++;
    for (int e = 0; e < E; e++) {
        r->selected[e] = start[e + 2];
        start[e + 2] += start[e + 1];
    }
    for (int i = 0; i < w->n_pairs; i++)
        if (w->pair_expert[i] >= 0)
            list[start[w->pair_expert[i] + 1]++] = i;
    apply_capacity(p, w, r, list, start); /* start[e] .. start[e+1] now bound expert e */
    r->n_selected = start[E];
    int n = 0;
    for (int kept = 1; kept >= 0; kept--) {
        for (int e = 0; e < E; e++) {
            if (kept)
                r->expert_start[e] = n;
            for (int i = start[e]; i < start[e + 1]; i++) {
                if (w->kept[list[i]] != kept)
                    continue;
                r->expert[n] = e;
                r->token[n++] = w->pair_token[list[i]];
            }
        }
        if (kept)
            r->n = r->expert_start[E] = n;
    }
    memset(r->token_start, 0, (size_t)(T + 1) * sizeof *r->token_start);
    for (int i = 0; i < n; i++)
        r->token_start[r->token[i] + 1]++;
    for (int t = 0; t < T; t++)
        r->token_start[t + 1] += r->token_start[t];
    int32_t *at = w->counts;
    memcpy(at, r->token_start, (size_t)T * sizeof *at);
    for (int i = 0; i < n; i++)
        r->token_pair[at[r->token[i]]++] = i;
}

static void weigh_chunk(void *ctx, size_t item, int thread)
{
    struct call *c = ctx;
    struct ms_routes *r = c->r;
    int first = (int)item * CHUNK, last = first + CHUNK < c->p->T ? first + CHUNK : c->p->T;
    for (int t = first; t < last; t++) {
        const float *s = r->score + (size_t)t * (size_t)c->p->E;
        float sum = 0;
        for (int i = r->token_start[t]; i < r->token_start[t + 1]; i++)
            sum += s[r->expert[r->token_pair[i]]];
        float factor = !c->renormalise ? c->scale : sum > 0 ? c->scale / sum : 0;
        for (int i = r->token_start[t]; i < r->token_start[t + 1]; i++) {
            int pair = r->token_pair[i];
            r->weight[pair] = pair < r->n ? s[r->expert[pair]] * factor : 0;
        }
    }
}

void ms_router_forward(const struct ms_router *router, const struct ms_route_problem *p,
                       struct ms_router_work *w, struct ms_routes *r)
{
    assert(p->E == r->E && p->T <= w->T && p->K <= w->K);
    struct call c = call_of(router, p, w);
    c.r = r;
    r->T = p->T;
    r->K = p->K;
    r->has_noise = router->perturb && p->train;
    ms_pool_run(p->pool, chunks(p->T), score_chunk, &c);
    router->choose(p, w, r);
    assert(w->n_pairs <= w->cap);
    sort_pairs(p, w, r);
    ms_pool_run(p->pool, chunks(p->T), weigh_chunk, &c);
}

/* dweight of a token's pairs -> ds over its experts: w = scale * s / S has dw_i/ds_j = scale *
 * (d_ij - s_i/S) / S. */
static void score_gradient(const struct call *c, int t, float *ds)
{
    const struct ms_routes *r = c->done;
    const float *s = r->score + (size_t)t * (size_t)c->p->E;
    float sum = 0, mean = 0;
    for (int i = r->token_start[t]; i < r->token_start[t + 1]; i++) {
        int pair = r->token_pair[i], e = r->expert[pair];
        float g = pair < r->n ? c->dweight[pair] * c->scale : 0;
        sum += s[e];
        mean += g * s[e];
        ds[e] += g;
    }
    if (!c->renormalise)
        return;
    for (int i = r->token_start[t]; i < r->token_start[t + 1]; i++) {
        int e = r->expert[r->token_pair[i]];
        ds[e] = sum > 0 ? (ds[e] - mean / sum) / sum : 0;
    }
}

static void backward_chunk(void *ctx, size_t item, int thread)
{
    struct call *c = ctx;
    const struct ms_routes *r = c->done;
    const struct ms_route_problem *p = c->p;
    int E = p->E, first = (int)item * CHUNK, last = first + CHUNK < p->T ? first + CHUNK : p->T;
    for (int t = first; t < last; t++) {
        size_t row = (size_t)t * (size_t)E;
        const float *s = r->score + row;
        float *d = c->w->wide + row;
        memset(d, 0, (size_t)E * sizeof *d);
        score_gradient(c, t, d);
        float dot = 0;
        for (int e = 0; e < E; e++)
            dot += d[e] * s[e];
        for (int e = 0; e < E; e++) {
            d[e] = s[e] * (c->score == MS_SCORE_SIGMOID ? (1 - s[e]) * d[e] : d[e] - dot);
            c->dlogits[row + (size_t)e] += d[e];
        }
        if (!c->dnoise || !r->has_noise || !p->noise_logits)
            continue;
        for (int e = 0; e < E; e++) { /* H = z + draw * softplus(n) */
            size_t i = row + (size_t)e;
            float draw = (r->noisy[i] - p->logits[i]) / r->noise_std[i];
            c->dnoise[i] += d[e] * draw / (1 + expf(-p->noise_logits[i]));
        }
    }
}

void ms_router_backward(const struct ms_router *router, const struct ms_route_problem *p,
                        struct ms_router_work *w, const struct ms_routes *r, const float *dweight,
                        float *dlogits, float *dnoise)
{
    struct call c = call_of(router, p, w);
    c.done = r;
    c.dweight = dweight;
    c.dlogits = dlogits;
    c.dnoise = dnoise;
    ms_pool_run(p->pool, chunks(p->T), backward_chunk, &c);
}

void ms_router_bias_update(float *bias, const int32_t *load, int E, double gamma)
{
    double sum = 0;
    for (int e = 0; e < E; e++)
        sum += load[e];
    for (int e = 0; e < E; e++) {
        double gap = sum / E - load[e];
        bias[e] += (float)(gap > 0 ? gamma : gap < 0 ? -gamma : 0);
    }
}
