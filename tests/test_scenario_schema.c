/* scenario/: the JSON Schema says what the reader does. A small draft-07 validator (the words the
 * schema uses), every shipped scenario and the files the reader refuses for their keys alone. */
#include <check.h>
#include <glob.h>
#include <jansson.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/fields.h"
#include "scenario/scenario.h"

static json_t *schema;
static struct ms_arena arena;

/* ---- YAML as JSON, with the types of YAML 1.2's core schema ---- */

static json_t *to_json(const struct ms_yaml *y)
{
    double v;
    if (y->kind == MS_YAML_SCALAR) {
        if (ms_yaml_null(y))
            return json_null();
        if (y->plain && (strcmp(y->text, "true") == 0 || strcmp(y->text, "false") == 0))
            return json_boolean(y->text[0] == 't');
        if (y->plain && ms_units_parse(y->text, MS_UNIT_NONE, &v))
            return json_real(v);
        return json_string(y->text);
    }
    json_t *out = y->kind == MS_YAML_LIST ? json_array() : json_object();
    for (const struct ms_entry *e = y->first; e; e = e->next) {
        if (y->kind == MS_YAML_LIST)
            json_array_append_new(out, to_json(e->value));
        else
            json_object_set_new(out, e->key, to_json(e->value));
    }
    return out;
}

/* ---- the validator ---- */

static bool fits(const json_t *s, const json_t *v, char *why);

static bool has_type(const char *type, const json_t *v)
{
    if (strcmp(type, "integer") == 0)
        return json_is_number(v) && json_number_value(v) == (double)(long long)json_number_value(v);
    return (strcmp(type, "number") == 0 && json_is_number(v)) ||
           (strcmp(type, "string") == 0 && json_is_string(v)) ||
           (strcmp(type, "boolean") == 0 && json_is_boolean(v)) ||
           (strcmp(type, "array") == 0 && json_is_array(v)) ||
           (strcmp(type, "object") == 0 && json_is_object(v)) ||
           (strcmp(type, "null") == 0 && json_is_null(v));
}

static bool type_fits(const json_t *t, const json_t *v)
{
    size_t i;
    json_t *one;
    if (json_is_string(t))
        return has_type(json_string_value(t), v);
    json_array_foreach(t, i, one) if (has_type(json_string_value(one), v)) return true;
    return false;
}

static bool any_fits(const json_t *list, const json_t *v)
{
    size_t i;
    json_t *one;
    char why[256];
    json_array_foreach(list, i, one) if (fits(one, v, why)) return true;
    return false;
}

static bool among(const json_t *list, const json_t *v)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) if (json_equal(one, v)) return true;
    return false;
}

static bool number_fits(const json_t *s, const json_t *v)
{
    double x = json_number_value(v);
    const json_t *least = json_object_get(s, "minimum"), *most = json_object_get(s, "maximum");
    const json_t *above = json_object_get(s, "exclusiveMinimum");
    return !(least && x < json_number_value(least)) && !(most && x > json_number_value(most)) &&
           !(above && x <= json_number_value(above));
}

static bool text_fits(const json_t *s, const json_t *v)
{
    const json_t *p = json_object_get(s, "pattern"), *most = json_object_get(s, "maxLength");
    const json_t *least = json_object_get(s, "minLength");
    regex_t re;
    if ((most && (json_int_t)json_string_length(v) > json_integer_value(most)) ||
        (least && (json_int_t)json_string_length(v) < json_integer_value(least)))
        return false;
    if (!p)
        return true;
    ck_assert_int_eq(regcomp(&re, json_string_value(p), REG_EXTENDED | REG_NOSUB), 0);
    bool ok = regexec(&re, json_string_value(v), 0, NULL, 0) == 0;
    regfree(&re);
    return ok;
}

static const json_t *by_pattern(const json_t *patterns, const char *key)
{
    const char *pattern;
    json_t *sub;
    json_object_foreach((json_t *)patterns, pattern, sub)
    {
        regex_t re;
        ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
        bool ok = regexec(&re, key, 0, NULL, 0) == 0;
        regfree(&re);
        if (ok)
            return sub;
    }
    return NULL;
}

static bool members_fit(const json_t *s, const json_t *v, char *why)
{
    const json_t *properties = json_object_get(s, "properties");
    const json_t *more = json_object_get(s, "additionalProperties"), *value;
    const char *key;
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(s, "required"), i,
                       name) if (!json_object_get(v, json_string_value(name))) return false;
    json_object_foreach((json_t *)v, key, value)
    {
        const json_t *sub = json_object_get(properties, key);
        if (!sub)
            sub = by_pattern(json_object_get(s, "patternProperties"), key);
        if (!sub && json_is_false(more)) {
            snprintf(why, 256, "key %s", key);
            return false;
        }
        if (!sub && json_is_object(more))
            sub = more;
        if (sub && !fits(sub, value, why)) {
            size_t n = strlen(why);
            snprintf(why + n, 256 - n, " in %s", key);
            return false;
        }
    }
    return true;
}

static bool fits(const json_t *s, const json_t *v, char *why)
{
    const json_t *t = json_object_get(s, "type"), *any = json_object_get(s, "anyOf");
    const json_t *one = json_object_get(s, "const"), *list = json_object_get(s, "enum"), *items;
    size_t i;
    json_t *item;
    snprintf(why, 256, "value");
    if ((t && !type_fits(t, v)) || (any && !any_fits(any, v)) || (one && !json_equal(one, v)) ||
        (list && !among(list, v)))
        return false;
    if (json_is_number(v))
        return number_fits(s, v);
    if (json_is_string(v))
        return text_fits(s, v);
    if (json_is_object(v))
        return members_fit(s, v, why);
    items = json_object_get(s, "items");
    if (json_is_array(v) &&
        json_array_size(v) < (size_t)json_integer_value(json_object_get(s, "minItems")))
        return false;
    if (items && json_is_array(v))
        json_array_foreach(v, i, item) if (!fits(items, item, why)) return false;
    return true;
}

/* ---- files ---- */

static bool file_fits(const char *path, char *why)
{
    struct ms_buf text = {0};
    struct ms_errs errs = {0};
    ck_assert_int_eq(ms_file_read(path, &text, NULL), MS_OK);
    const struct ms_entry *root = ms_yaml_parse(&arena, path, 0, text.p, text.n, &errs);
    ck_assert_msg(root && errs.n == 0, "%s", path);
    json_t *v = to_json(root->value);
    bool ok = fits(schema, v, why);
    json_decref(v);
    ms_buf_finish(&text);
    ms_errs_finish(&errs);
    return ok;
}

START_TEST(test_every_key_is_in_the_schema)
{
    struct ms_key_cursor c = {0};
    struct ms_key k;
    int n = 0;
    while (ms_key_next(&c, &k)) {
        const json_t *at = schema;
        char path[100];
        snprintf(path, sizeof path, "%s", k.path);
        for (char *word = strtok(path, "."); word; word = strtok(NULL, ".")) {
            at = json_object_get(json_object_get(at, "properties"), word);
            ck_assert_msg(at != NULL, "%s", k.path);
        }
        ck_assert_msg(json_string_length(json_object_get(at, "description")) > 5, "%s", k.path);
        ck_assert_msg(json_object_size(at) > 1, "%s says nothing", k.path);
        n++;
    }
    ck_assert_int_gt(n, 70);
}
END_TEST

START_TEST(test_shipped_scenarios_fit_the_schema)
{
    glob_t g;
    int status = glob(TEST_DATA "/../../scenarios/*.yaml", 0, NULL, &g);
    ck_assert(status == 0 || status == GLOB_NOMATCH);
    for (size_t i = 0; status == 0 && i < g.gl_pathc; i++) {
        char why[256];
        ck_assert_msg(file_fits(g.gl_pathv[i], why), "%s: %s", g.gl_pathv[i], why);
    }
    globfree(&g);
}
END_TEST

START_TEST(test_schema_refuses_what_the_reader_refuses)
{
    static const char *const wrong[] = {"unknown-key",
                                        "unknown-nested-key",
                                        "key-of-another-section",
                                        "wrong-type-list",
                                        "section-is-a-number",
                                        "not-a-mapping",
                                        "out-of-range",
                                        "wrong-unit",
                                        "unknown-placement",
                                        "unknown-preset",
                                        "unknown-network",
                                        "yaml11-boolean",
                                        "quoted-number",
                                        "fraction",
                                        "no-value",
                                        "not-finite",
                                        "name-is-a-path",
                                        "train-names",
                                        "unknown-law-parameter",
                                        "straggler-law",
                                        "sweep-not-a-list",
                                        "sweep-unknown-key",
                                        "sweep-bad-value",
                                        "unknown-metric",
                                        "no-unit",
                                        "no-platform",
                                        "no-model"};
    static const char *const right[] = {"too-many-ranks", "slots",       "no-nodes",
                                        "missing-trace",  "train-heads", "sweep-zip-lengths"};
    char path[300], why[256];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(path, sizeof path, TEST_DATA "/bad/scenarios/%s.yaml", wrong[i]);
        ck_assert_msg(!file_fits(path, why), "%s fits", wrong[i]);
    }
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) { /* no schema can know these */
        snprintf(path, sizeof path, TEST_DATA "/bad/scenarios/%s.yaml", right[i]);
        ck_assert_msg(file_fits(path, why), "%s: %s", right[i], why);
    }
}
END_TEST

int main(void)
{
    struct ms_buf text = {0};
    json_error_t je;
    ms_scenario_schema(&text);
    schema = json_loads(text.p, JSON_REJECT_DUPLICATES, &je);
    if (!schema) {
        fprintf(stderr, "the schema is not JSON: %s at %d\n", je.text, je.position);
        return 1;
    }
    Suite *s = suite_create("scenario_schema");
    TCase *t = tcase_create("schema");
    suite_add_tcase(s, t);
    tcase_add_test(t, test_every_key_is_in_the_schema);
    tcase_add_test(t, test_shipped_scenarios_fit_the_schema);
    tcase_add_test(t, test_schema_refuses_what_the_reader_refuses);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    json_decref(schema);
    ms_arena_finish(&arena);
    ms_buf_finish(&text);
    return failed ? 1 : 0;
}
