/* The fluid solver's speed: one all-to-all a line.
 *
 *   bench_fluid [TOPOLOGIES [RANKS [SIZES [QUANTA [THREADS]]]]]     each a comma list
 *
 * Columns: solver_s the solver's own time; whole_s with making the network and its routes; rss_MB
 * peak memory of the process of that line (each line runs in a child); growth the exponent of
 * solver_s from the line before with fewer ranks; last_us the simulated end; late the relative
 * excess over the port bound. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fluid_nets.h"

struct line {
    double solver_s, whole_s, rss_MB, last_s, bound_s;
    struct ms_fluid_stats stats;
};

static double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct line measure(const char *topology, uint32_t N, const char *sizes, double quantum,
                           int threads)
{
    struct line out = {0};
    struct net n;
    const struct ms_fluid_event *e;
    struct rusage use;
    double t0 = wall_s(), *bytes = malloc((size_t)N * N * sizeof *bytes);
    struct ms_pool *pool = threads > 1 ? ms_pool_create(threads) : NULL;
    if (!bytes || !net_make(&n, topology, N))
        return out;
    for (uint32_t s = 0; s < N; s++) {
        for (uint32_t d = 0; d < N; d++)
            bytes[s * (size_t)N + d] = net_bytes(sizes, s, d, 1);
    }
    struct ms_fluid *f = net_solver(&n, pool);
    out.bound_s = net_bound(&n, bytes);
    ms_fluid_set_quantum(f, quantum * out.bound_s);
    double from_s = wall_s();
    net_alltoall(f, &n, bytes, 0);
    size_t k = net_advance(f, INFINITY, &e);
    out.solver_s = wall_s() - from_s;
    out.last_s = k ? e[k - 1].finish_s : 0;
    ms_fluid_get_stats(f, &out.stats);
    ms_fluid_destroy(f);
    ms_pool_destroy(pool);
    net_free(&n);
    free(bytes);
    out.whole_s = wall_s() - t0;
    getrusage(RUSAGE_SELF, &use);
    out.rss_MB = (double)use.ru_maxrss / 1024;
    return out;
}

static bool measure_in_child(const char *topology, uint32_t N, const char *sizes, double quantum,
                             int threads, struct line *out)
{
    int fd[2];
    if (pipe(fd) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        struct line l = measure(topology, N, sizes, quantum, threads);
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
    const char *fallback[] = {"star,fattree,dmodk,torus", "64,128,256,512,1024",
                              "uniform,skew,random", "0,0.001,0.01", "1"};
    char *list[5], *word[5][16];
    size_t n[5];
    for (int i = 0; i < 5; i++) {
        list[i] = strdup(argc > i + 1 ? argv[i + 1] : fallback[i]);
        n[i] = list[i] ? split(list[i], word[i], 16) : 0;
    }
    printf("topology  sizes      quantum threads ranks  solver_s   whole_s  rss_MB   solves  "
           "ns/solve/flow growth    "
           "last_us     late\n");
    for (size_t c = 0; c < n[0] * n[2] * n[3] * n[4]; c++) {
        const char *topology = word[0][c / (n[2] * n[3] * n[4])],
                   *sizes = word[2][c / (n[3] * n[4]) % n[2]];
        double quantum = atof(word[3][c / n[4] % n[3]]), before = 0, ranks_before = 0;
        int threads = atoi(word[4][c % n[4]]);
        for (size_t r = 0; r < n[1]; r++) {
            struct line l;
            double ranks = atof(word[1][r]);
            if (quantum == 0 && strcmp(sizes, "random") == 0 && ranks > 128)
                continue; /* a solve a flow */
            if (!measure_in_child(topology, (uint32_t)ranks, sizes, quantum, threads, &l))
                return 1;
            printf("%-9s %-10s %7g %7d %5g %9.5f %9.4f %7.1f %8llu %14.2f %6.2f %10.3f %8.5f\n",
                   topology, sizes, quantum, threads, ranks, l.solver_s, l.whole_s, l.rss_MB,
                   (unsigned long long)l.stats.n_solves,
                   1e9 * l.solver_s / (double)l.stats.n_solves / (double)l.stats.n_flows,
                   before > 0 ? log(l.solver_s / before) / log(ranks / ranks_before) : 0,
                   1e6 * l.last_s, l.last_s / l.bound_s - 1);
            fflush(stdout);
            before = l.solver_s;
            ranks_before = ranks;
        }
    }
    for (int i = 0; i < 5; i++)
        free(list[i]);
    return 0;
}
