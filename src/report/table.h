/** @file table.h  Tables for a terminal: aligned, as wide as their text, coloured only where
 *  somebody looks.
 *
 *  Widths are counted in columns of a terminal (UTF-8: combining marks 0, East Asian wide 2), so
 *  names in any script line up. A table that is too wide first loses columns that can be spared,
 *  the most spare first, and says which; then it shortens its first column with "…". */
#ifndef MS_REPORT_TABLE_H
#define MS_REPORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ms_term {
    bool colour;
    int width;   /**< columns a table may take: at least 60 */
    int columns; /**< of the terminal itself, 0 = there is none */
};

/** Colour when f is a terminal, NO_COLOR is unset or empty, and TERM is not "dumb". Width: COLUMNS,
 *  else the terminal's, else 140; at least 60. */
struct ms_term ms_term_of(FILE *f);

enum ms_align { MS_LEFT, MS_RIGHT };
enum ms_style { MS_PLAIN, MS_DIM, MS_BOLD, MS_GREEN, MS_RED, MS_YELLOW };

struct ms_table;

/** NULL: out of memory; every call below then does nothing and print fails. */
struct ms_table *ms_table_create(void);
void ms_table_destroy(struct ms_table *t);
/** Columns first, then rows. spare: 0 = stays, else the higher the sooner it is left out when the
 *  table is too wide. */
void ms_table_column(struct ms_table *t, const char *title, enum ms_align align, int spare);
void ms_table_row(struct ms_table *t);
/** The next cell of the row. */
void ms_table_cell(struct ms_table *t, enum ms_style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** Header and rows. @return false: out of memory, nothing was printed */
bool ms_table_print(const struct ms_table *t, FILE *out, const struct ms_term *term);

/** The same for documents: every column, no colour. @return as ms_table_print */
bool ms_table_markdown(const struct ms_table *t, FILE *out);
bool ms_table_latex(const struct ms_table *t, FILE *out);
/** A number as people write it: no powers of ten; from a million on with k, M, G, T behind it.
 *  @param out of >= 32 bytes  @return out */
const char *ms_plain_number(double v, char *out);

/** Columns a text takes on a terminal; bytes that are no UTF-8 count 1. */
int ms_text_width(const char *text);
/** The escape that starts a style, "" when colour is false; ms_style_end ends it. */
const char *ms_style_begin(enum ms_style s, bool colour);
const char *ms_style_end(enum ms_style s, bool colour);

#endif
