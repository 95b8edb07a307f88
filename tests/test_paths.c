/* sim/: which cables queue pairs take: both ends of a way agree, planes are kept, draws are even, the
 * same in a repeat and new in the next. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/paths.h"

/* Links 0, 1: NICs of four planes; 2, 3: leaves of 16 cables (four spines a plane); 4, 5: a second
 * tier of 8; 6: one cable. */
static struct ms_paths small(struct ms_arena *arena, int planes)
{
    static const char *const name[] = {"a0", "a1", "b0", "b1", "c0", "c1", "d"};
    static const int cables[] = {4, 4, 16, 16, 8, 8, 1};
    static struct ms_platform_link link[7];
    struct ms_platform p = {.link = link, .n_links = 7, .planes = planes};
    struct ms_paths paths = {.hashed = true, .queue_pairs = 1, .seed = 3};
    for (int i = 0; i < 7; i++)
        link[i] = (struct ms_platform_link){.name = name[i], .cables = cables[i]};
    ck_assert(ms_paths_any(&p));
    ck_assert(ms_paths_init(&paths, &p, name, 7, 100, arena));
    ck_assert_uint_eq(paths.n_extra, 4 + 4 + 16 + 16 + 8 + 8);
    return paths;
}

static const uint32_t way[] = {0, 2, 4, 5, 3, 1, 6};

START_TEST(test_both_ends_agree_and_planes_are_kept)
{
    struct ms_arena arena = {0};
    struct ms_paths p = small(&arena, 4);
    for (uint32_t pair = 0; pair < 500; pair++) {
        uint32_t link[7], cable[7];
        memcpy(link, way, sizeof way);
        ms_paths_choose(&p, pair, pair + 7, pair % 3, link, 7);
        for (int i = 0; i < 6; i++) {
            cable[i] = link[i] - p.first[way[i]];
            ck_assert_uint_lt(cable[i], p.cables[way[i]]);
            ck_assert_uint_eq(cable[i] % 4, cable[0]); /* a plane's cables are every fourth */
        }
        ck_assert_uint_eq(cable[0], cable[5]);
        ck_assert_uint_eq(cable[1], cable[4]);
        ck_assert_uint_eq(cable[2], cable[3]);
        ck_assert_uint_eq(link[6], 6);
    }
    ms_arena_finish(&arena);
}
END_TEST

START_TEST(test_draws_are_even_and_tiers_independent)
{
    enum { N = 64000 };
    struct ms_arena arena = {0};
    struct ms_paths p = small(&arena, 1);
    static int leaf[16], second[8], both[16][8];
    for (uint32_t i = 0; i < N; i++) {
        uint32_t link[] = {2, 4, 5, 3};
        ms_paths_choose(&p, i / 250, i % 250, 0, link, 4);
        uint32_t a = link[0] - p.first[2], b = link[1] - p.first[4];
        leaf[a]++;
        second[b]++;
        both[a][b]++;
    }
    for (int a = 0; a < 16; a++)
        for (int b = 0; b < 8; b++) {
            ck_assert_int_lt(abs(leaf[a] - N / 16), 5 * 64);
            ck_assert_int_lt(abs(second[b] - N / 8), 5 * 90);
            ck_assert_int_lt(abs(both[a][b] - N / 128), 5 * 23);
        }
    ms_arena_finish(&arena);
}
END_TEST

START_TEST(test_a_repeat_has_its_own_draws)
{
    struct ms_arena arena = {0};
    struct ms_paths p = small(&arena, 1);
    int again = 0, other = 0, back = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t one[] = {2, 3}, two[] = {2, 3}, three[] = {2, 3}, reverse[] = {3, 2};
        ms_paths_choose(&p, i, i + 1, 0, one, 2);
        ms_paths_choose(&p, i, i + 1, 0, two, 2);
        ms_paths_choose(&p, i + 1, i, 0, reverse, 2);
        p.repeat = 1;
        ms_paths_choose(&p, i, i + 1, 0, three, 2);
        p.repeat = 0;
        again += one[0] == two[0];
        other += one[0] == three[0];
        back += one[1] == reverse[0];
    }
    ck_assert_int_eq(again, 1000);
    ck_assert_int_lt(other, 110); /* one in 16 */
    ck_assert_int_lt(back, 110);  /* the way back is hashed by itself */
    ms_arena_finish(&arena);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("paths");
    TCase *t = tcase_create("paths");
    suite_add_tcase(s, t);
    tcase_add_test(t, test_both_ends_agree_and_planes_are_kept);
    tcase_add_test(t, test_draws_are_even_and_tiers_independent);
    tcase_add_test(t, test_a_repeat_has_its_own_draws);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
