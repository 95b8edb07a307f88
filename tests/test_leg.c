/* sim/: exchange algorithms as plans, without SimGrid: bytes, order and closed forms on an ideal
 * network. */
#include <check.h>

#include "leg_world.h"
#include "sim/compute.h"

#define CLOSE(a, b, rel)                                                                           \
    ck_assert_msg(fabs((double)(a) - (double)(b)) <= (rel)*fabs((double)(b)),                      \
                  "%.12g is not %.12g", (double)(a), (double)(b))

/* Conservation: ms_exchange_plan itself compares what each rank is given with the counts; here
 * against the plan's flows. */
START_TEST(test_every_algorithm_gives_every_rank_its_bytes)
{
    for (int i = 0; ms_exchanges()[i]; i++)
        for (int combine = 0; combine < 2; combine++)
            for (int n = 2; n <= 24; n += 11) {
                const struct ms_exchange *x = ms_exchanges()[i];
                struct world w;
                world_init(&w, n, n == 2 ? 1 : 4);
                world_route_tokens(&w, 20, 3, 7);
                struct ms_leg_problem p = world_problem(&w, 1000);
                p.combine = combine;
                struct ms_leg plan = {0};
                struct ms_err err = {0};
                ck_assert_msg(!ms_exchange_plan(x, &p, &plan, &err), "%s: %s", x->name, err.text);
                uint32_t n_hops;
                struct hop *hop = world_hops(&plan, &n_hops);
                for (int r = 0; r < n; r++) {
                    double in = 0, out = 0, owed = 0, owes = 0;
                    for (uint32_t f = 0; f < n_hops; f++) {
                        in += hop[f].dst == (uint32_t)r ? hop[f].bytes : 0;
                        out += hop[f].src == (uint32_t)r ? hop[f].bytes : 0;
                    }
                    p.dedup = ms_exchange_dedup(x, MS_DEDUP_AUTO);
                    for (int o = 0; o < n; o++) {
                        owed += o == r ? 0 : ms_exchange_sent(&p, o, r) * p.copy_bytes;
                        owes += o == r ? 0 : ms_exchange_sent(&p, r, o) * p.copy_bytes;
                    }
                    if (x->owed) { /* it says itself what it moves: at least what is asked for */
                        double copies[24] = {0};
                        x->owed(&p, copies);
                        ck_assert(copies[r] * p.copy_bytes >= owed);
                        owed = in;
                        owes = out;
                    }
                    p.dedup = MS_DEDUP_AUTO;
                    if (!x->needs_nodes) /* what comes in and is not for r goes on */
                        ck_assert(fabs((in - owed) - (out - owes)) <= 1e-9 * (in + owed));
                    ck_assert_msg(in >= owed * (combine && x->needs_nodes ? 0.1 : 1 - 1e-12), "%s",
                                  x->name);
                }
                free(hop);
                w.proportional = ms_exchange_streams(x, MS_FORWARD_NONE);
                ck_assert_msg(world_play(&w, &plan), "%s, %d ranks: not every rank completes",
                              x->name, n);
                ms_leg_finish(&plan);
                world_finish(&w);
            }
}
END_TEST

START_TEST(test_a_single_message_takes_latency_plus_bytes_over_bandwidth)
{
    for (int i = 0; ms_exchanges()[i]; i++) {
        struct world w;
        world_init(&w, 2, 1);
        w.cells.selections[1] = w.cells.copies[1] = w.traffic.node_copies[1] = 5;
        struct ms_leg_problem p = world_problem(&w, 1e6);
        p.combine = false;
        CLOSE(world_exchange_s(&w, ms_exchanges()[i]->name, &p), 2e-6 + 5e6 / 50e9, 1e-12);
        CLOSE(w.done[1], 2e-6 + 5e6 / 50e9, 1e-12);
        /* nothing is for rank 0: only its own sends can hold it */
        bool both = ms_exchanges()[i]->auto_completion == MS_COMPLETION_BOTH;
        CLOSE(w.done[0], both ? w.done[1] : 0, 1e-12);
        p.combine = true;
        CLOSE(world_exchange_s(&w, ms_exchanges()[i]->name, &p), 2e-6 + 5e6 / 50e9, 1e-12);
        CLOSE(w.done[1], both ? w.done[0] : 0, 1e-12);
        world_finish(&w);
    }
}
END_TEST

START_TEST(test_uniform_star_closed_forms)
{
    struct world w;
    int n = 16;
    world_init(&w, n, 1);
    world_uniform(&w, 1);
    struct ms_leg_problem p = world_problem(&w, 65536);
    double one = 65536 / 50e9, lat = 2e-6;
    CLOSE(world_exchange_s(&w, "direct", &p), lat + (n - 1) * one, 1e-9);
    CLOSE(world_exchange_s(&w, "low_latency", &p), lat + (n - 1) * one, 1e-9);
    /* a window of all is direct; a window of one and pairwise pay the latency each time */
    p.window = n;
    CLOSE(world_exchange_s(&w, "windowed", &p), lat + (n - 1) * one, 1e-9);
    p.window = 1;
    CLOSE(world_exchange_s(&w, "windowed", &p), (n - 1) * (lat + one), 1e-9);
    CLOSE(world_exchange_s(&w, "pairwise", &p), (n - 1) * (lat + one), 1e-9);
    /* in step i of a ring, G - i blocks cross each hop */
    CLOSE(world_exchange_s(&w, "ring", &p), (n - 1) * lat + n * (n - 1) / 2 * one, 1e-9);
    p.window = 4;
    double t4 = world_exchange_s(&w, "windowed", &p);
    ck_assert(t4 > lat + (n - 1) * one && t4 < (n - 1) * (lat + one));
    world_finish(&w);
}
END_TEST

/* 20 tokens a rank of top-3: dispatch gives every rank 19 x 20 copies, combine as many back, however
 * skewed the routing; and both take as long as the fullest port. */
START_TEST(test_allgather_moves_every_token_to_every_rank)
{
    struct world w;
    int n = 20;
    world_init(&w, n, 4);
    world_route_tokens(&w, 20, 3, 7);
    struct ms_leg_problem p = world_problem(&w, 1000);
    for (int combine = 0; combine < 2; combine++) {
        struct ms_leg plan = {0};
        p.combine = combine;
        ck_assert(!ms_exchange_plan(ms_exchange_find("allgather"), &p, &plan, NULL));
        ck_assert_uint_eq(plan.n_flows, (unsigned)(n * (n - 1)));
        for (uint32_t f = 0; f < plan.n_flows; f++)
            CLOSE(plan.bytes[f], 20 * 1000.0, 1e-12);
        ms_leg_finish(&plan);
        CLOSE(world_exchange_s(&w, "allgather", &p), 2e-6 + 16 * 20e3 / 50e9, 1e-9);
    }
    /* tokens are needed: bytes alone do not say how many there are */
    struct ms_leg plan = {0};
    struct ms_err err = {0};
    w.traffic.is_matrix = 1;
    ck_assert_int_eq(ms_exchange_plan(ms_exchange_find("allgather"), &p, &plan, &err), MS_INVALID);
    ck_assert_str_eq(err.key, "exchange.algorithm");
    ms_leg_finish(&plan);
    world_finish(&w);
}
END_TEST

/* What others know of an algorithm stands in its struct: none may forget it. */
START_TEST(test_every_algorithm_says_what_it_costs_to_simulate)
{
    for (int i = 0; ms_exchanges()[i]; i++)
        for (int c = 0; c < MS_COSTS; c++)
            ck_assert_msg(ms_exchanges()[i]->leg_cpu_s[c] > 0, "%s", ms_exchanges()[i]->name);
}
END_TEST

START_TEST(test_hierarchical_streams_overlap_their_fan_out)
{
    /* two nodes of two; rank 0 sends 64 tokens to node 1, all of them for rank 3 (the forwarder is
     * rank 2) */
    struct world w;
    world_init(&w, 4, 2);
    w.cells.selections[3] = w.cells.copies[3] = w.traffic.node_copies[1] = 64;
    struct ms_leg_problem p = world_problem(&w, 10000);
    double hop = 2e-6 + 64e4 / 50e9;
    CLOSE(world_exchange_s(&w, "hierarchical", &p), hop + 1e-6 + 32e4 / 200e9, 1e-9);
    /* slow NVLink: then the fan-out is the longer one, and starts one chunk after the network hop
     */
    w.nv_Bps = 10e9;
    CLOSE(world_exchange_s(&w, "hierarchical", &p), 2e-6 + 32e4 / 50e9 + 1e-6 + 64e4 / 10e9, 1e-9);
    /* combine: NVLink first */
    p.combine = true;
    CLOSE(world_exchange_s(&w, "hierarchical", &p), 1e-6 + 64e4 / 10e9 + 2e-6 + 32e4 / 50e9, 1e-9);
    w.nv_Bps = 200e9;
    CLOSE(world_exchange_s(&w, "hierarchical", &p), 1e-6 + 32e4 / 200e9 + 2e-6 + 64e4 / 50e9, 1e-9);
    /* the group meets: a rank that comes late holds everybody, even one with nothing to do */
    w.entry[1] = 1;
    world_exchange_s(&w, "hierarchical", &p);
    CLOSE(w.done[0], 1 + 1e-6 + 32e4 / 200e9 + 2e-6 + 64e4 / 50e9, 1e-9);
    CLOSE(w.done[2], 1, 1e-9);
    /* without a meeting the forwarder may come late, unless it adds its own results */
    p.meeting = MS_MEETING_NONE;
    w.entry[1] = 0;
    w.entry[2] = 1;
    CLOSE(world_exchange_s(&w, "hierarchical", &p), 1.0, 1e-12); /* its own entry */
    ck_assert(w.done[0] < 1e-3);
    w.cells.copies[2] = w.cells.selections[2] = 1;
    cells_seal(&w.cells, &w.traffic);
    w.traffic.node_copies[1] = 65;
    world_exchange_s(&w, "hierarchical", &p);
    CLOSE(w.done[0], 1 + 1e-6 + 32e4 * 64 / 65 / 200e9 + 2e-6 + 65e4 / 50e9, 1e-9);
    world_finish(&w);
}
END_TEST

START_TEST(test_pxn_moves_to_the_rail_first)
{
    struct world w;
    world_init(&w, 4, 2);
    w.cells.selections[3] = w.cells.copies[3] = 64; /* rank 0, rail 0 -> rank 3, rail 1 */
    struct ms_leg_problem p = world_problem(&w, 10000);
    p.forwarding = MS_FORWARD_PXN;
    struct ms_leg plan = {0};
    ck_assert(!ms_exchange_plan(ms_exchange_find("direct"), &p, &plan, NULL));
    ck_assert(plan.n_flows == 1 && plan.n_parts == 1); /* a stream over both hops */
    ck_assert(plan.src[0] == 0 && plan.dst[0] == 1);
    struct ms_leg_stream s;
    ck_assert(ms_leg_stream_of(&plan, 0, &s));
    struct ms_leg_part part = ms_leg_part_of(&plan, &s, 0);
    ck_assert(part.src == 1 && part.dst == 3 && part.end == ms_leg_complete(&plan, 3));
    ms_leg_finish(&plan);
    double t = 1e-6 + 32e4 / 200e9 + 2e-6 + 64e4 / 50e9;
    const char *names[] = {"direct", "windowed", "pairwise", "low_latency"};
    for (int i = 0; i < 4; i++)
        CLOSE(world_exchange_s(&w, names[i], &p), t, 1e-9);
    world_finish(&w);
}
END_TEST

START_TEST(test_without_meeting_transfers_are_one_sided)
{
    struct world w;
    world_init(&w, 2, 1);
    w.cells.selections[1] = w.cells.copies[1] = 1;
    struct ms_leg_problem p = world_problem(&w, 50e3); /* 1 us of data */
    p.meeting = MS_MEETING_NONE;
    p.completion = MS_COMPLETION_RECEIVED;
    w.entry[1] = 1e-3; /* the receiver comes late: the bytes are there */
    world_exchange_s(&w, "direct", &p);
    CLOSE(w.done[1], 1e-3, 1e-12);
    w.entry[0] = 5e-3; /* the sender comes late */
    world_exchange_s(&w, "direct", &p);
    CLOSE(w.done[1], 5e-3 + 3e-6, 1e-12);
    CLOSE(w.done[0], 5e-3, 1e-12);
    world_finish(&w);
}
END_TEST

/* Both ends have entered: NCCL's send waits for the posted receive; both hear of the end at once. */
START_TEST(test_a_pair_meets)
{
    const char *names[] = {"direct", "windowed", "pairwise", "ring", "allgather"};
    for (int i = 0; i < 5; i++) {
        struct world w;
        world_init(&w, 2, 1);
        w.cells.selections[1] = w.cells.copies[1] = 1;
        struct ms_leg_problem p = world_problem(&w, 50e3);
        w.entry[1] = 1e-3;
        world_exchange_s(&w, names[i], &p);
        CLOSE(w.done[1], 1e-3 + 3e-6, 1e-12);
        CLOSE(w.done[0], 1e-3 + 3e-6, 1e-12);
        world_finish(&w);
    }
}
END_TEST

/* Rank 2 comes late: of three ranks in two phases, 0 -> 1 is served in phase 1 before it comes; what
 * waits for phase 2 of rank 1 (which receives from 0 and sends to 2 in phase 1) waits. */
START_TEST(test_pairwise_meets_in_every_phase)
{
    struct world w;
    world_init(&w, 3, 1);
    w.cells.selections[0 * 3 + 1] = w.cells.copies[0 * 3 + 1] = 1; /* phase 1 */
    w.cells.selections[1 * 3 + 2] = w.cells.copies[1 * 3 + 2] = 1; /* phase 1 */
    w.cells.selections[1 * 3 + 0] = w.cells.copies[1 * 3 + 0] = 1; /* phase 2 */
    struct ms_leg_problem p = world_problem(&w, 50e3);
    w.entry[2] = 1e-3;
    world_exchange_s(&w, "pairwise", &p);
    CLOSE(w.done[2], 1e-3 + 3e-6, 1e-9);
    CLOSE(w.done[0], 1e-3 + 6e-6, 1e-9); /* 1 -> 0 after 1 -> 2 */
    CLOSE(w.done[1], 1e-3 + 6e-6, 1e-9);
    world_finish(&w);
}
END_TEST

/* Two streams of 1000 tokens of 1000 bytes, from ranks 0 and 2 to rank 5, share the NIC of the
 * forwarder, rank 4; all links 1 GB/s. A chunk of c tokens of each is there after 2 c us only;
 * nothing is passed on before. */
START_TEST(test_relays_are_no_faster_than_their_source)
{
    const double chunk[] = {10, 500, 1000, 100000}, us[] = {2020, 3000, 4000, 4000};
    for (int i = 0; i < 4; i++) {
        struct world w;
        world_init(&w, 6, 2);
        w.nic_Bps = w.nv_Bps = 1e9;
        w.nic_s = w.nv_s = 0;
        w.proportional = true;
        for (int s = 0; s <= 2; s += 2) {
            w.cells.selections[s * 6 + 5] = w.cells.copies[s * 6 + 5] = 1000;
            w.traffic.node_copies[s * 3 + 2] = 1000;
        }
        struct ms_leg_problem p = world_problem(&w, 1000);
        p.chunk_tokens = chunk[i];
        p.chunk_bytes = chunk[i] * 1000;
        CLOSE(world_exchange_s(&w, "hierarchical", &p), us[i] * 1e-6, 1e-9);
        world_finish(&w);
    }
}
END_TEST

/* 10 messages of 5 kB a pair to three ranks: 1 us a message is more than their bytes take (0.1 us),
 * for the sender's port, and for the receiver's; additive it is the sum. */
START_TEST(test_messages_cost_the_port_only)
{
    struct world w;
    world_init(&w, 4, 1);
    w.gap_s = 1e-6;
    for (int r = 1; r < 4; r++)
        w.cells.selections[r] = w.cells.copies[r] = 10;
    struct ms_leg_problem p = world_problem(&w, 5e3);
    CLOSE(world_exchange_s(&w, "low_latency", &p), 2e-6 + 30e-6, 1e-9);
    w.gap_adds = true;
    CLOSE(world_exchange_s(&w, "low_latency", &p), 2e-6 + 30e-6 + 150e3 / 50e9, 1e-9);
    /* counts of no bytes to speak of are messages all the same */
    w.gap_adds = false;
    p = world_problem(&w, 1e-3);
    CLOSE(world_exchange_s(&w, "low_latency", &p), 2e-6 + 30e-6, 1e-9);
    world_finish(&w);
}
END_TEST

/* Rank 0 sends 3 and 1 copies to ranks 1 and 2, as streams; halves of them end at the same time. */
START_TEST(test_cutting_a_flow_changes_nothing_where_shares_are_proportional)
{
    double done[2][4];
    for (int cut = 0; cut < 2; cut++) {
        struct world w;
        world_init(&w, 4, 1);
        w.proportional = true;
        struct ms_leg leg = {0};
        ms_leg_init(&leg, 4, false, true, false);
        struct ms_leg_flow f = {.meet = MS_LEG_NONE, .messages = 1};
        const double bytes[] = {3e6, 1e6, 2e6}; /* 0 -> 1, 0 -> 2, 3 -> 1 */
        const int src[] = {0, 0, 3}, dst[] = {1, 2, 1};
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < (cut && !i ? 2 : 1); k++) {
                f.gate = ms_leg_start(&leg, src[i]);
                f.end = ms_leg_complete(&leg, dst[i]);
                f.src = src[i];
                f.dst = dst[i];
                f.bytes = cut && !i ? (k ? 0.7 : 0.3) * bytes[i] : bytes[i];
                f.delivered = f.bytes;
                ms_leg_add(&leg, &f);
            }
        ck_assert(!ms_leg_close(&leg, NULL));
        ck_assert(world_play(&w, &leg));
        for (int r = 0; r < 4; r++)
            done[cut][r] = w.done[r];
        ms_leg_finish(&leg);
        world_finish(&w);
    }
    for (int r = 0; r < 4; r++)
        CLOSE(done[1][r], done[0][r], 1e-9);
}
END_TEST

START_TEST(test_the_last_completion_is_never_before_the_port_bound)
{
    for (int i = 0; ms_exchanges()[i]; i++)
        for (int combine = 0; combine < 2; combine++) {
            struct world w;
            world_init(&w, 16, 4);
            world_route_tokens(&w, 200, 4, 3);
            struct ms_leg_problem p = world_problem(&w, 7168);
            p.combine = combine;
            struct ms_leg plan = {0};
            ck_assert(
                !ms_exchange_plan(ms_exchange_find(ms_exchanges()[i]->name), &p, &plan, NULL));
            double load[4][16] = {{0}}, bound = 0, last = 0;
            uint32_t n_hops;
            struct hop *hop = world_hops(&plan, &n_hops);
            for (uint32_t f = 0; f < n_hops; f++) {
                int nv = world_same_node(&w, (int)hop[f].src, (int)hop[f].dst);
                load[2 * nv][hop[f].src] += hop[f].bytes / (nv ? w.nv_Bps : w.nic_Bps);
                load[2 * nv + 1][hop[f].dst] += hop[f].bytes / (nv ? w.nv_Bps : w.nic_Bps);
            }
            free(hop);
            w.proportional = ms_exchange_streams(ms_exchanges()[i], MS_FORWARD_NONE);
            for (int k = 0; k < 4; k++)
                for (int r = 0; r < 16; r++)
                    bound = fmax(bound, load[k][r]);
            ck_assert(world_play(&w, &plan));
            for (int r = 0; r < 16; r++)
                last = fmax(last, w.done[r]);
            ck_assert_msg(last >= bound, "%s ends at %g before its port bound %g",
                          ms_exchanges()[i]->name, last, bound);
            ms_leg_finish(&plan);
            /* metamorphic: twice the bandwidth is never slower */
            w.nic_Bps *= 2;
            w.nv_Bps *= 2;
            ck_assert(world_exchange_s(&w, ms_exchanges()[i]->name, &p) <= last);
            world_finish(&w);
        }
}
END_TEST

START_TEST(test_frame_catches_what_cannot_be)
{
    struct world w;
    world_init(&w, 4, 2);
    world_uniform(&w, 1);
    struct ms_leg_problem p = world_problem(&w, 100);
    struct ms_leg plan = {0};
    struct ms_err err = {0};
    p.dedup = MS_DEDUP_NODE;
    ck_assert_int_eq(ms_exchange_plan(ms_exchange_find("direct"), &p, &plan, &err), MS_INVALID);
    ck_assert_str_eq(err.key, "exchange.deduplicate");
    memset(&err, 0, sizeof err);
    p.dedup = MS_DEDUP_AUTO;
    w.cells.copies[1] = NAN;
    cells_seal(&w.cells, &w.traffic);
    ck_assert_int_eq(ms_exchange_plan(ms_exchange_find("direct"), &p, &plan, &err), MS_INTERNAL);
    ms_leg_init(&plan, 2, false, false, false); /* a join that nothing fires */
    ms_leg_join(&plan);
    ck_assert_int_eq(ms_leg_close(&plan, NULL), MS_INTERNAL);
    ms_leg_finish(&plan);
    world_finish(&w);
}
END_TEST

/* Flows on links of their own: together with eleven other such sets as alone. ends: [200] of set
 * `only`, or of all. */
static void play_sets(int n_sets, int first, double *ends)
{
    struct ms_fluid_link links[12 * 8];
    struct ms_fluid *f;
    uint32_t sink, route;
    for (int i = 0; i < n_sets * 8; i++)
        links[i] = (struct ms_fluid_link){46e9, false};
    ck_assert(!ms_fluid_create(links, (size_t)n_sets * 8, NULL, &f, NULL));
    for (int k = 0; k < n_sets; k++) {
        struct ms_rng r;
        ms_rng_init(&r, 3, "sets", (uint64_t)(first + k), 0, 0);
        for (int i = 0; i < 200; i++) {
            uint32_t on[2] = {8u * (uint32_t)k + ms_rng_below(&r, 4),
                              8u * (uint32_t)k + 4 + ms_rng_below(&r, 4)};
            ms_fluid_route(f, on, 2, &route, NULL);
            ms_fluid_open(f, 1, (uint64_t)(k * 200 + i), &sink, NULL);
            double start_s = ms_rng_below(&r, 50) * 20e-6, bytes = ms_rng_unit(&r) * 1e6;
            struct ms_fluid_flow w = {
                .bytes = bytes, .start_s = start_s, .route = route, .sink = sink};
            ms_fluid_add(f, &w, 1, NULL);
        }
    }
    const struct ms_fluid_event *e;
    size_t n;
    ck_assert(!ms_fluid_advance(f, INFINITY, &e, &n, NULL));
    ck_assert_uint_eq(n, 200u * (unsigned)n_sets);
    for (size_t i = 0; i < n; i++)
        ends[e[i].tag] = e[i].finish_s;
    ms_fluid_destroy(f);
}

START_TEST(test_flows_that_share_nothing_do_not_disturb_each_other)
{
    static double all[12 * 200], alone[200];
    play_sets(12, 0, all);
    for (int k = 0; k < 12; k++) {
        play_sets(1, k, alone);
        for (int i = 0; i < 200; i++)
            CLOSE(all[k * 200 + i], alone[i], 1e-9);
    }
}
END_TEST

START_TEST(test_layout_finds_nodes_rails_and_forwarders)
{
    /* nodes numbered by first appearance; the second has fewer ranks */
    int node[] = {7, 7, 7, 2, 2, 9}, rail[] = {0, 1, 2, 0, 1, 1};
    struct ms_layout l;
    ck_assert(!ms_layout_init(&l, 6, node, rail, NULL));
    ck_assert_int_eq(l.n_nodes, 3);
    int want[] = {0, 0, 0, 1, 1, 2};
    for (int r = 0; r < 6; r++)
        ck_assert_int_eq(l.node[r], want[r]);
    ck_assert_int_eq(ms_layout_forward(&l, 1, 1), 4); /* the same rail */
    ck_assert_int_eq(ms_layout_forward(&l, 1, 2), 3); /* no rail 2 there: position 2 modulo 2 */
    ck_assert_int_eq(ms_layout_forward(&l, 2, 0), 5);
    ck_assert_int_eq(ms_layout_forward(&l, 0, 5), 1);
    ms_layout_finish(&l);
}
END_TEST

/* The profiles against the grouped measurements they were not tabulated from
 * (reference/h200_grouped_ffn_dev.csv). */
START_TEST(test_h200_profiles_match_skewed_groups)
{
    FILE *f = fopen(TEST_DATA "/h200_grouped_ffn_dev.csv", "r");
    ck_assert_ptr_nonnull(f);
    char line[512], model[64], counts[256];
    double grouped_us, looped_us, error[2] = {0}, sigma;
    int n = 0, total;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%63[^,],8,%d,%lf,%255[^,],%lf,%lf", model, &total, &sigma, counts,
                   &grouped_us, &looped_us) != 6)
            continue;
        double tokens[8];
        char *at = counts;
        for (int i = 0; i < 8; i++)
            tokens[i] = strtod(at, &at);
        int hidden = model[0] == 'm' ? 4096 : model[0] == 'd' ? 7168 : 2048;
        int wide = model[0] == 'm' ? 14336 : model[0] == 'd' ? 2048 : 768;
        struct ms_compute_params loop = {.profile = "h200"}, group = {.profile = "h200-grouped"};
        error[0] += fabs(1e6 * ms_compute_ffns_s(&loop, hidden, wide, tokens, 8) / looped_us - 1);
        error[1] += fabs(1e6 * ms_compute_ffns_s(&group, hidden, wide, tokens, 8) / grouped_us - 1);
        n++;
    }
    fclose(f);
    ck_assert_int_eq(n, 36);
    ck_assert_msg(error[0] / n < 0.08 && error[1] / n < 0.10, "%g %g", error[0] / n, error[1] / n);
    /* a single expert is the table itself; shapes between and beyond keep the order */
    struct ms_compute_params p = {.profile = "h200"};
    double one = 1024, last = 0;
    CLOSE(ms_compute_ffns_s(&p, 7168, 2048, &one, 1), 138.592e-6, 1e-9);
    for (int wide = 256; wide < 40000; wide *= 2) {
        double t = ms_compute_ffns_s(&p, 4096, wide, &one, 1);
        ck_assert(t >= last && t > 10e-6);
        last = t;
    }
    ck_assert(ms_compute_ffns_s(&p, 4096, 2048, (double[]){0, 0}, 2) == 0);
}
END_TEST

/* Narrower than any that was measured, too: an expert of half the width never takes longer, and one
 * with more tokens never takes less. */
START_TEST(test_h200_is_monotone_in_width_and_tokens)
{
    const char *profiles[] = {"h200", "h200-grouped"};
    for (int k = 0; k < 2; k++) {
        struct ms_compute_params p = {.profile = profiles[k]};
        for (double tokens = 1; tokens < 40000; tokens *= 1.3) {
            double last = 0, two[] = {tokens, tokens}, more[] = {1.3 * tokens, 1.3 * tokens};
            for (int wide = 8; wide < 40000; wide += wide / 3 + 1) {
                double t = ms_compute_ffns_s(&p, 2048, wide, two, 2);
                ck_assert_msg(t >= last, "%d wide, %g tokens: %g after %g", wide, tokens, t, last);
                ck_assert(ms_compute_ffns_s(&p, 2048, wide, more, 2) >= t);
                last = t;
            }
        }
        double four = 4; /* the smallest measured shape is the most that a smaller one takes */
        ck_assert(ms_compute_ffns_s(&p, 2048, 16, &four, 1) <
                  ms_compute_ffns_s(&p, 2048, 768, &four, 1));
        ck_assert(ms_compute_ffns_s(&p, 2048, 768, &four, 1) <= 20.1e-6);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("leg");
    TCase *t = tcase_create("plans");
    tcase_add_test(t, test_every_algorithm_gives_every_rank_its_bytes);
    tcase_add_test(t, test_a_single_message_takes_latency_plus_bytes_over_bandwidth);
    tcase_add_test(t, test_uniform_star_closed_forms);
    tcase_add_test(t, test_allgather_moves_every_token_to_every_rank);
    tcase_add_test(t, test_every_algorithm_says_what_it_costs_to_simulate);
    tcase_add_test(t, test_hierarchical_streams_overlap_their_fan_out);
    tcase_add_test(t, test_pxn_moves_to_the_rail_first);
    tcase_add_test(t, test_without_meeting_transfers_are_one_sided);
    tcase_add_test(t, test_a_pair_meets);
    tcase_add_test(t, test_pairwise_meets_in_every_phase);
    tcase_add_test(t, test_relays_are_no_faster_than_their_source);
    tcase_add_test(t, test_messages_cost_the_port_only);
    tcase_add_test(t, test_cutting_a_flow_changes_nothing_where_shares_are_proportional);
    tcase_add_test(t, test_the_last_completion_is_never_before_the_port_bound);
    tcase_add_test(t, test_frame_catches_what_cannot_be);
    tcase_add_test(t, test_flows_that_share_nothing_do_not_disturb_each_other);
    tcase_add_test(t, test_layout_finds_nodes_rails_and_forwarders);
    tcase_add_test(t, test_h200_profiles_match_skewed_groups);
    tcase_add_test(t, test_h200_is_monotone_in_width_and_tokens);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
