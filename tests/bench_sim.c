/* One exchange of a byte matrix on a platform file, without YAML: for timing, and for looking at
 * one number. bench_sim PLATFORM RANKS uniform|skew|random|tokens ALGORITHM MODEL [QUANTUM [RUNS
 * [GROUPS [LAYERS]]]] uniform and skew are the sizes of reference/peers_alltoall.csv;
 * random: 1..128 KiB, every pair its own; tokens: 4096 tokens a rank, top-8 of 256 experts,
 * DeepSeek-V3 bytes, dispatch and combine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/rng.h"
#include "demand/nodes.h"
#include "sim/sim.h"
#include "traffic_cells.h"

struct bench {
    struct ms_traffic t;
    struct cells cells;
    bool matrix;
};

static const struct ms_traffic *traffic(void *ctx, int run, int step, int layer, int group)
{
    return &((struct bench *)ctx)->t;
}

static double size_of(const char *sizes, struct ms_rng *r, int dst)
{
    if (!strcmp(sizes, "skew"))
        return 65536.0 + 65536.0 * (dst * 7919 % 13) / 13;
    if (!strcmp(sizes, "random"))
        return 1024 + ms_rng_below(r, 130048);
    return 65536;
}

static void fill_matrix(struct bench *b, const char *sizes)
{
    struct ms_rng r;
    int n = b->t.n_ranks;
    ms_rng_init(&r, 1, "bench", 0, 0, 0);
    b->t.is_matrix = 1;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            b->cells.selections[i * n + j] = i == j ? 0 : size_of(sizes, &r, j);
    memcpy(b->cells.copies, b->cells.selections, (size_t)n * (size_t)n * sizeof(double));
}

static void fill_tokens(struct bench *b, const int *node)
{
    int n = b->t.n_ranks, per_rank = 256 / n > 0 ? 256 / n : 1;
    char *hit = calloc((size_t)n, 1), *on = calloc((size_t)n, 1);
    for (int s = 0; s < n; s++) {
        struct ms_rng r;
        ms_rng_init(&r, 1, "bench", (uint64_t)s, 0, 0);
        for (int t = 0; t < 4096; t++) {
            memset(hit, 0, (size_t)n);
            memset(on, 0, (size_t)n);
            for (int k = 0; k < 8; k++) {
                int to = (int)(256 * ms_rng_unit(&r) * ms_rng_unit(&r)) / per_rank % n;
                b->cells.selections[s * n + to]++;
                b->cells.copies[s * n + to] += !hit[to];
                b->t.node_copies[s * b->t.n_nodes + node[to]] += !on[node[to]];
                hit[to] = on[node[to]] = 1;
            }
        }
    }
    b->t.requested = 4096.0 * 8 * n;
    free(hit);
    free(on);
}

static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "bench_sim PLATFORM RANKS uniform|skew|random|tokens ALGORITHM MODEL "
                        "[QUANTUM [RUNS [GROUPS [LAYERS]]]]\n");
        return 2;
    }
    double start = wall();
    struct ms_platform p = {0};
    struct ms_errs errs = {0};
    if (ms_platform_read(argv[1], &p, &errs)) {
        ms_errs_print(stderr, &errs);
        return 3;
    }
    double read_s = wall() - start;
    if (!p.n_nodes)
        ms_platform_group(&p, p.n_hosts % 8 ? 1 : 8, NULL);
    int n = atoi(argv[2]);
    struct bench b = {.matrix = strcmp(argv[3], "tokens")};
    struct ms_workload w = {.ranks = n,
                            .groups = argc > 8 ? atoi(argv[8]) : 1,
                            .layers = argc > 9 ? atoi(argv[9]) : 1,
                            .steps = 1,
                            .dispatch_bytes_per_value = 1.03125,
                            .combine_bytes_per_value = 2};
    struct ms_model_shape m = {
        .hidden = 7168, .experts = 256, .top_k = 8, .expert_intermediate = 2048};
    int *node = calloc((size_t)n, sizeof *node);
    int *given = calloc((size_t)n * (size_t)w.groups, sizeof *given),
        *seen = calloc((size_t)n, sizeof *seen);
    ms_rank_nodes(&w, p.host_node, p.n_hosts, given);
    struct ms_arena arena = {0};
    ms_traffic_init(&b.t, &arena, n, ms_number_nodes(n, given, seen, node), n, 0);
    b.cells = cells_new(n);
    if (b.matrix)
        fill_matrix(&b, argv[3]);
    else
        fill_tokens(&b, node);
    cells_seal(&b.cells, &b.t);
    cells_finish(&b.cells);
    struct ms_sim_params params = {
        .exchange = {.algorithm = argv[4],
                     .window = 8,
                     .chunk_tokens = 32,
                     .deduplicate = MS_DEDUP_AUTO,
                     .forwarding = MS_FORWARD_NONE},
        .compute = {.profile = "none"},
        .hardware = {.profile = "none"},
        .network = {.model = argv[5],
                    .quantum = argc > 6 ? atof(argv[6]) : 0,
                    .latency = MS_LATENCY_DEFAULT},
    };
    struct ms_sim_input in = {.platform = &p,
                              .model = &m,
                              .workload = &w,
                              .params = &params,
                              .source = {.ctx = &b, .traffic = traffic},
                              .n_runs = argc > 7 ? atoi(argv[7]) : 1,
                              .n_threads = 1};
    struct ms_sim_output out;
    struct ms_err err = {0};
    if (ms_sim_run(&in, &out, &err)) {
        ms_err_print(stderr, &err, "error");
        return 1;
    }
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double sim_s = 0;
    for (int i = 0; i < out.n_runs; i++)
        sim_s += out.run_wall_s[i];
    printf("dispatch %.6f us, combine %.6f us | wall %.3f s: read %.3f, platform %.3f, simulation "
           "%.4f | %ld KiB, %lld flows, "
           "%lld solves\n",
           1e6 * out.dispatch_s[0], 1e6 * out.combine_s[0], wall() - start, read_s,
           out.platform_wall_s, sim_s, use.ru_maxrss, (long long)out.n_flows,
           (long long)out.n_solves);
    for (int r = 0; getenv("RANKS") && r < n; r++)
        printf("%d %.9f %.9f\n", r, 1e6 * out.rank_dispatch_s[r], 1e6 * out.rank_combine_s[r]);
    ms_sim_finish(&out);
    return 0;
}
