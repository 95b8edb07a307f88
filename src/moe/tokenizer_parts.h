/** @file tokenizer_parts.h  The stages of a tokenizer and what passes between them: a text cut into
 *  pieces, each normalized, split, and turned into ids. */
#ifndef MS_MOE_TOKENIZER_PARTS_H
#define MS_MOE_TOKENIZER_PARTS_H

#include <jansson.h>

#include "base/arena.h"
#include "base/file.h"
#include "moe/tokenizer.h"

/** A stretch of a text; `first`: it starts where the whole text does. */
struct ms_piece {
    size_t at, n;
    bool first;
};

/** Pieces of one buffer, in order. */
struct ms_pieces {
    struct ms_buf text;
    struct ms_piece *piece; /**< [n] */
    size_t n, cap;
    bool failed;
};

void ms_pieces_finish(struct ms_pieces *p);
void ms_pieces_clear(struct ms_pieces *p);
/** Append n bytes as a piece of their own; nothing where n is 0. */
void ms_pieces_add(struct ms_pieces *p, const char *text, size_t n, bool first);

/** Where messages point to. */
struct ms_tokenizer_place {
    const char *path;
    struct ms_err *err;
};
/** "is not covered" by the JSON path and its type. @return MS_INVALID */
enum ms_status ms_tokenizer_refuse(const struct ms_tokenizer_place *p, const char *key,
                                   const char *what);

/* tokenizer_regex.c: Oniguruma's patterns, as the tokenizers library compiles them, on PCRE2. */
struct ms_regex;
/** A regular expression, or a plain string to look for. */
enum ms_status ms_regex_make(const struct ms_tokenizer_place *p, const char *key,
                             const char *pattern, bool plain, struct ms_regex **out);
void ms_regex_free(struct ms_regex *r);
/** The first match at or after `from`. @return 1, 0 none, -1 it failed (steps or memory) */
int ms_regex_find(const struct ms_regex *r, const char *text, size_t n, size_t from, size_t *start,
                  size_t *end);
/** {"String": …} or {"Regex": …} */
enum ms_status ms_regex_read(const struct ms_tokenizer_place *p, const char *key, const json_t *o,
                             struct ms_regex **out);

/* tokenizer_unicode.c */
/** The character at text, its bytes into *n (1 where it is no UTF-8). */
int32_t ms_utf8_at(const char *text, size_t left, size_t *n);
/** The character that ends before `at`, its bytes into *n. */
int32_t ms_utf8_before(const char *text, size_t at, size_t *n);
void ms_utf8_add(struct ms_buf *b, int32_t c);
/** The place of the first byte that is not UTF-8, or n. */
size_t ms_utf8_bad(const char *text, size_t n);
bool ms_char_space(int32_t c);  /**< White_Space */
bool ms_char_word(int32_t c);   /**< \w */
bool ms_char_number(int32_t c); /**< N */
bool ms_char_punct(int32_t c);  /**< ASCII punctuation, or P */
bool ms_char_mark(int32_t c);   /**< M */
/** The character that stands for a byte in byte-level vocabularies (GPT-2's bytes_to_unicode). */
int32_t ms_byte_char(unsigned char byte);

/* tokenizer_normalize.c */
struct ms_normalizer;
enum ms_status ms_normalizer_read(const struct ms_tokenizer_place *p, const json_t *o,
                                  struct ms_normalizer **out);
void ms_normalizer_free(struct ms_normalizer *z);
/** Append the normalized text. @return false: no memory, or a pattern that failed */
bool ms_normalizer_run(const struct ms_normalizer *z, const char *text, size_t n,
                       struct ms_buf *out);

/* tokenizer_split.c */
struct ms_splitter;
enum ms_status ms_splitter_read(const struct ms_tokenizer_place *p, const json_t *o,
                                struct ms_splitter **out);
void ms_splitter_free(struct ms_splitter *s);
/** Cut every piece further; uses `spare` in between. @return false as above */
bool ms_splitter_run(const struct ms_splitter *s, struct ms_pieces *p, struct ms_pieces *spare);

/* tokenizer_bpe.c */
struct ms_bpe;
enum ms_status ms_bpe_read(const struct ms_tokenizer_place *p, const json_t *o,
                           struct ms_bpe **out);
void ms_bpe_free(struct ms_bpe *b);
/** The id of a whole token, or -1. */
int32_t ms_bpe_id(const struct ms_bpe *b, const char *text, size_t n);
int32_t ms_bpe_top(const struct ms_bpe *b); /**< the highest id */
/** Append the ids of one piece. @return false: no memory */
bool ms_bpe_run(struct ms_bpe *b, const char *text, size_t n, struct ms_token_ids *out);
bool ms_token_ids_add(struct ms_token_ids *t, int32_t id);

#endif
