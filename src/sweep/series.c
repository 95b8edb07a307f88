/* Series of a run's exchanges, layers, ranks and steps, in one order for every metric. */
#include "sweep/series.h"

static const char *const names[] = {"exchange", "dispatch", "combine", "rank", "layer", "step"};
static const double us = 1e6;

const char *ms_series_name(enum ms_series which)
{
    return names[which];
}

bool ms_series_defined(enum ms_series which, const struct ms_scenario *s)
{
    bool matrix = s->routing.source == MS_SOURCE_MATRIX;
    if (s->sim.compute.overlap == MS_OVERLAP_TWO_BATCH && which != MS_SERIES_LAYER)
        return which == MS_SERIES_STEP;
    return !(matrix && (which == MS_SERIES_COMBINE || which == MS_SERIES_LAYER));
}

size_t ms_series_count(enum ms_series which, const struct ms_sim_output *out)
{
    size_t steps = (size_t)out->n_steps * (size_t)out->n_groups;
    if (which == MS_SERIES_STEP)
        return steps;
    steps *= (size_t)out->n_layers;
    return which == MS_SERIES_RANK ? steps * (size_t)out->n_ranks : steps;
}

static void add_us(const double *a, const double *b, size_t n, double *value)
{
    for (size_t i = 0; i < n; i++)
        value[i] = (a[i] + (b ? b[i] : 0)) * us;
}

void ms_series_get(enum ms_series which, const struct ms_sim_output *out, int run, double *value)
{
    size_t n = ms_series_count(which, out), at = (size_t)run * n;
    switch (which) {
    case MS_SERIES_EXCHANGE:
        add_us(out->dispatch_s + at, out->combine_s + at, n, value);
        break;
    case MS_SERIES_DISPATCH:
        add_us(out->dispatch_s + at, NULL, n, value);
        break;
    case MS_SERIES_COMBINE:
        add_us(out->combine_s + at, NULL, n, value);
        break;
    case MS_SERIES_RANK:
        add_us(out->rank_dispatch_s + at, out->rank_combine_s + at, n, value);
        break;
    case MS_SERIES_LAYER:
        add_us(out->layer_s + at, NULL, n, value);
        break;
    default:
        add_us(out->step_s + at, NULL, n, value);
    }
}
