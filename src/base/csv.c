/* Decides where a field and a row of CSV end and which lines are none, and when a text must be
 * quoted to come back as it was. */
#include "base/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum ms_status ms_csv_open(struct ms_csv *c, struct ms_files *files, const char *path,
                           struct ms_err *err)
{
    enum ms_status s = ms_files_read(files, path, &c->text, err);
    return s == MS_OK ? ms_csv_start(c, path, err) : s;
}

enum ms_status ms_csv_start(struct ms_csv *c, const char *path, struct ms_err *err)
{
    c->path = path;
    c->next_line = 1;
    if (c->text.n != 0 && strlen(c->text.p) != c->text.n)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "is not text: it holds a NUL byte");
    if (c->text.n >= 3 && memcmp(c->text.p, "\xef\xbb\xbf", 3) == 0)
        c->at = 3;
    return MS_OK;
}

static char separator(const struct ms_csv *c)
{
    return c->separator ? c->separator : ',';
}

/* Past blank and comment lines. */
static void skip_lines(struct ms_csv *c)
{
    while (c->at < c->text.n) {
        size_t i = c->at + strspn(c->text.p + c->at, " \t\r");
        if (c->text.p[i] != '\n' && c->text.p[i] != '#' && i != c->text.n)
            return;
        i += strcspn(c->text.p + i, "\n");
        c->at = i + (i < c->text.n);
        c->next_line++;
    }
}

static bool push(struct ms_csv *c, char *field)
{
    if (c->n_fields == c->cap) {
        int cap = c->cap ? 2 * c->cap : 16;
        char **p = realloc(c->field, (size_t)cap * sizeof *p);
        if (p == NULL)
            return false;
        c->field = p;
        c->cap = cap;
    }
    c->field[c->n_fields++] = field;
    return true;
}

/* One quoted field, unescaped in place; *at stands behind the opening quote. NULL: it never
 * ends. */
static char *quoted(struct ms_csv *c, size_t *at)
{
    char *p = c->text.p, *start = p + *at, *out = start;
    size_t i = *at;
    for (; i < c->text.n; i++) {
        if (p[i] == '\n')
            c->next_line++;
        if (p[i] != '"') {
            *out++ = p[i];
        } else if (p[i + 1] == '"') {
            *out++ = p[i++];
        } else {
            *at = i + 1;
            *out = '\0';
            return start;
        }
    }
    return NULL;
}

static char *plain(struct ms_csv *c, size_t *at)
{
    char *start = c->text.p + *at, stops[3] = {separator(c), '\n', '\0'};
    *at += strcspn(start, stops);
    return start;
}

enum ms_status ms_csv_next(struct ms_csv *c, struct ms_err *err)
{
    c->n_fields = 0;
    skip_lines(c);
    c->line = c->next_line;
    if (c->at >= c->text.n)
        return MS_OK;
    size_t i = c->at;
    for (;;) {
        bool is_quoted = c->text.p[i] == '"';
        i += is_quoted;
        char *field = is_quoted ? quoted(c, &i) : plain(c, &i);
        if (field == NULL)
            return ms_err_at(err, MS_INVALID, c->path, c->line, 0, NULL,
                             "a quoted field never ends");
        char *end = c->text.p + i;
        if (is_quoted)
            end += strspn(end, separator(c) == '\t' ? " \r" : " \t\r");
        char stop = *end;
        if (stop != separator(c) && stop != '\n' && stop != '\0')
            return ms_err_at(err, MS_INVALID, c->path, c->line, 0, NULL,
                             "text after a closing quote in field %d", c->n_fields + 1);
        if (!push(c, field))
            return ms_err_set(err, MS_NOMEM, "out of memory");
        *end = '\0';
        if (!is_quoted && end > field && end[-1] == '\r')
            end[-1] = '\0';
        i = (size_t)(end - c->text.p) + (stop != '\0');
        if (stop != separator(c))
            break;
    }
    c->at = i;
    c->next_line++;
    return MS_OK;
}

void ms_csv_finish(struct ms_csv *c)
{
    ms_buf_finish(&c->text);
    free(c->field);
    *c = (struct ms_csv){0};
}

/* Most fields are plain whole numbers: up to 15 digits are exact in a double. */
static bool whole_number(const char *field, double *out)
{
    long long v = 0;
    int n = 0;
    for (; field[n] >= '0' && field[n] <= '9' && n < 16; n++)
        v = 10 * v + (field[n] - '0');
    if (n == 0 || n > 15 || field[n] != '\0')
        return false;
    *out = (double)v;
    return true;
}

bool ms_csv_number(const char *field, double *out)
{
    char *end;
    if (whole_number(field, out))
        return true;
    double v = strtod(field, &end);
    if (end == field || !isfinite(v))
        return false;
    if (end[strspn(end, " \t\r")] != '\0')
        return false;
    *out = v;
    return true;
}

bool ms_csv_index(const char *field, long max, long *out)
{
    double v;
    if (!ms_csv_number(field, &v) || v < 0 || v > (double)max || v != floor(v))
        return false;
    *out = (long)v;
    return true;
}

void ms_csv_cell(struct ms_buf *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        ms_buf_adds(out, text);
        return;
    }
    ms_buf_adds(out, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"')
            ms_buf_adds(out, "\"");
        ms_buf_add(out, c, 1);
    }
    ms_buf_adds(out, "\"");
}
