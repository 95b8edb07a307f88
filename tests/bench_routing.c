/* How many tokens a second the routing draws and counts: bench_routing [layers] [threads]. One line
 * a law and group score; the shape is DeepSeek-V3's (256 experts, top-8, 8 groups, limit 4), 64
 * ranks x 4096 tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demand/demand.h"
#include "law_named.h"
#include "routing/preset.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int bench(const char *what, const struct ms_model_shape *model, struct ms_popularity law,
                 int layers, int threads, double capacity, int tokens_per_rank)
{
    enum { RANKS = 64 };
    int node[RANKS];
    for (int r = 0; r < RANKS; r++)
        node[r] = r / 8;
    struct ms_workload w = {.ranks = RANKS,
                            .groups = 1,
                            .layers = layers,
                            .steps = 1,
                            .tokens = {.kind = MS_TOKENS_EQUAL, .count = tokens_per_rank}};
    struct ms_routing_params r = {
        .source = MS_SOURCE_SYNTHETIC, .popularity = law, .capacity_factor = capacity};
    struct ms_place_params p = {.strategy = "contiguous"};
    struct ms_demand_input in = {.model = model,
                                 .workload = &w,
                                 .routing = &r,
                                 .place = &p,
                                 .rank_node = node,
                                 .seed = 1,
                                 .n_threads = threads};
    struct ms_demand *d = NULL;
    struct ms_err err = {0};
    if (ms_demand_create(&in, &d, &err) != MS_OK || ms_demand_begin(d, 0, &err) != MS_OK) {
        ms_err_print(stderr, &err, "error");
        ms_demand_destroy(d);
        return 1;
    }
    double start = now(), cpu_start = cpu();
    if (ms_demand_begin(d, 1, &err) != MS_OK)
        return 1;
    double s = now() - start, c = cpu() - cpu_start,
           tokens = (double)layers * RANKS * tokens_per_rank;
    printf("%-40s %8.3f s  %7.2f Mtokens/s  %6.2f a core second\n", what, s, tokens / s / 1e6,
           tokens / c / 1e6);
    ms_demand_destroy(d);
    return 0;
}

int main(int argc, char **argv)
{
    int layers = argc > 1 ? atoi(argv[1]) : 8, threads = argc > 2 ? atoi(argv[2]) : 1, bad = 0;
    const struct ms_popularity uniform = law_named("uniform", NULL, NULL),
                               zipf = law_named("zipf", NULL, NULL),
                               hot = law_named("hotspot", "experts", "2"),
                               lognormal = law_named("lognormal", NULL, NULL),
                               target = law_named("single-domain", NULL, NULL);
    struct ms_model_shape v3 = ms_model_preset_find("deepseek-v3")->shape, max = v3, open = v3;
    max.group_score = MS_GROUP_MAX;
    open.groups = open.group_limit = 1;
    bad |= bench("group max, uniform", &max, uniform, layers, threads, 0, 4096);
    bad |= bench("group max, lognormal 1", &max, lognormal, layers, threads, 0, 4096);
    bad |= bench("group max, zipf 1", &max, zipf, layers, threads, 0, 4096);
    bad |= bench("group max, two experts 50 %", &max, hot, layers, threads, 0, 4096);
    bad |= bench("group top2_sum, uniform", &v3, uniform, layers, threads, 0, 4096);
    bad |= bench("group top2_sum, lognormal 1", &v3, lognormal, layers, threads, 0, 4096);
    bad |= bench("group top2_sum, zipf 1", &v3, zipf, layers, threads, 0, 4096);
    bad |= bench("no groups, uniform", &open, uniform, layers, threads, 0, 4096);
    bad |= bench("no groups, zipf 1", &open, zipf, layers, threads, 0, 4096);
    bad |= bench("exact inclusion, no groups, max/mean 6", &open, target, layers, threads, 0, 4096);
    bad |= bench("exact inclusion, groups, max/mean 6", &v3, target, layers, threads, 0, 4096);
    bad |=
        bench("group max, lognormal, capacity 1.25", &max, lognormal, layers, threads, 1.25, 4096);
    struct ms_model_shape olmoe = ms_model_preset_find("olmoe-1b-7b")->shape;
    bad |=
        bench("OLMoE, 128 a rank, exact inclusion", &olmoe, target, 16 * layers, threads, 0, 128);
    bad |= bench("OLMoE, 128 a rank, uniform", &olmoe, uniform, 16 * layers, threads, 0, 128);
    return bad;
}
