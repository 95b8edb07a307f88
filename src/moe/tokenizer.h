/** @file tokenizer.h  Text to token ids as a Hugging Face tokenizer.json says.
 *
 *  What is computed: added and special tokens (single_word, lstrip, rstrip, normalized), the
 *  normalizers NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, Replace, ByteLevel
 *  and their Sequence; the pre-tokenizers ByteLevel, Split, Metaspace, Digits, Punctuation,
 *  Whitespace, WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer and their Sequence; the model
 *  BPE (merges as strings or pairs, byte_fallback, ignore_merges, unk, prefix and suffix); the
 *  post-processors TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and their
 *  Sequence. Anything else is refused by its name. Truncation and padding do not act. Semantics:
 *  github.com/huggingface/tokenizers. Ids are those of transformers, tested against them. */
#ifndef MS_MOE_TOKENIZER_H
#define MS_MOE_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ms_tokenizer;

/** Ids of a text; zero-initialise, free(ids). */
struct ms_token_ids {
    int32_t *id; /**< [n] */
    size_t n, cap;
};

/** Read a tokenizer.json. @return MS_OK; MS_INVALID naming the part that is not covered; MS_IO;
 *  MS_NOMEM */
enum ms_status ms_tokenizer_open(const char *path, struct ms_tokenizer **out, struct ms_err *err);
void ms_tokenizer_close(struct ms_tokenizer *t);
/** One more than the highest id it can give. */
int ms_tokenizer_vocab(const struct ms_tokenizer *t);
/** Append the ids of n bytes of UTF-8. @param special put the post-processor's special tokens around
 *  them  @param path of the text, for messages
 *  @return MS_OK; MS_INVALID: not UTF-8; MS_NOMEM */
enum ms_status ms_tokenizer_encode(struct ms_tokenizer *t, const char *path, const char *text,
                                   size_t n, bool special, struct ms_token_ids *out,
                                   struct ms_err *err);

#endif
