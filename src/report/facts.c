/* Decides what of a record is kept in memory: every scalar, under the path of members that leads to
 * it. */
#include "report/facts.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/json_scan.h"

enum { MOST = 512 };

struct reading {
    struct ms_strings *names, *texts;
    struct ms_fact *fact; /* [MOST] */
    size_t n;
    struct ms_buf scratch; /* a text with its end */
    char path[256];
    bool failed;
};

/* Paths of one block, which stand together; of NULL everything is wanted. */
struct chosen {
    const char *const *path;
    size_t n;
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

/* A number's or a string's text as it stands. */
static const char *keep_slice(struct reading *r, const struct ms_json_slice *v)
{
    r->scratch.n = 0;
    ms_buf_add(&r->scratch, v->p, v->n);
    r->failed = r->failed || r->scratch.failed;
    return r->scratch.failed ? NULL : keep(r, v->n > 0 ? r->scratch.p : "");
}

/* A string with escapes, an object or a list: in the one spelling that equal ones have. */
static const char *keep_tree(struct reading *r, const struct ms_json_slice *v)
{
    size_t quote = v->kind == MS_JSON_STRING;
    json_error_t why;
    json_t *tree = json_loadb(v->p - quote, v->n + 2 * quote, JSON_DECODE_ANY, &why);
    if (!tree && json_error_code(&why) != json_error_out_of_memory)
        return keep_slice(r, v);
    char *dump = json_is_string(tree)
                     ? strdup(json_string_value(tree))
                     : json_dumps(tree, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    const char *text = dump ? keep(r, dump) : NULL;
    r->failed = r->failed || !dump;
    free(dump);
    json_decref(tree);
    return text;
}

/* Is a number written as a whole one? */
static bool is_whole(const struct ms_json_slice *v)
{
    return v->kind == MS_JSON_NUMBER && !memchr(v->p, '.', v->n) && !memchr(v->p, 'e', v->n) &&
           !memchr(v->p, 'E', v->n);
}

/* A value as a label: the shortest text that says it. */
static const char *label_of(struct reading *r, const struct ms_json_slice *v)
{
    char number[40];
    if (v->kind == MS_JSON_OBJECT || v->kind == MS_JSON_ARRAY || v->escaped)
        return keep_tree(r, v);
    if (v->kind == MS_JSON_NUMBER && !is_whole(v))
        return keep(r, ms_number(ms_json_slice_number(v), number));
    return keep_slice(r, v);
}

/* What becomes of values that are no scalars. */
enum kind {
    RECORD,   /* objects are gone into, lists left out */
    AXES,     /* everything is a label */
    SETTINGS, /* objects are gone into, lists are labels */
};

/* The name of a member behind the path so far. @return its length; 0: too long to be kept */
static size_t append_name(struct reading *r, size_t at, const struct ms_json_slice *key)
{
    if (key->n == 0 || key->n >= sizeof r->path - at - 1)
        return 0;
    memcpy(r->path + at, key->p, key->n);
    r->path[at + key->n] = '\0';
    return is_plain(r->path + at) ? key->n : strlen(ms_clean_line(r->path + at));
}

/* Those of the chosen paths that go on with this member behind their first `at` bytes. */
static struct chosen narrowed(struct chosen from, size_t at, const struct ms_json_slice *key)
{
    struct chosen to = {NULL, 0};
    for (size_t i = 0; i < from.n && (to.n == 0 || to.path + to.n == from.path + i); i++) {
        const char *rest = from.path[i] + at;
        if (*rest != *key->p || strncmp(rest, key->p, key->n) != 0 ||
            (rest[key->n] && rest[key->n] != '.'))
            continue;
        to.path = to.n == 0 ? from.path + i : to.path;
        to.n++;
    }
    return to;
}

/* "axes.": all below it. */
static bool takes_all(struct chosen c, size_t at)
{
    return !c.path || (c.n == 1 && c.path[0][at] == '\0');
}

static void walk(struct reading *r, struct ms_json_scan s, size_t at, struct chosen from,
                 enum kind kind)
{
    struct ms_json_slice key, v;
    bool all = takes_all(from, at);
    while (ms_json_scan_next(&s, &key, &v)) {
        struct chosen here = all ? from : narrowed(from, at, &key);
        size_t n = all || here.n > 0 ? append_name(r, at, &key) : 0;
        if (n == 0)
            continue;
        bool inner = kind != AXES && v.kind == MS_JSON_OBJECT, number = v.kind == MS_JSON_NUMBER,
             scalar = v.kind != MS_JSON_ARRAY && !inner,
             labelled = kind != RECORD || !number || is_whole(&v);
        if (inner) {
            bool is_axes = kind == RECORD && at == 0 && ms_json_slice_is(&key, "axes");
            r->path[at + n] = '.';
            walk(r, ms_json_scan_object(&v), at + n + 1, all ? (struct chosen){0} : here,
                 is_axes ? AXES : kind);
        } else if (kind != RECORD || (scalar && v.kind != MS_JSON_NULL)) {
            add(r, number ? ms_json_slice_number(&v) : NAN, labelled ? label_of(r, &v) : NULL);
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

static bool read_all(struct reading *r, const char *text, size_t n, struct chosen only,
                     enum kind kind, struct ms_arena *arena, struct ms_facts *out)
{
    struct ms_fact fact[MOST];
    r->fact = fact;
    walk(r, ms_json_scan_known(text, n), strlen(r->path), only, kind);
    ms_buf_finish(&r->scratch);
    return keep_all(r, arena, out);
}

bool ms_facts_read(const char *record, const char *const *only, struct ms_strings *names,
                   struct ms_strings *texts, struct ms_arena *arena, struct ms_facts *out)
{
    struct reading r = {.names = names, .texts = texts};
    struct chosen chosen = {only, 0};
    while (only && only[chosen.n])
        chosen.n++;
    return read_all(&r, record, strlen(record), chosen, RECORD, arena, out);
}

bool ms_facts_read_settings(const json_t *settings, struct ms_strings *names,
                            struct ms_strings *texts, struct ms_arena *arena, struct ms_facts *out)
{
    struct reading r = {.names = names, .texts = texts, .path = "set."};
    char *text = settings ? json_dumps(settings, JSON_COMPACT) : strdup("{}");
    bool read = text && read_all(&r, text, strlen(text), (struct chosen){0}, SETTINGS, arena, out);
    free(text);
    return read;
}

const struct ms_fact *ms_facts_get(const struct ms_facts *f, size_t path)
{
    return bsearch(&(struct ms_fact){.path = path}, f->fact, f->n, sizeof *f->fact, by_path);
}
