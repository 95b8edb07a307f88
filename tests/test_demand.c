/* demand/: from routing parameters and a placement to the traffic of every exchange. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demand/control.h"
#include "demand/demand.h"
#include "demand/replica.h"
#include "law_named.h"
#include "demand/nodes.h"
#include "routing/preset.h"
#include "traffic_cells.h"

enum { RANKS = 16, NODES = 4 };

/** A small case that every test bends. */
struct study {
    struct ms_model_shape model;
    struct ms_workload work;
    struct ms_routing_params routing;
    struct ms_place_params place;
    int node[64];
    struct ms_demand_input in;
};

static void study_init(struct study *s)
{
    *s = (struct study){
        .model = {.hidden = 64,
                  .moe_layers = 4,
                  .experts = 64,
                  .top_k = 8,
                  .groups = 1,
                  .group_limit = 1},
        .work = {.ranks = RANKS,
                 .groups = 1,
                 .layers = 3,
                 .steps = 1,
                 .tokens = {.kind = MS_TOKENS_EQUAL, .count = 600}},
        .routing = {.source = MS_SOURCE_SYNTHETIC,
                    .popularity = law_named("lognormal", NULL, NULL)},
        .place = {.strategy = "contiguous"},
    };
    for (int r = 0; r < 64; r++)
        s->node[r] = 100 + r / (RANKS / NODES);
    s->in = (struct ms_demand_input){.model = &s->model,
                                     .workload = &s->work,
                                     .routing = &s->routing,
                                     .place = &s->place,
                                     .rank_node = s->node,
                                     .seed = 7,
                                     .n_threads = 1};
}

static struct ms_demand *begin(const struct study *s, int repeat)
{
    struct ms_demand *d = NULL;
    struct ms_err err = {0};
    ck_assert_msg(ms_demand_create(&s->in, &d, &err) == MS_OK, "%s: %s", err.key, err.text);
    ck_assert_msg(ms_demand_begin(d, repeat, &err) == MS_OK, "%s", err.text);
    return d;
}

static double total(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return sum;
}

/* What every traffic promises, whatever made it. */
static void check_traffic(const struct ms_traffic *t, const int *rank_node)
{
    int G = t->n_ranks, N = t->n_nodes;
    double kept = t->requested - t->dropped;
    struct cells c = cells_of(t);
    ck_assert_double_eq(cells_sum(c.selections, G), kept);
    ck_assert_double_eq(total(t->slot_tokens, (size_t)t->n_slots), kept);
    ck_assert_double_eq(total(t->expert_tokens, (size_t)t->n_experts), kept);
    for (int r = 0; r < G; r++) {
        double slots = total(t->slot_tokens + r * t->n_slots / G, (size_t)(t->n_slots / G)),
               held = 0;
        for (int s = 0; s < G; s++)
            held += c.selections[s * G + r];
        ck_assert_double_eq(slots, held);
    }
    int wrong = 0;
    for (int s = 0; s < G; s++)
        for (int n = 0; n < N; n++) {
            double ranks = 0, most = 0, node = t->node_copies[s * N + n];
            for (int r = 0; r < G; r++) {
                double copies = c.copies[s * G + r];
                wrong += copies > c.selections[s * G + r];
                ranks += rank_node[r] == n ? copies : 0;
                most = fmax(most, rank_node[r] == n ? copies : 0);
            }
            wrong += node > ranks || node < most;
        }
    ck_assert_int_eq(wrong, 0);
    cells_finish(&c);
}

static void same_traffic(const struct ms_traffic *a, const struct ms_traffic *b)
{
    size_t G = (size_t)a->n_ranks;
    struct cells x = cells_of(a), y = cells_of(b);
    ck_assert_mem_eq(x.selections, y.selections, G * G * sizeof(double));
    ck_assert_mem_eq(x.copies, y.copies, G * G * sizeof(double));
    cells_finish(&x);
    cells_finish(&y);
    ck_assert_mem_eq(a->node_copies, b->node_copies, G * (size_t)a->n_nodes * sizeof(double));
    ck_assert_mem_eq(a->slot_tokens, b->slot_tokens, (size_t)a->n_slots * sizeof(double));
}

START_TEST(test_counts_hold_together_under_every_choice)
{
    static const char *const laws[] = {"uniform", "zipf", "single-domain"};
    for (int i = 0; i < 48; i++) {
        struct study s;
        study_init(&s);
        s.routing.popularity = law_named(laws[i % 3], NULL, NULL);
        s.routing.capacity_factor = i / 3 % 2 ? 1.25 : 0;
        s.routing.drop_policy = i / 6 % 2;
        s.place.redundant_experts = i / 12 % 2 ? 16 : 0;
        s.place.replica_choice = ms_replica_choices()[i / 24 % 2 ? 1 + i % 5 : 0]->name;
        s.place.strategy = ms_place_strategies()[i % 3]->name;
        struct ms_demand *d = begin(&s, 0);
        for (int l = 0; l < 3; l++) {
            const struct ms_traffic *t = ms_demand_traffic(d, 0, l, 0);
            ck_assert_double_eq(t->requested, RANKS * 600 * 8);
            check_traffic(t, ms_demand_rank_node(d, 0));
        }
        ms_demand_destroy(d);
    }
}
END_TEST

/* Rank max/mean of the traffic of repeat 0, mean over layers. */
static double unevenness(const struct study *s)
{
    struct ms_demand *d = begin(s, 0);
    double sum = 0;
    for (int l = 0; l < 3; l++) {
        const struct ms_traffic *t = ms_demand_traffic(d, 0, l, 0);
        check_traffic(t, ms_demand_rank_node(d, 0));
        sum += ms_traffic_max_over_mean(t->slot_tokens, RANKS, t->n_slots / RANKS) / 3;
    }
    ms_demand_destroy(d);
    return sum;
}

/* A plan for equal shares of the copies: nearest copies undo it, a quota keeps it, a split solved for
 * the batch betters it; and whoever chooses, the same tokens are computed. */
START_TEST(test_a_quota_keeps_the_plan_that_nearest_copies_undo)
{
    struct study s;
    double top[6], computed = 0;
    study_init(&s);
    s.work.tokens.count = 3000;
    s.place = (struct ms_place_params){.strategy = "eplb", .redundant_experts = 64};
    for (int i = 0; ms_replica_choices()[i]; i++) {
        s.place.replica_choice = ms_replica_choices()[i]->name;
        top[i] = unevenness(&s);
        struct ms_demand *d = begin(&s, 0);
        double first = ms_demand_traffic(d, 0, 0, 0)->expert_tokens[0];
        ck_assert(i == 0 || computed == first);
        computed = first;
        ms_demand_destroy(d);
    }
    ck_assert_str_eq(ms_replica_choices()[1]->name, "quota");
    ck_assert_double_lt(top[1], 1.08);
    ck_assert_double_gt(top[0], top[1] + 0.1);
    ck_assert_double_lt(top[5], 1.005);
    s.place.replica_choice = "auto"; /* the plan looked at loads */
    ck_assert_double_eq(unevenness(&s), top[1]);
    s.place.replica_choice = NULL;
    s.place.strategy = "contiguous";
    ck_assert_str_eq(ms_replica_of(&s.place)->name, "nearest");
}
END_TEST

static void with_requests(struct study *s, int phase)
{
    s->work.requests = (struct ms_request_params){.phase = phase,
                                                  .length = {.mean = 40, .cv = 1},
                                                  .domains = {.n = 4},
                                                  .tilt = 0.3,
                                                  .mix = {.concentration = 2, .persistence = 30}};
    s->routing.popularity = law_named("lognormal", NULL, NULL);
}

/* What a placement looks back on changes nothing of what is drawn: the experts of a step are the same
 * under every placement, history and staleness. */
START_TEST(test_looking_back_changes_no_token)
{
    for (int phase = MS_REQUESTS_DECODE; phase <= MS_REQUESTS_PREFILL; phase++) {
        struct study s;
        study_init(&s);
        with_requests(&s, phase);
        struct ms_demand *plain = begin(&s, 1);
        for (int i = 0; i < 3; i++) {
            s.place = (struct ms_place_params){
                .strategy = i < 2 ? "eplb" : "search", .history = 1 + 7 * i, .stale_steps = 50 * i};
            struct ms_demand *d = begin(&s, 1);
            for (int l = 0; l < 3; l++)
                ck_assert_mem_eq(ms_demand_traffic(d, 0, l, 0)->expert_tokens,
                                 ms_demand_traffic(plain, 0, l, 0)->expert_tokens,
                                 64 * sizeof(double));
            ms_demand_destroy(d);
        }
        ms_demand_destroy(plain);
    }
}
END_TEST

/* Requests of the past are those of the present while they last: a placement by the step before is
 * better than one by a step long gone, where the mix moves. */
static double moved_bytes(const struct ms_demand *d, int step, int layer, int *experts)
{
    size_t n;
    double sum = 0;
    const struct ms_move *m = ms_demand_moves(d, step, layer, 0, &n, experts);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_ne(m[i].from, m[i].to);
        sum += m[i].bytes;
    }
    return sum;
}

/* Placements follow a load that drifts: the first steps are what they are without; weights move at the
 * steps between two placements, as many as the limit lets, from ranks that hold them; kept, all steps
 * are what they are without; and what comes is seen by nobody. */
START_TEST(test_placements_follow_the_load)
{
    struct study s;
    study_init(&s);
    s.work.steps = 7;
    s.routing.drift = 0.5;
    s.model.expert_intermediate = 100;
    s.place = (struct ms_place_params){
        .strategy = "search", .redundant_experts = 16, .replica_choice = "quota", .history = 2};
    struct ms_demand *stays = begin(&s, 1);
    s.place.rebalance = (struct ms_rebalance_params){.every = 3, .limit_slots = 5};
    struct ms_demand *d = begin(&s, 1);
    s.work.steps = 4;
    struct ms_demand *shorter = begin(&s, 1);
    ck_assert(ms_demand_rebalances(d) && !ms_demand_rebalances(stays));
    double before = 0, after = 0;
    for (int step = 0; step < 7; step++)
        for (int l = 0; l < 3; l++) {
            const struct ms_traffic *a = ms_demand_traffic(stays, step, l, 0);
            const struct ms_traffic *b = ms_demand_traffic(d, step, l, 0);
            int same = memcmp(a->slot_tokens, b->slot_tokens, 80 * sizeof(double)) == 0;
            ck_assert_int_eq(same, step < 3);
            ck_assert_mem_eq(a->expert_tokens, b->expert_tokens, 64 * sizeof(double));
            before += ms_traffic_max_over_mean(a->slot_tokens, RANKS, 5);
            after += ms_traffic_max_over_mean(b->slot_tokens, RANKS, 5);
            if (step < 4) {
                const struct ms_traffic *c = ms_demand_traffic(shorter, step, l, 0);
                ck_assert_mem_eq(c->slot_tokens, b->slot_tokens, 80 * sizeof(double));
            }
        }
    ck_assert_double_lt(after, 0.97 * before);
    for (int step = 0; step < 7; step++) {
        int experts;
        double bytes = moved_bytes(d, step, -1, &experts);
        ck_assert_int_eq(experts > 0, step == 3 || step == 6);
        ck_assert_int_le(experts, 3 * 5);
        ck_assert_double_eq_tol(bytes, experts * 3.0 * 64 * 100 * 2, 1);
    }
    ck_assert_int_eq(ms_demand_begin_kept(d, NULL), MS_OK);
    for (int step = 0; step < 7; step++)
        for (int l = 0; l < 3; l++)
            ck_assert_mem_eq(ms_demand_traffic(stays, step, l, 0)->slot_tokens,
                             ms_demand_traffic(d, step, l, 0)->slot_tokens, 80 * sizeof(double));
    ms_demand_destroy(stays);
    ms_demand_destroy(shorter);
    ms_demand_destroy(d);
}
END_TEST

START_TEST(test_a_stale_placement_is_worse)
{
    struct study s;
    double top[2] = {0};
    study_init(&s);
    with_requests(&s, MS_REQUESTS_DECODE);
    for (int i = 0; i < 2; i++)
        for (int repeat = 0; repeat < 6; repeat++) {
            s.in.seed = 100 + (uint64_t)repeat;
            s.place = (struct ms_place_params){.strategy = "search",
                                               .redundant_experts = 32,
                                               .history = 8,
                                               .stale_steps = i ? 2000 : 0};
            top[i] += unevenness(&s) / 6;
        }
    ck_assert_double_lt(top[0] + 0.05, top[1]);
}
END_TEST

/* On the same history: never worse than eplb, and within a hundredth of an even spread where the batch
 * is split as well as can be. */
START_TEST(test_search_is_no_worse_than_eplb)
{
    struct study s;
    double eplb = 0, search = 0, split = 0;
    study_init(&s);
    with_requests(&s, MS_REQUESTS_DECODE);
    for (int repeat = 0; repeat < 4; repeat++) {
        s.in.seed = 200 + (uint64_t)repeat;
        s.place = (struct ms_place_params){
            .strategy = "eplb", .redundant_experts = 32, .history = 8, .stale_steps = 20};
        eplb += unevenness(&s) / 4;
        s.place.strategy = "search";
        search += unevenness(&s) / 4;
        s.place.replica_choice = "balanced";
        split += unevenness(&s) / 4;
    }
    ck_assert_double_le(search, eplb + 0.02);
    ck_assert_double_lt(split, 1.01);
}
END_TEST

/* Slots cost what the choice in use makes of them: under choices that no plan is kept by, too, ranks are
 * no less even than eplb's, and under nearest copies more. */
START_TEST(test_search_minds_the_choice_of_copy)
{
    static const char *const choice[] = {"nearest", "round_robin", "random", "least_loaded"};
    struct study s;
    study_init(&s);
    with_requests(&s, MS_REQUESTS_DECODE);
    for (int c = 0; c < 4; c++) {
        double eplb = 0, search = 0;
        for (int repeat = 0; repeat < 4; repeat++) {
            s.in.seed = 200 + (uint64_t)repeat;
            s.place = (struct ms_place_params){.strategy = "eplb",
                                               .redundant_experts = 32,
                                               .replica_choice = choice[c],
                                               .history = 8,
                                               .stale_steps = 20};
            eplb += unevenness(&s) / 4;
            s.place.strategy = "search";
            search += unevenness(&s) / 4;
        }
        ck_assert_msg(search <= eplb + (c == 0 ? -0.01 : 0.02), "%s: search %g, eplb %g", choice[c],
                      search, eplb);
    }
}
END_TEST

/* A quota sends to the own rank and node what their copies are meant to take. */
START_TEST(test_a_quota_stays_near)
{
    struct study s;
    double local[2];
    study_init(&s);
    s.place = (struct ms_place_params){.strategy = "eplb", .redundant_experts = 64};
    for (int i = 0; i < 2; i++) {
        s.place.replica_choice = i ? "round_robin" : "quota";
        struct ms_demand *d = begin(&s, 0);
        const struct ms_traffic *t = ms_demand_traffic(d, 0, 0, 0);
        local[i] = 0;
        for (int r = 0; r < RANKS; r++)
            for (int q = 0; q < RANKS; q++)
                local[i] += r / 4 == q / 4 ? ms_traffic_selections(t, r, q) : 0;
        ms_demand_destroy(d);
    }
    ck_assert_double_gt(local[0], 1.15 * local[1]);
}
END_TEST

START_TEST(test_traffic_is_the_same_for_any_threads_order_and_company)
{
    struct study s;
    study_init(&s);
    s.work.groups = 2;
    s.work.steps = 2;
    s.routing.drift = 0.3;
    struct ms_demand *one = begin(&s, 3);
    s.in.n_threads = 5;
    struct ms_demand *many = begin(&s, 0);
    ck_assert_int_eq(ms_demand_begin(many, 3, NULL), MS_OK);
    s.work.layers = 2; /* fewer layers: those that stay are the same */
    struct ms_demand *less = begin(&s, 3);
    for (int p = 0; p < 2; p++)
        for (int l = 0; l < 3; l++)
            for (int q = 0; q < 2; q++) {
                same_traffic(ms_demand_traffic(one, p, l, q), ms_demand_traffic(many, p, l, q));
                if (l < 2)
                    same_traffic(ms_demand_traffic(one, p, l, q), ms_demand_traffic(less, p, l, q));
            }
    struct cells a = cells_of(ms_demand_traffic(one, 0, 0, 0)),
                 b = cells_of(ms_demand_traffic(one, 0, 0, 1));
    ck_assert_msg(memcmp(a.selections, b.selections, RANKS * RANKS * sizeof(double)) != 0,
                  "groups must have streams of their own");
    cells_finish(&a);
    cells_finish(&b);
    ms_demand_destroy(one);
    ms_demand_destroy(many);
    ms_demand_destroy(less);
}
END_TEST

/* Exchanges that are looked at while others are being drawn are those that are drawn at once; of
 * several threads, and where all are looked at from the last. */
START_TEST(test_traffic_drawn_ahead_is_the_same)
{
    struct study s;
    study_init(&s);
    s.work.groups = 2;
    s.work.steps = 2;
    s.routing.drift = 0.3;
    struct ms_demand *at_once = begin(&s, 3);
    for (int threads = 1; threads <= 3; threads++)
        for (int back = 0; back < 2; back++) {
            struct ms_err err = {0};
            s.in.n_threads = threads;
            struct ms_demand *d = begin(&s, 0);
            ck_assert_int_eq(ms_demand_begin_ahead(d, 1, &err), MS_OK); /* left unfinished */
            ck_assert_int_eq(ms_demand_begin_ahead(d, 3, &err), MS_OK);
            for (int i = 0; i < 12; i++) {
                int at = back ? 11 - i : i, p = at / 6, l = at / 2 % 3, q = at % 2;
                ck_assert_int_eq(ms_demand_ready(d, p, l, q, &err), MS_OK);
                same_traffic(ms_demand_traffic(d, p, l, q), ms_demand_traffic(at_once, p, l, q));
            }
            ck_assert_int_eq(ms_demand_begin_twin(d, &err), MS_OK); /* completes it */
            ck_assert_double_eq(ms_demand_note(d).realised_max_over_mean,
                                ms_demand_note(at_once).realised_max_over_mean);
            ms_demand_destroy(d);
        }
    ms_demand_destroy(at_once);
}
END_TEST

/* A popularity that drifts comes to a layer that a group limit cannot give: those before it are there,
 * and from it on the same sentence is told, whoever draws. */
START_TEST(test_an_error_in_a_later_layer_is_told_when_it_is_reached)
{
    struct study s;
    int reached[4];
    char text[4][sizeof((struct ms_err){0}).text];
    study_init(&s);
    s.model.groups = 8;
    s.model.group_limit = 4;
    s.work.steps = 8;
    s.routing.popularity = law_named("target", "max_over_mean", "6");
    s.routing.drift = 0.5;
    s.in.seed = 4;
    for (int threads = 0; threads <= 3; threads++) { /* 0: all at once */
        struct ms_err err = {0};
        struct ms_demand *d = NULL;
        s.in.n_threads = threads > 0 ? threads : 1;
        ck_assert_msg(ms_demand_create(&s.in, &d, &err) == MS_OK, "%s", err.text);
        if (threads == 0) {
            ck_assert_int_eq(ms_demand_begin(d, 0, &err), MS_INVALID);
        } else {
            ck_assert_int_eq(ms_demand_begin_ahead(d, 0, &err), MS_OK);
            int at = 0;
            while (ms_demand_ready(d, at / 3, at % 3, 0, &err) == MS_OK)
                at++;
            reached[threads] = at;
            ck_assert_int_eq(ms_demand_ready(d, 7, 2, 0, NULL), MS_INVALID);
            ck_assert_int_eq(ms_demand_complete(d, NULL), MS_INVALID);
        }
        memcpy(text[threads], err.text, sizeof err.text);
        ms_demand_destroy(d);
    }
    ck_assert_msg(strstr(text[0], "of its group's selections"), "%s", text[0]);
    for (int threads = 1; threads <= 3; threads++) {
        ck_assert_str_eq(text[threads], text[0]);
        ck_assert_int_eq(reached[threads], reached[1]);
    }
    ck_assert_int_gt(reached[1], 0);
}
END_TEST

/* Ranks, hosts and nodes: groups in order or strided, nodes by first appearance, hosts that no node
 * is known of apart. */
START_TEST(test_nodes_count_in_order_of_first_appearance)
{
    int host_node[8] = {5, 5, 2, 2, 5, 5, 7, 7}, none[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    int given[8], seen[8], column[8];
    struct ms_workload w = {.ranks = 4, .groups = 2};
    ms_rank_nodes(&w, host_node, 8, given);
    ck_assert_mem_eq(given, host_node, sizeof given);
    ck_assert_int_eq(ms_number_nodes(8, given, seen, column), 3);
    ck_assert_mem_eq(column, ((int[]){0, 0, 1, 1, 0, 0, 2, 2}), sizeof column);
    w.group_strided = 1;
    ck_assert_int_eq(ms_rank_host(&w, 1, 2), 5);
    ms_rank_nodes(&w, host_node, 8, given);
    ck_assert_mem_eq(given, ((int[]){5, 2, 5, 7, 5, 2, 5, 7}), sizeof given);
    ms_rank_nodes(&w, none, 8, given);
    ck_assert_int_eq(ms_number_nodes(8, given, seen, column), 8);
    ck_assert_int_eq(ms_number_nodes(8, none, seen, column), 8);
}
END_TEST

START_TEST(test_redraw_tokens_keeps_the_popularity)
{
    for (int redraw = 0; redraw < 2; redraw++) {
        struct study s;
        study_init(&s);
        s.routing.redraw = redraw;
        s.routing.popularity = law_named("hotspot", NULL, NULL);
        struct ms_demand *a = begin(&s, 0), *b = begin(&s, 1);
        int hot[2] = {0, 0};
        for (int e = 0; e < 64; e++) {
            const double *x = ms_demand_traffic(a, 0, 0, 0)->expert_tokens,
                         *y = ms_demand_traffic(b, 0, 0, 0)->expert_tokens;
            hot[0] = x[e] > x[hot[0]] ? e : hot[0];
            hot[1] = y[e] > y[hot[1]] ? e : hot[1];
        }
        ck_assert(redraw == MS_REDRAW_TOKENS ? hot[0] == hot[1] : hot[0] != hot[1]);
        ck_assert_double_ne(ms_traffic_copies(ms_demand_traffic(a, 0, 0, 0), 0, 1),
                            ms_traffic_copies(ms_demand_traffic(b, 0, 0, 0), 0, 1));
        ms_demand_destroy(a);
        ms_demand_destroy(b);
    }
}
END_TEST

/* 64 ranks x 4096 tokens of OLMoE: what a trace asks for is what its traffic has. */
START_TEST(test_counts_of_a_trace_come_back_from_its_traffic)
{
    struct study s;
    study_init(&s);
    struct ms_trace_filter f[] = {
        {"model", "OLMoE-1B-7B-0924"}, {"dataset", "arxiv"}, {"kind", "top8"}};
    s.work.ranks = 64;
    s.work.tokens.count = 4096;
    s.routing = (struct ms_routing_params){.source = MS_SOURCE_TRACE,
                                           .trace = TEST_DATA "/routing_counts.csv",
                                           .filter = f,
                                           .n_filter = 3};
    struct ms_demand *d = begin(&s, 0);
    const double want[] = {7.813, 6.283, 7.495};
    for (int l = 0; l < 3; l++) {
        const double *v = ms_demand_traffic(d, 0, l, 0)->expert_tokens;
        double top = 0;
        for (int e = 0; e < 64; e++)
            top = fmax(top, v[e] * 64 / (64.0 * 4096 * 8));
        ck_assert_double_eq_tol(top / want[l], 1, 0.005);
    }
    struct ms_demand_note note = ms_demand_note(d);
    ck_assert(note.has_requested && !note.co_selection_measured && !note.oracle);
    ck_assert_double_eq_tol(note.requested_max_over_mean, (7.813 + 6.283 + 7.495) / 3, 0.001);
    ck_assert_double_eq_tol(note.realised_max_over_mean / note.requested_max_over_mean, 1, 0.005);
    ms_demand_destroy(d);
}
END_TEST

START_TEST(test_layers_of_a_trace_cycle_and_its_totals_can_be_taken)
{
    struct study s;
    study_init(&s);
    struct ms_trace_filter f[] = {
        {"model", "Mixtral-8x7B-v0.1"}, {"dataset", "c4"}, {"kind", "top2"}};
    s.model.experts = 8;
    s.model.top_k = 2;
    s.work.ranks = 8;
    s.work.layers = 4;
    s.work.tokens.kind = MS_TOKENS_TRACE;
    s.routing = (struct ms_routing_params){.source = MS_SOURCE_TRACE,
                                           .trace = TEST_DATA "/routing_counts.csv",
                                           .filter = f,
                                           .n_filter = 3};
    struct ms_demand *d = begin(&s, 0);
    ck_assert_double_eq(ms_demand_traffic(d, 0, 0, 0)->requested, 417792);
    for (int e = 0; e < 8; e++) {
        double a = ms_demand_traffic(d, 0, 0, 0)->expert_tokens[e],
               b = ms_demand_traffic(d, 0, 3, 0)->expert_tokens[e];
        ck_assert_double_eq_tol(a / b, 1,
                                0.02); /* layer 3 is the trace's first again, other tokens */
    }
    ms_demand_destroy(d);
}
END_TEST

START_TEST(test_more_ranks_than_a_mask_holds_count_the_same)
{
    struct study s;
    study_init(&s);
    int node[128];
    for (int r = 0; r < 128; r++)
        node[r] = r / 8;
    s.in.rank_node = node;
    s.model = ms_model_preset_find("deepseek-v3")->shape;
    s.work.tokens.count = 500;
    double nodes[2] = {0}, ranks[2] = {0};
    for (int i = 0; i < 2;
         i++) { /* the same experts on 64 and on 128 ranks: each rank's copies follow from pairs */
        s.work.ranks = i ? 128 : 64;
        struct ms_demand *d = begin(&s, 0);
        const struct ms_traffic *t = ms_demand_traffic(d, 0, 0, 0);
        check_traffic(t, ms_demand_rank_node(d, 0));
        nodes[i] = total(t->node_copies, (size_t)(t->n_ranks * t->n_nodes)) / (500.0 * t->n_ranks);
        struct cells c = cells_of(t);
        ranks[i] = cells_sum(c.copies, t->n_ranks) / (500.0 * t->n_ranks);
        cells_finish(&c);
        ms_demand_destroy(d);
    }
    ck_assert_double_lt(ranks[0], ranks[1]);
    ck_assert_double_lt(ranks[1], 8);
    ck_assert_double_le(nodes[0], 4.01);
    ck_assert_double_gt(nodes[1], nodes[0]);
}
END_TEST

/* Totals of an exchange as the twin must keep them. */
struct legs {
    double own, foreign, intra, inter, off_rail, hops, crossings;
};

static struct legs legs_of(const struct ms_traffic *t, const int *node)
{
    struct legs x = {0};
    for (int a = 0; a < RANKS; a++) {
        for (int n = 0; n < NODES; n++)
            *(n == node[a] ? &x.own : &x.foreign) += t->node_copies[a * NODES + n];
        for (int b = 0; b < RANKS; b++) {
            double c = ms_traffic_copies(t, a, b);
            x.intra += a != b && node[a] == node[b] ? c : 0;
            x.inter += node[a] != node[b] ? c : 0;
            x.off_rail += node[a] != node[b] && a % 4 != b % 4 ? c : 0;
            for (int h = a; h != b; h = (h + 1) % RANKS) {
                x.hops += c;
                x.crossings += node[h] != node[(h + 1) % RANKS] ? c : 0;
            }
        }
    }
    return x;
}

/* Bytes within nodes stay within nodes, bytes between them between them, whatever the algorithm;
 * where others pass bytes on, every hop keeps its total too. */
START_TEST(test_twins_keep_every_leg)
{
    for (enum ms_twin_kinds by = MS_TWIN_BY_NODE; by <= MS_TWIN_BY_HOP; by++) {
        struct study s;
        study_init(&s);
        s.in.twin_by = by;
        s.place.strategy = "lpt";
        struct ms_demand *d = begin(&s, 0);
        struct ms_hash key;
        ck_assert_int_eq(ms_demand_twin_key(d, &key, NULL), MS_OK);
        const int *node = ms_demand_rank_node(d, 0);
        struct legs real = legs_of(ms_demand_traffic(d, 0, 1, 0), node);
        ck_assert_int_eq(ms_demand_begin_twin(d, NULL), MS_OK);
        const struct ms_traffic *twin = ms_demand_traffic(d, 0, 1, 0);
        struct legs even = legs_of(twin, node);
        ck_assert_double_eq_tol(real.own, even.own, 1e-6);
        ck_assert_double_eq_tol(real.foreign, even.foreign, 1e-6);
        ck_assert_double_eq_tol(real.intra, even.intra, 1e-6);
        ck_assert_double_eq_tol(real.inter, even.inter, 1e-6);
        if (by == MS_TWIN_BY_RAIL)
            ck_assert_double_eq_tol(real.off_rail, even.off_rail, 1e-6);
        if (by == MS_TWIN_BY_HOP) {
            ck_assert_double_eq_tol(real.hops, even.hops, 1e-5);
            ck_assert_double_eq_tol(real.crossings, even.crossings, 1e-5);
        }
        if (by == MS_TWIN_BY_NODE) { /* evenly over its own pairs */
            ck_assert_double_eq(ms_traffic_copies(twin, 0, 1), ms_traffic_copies(twin, 2, 3));
            ck_assert_double_eq(ms_traffic_copies(twin, 0, 4), ms_traffic_copies(twin, 2, 15));
        }
        ck_assert_double_eq(twin->slot_tokens[0], twin->slot_tokens[63]);
        struct ms_hash after;
        ck_assert_int_eq(ms_demand_twin_key(d, &after, NULL), MS_OK);
        ck_assert_str_eq(key.hex, after.hex);
        ck_assert_int_eq(ms_demand_begin(d, 1, NULL), MS_OK);
        struct ms_hash other;
        ck_assert_int_eq(ms_demand_twin_key(d, &other, NULL), MS_OK);
        ck_assert_str_ne(key.hex, other.hex);
        ms_demand_destroy(d);
    }
}
END_TEST

/* A capacity of any kind and any policy draws the same experts: what is not dropped is equal, and a
 * capacity that nobody reaches changes nothing. */
START_TEST(test_capacity_never_changes_who_is_drawn)
{
    struct study s;
    study_init(&s);
    s.place.redundant_experts = 16;
    s.place.replica_choice = "random";
    struct ms_demand *none = begin(&s, 0);
    for (int i = 0; i < 6; i++) {
        s.routing.capacity_factor = 100;
        s.routing.drop_policy = i % 2;
        s.routing.capacity_scope = i / 2;
        struct ms_demand *d = begin(&s, 0);
        for (int l = 0; l < 3; l++)
            same_traffic(ms_demand_traffic(none, 0, l, 0), ms_demand_traffic(d, 0, l, 0));
        ms_demand_destroy(d);
    }
    ms_demand_destroy(none);
}
END_TEST

/* What a capacity is counted over: no holder has more than it takes, and a larger pool drops less. */
START_TEST(test_capacity_is_counted_over_its_scope)
{
    double dropped[3];
    for (int scope = 0; scope < 3; scope++)
        for (int policy = 0; policy < 2; policy++) {
            struct study s;
            study_init(&s);
            s.work.tokens.count = 100;
            s.routing.popularity = law_named("lognormal", "sigma", "0.4");
            s.routing.capacity_factor = 1.1;
            s.routing.capacity_scope = scope;
            s.routing.drop_policy = policy;
            struct ms_demand *d = begin(&s, 0);
            const struct ms_traffic *t = ms_demand_traffic(d, 0, 0, 0);
            check_traffic(t, ms_demand_rank_node(d, 0));
            double most = 0, per_rank = 0;
            for (int e = 0; e < 64; e++)
                most = fmax(most, t->expert_tokens[e]);
            for (int r = 0; r < RANKS; r++)
                per_rank = fmax(per_rank, total(t->slot_tokens + r * 4, 4));
            if (scope == MS_CAPACITY_EXPERT)
                ck_assert_double_eq(most, 220); /* ceil(1.1 x 8 x 1600 / 64) */
            if (scope == MS_CAPACITY_RANK)
                ck_assert_double_eq(per_rank, 880);
            ck_assert(policy == 0 || dropped[scope] == t->dropped); /* which ones, not how many */
            dropped[scope] = t->dropped;
            ms_demand_destroy(d);
        }
    ck_assert_double_gt(dropped[MS_CAPACITY_SENDER_EXPERT], dropped[MS_CAPACITY_EXPERT]);
    ck_assert_double_gt(dropped[MS_CAPACITY_EXPERT], dropped[MS_CAPACITY_RANK]);
}
END_TEST

/* The perfect control: loads equal to the token, experts of a token on distinct ranks, and as many
 * nodes a token as distinct ranks give. */
START_TEST(test_perfect_is_even_and_dispersed)
{
    static const int tokens[] = {1, 16, 600}, experts[] = {64, 256};
    for (int i = 0; i < 6; i++) {
        struct study s;
        study_init(&s);
        s.model.experts = experts[i / 3];
        s.work.tokens.count = tokens[i % 3];
        s.routing.assignment = "perfect";
        struct ms_demand *d = begin(&s, 0);
        const struct ms_traffic *t = ms_demand_traffic(d, 0, 0, 0);
        check_traffic(t, ms_demand_rank_node(d, 0));
        double T = RANKS * (double)tokens[i % 3];
        struct cells c = cells_of(t);
        ck_assert_double_eq(cells_sum(c.copies, RANKS), 8 * T);
        cells_finish(&c);
        for (int r = 0; r < RANKS; r++)
            ck_assert_double_eq(
                total(t->slot_tokens + r * t->n_slots / RANKS, (size_t)t->n_slots / RANKS),
                T * 8 / RANKS);
        for (int e = 0; e < t->n_experts && tokens[i % 3] >= 16; e++)
            ck_assert_double_eq(t->expert_tokens[e], T * 8 / t->n_experts);
        ck_assert_double_eq_tol(ms_traffic_remote_copies(t, 8), 8 * 15. / 16,
                                tokens[i % 3] > 1 ? 0.1 : 1);
        ms_demand_destroy(d);
    }
}
END_TEST

/* Eight experts on eight ranks: seven copies leave (the row that benchmarks print). A control that
 * puts a token's experts on one rank is told. */
START_TEST(test_controls_are_compared_with_the_uniform_law)
{
    static const char *const names[] = {"top_k", "balanced", "round_robin", "perfect"};
    for (int i = 0; i < 5; i++) {
        struct study s;
        study_init(&s);
        s.model = ms_model_preset_find("deepseek-v3")->shape;
        s.model.groups = s.model.group_limit = 1;
        s.work.ranks = 8;
        s.routing.popularity = law_named("uniform", NULL, NULL);
        s.routing.assignment = names[i % 4];
        s.place.strategy = i == 4 ? "round_robin" : "contiguous";
        s.routing.assignment = i == 4 ? "round_robin" : names[i];
        struct ms_errs errs = {0};
        ms_demand_warn(&s.in, &errs);
        ck_assert_int_eq((int)errs.n_warnings, i == 2);
        if (i == 2)
            ck_assert_ptr_nonnull(strstr(errs.warn[0].text, "sends 0.88 copies"));
        ms_errs_finish(&errs);
        struct ms_demand *d = begin(&s, 0);
        double copies = ms_traffic_remote_copies(ms_demand_traffic(d, 0, 0, 0), 8);
        if (i >= 3)
            ck_assert_double_eq(copies, 7);
        ms_demand_destroy(d);
    }
}
END_TEST

START_TEST(test_bad_routing_is_found_before_anything_is_drawn)
{
    struct ms_trace_filter f[] = {
        {"model", "OLMoE-1B-7B-0924"}, {"dataset", "arxiv"}, {"kind", "top8"}};
    for (int i = 0; i < 8; i++) {
        struct study s;
        study_init(&s);
        struct ms_routing_params trace = {.source = MS_SOURCE_TRACE,
                                          .trace = TEST_DATA "/routing_counts.csv",
                                          .filter = f,
                                          .n_filter = 3};
        const int64_t list[3] = {1, 2, 3};
        const char *says = NULL;
        switch (i) {
        case 0:
            s.routing = trace, s.model.top_k = 9,
            says = "layer 0: expert 0 has 0.1221"; /* x 9 is more than one */
            break;
        case 1:
            s.place.redundant_experts = 1, says = "take redundant_experts: 16, or ranks: 1 with";
            break;
        case 2:
            s.work.ranks = 24,
            says = "take redundant_experts: 8, or ranks: 8 with workload.groups: 3";
            break;
        case 3:
            s.place.strategy = "contigous", says = "did you mean 'contiguous'?";
            break;
        case 4:
            s.work.tokens = (struct ms_tokens){.kind = MS_TOKENS_LIST, .list = list, .n_list = 3};
            says = "a list of 3 for 16 ranks";
            break;
        case 5:
            s.work.tokens.kind = MS_TOKENS_TRACE, says = "needs routing.source: trace";
            break;
        case 6:
            s.model.groups = 5, says = "5 groups do not divide 64 experts";
            break;
        default:
            s.routing = trace, s.routing.drift = 0.1, says = "a trace does not drift";
        }
        struct ms_demand *d = NULL;
        struct ms_err err = {0};
        enum ms_status status = ms_demand_create(&s.in, &d, &err);
        ck_assert_msg(ms_exit_code(status) == 3, "%d: %d %s", i, status, err.text);
        ck_assert_msg(strstr(err.text, says) != NULL, "%d: %s", i, err.text);
        ck_assert_msg(err.key[0] != '\0', "%d has no key", i);
        ck_assert_ptr_null(d);
    }
}
END_TEST

/* Every token assignment on a law's scores: what it promises shows in the traffic. */
START_TEST(test_assignments_shape_synthetic_traffic)
{
    static const char *const names[] = {"balanced",       "round_robin", "random",
                                        "top_k_filtered", "load_aware",  "expert_choice"};
    double top[7];
    for (int i = 0; i < 7; i++) {
        struct study s;
        study_init(&s);
        s.work.tokens.count = 256;
        s.routing.assignment = i < 6 ? names[i] : "top_k";
        struct ms_demand *d = begin(&s, 0);
        const struct ms_traffic *t = ms_demand_traffic(d, 0, 1, 0);
        check_traffic(t, ms_demand_rank_node(d, 0));
        ck_assert_double_eq(t->requested, RANKS * 256 * 8);
        top[i] = 0;
        for (int e = 0; e < 64; e++)
            top[i] = fmax(top[i], t->expert_tokens[e] * 64 / t->requested);
        ms_demand_destroy(d);
    }
    ck_assert_double_gt(top[6], 2); /* log-normal 1 under top-k */
    ck_assert_double_eq(top[1], 1); /* in turn */
    ck_assert_double_eq(top[5], 1); /* each expert takes as many as any other */
    ck_assert_double_lt(top[2], 1.15);
    ck_assert_double_lt(top[0], top[6]);
    ck_assert_double_eq_tol(top[3], top[6], 0.2); /* nothing excluded: top-k again */
}
END_TEST

START_TEST(test_assignments_need_scores)
{
    struct study s;
    study_init(&s);
    s.routing.assignment = "balanced";
    s.routing.popularity = law_named("mixed-domain", NULL, NULL);
    struct ms_demand *d = NULL;
    struct ms_err err = {0};
    ck_assert_int_eq(ms_demand_create(&s.in, &d, &err), MS_INVALID);
    ck_assert_str_eq(err.key, "routing.assignment");
}
END_TEST

/* Drift: steps forget, the more the further apart; the imbalance asked for stays possible. */
START_TEST(test_popularity_drifts_from_step_to_step)
{
    static const char *const laws[] = {"lognormal", "single-domain"};
    for (int i = 0; i < 2; i++) {
        struct study s;
        study_init(&s);
        s.work.steps = 12;
        s.work.tokens.count = 2000;
        s.routing.popularity = law_named(laws[i], NULL, NULL);
        s.routing.drift = 0.2;
        struct ms_demand *d = begin(&s, 0);
        double apart[3] = {0};
        const int steps[3] = {0, 1, 11};
        for (int l = 0; l < 3; l++)
            for (int e = 0; e < 64; e++)
                for (int k = 0; k < 3; k++)
                    apart[k] += fabs(ms_demand_traffic(d, 0, l, 0)->expert_tokens[e] -
                                     ms_demand_traffic(d, steps[k], l, 0)->expert_tokens[e]);
        ck_assert_double_eq(apart[0], 0);
        ck_assert_double_gt(apart[1], 0);
        ck_assert_double_gt(apart[2], 1.3 * apart[1]);
        ms_demand_destroy(d);
    }
}
END_TEST

/* Published: rank (max - mean) / mean 1.56 on 32 ranks, and 0.115 after EPLB with 288 slots. */
START_TEST(test_r1_at_ep32_is_as_uneven_as_published)
{
    double top[2] = {0};
    for (int i = 0; i < 2; i++) {
        struct study s;
        study_init(&s);
        s.model = ms_model_preset_find("deepseek-v3")->shape;
        memset(s.node, 0, sizeof s.node); /* one domain: no group is tied to a node */
        s.work.ranks = 32;
        s.work.layers = 58;
        s.work.tokens.count = 256;
        s.routing.popularity = law_named("r1-ep32", NULL, NULL);
        s.place = (struct ms_place_params){.strategy = i ? "eplb" : "contiguous",
                                           .redundant_experts = i ? 32 : 0,
                                           .replica_choice = "random"};
        struct ms_demand *d = begin(&s, 0);
        for (int l = 0; l < 58; l++) {
            const struct ms_traffic *t = ms_demand_traffic(d, 0, l, 0);
            double most = 0, all = total(t->slot_tokens, (size_t)t->n_slots);
            for (int r = 0; r < 32; r++)
                most = fmax(most,
                            total(t->slot_tokens + r * t->n_slots / 32, (size_t)t->n_slots / 32));
            top[i] += most * 32 / all / 58;
        }
        ms_demand_destroy(d);
    }
    ck_assert_double_eq_tol(top[0], 2.56, 0.1);
    ck_assert_double_lt(top[1], 1.2);
}
END_TEST

/* Busiest rank over the mean, of the traffic itself. */
static double rank_imbalance(const char *strategy, int redundant)
{
    struct study s;
    study_init(&s);
    struct ms_trace_filter f[] = {
        {"model", "OLMoE-1B-7B-0924"}, {"dataset", "arxiv"}, {"kind", "top8"}};
    s.routing = (struct ms_routing_params){.source = MS_SOURCE_TRACE,
                                           .trace = TEST_DATA "/routing_counts.csv",
                                           .filter = f,
                                           .n_filter = 3};
    s.place = (struct ms_place_params){.strategy = strategy, .redundant_experts = redundant};
    s.place.replica_choice = "random";
    struct ms_demand *d = begin(&s, 0);
    double sum = 0;
    for (int l = 0; l < 3; l++) {
        const struct ms_traffic *t = ms_demand_traffic(d, 0, l, 0);
        double top = 0, all = total(t->slot_tokens, (size_t)t->n_slots);
        for (int r = 0; r < RANKS; r++)
            top = fmax(top,
                       total(t->slot_tokens + r * t->n_slots / RANKS, (size_t)t->n_slots / RANKS));
        sum += top * RANKS / all / 3;
    }
    ms_demand_destroy(d);
    return sum;
}

START_TEST(test_replicas_balance_what_no_permutation_can)
{
    double plain = rank_imbalance("contiguous", 0), lpt = rank_imbalance("lpt", 0),
           eplb = rank_imbalance("eplb", 16);
    ck_assert_double_gt(plain, 2);
    ck_assert_double_lt(lpt, plain);
    ck_assert_double_lt(eplb, 1.1);
    ck_assert_double_lt(eplb, lpt);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("demand");
    TCase *t = tcase_create("demand");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_counts_hold_together_under_every_choice);
    tcase_add_test(t, test_a_quota_keeps_the_plan_that_nearest_copies_undo);
    tcase_add_test(t, test_a_quota_stays_near);
    tcase_add_test(t, test_looking_back_changes_no_token);
    tcase_add_test(t, test_placements_follow_the_load);
    tcase_add_test(t, test_a_stale_placement_is_worse);
    tcase_add_test(t, test_search_is_no_worse_than_eplb);
    tcase_add_test(t, test_search_minds_the_choice_of_copy);
    tcase_add_test(t, test_traffic_is_the_same_for_any_threads_order_and_company);
    tcase_add_test(t, test_traffic_drawn_ahead_is_the_same);
    tcase_add_test(t, test_an_error_in_a_later_layer_is_told_when_it_is_reached);
    tcase_add_test(t, test_nodes_count_in_order_of_first_appearance);
    tcase_add_test(t, test_redraw_tokens_keeps_the_popularity);
    tcase_add_test(t, test_counts_of_a_trace_come_back_from_its_traffic);
    tcase_add_test(t, test_layers_of_a_trace_cycle_and_its_totals_can_be_taken);
    tcase_add_test(t, test_more_ranks_than_a_mask_holds_count_the_same);
    tcase_add_test(t, test_twins_keep_every_leg);
    tcase_add_test(t, test_capacity_never_changes_who_is_drawn);
    tcase_add_test(t, test_capacity_is_counted_over_its_scope);
    tcase_add_test(t, test_perfect_is_even_and_dispersed);
    tcase_add_test(t, test_controls_are_compared_with_the_uniform_law);
    tcase_add_test(t, test_bad_routing_is_found_before_anything_is_drawn);
    tcase_add_test(t, test_assignments_shape_synthetic_traffic);
    tcase_add_test(t, test_assignments_need_scores);
    tcase_add_test(t, test_popularity_drifts_from_step_to_step);
    tcase_add_test(t, test_r1_at_ep32_is_as_uneven_as_published);
    tcase_add_test(t, test_replicas_balance_what_no_permutation_can);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
