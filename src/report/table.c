/* Decides how wide each column of a table is, what is left out or shortened where the terminal is
 * narrow, and how many columns a UTF-8 text takes there. */
#define _GNU_SOURCE
#include "report/table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

enum { MAX_COLUMNS = 32, GAP = 2, DEFAULT_WIDTH = 140, LEAST_WIDTH = 60, LEAST_FIRST = 12 };

struct column {
    char *title;
    enum ms_align align;
    int spare;
};

struct cell {
    uint64_t text : 56; /* where it begins among the texts; 0 = empty */
    uint64_t style : 8;
};

/* A table may have as many rows as a sweep has cases: a row is its cells and their texts. */
struct ms_table {
    struct column column[MAX_COLUMNS];
    int n_columns;
    struct cell *cell; /* [n_rows][n_columns] */
    size_t n_rows, cap;
    struct ms_buf text; /* of all cells, each with its end */
    int at;             /* next cell of the last row */
    bool failed;
};

struct ms_term ms_term_of(FILE *f)
{
    struct ms_term t = {.width = DEFAULT_WIDTH};
    struct winsize w;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM"), *columns = getenv("COLUMNS");
    bool is_terminal = isatty(fileno(f));
    long told = columns ? strtol(columns, NULL, 10) : 0;
    if (is_terminal)
        t.colour = !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
    if (told > 0 && told < 10000)
        t.width = t.columns = (int)told;
    else if (is_terminal && ioctl(fileno(f), TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        t.width = t.columns = w.ws_col;
    if (t.width < LEAST_WIDTH)
        t.width = LEAST_WIDTH;
    return t;
}

const char *ms_style_begin(enum ms_style s, bool colour)
{
    static const char *const on[] = {"", "\033[2m", "\033[1m", "\033[32m", "\033[31m", "\033[33m"};
    return colour ? on[s] : "";
}

const char *ms_style_end(enum ms_style s, bool colour)
{
    return colour && s != MS_PLAIN ? "\033[0m" : "";
}

/* ---- widths ---- */

/* One code point; a byte that starts none stands for itself. @return bytes taken */
static int decode(const unsigned char *p, uint32_t *out)
{
    int n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    uint32_t c = n < 2 ? p[0] : p[0] & (0xffU >> (n + 1));
    for (int i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) {
            n = 0;
            break;
        }
        c = c << 6 | (p[i] & 63);
    }
    *out = n == 0 ? 0xfffd : c;
    return n == 0 ? 1 : n;
}

static int width_of(uint32_t c)
{
    if (c < 0x20 || (c >= 0x300 && c <= 0x36f) || (c >= 0x200b && c <= 0x200f) || c == 0xfeff)
        return 0;
    bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
                (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
                (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
                (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
    return wide ? 2 : 1;
}

int ms_text_width(const char *text)
{
    int width = 0;
    uint32_t c;
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        p += decode(p, &c);
        width += width_of(c);
    }
    return width;
}

/* Bytes of text that fit in `width` columns. */
static int bytes_within(const char *text, int width)
{
    const unsigned char *p = (const unsigned char *)text, *start = p;
    uint32_t c;
    while (*p) {
        int n = decode(p, &c);
        if ((width -= width_of(c)) < 0)
            break;
        p += n;
    }
    return (int)(p - start);
}

/* ---- building ---- */

struct ms_table *ms_table_create(void)
{
    return calloc(1, sizeof(struct ms_table));
}

void ms_table_destroy(struct ms_table *t)
{
    if (!t)
        return;
    for (int c = 0; c < t->n_columns; c++)
        free(t->column[c].title);
    free(t->cell);
    ms_buf_finish(&t->text);
    free(t);
}

void ms_table_column(struct ms_table *t, const char *title, enum ms_align align, int spare)
{
    if (!t || t->n_columns == MAX_COLUMNS || t->n_rows > 0)
        return;
    char *copy = strdup(title);
    t->failed |= !copy;
    if (copy)
        ms_clean_line(copy);
    t->column[t->n_columns++] = (struct column){copy, align, spare};
}

void ms_table_row(struct ms_table *t)
{
    if (!t || t->failed)
        return;
    size_t columns = (size_t)t->n_columns;
    if (t->n_rows == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 16;
        void *p = realloc(t->cell, cap * columns * sizeof *t->cell);
        if (!p) {
            t->failed = true;
            return;
        }
        t->cell = p;
        t->cap = cap;
    }
    if (columns > 0)
        memset(t->cell + t->n_rows * columns, 0, columns * sizeof *t->cell);
    t->n_rows++;
    t->at = 0;
}

static void add_cell(struct ms_table *t, enum ms_style style, const char *text)
{
    struct cell *cell = t->cell + (t->n_rows - 1) * (size_t)t->n_columns + t->at++;
    if (t->text.n == 0)
        ms_buf_add(&t->text, "", 1); /* nothing begins at 0 */
    size_t begin = t->text.n;
    ms_buf_add(&t->text, text, strlen(text) + 1);
    t->failed |= t->text.failed;
    if (t->failed)
        return;
    ms_clean_line(t->text.p + begin); /* names of files and axes are strangers' */
    t->text.n = begin + strlen(t->text.p + begin) + 1;
    *cell = (struct cell){begin & (UINT64_MAX >> 8), style};
}

void ms_table_cell(struct ms_table *t, enum ms_style style, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    if (!t || t->failed || t->n_rows == 0 || t->at >= t->n_columns)
        return;
    va_start(ap, fmt);
    if (strcmp(fmt, "%s") == 0) {
        add_cell(t, style, va_arg(ap, const char *));
    } else if (vasprintf(&text, fmt, ap) < 0) {
        t->failed = true;
    } else {
        add_cell(t, style, text);
        free(text);
    }
    va_end(ap);
}

/* ---- printing ---- */

struct layout {
    int width[MAX_COLUMNS]; /* 0 = dropped */
    int total, n_dropped;
};

static const struct cell *row_of(const struct ms_table *t, size_t r)
{
    return t->cell + r * (size_t)t->n_columns;
}

static const char *text_of(const struct ms_table *t, const struct cell *c)
{
    return c->text ? t->text.p + c->text : "";
}

static void measure(const struct ms_table *t, struct layout *l)
{
    l->total = -GAP;
    for (int c = 0; c < t->n_columns; c++) {
        l->width[c] = ms_text_width(t->column[c].title);
        for (size_t r = 0; r < t->n_rows; r++) {
            int w = ms_text_width(text_of(t, &row_of(t, r)[c]));
            l->width[c] = w > l->width[c] ? w : l->width[c];
        }
        l->total += l->width[c] + GAP;
    }
}

/* The column to leave out next: the most spare one left, the rightmost of equals; -1 = none. */
static int most_spare(const struct ms_table *t, const struct layout *l)
{
    int found = -1;
    for (int c = t->n_columns - 1; c >= 0; c--)
        if (l->width[c] > 0 && t->column[c].spare > 0 &&
            (found < 0 || t->column[c].spare > t->column[found].spare))
            found = c;
    return found;
}

static void fit(const struct ms_table *t, struct layout *l, int width)
{
    for (int c; l->total > width && (c = most_spare(t, l)) >= 0;) {
        l->total -= l->width[c] + GAP;
        l->width[c] = 0;
        l->n_dropped++;
    }
    if (l->total > width && t->n_columns > 0) {
        int less = l->width[0] - (l->total - width);
        l->width[0] = less < LEAST_FIRST && l->width[0] > LEAST_FIRST ? LEAST_FIRST
                      : less < 1                                      ? l->width[0]
                                                                      : less;
    }
}

/* Nothing goes in silence. */
static void tell_dropped(const struct ms_table *t, const struct layout *l, FILE *out, bool colour)
{
    const char *comma = "";
    fprintf(out, "%s(left out to fit: ", ms_style_begin(MS_DIM, colour));
    for (int c = 0; c < t->n_columns; c++)
        if (l->width[c] == 0) {
            fprintf(out, "%s%s", comma, t->column[c].title);
            comma = ", ";
        }
    fprintf(out, ")%s\n", ms_style_end(MS_DIM, colour));
}

static void pad(FILE *out, int n)
{
    for (; n > 0; n--)
        fputc(' ', out);
}

static void print_cell(FILE *out, const char *text, enum ms_style style, enum ms_align align,
                       int width, bool last, bool colour)
{
    int w = ms_text_width(text);
    const char *tail = "";
    int bytes = (int)strlen(text);
    if (w > width) {
        bytes = bytes_within(text, width - 1);
        tail = "…";
        w = width;
    }
    if (align == MS_RIGHT)
        pad(out, width - w);
    if (*text) {
        fputs(ms_style_begin(style, colour), out);
        fwrite(text, 1, (size_t)bytes, out);
        fputs(tail, out);
        fputs(ms_style_end(style, colour), out);
    }
    if (align == MS_LEFT && !last)
        pad(out, width - w);
}

/* cell NULL: the header. No blanks at the end of a line. */
static void print_line(const struct ms_table *t, const struct layout *l, const struct cell *cell,
                       FILE *out, bool colour)
{
    int last = t->n_columns - 1, printed = 0;
    while (last > 0 && (l->width[last] == 0 || (cell && !*text_of(t, &cell[last]))))
        last--;
    for (int c = 0; c <= last; c++) {
        if (l->width[c] == 0)
            continue;
        if (printed++)
            pad(out, GAP);
        print_cell(out, cell ? text_of(t, &cell[c]) : t->column[c].title,
                   cell ? (enum ms_style)cell[c].style : MS_DIM, t->column[c].align, l->width[c],
                   c == last, colour);
    }
    fputc('\n', out);
}

bool ms_table_print(const struct ms_table *t, FILE *out, const struct ms_term *term)
{
    struct layout l = {0};
    if (!t || t->failed)
        return false;
    measure(t, &l);
    fit(t, &l, term->width);
    print_line(t, &l, NULL, out, term->colour);
    for (size_t r = 0; r < t->n_rows; r++)
        print_line(t, &l, row_of(t, r), out, term->colour);
    if (l.n_dropped > 0)
        tell_dropped(t, &l, out, term->colour);
    return true;
}

/* ---- for documents ---- */

static void escaped(FILE *out, const char *text, bool latex)
{
    for (const char *p = text; *p; p++) {
        if (latex && strchr("&%$#_{}", *p))
            fprintf(out, "\\%c", *p);
        else if (latex && strchr("~^\\", *p))
            fprintf(out, "\\char%d{}", *p);
        else if (!latex && strchr("|*_`\\", *p))
            fprintf(out, "\\%c", *p);
        else
            fputc(*p, out);
    }
}

bool ms_table_markdown(const struct ms_table *t, FILE *out)
{
    if (!t || t->failed)
        return false;
    for (int c = 0; c < t->n_columns; c++) {
        fputs("| ", out);
        escaped(out, t->column[c].title, false);
        fputc(' ', out);
    }
    fputs("|\n", out);
    for (int c = 0; c < t->n_columns; c++)
        fputs(t->column[c].align == MS_RIGHT ? "|---:" : "|---", out);
    fputs("|\n", out);
    for (size_t r = 0; r < t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++) {
            fputs("| ", out);
            escaped(out, text_of(t, &row_of(t, r)[c]), false);
            fputc(' ', out);
        }
        fputs("|\n", out);
    }
    return true;
}

bool ms_table_latex(const struct ms_table *t, FILE *out)
{
    if (!t || t->failed)
        return false;
    fputs("\\begin{tabular}{", out);
    for (int c = 0; c < t->n_columns; c++)
        fputc(t->column[c].align == MS_RIGHT ? 'r' : 'l', out);
    fputs("}\n\\toprule\n", out);
    for (int c = 0; c < t->n_columns; c++) {
        escaped(out, t->column[c].title, true);
        fputs(c + 1 < t->n_columns ? " & " : " \\\\\n\\midrule\n", out);
    }
    for (size_t r = 0; r < t->n_rows; r++)
        for (int c = 0; c < t->n_columns; c++) {
            escaped(out, text_of(t, &row_of(t, r)[c]), true);
            fputs(c + 1 < t->n_columns ? " & " : " \\\\\n", out);
        }
    fputs("\\bottomrule\n\\end{tabular}\n", out);
    return true;
}

const char *ms_plain_number(double v, char *out)
{
    double size = v < 0 ? -v : v;
    int k = 0;
    if (size < 1e6) {
        int decimals = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 3 : 4;
        for (double small = size; small > 0 && small < 0.1 && decimals < 15; small *= 10)
            decimals++;
        snprintf(out, 32, "%.*f", decimals, v);
        for (size_t n = strlen(out);
             strchr(out, '.') && (out[n - 1] == '0' || out[n - 1] == '.');) {
            bool dot = out[n - 1] == '.';
            out[--n] = '\0';
            if (dot)
                break;
        }
        return out;
    }
    for (; size >= 1e3 && k < 4; size /= 1e3)
        k++;
    size = v < 0 ? -size : size;
    snprintf(out, 32, "%.*f %c", size >= 100 ? 1 : 2, size, " kMGT"[k]);
    return out;
}
