/* What a rank's experts weigh: slots and shared experts, three matrices each (gate, up, down), in every MoE
 * layer of the model, in the bytes that its config or preset says. */
#include "sweep/fits.h"

#include <stdio.h>

#include "base/units.h"
#include "cluster/platform.h"
#include "hardware/hardware.h"
#include "routing/preset.h"

struct weight {
    double bytes_a_value;
    const char *from;
};

static struct weight weight_of(const struct ms_model_shape *m)
{
    if (m->weight_bytes > 0)
        return (struct weight){m->weight_bytes, "model.config"};
    if (m->preset)
        return (struct weight){ms_model_preset_weight_bytes(m->preset), "the model as published"};
    return (struct weight){2, "assumed: bfloat16"};
}

/* @return 0: nobody says */
static double memory_of(const struct ms_scenario *s, const struct ms_platform *p, const char **from)
{
    const char *text = p ? ms_platform_prop(p, "gpu_memory") : NULL;
    double bytes = 0;
    if (text && ms_units_parse(text, MS_UNIT_BYTES, &bytes) && bytes > 0) {
        *from = "the platform's gpu_memory";
        return bytes;
    }
    *from = s->in_force ? s->in_force->name : "";
    return s->in_force ? s->in_force->memory_bytes : 0;
}

void ms_fits_warn(const struct ms_scenario *s, const struct ms_platform *p, struct ms_errs *errs)
{
    const struct ms_model_shape *m = &s->model;
    const char *from, *profile = "";
    double memory = memory_of(s, p, &from);
    int ranks = s->workload.ranks, line, col;
    char need[32], have[32];
    if (memory <= 0 || ranks < 1 || m->experts < 1 || m->moe_layers < 1)
        return;
    if (s->in_force && from == s->in_force->name)
        profile = "profile ";
    struct weight w = weight_of(m);
    int slots = (m->experts + s->placement.redundant_experts + ranks - 1) / ranks;
    double values = 3.0 * ms_model_width(m) * m->expert_intermediate;
    double bytes = (slots + m->shared_experts) * values * m->moe_layers * w.bytes_a_value;
    if (bytes <= memory)
        return;
    const char *file = ms_scenario_place(s, "workload.ranks", &line, &col);
    ms_errs_warn_at(
        errs, file, line, col, "workload.ranks",
        "a rank's experts do not fit its GPU: %d of %d and %d shared in %d layers, %g bytes a "
        "value "
        "(%s), are %s, but a GPU has %s (%s%s); attention and caches come on top. More ranks hold "
        "fewer each",
        slots, m->experts, m->shared_experts, m->moe_layers, w.bytes_a_value, w.from,
        ms_units_show(bytes, MS_UNIT_BYTES, need, sizeof need),
        ms_units_show(memory, MS_UNIT_BYTES, have, sizeof have), profile, from);
}
