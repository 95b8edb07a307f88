/* Pre-tokenizers: how the normalized text is cut into pieces that are encoded on their own. A cut is
 * a list of matches of a pattern and a rule what becomes of them. */
#include <stdlib.h>
#include <string.h>

#include "moe/tokenizer_parts.h"

enum { MOST_STEPS = 32 };
enum behavior { REMOVED, ISOLATED, WITH_PREVIOUS, WITH_NEXT, CONTIGUOUS, N_BEHAVIORS };

static const char *const behaviors[N_BEHAVIORS] = {"Removed", "Isolated", "MergedWithPrevious",
                                                   "MergedWithNext", "Contiguous"};

struct step {
    bool (*run)(const struct step *z, const struct ms_pieces *in, struct ms_pieces *out);
    struct ms_regex *pattern; /* what is looked for: this, */
    bool (*is)(int32_t c);    /* or characters of a class */
    enum behavior behavior;
    bool invert;
    bool prefix, only_first, split; /* ByteLevel, Metaspace: a space (its sign) in front */
    char *sign;
};

struct ms_splitter {
    struct step step[MOST_STEPS];
    int n;
};

/* A stretch of a piece: a match, or what lies between two. */
struct stretch {
    size_t from, to;
    bool match, removed;
};

struct stretches {
    struct stretch *v;
    size_t n, cap;
    bool failed;
};

static void add(struct stretches *s, size_t from, size_t to, bool match)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 256;
        struct stretch *more = realloc(s->v, cap * sizeof *more);
        s->failed |= !more;
        if (!more)
            return;
        s->v = more;
        s->cap = cap;
    }
    s->v[s->n++] = (struct stretch){from, to, match, false};
}

/* ---- what matches ---- */

static bool match_pattern(const struct ms_regex *r, const char *text, size_t n,
                          struct stretches *out)
{
    size_t last = 0, look = 0, start, end;
    int got = 0;
    while (look <= n && (got = ms_regex_find(r, text, n, look, &start, &end)) > 0) {
        if (start > last)
            add(out, last, start, false);
        add(out, start, end, true);
        last = end;
        size_t step = 1;
        if (start == end && end < n)
            ms_utf8_at(text + end, n - end, &step);
        look = end > start ? end : end + step;
    }
    if (last < n)
        add(out, last, n, false);
    return got >= 0 && !out->failed;
}

static bool match_class(bool (*is)(int32_t), const char *text, size_t n, struct stretches *out)
{
    size_t last = 0, step;
    for (size_t at = 0; at < n; at += step)
        if (is(ms_utf8_at(text + at, n - at, &step))) {
            if (at > last)
                add(out, last, at, false);
            add(out, at, at + step, true);
            last = at + step;
        }
    if (last < n)
        add(out, last, n, false);
    return !out->failed;
}

/* ---- what becomes of it ---- */

/* Forwards: a stretch joins the one before where the rule says so. */
static void join_forwards(struct stretches *s, enum behavior how)
{
    bool before = false;
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct stretch x = s->v[i];
        bool join = how == CONTIGUOUS ? x.match == before : x.match && !before;
        before = x.match;
        if (join && kept > 0)
            s->v[kept - 1].to = x.to;
        else
            s->v[kept++] = x;
    }
    s->n = kept;
}

static void join_backwards(struct stretches *s)
{
    bool behind = false;
    size_t first = s->n;
    for (size_t i = s->n; i-- > 0;) {
        struct stretch x = s->v[i];
        bool join = x.match && !behind && first < s->n;
        behind = x.match;
        if (join)
            s->v[first].from = x.from;
        else
            s->v[--first] = x;
    }
    memmove(s->v, s->v + first, (s->n - first) * sizeof *s->v);
    s->n -= first;
}

static void apply(struct stretches *s, enum behavior how, bool invert)
{
    for (size_t i = 0; invert && i < s->n; i++)
        s->v[i].match = !s->v[i].match;
    if (how == REMOVED)
        for (size_t i = 0; i < s->n; i++)
            s->v[i].removed = s->v[i].match;
    else if (how == WITH_NEXT)
        join_backwards(s);
    else if (how != ISOLATED)
        join_forwards(s, how);
}

static bool cut(const struct step *z, const char *text, size_t n, bool first,
                struct stretches *spare, struct ms_pieces *out)
{
    spare->n = 0;
    bool ok =
        z->pattern ? match_pattern(z->pattern, text, n, spare) : match_class(z->is, text, n, spare);
    apply(spare, z->behavior, z->invert);
    for (size_t i = 0; ok && i < spare->n; i++)
        if (!spare->v[i].removed)
            ms_pieces_add(out, text + spare->v[i].from, spare->v[i].to - spare->v[i].from,
                          first && spare->v[i].from == 0);
    return ok && !out->failed;
}

static bool run_cut(const struct step *z, const struct ms_pieces *in, struct ms_pieces *out)
{
    struct stretches spare = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < in->n; i++)
        ok = cut(z, in->text.p + in->piece[i].at, in->piece[i].n, in->piece[i].first, &spare, out);
    free(spare.v);
    return ok;
}

/* ---- ByteLevel, Metaspace ---- */

static bool run_bytes(const struct step *z, const struct ms_pieces *in, struct ms_pieces *out)
{
    struct stretches spare = {0};
    struct ms_pieces words = {0};
    struct ms_buf b = {0};
    int32_t as[256];
    bool ok = true;
    for (int i = 0; i < 256; i++)
        as[i] = ms_byte_char((unsigned char)i);
    for (size_t i = 0; ok && i < in->n; i++) {
        const struct ms_piece *p = &in->piece[i];
        const char *text = in->text.p + p->at;
        b.n = 0;
        if (z->prefix && text[0] != ' ')
            ms_buf_adds(&b, " ");
        ms_buf_add(&b, text, p->n);
        if (z->pattern)
            ok = !b.failed && cut(z, b.p, b.n, p->first, &spare, &words);
        else
            ms_pieces_add(&words, b.p ? b.p : "", b.n, p->first);
    }
    for (size_t i = 0; ok && i < words.n; i++) {
        b.n = 0;
        for (size_t k = 0; k < words.piece[i].n; k++)
            ms_utf8_add(&b, as[(unsigned char)words.text.p[words.piece[i].at + k]]);
        ms_pieces_add(out, b.p, b.n, words.piece[i].first);
    }
    ok = ok && !b.failed && !words.failed && !out->failed;
    free(spare.v);
    ms_pieces_finish(&words);
    ms_buf_finish(&b);
    return ok;
}

static bool run_metaspace(const struct step *z, const struct ms_pieces *in, struct ms_pieces *out)
{
    struct stretches spare = {0};
    struct ms_buf b = {0};
    size_t n_sign = strlen(z->sign);
    bool ok = true;
    for (size_t i = 0; ok && i < in->n; i++) {
        const struct ms_piece *p = &in->piece[i];
        const char *text = in->text.p + p->at;
        bool has = text[0] == ' ' || (p->n >= n_sign && memcmp(text, z->sign, n_sign) == 0);
        b.n = 0;
        if (z->prefix && !has && (p->first || !z->only_first))
            ms_buf_adds(&b, z->sign);
        for (size_t k = 0; k < p->n; k++) {
            if (text[k] == ' ')
                ms_buf_add(&b, z->sign, n_sign);
            else
                ms_buf_add(&b, text + k, 1);
        }
        if (b.failed)
            ok = false;
        else if (z->split)
            ok = cut(z, b.p, b.n, p->first, &spare, out);
        else
            ms_pieces_add(out, b.p, b.n, p->first);
    }
    free(spare.v);
    ms_buf_finish(&b);
    return ok && !out->failed;
}

/* ---- reading ---- */

static enum ms_status read_step(const struct ms_tokenizer_place *p, const json_t *o,
                                struct ms_splitter *s);

static bool flag(const json_t *o, const char *key, bool fallback)
{
    const json_t *v = json_object_get(o, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

static enum ms_status read_behavior(const struct ms_tokenizer_place *p, const json_t *o,
                                    struct step *y)
{
    const char *word = json_string_value(json_object_get(o, "behavior"));
    y->run = run_cut;
    y->behavior = ISOLATED;
    y->invert = flag(o, "invert", false);
    for (int b = 0; word && b < N_BEHAVIORS; b++)
        if (strcmp(word, behaviors[b]) == 0) {
            y->behavior = (enum behavior)b;
            return MS_OK;
        }
    return word ? ms_tokenizer_refuse(p, "pre_tokenizer.behavior", word) : MS_OK;
}

/* GPT-2's pattern: contractions, words, numbers, signs, spaces. */
static enum ms_status read_bytes(const struct ms_tokenizer_place *p, const json_t *o,
                                 struct step *y)
{
    static const char *const words = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|"
                                     " ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    y->run = run_bytes;
    y->behavior = ISOLATED;
    y->prefix = flag(o, "add_prefix_space", true);
    return flag(o, "use_regex", true) ? ms_regex_make(p, "pre_tokenizer", words, false, &y->pattern)
                                      : MS_OK;
}

/* Old files say add_prefix_space, new ones prepend_scheme. */
static enum ms_status read_metaspace(const struct ms_tokenizer_place *p, const json_t *o,
                                     struct step *y)
{
    const char *sign = json_string_value(json_object_get(o, "replacement")),
               *scheme = json_string_value(json_object_get(o, "prepend_scheme"));
    y->run = run_metaspace;
    y->behavior = WITH_NEXT;
    y->prefix = flag(o, "add_prefix_space", true);
    if (scheme && strcmp(scheme, "first") != 0 && strcmp(scheme, "always") != 0 &&
        strcmp(scheme, "never") != 0)
        return ms_tokenizer_refuse(p, "pre_tokenizer.prepend_scheme", scheme);
    if (scheme)
        y->prefix = strcmp(scheme, "never") != 0;
    y->only_first = scheme && strcmp(scheme, "first") == 0;
    y->split = flag(o, "split", true);
    y->sign = strdup(sign && *sign ? sign : "\xe2\x96\x81");
    if (!y->sign)
        return ms_err_set(p->err, MS_NOMEM, "out of memory");
    return y->split ? ms_regex_make(p, "pre_tokenizer", y->sign, true, &y->pattern) : MS_OK;
}

static enum ms_status read_sequence(const struct ms_tokenizer_place *p, const json_t *list,
                                    struct ms_splitter *s)
{
    size_t i;
    json_t *one;
    enum ms_status status =
        json_is_array(list) ? MS_OK : ms_tokenizer_refuse(p, "pre_tokenizer", "no list");
    json_array_foreach(list, i, one)
    {
        if (status == MS_OK)
            status = read_step(p, one, s);
    }
    return status;
}

static struct step *next_step(struct ms_splitter *s)
{
    return s->n < MOST_STEPS ? &s->step[s->n++] : NULL;
}

static enum ms_status read_simple(const struct ms_tokenizer_place *p, const json_t *o,
                                  const char *type, struct ms_splitter *s, struct step *y)
{
    y->run = run_cut;
    if (strcmp(type, "Digits") == 0) {
        y->is = ms_char_number;
        y->behavior = flag(o, "individual_digits", false) ? ISOLATED : CONTIGUOUS;
    } else if (strcmp(type, "Punctuation") == 0) {
        y->is = ms_char_punct;
        return read_behavior(p, o, y);
    } else if (strcmp(type, "WhitespaceSplit") == 0) {
        y->is = ms_char_space;
        y->behavior = REMOVED;
    } else if (strcmp(type, "Whitespace") == 0) {
        y->invert = true;
        y->behavior = REMOVED;
        return ms_regex_make(p, "pre_tokenizer", "\\w+|[^\\w\\s]+", false, &y->pattern);
    } else if (strcmp(type, "BertPreTokenizer") == 0) {
        struct step *z = next_step(s);
        if (!z)
            return ms_tokenizer_refuse(p, "pre_tokenizer", "a sequence of more than 32");
        y->is = ms_char_space;
        y->behavior = REMOVED;
        *z = (struct step){.run = run_cut, .is = ms_char_punct, .behavior = ISOLATED};
    } else if (strcmp(type, "CharDelimiterSplit") == 0) {
        y->behavior = REMOVED;
        return ms_regex_read(p, "pre_tokenizer.delimiter", json_object_get(o, "delimiter"),
                             &y->pattern);
    } else {
        return ms_tokenizer_refuse(p, "pre_tokenizer", type);
    }
    return MS_OK;
}

static enum ms_status read_step(const struct ms_tokenizer_place *p, const json_t *o,
                                struct ms_splitter *s)
{
    const char *type = json_string_value(json_object_get(o, "type"));
    if (!type)
        return ms_tokenizer_refuse(p, "pre_tokenizer", "a pre-tokenizer without type");
    if (strcmp(type, "Sequence") == 0)
        return read_sequence(p, json_object_get(o, "pretokenizers"), s);
    struct step *y = next_step(s);
    if (!y)
        return ms_tokenizer_refuse(p, "pre_tokenizer", "a sequence of more than 32");
    if (strcmp(type, "ByteLevel") == 0)
        return read_bytes(p, o, y);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(p, o, y);
    if (strcmp(type, "Split") != 0)
        return read_simple(p, o, type, s, y);
    enum ms_status status = read_behavior(p, o, y);
    return status == MS_OK ? ms_regex_read(p, "pre_tokenizer.pattern",
                                           json_object_get(o, "pattern"), &y->pattern)
                           : status;
}

enum ms_status ms_splitter_read(const struct ms_tokenizer_place *p, const json_t *o,
                                struct ms_splitter **out)
{
    if (!o || json_is_null(o))
        return MS_OK;
    *out = calloc(1, sizeof **out);
    return *out ? read_step(p, o, *out) : ms_err_set(p->err, MS_NOMEM, "out of memory");
}

void ms_splitter_free(struct ms_splitter *s)
{
    for (int i = 0; s && i < s->n; i++) {
        ms_regex_free(s->step[i].pattern);
        free(s->step[i].sign);
    }
    free(s);
}

bool ms_splitter_run(const struct ms_splitter *s, struct ms_pieces *p, struct ms_pieces *spare)
{
    for (int i = 0; s && i < s->n; i++) {
        ms_pieces_clear(spare);
        if (!s->step[i].run(&s->step[i], p, spare))
            return false;
        struct ms_pieces swap = *p;
        *p = *spare;
        *spare = swap;
    }
    return true;
}
