/* place/: what every placement promises, and DeepSeek's own answers. */
#include <check.h>
#include <jansson.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "place/bound.h"
#include "place/moves.h"
#include "place/place.h"
#include "place/place_map.h"

/** A slot for every expert, ranks node by node (filled in), one group. */
static struct ms_place_problem problem(int n_layers, int n_experts, int n_ranks, int n_nodes,
                                       const double *load, int *node)
{
    for (int r = 0; r < n_ranks; r++)
        node[r] = r / (n_ranks / n_nodes);
    return (struct ms_place_problem){.n_layers = n_layers,
                                     .n_experts = n_experts,
                                     .n_ranks = n_ranks,
                                     .n_slots = n_experts,
                                     .n_nodes = n_nodes,
                                     .n_groups = 1,
                                     .load = load,
                                     .rank_node = node};
}

static struct ms_placement solve(const char *name, const struct ms_place_problem *p,
                                 struct ms_rng *rng)
{
    struct ms_placement out = {0};
    struct ms_err err = {0};
    ck_assert_msg(ms_place_solve(ms_place_find(name), p, rng, &out, &err) == MS_OK, "%s: %s", name,
                  err.text);
    return out;
}

START_TEST(test_every_placement_holds_every_expert)
{
    double load[2 * 48];
    struct ms_rng rng;
    ms_rng_init(&rng, 1, "test", 0, 0, 0);
    for (int i = 0; i < 2 * 48; i++)
        load[i] = ms_rng_exponential(&rng);
    int node[8] = {0, 1, 0, 1, 2, 3, 2, 3};
    struct ms_place_problem p = {.n_layers = 2,
                                 .n_experts = 48,
                                 .n_ranks = 8,
                                 .n_nodes = 4,
                                 .n_groups = 4,
                                 .load = load,
                                 .rank_node = node};
    for (int i = 0; ms_place_strategies()[i] != NULL; i++)
        for (p.n_slots = 48; p.n_slots <= 104; p.n_slots += 8) {
            struct ms_placement out = {0};
            struct ms_err err = {0};
            if (ms_place_strategies()[i]->needs_map) {
                ck_assert_int_eq(ms_place_solve(ms_place_strategies()[i], &p, &rng, &out, &err),
                                 MS_INVALID);
                ck_assert_str_eq(err.key, "placement.map");
                continue;
            }
            ck_assert_msg(ms_place_solve(ms_place_strategies()[i], &p, &rng, &out, &err) == MS_OK,
                          "%s", err.text);
            ms_place_finish(&out);
        }
}
END_TEST

/* Eight hot experts, one every 32: ranks cannot be lighter, nodes can. */
START_TEST(test_lpt_spreads_hot_experts_over_nodes)
{
    double load[256];
    int node[64], hot[8] = {0};
    struct ms_rng rng;
    ms_rng_init(&rng, 1, "test", 0, 0, 0);
    for (int e = 0; e < 256; e++)
        load[e] = e % 32 == 0 ? 100 : 1;
    struct ms_place_problem p = problem(1, 256, 64, 8, load, node);
    struct ms_placement out = solve("lpt", &p, &rng);
    for (int s = 0; s < 256; s++)
        hot[node[s / 4]] += out.slot_expert[s] % 32 == 0;
    for (int n = 0; n < 8; n++)
        ck_assert_int_eq(hot[n], 1);
    ms_place_finish(&out);
}
END_TEST

/* The load of the fullest rank, no replicas. */
static double fullest(const struct ms_placement *p, const double *load)
{
    double top = 0;
    for (int r = 0; r < p->n_ranks; r++) {
        double sum = 0;
        for (int i = 0; i < p->n_slots / p->n_ranks; i++)
            sum += load[p->slot_expert[r * (p->n_slots / p->n_ranks) + i]];
        top = sum > top ? sum : top;
    }
    return top;
}

START_TEST(test_search_never_fills_a_rank_beyond_lpt)
{
    for (int seed = 0; seed < 10; seed++) {
        double load[64];
        int node[8];
        struct ms_rng rng;
        ms_rng_init(&rng, 5, "test", (uint64_t)seed, 0, 0);
        for (int e = 0; e < 64; e++)
            load[e] = ms_rng_exponential(&rng);
        struct ms_place_problem p = problem(1, 64, 8, 4, load, node);
        struct ms_placement lpt = solve("lpt", &p, &rng), search = solve("search", &p, &rng);
        ck_assert_double_le(fullest(&search, load), fullest(&lpt, load) * (1 + 1e-9));
        ms_place_finish(&lpt);
        ms_place_finish(&search);
    }
}
END_TEST

/* A lone expert of half the load needs two slots to be even on four ranks; and no placement of a search is
 * below what its slots allow. */
START_TEST(test_slots_bound_what_ranks_can_have)
{
    const double load[5] = {6, 2, 2, 1, 1}, none[2] = {0, 0};
    ck_assert_double_eq_tol(ms_place_bound(load, 5, 4, 5), 2, 1e-6);
    ck_assert_double_eq_tol(ms_place_bound(load, 5, 4, 6), 1, 1e-6);
    ck_assert_double_eq(ms_place_bound(none, 2, 2, 2), 1);
    for (int seed = 0; seed < 20; seed++) {
        double random[32];
        int node[8];
        struct ms_rng rng;
        ms_rng_init(&rng, 9, "test", (uint64_t)seed, 0, 0);
        for (int e = 0; e < 32; e++)
            random[e] = exp(1.5 * ms_rng_normal(&rng));
        struct ms_place_problem p = problem(1, 32, 8, 1, random, node);
        p.n_slots = 40;
        struct ms_placement out = solve("eplb", &p, &rng);
        double rank[8] = {0}, sum = 0, top = 0;
        int copies[32] = {0};
        for (int i = 0; i < 40; i++)
            copies[out.slot_expert[i]]++;
        for (int i = 0; i < 40; i++)
            rank[i / 5] += random[out.slot_expert[i]] / copies[out.slot_expert[i]];
        for (int r = 0; r < 8; r++) {
            sum += rank[r];
            top = rank[r] > top ? rank[r] : top;
        }
        ck_assert_double_ge(8 * top / sum * (1 + 1e-9), ms_place_bound(random, 32, 8, 40));
        ms_place_finish(&out);
    }
}
END_TEST

/* What must be carried: a rank that holds an expert gets nothing, in whatever slot; others get it from
 * their own node if they can, and from who has sent less. A limit is kept. */
START_TEST(test_moves_come_from_the_nearest_holder)
{
    const int from[8] = {0, 1, 2, 3, 4, 5, 0, 1}, to[8] = {1, 0, 0, 3, 4, 0, 0, 2};
    double count[16] = {0}, load[6] = {100, 1, 1, 1, 1, 50};
    int sent[4] = {0}, node[4];
    struct ms_place_problem p = problem(1, 6, 4, 2, load, node);
    p.n_slots = 8;
    p.old = from;
    ck_assert_int_eq(ms_place_moves(node, 4, from, 8, to, 8, sent, count), 3);
    ck_assert_double_eq(count[0 * 4 + 1], 1); /* expert 0 within node 0 */
    ck_assert_double_eq(count[3 * 4 + 2], 1); /* and within node 1 */
    ck_assert_double_eq(count[1 * 4 + 3], 1); /* expert 2 is nowhere else */
    ck_assert_int_eq(ms_place_moved(4, from, 8, to, 8), 3);
    for (p.limit_slots = 1; p.limit_slots < 5; p.limit_slots++) {
        struct ms_rng rng;
        ms_rng_init(&rng, 9, "test", 0, 0, 0);
        struct ms_placement out = solve("eplb", &p, &rng);
        ck_assert_int_le(ms_place_moved(4, from, 8, out.slot_expert, 8), p.limit_slots);
        ms_place_finish(&out);
    }
}
END_TEST

/* Tokens that go from expert e of a layer to e + 4 of the next: affinity keeps them on a rank. */
START_TEST(test_affinity_follows_tokens)
{
    double load[16], follows[64] = {0};
    int node[4], kept = 0;
    struct ms_rng rng;
    ms_rng_init(&rng, 1, "test", 0, 0, 0);
    for (int i = 0; i < 16; i++)
        load[i] = 10;
    for (int e = 0; e < 8; e++)
        follows[e * 8 + (e + 4) % 8] = 10;
    struct ms_place_problem p = problem(2, 8, 4, 2, load, node);
    p.follows = follows;
    struct ms_placement out = solve("affinity", &p, &rng);
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 8; k++)
            kept += i / 2 == k / 2 && out.slot_expert[8 + k] == (out.slot_expert[i] + 4) % 8;
    ck_assert_int_eq(kept, 8);
    ms_place_finish(&out);
}
END_TEST

/* One map in the four formats it is found in; a serving system's layer numbers start with dense
 * layers, which only the count of MoE layers tells from the others. */
START_TEST(test_production_maps_are_read_and_placed)
{
    static const char *const text[] = {
        "{\"physical_to_logical_map\": [[0,1,2,3,0,1],[0,1,2,3,0,2],[3,2,1,0,0,1]]}",
        "{\"physical_to_logical_map\": [[0,1,2,3,0,2],[3,2,1,0,0,1]], \"layer_id\": [1, 2]}",
        "num_slots: 6\ninitial_global_assignments:\n  1: [0, 1, 2, 3, 0, 2]\n  2: [3, 2, 1, 0, 0, "
        "1]\n",
        "{\"moe_layer_count\":2,\"layer_list\":[{\"layer_id\":1,\"device_count\":2,\"device_list\":"
        "["
        "{\"device_id\":1,\"device_expert\":[3,0,2]},{\"device_id\":0,\"device_expert\":[0,1,2]}]},"
        "{\"layer_id\":2,\"device_count\":2,\"device_list\":[{\"device_id\":0,\"device_expert\":"
        "[3,2,1]},{\"device_id\":1,\"device_expert\":[0,0,1]}]}]}"};
    const int want[2][6] = {{0, 1, 2, 3, 0, 2}, {3, 2, 1, 0, 0, 1}};
    char path[] = "/tmp/moesim-map-XXXXXX";
    close(mkstemp(path));
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        struct ms_place_map m = {0};
        struct ms_err err = {0};
        struct ms_placement out = {0};
        ck_assert_int_eq(ms_file_write(path, text[i], strlen(text[i]), NULL), MS_OK);
        ck_assert_msg(ms_place_map_read(path, &m, &err) == MS_OK, "%zu: %s", i, err.text);
        ck_assert_int_eq(m.n_ranks, i == 3 ? 2 : 0);
        struct ms_place_problem p = {.n_layers = 2,
                                     .n_experts = 4,
                                     .n_ranks = 2,
                                     .n_slots = m.n_slots,
                                     .map = &m,
                                     .moe_layers = 2};
        ck_assert_msg(ms_place_solve(ms_place_find("file"), &p, NULL, &out, &err) == MS_OK, "%s",
                      err.text);
        ck_assert_mem_eq(out.slot_expert, want, sizeof want);
        ms_place_finish(&out);
        p.n_experts = 5; /* expert 4 is held nowhere */
        ck_assert_int_eq(ms_place_solve(ms_place_find("file"), &p, NULL, &out, &err), MS_INVALID);
        ck_assert_msg(strstr(err.text, "no slot holds expert 4") != NULL, "%s", err.text);
        ms_place_map_finish(&m);
    }
    unlink(path);
}
END_TEST

/* DeepSeek's own answers (tests/data/eplb_vectors.json). */
START_TEST(test_eplb_is_deepseeks)
{
    json_t *all = json_load_file(TEST_DATA "/eplb_vectors.json", 0, NULL);
    ck_assert_uint_ge(json_array_size(all), 11);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *v = json_array_get(all, i), *weight = json_object_get(v, "weight");
        int L = (int)json_array_size(weight), E = (int)json_array_size(json_array_get(weight, 0)),
            node[64];
        int G = (int)json_integer_value(json_object_get(v, "num_gpus"));
        int N = (int)json_integer_value(json_object_get(v, "num_nodes"));
        int S = (int)json_integer_value(json_object_get(v, "num_replicas"));
        double load[256];
        for (int l = 0; l < L; l++)
            for (int e = 0; e < E; e++)
                load[l * E + e] =
                    json_number_value(json_array_get(json_array_get(weight, (size_t)l), (size_t)e));
        struct ms_place_problem p = problem(L, E, G, N, load, node);
        p.n_slots = S;
        p.n_groups = (int)json_integer_value(json_object_get(v, "num_groups"));
        struct ms_rng rng;
        ms_rng_init(&rng, 1, "test", 0, 0, 0);
        struct ms_placement out = solve("eplb", &p, &rng);
        for (int l = 0; l < L; l++)
            for (int s = 0; s < S; s++) {
                const json_t *row = json_array_get(json_object_get(v, "phy2log"), (size_t)l);
                int want = (int)json_integer_value(json_array_get(row, (size_t)s));
                ck_assert_msg(out.slot_expert[l * S + s] == want,
                              "%s, layer %d, slot %d: %d, not %d",
                              json_string_value(json_object_get(v, "name")), l, s,
                              out.slot_expert[l * S + s], want);
            }
        ms_place_finish(&out);
    }
    json_decref(all);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("place");
    TCase *t = tcase_create("place");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_every_placement_holds_every_expert);
    tcase_add_test(t, test_lpt_spreads_hot_experts_over_nodes);
    tcase_add_test(t, test_search_never_fills_a_rank_beyond_lpt);
    tcase_add_test(t, test_affinity_follows_tokens);
    tcase_add_test(t, test_slots_bound_what_ranks_can_have);
    tcase_add_test(t, test_moves_come_from_the_nearest_holder);
    tcase_add_test(t, test_production_maps_are_read_and_placed);
    tcase_add_test(t, test_eplb_is_deepseeks);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
