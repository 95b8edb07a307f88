/* Decides how a checkpoint's texts become token ids, and reads texts and arrays of ids into
 * memory. */
#include "moe/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/inflate.h"
#include "base/npy.h"

enum ms_status ms_text_codec_open(struct ms_text_codec *c, const char *folder, int vocab,
                                  struct ms_err *err)
{
    char path[4096];
    *c = (struct ms_text_codec){.folder = folder};
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    if (access(path, F_OK) == 0) {
        enum ms_status s = ms_tokenizer_open(path, &c->tokenizer, err);
        if (s == MS_OK && ms_tokenizer_vocab(c->tokenizer) > vocab)
            s = ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                          "has ids up to %d, but the model's vocabulary is %d",
                          ms_tokenizer_vocab(c->tokenizer) - 1, vocab);
        return s;
    }
    if (vocab == 256)
        return MS_OK;
    return ms_err_at(err, MS_INVALID, folder, 0, 0, NULL,
                     "has a vocabulary of %d tokens and no tokenizer.json: put the model's "
                     "tokenizer.json beside its weights, or give token ids (an .npy) instead of "
                     "text",
                     vocab);
}

void ms_text_codec_finish(struct ms_text_codec *c)
{
    ms_tokenizer_close(c->tokenizer);
    *c = (struct ms_text_codec){0};
}

enum ms_status ms_text_read(const char *path, struct ms_buf *out, struct ms_err *err)
{
    return ms_file_read_unpacked(NULL, path, 0, out, err);
}

enum ms_status ms_token_text_read(const struct ms_text_codec *c, const char *path,
                                  struct ms_token_text *out, struct ms_err *err)
{
    struct ms_buf text = {0};
    enum ms_status s = ms_text_read(path, &text, err);
    *out = (struct ms_token_text){.path = path, .source = ms_hash128(text.p, text.n)};
    if (s == MS_OK && c->tokenizer) {
        s = ms_tokenizer_encode(c->tokenizer, path, text.p ? text.p : "", text.n, false, &out->ids,
                                err);
    } else if (s == MS_OK && text.n) {
        out->ids.n = out->ids.cap = text.n;
        out->ids.id = malloc(text.n * sizeof *out->ids.id);
        if (!out->ids.id)
            s = ms_err_set(err, MS_NOMEM, "no memory for the %zu bytes of %s", text.n, path);
        for (size_t i = 0; s == MS_OK && i < text.n; i++)
            out->ids.id[i] = (unsigned char)text.p[i];
    }
    ms_buf_finish(&text);
    if (s != MS_OK)
        ms_token_text_finish(out);
    return s;
}

enum ms_status ms_token_text_npy(const char *path, int vocab, struct ms_token_text *out,
                                 struct ms_err *err)
{
    struct ms_npy a = {0};
    enum ms_status s = ms_npy_read(path, &a, err);
    *out = (struct ms_token_text){.path = path};
    if (s != MS_OK)
        return s;
    bool rows = a.n_dims == 2;
    if (a.type >= MS_NPY_F4 || a.n_dims > 2 || a.shape[0] < 1 || (rows && a.shape[1] < 2))
        s = ms_err_at(err, MS_INVALID, path, 0, 0, "--tokens",
                      "%d dimensions (%zu, %zu) of type %s; needed: whole numbers [windows, N+1], "
                      "or one row of them",
                      a.n_dims, a.shape[0], a.n_dims > 1 ? a.shape[1] : 0, ms_npy_descr(a.type));
    out->row = rows ? a.shape[1] : 0;
    if (s == MS_OK && !(out->ids.id = malloc(a.count * sizeof *out->ids.id)))
        s = ms_err_set(err, MS_NOMEM, "no memory for %zu tokens", a.count);
    for (size_t i = 0; s == MS_OK && i < a.count; i++) {
        int64_t v;
        if (!ms_npy_integer(&a, i, &v) || v < 0 || v >= vocab)
            s = ms_err_at(err, MS_INVALID, path, 0, 0, "--tokens",
                          "element %zu is %g, which is not a token of a vocabulary of %d", i,
                          ms_npy_number(&a, i), vocab);
        else
            out->ids.id[out->ids.n++] = (int32_t)v;
    }
    ms_npy_finish(&a);
    if (s != MS_OK)
        ms_token_text_finish(out);
    return s;
}

void ms_token_text_finish(struct ms_token_text *t)
{
    free(t->ids.id);
    *t = (struct ms_token_text){0};
}

struct ms_windows ms_token_text_windows(const struct ms_token_text *t, int N)
{
    if (t->row)
        return (struct ms_windows){t->ids.id, t->row, t->ids.n / t->row, (int)t->row - 1};
    return ms_windows_of(t->ids.id, t->ids.n, N);
}
