/* What a record says where ranks were lost: who, which exchange cannot be completed, and what the others
 * did. */
#include <math.h>
#include <string.h>

#include "sweep/record_parts.h"

bool ms_record_degraded(const char *body)
{
    return strstr(body, ",\"degraded\":{") != NULL;
}

bool ms_record_of_fewer(const struct ms_record_input *in)
{
    return in->degraded && in->degraded->steps_after > 0;
}

size_t ms_record_present(double *v, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(v[i]))
            v[kept++] = v[i];
    return kept;
}

static void add_lost(struct ms_json *j, const struct ms_record_degraded *d)
{
    ms_json_array(j, "lost");
    for (int i = 0; i < d->n_lost; i++) {
        ms_json_object(j, NULL);
        ms_json_integer(j, "rank", d->lost[i].rank);
        ms_json_string(j, "host", d->lost[i].host);
        ms_json_number(j, "at_us", d->lost[i].at_s * 1e6);
        ms_json_end_object(j);
    }
    ms_json_end_array(j);
}

static void add_stuck(struct ms_json *j, const struct ms_record_degraded *d)
{
    ms_json_object(j, "stuck");
    ms_json_integer(j, "repeat", d->first_repeat);
    ms_json_integer(j, "step", d->first.step);
    ms_json_integer(j, "layer", d->first.layer);
    ms_json_string(j, "leg", d->first.combine ? "combine" : "dispatch");
    ms_json_integer(j, "waiting", d->first.n_waiting);
    ms_json_integer(j, "for_it", d->first.n_for_it);
    ms_json_end_object(j);
}

static int64_t exchanges_lost(const struct ms_record_input *in)
{
    size_t per_run = ms_series_count(MS_SERIES_LAYER, in->out);
    int64_t n = 0;
    for (int r = 0; r < in->s->repeats; r++)
        for (size_t i = 0; i < per_run; i++)
            n += isnan(in->out->layer_s[(size_t)in->repeat_run[r] * per_run + i]);
    return n;
}

void ms_record_add_degraded(struct ms_json *j, const struct ms_record_input *in)
{
    const struct ms_record_degraded *d = in->degraded;
    if (!d)
        return;
    ms_json_object(j, "degraded");
    ms_json_string(j, "on_failure", d->remap ? "remap" : "stop");
    add_lost(j, d);
    ms_json_integer(j, "repeats", d->repeats);
    add_stuck(j, d);
    ms_json_integer(j, "exchanges_lost", exchanges_lost(in));
    if (d->remap) {
        ms_json_integer(j, "ranks_left", d->ranks_left);
        ms_json_integer(j, "experts_moved", d->experts_moved);
        ms_json_number(j, "moved_bytes", d->moved_bytes);
        ms_json_number(j, "move_us", d->move_s * 1e6);
        ms_json_integer(j, "steps_after", d->steps_after);
    }
    ms_json_end_object(j);
}
