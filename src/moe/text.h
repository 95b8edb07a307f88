/** @file text.h  Where token ids come from: texts through a checkpoint's tokenizer (bytes where it
 *  has none and its vocabulary is 256), or an array of ids.
 *
 *  Texts may be gzipped; a tokenizer puts its special tokens around none of them: a text is cut
 *  into windows, and only the first would have them. */
#ifndef MS_MOE_TEXT_H
#define MS_MOE_TEXT_H

#include "base/file.h"
#include "base/hash.h"
#include "moe/perplexity.h"
#include "moe/tokenizer.h"

/** How texts become ids for one checkpoint. Zero-initialise; finish frees. */
struct ms_text_codec {
    struct ms_tokenizer *tokenizer; /**< NULL: bytes */
    const char *folder;             /**< borrowed, for messages */
};

/** @param folder of the checkpoint; tokenizer.json in it is taken  @param vocab of the model
 *  @return MS_OK; MS_INVALID: neither a tokenizer nor bytes, or a tokenizer with more ids than the
 *  model has; MS_IO; MS_NOMEM */
enum ms_status ms_text_codec_open(struct ms_text_codec *c, const char *folder, int vocab,
                                  struct ms_err *err);
void ms_text_codec_finish(struct ms_text_codec *c);

/** Ids of one text or array. Zero-initialise; finish frees. */
struct ms_token_text {
    const char *path; /**< borrowed */
    struct ms_token_ids ids;
    struct ms_hash source; /**< of a text's bytes */
    size_t row; /**< an array of rows: N+1 ids each; 0: a stream that windows are cut from */
};

/** Read a text and turn it into ids. */
enum ms_status ms_token_text_read(const struct ms_text_codec *c, const char *path,
                                  struct ms_token_text *out, struct ms_err *err);
/** Read ids from an .npy: whole numbers [windows][N+1], or a stream [n]. */
enum ms_status ms_token_text_npy(const char *path, int vocab, struct ms_token_text *out,
                                 struct ms_err *err);
void ms_token_text_finish(struct ms_token_text *t);
/** Windows of N tokens; of an array of rows, N is theirs. */
struct ms_windows ms_token_text_windows(const struct ms_token_text *t, int N);

/** Append a text file's bytes, unpacked where it is gzip. @return as ms_file_read */
enum ms_status ms_text_read(const char *path, struct ms_buf *out, struct ms_err *err);

#endif
