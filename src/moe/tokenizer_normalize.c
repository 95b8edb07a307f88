/* Normalizers: what is done to the text before it is cut into pieces. Each takes a text and appends
 * another. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "moe/tokenizer_parts.h"

enum { MOST_STEPS = 32 };

struct step {
    bool (*run)(const struct step *z, const char *text, size_t n, struct ms_buf *out);
    utf8proc_option_t form;
    struct ms_regex *pattern;
    char *content;
    bool left, right;
};

struct ms_normalizer {
    struct step step[MOST_STEPS];
    int n;
};

static bool run_form(const struct step *z, const char *text, size_t n, struct ms_buf *out)
{
    utf8proc_uint8_t *made = NULL;
    bool ascii = true;
    for (size_t i = 0; i < n && ascii; i++)
        ascii = (unsigned char)text[i] < 0x80;
    if (ascii) { /* is in every normal form */
        ms_buf_add(out, text, n);
        return true;
    }
    utf8proc_ssize_t got = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, &made,
                                        z->form | UTF8PROC_STABLE);
    if (got >= 0)
        ms_buf_add(out, made, (size_t)got);
    free(made);
    return got >= 0;
}

static bool run_lower(const struct step *z, const char *text, size_t n, struct ms_buf *out)
{
    for (size_t at = 0, step; at < n; at += step) {
        int32_t c = ms_utf8_at(text + at, n - at, &step);
        if (c == 0x130) /* the one letter whose lower case is two */
            ms_buf_adds(out, "i\xcc\x87");
        else
            ms_utf8_add(out, utf8proc_tolower(c));
    }
    return true;
}

static bool run_strip(const struct step *z, const char *text, size_t n, struct ms_buf *out)
{
    size_t from = 0, to = n, step;
    while (z->left && from < to && ms_char_space(ms_utf8_at(text + from, to - from, &step)))
        from += step;
    while (z->right && to > from && ms_char_space(ms_utf8_before(text, to, &step)))
        to -= step;
    ms_buf_add(out, text + from, to - from);
    return true;
}

static bool run_accents(const struct step *z, const char *text, size_t n, struct ms_buf *out)
{
    for (size_t at = 0, step; at < n; at += step)
        if (!ms_char_mark(ms_utf8_at(text + at, n - at, &step)))
            ms_buf_add(out, text + at, step);
    return true;
}

static bool run_prepend(const struct step *z, const char *text, size_t n, struct ms_buf *out)
{
    ms_buf_adds(out, n ? z->content : "");
    ms_buf_add(out, text, n);
    return true;
}

static bool run_replace(const struct step *z, const char *text, size_t n, struct ms_buf *out)
{
    size_t from = 0, look = 0, start, end;
    int got = 0;
    while (look <= n && (got = ms_regex_find(z->pattern, text, n, look, &start, &end)) > 0) {
        ms_buf_add(out, text + from, start - from);
        ms_buf_adds(out, z->content);
        from = end;
        size_t step = 1;
        if (start == end && end < n)
            ms_utf8_at(text + end, n - end, &step);
        look = end > start ? end : end + step;
    }
    ms_buf_add(out, text + from, n - from);
    return got >= 0;
}

static bool run_bytes(const struct step *z, const char *text, size_t n, struct ms_buf *out)
{
    for (size_t i = 0; i < n; i++)
        ms_utf8_add(out, ms_byte_char((unsigned char)text[i]));
    return true;
}

static enum ms_status read_step(const struct ms_tokenizer_place *p, const json_t *o,
                                struct ms_normalizer *z);

static enum ms_status read_sequence(const struct ms_tokenizer_place *p, const json_t *list,
                                    struct ms_normalizer *z)
{
    size_t i;
    json_t *one;
    enum ms_status s =
        json_is_array(list) ? MS_OK : ms_tokenizer_refuse(p, "normalizer", "no list");
    json_array_foreach(list, i, one)
    {
        if (s == MS_OK)
            s = read_step(p, one, z);
    }
    return s;
}

static enum ms_status read_replace(const struct ms_tokenizer_place *p, const json_t *o,
                                   struct step *y)
{
    const char *content = json_string_value(json_object_get(o, "content"));
    y->run = run_replace;
    y->content = strdup(content ? content : "");
    if (!y->content)
        return ms_err_set(p->err, MS_NOMEM, "out of memory");
    return ms_regex_read(p, "normalizer.pattern", json_object_get(o, "pattern"), &y->pattern);
}

static enum ms_status read_step(const struct ms_tokenizer_place *p, const json_t *o,
                                struct ms_normalizer *z)
{
    static const struct {
        const char *type;
        int form;
    } forms[] = {{"NFC", UTF8PROC_COMPOSE},
                 {"NFD", UTF8PROC_DECOMPOSE},
                 {"NFKC", UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
                 {"NFKD", UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT}};
    const char *type = json_string_value(json_object_get(o, "type"));
    if (!type)
        return ms_tokenizer_refuse(p, "normalizer", "a normalizer without type");
    if (strcmp(type, "Sequence") == 0)
        return read_sequence(p, json_object_get(o, "normalizers"), z);
    if (z->n == MOST_STEPS)
        return ms_tokenizer_refuse(p, "normalizer", "a sequence of more than 32");
    struct step *y = &z->step[z->n++];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(type, forms[i].type) == 0) {
            y->run = run_form;
            y->form = (utf8proc_option_t)forms[i].form;
            return MS_OK;
        }
    if (strcmp(type, "Replace") == 0)
        return read_replace(p, o, y);
    if (strcmp(type, "Prepend") == 0) {
        const char *text = json_string_value(json_object_get(o, "prepend"));
        y->run = run_prepend;
        y->content = strdup(text ? text : "");
        return y->content ? MS_OK : ms_err_set(p->err, MS_NOMEM, "out of memory");
    }
    y->left = !json_is_false(json_object_get(o, "strip_left"));
    y->right = !json_is_false(json_object_get(o, "strip_right"));
    y->run = strcmp(type, "Lowercase") == 0      ? run_lower
             : strcmp(type, "Strip") == 0        ? run_strip
             : strcmp(type, "StripAccents") == 0 ? run_accents
             : strcmp(type, "ByteLevel") == 0    ? run_bytes
                                                 : NULL;
    return y->run ? MS_OK : ms_tokenizer_refuse(p, "normalizer", type);
}

enum ms_status ms_normalizer_read(const struct ms_tokenizer_place *p, const json_t *o,
                                  struct ms_normalizer **out)
{
    if (!o || json_is_null(o))
        return MS_OK;
    *out = calloc(1, sizeof **out);
    return *out ? read_step(p, o, *out) : ms_err_set(p->err, MS_NOMEM, "out of memory");
}

void ms_normalizer_free(struct ms_normalizer *z)
{
    for (int i = 0; z && i < z->n; i++) {
        ms_regex_free(z->step[i].pattern);
        free(z->step[i].content);
    }
    free(z);
}

bool ms_normalizer_run(const struct ms_normalizer *z, const char *text, size_t n,
                       struct ms_buf *out)
{
    struct ms_buf now = {0}, next = {0};
    bool ok = true;
    if (!z || z->n == 0) {
        ms_buf_add(out, text, n);
        return !out->failed;
    }
    ms_buf_add(&now, text, n);
    for (int i = 0; i < z->n && ok; i++) {
        next.n = 0;
        ok = z->step[i].run(&z->step[i], now.p ? now.p : "", now.n, &next) && !next.failed;
        struct ms_buf swap = now;
        now = next;
        next = swap;
    }
    if (ok)
        ms_buf_add(out, now.p ? now.p : "", now.n);
    ms_buf_finish(&now);
    ms_buf_finish(&next);
    return ok && !out->failed;
}
