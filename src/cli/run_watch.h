/** @file run_watch.h  What run and train say on stderr while a study's cases go on: a bar, failures,
 *  and what cases said. */
#ifndef MS_CLI_RUN_WATCH_H
#define MS_CLI_RUN_WATCH_H

#include "report/progress.h"
#include "sweep/run.h"

/** A bar and the verb's name in front of what is said. */
struct ms_run_talk {
    const char *verb;
    struct ms_progress bar;
    struct ms_errs warnings; /**< what of the folder was dropped */
};

/** Callbacks that draw on talk->bar. @param talk borrowed while the run lasts */
struct ms_run_watch ms_run_watch_of(struct ms_run_talk *talk);
/** Clear the bar for good, and say what was dropped; once, whatever the run's end. */
void ms_run_tell_dropped(struct ms_run_talk *talk);
/** "moesim run: 4 of 4 cases in DIR (2 were there), 7 s", and how it ended. */
void ms_run_tell_end(const struct ms_run_talk *talk, const struct ms_run_state *st, const char *dir,
                     enum ms_status status, const struct ms_err *err);

/** Print the closing table of a results folder; what fails is said on stderr. */
enum ms_status ms_print_overview(const char *dir);

#endif
