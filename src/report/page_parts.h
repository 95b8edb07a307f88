/** @file page_parts.h  The parts of report.html that are no figures: looks, tables, what is known of
 *  the hardware profile. For html.c. */
#ifndef MS_REPORT_PAGE_PARTS_H
#define MS_REPORT_PAGE_PARTS_H

#include "report/figure.h"

/** The page's style, and at its end its script. */
void ms_page_style(struct ms_buf *b);
void ms_page_script(struct ms_buf *b);
/** <name attributes>text</name>; attributes: " class=\"…\"" or "". */
void ms_page_element(struct ms_buf *b, const char *name, const char *attributes, const char *text);

/** The first lines: what is faster and slower than the baseline, group by group, and the notes. */
void ms_page_verdicts(struct ms_buf *b, const struct ms_comparison *c);
/** What holds for the cases: every value that some case has. */
void ms_page_conditions(struct ms_buf *b, const struct ms_comparison *c);

/** A group's rows, sorted by a click on a column. Columns in which all rows are the same stand in a
 *  sentence below it. */
void ms_page_table(struct ms_buf *b, const struct ms_comparison *c,
                   const struct ms_compare_group *g);

/** How near to measurements the hardware profiles in force are: for the kernels that the cases use,
 *  the rows that fixed their constants, the error that is left, and the bound that `moesim fidelity`
 *  holds the simulation to. Nothing is simulated: all numbers stand in the profile and in bounds.csv.
 *  Nothing on the page where no case times an exchange. @return MS_OK or MS_NOMEM */
enum ms_status ms_page_fidelity(struct ms_buf *b, const struct ms_comparison *c);

/** The slowest exchange of a trace that `moesim explain --timeline` wrote, as a figure: a row a rank.
 *  @param explained what `moesim explain --format json` printed, "": it is not known
 *  @return MS_OK; MS_INVALID: the file is no such trace; MS_IO; MS_NOMEM */
enum ms_status ms_page_timeline(struct ms_buf *b, const char *path, const char *explained, size_t n,
                                struct ms_err *err);
/** The commands that put causes and a timeline on the page. */
void ms_page_how_to_explain(struct ms_buf *b, const struct ms_comparison *c, bool causes);

#endif
