/* Decides which loads a placement is computed from: another draw of the same popularity, never the
 * tokens it is scored on. One placement serves all groups whose ranks sit alike. */
#include <stdlib.h>

#include "demand/demand_int.h"
#include "routing/sample.h"

enum { SAMPLE_TOKENS = 16384 }; /* that a placement sees of a layer */

static enum ms_status solve(struct ms_demand *d, const double *load, uint64_t stream,
                            struct ms_err *err)
{
    for (int q = 0; q < d->Q; q++) {
        if (d->group_placement[q] != q)
            continue;
        struct ms_place_problem p = {.n_layers = d->L,
                                     .n_experts = d->E,
                                     .n_ranks = d->G,
                                     .n_slots = d->S,
                                     .n_nodes = d->group_nodes[q],
                                     .n_groups = d->in.model->groups,
                                     .load = load,
                                     .map = d->strategy->needs_map ? &d->map : NULL,
                                     .moe_layers = d->in.model->moe_layers,
                                     .rank_node = ms_demand_rank_node(d, q)};
        struct ms_rng rng;
        ms_rng_init(&rng, d->in.seed, "placement", stream, 0, 0);
        struct ms_placement fresh = {0};
        enum ms_status s = ms_place_solve(d->strategy, &p, &rng, &fresh, err);
        if (s != MS_OK)
            return s;
        ms_place_finish(&d->placement[q]);
        d->placement[q] = fresh;
    }
    return MS_OK;
}

static enum ms_status find_strategy(struct ms_demand *d, struct ms_err *err)
{
    const char *name = d->in.place->strategy, *names[64];
    char allowed[512];
    size_t n = 0;
    d->strategy = ms_place_find(name);
    if (d->strategy)
        return MS_OK;
    for (const struct ms_place_strategy *const *s = ms_place_strategies(); *s && n < 64; s++)
        names[n++] = (*s)->name;
    return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.strategy", "'%s' is not a placement%s",
                     name, ms_allowed(allowed, sizeof allowed, name, names, n));
}

/* The map of a strategy that copies one: it says how many slots there are. */
static enum ms_status read_map(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_place_params *p = d->in.place;
    if (!d->strategy->needs_map)
        return MS_OK;
    if (!p->map)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "placement.map",
                         "must be given for placement.strategy: %s", p->strategy);
    enum ms_status s = ms_place_map_read(p->map, &d->map, err);
    if (s != MS_OK)
        return s;
    d->S = d->map.n_slots;
    if (d->S >= d->E && d->S % d->G == 0 && d->S <= MS_MOST_SLOTS)
        return MS_OK;
    return ms_err_at(err, MS_INVALID, p->map, 0, 0, "placement.map",
                     "%d slots do not fit: they must be a multiple of the %d ranks, at least the "
                     "%d experts and at most %d",
                     d->S, d->G, d->E, MS_MOST_SLOTS);
}

/* With equal loads for now: what does not fit shows. */
enum ms_status ms_demand_open_placement(struct ms_demand *d, struct ms_err *err)
{
    enum ms_status s = find_strategy(d, err);
    if (s == MS_OK)
        s = read_map(d, err);
    if (s != MS_OK)
        return s;
    d->placement = MS_NEW(&d->arena, struct ms_placement, (size_t)d->Q);
    double *load = MS_NEW(&d->run, double, ms_cell(d->L, d->E, 0));
    if (!d->placement || !load)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < ms_cell(d->L, d->E, 0); i++)
        load[i] = 1;
    return solve(d, load, 0, err);
}

/* n tokens as a rank would choose in a layer, added to load [E]. */
static enum ms_status add_choice(struct ms_demand *d, struct ms_sampler *s, struct ms_rng *stream,
                                 int layer, int rank, int n, uint16_t *chosen, double *load,
                                 struct ms_err *err)
{
    if (d->trace.ids) {
        ms_demand_draw_ids(d, stream, layer, n, chosen);
    } else {
        enum ms_status status =
            ms_sampler_set(s, ms_demand_frequencies(d, 0, layer, 0, rank), d->inclusion, err);
        if (status != MS_OK)
            return status;
        stream->ctr[1] = (uint32_t)rank;
        ms_sampler_begin(s, *stream);
        ms_sampler_draw(s, n, chosen, NULL);
    }
    for (int i = 0; i < n * d->K; i++)
        load[chosen[i]]++;
    return MS_OK;
}

static enum ms_status other_draw(struct ms_demand *d, int repeat, double *load, struct ms_err *err)
{
    struct ms_sampler *s = ms_sampler_create(d->in.model);
    uint16_t *chosen = malloc(SAMPLE_TOKENS * (size_t)d->K * sizeof *chosen);
    bool differ = ms_demand_ranks_differ(d);
    int n_ranks = differ ? d->G : 1, n = differ ? SAMPLE_TOKENS / d->G + 1 : SAMPLE_TOKENS;
    enum ms_status status = s && chosen ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    for (int l = 0; l < d->L && status == MS_OK; l++) {
        struct ms_rng stream;
        ms_rng_init(&stream, d->in.seed, "loads", (uint64_t)repeat, (uint64_t)l, 0);
        for (int r = 0; r < n_ranks && status == MS_OK; r++)
            status = add_choice(d, s, &stream, l, r, n, chosen, load + ms_cell(l, d->E, 0), err);
    }
    ms_sampler_destroy(s);
    free(chosen);
    return status;
}

enum ms_status ms_demand_draw_placement(struct ms_demand *d, int repeat, struct ms_err *err)
{
    double *load = MS_NEW(&d->run, double, ms_cell(d->L, d->E, 0));
    if (!load)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    enum ms_status s = other_draw(d, repeat, load, err);
    return s == MS_OK ? solve(d, load, (uint64_t)repeat, err) : s;
}
