/** @file names.c  The words other rooms' tables allow for a key. */
#include <string.h>

#include "scenario/fields.h"

static size_t listed(const char *const *names, const char **out, size_t cap)
{
    size_t n = 0;
    for (; names[n]; n++)
        if (out && n < cap)
            out[n] = names[n];
    return n;
}

/* Lists until the rooms' own tables are there. */
#define LOCAL(fn, ...)                                                                             \
    size_t fn(const char **out, size_t cap)                                                        \
    {                                                                                              \
        static const char *const names[] = {__VA_ARGS__, NULL};                                    \
        return listed(names, out, cap);                                                            \
    }

LOCAL(ms_names_presets, "mixtral-8x7b", "mixtral-8x22b", "deepseek-v2", "deepseek-v3",
      "qwen3-235b-a22b", "qwen3-30b-a3b", "olmoe-1b-7b", "dbrx", "kimi-k2", "gpt-oss-120b",
      "glm-4.5", "llama4-maverick")
LOCAL(ms_names_laws, "uniform", "zipf", "lognormal", "dirichlet", "hotspot", "exponential", "target",
      "balanced-lbl", "mixed-domain", "single-domain", "r1-ep32", "collapse")
LOCAL(ms_names_assignments, "top_k", "balanced", "round_robin", "random", "top_k_filtered",
      "load_aware", "expert_choice")
LOCAL(ms_names_placements, "contiguous", "round_robin", "random")
LOCAL(ms_names_exchanges, "direct", "windowed", "pairwise", "ring", "hierarchical", "low_latency")
LOCAL(ms_names_networks, "fluid", "cm02", "lv08", "smpi", "ib")
LOCAL(ms_names_compute, "none")
LOCAL(ms_names_hardware, "none")
