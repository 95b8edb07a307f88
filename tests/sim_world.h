/* Simulations in tests: platforms written on the fly, and a child for each, since a process has one
 * SimGrid engine. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "sim/sim.h"
#include "traffic_cells.h"

#define HEAD                                                                                       \
    "<?xml version='1.0'?>\n<!DOCTYPE platform SYSTEM "                                            \
    "\"https://simgrid.org/simgrid.dtd\">\n<platform version=\"4.1\">\n"

static inline FILE *platform_open(const char *path, int n, int per_node)
{
    FILE *f = fopen(path, "w");
    fprintf(f, HEAD "<zone id=\"world\" routing=\"Floyd\">\n");
    for (int i = 0; i < n; i++)
        fprintf(f, "<host id=\"h%d\" speed=\"1Gf\"><prop id=\"node\" value=\"n%d\"/></host>\n", i,
                i / per_node);
    return f;
}

static inline void platform_close(FILE *f)
{
    fprintf(f, "</zone>\n</platform>\n");
    fclose(f);
}

/* A link of its own between a host (or router) and a router, both ways; in rail the way up is one
 * hop longer (padding), so that no route passes through a third host. */
static inline void platform_cable(FILE *f, const char *from, const char *to, const char *name,
                                  const char *pad)
{
    fprintf(
        f, "<route src=\"%s\" dst=\"%s\" symmetrical=\"NO\"><link_ctn id=\"%s\" direction=\"UP\"/>",
        from, to, name);
    if (pad)
        fprintf(f, "<link_ctn id=\"%s\"/>", pad);
    fprintf(f,
            "</route>\n<route src=\"%s\" dst=\"%s\" symmetrical=\"NO\"><link_ctn id=\"%s\" "
            "direction=\"DOWN\"/></route>\n",
            to, from, name);
}

/* A star of 50 GB/s x scale ports of 1 us. */
static inline void write_star(const char *path, int n, int per_node, double scale)
{
    FILE *f = platform_open(path, n, per_node);
    char host[16], link[16];
    fprintf(f, "<router id=\"sw\"/>\n");
    for (int i = 0; i < n; i++)
        fprintf(f,
                "<link id=\"l%d\" bandwidth=\"%.17gGBps\" latency=\"1us\" "
                "sharing_policy=\"SPLITDUPLEX\"/>\n",
                i, 50 * scale);
    for (int i = 0; i < n; i++) {
        snprintf(host, sizeof host, "h%d", i);
        snprintf(link, sizeof link, "l%d", i);
        platform_cable(f, host, "sw", link, NULL);
    }
    platform_close(f);
}

/* Nodes of per_node GPUs with NVLink, a switch a rail, one spine. */
static inline void write_rail(const char *path, int n, int per_node)
{
    FILE *f = platform_open(path, n, per_node);
    char host[16], link[16], sw[16];
    for (int i = 0; i < n / per_node; i++)
        fprintf(f, "<router id=\"nvsw%d\"/>\n", i);
    for (int i = 0; i < per_node; i++)
        fprintf(f, "<router id=\"leaf%d\"/>\n", i);
    fprintf(f, "<router id=\"spine\"/>\n<link id=\"pad\" bandwidth=\"1000GBps\" latency=\"0us\" "
               "sharing_policy=\"FATPIPE\"/>\n");
    for (int i = 0; i < n; i++) {
        fprintf(f,
                "<link id=\"nv%d\" bandwidth=\"160GBps\" latency=\"0.5us\" "
                "sharing_policy=\"SPLITDUPLEX\"/>\n",
                i);
        fprintf(f,
                "<link id=\"nic%d\" bandwidth=\"46GBps\" latency=\"1.5us\" "
                "sharing_policy=\"SPLITDUPLEX\"/>\n",
                i);
    }
    for (int i = 0; i < per_node; i++)
        fprintf(f,
                "<link id=\"up%d\" bandwidth=\"%dGBps\" latency=\"1us\" "
                "sharing_policy=\"SPLITDUPLEX\"/>\n",
                i, 46 * n / per_node);
    for (int i = 0; i < n; i++) {
        snprintf(host, sizeof host, "h%d", i);
        snprintf(link, sizeof link, "nv%d", i);
        snprintf(sw, sizeof sw, "nvsw%d", i / per_node);
        platform_cable(f, host, sw, link, "pad");
        snprintf(link, sizeof link, "nic%d", i);
        snprintf(sw, sizeof sw, "leaf%d", i % per_node);
        platform_cable(f, host, sw, link, NULL);
    }
    for (int i = 0; i < per_node; i++) {
        snprintf(sw, sizeof sw, "leaf%d", i);
        snprintf(link, sizeof link, "up%d", i);
        platform_cable(f, sw, "spine", link, NULL);
    }
    platform_close(f);
}

/* SimGrid's own: TORUS "4,4,2", FAT_TREE "2;4,4;1,2;1,2", DRAGONFLY "2,1;2,1;2,1;4". */
static inline void write_cluster(const char *path, int n, const char *topology,
                                 const char *parameters)
{
    FILE *f = fopen(path, "w");
    fprintf(
        f,
        HEAD
        "<zone id=\"world\" routing=\"Full\">\n<cluster id=\"c\" prefix=\"h\" suffix=\"\" "
        "radical=\"0-%d\" "
        "speed=\"1Gf\" bw=\"50GBps\" lat=\"1us\" sharing_policy=\"SPLITDUPLEX\" topology=\"%s\" "
        "topo_parameters=\"%s\"/>\n",
        n - 1, topology, parameters);
    platform_close(f);
}

/* What one test simulates. */
struct job {
    const char *path, *timeline;
    struct ms_model_shape model;
    struct ms_workload w;
    struct ms_sim_params params;
    struct ms_traffic t[4]; /* (layer + run) modulo n_traffic, the same in each group and step */
    struct cells cells[4];  /* their pairs, as long as they are written: simulate seals them */
    struct ms_arena arena;
    int n_traffic, n_runs, runs_a_repeat;
    int wanted; /* -1: all runs, else all but this one */
};

/* What comes back: a fixed header, then arrays in this order. */
struct answer {
    int status;
    char text[1024], key[160];
    int n_cells, n_samples, n_steps, n_links;
    double *dispatch, *combine, *layer, *skew; /* [n_cells] */
    double *rank_dispatch, *rank_combine;      /* [n_samples] */
    double *step, *exposed;                    /* [n_steps] */
    double *link_bytes;                        /* [n_links], run 0 */
    double network, intra, local, active;      /* run 0 */
};

static inline const struct ms_traffic *job_traffic(void *ctx, int run, int step, int layer,
                                                   int group)
{
    struct job *j = ctx;
    (void)step;
    (void)group;
    return &j->t[(layer + run) % j->n_traffic];
}

static inline bool job_wanted(void *ctx, int run)
{
    return run != ((struct job *)ctx)->wanted;
}

static inline void put(int fd, const void *p, size_t n)
{
    for (const char *c = p; n;) {
        ssize_t k = write(fd, c, n);
        if (k <= 0)
            _exit(9);
        c += k;
        n -= (size_t)k;
    }
}

static inline void get(int fd, void *p, size_t n)
{
    for (char *c = p; n;) {
        ssize_t k = read(fd, c, n);
        if (k <= 0) {
            memset(c, 0, n);
            return;
        }
        c += k;
        n -= (size_t)k;
    }
}

static inline void child(struct job *j, int fd)
{
    struct answer a = {0};
    struct ms_platform p = {0};
    struct ms_errs errs = {0};
    struct ms_sim_output o = {0};
    struct ms_err err = {0};
    a.status = (int)ms_platform_read(j->path, &p, &errs);
    if (a.status)
        ms_errs_print(stderr, &errs);
    if (!a.status && !p.n_nodes && p.n_hosts % 4 == 0)
        ms_platform_group(&p, 4, NULL);
    struct ms_sim_input in = {.platform = &p,
                              .model = &j->model,
                              .workload = &j->w,
                              .params = &j->params,
                              .source = {.ctx = j, .traffic = job_traffic, .wanted = job_wanted},
                              .n_runs = j->n_runs,
                              .runs_a_repeat = j->runs_a_repeat,
                              .seed = 1,
                              .n_threads = 1,
                              .timeline_path = j->timeline};
    if (!a.status)
        a.status = (int)ms_sim_run(&in, &o, &err);
    snprintf(a.text, sizeof a.text, "%s", err.text);
    snprintf(a.key, sizeof a.key, "%s", err.key);
    if (!a.status) {
        a.n_cells = o.n_runs * o.n_steps * o.n_layers * o.n_groups;
        a.n_samples = a.n_cells * o.n_ranks;
        a.n_steps = o.n_runs * o.n_steps * o.n_groups;
        a.n_links = o.n_links;
        a.network = o.bytes_network[0];
        a.intra = o.bytes_intra_node[0];
        a.local = o.bytes_local[0];
        a.active = o.active_s[0];
    }
    put(fd, &a, sizeof a);
    const double *arrays[] = {o.dispatch_s,   o.combine_s,       o.layer_s,
                              o.entry_skew_s, o.rank_dispatch_s, o.rank_combine_s,
                              o.step_s,       o.exposed_s,       o.link_bytes};
    int counts[] = {a.n_cells,   a.n_cells, a.n_cells, a.n_cells, a.n_samples,
                    a.n_samples, a.n_steps, a.n_steps, a.n_links};
    for (int i = 0; i < 9 && !a.status; i++)
        put(fd, arrays[i], (size_t)counts[i] * sizeof(double));
    _exit(0);
}

/* Simulate in a child. The answer's arrays are freed by answer_finish. */
static inline struct answer simulate(struct job *j)
{
    int fd[2];
    struct answer a = {.status = -1};
    for (int i = 0; i < 4; i++) {
        j->t[i].rows = &j->arena; /* jobs are copied */
        cells_seal(&j->cells[i], &j->t[i]);
    }
    fflush(NULL);
    if (pipe(fd) || ms_simgrid_load(NULL) != MS_OK) /* once, not in each child */
        return a;
    pid_t pid = fork();
    if (!pid) {
        close(fd[0]);
        child(j, fd[1]);
    }
    close(fd[1]);
    get(fd[0], &a, sizeof a);
    double **arrays[] = {&a.dispatch,     &a.combine, &a.layer,   &a.skew,      &a.rank_dispatch,
                         &a.rank_combine, &a.step,    &a.exposed, &a.link_bytes};
    int counts[] = {a.n_cells,   a.n_cells, a.n_cells, a.n_cells, a.n_samples,
                    a.n_samples, a.n_steps, a.n_steps, a.n_links};
    for (int i = 0; i < 9; i++) {
        *arrays[i] = calloc((size_t)counts[i] + 1, sizeof(double));
        get(fd[0], *arrays[i], (size_t)counts[i] * sizeof(double));
    }
    close(fd[0]);
    int how = 0;
    waitpid(pid, &how, 0);
    if (!WIFEXITED(how) || WEXITSTATUS(how))
        a.status = 99;
    return a;
}

static inline void answer_finish(struct answer *a)
{
    double *arrays[] = {a->dispatch,     a->combine, a->layer,   a->skew,      a->rank_dispatch,
                        a->rank_combine, a->step,    a->exposed, a->link_bytes};
    for (int i = 0; i < 9; i++)
        free(arrays[i]);
}

static inline struct job job_new(const char *path, int n_ranks, const char *algorithm,
                                 const char *model)
{
    return (struct job){
        .path = path,
        .model = {.hidden = 1000,
                  .experts = n_ranks,
                  .top_k = 4,
                  .expert_intermediate = 500,
                  .moe_layers = 1},
        .w = {.ranks = n_ranks,
              .groups = 1,
              .layers = 1,
              .steps = 1,
              .dispatch_bytes_per_value = 1,
              .combine_bytes_per_value = 2},
        .params = {.exchange = {.algorithm = algorithm, .window = 8, .chunk_tokens = 32},
                   .compute = {.profile = "none"},
                   .hardware = {.profile = "none"},
                   .network = {.model = model, .quantum = 0, .latency = MS_LATENCY_DEFAULT}},
        .n_traffic = 1,
        .n_runs = 1,
        .wanted = -1,
    };
}

static inline void job_finish(struct job *j)
{
    for (int i = 0; i < 4; i++) {
        cells_finish(&j->cells[i]);
    }
    ms_arena_finish(&j->arena);
}

static inline struct ms_traffic *job_zeros(struct job *j, int layer)
{
    int g = j->w.ranks;
    ms_traffic_init(&j->t[layer], &j->arena, g, g, g, 0);
    cells_finish(&j->cells[layer]);
    j->cells[layer] = cells_new(g);
    return &j->t[layer];
}

/* A byte matrix: 64 KiB a pair, or the skew of peers_alltoall.csv. */
static inline void job_matrix(struct job *j, bool skew)
{
    struct ms_traffic *t = job_zeros(j, 0);
    struct cells *c = &j->cells[0];
    int n = t->n_ranks;
    t->is_matrix = 1;
    for (int s = 0; s < n; s++)
        for (int r = 0; r < n; r++)
            if (s != r)
                c->selections[s * n + r] = c->copies[s * n + r] =
                    65536 * (1 + (skew ? (r * 7919 % 13) / 13.0 : 0));
}

/* Tokens with top-4 routing, to all ranks alike or skewed to low ones; nodes of per_node ranks in
 * order. */
static inline void job_route(struct job *j, int layer, int per_node, int tokens, uint64_t seed,
                             bool even)
{
    struct ms_traffic *t = job_zeros(j, layer);
    struct cells *c = &j->cells[layer];
    int n = t->n_ranks;
    t->n_nodes = n / per_node;
    t->requested = 4.0 * tokens * n;
    for (int s = 0; s < n; s++) {
        struct ms_rng r;
        ms_rng_init(&r, seed, "job", (uint64_t)s, (uint64_t)layer, 0);
        for (int k = 0; k < tokens; k++) {
            uint64_t ranks = 0, nodes = 0;
            for (int i = 0; i < 4; i++) {
                double u = ms_rng_unit(&r);
                int to = (int)((even ? u : u * sqrt(u)) * n);
                c->selections[s * n + to]++;
                t->slot_tokens[to]++;
                c->copies[s * n + to] += !(ranks >> to & 1);
                t->node_copies[s * t->n_nodes + to / per_node] += !(nodes >> to / per_node & 1);
                ranks |= 1ull << to;
                nodes |= 1ull << to / per_node;
            }
        }
    }
}

static inline void job_tokens(struct job *j, int layer, int per_node, int tokens, uint64_t seed)
{
    job_route(j, layer, per_node, tokens, seed, false);
}

static inline void job_even_tokens(struct job *j, int layer, int per_node, int tokens,
                                   uint64_t seed)
{
    job_route(j, layer, per_node, tokens, seed, true);
}

#endif
