/* sim/fluid with weights: shares, resources of ports, fatpipes and streams agree with the textbook;
 * no link carries more than it can, whatever the quantum; and what each of them is for is there. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fluid_reference.h"
#include "sim/fluid/fluid_internal.h"

/* ---- random systems ---- */

enum { HOSTS = 6, ROUTES = HOSTS * HOSTS, FLOWS = 64, USES = 4 };

struct system {
    struct net n;
    struct ref_flow flow[FLOWS];
    struct ms_fluid_use use[FLOWS][2][USES];
    size_t n_flows, n_changes;
    struct ref_change change[8];
};

/* Shared and fatpipe links of rates over two decades, routes of 0..6 links; some cross one twice. */
static void random_net(struct net *n, struct ms_rng *r)
{
    *n = (struct net){.n_hosts = HOSTS, .n_links = 4 + ms_rng_below(r, 20)};
    n->link = calloc(n->n_links, sizeof *n->link);
    n->off = calloc(ROUTES + 1, sizeof *n->off);
    n->hop = calloc(ROUTES * 6, sizeof *n->hop);
    for (size_t l = 0; l < n->n_links; l++)
        n->link[l] = (struct ms_fluid_link){1e9 * exp(4 * ms_rng_unit(r)), !ms_rng_below(r, 5)};
    for (size_t i = 0; i < ROUTES; i++) {
        n->off[i] = n->n_hops;
        for (uint32_t h = ms_rng_below(r, 12) ? 1 + ms_rng_below(r, 6) : 0; h > 0; h--)
            n->hop[n->n_hops++] = ms_rng_below(r, (uint32_t)n->n_links);
    }
    n->off[ROUTES] = n->n_hops;
}

static uint32_t random_uses(struct ms_fluid_use *use, struct ms_rng *r)
{
    uint32_t n = ms_rng_below(r, USES + 1);
    for (uint32_t k = 0; k < n; k++) {
        double weight = ms_rng_below(r, 8) ? exp(6 * ms_rng_unit(r) - 3) : 0;
        use[k] = (struct ms_fluid_use){weight, ms_rng_below(r, ROUTES)};
    }
    return n;
}

static void random_flow(struct system *s, uint32_t i, struct ms_rng *r)
{
    struct ref_flow *f = &s->flow[i];
    *f = (struct ref_flow){.after = UINT32_MAX, .start_s = 1e-4 * ms_rng_unit(r)};
    f->bytes = ms_rng_below(r, 15) ? 1e5 * ms_rng_unit(r) : 0;
    f->route = ms_rng_below(r, 6) ? ms_rng_below(r, ROUTES) : UINT32_MAX;
    f->with = s->use[i][0];
    f->then = s->use[i][1];
    f->n_with = ms_rng_below(r, 2) ? random_uses(s->use[i][0], r) : 0;
    f->n_then = ms_rng_below(r, 2) ? random_uses(s->use[i][1], r) : 0;
    f->share = ms_rng_below(r, 2) ? exp(4 * ms_rng_unit(r) - 2) : 0;
    f->chunk_bytes = ms_rng_below(r, 4) ? f->bytes * 1.5 * ms_rng_unit(r) : 0;
    if (i > 5 && ms_rng_below(r, 3) == 0)
        f->after = ms_rng_below(r, i);
}

static void random_system(struct system *s, uint64_t seed)
{
    struct ms_rng r;
    ms_rng_init(&r, seed, "weighted", 0, 0, 0);
    random_net(&s->n, &r);
    s->n_flows = 10 + ms_rng_below(&r, FLOWS - 10);
    for (uint32_t i = 0; i < s->n_flows; i++)
        random_flow(s, i, &r);
    s->n_changes = ms_rng_below(&r, 3) ? 0 : 1 + ms_rng_below(&r, 5);
    for (size_t i = 0; i < s->n_changes; i++) {
        uint32_t l = ms_rng_below(&r, (uint32_t)s->n.n_links);
        s->change[i] = (struct ref_change){
            3e-4 * ms_rng_unit(&r), s->n.link[l].capacity_Bps * (0.2 + 2 * ms_rng_unit(&r)), l};
    }
}

/* Flow i with two sinks: tag 2 i at its end, 2 i + 1 when its first hop is over. */
static void post(struct ms_fluid *f, const struct ref_flow *x, uint32_t i, double start_s)
{
    uint32_t sent;
    struct ms_fluid_flow w = {.bytes = x->bytes,
                              .start_s = start_s,
                              .route = x->route,
                              .share = x->share,
                              .with = x->with,
                              .then = x->then,
                              .n_with = x->n_with,
                              .n_then = x->n_then,
                              .also = &sent,
                              .n_also = 1,
                              .n_sent = 1,
                              .chunk_bytes = x->chunk_bytes};
    ck_assert_int_eq(ms_fluid_open(f, 1, 2 * i, &w.sink, NULL), MS_OK);
    ck_assert_int_eq(ms_fluid_open(f, 1, 2 * i + 1, &sent, NULL), MS_OK);
    ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
}

/* finish_s: [2 x n_flows] by tag */
static void play(struct ms_fluid *f, const struct system *s, bool quiet, double *finish_s)
{
    const struct ms_fluid_event *e;
    for (uint32_t i = 0; i < s->n_flows; i++) {
        finish_s[2 * i] = finish_s[2 * i + 1] = INFINITY;
        if (s->flow[i].after == UINT32_MAX)
            post(f, &s->flow[i], i, s->flow[i].start_s);
    }
    for (double t; (t = ms_fluid_next_s(f)) < INFINITY;) {
        size_t k = quiet ? net_run_to_event(f, INFINITY, &e) : net_advance(f, t, &e);
        struct ms_fluid_event *mine = malloc((k + 1) * sizeof *mine);
        if (k)
            memcpy(mine, e, k * sizeof *mine);
        for (size_t i = 0; i < k; i++) {
            finish_s[mine[i].tag] = mine[i].finish_s;
            for (uint32_t j = 0; mine[i].tag % 2 == 0 && j < s->n_flows; j++) {
                if (s->flow[j].after == mine[i].tag / 2)
                    post(f, &s->flow[j], j, mine[i].finish_s + s->flow[j].start_s);
            }
        }
        free(mine);
    }
}

START_TEST(test_random_systems_agree_with_the_textbook)
{
    struct system *s = calloc(1, sizeof *s);
    for (uint64_t seed = 0; seed < 150; seed++) {
        double finish_s[2 * FLOWS];
        random_system(s, 1000 * (uint64_t)_i + seed);
        struct ms_fluid *f = net_solver(&s->n, NULL);
        ms_fluid_trace(f, seed % 2);
        for (size_t i = 0; i < s->n_changes; i++)
            ms_fluid_set_capacity(f, s->change[i].link, s->change[i].at_s,
                                  s->change[i].capacity_Bps, NULL);
        play(f, s, _i, finish_s);
        ref_run(&s->n, s->flow, s->n_flows, s->change, s->n_changes);
        for (size_t i = 0; i < s->n_flows; i++) {
            const struct ref_flow *x = &s->flow[i];
            ck_assert_msg(fabs(finish_s[2 * i] - x->finish_s) <= 1e-9 * x->finish_s,
                          "seed %d flow %zu: %.12g, should be %.12g", (int)seed, i, finish_s[2 * i],
                          x->finish_s);
            ck_assert_msg(fabs(finish_s[2 * i + 1] - x->sent_s) <= 1e-9 * x->sent_s,
                          "seed %d flow %zu: sent %.12g, should be %.12g", (int)seed, i,
                          finish_s[2 * i + 1], x->sent_s);
        }
        ms_fluid_destroy(f);
        net_free(&s->n);
    }
    free(s);
}
END_TEST

/* Units that a link can have spent by t_s: its capacity, as changed, over time. */
static double could_spend(const struct system *s, uint32_t link, double t_s)
{
    double units = 0, from_s = 0, capacity = s->n.link[link].capacity_Bps;
    for (;;) { /* the next change of this link */
        size_t next = s->n_changes;
        for (size_t i = 0; i < s->n_changes; i++) {
            if (s->change[i].link == link && s->change[i].at_s > from_s &&
                (next == s->n_changes || s->change[i].at_s < s->change[next].at_s))
                next = i;
        }
        if (next == s->n_changes || s->change[next].at_s >= t_s)
            return units + capacity * (t_s - from_s);
        units += capacity * (s->change[next].at_s - from_s);
        from_s = s->change[next].at_s;
        capacity = s->change[next].capacity_Bps;
    }
}

/* Whatever the quantum: no shared link has ever carried more than it could, and in the end all has
 * ended that ends without one, with what was sent on the books. */
START_TEST(test_random_systems_keep_to_capacities_under_a_quantum)
{
    struct system *s = calloc(1, sizeof *s);
    for (uint64_t seed = 0; seed < 60; seed++) {
        double exact[2 * FLOWS], spent[32], want[32];
        const struct ms_fluid_event *e;
        random_system(s, 7000 + 1000 * (uint64_t)_i + seed);
        for (uint32_t i = 0; i < s->n_flows; i++)
            s->flow[i].after = UINT32_MAX;
        struct ms_fluid *f[2] = {net_solver(&s->n, NULL), net_solver(&s->n, NULL)};
        for (int k = 0; k < 2; k++) {
            for (size_t i = 0; i < s->n_changes; i++)
                ms_fluid_set_capacity(f[k], s->change[i].link, s->change[i].at_s,
                                      s->change[i].capacity_Bps, NULL);
        }
        play(f[0], s, false, exact);
        ms_fluid_link_bytes(f[0], want);
        ms_fluid_set_quantum(f[1], pow(10, -6 + _i));
        for (uint32_t i = 0; i < s->n_flows; i++)
            post(f[1], &s->flow[i], i, s->flow[i].start_s);
        size_t ended = 0;
        double last = ms_fluid_now_s(f[0]);
        for (int step = 1; step <= 50; step++) {
            double t = last * 1.2 * step / 40;
            ended += net_advance(f[1], t, &e);
            ms_fluid_link_bytes(f[1], spent);
            for (uint32_t l = 0; l < s->n.n_links; l++) {
                double could = could_spend(s, l, t);
                ck_assert_msg(s->n.link[l].fatpipe || spent[l] <= could * (1 + 1e-9) + 1e-3,
                              "seed %d link %u: %g of %g", (int)seed, l, spent[l], could);
            }
        }
        ended += net_advance(f[1], INFINITY, &e);
        ck_assert_uint_eq(ended, 2 * s->n_flows);
        ms_fluid_link_bytes(f[1], spent);
        for (uint32_t l = 0; l < s->n.n_links; l++)
            ck_assert_double_eq_tol(spent[l], want[l], 1e-9 * want[l] + 1e-3);
        ms_fluid_destroy(f[0]);
        ms_fluid_destroy(f[1]);
        net_free(&s->n);
    }
    free(s);
}
END_TEST

/* ---- closed forms ---- */

static struct ms_fluid *solver(const struct ms_fluid_link *link, size_t n)
{
    struct ms_fluid *f = NULL;
    ck_assert_int_eq(ms_fluid_create(link, n, NULL, &f, NULL), MS_OK);
    return f;
}

static uint32_t route(struct ms_fluid *f, const uint32_t *links, size_t n)
{
    uint32_t id;
    ck_assert_int_eq(ms_fluid_route(f, links, n, &id, NULL), MS_OK);
    return id;
}

static uint32_t open_sink(struct ms_fluid *f, uint32_t n_flows, uint64_t tag)
{
    uint32_t id;
    ck_assert_int_eq(ms_fluid_open(f, n_flows, tag, &id, NULL), MS_OK);
    return id;
}

/* When everything has ended. */
static double last_s(struct ms_fluid *f)
{
    const struct ms_fluid_event *e;
    size_t n = net_advance(f, INFINITY, &e);
    ck_assert_uint_ge(n, 1);
    return e[n - 1].finish_s;
}

/* Two streams of 1000 tokens of 1000 bytes share the forwarder's NIC, then its NVLink to one
 * receiver, all links 1 GB/s. A chunk c of each has arrived after 2 c, so: 2000 us for the NIC and 2 c
 * after it for the last chunks, until store and forward takes 4000. */
START_TEST(test_two_streams_through_one_forwarder)
{
    double chunk[] = {10, 500, 1000, 100000}, want_us[] = {2020, 3000, 4000, 4000};
    struct ms_fluid_link link[5];
    for (int l = 0; l < 5; l++)
        link[l] = (struct ms_fluid_link){1e9, false};
    for (int k = 0; k < 4; k++) {
        struct ms_fluid *f = solver(link, 5);
        uint32_t a = route(f, (uint32_t[]){0, 2}, 2), b = route(f, (uint32_t[]){1, 2}, 2);
        struct ms_fluid_use nvlink = {1, route(f, (uint32_t[]){3, 4}, 2)};
        struct ms_fluid_flow w[2];
        for (int i = 0; i < 2; i++)
            w[i] = (struct ms_fluid_flow){.bytes = 1e6,
                                          .route = i ? b : a,
                                          .then = &nvlink,
                                          .n_then = 1,
                                          .chunk_bytes = 1000 * chunk[k]};
        w[0].sink = w[1].sink = open_sink(f, 2, 0);
        ck_assert_int_eq(ms_fluid_add(f, w, 2, NULL), MS_OK);
        ck_assert_double_eq_tol(1e6 * last_s(f), want_us[k], 1e-9 * want_us[k]);
        ms_fluid_destroy(f);
    }
}
END_TEST

/* A port's message rate holds its own flows, never the fabric behind it: 4 GPUs behind one uplink of
 * 46.5 GB/s, 12000 messages of 264 bytes each, 50 ns a message: 600 us at the ports, not the 2404 us
 * that the same time as bytes on the uplink would take. */
START_TEST(test_message_rate_is_the_ports)
{
    double size = 264, n = 12000;
    struct ms_fluid_link link[9];
    for (uint32_t l = 0; l < 9; l++)
        link[l] = (struct ms_fluid_link){l < 4 || l == 8 ? 46.5e9 : 1 / 50e-9, false};
    struct ms_fluid *f = solver(link, 9);
    struct ms_fluid_flow w = {.bytes = n * size, .sink = open_sink(f, 4, 0)};
    for (uint32_t g = 0; g < 4; g++) {
        w.route = route(f, (uint32_t[]){g, 8}, 2);
        struct ms_fluid_use rate = {1 / size, route(f, (uint32_t[]){4 + g}, 1)};
        w.with = &rate;
        w.n_with = 1;
        ck_assert_int_eq(ms_fluid_tie(f, (uint32_t[]){w.route, rate.route}, 2, NULL), MS_OK);
        ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
    }
    ck_assert_double_eq_tol(last_s(f), 600e-6, 1e-15);
    double spent[9];
    ms_fluid_link_bytes(f, spent);
    ck_assert_double_eq_tol(spent[8], 4 * n * size, 1e-3);
    ck_assert_double_eq_tol(spent[5], n, 1e-9);
    ms_fluid_destroy(f);
}
END_TEST

/* A shared link crossed twice carries every byte twice, a fatpipe does not care. */
START_TEST(test_a_link_crossed_twice_weighs_two)
{
    struct ms_fluid_link link[] = {{10, false}, {_i ? 8 : 4, true}};
    struct ms_fluid *f = solver(link, 2);
    struct ms_fluid_flow w = {.bytes = 60, .sink = open_sink(f, 1, 0)};
    w.route = route(f, (uint32_t[]){0, 1, 1, 0}, 4);
    ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
    ck_assert_double_eq_tol(last_s(f), _i ? 12 : 15, 1e-12);
    double spent[2];
    ms_fluid_link_bytes(f, spent);
    ck_assert_double_eq_tol(spent[0], 120, 1e-12);
    ms_fluid_destroy(f);
}
END_TEST

/* With shares in proportion to bytes all flows of a leg end together, and it does not matter how they
 * are cut; a flow that is slow elsewhere does not hold its siblings. */
START_TEST(test_proportional_shares_do_not_see_cuts)
{
    struct ms_fluid_link link[] = {{10, false}, {100, false}, {1, false}};
    double whole[] = {60, 30, 10}, cut[] = {41, 19, 30, 3, 7}, end[2] = {0};
    int of[] = {0, 0, 1, 2, 2};
    for (int k = 0; k < 2; k++) {
        const double *bytes = k ? cut : whole;
        struct ms_fluid *f = solver(link, 3);
        uint32_t to[] = {route(f, (uint32_t[]){0, 1}, 2), route(f, (uint32_t[]){0, 1}, 2),
                         route(f, (uint32_t[]){0, 2}, 2)};
        uint32_t sink[] = {open_sink(f, k ? 3 : 2, 0), open_sink(f, k ? 2 : 1, 1)};
        for (int i = 0; i < (k ? 5 : 3); i++) {
            int part = k ? of[i] : i;
            struct ms_fluid_flow w = {.bytes = bytes[i],
                                      .route = to[part],
                                      .sink = sink[part == 2],
                                      .share = bytes[i] / 100};
            ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
        }
        const struct ms_fluid_event *e;
        ck_assert_uint_eq(net_advance(f, INFINITY, &e), 2);
        ck_assert_uint_eq(e[0].tag, 0);
        ck_assert_double_eq_tol(e[0].finish_s, 10, 1e-11); /* 90 at 9: the slow one takes 1 */
        ck_assert(k == 0 || fabs(e[0].finish_s - end[0]) <= 1e-9 * end[0]);
        ck_assert(k == 0 || fabs(e[1].finish_s - end[1]) <= 1e-9 * end[1]);
        end[0] = e[0].finish_s;
        end[1] = e[1].finish_s;
        ms_fluid_destroy(f);
    }
}
END_TEST

/* Sixteen decades of weights on one link: nothing stalls, and the light ones get what is due. */
START_TEST(test_tiny_weights_do_not_stall)
{
    enum { N = 17 };
    struct ms_fluid_link link[N + 1];
    link[0] = (struct ms_fluid_link){1, false};
    for (int i = 1; i <= N; i++)
        link[i] = (struct ms_fluid_link){1e-3, false};
    struct ms_fluid *f = solver(link, N + 1);
    uint32_t shared = route(f, (uint32_t[]){0}, 1);
    for (uint32_t i = 0; i < N; i++) {
        struct ms_fluid_use own = {1, route(f, (uint32_t[]){i + 1}, 1)};
        struct ms_fluid_use use[] = {{pow(10, -(double)i), shared}, own};
        struct ms_fluid_flow w = {.bytes = i < 3 ? 1e3 : 1,
                                  .route = MS_FLUID_NO_ROUTE,
                                  .sink = open_sink(f, 1, i),
                                  .with = use,
                                  .n_with = i < 3 ? 1 : 2};
        ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
    }
    const struct ms_fluid_event *e;
    ck_assert_uint_eq(net_advance(f, INFINITY, &e), N);
    for (size_t i = 0; i < N; i++) {
        if (e[i].tag >= 3)
            ck_assert_double_eq_tol(e[i].finish_s, 1000, 1e-6);
    }
    ms_fluid_destroy(f);
}
END_TEST

/* Capacity 0 stalls weighted flows, in either hop, until it is lifted. */
START_TEST(test_a_zero_capacity_stalls_streams)
{
    struct ms_fluid_link link[] = {{10, false}, {10, false}};
    const struct ms_fluid_event *e;
    struct ms_fluid *f = solver(link, 2);
    struct ms_fluid_use then = {0.5, route(f, (uint32_t[]){1}, 1)};
    struct ms_fluid_flow w = {.bytes = 100,
                              .route = route(f, (uint32_t[]){0}, 1),
                              .sink = open_sink(f, 1, 0),
                              .share = 3,
                              .then = &then,
                              .n_then = 1,
                              .chunk_bytes = 40};
    ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
    ck_assert_int_eq(ms_fluid_set_capacity(f, (uint32_t)_i, 5, 0, NULL), MS_OK);
    ck_assert_uint_eq(net_advance(f, 100, &e), 0);
    ck_assert(ms_fluid_next_s(f) == INFINITY);
    ck_assert_int_eq(ms_fluid_set_capacity(f, (uint32_t)_i, 200, 10, NULL), MS_OK);
    /* fill 4, steady 6, drain 2; both hops stop at 5, one second into steady */
    ck_assert_double_eq_tol(last_s(f), 200 + 5 + 2, 1e-9);
    ms_fluid_destroy(f);
}
END_TEST

/* A flow without a sink takes its part of a link and is heard of no more. */
START_TEST(test_background_takes_its_part)
{
    struct ms_fluid_link link[] = {{10, false}};
    struct ms_fluid *f = solver(link, 1);
    struct ms_fluid_flow w = {.bytes = 50, .sink = MS_FLUID_NO_SINK};
    w.route = route(f, (uint32_t[]){0}, 1);
    ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
    w.sink = open_sink(f, 1, 0);
    ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
    ck_assert_double_eq_tol(last_s(f), 10, 1e-12);
    ck_assert(ms_fluid_next_s(f) == INFINITY);
    ms_fluid_destroy(f);
}
END_TEST

START_TEST(test_bad_weights_are_refused)
{
    struct ms_fluid_link link[] = {{10, false}};
    double bad[] = {-1, NAN, INFINITY};
    struct ms_fluid *f = solver(link, 1);
    struct ms_fluid_use use = {1, route(f, (uint32_t[]){0}, 1)};
    struct ms_fluid_flow w = {.bytes = 1, .sink = open_sink(f, 1, 0)};
    for (int i = 0; i < 3; i++) {
        struct ms_fluid_flow x = w;
        x.share = bad[i];
        ck_assert_int_eq(ms_fluid_add(f, &x, 1, NULL), MS_INVALID);
        x = w;
        x.chunk_bytes = bad[i];
        ck_assert_int_eq(ms_fluid_add(f, &x, 1, NULL), MS_INVALID);
        x = w;
        use.weight = bad[i];
        x.then = &use;
        x.n_then = 1;
        ck_assert_int_eq(ms_fluid_add(f, &x, 1, NULL), MS_INVALID);
    }
    ms_fluid_destroy(f);
}
END_TEST

/* ---- wide hierarchical exchanges ---- */

/* Nodes of G GPUs: a NIC and an NVLink port up and down each. Stream (s, node): over the NICs to the
 * GPU of the same index there, over NVLink to the others; its sinks are its receivers. */
enum { G = 4 };

struct wide {
    uint32_t n_nodes;
    struct ms_fluid *f;
    size_t n_links;
    double *want, bound_s; /* units over each link, and their largest share of a capacity */
};

static double capacity_of(uint32_t link)
{
    return link % 4 < 2 ? 50e9 : 150e9; /* NIC up, down, NVLink up, down a GPU */
}

static double tokens(uint32_t s, uint32_t r, uint64_t seed)
{
    struct ms_rng g;
    ms_rng_init(&g, seed, "tokens", s, r, 0);
    return ms_rng_below(&g, 4) ? floor(64 * exp(ms_rng_normal(&g) - 0.5)) : 0;
}

static void stream(struct wide *w, uint32_t s, uint32_t node, const uint32_t *sink,
                   const uint32_t *nic, const uint32_t *nvlink, double chunk)
{
    uint32_t F = node * G + s % G, n = 0, also[G], n_also = 0;
    double bytes = 0, part[G];
    struct ms_fluid_use then[G];
    for (uint32_t g = 0; g < G; g++) {
        part[g] = 7392 * tokens(s, node * G + g, 5);
        bytes = fmax(bytes, part[g]); /* a token once, for whoever wants it most */
    }
    for (uint32_t g = 0; g < G; g++) {
        also[n_also++] = sink[node * G + g];
        if (node * G + g != F && part[g] > 0)
            then[n++] = (struct ms_fluid_use){part[g] / bytes, nvlink[F * G + g]};
    }
    struct ms_fluid_flow x = {.bytes = bytes,
                              .start_s = 1e-7 * (s % 3),
                              .route = nic[s * w->n_nodes + node],
                              .sink = MS_FLUID_NO_SINK,
                              .share = bytes / 1e6,
                              .then = then,
                              .n_then = n,
                              .also = also,
                              .n_also = n_also,
                              .chunk_bytes = chunk};
    ck_assert_int_eq(ms_fluid_add(w->f, &x, 1, NULL), MS_OK);
    w->want[4 * s] += bytes;
    w->want[4 * F + 1] += bytes;
    for (uint32_t k = 0; k < n; k++) {
        w->want[4 * F + 2] += then[k].weight * bytes;
        w->want[4 * (node * G + then[k].route % G) + 3] += then[k].weight * bytes;
    }
}

static void wide_make(struct wide *w, uint32_t n_nodes, double chunk)
{
    uint32_t N = n_nodes * G, *nic = malloc(N * n_nodes * sizeof *nic);
    uint32_t *nvlink = malloc(N * G * sizeof *nvlink), *sink = malloc(N * sizeof *sink);
    struct ms_fluid_link *link = malloc(4 * N * sizeof *link);
    *w = (struct wide){.n_nodes = n_nodes, .n_links = 4 * N, .want = calloc(4 * N, sizeof(double))};
    for (uint32_t l = 0; l < 4 * N; l++)
        link[l] = (struct ms_fluid_link){capacity_of(l), false};
    w->f = solver(link, 4 * N);
    for (uint32_t i = 0; i < N * G; i++) /* route % G is the receiver */
        nvlink[i] = route(w->f, (uint32_t[]){4 * (i / G) + 2, 4 * (i / G / G * G + i % G) + 3}, 2);
    for (uint32_t i = 0; i < N * n_nodes; i++) {
        uint32_t s = i / n_nodes, F = i % n_nodes * G + s % G;
        nic[i] = route(w->f, (uint32_t[]){4 * s, 4 * F + 1}, 2);
    }
    for (uint32_t r = 0; r < N; r++)
        sink[r] = open_sink(w->f, N - G, r);
    for (uint32_t s = 0; s < N; s++) {
        for (uint32_t node = 0; node < n_nodes; node++) {
            if (node != s / G)
                stream(w, s, node, sink, nic, nvlink, chunk);
        }
    }
    for (uint32_t l = 0; l < 4 * N; l++)
        w->bound_s = fmax(w->bound_s, w->want[l] / capacity_of(l));
    free(nic), free(nvlink), free(sink), free(link);
}

static void wide_free(struct wide *w)
{
    ms_fluid_destroy(w->f);
    free(w->want);
}

/* Ends of the ranks by tag. */
static void wide_ends(double chunk, double quantum, double *end_s, uint64_t *n_solves)
{
    struct wide w;
    struct ms_fluid_stats stats;
    const struct ms_fluid_event *e;
    wide_make(&w, 8, chunk);
    ms_fluid_set_quantum(w.f, quantum * w.bound_s);
    size_t n = net_advance(w.f, INFINITY, &e);
    ck_assert_uint_eq(n, 8 * G);
    for (size_t i = 0; i < n; i++)
        end_s[e[i].tag] = e[i].finish_s;
    ms_fluid_get_stats(w.f, &stats);
    *n_solves = stats.n_solves;
    wide_free(&w);
}

START_TEST(test_streams_under_a_quantum_are_late_and_a_little)
{
    double chunk[] = {0, 7392, 32 * 7392.0, 1e9}, exact[8 * G], quick[8 * G], mean = 0;
    uint64_t solves[2];
    wide_ends(chunk[_i], 0, exact, &solves[0]);
    wide_ends(chunk[_i], 0.001, quick, &solves[1]);
    for (uint32_t r = 0; r < 8 * G; r++) {
        double late = quick[r] / exact[r] - 1;
        ck_assert_msg(late > -0.003 && late < 0.01, "rank %u late by %g", r, late);
        mean += late / (8 * G);
    }
    ck_assert_msg(mean > -1e-9 && mean <= 0.003, "mean %g", mean);
    ck_assert_uint_lt(solves[1], solves[0]);
}
END_TEST

/* Every link at 40 instants: never more than its capacity times the time; in the end what was sent. */
START_TEST(test_no_link_carries_more_than_it_can)
{
    double quanta[] = {0, 0.001, 0.01, 0.1}, chunk[] = {0, 32 * 7392.0, 1e9};
    struct wide w;
    const struct ms_fluid_event *e;
    wide_make(&w, 6, chunk[_i % 3]);
    ms_fluid_set_quantum(w.f, quanta[_i / 3] * w.bound_s);
    double *spent = calloc(w.n_links, sizeof *spent), *before = calloc(w.n_links, sizeof *before);
    double last = 0;
    for (int step = 1; step <= 60; step++) {
        double t = w.bound_s * step / 40;
        net_advance(w.f, t, &e);
        ms_fluid_link_bytes(w.f, spent);
        for (uint32_t l = 0; l < w.n_links; l++) {
            ck_assert_msg(spent[l] <= capacity_of(l) * t * (1 + 1e-9), "link %u: %g of %g", l,
                          spent[l], capacity_of(l) * t);
            ck_assert_double_ge(spent[l], before[l] - 1e-6 * w.want[l]);
        }
        memcpy(before, spent, w.n_links * sizeof *spent);
        last = t;
    }
    net_advance(w.f, INFINITY, &e);
    ck_assert_double_ge(last, 0);
    ms_fluid_link_bytes(w.f, spent);
    for (uint32_t l = 0; l < w.n_links; l++)
        ck_assert_double_eq_tol(spent[l], w.want[l], 1e-9 * w.want[l] + 1e-6);
    free(spent), free(before);
    wide_free(&w);
}
END_TEST

/* Weighted filling in each instruction set this machine has, on the same flows. */
START_TEST(test_instruction_sets_give_the_same_bits)
{
#if defined(__x86_64__)
    struct wide w;
    wide_make(&w, 8, 32 * 7392.0);
    const struct ms_fluid_event *e;
    net_advance(w.f, 1e-6, &e);
    ms_fluid_next_s(w.f);
    ck_assert_uint_eq(w.f->n_comps, 1);
    struct ms_fluid_comp *c = &w.f->comp[0];
    struct ms_fluid_weighted *x = &c->weighted;
    ck_assert(x->on && x->n > 8 * G * 5);
    double *level = malloc(x->n * sizeof *level);
    ms_fluid_weighted_fill_base(c);
    for (uint32_t i = 0; i < x->n; i++)
        level[i] = x->held[i].level;
    ms_fluid_isa_of_this_cpu()->weighted_fill(c);
    for (uint32_t i = 0; i < x->n; i++)
        ck_assert(level[i] == x->held[i].level && level[i] > 0);
    free(level);
    wide_free(&w);
#endif
}
END_TEST

/* A stream's trace covers its life, and names the message rate where that limits it. */
START_TEST(test_trace_names_resources_of_either_hop)
{
    struct ms_fluid_link link[] = {{10, false}, {1, false}, {4, false}};
    const struct ms_fluid_event *e;
    const struct ms_fluid_span *s;
    struct ms_fluid *f = solver(link, 3);
    ms_fluid_trace(f, true);
    struct ms_fluid_use rate = {0.5, route(f, (uint32_t[]){1}, 1)}, then = {1, 0};
    uint32_t other = open_sink(f, 1, 7);
    struct ms_fluid_flow w = {.bytes = 60,
                              .route = route(f, (uint32_t[]){0}, 1),
                              .sink = open_sink(f, 1, 0),
                              .with = &rate,
                              .then = &then,
                              .n_with = 1,
                              .n_then = 1,
                              .also = &other,
                              .n_also = 1,
                              .chunk_bytes = 20};
    then.route = route(f, (uint32_t[]){2}, 1);
    ck_assert_int_eq(ms_fluid_add(f, &w, 1, NULL), MS_OK);
    ck_assert_uint_eq(net_advance(f, INFINITY, &e), 2);
    for (size_t i = 0; i < 2; i++) { /* 60 at 2 by the rate, then 20 at 4 over the second hop */
        ck_assert_double_eq_tol(e[i].finish_s, 35, 1e-12);
        ck_assert_uint_eq(ms_fluid_spans(f, i, &s), 2);
        ck_assert(s[0].link == 1 && fabs(s[0].seconds - 30) < 1e-12);
        ck_assert(s[1].link == 2 && fabs(s[1].seconds - 5) < 1e-12);
    }
    ms_fluid_destroy(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fluid_weighted");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 100);
    tcase_add_loop_test(t, test_random_systems_agree_with_the_textbook, 0, 2);
    tcase_add_loop_test(t, test_random_systems_keep_to_capacities_under_a_quantum, 0, 3);
    tcase_add_test(t, test_two_streams_through_one_forwarder);
    tcase_add_test(t, test_message_rate_is_the_ports);
    tcase_add_loop_test(t, test_a_link_crossed_twice_weighs_two, 0, 2);
    tcase_add_test(t, test_proportional_shares_do_not_see_cuts);
    tcase_add_test(t, test_tiny_weights_do_not_stall);
    tcase_add_loop_test(t, test_a_zero_capacity_stalls_streams, 0, 2);
    tcase_add_test(t, test_background_takes_its_part);
    tcase_add_test(t, test_bad_weights_are_refused);
    tcase_add_loop_test(t, test_streams_under_a_quantum_are_late_and_a_little, 0, 4);
    tcase_add_loop_test(t, test_no_link_carries_more_than_it_can, 0, 12);
    tcase_add_test(t, test_instruction_sets_give_the_same_bits);
    tcase_add_test(t, test_trace_names_resources_of_either_hop);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
