/* sim/fluid without memory: whichever allocation fails, the caller hears MS_NOMEM (or, where there
 * is another way, nothing but the same times), and the solver can still be destroyed. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "fluid_nets.h"

/* Allocations until one fails; it alone does. */
static long left_until_failure = -1;

static bool fails(void)
{
    return left_until_failure >= 0 && left_until_failure-- == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
int __real_posix_memalign(void **p, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

int __wrap_posix_memalign(void **p, size_t align, size_t n)
{
    return fails() ? 12 : __real_posix_memalign(p, align, n);
}

enum { N = 8, WAVES = 3, LAST = N * N * WAVES };

/* Three waves of an all-to-all, the later ones from routes stored while the first is under way;
 * capacities change; every flow has its own sink. Weighted: the second wave's are streams. */
static enum ms_status post(struct ms_fluid *f, const struct net *n, uint32_t wave, bool weighted)
{
    enum ms_status s = MS_OK;
    for (uint32_t i = 0; i < N * N && !s; i++) {
        uint32_t route, sink = 0;
        s = ms_fluid_route(f, n->hop + n->off[i], n->off[i + 1] - n->off[i], &route, NULL);
        if (!s)
            s = ms_fluid_open(f, 1, wave * N * N + i, &sink, NULL);
        struct ms_fluid_flow w = {.bytes = net_bytes("random", i / N, i % N, wave),
                                  .start_s = ms_fluid_now_s(f) + 1e-7 * (i % 3),
                                  .route = route,
                                  .sink = sink};
        struct ms_fluid_use use[2] = {{0.5, route}, {2, route > 8 ? route - 8 : route}};
        if (weighted && wave == 1) {
            w.share = 1 + i % 3;
            w.with = use;
            w.then = use + 1;
            w.n_with = i % 2;
            w.n_then = i % 3 == 0;
            w.chunk_bytes = 1000;
        }
        if (!s)
            s = ms_fluid_add(f, &w, 1, NULL);
    }
    return s;
}

static enum ms_status play(struct ms_fluid *f, const struct net *n, bool weighted, double *finish_s)
{
    enum ms_status s = ms_fluid_set_capacity(f, 0, 3e-6, PORT_BPS / 3, NULL);
    size_t ended = 0;
    for (uint32_t wave = 0; wave < WAVES && !s; wave++) {
        s = post(f, n, wave, weighted);
        while (!s && ended < (wave + 1) * N * N - (wave + 1 < WAVES ? 2u * N : 0)) {
            const struct ms_fluid_event *e;
            size_t k;
            s = ms_fluid_advance(f, ms_fluid_next_s(f), &e, &k, NULL);
            for (size_t i = 0; !s && i < k; i++)
                finish_s[e[i].tag] = e[i].finish_s;
            ended += s ? 0 : k;
        }
    }
    return s;
}

static enum ms_status run(const struct net *n, double quantum_s, bool weighted, double *finish_s)
{
    struct ms_fluid *f = NULL;
    enum ms_status s = ms_fluid_create(n->link, n->n_links, NULL, &f, NULL);
    if (s)
        return s;
    ms_fluid_trace(f, true);
    ms_fluid_set_quantum(f, quantum_s);
    s = play(f, n, weighted, finish_s);
    if (s) { /* once without, always without */
        const struct ms_fluid_event *e;
        size_t k;
        uint32_t id;
        ck_assert(ms_fluid_next_s(f) == ms_fluid_now_s(f));
        ck_assert_int_eq(ms_fluid_advance(f, INFINITY, &e, &k, NULL), MS_NOMEM);
        ck_assert_int_eq(ms_fluid_open(f, 1, 0, &id, NULL), MS_NOMEM);
        ck_assert_int_eq(ms_fluid_route(f, NULL, 0, &id, NULL), MS_NOMEM);
    }
    ms_fluid_destroy(f);
    return s;
}

START_TEST(test_lack_of_memory_comes_back_to_the_caller)
{
    const char *topology = _i % 2 ? "rail" : "star";
    double want[LAST], got[LAST];
    struct net n;
    long told = 0, at = 0;
    double quantum_s = _i / 2 % 2 ? 1e-7 : 0;
    bool weighted = _i / 4;
    ck_assert(net_make(&n, topology, N));
    ck_assert_int_eq(run(&n, quantum_s, weighted, want), MS_OK);
    for (bool over = false; !over; at++) {
        left_until_failure = at;
        enum ms_status s = run(&n, quantum_s, weighted, got);
        over = left_until_failure >= 0; /* none was left to fail */
        left_until_failure = -1;
        ck_assert(s == MS_OK || (s == MS_NOMEM && !over));
        told += s == MS_NOMEM;
        for (uint32_t i = 0; s == MS_OK && i < LAST; i++)
            ck_assert(fabs(got[i] - want[i]) <= 1e-9 * want[i]);
    }
    ck_assert_int_ge(told, 100);
    net_free(&n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fluid_memory");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 100);
    tcase_add_loop_test(t, test_lack_of_memory_comes_back_to_the_caller, 0, 8);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
