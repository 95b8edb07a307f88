/* Plans on their own: what is not written down of a flow is what was said of it, in whatever order and from
 * whichever flow on something differs. */
#include <check.h>
#include <stdlib.h>

#include "base/rng.h"
#include "sim/leg_plan.h"

enum { RANKS = 6, FLOWS = 40 };

struct said {
    struct ms_leg_flow flow;
    enum ms_stream kind;
    bool stream;
    uint32_t phase, n_parts;
    struct ms_leg_part part[3];
};

/* A flow as most are; some columns are something else in one of `rare`. */
static struct said any_flow(struct ms_leg *leg, struct ms_rng *r, uint32_t rare,
                            const uint32_t *own)
{
    struct said s = {0};
    int src = (int)ms_rng_below(r, RANKS),
        dst = (src + 1 + (int)ms_rng_below(r, RANKS - 1)) % RANKS;
    s.flow = (struct ms_leg_flow){.gate = ms_leg_start(leg, src),
                                  .meet = ms_leg_start(leg, dst),
                                  .end = ms_leg_complete(leg, dst),
                                  .src = src,
                                  .dst = dst,
                                  .bytes = 1 + ms_rng_unit(r),
                                  .messages = 1};
    if (!ms_rng_below(r, rare))
        s.flow.gate = own[src];
    if (!ms_rng_below(r, rare))
        s.flow.meet = MS_LEG_NONE;
    if (!ms_rng_below(r, rare))
        s.flow.end = ms_leg_complete(leg, src);
    if (!ms_rng_below(r, rare))
        s.flow.messages = 7;
    s.flow.passed_on = !ms_rng_below(r, rare);
    s.stream = !ms_rng_below(r, rare);
    if (s.stream && !ms_rng_below(r, 3)) {
        s.kind = MS_STREAM_LOCAL;
        s.flow.dst = -1;
        s.flow.meet = s.flow.end = MS_LEG_NONE;
    } else if (s.stream) {
        s.kind = ms_rng_below(r, 2) ? MS_STREAM_IN : MS_STREAM_OUT;
    }
    return s;
}

static void add_parts(struct ms_leg *leg, struct ms_rng *r, uint32_t rare, struct said *s)
{
    bool in = s->kind == MS_STREAM_IN;
    int hub = s->kind == MS_STREAM_OUT ? s->flow.dst : s->flow.src;
    for (s->n_parts = 0; s->n_parts < ms_rng_below(r, 4); s->n_parts++) {
        int other = (hub + 1 + (int)ms_rng_below(r, RANKS - 1)) % RANKS;
        uint32_t end = in ? MS_LEG_NONE : ms_leg_complete(leg, other);
        if (!ms_rng_below(r, rare))
            end = ms_leg_complete(leg, 0);
        s->part[s->n_parts] = (struct ms_leg_part){
            (uint32_t)(in ? other : hub), (uint32_t)(in ? hub : other), end, ms_rng_unit(r) + 1};
        ms_leg_add_part(leg, in ? other : hub, in ? hub : other, s->part[s->n_parts].bytes, 0, end);
    }
}

static void check_flow(const struct ms_leg *leg, uint32_t f, const struct said *s)
{
    struct ms_leg_stream is;
    ck_assert_uint_eq(leg->src[f], (uint32_t)s->flow.src);
    ck_assert_uint_eq(leg->dst[f], (uint32_t)s->flow.dst);
    ck_assert_uint_eq(ms_leg_gate(leg, f), s->flow.gate);
    ck_assert_uint_eq(ms_leg_meet(leg, f), s->flow.meet);
    ck_assert_uint_eq(ms_leg_end(leg, f), s->flow.end);
    ck_assert_uint_eq(ms_leg_sent(leg, f),
                      s->flow.passed_on ? MS_LEG_NONE : ms_leg_sender(leg, s->flow.src));
    ck_assert_uint_eq(ms_leg_messages(leg, f), s->flow.messages);
    ck_assert_uint_eq(ms_leg_phase_of(leg, f), s->phase);
    ck_assert_int_eq(ms_leg_stream_of(leg, f, &is), s->stream);
    ck_assert_uint_eq(is.n_parts, s->n_parts);
    ck_assert(!s->stream || is.kind == s->kind);
    ck_assert(is.chunk_bytes == (s->stream && s->kind != MS_STREAM_LOCAL ? 3 : 0));
    ck_assert(is.owner_s == (s->stream ? s->flow.bytes : 0));
    for (uint32_t i = 0; i < s->n_parts; i++) {
        struct ms_leg_part p = ms_leg_part_of(leg, &is, i);
        ck_assert_uint_eq(p.src, s->part[i].src);
        ck_assert_uint_eq(p.dst, s->part[i].dst);
        ck_assert_uint_eq(p.end, s->part[i].end);
        ck_assert(p.bytes == s->part[i].bytes);
    }
}

/* Every flow is read as it was stated, in the order of gates and of adding within a gate; in memory that
 * held other plans before. */
START_TEST(test_a_plan_says_what_it_was_told)
{
    struct ms_leg leg = {0};
    struct ms_rng r;
    ms_rng_init(&r, 1, "plans", 0, 0, 0);
    for (int round = 0; round < 400; round++) {
        static struct said said[FLOWS];
        uint32_t rare = 1u << (round % 8), own[RANKS], n = ms_rng_below(&r, FLOWS) + 1, next = 0;
        ms_leg_init(&leg, RANKS, round & 1, round & 2, round & 4);
        for (int k = 0; k < RANKS; k++)
            ms_leg_edge(&leg, ms_leg_start(&leg, k), own[k] = ms_leg_join(&leg), 0);
        for (uint32_t i = 0; i < n; i++) {
            said[i] = any_flow(&leg, &r, rare, own);
            said[i].phase = i * 2 / n * !ms_rng_below(&r, 2);
            if (i && said[i].phase < said[i - 1].phase)
                said[i].phase = said[i - 1].phase;
            ms_leg_phase(&leg, said[i].phase);
            if (!said[i].stream) {
                ms_leg_add(&leg, &said[i].flow);
                continue;
            }
            ms_leg_add_stream(&leg, said[i].kind, &said[i].flow, 3);
            ms_leg_stream_work(&leg, said[i].flow.bytes, 1);
            add_parts(&leg, &r, rare, &said[i]);
        }
        struct ms_err err = {0};
        ms_leg_close(&leg, &err); /* need not be a graph that runs */
        ck_assert_uint_eq(leg.n_flows, n);
        for (uint32_t gate = 0; gate < leg.n_joins; gate++)
            for (uint32_t i = 0; i < n; i++)
                if (said[i].flow.gate == gate) {
                    ck_assert(leg.gate_first[gate] <= next && next < leg.gate_first[gate + 1]);
                    check_flow(&leg, next++, &said[i]);
                }
        ck_assert_uint_eq(next, n);
    }
    ms_leg_finish(&leg);
}
END_TEST

/* What follows from its ends costs a flow no memory: a plan of pairs that start, meet and end as the frame
 * has it keeps their ends and bytes only. */
START_TEST(test_what_follows_is_not_kept)
{
    struct ms_leg leg = {0};
    ms_leg_init(&leg, RANKS, false, true, false);
    for (int s = 0; s < RANKS; s++)
        for (int d = 0; d < RANKS; d++)
            if (s != d)
                ms_leg_add(&leg, &(struct ms_leg_flow){.gate = ms_leg_start(&leg, s),
                                                       .meet = ms_leg_start(&leg, d),
                                                       .end = ms_leg_complete(&leg, d),
                                                       .src = s,
                                                       .dst = d,
                                                       .bytes = 1,
                                                       .messages = 1});
    ck_assert(!ms_leg_close(&leg, NULL));
    for (int c = 0; c < MS_LEG_COLUMNS; c++)
        ck_assert(!leg.column[c]);
    ms_leg_finish(&leg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("leg_plan");
    TCase *t = tcase_create("plan");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_a_plan_says_what_it_was_told);
    tcase_add_test(t, test_what_follows_is_not_kept);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
