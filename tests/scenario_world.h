/* What the tests of scenario/ share: reading text, and its errors. */
#ifndef MS_TESTS_SCENARIO_WORLD_H
#define MS_TESTS_SCENARIO_WORLD_H

#include <check.h>
#include <string.h>

#include "scenario/scenario.h"

static struct ms_errs errs;

/* Read text with up to three --set arguments. */
static enum ms_status parse_set(struct ms_study *out, const char *text, const char *a,
                                const char *b, const char *c)
{
    const char *sets[3] = {a, b, c};
    size_t n = a ? (b ? (c ? 3 : 2) : 1) : 0;
    return ms_study_parse(out, "dir/t.yaml", text, strlen(text), sets, n, &errs);
}

static void good(struct ms_study *out, const char *text)
{
    enum ms_status s = parse_set(out, text, NULL, NULL, NULL);
    ck_assert_msg(s == MS_OK, "%s: %s", text, errs.n ? errs.e[0].text : "?");
}

/* The only error of a text. */
static const struct ms_err *bad(const char *text)
{
    struct ms_study st = {0};
    ms_errs_finish(&errs);
    ck_assert_msg(parse_set(&st, text, NULL, NULL, NULL) == MS_INVALID, "%s", text);
    ck_assert_msg(errs.n == 1, "%zu errors in: %s", errs.n, text);
    ms_study_finish(&st);
    return &errs.e[0];
}

static void reset(void)
{
    ms_errs_finish(&errs);
}

#endif
