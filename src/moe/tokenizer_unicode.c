/* Characters for the tokenizer: UTF-8 forwards and backwards, and the classes that its rules ask
 * for, by utf8proc's tables. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "moe/tokenizer_parts.h"

int32_t ms_utf8_at(const char *text, size_t left, size_t *n)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t got = utf8proc_iterate((const utf8proc_uint8_t *)text,
                                            (utf8proc_ssize_t)(left < 4 ? left : 4), &c);
    *n = got > 0 ? (size_t)got : 1;
    return got > 0 ? c : -1;
}

int32_t ms_utf8_before(const char *text, size_t at, size_t *n)
{
    size_t from = at;
    do
        from--;
    while (from > 0 && at - from < 4 && ((unsigned char)text[from] & 0xc0) == 0x80);
    *n = at - from;
    size_t got;
    return ms_utf8_at(text + from, at - from, &got);
}

void ms_utf8_add(struct ms_buf *b, int32_t c)
{
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char(c, bytes);
    ms_buf_add(b, bytes, n > 0 ? (size_t)n : 0);
}

size_t ms_utf8_bad(const char *text, size_t n)
{
    size_t at = 0, step;
    while (at < n) {
        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        if (ms_utf8_at(text + at, n - at, &step) < 0)
            return at;
        at += step;
    }
    return n;
}

static utf8proc_category_t category(int32_t c)
{
    return c < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(c);
}

bool ms_char_space(int32_t c)
{
    return (c >= 9 && c <= 13) || c == 32 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

bool ms_char_mark(int32_t c)
{
    utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME;
}

bool ms_char_number(int32_t c)
{
    utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool ms_char_punct(int32_t c)
{
    utf8proc_category_t k = category(c);
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126) || (k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO);
}

bool ms_char_word(int32_t c)
{
    utf8proc_category_t k = category(c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL) || k == UTF8PROC_CATEGORY_PC ||
           (c >= 0x24b6 && c <= 0x24e9); /* circled letters are Alphabetic */
}

/* Printable bytes stand for themselves, the others for the characters from 256 on, in order. */
int32_t ms_byte_char(unsigned char byte)
{
    int32_t next = 256;
    bool plain = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    if (plain)
        return byte;
    for (int b = 0; b < byte; b++)
        next += !((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174);
    return next;
}

void ms_pieces_finish(struct ms_pieces *p)
{
    ms_buf_finish(&p->text);
    free(p->piece);
    *p = (struct ms_pieces){0};
}

void ms_pieces_clear(struct ms_pieces *p)
{
    p->text.n = 0;
    p->n = 0;
}

void ms_pieces_add(struct ms_pieces *p, const char *text, size_t n, bool first)
{
    if (n == 0)
        return;
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        struct ms_piece *more = realloc(p->piece, cap * sizeof *more);
        p->failed |= !more;
        if (!more)
            return;
        p->piece = more;
        p->cap = cap;
    }
    p->piece[p->n++] = (struct ms_piece){p->text.n, n, first};
    ms_buf_add(&p->text, text, n);
    p->failed |= p->text.failed;
}

enum ms_status ms_tokenizer_refuse(const struct ms_tokenizer_place *p, const char *key,
                                   const char *what)
{
    return ms_err_at(p->err, MS_INVALID, p->path, 0, 0, key, "'%s' is not covered", what);
}
