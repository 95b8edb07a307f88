/** @file fidelity_print.h  Measured against simulated, for people, scripts and documents. */
#ifndef MS_REPORT_FIDELITY_PRINT_H
#define MS_REPORT_FIDELITY_PRINT_H

#include "fidelity/fidelity.h"
#include "report/table.h"

/** Errors by family, system, library and leg, the families with their bounds, what was skipped and
 *  why; every row before it where there are few, or rows asks for them. @return false: no memory */
bool ms_fidelity_table(const struct ms_fidelity *f, bool rows, FILE *out,
                       const struct ms_term *term);
/** The tables of families and of their parts as markdown. @return false: no memory */
bool ms_fidelity_markdown(const struct ms_fidelity *f, FILE *out);
/** A line a row. */
void ms_fidelity_csv(const struct ms_fidelity *f, struct ms_buf *out);
/** {"rows":[…],"families":[…],…} on one line. */
void ms_fidelity_json(const struct ms_fidelity *f, struct ms_buf *out);
/** Measured against simulated on logarithmic axes, a colour a family. @return as ms_plot_compare */
enum ms_status ms_fidelity_plot(const struct ms_fidelity *f, const char *path, struct ms_err *err);

#endif
