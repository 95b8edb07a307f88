/* Who is there when an exchange is slow: a count over the slowest ones. */
#include <math.h>
#include <stdlib.h>

#include "sweep/record_parts.h"

/* One exchange: where it stands, how long it took. */
struct exchange {
    double time_us;
    size_t at; /* index in the run's [step][layer][group] */
    size_t repeat;
    int layer;
    struct ms_record_hot hot;
};

static int slowest_first(const void *a, const void *b)
{
    const struct exchange *x = a, *y = b;
    if (x->time_us != y->time_us)
        return x->time_us > y->time_us ? -1 : 1;
    if (x->repeat != y->repeat)
        return x->repeat < y->repeat ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void look_at(const struct ms_record_input *in, size_t per_run, struct exchange *e)
{
    const struct ms_sim_output *o = in->out;
    e->hot = in->hot[e->repeat * per_run + e->at];
    e->layer = (int)(e->at / (size_t)o->n_groups % (size_t)o->n_layers);
}

static bool same(const struct exchange *a, const struct exchange *b)
{
    return a->layer == b->layer && a->hot.rank == b->hot.rank && a->hot.expert == b->hot.expert;
}

static size_t completed(struct exchange *e, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(e[i].time_us))
            e[kept++] = e[i];
    return kept;
}

static void add_most_frequent(struct ms_json *j, const struct exchange *e, size_t n)
{
    size_t best = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t alike = 0;
        for (size_t k = 0; k < n; k++)
            alike += same(&e[k], &e[i]);
        if (alike > most) {
            most = alike;
            best = i;
        }
    }
    size_t repeats = 0; /* that the frequent ones come from */
    for (size_t i = 0; i < n; i++) {
        bool again = !same(&e[i], &e[best]);
        for (size_t k = 0; k < i && !again; k++)
            again = same(&e[k], &e[best]) && e[k].repeat == e[i].repeat;
        repeats += !again;
    }
    ms_json_object(j, "tail");
    ms_json_integer(j, "n", (int64_t)n);
    ms_json_integer(j, "repeats", (int64_t)repeats);
    ms_json_integer(j, "layer", e[best].layer);
    ms_json_integer(j, "rank", e[best].hot.rank);
    ms_json_integer(j, "expert", e[best].hot.expert);
    ms_json_number(j, "share", (double)most / (double)n);
    ms_json_number(j, "rank_load_over_mean", e[best].hot.max_over_mean);
    ms_json_end_object(j);
}

enum ms_status ms_record_add_tail(struct ms_json *j, const struct ms_record_input *in,
                                  struct ms_err *err)
{
    size_t per_run = ms_series_count(MS_SERIES_EXCHANGE, in->out), R = (size_t)in->s->repeats,
           n = per_run * R;
    if (!in->hot || !ms_series_defined(MS_SERIES_EXCHANGE, in->s)) {
        ms_json_null(j, "tail");
        return MS_OK;
    }
    struct exchange *e = calloc(n, sizeof *e);
    double *v = malloc(per_run * sizeof *v);
    if (!e || !v) {
        free(e);
        free(v);
        return ms_record_no_memory(err);
    }
    for (size_t r = 0; r < R; r++) {
        ms_series_get(MS_SERIES_EXCHANGE, in->out, in->repeat_run[r], v);
        for (size_t i = 0; i < per_run; i++)
            e[r * per_run + i] = (struct exchange){.time_us = v[i], .at = i, .repeat = r};
    }
    if (in->degraded)
        n = completed(e, n);
    if (n == 0 || ms_record_of_fewer(in)) {
        ms_json_null(j, "tail");
        free(e);
        free(v);
        return MS_OK;
    }
    qsort(e, n, sizeof *e, slowest_first);
    size_t slow = (n + 99) / 100;
    for (size_t i = 0; i < slow; i++)
        look_at(in, per_run, &e[i]);
    add_most_frequent(j, e, slow);
    free(e);
    free(v);
    return MS_OK;
}
