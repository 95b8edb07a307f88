/* Byte-pair encoding: a piece starts as its characters and the pair of lowest rank joins first,
 * leftmost among equals, as tokenizers' Word::merge_all does it. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/heap.h"
#include "moe/tokenizer_parts.h"

enum { NONE = -1, CACHE_SLOTS = 1 << 14, CACHE_TEXT = 32, CACHE_IDS = 12, MOST_ID = 1 << 24 };

struct entry { /* of the vocabulary */
    const char *text;
    uint32_t n;
    int32_t id; /* NONE: a free slot */
};

struct merge {
    int32_t left, right; /* left NONE: a free slot */
    int32_t rank, made;
};

/* A short piece and its ids, as they came out last time. */
struct cached {
    uint8_t n, n_ids;
    char text[CACHE_TEXT];
    int32_t id[CACHE_IDS];
};

struct symbol {
    int32_t id, before, behind; /* before, behind: symbols, NONE at the ends */
    bool gone;
};

struct ms_bpe {
    struct ms_arena arena;
    struct entry *entry; /* [n_entries], a power of two */
    size_t n_entries;
    struct merge *merge; /* [n_merges], a power of two */
    size_t n_merges;
    int32_t top, unk, byte[256]; /* byte: ids of <0x00> …, NONE where one is missing */
    bool fallback, fuse_unk, ignore_merges;
    const char *prefix, *suffix;
    struct cached *cache;  /* [CACHE_SLOTS] */
    struct symbol *symbol; /* scratch */
    size_t n_symbols, cap_symbols;
    struct ms_heap heap;
};

bool ms_token_ids_add(struct ms_token_ids *t, int32_t id)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 1024;
        int32_t *more = realloc(t->id, cap * sizeof *more);
        if (!more)
            return false;
        t->id = more;
        t->cap = cap;
    }
    t->id[t->n++] = id;
    return true;
}

/* ---- tables ---- */

static size_t slots_for(size_t n)
{
    size_t slots = 64;
    while (slots < 2 * n)
        slots *= 2;
    return slots;
}

static struct entry *find(const struct ms_bpe *b, const char *text, size_t n)
{
    size_t mask = b->n_entries - 1, at = (size_t)ms_hash64(text, n) & mask;
    while (b->entry[at].id != NONE &&
           (b->entry[at].n != n || memcmp(b->entry[at].text, text, n) != 0))
        at = (at + 1) & mask;
    return &b->entry[at];
}

int32_t ms_bpe_id(const struct ms_bpe *b, const char *text, size_t n)
{
    return find(b, text, n)->id;
}

int32_t ms_bpe_top(const struct ms_bpe *b)
{
    return b->top;
}

static struct merge *find_merge(const struct ms_bpe *b, int32_t left, int32_t right)
{
    uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t mask = b->n_merges - 1, at = (size_t)(key >> 24) & mask;
    while (b->merge[at].left != NONE && (b->merge[at].left != left || b->merge[at].right != right))
        at = (at + 1) & mask;
    return &b->merge[at];
}

/* ---- reading ---- */

static enum ms_status bad(const struct ms_tokenizer_place *p, const char *key, const char *what)
{
    return ms_err_at(p->err, MS_INVALID, p->path, 0, 0, key, "%s", what);
}

static enum ms_status no_memory(const struct ms_tokenizer_place *p)
{
    return ms_err_set(p->err, MS_NOMEM, "out of memory for a tokenizer");
}

static enum ms_status read_vocab(const struct ms_tokenizer_place *p, json_t *vocab,
                                 struct ms_bpe *b)
{
    const char *text;
    json_t *id;
    if (!json_is_object(vocab) || json_object_size(vocab) == 0)
        return bad(p, "model.vocab", "is not an object of tokens and ids");
    b->n_entries = slots_for(json_object_size(vocab));
    b->entry = MS_NEW(&b->arena, struct entry, b->n_entries);
    if (!b->entry)
        return no_memory(p);
    for (size_t i = 0; i < b->n_entries; i++)
        b->entry[i].id = NONE;
    json_object_foreach(vocab, text, id)
    {
        json_int_t v = json_is_integer(id) ? json_integer_value(id) : -1;
        if (v < 0 || v >= MOST_ID)
            return bad(p, "model.vocab", "holds an id that is not a whole number of 0..16777215");
        const char *kept = ms_arena_strdup(&b->arena, text);
        if (!kept)
            return no_memory(p);
        *find(b, text, strlen(text)) = (struct entry){kept, (uint32_t)strlen(text), (int32_t)v};
        b->top = v > b->top ? (int32_t)v : b->top;
    }
    return MS_OK;
}

/* "a b" or ["a", "b"]. false: neither */
static bool merge_parts(const json_t *m, const char **left, size_t *n_left, const char **right)
{
    if (json_is_string(m)) {
        const char *text = json_string_value(m), *blank = strchr(text, ' ');
        if (!blank || strchr(blank + 1, ' '))
            return false;
        *left = text;
        *n_left = (size_t)(blank - text);
        *right = blank + 1;
        return true;
    }
    *left = json_string_value(json_array_get(m, 0));
    *right = json_string_value(json_array_get(m, 1));
    *n_left = *left ? strlen(*left) : 0;
    return *left && *right && json_array_size(m) == 2;
}

static enum ms_status read_merges(const struct ms_tokenizer_place *p, const json_t *list,
                                  struct ms_bpe *b)
{
    size_t i, skip = strlen(b->prefix);
    const json_t *m;
    struct ms_buf made = {0};
    enum ms_status s = MS_OK;
    b->n_merges = slots_for(json_array_size(list));
    b->merge = MS_NEW(&b->arena, struct merge, b->n_merges);
    if (!b->merge)
        return no_memory(p);
    for (i = 0; i < b->n_merges; i++)
        b->merge[i].left = NONE;
    json_array_foreach(list, i, m)
    {
        const char *left, *right;
        size_t n_left;
        if (!merge_parts(m, &left, &n_left, &right)) {
            s = ms_err_at(p->err, MS_INVALID, p->path, 0, 0, "model.merges",
                          "entry %zu is neither \"a b\" nor [\"a\", \"b\"]", i);
            break;
        }
        made.n = 0;
        ms_buf_add(&made, left, n_left);
        ms_buf_adds(&made, strlen(right) >= skip ? right + skip : "");
        if (made.failed) {
            s = no_memory(p);
            break;
        }
        struct merge x = {ms_bpe_id(b, left, n_left), ms_bpe_id(b, right, strlen(right)),
                          (int32_t)i, ms_bpe_id(b, made.p, made.n)};
        if (x.left < 0 || x.right < 0 || x.made < 0) {
            s = ms_err_at(p->err, MS_INVALID, p->path, 0, 0, "model.merges",
                          "entry %zu names a token that is not in the vocabulary", i);
            break;
        }
        *find_merge(b, x.left, x.right) = x;
    }
    ms_buf_finish(&made);
    return s;
}

static void read_bytes(struct ms_bpe *b)
{
    for (int i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)i);
        b->byte[i] = ms_bpe_id(b, name, 6);
    }
}

static const char *word_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static enum ms_status read_all(const struct ms_tokenizer_place *p, const json_t *o,
                               struct ms_bpe *b)
{
    const char *type = json_string_value(json_object_get(o, "type")),
               *unk = json_string_value(json_object_get(o, "unk_token"));
    const json_t *dropout = json_object_get(o, "dropout");
    /* old files have no type: merges tell BPE */
    if (type ? strcmp(type, "BPE") != 0 : !json_object_get(o, "merges"))
        return ms_err_at(p->err, MS_INVALID, p->path, 0, 0, "model.type",
                         "'%s' is not covered; allowed: BPE", type ? type : "none");
    if (json_is_number(dropout) && json_number_value(dropout) != 0)
        return ms_err_at(p->err, MS_INVALID, p->path, 0, 0, "model.dropout",
                         "%g: dropped merges are random; allowed: null",
                         json_number_value(dropout));
    b->fallback = json_is_true(json_object_get(o, "byte_fallback"));
    b->fuse_unk = json_is_true(json_object_get(o, "fuse_unk"));
    b->ignore_merges = json_is_true(json_object_get(o, "ignore_merges"));
    b->prefix = ms_arena_strdup(&b->arena, word_of(o, "continuing_subword_prefix"));
    b->suffix = ms_arena_strdup(&b->arena, word_of(o, "end_of_word_suffix"));
    b->cache = calloc(CACHE_SLOTS, sizeof *b->cache);
    if (!b->prefix || !b->suffix || !b->cache)
        return no_memory(p);
    enum ms_status s = read_vocab(p, json_object_get(o, "vocab"), b);
    if (s == MS_OK)
        s = read_merges(p, json_object_get(o, "merges"), b);
    if (s != MS_OK)
        return s;
    read_bytes(b);
    b->unk = unk ? ms_bpe_id(b, unk, strlen(unk)) : NONE;
    return unk && b->unk < 0 ? bad(p, "model.unk_token", "is not in the vocabulary") : MS_OK;
}

enum ms_status ms_bpe_read(const struct ms_tokenizer_place *p, const json_t *o, struct ms_bpe **out)
{
    if (!json_is_object(o))
        return bad(p, "model", "is missing");
    struct ms_bpe *b = calloc(1, sizeof *b);
    enum ms_status s = b ? read_all(p, o, b) : no_memory(p);
    if (s == MS_OK)
        *out = b;
    else
        ms_bpe_free(b);
    return s;
}

void ms_bpe_free(struct ms_bpe *b)
{
    if (!b)
        return;
    ms_arena_finish(&b->arena);
    ms_heap_finish(&b->heap);
    free(b->cache);
    free(b->symbol);
    free(b);
}

/* ---- a piece ---- */

static bool push_symbol(struct ms_bpe *b, int32_t id)
{
    if (b->n_symbols == b->cap_symbols) {
        size_t cap = b->cap_symbols ? 2 * b->cap_symbols : 256;
        struct symbol *more = cap < INT32_MAX ? realloc(b->symbol, cap * sizeof *more) : NULL;
        if (!more)
            return false;
        b->symbol = more;
        b->cap_symbols = cap;
    }
    int32_t at = (int32_t)b->n_symbols;
    if (at > 0)
        b->symbol[at - 1].behind = at;
    b->symbol[b->n_symbols++] = (struct symbol){id, at - 1, NONE, false};
    return true;
}

/* A character that is no token: its bytes, the unknown token, or nothing. *unk: a token that waits
 * to be put down, so that a run of unknown characters can be one. */
static bool push_unknown(struct ms_bpe *b, const char *text, size_t n, int32_t *unk)
{
    bool bytes = b->fallback, ok = true;
    for (size_t i = 0; i < n && bytes; i++)
        bytes = b->byte[(unsigned char)text[i]] >= 0;
    if (bytes) {
        for (size_t i = 0; i < n && ok; i++)
            ok = push_symbol(b, b->byte[(unsigned char)text[i]]);
        return ok;
    }
    if (b->unk < 0)
        return true;
    if (*unk >= 0 && !b->fuse_unk)
        ok = push_symbol(b, *unk);
    *unk = b->unk;
    return ok;
}

/* The id of a character with the marks of its place in the word. */
static int32_t char_id(const struct ms_bpe *b, const char *text, size_t n, bool first, bool last,
                       struct ms_buf *spare)
{
    bool before = !first && *b->prefix, behind = last && *b->suffix;
    if (!before && !behind)
        return ms_bpe_id(b, text, n);
    spare->n = 0;
    ms_buf_adds(spare, before ? b->prefix : "");
    ms_buf_add(spare, text, n);
    ms_buf_adds(spare, behind ? b->suffix : "");
    return spare->failed ? NONE : ms_bpe_id(b, spare->p, spare->n);
}

static bool start_word(struct ms_bpe *b, const char *text, size_t n)
{
    int32_t unk = NONE;
    struct ms_buf spare = {0};
    bool ok = true;
    b->n_symbols = 0;
    for (size_t at = 0, step; ok && at < n; at += step) {
        ms_utf8_at(text + at, n - at, &step);
        int32_t id = char_id(b, text + at, step, at == 0, at + step == n, &spare);
        if (id < 0) {
            ok = push_unknown(b, text + at, step, &unk);
            continue;
        }
        if (unk >= 0)
            ok = push_symbol(b, unk);
        unk = NONE;
        ok = ok && push_symbol(b, id);
    }
    if (unk >= 0)
        ok = ok && push_symbol(b, unk);
    ok = ok && !spare.failed;
    ms_buf_finish(&spare);
    return ok;
}

/* The pair that starts at a symbol, if it joins. */
static bool push_pair(struct ms_bpe *b, int32_t at)
{
    int32_t behind = at >= 0 ? b->symbol[at].behind : NONE;
    if (behind < 0)
        return true;
    const struct merge *m = find_merge(b, b->symbol[at].id, b->symbol[behind].id);
    return m->left < 0 ||
           ms_heap_push(&b->heap, (struct ms_heap_item){m->rank, (uint64_t)at, (uint32_t)m->made});
}

static bool join_all(struct ms_bpe *b)
{
    bool ok = true;
    b->heap.n = 0;
    for (size_t i = 0; ok && i + 1 < b->n_symbols; i++)
        ok = push_pair(b, (int32_t)i);
    while (ok && b->heap.n) {
        struct ms_heap_item top = ms_heap_pop(&b->heap);
        int32_t at = (int32_t)top.tie;
        struct symbol *x = &b->symbol[at];
        if (x->gone || x->behind < 0)
            continue;
        struct symbol *y = &b->symbol[x->behind];
        const struct merge *m = find_merge(b, x->id, y->id);
        if (m->left < 0 || m->made != (int32_t)top.id) /* an older pair stood here */
            continue;
        x->id = m->made;
        y->gone = true;
        x->behind = y->behind;
        if (x->behind >= 0)
            b->symbol[x->behind].before = at;
        ok = push_pair(b, x->before) && push_pair(b, at);
    }
    return ok;
}

static struct cached *cache_of(struct ms_bpe *b, const char *text, size_t n)
{
    return n <= CACHE_TEXT ? &b->cache[ms_hash64(text, n) % CACHE_SLOTS] : NULL;
}

bool ms_bpe_run(struct ms_bpe *b, const char *text, size_t n, struct ms_token_ids *out)
{
    struct cached *c = cache_of(b, text, n);
    size_t first = out->n;
    int32_t whole = b->ignore_merges ? ms_bpe_id(b, text, n) : NONE;
    bool ok = true;
    if (whole >= 0)
        return ms_token_ids_add(out, whole);
    if (c && c->n == n && memcmp(c->text, text, n) == 0) {
        for (int i = 0; i < c->n_ids && ok; i++)
            ok = ms_token_ids_add(out, c->id[i]);
        return ok;
    }
    if (!start_word(b, text, n) || !join_all(b))
        return false;
    for (size_t i = 0; i < b->n_symbols && ok; i++)
        if (!b->symbol[i].gone)
            ok = ms_token_ids_add(out, b->symbol[i].id);
    size_t made = out->n - first;
    if (ok && c && made <= CACHE_IDS) {
        *c = (struct cached){.n = (uint8_t)n, .n_ids = (uint8_t)made};
        memcpy(c->text, text, n);
        if (made > 0) /* else there may be no list yet */
            memcpy(c->id, out->id + first, made * sizeof *c->id);
    }
    return ok;
}
