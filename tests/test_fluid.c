/* sim/fluid: rates are max-min fair, flows end when they should, whatever the network, the order
 * and the threads. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fluid_reference.h"
#include "sim/fluid/fluid_internal.h"

static const char *topologies[] = {"star", "fattree", "oversub", "dmodk", "torus", "rail"};
enum { N_TOPOLOGIES = sizeof topologies / sizeof *topologies };

static double *all_bytes(const char *sizes, uint32_t N, uint64_t seed)
{
    double *b = malloc((size_t)N * N * sizeof *b);
    ck_assert_ptr_nonnull(b);
    for (uint32_t s = 0; s < N; s++) {
        for (uint32_t d = 0; d < N; d++)
            b[s * (size_t)N + d] = net_bytes(sizes, s, d, seed);
    }
    return b;
}

/* ---- closed forms ---- */

START_TEST(test_one_flow_is_size_over_bandwidth)
{
    struct net n;
    const struct ms_fluid_event *e;
    ck_assert(net_make(&n, "star", 4));
    struct ms_fluid *f = net_solver(&n, NULL);
    uint32_t sink;
    ms_fluid_open(f, 1, 42, &sink, NULL);
    struct ms_fluid_flow w = net_flow(50e6, 2e-6, 1, sink);
    ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
    ck_assert_double_eq(ms_fluid_next_s(f), 2e-6);
    ck_assert_uint_eq(net_advance(f, INFINITY, &e), 1);
    ck_assert_uint_eq(e[0].tag, 42);
    ck_assert_double_eq_tol(e[0].finish_s, 1.002e-3, 1e-15);
    ck_assert(ms_fluid_next_s(f) == INFINITY);
    ms_fluid_destroy(f);
    net_free(&n);
}
END_TEST

START_TEST(test_star_alltoall_takes_the_largest_port)
{
    uint32_t N = (uint32_t[]){2, 16, 64, 256}[_i / 2];
    const char *sizes = (const char *[]){"uniform", "skew"}[_i % 2];
    struct net n;
    const struct ms_fluid_event *e;
    double *b = all_bytes(sizes, N, 1);
    ck_assert(net_make(&n, "star", N));
    struct ms_fluid *f = net_solver(&n, NULL);
    net_alltoall(f, &n, b, 1e-6);
    size_t k = net_advance(f, INFINITY, &e);
    ck_assert_uint_eq(k, N);
    ck_assert_double_eq_tol(e[k - 1].finish_s - 1e-6, net_bound(&n, b), 1e-9 * net_bound(&n, b));
    if (_i % 2 == 0)
        ck_assert_double_eq_tol(e[0].finish_s - 1e-6, (N - 1) * 65536 / PORT_BPS, 1e-15);
    struct ms_fluid_stats st;
    ms_fluid_get_stats(f, &st);
    ck_assert_uint_le(st.n_solves,
                      15); /* equal flows stay equal to the bit: a solve a distinct size */
    ms_fluid_destroy(f);
    net_free(&n);
    free(b);
}
END_TEST

START_TEST(test_permutation_runs_at_line_rate)
{
    uint32_t N = 64;
    struct net n;
    const struct ms_fluid_event *e;
    ck_assert(net_make(&n, "fattree", N));
    struct ms_fluid *f = net_solver(&n, NULL);
    for (uint32_t s = 0; s < N; s++) {
        struct ms_fluid_flow w = net_flow(1e6, 0, s * N + (s + 13) % N, 0);
        ms_fluid_open(f, 1, s, &w.sink, NULL);
        ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
    }
    ck_assert_uint_eq(net_advance(f, INFINITY, &e), N);
    for (uint32_t i = 0; i < N; i++)
        ck_assert_double_eq_tol(e[i].finish_s, 1e6 / PORT_BPS, 1e-15);
    ms_fluid_destroy(f);
    net_free(&n);
}
END_TEST

START_TEST(test_empty_flows_end_at_their_start)
{
    struct net n;
    const struct ms_fluid_event *e;
    ck_assert(net_make(&n, "star", 3));
    struct ms_fluid *f = net_solver(&n, NULL);
    uint32_t s[3];
    double want[] = {3e-6, 5e-6, 4e-6};
    for (uint64_t i = 0; i < 3; i++)
        ms_fluid_open(f, i == 2 ? 2 : 1, i, &s[i], NULL);
    struct ms_fluid_flow w[] = {net_flow(0, 3e-6, 1, s[0]), net_flow(7, 5e-6, 0, s[1]),
                                net_flow(0, 4e-6, 2, s[2]), net_flow(50e3, 1e-6, 2, s[2])};
    ck_assert_int_eq(ms_fluid_add(f, w, 4, NULL), MS_OK);
    ck_assert_uint_eq(net_advance(f, INFINITY, &e), 3);
    ck_assert(e[0].tag == 2 || e[0].tag == 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq_tol(e[i].finish_s, want[e[i].tag], 1e-18);
    ms_fluid_destroy(f);
    net_free(&n);
}
END_TEST

START_TEST(test_a_zero_capacity_stalls_until_it_is_lifted)
{
    struct net n;
    const struct ms_fluid_event *e;
    ck_assert(net_make(&n, "star", 2));
    struct ms_fluid *f = net_solver(&n, NULL);
    struct ms_fluid_flow w = net_flow(50e3, 0, 1, 0);
    ms_fluid_open(f, 1, 0, &w.sink, NULL);
    ms_fluid_add(f, &w, 1, NULL);
    ms_fluid_set_capacity(f, 0, 0.5e-6, 0, NULL);
    ck_assert_uint_eq(net_advance(f, 1, &e), 0);
    ck_assert(ms_fluid_next_s(f) == INFINITY);
    ms_fluid_set_capacity(f, 0, 2, 25e9, NULL);
    ck_assert_uint_eq(net_advance(f, INFINITY, &e), 1);
    ck_assert_double_eq_tol(e[0].finish_s, 2 + 1e-6, 1e-14);
    ms_fluid_destroy(f);
    net_free(&n);
}
END_TEST

START_TEST(test_bad_input_is_refused)
{
    struct ms_fluid *f = NULL;
    struct ms_err err = {0};
    double bad[] = {0, -1, NAN, INFINITY};
    for (int i = 0; i < 4; i++) {
        struct ms_fluid_link l = {bad[i], false};
        ck_assert_int_eq(ms_fluid_create(&l, 1, NULL, &f, &err), MS_INVALID);
    }
    struct ms_fluid_link l = {1, false};
    struct ms_fluid_flow w = {0};
    uint32_t hops[] = {0, 0};
    ck_assert_int_eq(ms_fluid_create(&l, 1, NULL, &f, NULL), MS_OK);
    ms_fluid_route(f, hops, 2, &w.route, NULL);
    ms_fluid_open(f, 1, 0, &w.sink, NULL);
    for (int i = 1; i < 4; i++) {
        w.bytes = bad[i];
        ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_INVALID);
    }
    ms_fluid_destroy(f);
}
END_TEST

/* ---- agreement with the textbook ---- */

struct played { /* flows with chains of continuations, played through the solver */
    struct ms_fluid *f;
    struct ref_flow *flow;
    uint32_t *first, *next; /* flows that wait for flow i: first[i], next[…] */
    double *finish;
    size_t n_flows;
};

static void post(struct played *p, uint32_t i, double start_s)
{
    struct ms_fluid_flow w = net_flow(p->flow[i].bytes, start_s, p->flow[i].route, 0);
    ck_assert_int_eq(ms_fluid_open(p->f, 1, i, &w.sink, NULL), MS_OK);
    ck_assert_int_eq(ms_fluid_add(p->f, &w, 1, NULL), MS_OK);
}

static void play(struct played *p, bool quiet)
{
    const struct ms_fluid_event *e;
    p->first = malloc(2 * (p->n_flows + 1) * sizeof *p->first);
    p->next = p->first + p->n_flows;
    p->finish = malloc((p->n_flows + 1) * sizeof *p->finish);
    for (uint32_t i = 0; i < p->n_flows; i++)
        p->first[i] = p->next[i] = UINT32_MAX;
    for (uint32_t i = 0; i < p->n_flows; i++) {
        p->finish[i] = INFINITY;
        uint32_t a = p->flow[i].after;
        if (a == UINT32_MAX) {
            post(p, i, p->flow[i].start_s);
        } else {
            p->next[i] = p->first[a];
            p->first[a] = i;
        }
    }
    for (double t; (t = ms_fluid_next_s(p->f)) < INFINITY;) {
        size_t k = quiet ? net_run_to_event(p->f, INFINITY, &e) : net_advance(p->f, t, &e);
        struct ms_fluid_event *mine = malloc((k + 1) * sizeof *mine);
        if (k)
            memcpy(mine, e, k * sizeof *mine);
        for (size_t i = 0; i < k; i++) {
            ck_assert_double_le(mine[i].finish_s, ms_fluid_now_s(p->f));
            p->finish[mine[i].tag] = mine[i].finish_s;
            for (uint32_t j = p->first[mine[i].tag]; j != UINT32_MAX; j = p->next[j])
                post(p, j, mine[i].finish_s + p->flow[j].start_s);
        }
        free(mine);
    }
}

static void play_end(struct played *p)
{
    ms_fluid_destroy(p->f);
    free(p->first), free(p->finish);
}

/* A random network: shared and fatpipe links of rates over two decades, routes of 0..6 links. */
static void random_net(struct net *n, struct ms_rng *r, bool few_rates)
{
    *n = (struct net){.n_hosts = 6, .n_links = 4 + ms_rng_below(r, 20)};
    n->link = calloc(n->n_links, sizeof *n->link);
    n->off = calloc(6 * 6 + 1, sizeof *n->off);
    n->hop = calloc(6 * 6 * 6, sizeof *n->hop);
    for (size_t l = 0; l < n->n_links; l++) {
        n->link[l].capacity_Bps =
            few_rates ? 1e9 * (1 + ms_rng_below(r, 3)) : 1e9 * exp(4 * ms_rng_unit(r));
        n->link[l].fatpipe = ms_rng_below(r, 5) == 0;
    }
    for (size_t i = 0; i < 36; i++) {
        n->off[i] = n->n_hops;
        for (uint32_t h = ms_rng_below(r, 12) ? 1 + ms_rng_below(r, 6) : 0; h > 0; h--) {
            uint32_t l = ms_rng_below(r, (uint32_t)n->n_links);
            bool seen = false;
            for (size_t j = n->off[i]; j < n->n_hops; j++)
                seen |= n->hop[j] == l;
            if (!seen)
                n->hop[n->n_hops++] = l;
        }
    }
    n->off[36] = n->n_hops;
}

static size_t random_flows(struct ref_flow *flow, struct ms_rng *r)
{
    size_t n = 20 + ms_rng_below(r, 100);
    bool equal = ms_rng_below(r, 2);
    for (size_t i = 0; i < n; i++) {
        flow[i] = (struct ref_flow){.route = ms_rng_below(r, 36), .after = UINT32_MAX};
        flow[i].bytes = ms_rng_below(r, 15) == 0 ? 0
                        : equal                  ? 1e4 * (1 + ms_rng_below(r, 2))
                                                 : 1e5 * ms_rng_unit(r);
        if (i > 5 && ms_rng_below(r, 3) == 0)
            flow[i].after = ms_rng_below(r, (uint32_t)i);
        flow[i].start_s = equal ? 1e-5 * ms_rng_below(r, 4) : 1e-4 * ms_rng_unit(r);
    }
    return n;
}

static size_t random_changes(struct ref_change *change, const struct net *n, struct ms_rng *r)
{
    size_t k = ms_rng_below(r, 3) ? 0 : 1 + ms_rng_below(r, 5);
    for (size_t i = 0; i < k; i++) {
        uint32_t l = ms_rng_below(r, (uint32_t)n->n_links);
        change[i] = (struct ref_change){3e-4 * ms_rng_unit(r),
                                        n->link[l].capacity_Bps * (0.2 + 2 * ms_rng_unit(r)), l};
    }
    return k;
}

START_TEST(test_random_systems_agree_with_the_textbook)
{
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct ms_rng r;
        struct net n;
        struct ref_flow flow[128];
        struct ref_change change[8];
        ms_rng_init(&r, seed, "system", (uint64_t)_i, 0, 0);
        random_net(&n, &r, _i % 2);
        struct played p = {.flow = flow, .n_flows = random_flows(flow, &r)};
        size_t n_changes = random_changes(change, &n, &r);
        p.f = net_solver(&n, NULL);
        for (size_t i = 0; i < n_changes; i++)
            ms_fluid_set_capacity(p.f, change[i].link, change[i].at_s, change[i].capacity_Bps,
                                  NULL);
        play(&p, _i / 2);
        ref_run(&n, flow, p.n_flows, change, n_changes);
        for (size_t i = 0; i < p.n_flows; i++)
            ck_assert_msg(fabs(p.finish[i] - flow[i].finish_s) <= 1e-9 * flow[i].finish_s,
                          "seed %d flow %zu: %.12g, should be %.12g", (int)seed, i, p.finish[i],
                          flow[i].finish_s);
        play_end(&p);
        net_free(&n);
    }
}
END_TEST

static void agrees(struct net *n, struct ref_flow *flow, size_t n_flows)
{
    struct played p = {.f = net_solver(n, NULL), .flow = flow, .n_flows = n_flows};
    ref_run(n, flow, n_flows, NULL, 0);
    play(&p, false);
    for (size_t i = 0; i < n_flows; i++)
        ck_assert_double_eq_tol(p.finish[i], flow[i].finish_s, 1e-9 * flow[i].finish_s + 1e-18);
    play_end(&p);
    net_free(n);
}

START_TEST(test_alltoalls_agree_with_the_textbook)
{
    uint32_t N = 16;
    struct net n;
    struct ref_flow flow[256];
    ck_assert(net_make(&n, topologies[_i / 2], N));
    double *b = all_bytes(_i % 2 ? "skew" : "lognormal", N, 7);
    for (uint32_t i = 0; i < N * N; i++)
        flow[i] = (struct ref_flow){
            .bytes = b[i], .route = i, .after = UINT32_MAX, .start_s = 1e-6 * (i / N % 3)};
    agrees(&n, flow, (size_t)N * N);
    free(b);
}
END_TEST

/* Some flows start alone, some by the dozen and many at once: they join lists that are there, or
 * these are made anew. */
START_TEST(test_starts_apart_agree_with_the_textbook)
{
    uint32_t N = 24;
    struct net n;
    struct ref_flow flow[576];
    struct ms_rng r;
    ms_rng_init(&r, 11, "starts", (uint64_t)_i, 0, 0);
    ck_assert(net_make(&n, topologies[_i], N));
    double *b = all_bytes("lognormal", N, 9);
    for (uint32_t i = 0; i < N * N; i++) {
        uint32_t kind = ms_rng_below(&r, 4);
        double start_s = kind == 0   ? 4e-5 * ms_rng_unit(&r)
                         : kind == 1 ? 2e-6 * ms_rng_below(&r, 12)
                                     : 1.5e-5;
        flow[i] =
            (struct ref_flow){.bytes = b[i], .route = i, .after = UINT32_MAX, .start_s = start_s};
    }
    agrees(&n, flow, (size_t)N * N);
    free(b);
}
END_TEST

/* ---- quantum ---- */

static double *sink_times(const struct net *n, const double *bytes, double quantum_s,
                          struct ms_pool *pool)
{
    const struct ms_fluid_event *e;
    struct ms_fluid *f = net_solver(n, pool);
    double *t = malloc(n->n_hosts * sizeof *t);
    ms_fluid_set_quantum(f, quantum_s);
    net_alltoall(f, n, bytes, 0);
    size_t k = net_advance(f, INFINITY, &e);
    ck_assert_uint_eq(k, n->n_hosts);
    for (size_t i = 0; i < k; i++)
        t[e[i].tag] = e[i].finish_s;
    ms_fluid_destroy(f);
    return t;
}

START_TEST(test_quantum_is_late_and_a_little)
{
    uint32_t N = 64;
    struct net n;
    const char *sizes = _i % 2 ? "random" : "lognormal";
    ck_assert(net_make(&n, topologies[_i / 2], N));
    double *b = all_bytes(sizes, N, 3), bound = net_bound(&n, b);
    double *exact = sink_times(&n, b, 0, NULL), *quick = sink_times(&n, b, 0.001 * bound, NULL),
           mean = 0;
    double last[2] = {0};
    for (uint32_t d = 0; d < N; d++) {
        double late = quick[d] / exact[d] - 1;
        ck_assert_msg(late > -1e-9 && late < 0.01, "%s rank %u late by %g", topologies[_i / 2], d,
                      late);
        mean += late / N;
        last[0] = fmax(last[0], exact[d]);
        last[1] = fmax(last[1], quick[d]);
    }
    ck_assert_msg(mean > 0 && mean <= (_i % 2 ? 0.002 : 0.003), "%s mean %g", topologies[_i / 2],
                  mean);
    ck_assert_double_ge(last[1], last[0] * (1 - 1e-9));
    free(exact), free(quick), free(b);
    net_free(&n);
}
END_TEST

/* ---- books ---- */

START_TEST(test_links_carry_what_was_sent)
{
    uint32_t N = 32;
    struct net n;
    const struct ms_fluid_event *e;
    ck_assert(net_make(&n, topologies[_i / 2], N));
    double *b = all_bytes("random", N, 5), *want = calloc(n.n_links, sizeof *want);
    double *half = calloc(n.n_links, sizeof *half), *full = calloc(n.n_links, sizeof *full);
    for (size_t r = 0; r < (size_t)N * N; r++) {
        for (size_t h = n.off[r]; h < n.off[r + 1]; h++)
            want[n.hop[h]] += b[r];
    }
    struct ms_fluid *f = net_solver(&n, NULL);
    double bound = net_bound(&n, b);
    ms_fluid_set_quantum(f, _i % 2 ? 0.01 * bound : 0);
    net_alltoall(f, &n, b, 0);
    for (int step = 1; step <= 40;
         step++) { /* never more than the capacity, whatever the quantum */
        double t = bound * step / 40;
        net_advance(f, t, &e);
        ms_fluid_link_bytes(f, half);
        for (size_t l = 0; l < n.n_links; l++)
            ck_assert(n.link[l].fatpipe || half[l] <= n.link[l].capacity_Bps * t * (1 + 1e-9));
    }
    net_advance(f, INFINITY, &e);
    ms_fluid_link_bytes(f, full);
    for (size_t l = 0; l < n.n_links; l++) {
        ck_assert_double_eq(full[l], want[l]);
        ck_assert(want[l] == 0 || half[l] > 0);
    }
    ms_fluid_destroy(f);
    free(b), free(want), free(half), free(full);
    net_free(&n);
}
END_TEST

START_TEST(test_trace_names_the_link_that_limits)
{
    /* Two flows into host 2, then one alone: its own up-link is slower than the port. */
    struct ms_fluid_link l[] = {{10, false}, {4, false}, {10, false}};
    uint32_t a[] = {0, 2}, b[] = {1, 2};
    const struct ms_fluid_event *e;
    const struct ms_fluid_span *s;
    struct ms_fluid *f = NULL;
    struct ms_fluid_flow w[2] = {{.bytes = 60}, {.bytes = 60}};
    ck_assert_int_eq(ms_fluid_create(l, 3, NULL, &f, NULL), MS_OK);
    ms_fluid_trace(f, true);
    ms_fluid_route(f, a, 2, &w[0].route, NULL);
    ms_fluid_route(f, b, 2, &w[1].route, NULL);
    ms_fluid_open(f, 2, 0, &w[0].sink, NULL);
    w[1].sink = w[0].sink;
    ms_fluid_set_capacity(f, 1, 11, 10, NULL);
    ck_assert_int_eq(ms_fluid_add(f, w, 2, NULL), MS_OK);
    ck_assert_uint_eq(net_advance(f, INFINITY, &e), 1);
    /* 60 bytes at 6 end at 10; the other has 20 left at 4, of which 16 at 11, then 1.6 s at 10 */
    ck_assert_double_eq_tol(e[0].finish_s, 12.6, 1e-12);
    ck_assert_uint_eq(ms_fluid_spans(f, 0, &s), 2);
    ck_assert(s[0].link == 1 && (s[1].link == 2 || s[1].link == 1));
    ck_assert_double_eq_tol(s[0].seconds, 11, 1e-12);
    ck_assert_double_eq_tol(s[1].seconds, 1.6, 1e-12);
    ms_fluid_destroy(f);
}
END_TEST

START_TEST(test_trace_covers_the_life_and_changes_nothing)
{
    uint32_t N = 24;
    struct net n;
    const struct ms_fluid_event *e;
    const struct ms_fluid_span *s;
    ck_assert(net_make(&n, topologies[_i], N));
    double *b = all_bytes("random", N, 11),
           *plain = sink_times(&n, b, 0.01 * net_bound(&n, b), NULL);
    struct ms_fluid *f = net_solver(&n, NULL);
    ms_fluid_trace(f, true);
    ms_fluid_set_quantum(f, 0.01 * net_bound(&n, b));
    net_alltoall(f, &n, b, 0);
    size_t k = net_advance(f, INFINITY, &e);
    ck_assert_uint_eq(k, N);
    for (size_t i = 0; i < k; i++) {
        double sum = 0;
        size_t m = ms_fluid_spans(f, i, &s);
        for (size_t j = 0; j < m; j++) {
            ck_assert_uint_lt(s[j].link, n.n_links);
            ck_assert(s[j].seconds > 0 || m == 1);
            sum += s[j].seconds;
        }
        ck_assert_double_eq(e[i].finish_s, plain[e[i].tag]);
        ck_assert_double_eq_tol(sum, e[i].finish_s, 1e-12 * sum);
    }
    ms_fluid_destroy(f);
    free(b), free(plain);
    net_free(&n);
}
END_TEST

/* ---- sameness ---- */

/* A table that is lent, in two parts and after it has moved, stands for routes that are stored. */
START_TEST(test_lent_routes_stand_for_stored_ones)
{
    uint32_t N = 24;
    struct net n;
    const struct ms_fluid_event *e;
    struct ms_fluid *f = NULL;
    ck_assert(net_make(&n, topologies[_i], N));
    size_t n_routes = (size_t)N * N, half = n_routes / 2;
    double *b = all_bytes("random", N, 5), *stored = sink_times(&n, b, 0, NULL);
    uint64_t *first = malloc((n_routes + 1) * sizeof *first);
    uint32_t *early = malloc((n.n_hops + 1) * sizeof *early);
    for (size_t i = 0; i <= n_routes; i++)
        first[i] = n.off[i];
    memcpy(early, n.hop, n.n_hops * sizeof *early);
    ck_assert_int_eq(ms_fluid_create(n.link, n.n_links, NULL, &f, NULL), MS_OK);
    ck_assert_int_eq(ms_fluid_lend(f, early, first, half, NULL), MS_OK);
    free(early);
    ck_assert_int_eq(ms_fluid_lend(f, n.hop, first, n_routes, NULL), MS_OK);
    for (uint32_t d = 0; d < N; d++) {
        uint32_t sink;
        ms_fluid_open(f, N - 1, d, &sink, NULL);
        for (uint32_t s = 0; s < N; s++) {
            struct ms_fluid_flow w = net_flow(b[s * N + d], 0, MS_FLUID_LENT + s * N + d, sink);
            if (s != d)
                ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
        }
    }
    size_t k = net_advance(f, INFINITY, &e);
    ck_assert_uint_eq(k, N);
    for (size_t i = 0; i < k; i++)
        ck_assert_double_eq_tol(e[i].finish_s, stored[e[i].tag], 1e-14 * stored[e[i].tag]);
    ms_fluid_destroy(f);
    free(first), free(stored), free(b);
    net_free(&n);
}
END_TEST

START_TEST(test_threads_change_no_bit)
{
    uint32_t N = 256;
    struct net n;
    ck_assert(net_make(&n, topologies[_i], N));
    double *b = all_bytes("random", N, 2), q = 0.02 * net_bound(&n, b);
    struct ms_pool *pool = ms_pool_create(2);
    double *one = sink_times(&n, b, q, NULL), *two = sink_times(&n, b, q, pool);
    ck_assert(memcmp(one, two, N * sizeof *one) == 0);
    ms_pool_destroy(pool);
    free(one), free(two), free(b);
    net_free(&n);
}
END_TEST

/* Filling and the pass in each instruction set this machine has, on the same flows. */
START_TEST(test_instruction_sets_give_the_same_bits)
{
#if defined(__x86_64__)
    const struct ms_fluid_isa isa[] = {{ms_fluid_fill_base, NULL, ms_fluid_kernel_base},
                                       {ms_fluid_fill_avx512, NULL, ms_fluid_kernel_avx512}};
    int n_isa = ms_fluid_isa_of_this_cpu()->fill == ms_fluid_fill_avx512 ? 2 : 1;
    uint32_t N = 32;
    struct net n;
    ck_assert(net_make(&n, topologies[_i], N));
    double *b = all_bytes("random", N, 4);
    struct ms_fluid *f = net_solver(&n, NULL);
    net_alltoall(f, &n, b, 0);
    ms_fluid_next_s(f);
    for (uint32_t k = 0; k < f->n_comps; k++) {
        struct ms_fluid_comp *c = &f->comp[k];
        double *level = malloc(c->m * sizeof *level);
        isa[0].fill(c);
        memcpy(level, c->level, c->m * sizeof *level);
        for (uint32_t l = 0; l < c->m; l++) {
            c->serve[l] = 1e-7 * c->level[l];
            c->credit[l] = 1e-8 * (l % 3);
        }
        for (int i = 1; i < n_isa; i++) {
            isa[i].fill(c);
            ck_assert(memcmp(level, c->level, c->m * sizeof *level) == 0);
        }
        for (uint32_t q = 1; q <= c->k_max; q++) {
            struct ms_fluid_bucket *u = c->by_k[q];
            double first[2], *left[2], t[2][4096];
            uint32_t flow[2][4096], found[2];
            for (int i = 0; u && i < n_isa; i++) {
                left[i] = malloc(u->n * sizeof(double));
                memcpy(left[i], u->left, u->n * sizeof(double));
                struct ms_fluid_kernel_args a = {.k = q,
                                                 .link = u->link,
                                                 .left = left[i],
                                                 .serve = c->serve,
                                                 .level = c->level,
                                                 .credit = c->credit,
                                                 .per_s = 0.9e7,
                                                 .window = 1e-7,
                                                 .window_rel = 1e-11,
                                                 .cand_t = t[i],
                                                 .cand_flow = flow[i]};
                first[i] = INFINITY;
                found[i] = isa[i].kernel(&a, 0, u->n, &first[i]);
                ck_assert(first[i] == first[0] &&
                          memcmp(left[i], left[0], u->n * sizeof(double)) == 0);
                ck_assert_uint_ge(found[i], 1);
            }
            for (int i = 0; u && i < n_isa; i++)
                free(left[i]);
        }
        free(level);
    }
    ms_fluid_destroy(f);
    free(b);
    net_free(&n);
#endif
}
END_TEST

/* Small steps of the caller give the same ends as one leap: advancing settles nothing. */
START_TEST(test_steps_of_the_caller_change_no_bit)
{
    uint32_t N = 32;
    struct net n;
    const struct ms_fluid_event *e;
    ck_assert(net_make(&n, topologies[_i], N));
    double *b = all_bytes("random", N, 9), q = 0.01 * net_bound(&n, b),
           *leap = sink_times(&n, b, q, NULL);
    struct ms_fluid *f = net_solver(&n, NULL);
    ms_fluid_set_quantum(f, q);
    net_alltoall(f, &n, b, 0);
    size_t seen = 0;
    for (double t = 0; seen < N; t += 0.3 * q) {
        size_t k = net_advance(f, t, &e);
        for (size_t i = 0; i < k; i++, seen++) {
            ck_assert_double_eq(e[i].finish_s, leap[e[i].tag]);
            ck_assert_double_le(e[i].finish_s, t);
            ck_assert_double_gt(e[i].finish_s, t - 0.3 * q - 1e-15);
        }
    }
    ms_fluid_destroy(f);
    free(b), free(leap);
    net_free(&n);
}
END_TEST

START_TEST(test_relabelled_ranks_take_the_same_time)
{
    uint32_t N = 32, to[32];
    struct net n;
    struct ms_rng r;
    ck_assert(net_make(&n, "star", N));
    double *b = all_bytes("random", N, 13), *c = calloc((size_t)N * N, sizeof *c);
    for (uint32_t i = 0; i < N; i++)
        to[i] = i;
    ms_rng_init(&r, 1, "relabel", 0, 0, 0);
    ms_rng_shuffle(&r, (int *)to, N);
    for (uint32_t s = 0; s < N; s++) {
        for (uint32_t d = 0; d < N; d++)
            c[to[s] * N + to[d]] = b[s * N + d];
    }
    double *x = sink_times(&n, b, 0, NULL), *y = sink_times(&n, c, 0, NULL);
    for (uint32_t d = 0; d < N; d++)
        ck_assert_double_eq_tol(x[d], y[to[d]], 1e-9 * x[d]);
    free(b), free(c), free(x), free(y);
    net_free(&n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fluid");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 100);
    tcase_add_test(t, test_one_flow_is_size_over_bandwidth);
    tcase_add_loop_test(t, test_star_alltoall_takes_the_largest_port, 0, 8);
    tcase_add_test(t, test_permutation_runs_at_line_rate);
    tcase_add_test(t, test_empty_flows_end_at_their_start);
    tcase_add_test(t, test_a_zero_capacity_stalls_until_it_is_lifted);
    tcase_add_test(t, test_bad_input_is_refused);
    tcase_add_loop_test(t, test_random_systems_agree_with_the_textbook, 0, 4);
    tcase_add_loop_test(t, test_alltoalls_agree_with_the_textbook, 0, 2 * N_TOPOLOGIES);
    tcase_add_loop_test(t, test_starts_apart_agree_with_the_textbook, 0, N_TOPOLOGIES);
    tcase_add_loop_test(t, test_quantum_is_late_and_a_little, 0, 2 * N_TOPOLOGIES);
    tcase_add_loop_test(t, test_links_carry_what_was_sent, 0, 2 * N_TOPOLOGIES);
    tcase_add_test(t, test_trace_names_the_link_that_limits);
    tcase_add_loop_test(t, test_trace_covers_the_life_and_changes_nothing, 0, N_TOPOLOGIES);
    tcase_add_loop_test(t, test_lent_routes_stand_for_stored_ones, 0, N_TOPOLOGIES);
    tcase_add_loop_test(t, test_threads_change_no_bit, 0, N_TOPOLOGIES);
    tcase_add_loop_test(t, test_instruction_sets_give_the_same_bits, 0, N_TOPOLOGIES);
    tcase_add_loop_test(t, test_steps_of_the_caller_change_no_bit, 0, N_TOPOLOGIES);
    tcase_add_test(t, test_relabelled_ranks_take_the_same_time);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
