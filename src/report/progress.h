/** @file progress.h  The progress bar of a run, on stderr: cases done, rate, time left. Data never
 *  goes here. */
#ifndef MS_REPORT_PROGRESS_H
#define MS_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "report/table.h"
#include "sweep/run.h"

enum ms_progress_when { MS_PROGRESS_AUTO, MS_PROGRESS_ALWAYS, MS_PROGRESS_NEVER };

struct ms_progress {
    FILE *out;
    struct ms_term term;
    const char *name; /**< of the scenario */
    bool on;
    bool drawn; /**< a bar stands on the current line */
};

struct ms_progress ms_progress_start(FILE *out, const char *name, enum ms_progress_when when);
/** Redraw. */
void ms_progress_show(struct ms_progress *p, const struct ms_run_state *s);
/** Take the bar away, so that a line can be printed. */
void ms_progress_clear(struct ms_progress *p);
/** "1:23:45", "2:05" or "7 s". @return out */
const char *ms_duration(double seconds, char *out, size_t size);

#endif
