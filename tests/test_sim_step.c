/* sim/: whole steps: groups side by side, training, computing and what it hides. */
#include <check.h>

#include "sim/noise.h"
#include "sim_world.h"

#define CLOSE(a, b, rel)                                                                           \
    ck_assert_msg(fabs((double)(a) - (double)(b)) <= (rel)*fabs((double)(b)),                      \
                  "%.12g is not %.12g", (double)(a), (double)(b))

static char path[128];

/* 4 layers of uniform traffic: 10 tokens a pair, so every leg on a star of 16 has a closed form. */
static struct job uniform_job(int n, const char *model)
{
    struct job j = job_new(path, n, "direct", model);
    struct ms_traffic *t = job_zeros(&j, 0);
    t->requested = 40.0 * n * n / 4;
    for (int i = 0; i < n * n; i++)
        j.cells[0].selections[i] = j.cells[0].copies[i] = 10;
    for (int r = 0; r < n; r++)
        t->slot_tokens[r] = 10.0 * n;
    j.w.layers = 4;
    return j;
}

static struct answer run(struct job *j)
{
    struct answer a = simulate(j);
    ck_assert_msg(!a.status, "%s", a.text);
    return a;
}

/* A uniform leg of n ranks at b bytes a token on 50 GB/s ports, 2 us. */
static double leg_s(int n, double b)
{
    return 2e-6 + (n - 1) * 10 * b / 50e9;
}

START_TEST(test_a_step_is_the_sum_of_its_layers)
{
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++) {
        struct job j = uniform_job(16, models[m]);
        j.params.compute.dense_s = 5e-6;
        j.w.steps = 2;
        struct answer a = run(&j);
        double layer = leg_s(16, 1000) + leg_s(16, 2000);
        CLOSE(a.dispatch[0], leg_s(16, 1000), 1e-6);
        CLOSE(a.combine[7], leg_s(16, 2000), 1e-6);
        CLOSE(a.layer[3], layer, 1e-6);
        CLOSE(a.step[0], 4 * (layer + 5e-6), 1e-6);
        CLOSE(a.step[1], a.step[0], 1e-6);
        CLOSE(a.exposed[0], 4 * layer, 1e-6);
        CLOSE(a.active, 2 * 4 * layer, 1e-6);
        CLOSE(a.local, 2 * 4 * 16 * 10 * 3000.0, 1e-12);
        answer_finish(&a);
        job_finish(&j);
    }
}
END_TEST

START_TEST(test_training_adds_the_backward_legs)
{
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++) {
        struct job j = uniform_job(16, models[m]);
        struct answer fwd = run(&j);
        j.w.training = 1;
        struct answer all = run(&j);
        /* both backward legs at combine bytes: combine transposed, dispatch transposed */
        CLOSE(all.network, fwd.network * (1000 + 3 * 2000) / 3000, 1e-12);
        CLOSE(all.dispatch[0], leg_s(16, 1000) + leg_s(16, 2000), 1e-6);
        CLOSE(all.combine[0], 2 * leg_s(16, 2000), 1e-6);
        CLOSE(all.step[0], 4 * (leg_s(16, 1000) + 3 * leg_s(16, 2000)), 1e-6);
        CLOSE(all.layer[0], leg_s(16, 1000) + 3 * leg_s(16, 2000), 1e-6);
        /* computing backward takes twice as long */
        j.params.compute.dense_s = 1e-3;
        struct answer busy = run(&j);
        CLOSE(busy.step[0], all.step[0] + 4 * 3e-3, 1e-6);
        answer_finish(&fwd);
        answer_finish(&all);
        answer_finish(&busy);
        job_finish(&j);
    }
}
END_TEST

START_TEST(test_two_half_batches_hide_communication)
{
    struct job j = uniform_job(16, "fluid");
    j.params.compute.profile = NULL; /* a roofline: 160 tokens take as long as both legs */
    double flops_per_token = 6.0 * 1000 * 500;
    j.params.compute.flops = 160 * flops_per_token / (leg_s(16, 1000) + leg_s(16, 2000));
    struct answer one = run(&j);
    j.params.compute.overlap = MS_OVERLAP_TWO_BATCH;
    struct answer two = run(&j);
    double compute = leg_s(16, 1000) + leg_s(16, 2000);
    CLOSE(one.step[0], 4 * 2 * compute, 1e-6);
    CLOSE(one.exposed[0], 4 * compute, 1e-6);
    ck_assert(two.step[0] < 0.8 * one.step[0] && two.step[0] > 4 * compute);
    ck_assert(two.exposed[0] < 0.6 * one.exposed[0]);
    CLOSE(two.exposed[0], two.step[0] - 4 * compute, 1e-6);
    CLOSE(two.network, one.network, 1e-12);
    ck_assert(isnan(two.dispatch[0]) && isnan(two.rank_combine[0]) && two.layer[0] > 0);
    answer_finish(&one);
    answer_finish(&two);
    job_finish(&j);
}
END_TEST

START_TEST(test_groups_share_the_fabric)
{
    char rail[160];
    snprintf(rail, sizeof rail, "%s.rail", path);
    write_rail(rail, 16, 4);
    for (int m = 0; m < 2; m++) {
        struct job j = uniform_job(4, m ? "fluid" : "cm02");
        struct answer a = run(&j); /* 4 of 16 hosts of the star */
        j.w.groups = 4;
        struct answer b = run(&j); /* on a star groups do not meet */
        for (int g = 0; g < 4; g++)
            CLOSE(b.dispatch[g], a.dispatch[0], 1e-6);
        CLOSE(b.network + b.intra, 4 * (a.network + a.intra), 1e-12);
        answer_finish(&a);
        answer_finish(&b);
        j.path = rail; /* a group per node: NVLink only; a GPU of each node: one rail each */
        a = run(&j);
        ck_assert(a.network == 0 && a.intra > 0);
        j.w.group_strided = 1;
        b = run(&j);
        ck_assert(b.intra == 0 && b.network > 0);
        CLOSE(b.dispatch[3], 3e-6 + 3 * 10 * 1000 / 46e9, 1e-6);
        CLOSE(a.dispatch[0], 1e-6 + 3 * 10 * 1000 / 160e9, 1e-6);
        answer_finish(&a);
        answer_finish(&b);
        job_finish(&j);
    }
    unlink(rail);
}
END_TEST

START_TEST(test_a_roofline_has_three_regimes)
{
    struct job j = uniform_job(16, "fluid");
    j.params.compute = (struct ms_compute_params){.flops = 1e12, .bandwidth = 1e12};
    struct answer a = run(&j); /* 160 tokens: 0.48 ms of flops against 3 us of weights */
    double legs = 4 * (leg_s(16, 1000) + leg_s(16, 2000));
    CLOSE(a.step[0], legs + 4 * 160 * 3e6 / 1e12, 1e-6);
    answer_finish(&a);
    j.params.compute.bandwidth = 1e9; /* weights: 3 ms */
    a = run(&j);
    CLOSE(a.step[0], legs + 4 * 3e6 / 1e9, 1e-6);
    answer_finish(&a);
    j.params.compute.floor_s = 1e-2;
    a = run(&j);
    CLOSE(a.step[0], legs + 4 * 1e-2, 1e-6);
    answer_finish(&a);
    j.params.compute.floor_s =
        0; /* a shared expert on the rank's own 160 selections / top-4 = 40 tokens */
    j.params.compute.bandwidth = 0;
    j.model.shared_experts = 1;
    a = run(&j);
    CLOSE(a.step[0], legs + 4 * 200 * 3e6 / 1e12, 1e-6);
    answer_finish(&a);
    job_finish(&j);
}
END_TEST

/* One of 16 ranks computes twice as slowly: everybody waits for it, in every layer. */
START_TEST(test_a_straggler_costs_what_it_computes)
{
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++) {
        struct job j = uniform_job(16, models[m]);
        double compute = 2e-3, legs = leg_s(16, 1000) + leg_s(16, 2000);
        j.params.compute.profile = NULL;
        j.params.compute.flops = 160 * 6.0 * 1000 * 500 / compute;
        struct answer all_well = run(&j);
        CLOSE(all_well.step[0], 4 * (legs + compute), 1e-6);
        j.params.faults.straggler_share = 1.0 / 16;
        j.params.faults.straggler_slowdown = 2;
        struct answer a = run(&j);
        CLOSE(a.step[0], 4 * (legs + 2 * compute), 1e-6);
        j.params.faults.straggler_share = 0.99; /* 16 of 16 */
        struct answer all = run(&j);
        CLOSE(all.step[0], a.step[0], 1e-6);
        answer_finish(&all_well);
        answer_finish(&a);
        answer_finish(&all);
        job_finish(&j);
    }
}
END_TEST

/* The share's number of ranks is slow at any time: the same ones for a repeat, or others each step;
 * above 1, laws have the mean that is asked for. */
START_TEST(test_stragglers_stay_for_a_repeat_or_a_step)
{
    struct ms_fault_params f = {.straggler_share = 0.125, .straggler_slowdown = 1.5};
    struct ms_noise n = {&f, 7, 64};
    for (int per = 0; per < 2; per++) {
        int moved = 0;
        f.straggler_per = per;
        for (int step = 0; step < 10; step++) {
            int slow = 0;
            for (int r = 0; r < 64; r++) {
                double now = ms_noise_slowdown(&n, 3, step, r);
                slow += now == 1.5;
                moved += now != ms_noise_slowdown(&n, 3, 0, r);
            }
            ck_assert_int_eq(slow, 8);
        }
        ck_assert(per ? moved > 100 : moved == 0);
    }
    f.straggler_share = 1;
    n.n_ranks = 2;
    for (int law = MS_STRAGGLER_EXPONENTIAL; law <= MS_STRAGGLER_PARETO; law++) {
        double sum = 0;
        f.straggler_law = law;
        for (int step = 0; step < 100000; step++)
            sum += ms_noise_slowdown(&n, 0, step, 0) - 1;
        CLOSE(sum / 100000, 0.5, 0.03);
    }
}
END_TEST

/* One port's way up at half rate: its rank's sends take twice as long; until it is well again. */
START_TEST(test_a_slow_link_costs_what_it_lacks)
{
    const char *models[] = {"cm02", "fluid"};
    for (int m = 0; m < 2; m++) {
        struct job j = uniform_job(16, models[m]);
        struct ms_fault_link half = {"l3_UP", 0, INFINITY, 0.5};
        double wire_s = leg_s(16, 1000) - 2e-6;
        j.w.layers = 1;
        j.n_runs = 3;
        j.params.faults.links = &half;
        j.params.faults.n_links = 1;
        struct answer a = run(&j);
        for (int i = 0; i < 3; i++) /* every run meets the same weather */
            CLOSE(a.dispatch[i], 2e-6 + 2 * wire_s, 1e-6);
        half.until_s = 2e-6 + wire_s; /* half is through then */
        struct answer b = run(&j);
        for (int i = 0; i < 3; i++)
            CLOSE(b.dispatch[i], 2e-6 + 1.5 * wire_s, 1e-6);
        answer_finish(&a);
        answer_finish(&b);
        half.pattern = "nic*";
        struct answer c = simulate(&j);
        ck_assert_int_eq(c.status, MS_INVALID);
        ck_assert_str_eq(c.key, "faults.links");
        answer_finish(&c);
        job_finish(&j);
    }
}
END_TEST

/* Jitter has mean 1, is drawn for each repeat, and is the same for runs of one repeat and for every
 * model and algorithm. */
START_TEST(test_jitter_is_the_same_for_every_system)
{
    struct job j = uniform_job(16, "fluid");
    j.params.compute.dense_s = 1e-3;
    j.params.faults.jitter_sigma = 0.2;
    j.w.synchronise_layer = 1;
    j.n_runs = 4;
    j.runs_a_repeat = 2;
    struct answer a = run(&j);
    CLOSE(a.step[1], a.step[0], 1e-12);
    CLOSE(a.step[3], a.step[2], 1e-12);
    ck_assert(fabs(a.step[2] / a.step[0] - 1) > 1e-3);
    j.params.exchange.algorithm = "low_latency";
    j.params.network.model = "cm02";
    struct answer b = run(&j);
    for (int i = 0; i < 4; i++) /* the slowest of the ranks' draws decides: not the exchange */
        ck_assert(fabs(b.exposed[i] - b.step[i] - (a.exposed[i] - a.step[i])) < 1e-9);
    double busy = 0; /* of a step's mean rank, 4 layers of 1 ms */
    for (int i = 0; i < 4; i++)
        busy += (a.step[i] - a.exposed[i]) / 4;
    CLOSE(busy, 4e-3, 0.05);
    answer_finish(&a);
    answer_finish(&b);
    job_finish(&j);
}
END_TEST

START_TEST(test_the_timeline_has_every_phase_of_every_rank)
{
    struct job j = uniform_job(16, "fluid");
    char file[160];
    snprintf(file, sizeof file, "%s.json", path);
    j.timeline = file;
    j.params.compute.dense_s = 5e-6;
    j.w.training = 1;
    j.n_runs = 2; /* the first is drawn */
    struct answer a = run(&j);
    FILE *f = fopen(file, "r");
    ck_assert_ptr_nonnull(f);
    char *text = calloc(1, 1 << 20);
    ck_assert(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    int spans = 0, dispatches = 0;
    for (char *p = text; (p = strstr(p, "\"ph\":\"X\"")); p++)
        spans++;
    for (char *p = text; (p = strstr(p, "\"name\":\"dispatch\"")); p++)
        dispatches++;
    ck_assert_int_eq(dispatches, 16 * 4);
    ck_assert_int_eq(spans, 16 * 4 * 6); /* dense and two legs, both ways; experts are free */
    ck_assert_ptr_nonnull(strstr(text, "\"rank 15 on h15\""));
    free(text);
    unlink(file);
    answer_finish(&a);
    job_finish(&j);
}
END_TEST

int main(void)
{
    snprintf(path, sizeof path, "/tmp/moesim-step-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    write_star(path, 16, 4, 1);
    Suite *s = suite_create("sim_step");
    TCase *t = tcase_create("steps");
    tcase_set_timeout(t, 100);
    tcase_add_test(t, test_a_step_is_the_sum_of_its_layers);
    tcase_add_test(t, test_training_adds_the_backward_legs);
    tcase_add_test(t, test_two_half_batches_hide_communication);
    tcase_add_test(t, test_groups_share_the_fabric);
    tcase_add_test(t, test_a_roofline_has_three_regimes);
    tcase_add_test(t, test_a_straggler_costs_what_it_computes);
    tcase_add_test(t, test_stragglers_stay_for_a_repeat_or_a_step);
    tcase_add_test(t, test_a_slow_link_costs_what_it_lacks);
    tcase_add_test(t, test_jitter_is_the_same_for_every_system);
    tcase_add_test(t, test_the_timeline_has_every_phase_of_every_rank);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    unlink(path);
    return failed != 0;
}
