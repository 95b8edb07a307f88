/** @file figure.h  The figures of report.html, as SVG written here. For html.c.
 *
 *  Every figure is <figure> with an image that has a name for screen readers and a caption that
 *  says in words what it shows. Sizes are of a view box; the page scales them. */
#ifndef MS_REPORT_FIGURE_H
#define MS_REPORT_FIGURE_H

#include "report/compare.h"

/** Text with what HTML takes for markup escaped; control characters become blanks. */
void ms_html_text(struct ms_buf *b, const char *text);
/** Share of times longer than t, logarithmic, a curve a row. Nothing where no row has samples.
 *  @return MS_OK or MS_NOMEM */
enum ms_status ms_figure_survival(struct ms_buf *b, const struct ms_comparison *c,
                                  const struct ms_compare_group *g);
/** p50, p95 and p99 of every row on one axis, with the interval of the compared one. */
void ms_figure_percentiles(struct ms_buf *b, const struct ms_comparison *c,
                           const struct ms_compare_group *g);
/** What adds up to each row's p99, from its balanced twin's median on. Nothing where no row has a
 *  twin, or another time than the exchange is compared. */
void ms_figure_tail(struct ms_buf *b, const struct ms_comparison *c,
                    const struct ms_compare_group *g);
/** Slowdown against the imbalance of rank loads, a point a case. Nothing where neither varies. */
void ms_figure_slowdown(struct ms_buf *b, const struct ms_comparison *c);
/** The busiest links of one row: utilisation, a bar a link. @return MS_OK or MS_NOMEM */
enum ms_status ms_figure_links(struct ms_buf *b, const struct ms_compare_row *r);

/** A row's experts by layer as a heat map. Nothing where its record has none. @return MS_OK or
 *  MS_NOMEM */
enum ms_status ms_figure_experts(struct ms_buf *b, const struct ms_compare_row *r);
/** The rows' rank loads from the busiest on, one curve where all rows have the same. */
enum ms_status ms_figure_ranks(struct ms_buf *b, const struct ms_compare_group *g);
/** Cross-entropy and evenness by step of the group's trainings, the first twelve rows (their folders'
 *  history.jsonl). Nothing where they are no trainings. @return MS_OK or MS_NOMEM */
enum ms_status ms_figure_training(struct ms_buf *b, const struct ms_compare_group *g);

/** A row's links on its topology, coloured by utilisation; nothing where its platform's file is not
 *  found. @param beside draw it on the scale of this row's, which is drawn already: nothing where that is
 *  of another platform; NULL: by itself  @param platforms [n] files to look among, before the shipped ones  @return MS_OK or
 *  MS_NOMEM */
enum ms_status ms_figure_topology(struct ms_buf *b, const struct ms_compare_row *r,
                                  const struct ms_compare_row *beside, const char *const *platforms,
                                  size_t n);

#endif
