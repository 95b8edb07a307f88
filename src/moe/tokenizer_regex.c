/* Patterns of tokenizer.json on PCRE2: what Oniguruma's syntax means otherwise is rewritten, and
 * what cannot be is refused. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "moe/tokenizer_parts.h"

struct ms_regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    char *plain; /* or a string */
    size_t n;
};

/* Unicode's White_Space and Oniguruma's word characters; PCRE2's differ in a few. */
#define SPACES                                                                                     \
    "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"                     \
    "\\x{202f}\\x{205f}\\x{3000}"
#define WORDS "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}"

/* One escape; *p stands on the letter behind the backslash. false: it is not covered */
static bool translate_escape(const char **p, bool class, struct ms_buf *out)
{
    char c = **p;
    switch (c) {
    case 's':
        ms_buf_adds(out, class ? SPACES : "[" SPACES "]");
        return true;
    case 'S':
        ms_buf_adds(out, class ? "\\S" : "[^" SPACES "]");
        return true;
    case 'w':
        ms_buf_adds(out, class ? WORDS : "[" WORDS "]");
        return true;
    case 'W':
        ms_buf_adds(out, class ? "\\W" : "[^" WORDS "]");
        return true;
    case 'h': /* a hexadecimal digit */
        ms_buf_adds(out, class ? "0-9a-fA-F" : "[0-9a-fA-F]");
        return true;
    case 'u': {
        char digits[5] = {0};
        for (int i = 0; i < 4; i++) {
            digits[i] = (*p)[1 + i];
            if (!strchr("0123456789abcdefABCDEF", digits[i]) || !digits[i])
                return false;
        }
        ms_buf_printf(out, "\\x{%s}", digits);
        *p += 4;
        return true;
    }
    case 'H':
    case 'y':
    case 'Y':
    case 'O':
    case 0:
        return false;
    default:
        ms_buf_add(out, "\\", 1);
        ms_buf_add(out, &c, 1);
        return true;
    }
}

/* The inside of [...]; *p stands behind the bracket, at the end on the closing one. Sets in sets
 * and intersections are Oniguruma's own. */
static bool translate_class(const char **p, struct ms_buf *out)
{
    const char *start = *p + (**p == '^');
    for (; **p; (*p)++) {
        if (**p == ']' && *p > start)
            return true;
        if ((*p)[0] == '[' && (*p)[1] == ':') {
            const char *end = strstr(*p, ":]");
            if (!end)
                return false;
            ms_buf_add(out, *p, (size_t)(end + 2 - *p));
            *p = end + 1;
        } else if (**p == '[' || ((*p)[0] == '&' && (*p)[1] == '&')) {
            return false;
        } else if (**p == '\\') {
            ++*p;
            if (!translate_escape(p, true, out))
                return false;
        } else {
            ms_buf_add(out, *p, 1);
        }
    }
    return false;
}

static bool translate(const char *p, struct ms_buf *out)
{
    for (; *p; p++) {
        if (*p == '[') {
            ms_buf_add(out, p++, 1);
            if (!translate_class(&p, out))
                return false;
            ms_buf_adds(out, "]");
        } else if (*p == '\\') {
            p++;
            if (!translate_escape(&p, false, out))
                return false;
        } else if (strncmp(p, "{,", 2) == 0) {
            ms_buf_adds(out, "{0,");
            p++;
        } else {
            ms_buf_add(out, p, 1);
        }
    }
    return true;
}

static enum ms_status compile(const struct ms_tokenizer_place *p, const char *key,
                              const char *pattern, struct ms_regex *r)
{
    struct ms_buf text = {0};
    int why = 0;
    PCRE2_SIZE at = 0;
    if (!translate(pattern, &text)) {
        ms_buf_finish(&text);
        return ms_tokenizer_refuse(p, key, pattern);
    }
    if (!text.failed)
        r->code = pcre2_compile((PCRE2_SPTR)(text.p ? text.p : ""), text.n,
                                PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK, &why,
                                &at, NULL);
    bool failed = text.failed;
    ms_buf_finish(&text);
    if (failed)
        return ms_err_set(p->err, MS_NOMEM, "out of memory");
    if (!r->code) {
        PCRE2_UCHAR says[160];
        pcre2_get_error_message(why, says, sizeof says);
        return ms_err_at(p->err, MS_INVALID, p->path, 0, 0, key, "'%s': %s", pattern,
                         (const char *)says);
    }
    bool fast = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
    r->match = pcre2_match_data_create_from_pattern(r->code, NULL);
    r->context = pcre2_match_context_create(NULL);
    r->stack = fast ? pcre2_jit_stack_create(32 << 10, 4 << 20, NULL) : NULL;
    if (!r->match || !r->context || (fast && !r->stack))
        return ms_err_set(p->err, MS_NOMEM, "out of memory");
    if (r->stack)
        pcre2_jit_stack_assign(r->context, NULL, r->stack);
    return MS_OK;
}

enum ms_status ms_regex_make(const struct ms_tokenizer_place *p, const char *key,
                             const char *pattern, bool plain, struct ms_regex **out)
{
    struct ms_regex *r = calloc(1, sizeof *r);
    if (!r)
        return ms_err_set(p->err, MS_NOMEM, "out of memory");
    enum ms_status s = MS_OK;
    if (plain) {
        r->n = strlen(pattern);
        r->plain = strdup(pattern);
        s = !r->plain   ? ms_err_set(p->err, MS_NOMEM, "out of memory")
            : r->n == 0 ? ms_tokenizer_refuse(p, key, "an empty string")
                        : MS_OK;
    } else {
        s = compile(p, key, pattern, r);
    }
    if (s != MS_OK) {
        ms_regex_free(r);
        return s;
    }
    *out = r;
    return MS_OK;
}

void ms_regex_free(struct ms_regex *r)
{
    if (!r)
        return;
    pcre2_match_data_free(r->match);
    pcre2_match_context_free(r->context);
    pcre2_jit_stack_free(r->stack);
    pcre2_code_free(r->code);
    free(r->plain);
    free(r);
}

static int find_plain(const struct ms_regex *r, const char *text, size_t n, size_t from,
                      size_t *start, size_t *end)
{
    for (const char *p = text + from; (size_t)(text + n - p) >= r->n; p++) {
        p = memchr(p, r->plain[0], (size_t)(text + n - p) - r->n + 1);
        if (!p)
            return 0;
        if (memcmp(p, r->plain, r->n) == 0) {
            *start = (size_t)(p - text);
            *end = *start + r->n;
            return 1;
        }
    }
    return 0;
}

int ms_regex_find(const struct ms_regex *r, const char *text, size_t n, size_t from, size_t *start,
                  size_t *end)
{
    if (r->plain)
        return find_plain(r, text, n, from, start, end);
    int got =
        pcre2_match(r->code, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK, r->match, r->context);
    if (got == PCRE2_ERROR_NOMATCH)
        return 0;
    if (got < 0)
        return -1;
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(r->match);
    *start = v[0];
    *end = v[1];
    return 1;
}

enum ms_status ms_regex_read(const struct ms_tokenizer_place *p, const char *key, const json_t *o,
                             struct ms_regex **out)
{
    const char *plain = json_string_value(json_object_get(o, "String")),
               *regex = json_string_value(json_object_get(o, "Regex"));
    if (json_is_string(o))
        plain = json_string_value(o);
    if (!plain && !regex)
        return ms_tokenizer_refuse(p, key, "a pattern that is neither String nor Regex");
    return ms_regex_make(p, key, plain ? plain : regex, plain != NULL, out);
}
