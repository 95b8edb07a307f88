/* The section `sweep`: lists, ranges and zips of values, what each is called in tables, and the
 * document of one case. */
#include "scenario/axes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *path_of(char *out, size_t size, const char *key)
{
    snprintf(out, size, "sweep.%s", key);
    return out;
}

/* Is the key of the axis the one a --set fixes, or inside it? */
static bool fixed(const struct ms_axes *s, const char *key)
{
    for (size_t i = 0; i < s->n_sets; i++) {
        size_t n = strlen(s->set[i].key);
        if (strncmp(s->set[i].key, key, n) == 0 && (key[n] == 0 || key[n] == '.'))
            return true;
    }
    return false;
}

static struct ms_axes_key *new_key(struct ms_reading *r, struct ms_axes *s, const char *key,
                                   const struct ms_entry *at, size_t n)
{
    char path[160];
    if (s->n_keys == MS_AXES_MAX_AXES) {
        ms_reading_fail(r, at, "sweep", "more than %d swept keys", MS_AXES_MAX_AXES);
        return NULL;
    }
    if (n > MS_AXES_MAX_VALUES) {
        ms_reading_fail(r, at, path_of(path, sizeof path, key), "%zu values; at most %d", n,
                        MS_AXES_MAX_VALUES);
        return NULL;
    }
    struct ms_axes_key *k = &s->key[s->n_keys];
    *k = (struct ms_axes_key){.key = ms_arena_strdup(r->arena, key), .n = n, .at = at};
    k->value = MS_NEW(r->arena, struct ms_entry, n);
    k->label = MS_NEW(r->arena, const char *, n);
    k->json = MS_NEW(r->arena, const char *, n);
    if (!k->key || !k->value || !k->label || !k->json)
        return NULL;
    s->n_keys++;
    return k;
}

/* A new axis of n values. */
static int new_axis(struct ms_axes *s, size_t n)
{
    s->axis_n[s->n_axes] = n;
    return s->n_axes++;
}

static struct ms_axes_key *from_list(struct ms_reading *r, struct ms_axes *s, const char *key,
                                     const struct ms_entry *at)
{
    char path[160];
    if (at->value->n == 0) {
        ms_reading_fail(r, at, path_of(path, sizeof path, key), "the list of values is empty");
        return NULL;
    }
    struct ms_axes_key *k = new_key(r, s, key, at, at->value->n);
    size_t n = 0;
    for (const struct ms_entry *e = at->value->first; k && e; e = e->next) {
        k->value[n] = *e;
        k->value[n++].key = k->key;
    }
    return k;
}

/* "2.5us" -> 2.5 and "us" */
static bool with_unit(const struct ms_entry *e, double *value, const char **unit)
{
    char *end;
    if (!e || e->value->kind != MS_YAML_SCALAR || !strchr("+-.0123456789", e->value->text[0]))
        return false;
    *value = strtod(e->value->text, &end);
    *unit = end;
    return end != e->value->text && isfinite(*value) &&
           !strchr("xX", e->value->text[1] ? e->value->text[1] : ' ');
}

static struct ms_axes_key *from_range(struct ms_reading *r, struct ms_axes *s, const char *key,
                                      const struct ms_entry *at)
{
    double from, to, step;
    const char *unit[3];
    char path[160], text[64];
    path_of(path, sizeof path, key);
    bool ok = at->value->n == 3 && with_unit(ms_yaml_get(at->value, "from"), &from, &unit[0]) &&
              with_unit(ms_yaml_get(at->value, "to"), &to, &unit[1]) &&
              with_unit(ms_yaml_get(at->value, "step"), &step, &unit[2]);
    if (!ok || strcmp(unit[0], unit[1]) != 0 || strcmp(unit[0], unit[2]) != 0) {
        ms_reading_fail(r, at, path, "a range is {from: A, to: B, step: C}, numbers of one unit");
        return NULL;
    }
    double count = floor((to - from) / step + 1e-9) + 1;
    if (step == 0 || !(count >= 1)) {
        ms_reading_fail(r, at, path, "the range is empty: step must lead from `from` to `to`");
        return NULL;
    }
    if (count > MS_AXES_MAX_VALUES) {
        ms_reading_fail(r, at, path, "%.0f values; at most %d", count, MS_AXES_MAX_VALUES);
        return NULL;
    }
    struct ms_axes_key *k = new_key(r, s, key, at, (size_t)count);
    for (size_t i = 0; k && i < k->n; i++) {
        snprintf(text, sizeof text, "%.12g%s", from + (double)i * step, unit[0]);
        k->value[i] = *at;
        k->value[i].key = k->key;
        k->value[i].next = NULL;
        k->value[i].value = ms_yaml_scalar(r->arena, text);
        if (!k->value[i].value)
            return NULL;
    }
    return k;
}

static bool known_key(struct ms_reading *r, const struct ms_entry *at, const char *key)
{
    static const char *const never[] = {"name", "sweep", "report"};
    char hint[600], path[160];
    path_of(path, sizeof path, key);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        size_t n = strlen(never[i]);
        if (strncmp(key, never[i], n) == 0 && (key[n] == 0 || key[n] == '.')) {
            ms_reading_fail(r, at, path, "'%s' cannot be swept", never[i]);
            return false;
        }
    }
    if (strlen(key) < 80 && ms_key_settable(key))
        return true;
    ms_reading_fail(r, at, path, "unknown key%s", ms_key_hint(key, true, hint, sizeof hint));
    return false;
}

/* The values of one key: a list or a range. NULL after an error. */
static struct ms_axes_key *read_values(struct ms_reading *r, struct ms_axes *s, const char *key,
                                       const struct ms_entry *at)
{
    char path[160];
    if (!known_key(r, at, key))
        return NULL;
    for (int i = 0; i < s->n_keys; i++)
        if (strcmp(s->key[i].key, key) == 0) {
            ms_reading_fail(r, at, path_of(path, sizeof path, key), "swept twice (line %d)",
                            s->key[i].at->line);
            return NULL;
        }
    if (at->value->kind == MS_YAML_LIST)
        return from_list(r, s, key, at);
    if (at->value->kind == MS_YAML_MAP)
        return from_range(r, s, key, at);
    ms_reading_fail(r, at, path_of(path, sizeof path, key),
                    "must be a list of values, {from, to, step} or {zip: {…}}");
    return NULL;
}

static void read_zip(struct ms_reading *r, struct ms_axes *s, const char *name,
                     const struct ms_entry *zip)
{
    int axis = -1;
    const struct ms_entry *first = NULL;
    if (zip->value->kind != MS_YAML_MAP || zip->value->n == 0) {
        ms_reading_fail(r, zip, "sweep", "zip must be a mapping of keys to lists of one length");
        return;
    }
    for (const struct ms_entry *e = zip->value->first; e; e = e->next) {
        if (fixed(s, e->key) && known_key(r, e, e->key))
            continue;
        struct ms_axes_key *k = read_values(r, s, e->key, e);
        if (!k)
            continue;
        if (axis < 0) {
            axis = new_axis(s, k->n);
            first = e;
        } else if (k->n != s->axis_n[axis]) {
            char path[160];
            ms_reading_fail(r, e, path_of(path, sizeof path, e->key),
                            "%zu values, but %s beside it in the zip has %zu", k->n, first->key,
                            s->axis_n[axis]);
            s->axis_n[axis] = k->n < s->axis_n[axis] ? k->n : s->axis_n[axis];
        }
        k->axis = axis;
        k->zip = name;
    }
}

static void read_axis(struct ms_reading *r, struct ms_axes *s, const char *key,
                      const struct ms_entry *e)
{
    const struct ms_entry *zip = ms_yaml_get(e->value, "zip");
    if (strcmp(key, "zip") == 0) {
        read_zip(r, s, key, e);
        return;
    }
    if (zip && e->value->n == 1) {
        read_zip(r, s, key, zip);
        return;
    }
    if (e->value->kind == MS_YAML_MAP && ms_key_section(key) && !ms_yaml_get(e->value, "from")) {
        for (const struct ms_entry *sub = e->value->first; sub; sub = sub->next) {
            char path[160], shown[80];
            snprintf(path, sizeof path, "%s.%s", key, ms_clean(sub->key, shown, sizeof shown));
            read_axis(r, s, path, sub);
        }
        return;
    }
    if (fixed(s, key) && known_key(r, e, key))
        return;
    struct ms_axes_key *k = read_values(r, s, key, e);
    if (k)
        k->axis = new_axis(s, k->n);
}

/* ---- labels ---- */

static bool is_file(const char *key)
{
    struct ms_key k;
    return ms_key_find(key, &k) && k.field->type == MS_FIELD_PATH;
}

static const char *json_of(struct ms_reading *r, const struct ms_yaml *v, const char *label)
{
    struct ms_buf b = {0};
    struct ms_json j = {.out = &b};
    double number;
    bool scalar = v->kind == MS_YAML_SCALAR && v->plain;
    if (scalar && ms_units_parse(v->text, MS_UNIT_NONE, &number))
        ms_json_number(&j, NULL, number);
    else if (scalar && (strcmp(v->text, "true") == 0 || strcmp(v->text, "false") == 0))
        ms_json_raw(&j, NULL, v->text);
    else
        ms_json_string(&j, NULL, label);
    const char *out = b.p ? ms_arena_strdup(r->arena, b.p) : "null";
    ms_buf_finish(&b);
    return out;
}

static const char *show(struct ms_reading *r, const struct ms_yaml *v)
{
    struct ms_buf b = {0};
    ms_yaml_show(&b, v);
    const char *out = ms_arena_strdup(r->arena, b.p ? b.p : "");
    ms_buf_finish(&b);
    return out;
}

/* Do values i and j of an axis agree in every key that is zipped into it? */
static bool same_point(struct ms_reading *r, const struct ms_axes *s, int axis, size_t i, size_t j)
{
    for (int k = 0; k < s->n_keys; k++)
        if (s->key[k].axis == axis && i < s->key[k].n && j < s->key[k].n &&
            strcmp(show(r, s->key[k].value[i].value), show(r, s->key[k].value[j].value)) != 0)
            return false;
    return true;
}

static bool first_of_axis(const struct ms_axes *s, const struct ms_axes_key *k)
{
    for (const struct ms_axes_key *before = s->key; before < k; before++)
        if (before->axis == k->axis)
            return false;
    return true;
}

/* Keys of a zip may repeat a value. */
static void distinct_labels(struct ms_reading *r, struct ms_axes_key *k)
{
    k->distinct = MS_NEW(r->arena, const char *, k->n);
    for (size_t i = 0; i < k->n && k->distinct; i++) {
        bool seen = false;
        for (size_t j = 0; j < k->n_distinct && k->n <= 1000; j++)
            seen = seen || strcmp(k->distinct[j], k->label[i]) == 0;
        if (!seen)
            k->distinct[k->n_distinct++] = k->label[i];
    }
}

static void label_key(struct ms_reading *r, const struct ms_axes *s, struct ms_axes_key *k)
{
    bool file = is_file(k->key), collide = false;
    char stem[256], path[160];
    const char **full = MS_NEW(r->arena, const char *, k->n);
    if (!full)
        return;
    for (size_t i = 0; i < k->n; i++) {
        full[i] = show(r, k->value[i].value);
        k->label[i] =
            file ? ms_arena_strdup(r->arena, ms_path_stem(full[i], stem, sizeof stem)) : full[i];
    }
    for (size_t i = 0; i < k->n && k->n <= 1000; i++)
        for (size_t j = 0; j < i; j++) {
            if (strcmp(full[i], full[j]) == 0) {
                if (first_of_axis(s, k) && same_point(r, s, k->axis, i, j))
                    ms_reading_fail(r, &k->value[i], path_of(path, sizeof path, k->key),
                                    "'%s' stands twice", ms_clean(full[i], stem, 80));
            } else if (strcmp(k->label[i], k->label[j]) == 0)
                collide = true;
        }
    for (size_t i = 0; i < k->n; i++) {
        if (collide)
            k->label[i] = full[i];
        k->json[i] = json_of(r, k->value[i].value, k->label[i]);
    }
    distinct_labels(r, k);
}

static void count_cases(struct ms_reading *r, struct ms_axes *s, const struct ms_entry *at)
{
    double n = 1;
    for (int a = 0; a < s->n_axes; a++)
        n *= (double)s->axis_n[a];
    if (n > MS_AXES_MAX_CASES)
        ms_reading_fail(r, at, "sweep", "%.0f cases; at most %d", n, MS_AXES_MAX_CASES);
    s->n_cases = n > MS_AXES_MAX_CASES ? 1 : (size_t)n;
}

void ms_axes_read(struct ms_reading *r, struct ms_axes *s)
{
    const struct ms_entry *sweep = ms_yaml_get(s->root->value, "sweep");
    s->n_cases = 1;
    s->key = MS_NEW(r->arena, struct ms_axes_key, MS_AXES_MAX_AXES);
    if (!sweep || ms_yaml_null(sweep->value) || !s->key)
        return;
    if (sweep->value->kind != MS_YAML_MAP) {
        ms_reading_fail(r, sweep, "sweep", "must be a mapping of keys to values");
        return;
    }
    for (const struct ms_entry *e = sweep->value->first; e; e = e->next)
        read_axis(r, s, e->key, e);
    for (int i = 0; i < s->n_keys; i++)
        label_key(r, s, &s->key[i]);
    count_cases(r, s, sweep);
}

size_t ms_axes_value(const struct ms_axes *s, int key, size_t index)
{
    for (int a = s->n_axes - 1; a > s->key[key].axis; a--)
        index /= s->axis_n[a];
    return index % s->axis_n[s->key[key].axis];
}

/* The entry of {law: word} in place of a word. */
static const struct ms_entry *spelled_out(struct ms_arena *arena, const struct ms_entry *word,
                                          const char *key)
{
    struct ms_entry *e = MS_NEW(arena, struct ms_entry, 2);
    struct ms_yaml *map = MS_NEW(arena, struct ms_yaml, 1);
    if (!e || !map)
        return NULL;
    e[0] = e[1] = *word;
    e[1].key = key;
    e[1].next = NULL;
    *map = (struct ms_yaml){.kind = MS_YAML_MAP, .first = &e[1], .n = 1, .expanded = 2};
    e[0].value = map;
    return &e[0];
}

/* The member that a word alone stands for; NULL: a word and a mapping are different things. */
static const char *word_key(const char *path)
{
    static const struct {
        const char *path, *key;
    } words[] = {{"routing.popularity", "law"},
                 {"train.router", "name"},
                 {"hardware", "profile"},
                 {"compute.profile", "profile"},
                 {"faults.jitter", "profile"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(path, words[i].path) == 0)
            return words[i].key;
    return NULL;
}

const struct ms_yaml *ms_axes_put(struct ms_arena *arena, const struct ms_yaml *doc,
                                  const char *path, const struct ms_entry *e)
{
    for (const char *dot = strchr(path, '.'); dot && doc; dot = strchr(dot + 1, '.')) {
        char prefix[128];
        snprintf(prefix, sizeof prefix, "%.*s", (int)(dot - path), path);
        const struct ms_entry *on_way = ms_yaml_find(doc, prefix, NULL);
        if (!on_way || on_way->value->kind != MS_YAML_SCALAR || ms_yaml_null(on_way->value) ||
            strcmp(on_way->value->text, "none") == 0)
            continue;
        const char *key = word_key(prefix);
        if (!key)
            continue; /* the mapping takes the word's place */
        const struct ms_entry *map = spelled_out(arena, on_way, key);
        doc = map ? ms_yaml_set(arena, doc, prefix, map) : NULL;
    }
    return doc ? ms_yaml_set(arena, doc, path, e) : NULL;
}

const struct ms_entry *ms_axes_case(const struct ms_axes *s, struct ms_arena *arena, size_t index)
{
    struct ms_entry *root = MS_NEW(arena, struct ms_entry, 1);
    if (!root)
        return NULL;
    *root = *s->root;
    for (int i = 0; i < s->n_keys && root->value; i++) {
        const struct ms_axes_key *k = &s->key[i];
        root->value =
            ms_axes_put(arena, root->value, k->key, &k->value[ms_axes_value(s, i, index)]);
    }
    for (size_t i = 0; i < s->n_sets && s->n_keys > 0 && root->value; i++)
        if (strncmp(s->set[i].key, "sweep", 5) != 0)
            root->value = ms_axes_put(arena, root->value, s->set[i].key, s->set[i].value);
    return root->value ? root : NULL;
}
