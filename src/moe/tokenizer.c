/* Reads a tokenizer.json and runs its stages: added tokens are taken out of the text, the rest is
 * normalized, cut into pieces and encoded, special tokens stand around it all. */
#include "moe/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "moe/tokenizer_parts.h"

enum { MOST_FILE = 256 << 20, MOST_AROUND = 64 };

/* A token that is looked for in the text as it stands, or once it is normalized. */
struct added {
    char *text;
    size_t n;
    int32_t id;
    bool single, left, right, normalized;
};

struct ms_tokenizer {
    struct ms_bpe *bpe;
    struct ms_normalizer *normalizer;
    struct ms_splitter *splitter;
    struct added *added; /* [n_added], the longest first */
    size_t n_added;
    uint32_t starts[2][256]; /* how many of them start with a byte: [normalized][byte] */
    int32_t before[MOST_AROUND], behind[MOST_AROUND];
    int n_before, n_behind, top;
    struct ms_pieces piece, spare;
    struct ms_buf normal;
};

/* ---- added tokens ---- */

static bool flag(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static int longest_first(const void *a, const void *b)
{
    const struct added *x = a, *y = b;
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* A normalized token is looked for in normalized text, so it is normalized itself. */
static bool keep_text(const struct ms_tokenizer *t, const char *content, struct added *a)
{
    struct ms_buf b = {0};
    bool ok = a->normalized ? ms_normalizer_run(t->normalizer, content, strlen(content), &b)
                            : (ms_buf_adds(&b, content), !b.failed);
    a->text = b.p;
    a->n = b.n;
    return ok;
}

static enum ms_status read_added(const struct ms_tokenizer_place *p, const json_t *list,
                                 struct ms_tokenizer *t)
{
    size_t i;
    const json_t *o;
    t->added = calloc(json_array_size(list) + 1, sizeof *t->added);
    if (!t->added)
        return ms_err_set(p->err, MS_NOMEM, "out of memory for a tokenizer");
    json_array_foreach(list, i, o)
    {
        const char *content = json_string_value(json_object_get(o, "content"));
        const json_t *id = json_object_get(o, "id");
        if (!content || !json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) >= 1 << 24)
            return ms_err_at(p->err, MS_INVALID, p->path, 0, 0, "added_tokens",
                             "entry %zu has no content or no id of 0..16777215", i);
        if (!*content)
            continue;
        struct added *a = &t->added[t->n_added];
        int32_t own = ms_bpe_id(t->bpe, content, strlen(content));
        *a = (struct added){.id = own >= 0 ? own : (int32_t)json_integer_value(id),
                            .single = flag(o, "single_word"),
                            .left = flag(o, "lstrip"),
                            .right = flag(o, "rstrip"),
                            .normalized = flag(o, "normalized")};
        if (!keep_text(t, content, a))
            return ms_err_set(p->err, MS_NOMEM, "out of memory for a tokenizer");
        t->n_added++;
        t->top = a->id > t->top ? a->id : t->top;
        if (a->n)
            t->starts[a->normalized][(unsigned char)a->text[0]]++;
    }
    qsort(t->added, t->n_added, sizeof *t->added, longest_first);
    return MS_OK;
}

/* The longest added token that stands at a place, or NULL. */
static const struct added *token_at(const struct ms_tokenizer *t, bool normalized, const char *text,
                                    size_t left)
{
    if (!left || !t->starts[normalized][(unsigned char)*text])
        return NULL;
    for (size_t i = 0; i < t->n_added; i++) {
        const struct added *a = &t->added[i];
        if (a->normalized == normalized && a->n && a->n <= left && memcmp(a->text, text, a->n) == 0)
            return a;
    }
    return NULL;
}

static bool stands_alone(const char *text, size_t n, size_t from, size_t to)
{
    size_t step;
    return (from == 0 || !ms_char_word(ms_utf8_before(text, from, &step))) &&
           (to == n || !ms_char_word(ms_utf8_at(text + to, n - to, &step)));
}

/* A stretch of text: what lies before the next token (n bytes), and that token (id, or -1). */
struct next {
    size_t n, behind; /* behind: where the text goes on */
    int32_t id;
};

/* Look from `from` on; spaces that a token takes with it belong to it. */
static struct next next_token(const struct ms_tokenizer *t, bool normalized, const char *text,
                              size_t n, size_t from)
{
    for (size_t at = from; at < n; at++) {
        const struct added *a = token_at(t, normalized, text + at, n - at);
        if (!a)
            continue;
        size_t start = at, end = at + a->n, step;
        if (a->single && !stands_alone(text, n, start, end)) {
            at = end - 1; /* the search goes on behind it */
            continue;
        }
        while (a->left && start > from && ms_char_space(ms_utf8_before(text, start, &step)))
            start -= step;
        while (a->right && end < n && ms_char_space(ms_utf8_at(text + end, n - end, &step)))
            end += step;
        return (struct next){start - from, end, a->id};
    }
    return (struct next){n - from, n, -1};
}

/* ---- around the text ---- */

struct around {
    struct ms_tokenizer *t;
    const struct ms_tokenizer_place *p;
};

static enum ms_status put_around(const struct around *a, bool behind, json_int_t id)
{
    struct ms_tokenizer *t = a->t;
    int *n = behind ? &t->n_behind : &t->n_before;
    if (*n == MOST_AROUND || id < 0 || id >= 1 << 24)
        return ms_tokenizer_refuse(a->p, "post_processor", "more than 64 tokens, or an id of none");
    if (behind)
        t->behind[(*n)++] = (int32_t)id;
    else
        t->before[(*n)++] = (int32_t)id;
    t->top = id > t->top ? (int)id : t->top;
    return MS_OK;
}

static enum ms_status read_template(const struct around *a, const json_t *o)
{
    const json_t *list = json_object_get(o, "single"), *item, *id;
    const json_t *special = json_object_get(o, "special_tokens");
    bool behind = false;
    size_t i, k;
    enum ms_status s = MS_OK;
    json_array_foreach(list, i, item)
    {
        if (json_object_get(item, "Sequence")) {
            behind = true;
            continue;
        }
        const char *name =
            json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
        const json_t *ids = name ? json_object_get(json_object_get(special, name), "ids") : NULL;
        if (!ids)
            return ms_tokenizer_refuse(a->p, "post_processor", name ? name : "TemplateProcessing");
        json_array_foreach(ids, k, id)
        {
            if (s == MS_OK)
                s = put_around(a, behind, json_is_integer(id) ? json_integer_value(id) : -1);
        }
    }
    return s;
}

/* cls … sep: ["[CLS]", 101] each */
static enum ms_status read_pair(const struct around *a, const json_t *o)
{
    static const char *const ends[2] = {"cls", "sep"};
    enum ms_status s = MS_OK;
    for (int i = 0; i < 2 && s == MS_OK; i++) {
        const json_t *id = json_array_get(json_object_get(o, ends[i]), 1);
        s = put_around(a, i == 1, json_is_integer(id) ? json_integer_value(id) : -1);
    }
    return s;
}

static enum ms_status read_around(const struct around *a, const json_t *o)
{
    if (!o || json_is_null(o))
        return MS_OK;
    const char *type = json_string_value(json_object_get(o, "type"));
    if (!type)
        return ms_tokenizer_refuse(a->p, "post_processor", "a post-processor without type");
    if (strcmp(type, "ByteLevel") == 0) /* moves offsets only */
        return MS_OK;
    if (strcmp(type, "TemplateProcessing") == 0)
        return read_template(a, o);
    if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0)
        return read_pair(a, o);
    if (strcmp(type, "Sequence") != 0)
        return ms_tokenizer_refuse(a->p, "post_processor", type);
    const json_t *one;
    size_t i;
    enum ms_status s = MS_OK;
    json_array_foreach(json_object_get(o, "processors"), i, one)
    {
        if (s == MS_OK)
            s = read_around(a, one);
    }
    return s;
}

/* ---- opening ---- */

static enum ms_status read_all(const struct ms_tokenizer_place *p, const json_t *root,
                               struct ms_tokenizer *t)
{
    struct around a = {t, p};
    enum ms_status s = ms_bpe_read(p, json_object_get(root, "model"), &t->bpe);
    if (s == MS_OK)
        s = ms_normalizer_read(p, json_object_get(root, "normalizer"), &t->normalizer);
    if (s == MS_OK)
        s = ms_splitter_read(p, json_object_get(root, "pre_tokenizer"), &t->splitter);
    if (s == MS_OK)
        s = read_added(p, json_object_get(root, "added_tokens"), t);
    if (s == MS_OK)
        s = read_around(&a, json_object_get(root, "post_processor"));
    if (s == MS_OK && ms_bpe_top(t->bpe) > t->top)
        t->top = ms_bpe_top(t->bpe);
    return s;
}

enum ms_status ms_tokenizer_open(const char *path, struct ms_tokenizer **out, struct ms_err *err)
{
    struct ms_buf text = {0};
    json_error_t why;
    struct ms_tokenizer_place p = {path, err};
    enum ms_status s = ms_file_read(path, &text, err);
    if (s != MS_OK)
        return s;
    if (text.n > MOST_FILE) {
        ms_buf_finish(&text);
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "is larger than 256 MiB");
    }
    json_t *root = json_loadb(text.p ? text.p : "", text.n, JSON_ALLOW_NUL, &why);
    ms_buf_finish(&text);
    if (!root)
        return ms_err_at(err, MS_INVALID, path, why.line, why.column, NULL, "is not JSON: %s",
                         ms_json_reason(why.text));
    struct ms_tokenizer *t = calloc(1, sizeof *t);
    s = t ? read_all(&p, root, t) : ms_err_set(err, MS_NOMEM, "out of memory for a tokenizer");
    json_decref(root);
    if (s == MS_OK)
        *out = t;
    else
        ms_tokenizer_close(t);
    return s;
}

void ms_tokenizer_close(struct ms_tokenizer *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_added; i++)
        free(t->added[i].text);
    free(t->added);
    ms_pieces_finish(&t->piece);
    ms_pieces_finish(&t->spare);
    ms_buf_finish(&t->normal);
    ms_normalizer_free(t->normalizer);
    ms_splitter_free(t->splitter);
    ms_bpe_free(t->bpe);
    free(t);
}

int ms_tokenizer_vocab(const struct ms_tokenizer *t)
{
    return t->top + 1;
}

/* ---- encoding ---- */

/* Normalized text without added tokens. */
static bool encode_plain(struct ms_tokenizer *t, const char *text, size_t n, bool first,
                         struct ms_token_ids *out)
{
    ms_pieces_clear(&t->piece);
    ms_pieces_add(&t->piece, text, n, first);
    if (t->piece.failed || !ms_splitter_run(t->splitter, &t->piece, &t->spare))
        return false;
    for (size_t i = 0; i < t->piece.n; i++)
        if (!ms_bpe_run(t->bpe, t->piece.text.p + t->piece.piece[i].at, t->piece.piece[i].n, out))
            return false;
    return true;
}

/* Text between added tokens: normalized, and looked through for those of the other kind. */
static bool encode_between(struct ms_tokenizer *t, const char *text, size_t n, bool first,
                           struct ms_token_ids *out)
{
    bool ok = true;
    if (n == 0)
        return true;
    t->normal.n = 0;
    if (!ms_normalizer_run(t->normalizer, text, n, &t->normal))
        return false;
    const char *normal = t->normal.p ? t->normal.p : "";
    for (size_t at = 0; ok && at < t->normal.n;) {
        struct next x = next_token(t, true, normal, t->normal.n, at);
        ok = encode_plain(t, normal + at, x.n, first && at == 0, out);
        if (x.id >= 0)
            ok = ok && ms_token_ids_add(out, x.id);
        at = x.behind;
    }
    return ok;
}

enum ms_status ms_tokenizer_encode(struct ms_tokenizer *t, const char *path, const char *text,
                                   size_t n, bool special, struct ms_token_ids *out,
                                   struct ms_err *err)
{
    size_t bad = ms_utf8_bad(text, n);
    bool ok = true;
    if (bad < n)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "is not UTF-8 text: byte %zu is 0x%02X",
                         bad, (unsigned char)text[bad]);
    for (int i = 0; special && ok && i < t->n_before; i++)
        ok = ms_token_ids_add(out, t->before[i]);
    for (size_t at = 0; ok && at < n;) {
        struct next x = next_token(t, false, text, n, at);
        ok = encode_between(t, text + at, x.n, at == 0, out);
        if (x.id >= 0)
            ok = ok && ms_token_ids_add(out, x.id);
        at = x.behind;
    }
    for (int i = 0; special && ok && i < t->n_behind; i++)
        ok = ms_token_ids_add(out, t->behind[i]);
    return ok ? MS_OK
              : ms_err_at(err, MS_NOMEM, path, 0, 0, NULL, "no memory to tokenize %zu bytes", n);
}
