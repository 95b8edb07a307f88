/* Which flows end next at the rates just computed: one pass over all flows, which takes off what
 * the rates before served on its way. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "sim/fluid/fluid_comp.h"

enum { CHUNK = 1 << 14, PARALLEL = 1 << 16 };

struct piece { /* of a bucket: all served, or none */
    struct ms_fluid_kernel_args a;
    uint32_t begin, end, found;
    double first;
};

struct pass {
    struct piece *piece;
    size_t n;
};

const struct ms_fluid_isa *ms_fluid_isa_of_this_cpu(void)
{
    static const struct ms_fluid_isa base = {ms_fluid_fill_base, ms_fluid_weighted_fill_base,
                                             ms_fluid_kernel_base};
#if defined(__x86_64__)
    static const struct ms_fluid_isa avx512 = {ms_fluid_fill_avx512, ms_fluid_weighted_fill_avx512,
                                               ms_fluid_kernel_avx512};
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return &avx512;
#endif
    return &base;
}

static size_t cut_pieces(struct ms_fluid_comp *c, struct piece *out, double window)
{
    size_t n = 0, cand = 0;
    for (uint32_t k = 1; k <= c->k_max; k++) {
        struct ms_fluid_bucket *b = c->by_k[k];
        for (uint32_t at = 0, end; b && at < b->n; at = end) {
            bool serve = c->serving && at < b->n_served;
            end = serve ? b->n_served : b->n;
            end = end - at > CHUNK ? at + CHUNK : end;
            if (out) {
                out[n] = (struct piece){{.k = k,
                                         .link = b->link,
                                         .left = b->left,
                                         .level = c->level,
                                         .credit = c->crediting ? c->credit : NULL,
                                         .per_s = 1 / c->cut_s,
                                         .serve = serve ? c->serve : NULL,
                                         .window = window,
                                         .window_rel = MS_FLUID_SAME,
                                         .cand_t = c->cand_t + cand,
                                         .cand_flow = c->cand_flow + cand},
                                        at,
                                        end,
                                        0,
                                        INFINITY};
            }
            cand += end - at;
            n++;
        }
    }
    return n;
}

static void run_piece(void *ctx, size_t item, int thread)
{
    struct pass *p = ctx;
    struct piece *w = &p->piece[item];
    w->found = ms_fluid_isa_of_this_cpu()->kernel(&w->a, w->begin, w->end, &w->first);
}

/* Pieces start from the smallest time of those before where one thread runs them; what remains
 * after the last filter is the same. */
static double run_all(struct pass *p, struct ms_pool *pool, uint64_t n_flows)
{
    double first = INFINITY;
    if (pool && n_flows >= PARALLEL) {
        ms_pool_run(pool, p->n, run_piece, p);
    } else {
        for (size_t i = 0; i < p->n; i++) {
            p->piece[i].first = first;
            run_piece(p, i, 0);
            first = p->piece[i].first;
        }
    }
    for (size_t i = 0; i < p->n; i++)
        first = fmin(first, p->piece[i].first);
    return first;
}

static bool keep_ending(struct ms_fluid_comp *c, const struct piece *w, double bound)
{
    const struct ms_fluid_bucket *b = c->by_k[w->a.k];
    if (!ms_fluid_grow(&c->ending, &c->ending_cap, c->n_ending + w->found, sizeof *c->ending))
        return false;
    for (uint32_t i = 0; i < w->found; i++) {
        uint32_t flow = w->a.cand_flow[i];
        if (w->a.cand_t[i] > bound)
            continue;
        double finish = c->solved_s + w->a.cand_t[i];
        c->ending[c->n_ending++] = (struct ms_fluid_ending){
            finish, w->a.k, flow, {b->sink[flow], b->also ? b->also[flow] : MS_FLUID_NONE}};
        c->end_s = finish > c->end_s ? finish : c->end_s;
    }
    return true;
}

bool ms_fluid_reserve_candidates(struct ms_fluid_comp *c, size_t need)
{
    if (need <= c->cand_cap)
        return true;
    need += need / 2;
    free(c->cand_t), free(c->cand_flow);
    c->cand_t = malloc(need * sizeof *c->cand_t);
    c->cand_flow = malloc(need * sizeof *c->cand_flow);
    c->cand_cap = c->cand_t && c->cand_flow ? need : 0;
    return c->cand_cap > 0;
}

double ms_fluid_window(const struct ms_fluid_comp *c, double quantum_s)
{
    double same = MS_FLUID_SAME * (c->solved_s - c->busy_s) + 1e-15 * c->solved_s;
    return quantum_s > same ? quantum_s : same;
}

bool ms_fluid_pass(struct ms_fluid_comp *c, double quantum_s, struct ms_pool *pool)
{
    double window = ms_fluid_window(c, quantum_s);
    struct piece few[32];
    size_t n = 0;
    for (uint32_t k = 1; k <= c->k_max; k++)
        n += c->by_k[k] ? c->by_k[k]->n : 0;
    bool fine = ms_fluid_reserve_candidates(c, n);
    struct pass p = {few, fine ? cut_pieces(c, NULL, 0) : 0};
    if (p.n > sizeof few / sizeof *few && !(p.piece = malloc(p.n * sizeof *p.piece)))
        fine = false;
    if (!fine)
        return false;
    cut_pieces(c, p.piece, window);
    double first = run_all(&p, pool, c->n_live);
    c->end_s = first < MS_FLUID_FOREVER ? c->solved_s : INFINITY;
    for (size_t i = 0; first < MS_FLUID_FOREVER && i < p.n; i++)
        fine = fine && keep_ending(c, &p.piece[i], first + fmax(window, MS_FLUID_SAME * first));
    for (uint32_t k = 1; k <= c->k_max; k++) {
        if (c->by_k[k])
            c->by_k[k]->n_served = c->by_k[k]->n;
    }
    c->serving = false;
    if (p.piece != few)
        free(p.piece);
    return fine;
}
