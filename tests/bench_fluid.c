/* The fluid solver's speed: one all-to-all a line.
 *
 *   bench_fluid [TOPOLOGIES [RANKS [SIZES [QUANTA [THREADS [FORMS]]]]]]     each a comma list
 *
 * Forms: plain; shares (each flow its own); rates (each flow uses its source's message rate too);
 * streams (rail only: one a rank and node of 8, over the GPU of the same index to the others).
 * Columns: solver_s the solver's own time; whole_s with making the network and its routes; rss_MB
 * peak memory of the process of that line (each line runs in a child); B/flow what of it the flows
 * took; growth the exponent of solver_s from the line before with fewer ranks; last_us the simulated
 * end; late the relative excess over the port bound. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "fluid_nets.h"

enum { NODE = 8, TOKENS = 128, TOKEN_BYTES = 7392 };

struct line {
    double solver_s, whole_s, rss_MB, flows_MB, last_s, bound_s;
    struct ms_fluid_stats stats;
};

static double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double peak_MB(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)use.ru_maxrss / 1024;
}

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* Tokens from s to each rank of a node; top-8 of as many experts as ranks. @return those of the node */
static uint32_t draw_tokens(uint32_t s, uint32_t node, uint32_t N, uint32_t *to)
{
    struct ms_rng r;
    uint32_t here = 0;
    ms_rng_init(&r, 1, "tokens", s, node, 0);
    memset(to, 0, NODE * sizeof *to);
    for (uint32_t t = 0; t < TOKENS; t++) {
        bool any = false;
        for (uint32_t k = 0; k < NODE; k++) {
            if (ms_rng_below(&r, N / NODE) == 0) {
                to[ms_rng_below(&r, NODE)]++;
                any = true;
            }
        }
        here += any;
    }
    return here;
}

static void post_streams(struct ms_fluid *f, uint32_t N)
{
    uint32_t nodes = N / NODE, *sink = malloc(N * sizeof *sink);
    struct ms_fluid_flow *w = malloc(nodes * sizeof *w);
    struct ms_fluid_use(*then)[NODE] = malloc(nodes * sizeof *then);
    uint32_t(*also)[NODE] = malloc(nodes * sizeof *also);
    must(sink && w && then && also);
    for (uint32_t d = 0; d < N; d++)
        must(ms_fluid_open(f, N - NODE, d, &sink[d], NULL) == MS_OK);
    for (uint32_t s = 0; s < N; s++) {
        size_t n = 0;
        for (uint32_t node = 0; node < nodes; node++) {
            uint32_t to[NODE], F = node * NODE + s % NODE, b = draw_tokens(s, node, N, to);
            if (node == s / NODE)
                continue;
            struct ms_fluid_flow *x = &w[n++];
            *x = (struct ms_fluid_flow){.bytes = (double)b * TOKEN_BYTES,
                                        .route = s * N + F,
                                        .sink = MS_FLUID_NO_SINK,
                                        .share = b ? b / (8.0 * TOKENS) : 1,
                                        .then = then[node],
                                        .also = also[node],
                                        .n_also = NODE,
                                        .chunk_bytes = 32.0 * TOKEN_BYTES};
            for (uint32_t k = 0; k < NODE; k++) {
                also[node][k] = sink[node * NODE + k];
                if (to[k] && k != F % NODE)
                    then[node][x->n_then++] =
                        (struct ms_fluid_use){to[k] / (double)b, F * N + node * NODE + k};
            }
        }
        must(ms_fluid_add(f, w, n, NULL) == MS_OK);
    }
    free(sink), free(w), free(then), free(also);
}

/* Flows with shares, or with a message rate: the last n_hosts links of the net, routes after its own. */
static void post_weighted(struct ms_fluid *f, const struct net *n, const double *bytes, bool rates)
{
    uint32_t N = n->n_hosts, *sink = malloc(N * sizeof *sink);
    must(sink != NULL);
    for (uint32_t d = 0; d < N; d++)
        must(ms_fluid_open(f, N - 1, d, &sink[d], NULL) == MS_OK);
    struct ms_fluid_flow *w = malloc(N * sizeof *w);
    struct ms_fluid_use *rate = malloc(N * sizeof *rate);
    must(w && rate);
    for (uint32_t s = 0; s < N; s++) {
        size_t k = 0;
        for (uint32_t d = 0; d < N; d++) {
            double b = bytes[s * (size_t)N + d];
            if (s == d)
                continue;
            rate[d] = (struct ms_fluid_use){1 / b, N * N + s};
            w[k] = net_flow(b, 0, s * N + d, sink[d]);
            w[k].with = &rate[d];
            w[k].n_with = rates;
            w[k++].share = rates ? 1 : 1 + (s + d) % 7;
        }
        must(ms_fluid_add(f, w, k, NULL) == MS_OK);
    }
    free(w), free(rate);
    free(sink);
}

/* On top of the net's links: a message rate a host. */
static void add_rates(struct net *n)
{
    n->link = realloc(n->link, (n->n_links + n->n_hosts) * sizeof *n->link);
    must(n->link != NULL);
    for (uint32_t s = 0; s < n->n_hosts; s++)
        n->link[n->n_links++] = (struct ms_fluid_link){PORT_BPS / 40000, false};
}

static void post(struct ms_fluid *f, const struct net *n, const double *bytes, const char *form)
{
    bool rates = strcmp(form, "rates") == 0;
    for (uint32_t s = 0; rates && s < n->n_hosts; s++) {
        uint32_t link = (uint32_t)n->n_links - n->n_hosts + s, id;
        must(ms_fluid_route(f, &link, 1, &id, NULL) == MS_OK);
        must(ms_fluid_tie(f, (uint32_t[]){s * n->n_hosts + !s, id}, 2, NULL) == MS_OK);
    }
    if (strcmp(form, "streams") == 0)
        post_streams(f, n->n_hosts);
    else if (strcmp(form, "plain") == 0)
        net_alltoall(f, n, bytes, 0);
    else
        post_weighted(f, n, bytes, rates);
}

static struct line measure(const char *topology, uint32_t N, const char *sizes, double quantum,
                           int threads, const char *form)
{
    struct line out = {0};
    struct net n;
    const struct ms_fluid_event *e;
    double t0 = wall_s(), *bytes = malloc((size_t)N * N * sizeof *bytes);
    struct ms_pool *pool = threads > 1 ? ms_pool_create(threads) : NULL;
    if (!bytes || !net_make(&n, topology, N))
        return out;
    if (strcmp(form, "rates") == 0)
        add_rates(&n);
    for (uint32_t s = 0; s < N; s++) {
        for (uint32_t d = 0; d < N; d++)
            bytes[s * (size_t)N + d] = net_bytes(sizes, s, d, 1);
    }
    struct ms_fluid *f = net_solver(&n, pool);
    out.bound_s = net_bound(&n, bytes);
    if (strcmp(form, "streams") == 0)
        out.bound_s = 8.0 * TOKENS * TOKEN_BYTES / PORT_BPS; /* about */
    ms_fluid_set_quantum(f, quantum * out.bound_s);
    out.flows_MB = -peak_MB();
    double from_s = wall_s();
    post(f, &n, bytes, form);
    size_t k = net_advance(f, INFINITY, &e);
    out.solver_s = wall_s() - from_s;
    out.flows_MB += peak_MB();
    out.last_s = k ? e[k - 1].finish_s : 0;
    ms_fluid_get_stats(f, &out.stats);
    ms_fluid_destroy(f);
    ms_pool_destroy(pool);
    net_free(&n);
    free(bytes);
    out.whole_s = wall_s() - t0;
    out.rss_MB = peak_MB();
    return out;
}

static bool measure_in_child(const char *topology, uint32_t N, const char *sizes, double quantum,
                             int threads, const char *form, struct line *out)
{
    int fd[2];
    if (pipe(fd) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        struct line l = measure(topology, N, sizes, quantum, threads, form);
        _exit(write(fd[1], &l, sizeof l) == sizeof l ? 0 : 1);
    }
    close(fd[1]);
    bool ok = pid > 0 && read(fd[0], out, sizeof *out) == sizeof *out;
    close(fd[0]);
    waitpid(pid, NULL, 0);
    return ok;
}

static size_t split(char *list, char **word, size_t max)
{
    size_t n = 0;
    for (char *p = strtok(list, ","); p && n < max; p = strtok(NULL, ","))
        word[n++] = p;
    return n;
}

int main(int argc, char **argv)
{
    enum { TOPOLOGY, RANKS, SIZES, QUANTUM, THREADS, FORM, N_LISTS };
    const char *fallback[] = {"star,fattree,dmodk,torus",
                              "64,128,256,512,1024",
                              "uniform,skew,random",
                              "0,0.001,0.01",
                              "1",
                              "plain"};
    char *list[N_LISTS], *word[N_LISTS][16];
    size_t n[N_LISTS], n_lines = 1;
    for (int i = 0; i < N_LISTS; i++) {
        list[i] = strdup(argc > i + 1 ? argv[i + 1] : fallback[i]);
        n[i] = list[i] ? split(list[i], word[i], 16) : 0;
        n_lines *= i == RANKS ? 1 : n[i];
    }
    printf("topology  sizes      form    quantum threads ranks  solver_s   whole_s  rss_MB  B/flow "
           "  solves  ns/solve/flow growth    last_us     late\n");
    for (size_t c = 0; c < n_lines; c++) {
        size_t at[N_LISTS], rest = c;
        for (int i = N_LISTS - 1; i >= 0; i--) {
            at[i] = i == RANKS ? 0 : rest % n[i];
            rest /= i == RANKS ? 1 : n[i];
        }
        const char *topology = word[TOPOLOGY][at[TOPOLOGY]], *sizes = word[SIZES][at[SIZES]],
                   *form = word[FORM][at[FORM]];
        double quantum = atof(word[QUANTUM][at[QUANTUM]]), before = 0, ranks_before = 0;
        int threads = atoi(word[THREADS][at[THREADS]]);
        for (size_t r = 0; r < n[RANKS]; r++) {
            struct line l;
            double ranks = atof(word[RANKS][r]);
            if (quantum == 0 && strcmp(sizes, "random") == 0 && ranks > 128)
                continue; /* a solve a flow */
            if (!measure_in_child(topology, (uint32_t)ranks, sizes, quantum, threads, form, &l))
                return 1;
            printf("%-9s %-10s %-7s %7g %7d %5g %9.5f %9.4f %7.1f %7.0f %8llu %14.2f %6.2f %10.3f "
                   "%8.5f\n",
                   topology, sizes, form, quantum, threads, ranks, l.solver_s, l.whole_s, l.rss_MB,
                   1048576 * l.flows_MB / (double)l.stats.n_flows,
                   (unsigned long long)l.stats.n_solves,
                   1e9 * l.solver_s / (double)l.stats.n_solves / (double)l.stats.n_flows,
                   before > 0 ? log(l.solver_s / before) / log(ranks / ranks_before) : 0,
                   1e6 * l.last_s, l.last_s / l.bound_s - 1);
            fflush(stdout);
            before = l.solver_s;
            ranks_before = ranks;
        }
    }
    for (int i = 0; i < N_LISTS; i++)
        free(list[i]);
    return 0;
}
