/* Decides how a failure reads (place, key, sentence), how many of a file's errors are kept, and
 * which name a misspelt word is nearest to. */
#include "base/err.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MS_ERRS_PER_FILE = 20 };

/* Names and contents of files of strangers go into it: nothing in it may command a terminal. */
static void fill(struct ms_err *err, enum ms_status s, const char *file, int line, int col,
                 const char *key, const char *fmt, va_list ap)
{
    err->status = s;
    err->line = line;
    err->col = col;
    snprintf(err->file, sizeof err->file, "%s", file ? file : "");
    snprintf(err->key, sizeof err->key, "%s", key ? key : "");
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    ms_clean_line(err->file);
    ms_clean_line(err->key);
    ms_clean_line(err->text);
}

enum ms_status ms_err_set(struct ms_err *err, enum ms_status s, const char *fmt, ...)
{
    if (err && err->status == MS_OK) {
        va_list ap;
        va_start(ap, fmt);
        fill(err, s, NULL, 0, 0, NULL, fmt, ap);
        va_end(ap);
    }
    return s;
}

enum ms_status ms_err_at(struct ms_err *err, enum ms_status s, const char *file, int line, int col,
                         const char *key, const char *fmt, ...)
{
    if (err && err->status == MS_OK) {
        va_list ap;
        va_start(ap, fmt);
        fill(err, s, file, line, col, key, fmt, ap);
        va_end(ap);
    }
    return s;
}

static struct ms_err *push(struct ms_err **list, size_t *n, size_t *cap)
{
    if (*n == *cap) {
        size_t want = *cap ? 2 * *cap : 8;
        struct ms_err *p = realloc(*list, want * sizeof *p);
        if (!p)
            return NULL;
        *list = p;
        *cap = want;
    }
    return &(*list)[(*n)++];
}

void ms_errs_add(struct ms_errs *errs, const struct ms_err *err)
{
    struct ms_err *slot = push(&errs->e, &errs->n, &errs->cap);
    if (slot)
        *slot = *err;
}

void ms_errs_add_at(struct ms_errs *errs, enum ms_status s, const char *file, int line, int col,
                    const char *key, const char *fmt, ...)
{
    struct ms_err *slot = push(&errs->e, &errs->n, &errs->cap);
    if (!slot)
        return;
    va_list ap;
    va_start(ap, fmt);
    fill(slot, s, file, line, col, key, fmt, ap);
    va_end(ap);
}

void ms_errs_warn_at(struct ms_errs *errs, const char *file, int line, int col, const char *key,
                     const char *fmt, ...)
{
    struct ms_err *slot = push(&errs->warn, &errs->n_warnings, &errs->warn_cap);
    if (!slot)
        return;
    va_list ap;
    va_start(ap, fmt);
    fill(slot, MS_OK, file, line, col, key, fmt, ap);
    va_end(ap);
}

void ms_errs_finish(struct ms_errs *errs)
{
    free(errs->e);
    free(errs->warn);
    memset(errs, 0, sizeof *errs);
}

void ms_err_print(FILE *out, const struct ms_err *err, const char *kind)
{
    if (err->file[0])
        fprintf(out, "%s:", err->file);
    if (err->file[0] && err->line > 0)
        fprintf(out, "%d:", err->line);
    if (err->file[0] && err->line > 0 && err->col > 0)
        fprintf(out, "%d:", err->col);
    fprintf(out, "%s%s: ", err->file[0] ? " " : "moesim: ", kind);
    if (err->key[0])
        fprintf(out, "%s: ", err->key);
    fprintf(out, "%s\n", err->text);
}

/* What differs between two sentences of one kind: names in quotes and numbers. */
static const char *past_detail(const char *s)
{
    if (*s == '\'') {
        const char *end = strchr(s + 1, '\'');
        return end ? end + 1 : s;
    }
    while (isdigit((unsigned char)*s) || (*s == '.' && isdigit((unsigned char)s[1])))
        s++;
    return s;
}

static bool same_kind(const struct ms_err *a, const struct ms_err *b)
{
    const char *s = a->text, *t = b->text;
    if (strcmp(a->file, b->file) != 0 || strcmp(a->key, b->key) != 0)
        return false;
    while (*s && *t) {
        const char *u = past_detail(s), *v = past_detail(t);
        if ((u == s) != (v == t) || (u == s && *s != *t))
            return false;
        s = u == s ? s + 1 : u;
        t = v == t ? t + 1 : v;
    }
    return *s == *t;
}

/* The first of each kind in a file, and how many more there are like it. */
static void print_warnings(FILE *out, const struct ms_errs *errs)
{
    bool *told = calloc(errs->n_warnings + 1, sizeof *told);
    for (size_t i = 0; i < errs->n_warnings; i++) {
        size_t more = 0, last = i;
        if (told && told[i])
            continue;
        ms_err_print(out, &errs->warn[i], "warning");
        for (size_t k = i + 1; told && k < errs->n_warnings; k++)
            if (!told[k] && same_kind(&errs->warn[i], &errs->warn[k])) {
                told[k] = true;
                last = k;
                more++;
            }
        if (more == 1)
            ms_err_print(out, &errs->warn[last], "warning");
        else if (more)
            fprintf(out, "moesim: and %zu more like it\n", more);
    }
    free(told);
}

void ms_errs_print(FILE *out, const struct ms_errs *errs)
{
    print_warnings(out, errs);
    size_t in_file = 0, hidden = 0;
    for (size_t i = 0; i < errs->n; i++) {
        bool same = i && strcmp(errs->e[i].file, errs->e[i - 1].file) == 0;
        in_file = same ? in_file + 1 : 1;
        if (in_file > MS_ERRS_PER_FILE)
            hidden++;
        else
            ms_err_print(out, &errs->e[i], "error");
    }
    if (hidden)
        fprintf(out, "moesim: %zu more error%s not shown (%d a file)\n", hidden,
                hidden == 1 ? "" : "s", MS_ERRS_PER_FILE);
}

int ms_exit_code(enum ms_status s)
{
    switch (s) {
    case MS_NOMEM:
        return MS_INTERNAL;
    case MS_INFEASIBLE:
        return MS_INVALID;
    case MS_INTERRUPTED:
        return 130;
    default:
        return (int)s;
    }
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Optimal string alignment distance; words longer than the table never match. */
static size_t distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t n = strlen(a), m = strlen(b), d[MAX + 1][MAX + 1];
    if (n > MAX || m > MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            size_t same = a[i - 1] == b[j - 1] ? 0 : 1;
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + same);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    return d[n][m];
}

const char *ms_nearest(const char *word, const char *const *names, size_t n)
{
    size_t limit = strlen(word) / 3, best = SIZE_MAX;
    const char *found = NULL;
    if (limit < 1)
        limit = 1;
    for (size_t i = 0; i < n; i++) {
        size_t d = names[i] ? distance(word, names[i]) : SIZE_MAX;
        if (d <= limit && d < best) {
            best = d;
            found = names[i];
        }
    }
    return found;
}

const char *ms_allowed(char *out, size_t size, const char *word, const char *const *names, size_t n)
{
    size_t at = 0;
    out[0] = 0;
    if (n <= 16)
        for (size_t i = 0; i < n && at < size; i++)
            at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "; allowed: ", names[i]);
    const char *near = ms_nearest(word, names, n);
    if (near && at < size)
        snprintf(out + at, size - at, "; did you mean '%s'?", near);
    return out;
}

/* Bytes of the UTF-8 character at p, 0: it is none. */
static int character(const unsigned char *p)
{
    int n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if (p[i] >> 6 != 2)
            return 0;
    return n;
}

/* C0, DEL, C1, and what turns the direction of writing. */
static bool commands(const unsigned char *p, int n)
{
    if (n == 1)
        return p[0] < 0x20 || p[0] == 0x7f;
    if (n == 2)
        return p[0] < 0xc2 || (p[0] == 0xc2 && p[1] < 0xa0);
    return n == 3 && p[0] == 0xe2 &&
           ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
            (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

static char *clean(char *text, bool lines)
{
    unsigned char *out = (unsigned char *)text, *p = out;
    while (*p) {
        int n = character(p);
        if (lines && (*p == '\n' || *p == '\t')) {
            *out++ = *p++;
        } else if (n == 0 || commands(p, n)) {
            *out++ = '?';
            p += n ? n : 1;
        } else {
            memmove(out, p, (size_t)n);
            out += n;
            p += n;
        }
    }
    *out = 0;
    return text;
}

char *ms_clean_line(char *text)
{
    return clean(text, false);
}

char *ms_clean_lines(char *text)
{
    return clean(text, true);
}

const char *ms_clean(const char *text, char *out, size_t size)
{
    size_t limit = size - 4 < 60 ? size - 4 : 60, n = strlen(text);
    bool cut = n > limit;
    n = cut ? limit : n;
    memcpy(out, text, n);
    while (cut && n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) /* no half a character */
        n--;
    out[n] = 0;
    ms_clean_line(out);
    return cut ? strcat(out, "...") : out;
}

void ms_print_clean(FILE *out, const char *fmt, ...)
{
    char text[8192];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fputs(ms_clean_lines(text), out);
}
