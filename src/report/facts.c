/* Decides what of a record is kept in memory: every scalar, under the path of members that leads to
 * it. */
#include "report/facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

enum { MOST = 512 };

struct reading {
    struct ms_strings *names, *texts;
    struct ms_fact fact[MOST];
    size_t n;
    char path[256];
    bool failed;
};

static bool is_plain(const char *text)
{
    while (*text >= ' ' && *text < 0x7f)
        text++;
    return *text == '\0';
}

/* Records may be anybody's: their words go to terminals, pictures and pages. */
static const char *keep(struct reading *r, const char *text)
{
    char *copy = is_plain(text) ? NULL : strdup(text);
    r->failed = r->failed || (!copy && !is_plain(text));
    size_t number = ms_strings_add(r->texts, copy ? ms_clean_line(copy) : text);
    free(copy);
    return r->texts->failed ? NULL : r->texts->text[number];
}

static void add(struct reading *r, double number, const char *text)
{
    if (r->n < MOST)
        r->fact[r->n++] = (struct ms_fact){
            .path = ms_strings_add(r->names, r->path), .number = number, .text = text};
}

/* A value as a label: the shortest text that says it. */
static const char *label_of(struct reading *r, const json_t *v)
{
    char number[40];
    if (json_is_string(v))
        return keep(r, json_string_value(v));
    if (json_is_boolean(v))
        return keep(r, json_is_true(v) ? "true" : "false");
    if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        return keep(r, number);
    }
    if (json_is_real(v))
        return keep(r, ms_number(json_real_value(v), number));
    char *dump = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    const char *text = dump ? keep(r, dump) : NULL;
    r->failed = r->failed || !dump;
    free(dump);
    return text;
}

/* What becomes of values that are no scalars. */
enum kind {
    RECORD,   /* objects are gone into, lists left out */
    AXES,     /* everything is a label */
    SETTINGS, /* objects are gone into, lists are labels */
};

static void walk(struct reading *r, const json_t *object, size_t at, enum kind kind)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)object, key, v)
    {
        int n = snprintf(r->path + at, sizeof r->path - at, "%s", key);
        if (n < 0 || (size_t)n >= sizeof r->path - at - 1)
            continue;
        n = (int)strlen(ms_clean_line(r->path + at));
        bool inner = kind != AXES && json_is_object(v), scalar = !json_is_array(v) && !inner,
             labelled = kind != RECORD || !json_is_number(v) || json_is_integer(v);
        if (inner) {
            bool is_axes = kind == RECORD && at == 0 && strcmp(key, "axes") == 0;
            r->path[at + (size_t)n] = '.';
            walk(r, v, at + (size_t)n + 1, is_axes ? AXES : kind);
        } else if (kind != RECORD || (scalar && !json_is_null(v))) {
            add(r, json_is_number(v) ? json_number_value(v) : NAN,
                labelled ? label_of(r, v) : NULL);
        }
    }
}

static int by_path(const void *a, const void *b)
{
    const struct ms_fact *x = a, *y = b;
    return (x->path > y->path) - (x->path < y->path);
}

static bool keep_all(struct reading *r, struct ms_arena *arena, struct ms_facts *out)
{
    struct ms_fact *fact = MS_NEW(arena, struct ms_fact, r->n);
    if (!fact || r->failed || r->names->failed || r->texts->failed)
        return false;
    memcpy(fact, r->fact, r->n * sizeof *fact);
    qsort(fact, r->n, sizeof *fact, by_path);
    *out = (struct ms_facts){fact, r->n};
    return true;
}

bool ms_facts_read(const json_t *record, struct ms_strings *names, struct ms_strings *texts,
                   struct ms_arena *arena, struct ms_facts *out)
{
    struct reading r = {.names = names, .texts = texts};
    walk(&r, record, 0, RECORD);
    return keep_all(&r, arena, out);
}

bool ms_facts_read_settings(const json_t *settings, struct ms_strings *names,
                            struct ms_strings *texts, struct ms_arena *arena, struct ms_facts *out)
{
    struct reading r = {.names = names, .texts = texts, .path = "set."};
    walk(&r, settings, 4, SETTINGS);
    return keep_all(&r, arena, out);
}

const struct ms_fact *ms_facts_get(const struct ms_facts *f, size_t path)
{
    return bsearch(&(struct ms_fact){.path = path}, f->fact, f->n, sizeof *f->fact, by_path);
}
