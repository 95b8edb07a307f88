/* base/field: one row a key: what text becomes, what is refused and how that is said. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/field.h"

struct thing {
    bool on;
    int64_t big;
    int count;
    double share, wait_s, limit;
    int colour;
    const char *town, *note;
};

static size_t towns(const char **out, size_t cap)
{
    static const char *const names[] = {"Ulm", "Bonn"};
    for (size_t i = 0; out && i < 2 && i < cap; i++)
        out[i] = names[i];
    return 2;
}

static const struct ms_field fields[] = {
    {.key = "on", MS_AT(struct thing, on), .type = MS_FIELD_BOOL, .fallback = "true"},
    {.key = "big", MS_AT(struct thing, big), MS_INT(0, 9e18), .fallback = "1"},
    {.key = "count",
     MS_AT(struct thing, count),
     MS_INT32(1, 64),
     MS_WORD("all", 0),
     .fallback = "all"},
    {.key = "share",
     MS_AT(struct thing, share),
     MS_NUMBER(0, 1),
     .above_min = true,
     .fallback = "0.5"},
    {.key = "wait_time", MS_AT(struct thing, wait_s), MS_TIME, .fallback = "2us"},
    {.key = "limit",
     MS_AT(struct thing, limit),
     MS_NUMBER(0, 9),
     MS_WORD("none", NAN),
     .fallback = "none"},
    {.key = "colour", MS_AT(struct thing, colour), MS_ONE_OF("red", "blue"), .fallback = "red"},
    {.key = "town", MS_AT(struct thing, town), MS_NAME(towns, "a town"), .fallback = "Ulm"},
    {.key = "note", MS_AT(struct thing, note), .type = MS_FIELD_STRING, MS_OPTIONAL},
    {0},
};

static const struct ms_field *row(const char *key)
{
    return ms_field_find(fields, key);
}

START_TEST(test_defaults_are_the_rows_own_text)
{
    struct thing t = {0};
    ms_field_defaults(fields, &t);
    ck_assert(t.on && t.big == 1 && t.count == 0 && t.share == 0.5 && t.wait_s == 2e-6);
    ck_assert(isnan(t.limit) && t.colour == 0 && t.note == NULL);
    ck_assert_str_eq(t.town, "Ulm");
    ck_assert_ptr_eq(row("wait-time"), row("wait_time"));
    ck_assert_ptr_null(row("wait"));
}
END_TEST

START_TEST(test_wrong_text_is_said_and_leaves_the_value)
{
    static const struct {
        const char *key, *text, *says;
    } bad[] = {
        {"on", "yes", "'yes' is not true or false (yes, no, on and off are words of YAML 1.1"},
        {"count", "0", "0 must be at least 1 and at most 64"},
        {"count", "al", "'al' is not a whole number or all"},
        {"count", "017", "'017' is not a plain decimal number"},
        {"count", "1.5", "'1.5' is not a whole number or all"},
        {"big", "-1", "-1 must be at least 0"},
        {"big", "1e30", "1e30 must be at most 9e+18"},
        {"share", "0", "0 must be more than 0 and at most 1"},
        {"share", "nan", "'nan' is not a number"},
        {"wait_time", "2 parsecs", "'2 parsecs' is not a time such as 2us"},
        {"limit", "many", "'many' is not a number or none"},
        {"colour", "blu", "'blu' is not a known colour; allowed: red, blue; did you mean 'blue'?"},
        {"town", "Born", "'Born' is not a town; allowed: Ulm, Bonn; did you mean 'Bonn'?"},
        {"note", "", "there is no value"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct ms_field *f = row(bad[i].key);
        struct thing t, before;
        struct ms_err err = {0};
        memset(&t, 0, sizeof t);
        ms_field_defaults(fields, &t);
        before = t;
        ck_assert_int_eq(ms_field_parse(f, bad[i].text, true, NULL, (char *)&t + f->offset, &err),
                         MS_INVALID);
        ck_assert_msg(strncmp(err.text, bad[i].says, strlen(bad[i].says)) == 0, "%s", err.text);
        ck_assert_msg(memcmp(&t, &before, sizeof t) == 0, "%s was touched", bad[i].key);
    }
}
END_TEST

/* Quoted text is text: a number in quotes is most likely a mistake, a quantity with its unit is
 * not. */
START_TEST(test_numbers_stand_without_quotes)
{
    struct thing t = {0};
    struct ms_err err = {0};
    ck_assert_int_eq(ms_field_parse(row("count"), "8", false, NULL, &t.count, &err), MS_INVALID);
    ck_assert_str_eq(err.text, "'8' is in quotes, so it is text; write it without quotes");
    ck_assert_int_eq(ms_field_parse(row("wait_time"), "8us", false, NULL, &t.wait_s, NULL), MS_OK);
    ck_assert(t.wait_s == 8e-6);
}
END_TEST

/* What a row shows, it reads back to the same value. */
START_TEST(test_shown_values_are_read_back)
{
    static const struct {
        const char *key, *text;
    } good[] = {{"on", "false"},  {"big", "9000000000000000000"},
                {"count", "all"}, {"count", "64"},
                {"share", "0.1"}, {"limit", "none"},
                {"limit", "0.3"}, {"colour", "blue"},
                {"town", "Bonn"}, {"note", "a b: c"},
                {"share", "1e-3"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const struct ms_field *f = row(good[i].key);
        struct thing a = {0}, b = {0};
        struct ms_buf shown = {0}, again = {0};
        ck_assert_int_eq(ms_field_parse(f, good[i].text, true, NULL, (char *)&a + f->offset, NULL),
                         MS_OK);
        ms_field_show(&shown, f, (char *)&a + f->offset);
        ck_assert_int_eq(ms_field_parse(f, shown.p, true, NULL, (char *)&b + f->offset, NULL),
                         MS_OK);
        ms_field_show(&again, f, (char *)&b + f->offset);
        ck_assert_str_eq(shown.p, again.p);
        ms_buf_finish(&shown);
        ms_buf_finish(&again);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("field");
    TCase *t = tcase_create("rows");
    tcase_add_test(t, test_defaults_are_the_rows_own_text);
    tcase_add_test(t, test_wrong_text_is_said_and_leaves_the_value);
    tcase_add_test(t, test_numbers_stand_without_quotes);
    tcase_add_test(t, test_shown_values_are_read_back);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
