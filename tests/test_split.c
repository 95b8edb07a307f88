/* place/split: the best split of replicated experts. With the argument lp: against the optimum that
 * glpsol (GNU Linear Programming Kit) finds, on 200 random placements. */
#include <check.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "place/split.h"

struct world {
    struct ms_arena arena;
    struct ms_copies copies;
    struct ms_split scratch;
    int *slot_expert;
    double *load, *part, *rank_load;
};

/* Any slots for any expert, so that some ranks hold an expert twice; loads with a long tail. */
static void world_init(struct world *w, int number)
{
    struct ms_rng rng;
    ms_rng_init(&rng, 11, "split", (uint64_t)number, 0, 0);
    int G = 2 + (int)ms_rng_below(&rng, 31), E = G + (int)ms_rng_below(&rng, 96);
    int S = (E + (int)ms_rng_below(&rng, 64) + G - 1) / G * G;
    *w = (struct world){0};
    w->slot_expert = MS_NEW(&w->arena, int, (size_t)S);
    w->load = MS_NEW(&w->arena, double, (size_t)E);
    w->part = MS_NEW(&w->arena, double, (size_t)S);
    w->rank_load = MS_NEW(&w->arena, double, (size_t)G);
    ck_assert(w->slot_expert && w->load && w->part && w->rank_load);
    for (int i = 0; i < S; i++) /* few experts take most of the copies */
        w->slot_expert[i] = i < E ? i : (int)(E * pow(ms_rng_unit(&rng), number % 3 == 0 ? 4 : 1));
    ms_rng_shuffle(&rng, w->slot_expert, (size_t)S);
    for (int e = 0; e < E; e++)
        w->load[e] = number % 7 == 0 && e % 5 == 0 ? 0 : 100 * exp(1.5 * ms_rng_normal(&rng));
    ck_assert(ms_copies_init(&w->copies, &w->arena, E, G, S));
    ck_assert(ms_split_init(&w->scratch, &w->arena, G, S));
    ms_copies_fill(&w->copies, w->slot_expert);
}

/* Copies are where the slots are, one a rank; a split hands out every expert's load, none below 0. */
START_TEST(test_a_split_shares_out_every_load)
{
    for (int i = 0; i < 200; i++) {
        struct world w;
        world_init(&w, i);
        struct ms_copies *c = &w.copies;
        double most = ms_split_balanced(c, w.load, 1e-9, &w.scratch, w.part, w.rank_load), all = 0;
        int slots = 0;
        for (int e = 0; e < c->n_experts; e++) {
            double sum = 0;
            for (int k = c->start[e]; k < c->start[e + 1]; k++) {
                ck_assert_int_eq(w.slot_expert[c->slot[k]], e);
                ck_assert_int_eq(c->slot[k] * c->n_ranks / c->n_slots, c->rank[k]);
                ck_assert(k == c->start[e] || c->rank[k] > c->rank[k - 1]);
                ck_assert_double_ge(w.part[k], 0);
                slots += c->times[k];
                sum += w.part[k];
            }
            ck_assert_double_eq_tol(sum, w.load[e], 1e-9 * (1 + w.load[e]));
            all += w.load[e];
        }
        ck_assert_int_eq(slots, c->n_slots);
        ck_assert_double_ge(most * (1 + 1e-12), all / c->n_ranks);
        ms_arena_finish(&w.arena);
    }
}
END_TEST

/* Two ranks, of which one holds a lone expert of 6 and a copy of one of 10: 8 and 8. A chain of three
 * needs more than one pouring. */
START_TEST(test_small_splits_by_hand)
{
    struct ms_arena arena = {0};
    struct ms_copies c;
    struct ms_split s;
    int slots[4] = {0, 1, 1, 1}, chain[6] = {0, 1, 1, 2, 2, 0};
    double load[3] = {6, 10, 0}, third[3] = {9, 0, 0}, part[6], rank[3];
    ck_assert(ms_copies_init(&c, &arena, 2, 2, 4) && ms_split_init(&s, &arena, 3, 6));
    ms_copies_fill(&c, slots);
    ck_assert_int_eq(c.times[2], 2); /* rank 1 holds expert 1 twice: one copy */
    ck_assert_double_eq_tol(ms_split_balanced(&c, load, 1e-9, &s, part, rank), 8, 1e-9);
    ck_assert(ms_copies_init(&c, &arena, 3, 3, 6));
    ms_copies_fill(&c, chain); /* ranks hold {0,1} {1,2} {2,0} */
    ck_assert_double_eq_tol(ms_split_balanced(&c, load, 1e-9, &s, part, rank), 16.0 / 3, 1e-6);
    ck_assert_double_eq_tol(ms_split_balanced(&c, third, 1e-9, &s, part, rank), 4.5, 1e-9);
    ms_arena_finish(&arena);
}
END_TEST

/* min T: every expert's parts sum to its load, every rank's parts to at most T. */
static void write_lp(const struct world *w, FILE *f)
{
    const struct ms_copies *c = &w->copies;
    fprintf(f, "Minimize\n T: t\nSubject To\n");
    for (int e = 0; e < c->n_experts; e++) {
        for (int k = c->start[e]; k < c->start[e + 1]; k++)
            fprintf(f, " + y%d", k);
        fprintf(f, " = %.17g\n", w->load[e]);
    }
    for (int r = 0; r < c->n_ranks; r++) {
        for (int k = 0; k < c->start[c->n_experts]; k++)
            if (c->rank[k] == r)
                fprintf(f, " + y%d", k);
        fprintf(f, " - t <= 0\n");
    }
    fprintf(f, "End\n");
}

static double solve_lp(const struct world *w)
{
    char path[] = "/tmp/moesim-lp-XXXXXX", command[200], line[400];
    double optimum = NAN;
    FILE *f = fdopen(mkstemp(path), "w");
    ck_assert(f);
    write_lp(w, f);
    fclose(f);
    snprintf(command, sizeof command, "glpsol --lp %s -o /dev/stdout --log %s.log; rm -f %s.log",
             path, path, path);
    f = popen(command, "r");
    ck_assert(f);
    while (fgets(line, sizeof line, f)) {
        const char *at = strncmp(line, "Objective:", 10) ? NULL : strchr(line, '=');
        if (at)
            optimum = strtod(at + 1, NULL);
    }
    pclose(f);
    unlink(path);
    return optimum;
}

START_TEST(test_a_split_is_the_linear_programmes_optimum)
{
    for (int i = 0; i < 200; i++) {
        struct world w;
        world_init(&w, i);
        double mine = ms_split_balanced(&w.copies, w.load, 1e-8, &w.scratch, w.part, w.rank_load);
        double best = solve_lp(&w);
        ck_assert_msg(fabs(mine - best) <= 1e-6 * best, "placement %d: %.12g, glpsol %.12g", i,
                      mine, best);
        ms_arena_finish(&w.arena);
    }
}
END_TEST

int main(int argc, char **argv)
{
    Suite *s = suite_create("split");
    TCase *t = tcase_create("split");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 600);
    if (argc > 1 && !strcmp(argv[1], "lp")) {
        if (system("glpsol --version >/dev/null 2>&1") != 0)
            return 77; /* not installed: skipped */
        tcase_add_test(t, test_a_split_is_the_linear_programmes_optimum);
    } else {
        tcase_add_test(t, test_a_split_shares_out_every_load);
        tcase_add_test(t, test_small_splits_by_hand);
    }
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
