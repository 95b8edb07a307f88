/** @file idle.h  Keys that are given and do nothing. Every key with a row that says when it acts is
 *  followed through the cases of a study: one that acts in any case is well. */
#ifndef MS_SCENARIO_IDLE_H
#define MS_SCENARIO_IDLE_H

#include "scenario/scenario.h"

enum { MS_IDLE_MOST = 64 }; /**< rows with a condition */

/** Zero-initialise; plain data. */
struct ms_idle {
    struct {
        bool given, acts;
        char file[512], because[64]; /**< of the first case it is given in; value of the key that
                                          makes it idle there */
        int line, col;
    } row[MS_IDLE_MOST];
};

/** One more case, read without errors. */
void ms_idle_see(struct ms_idle *idle, const struct ms_scenario *s);
/** Idle input files are errors, other idle keys warnings. */
void ms_idle_tell(const struct ms_idle *idle, struct ms_errs *errs);

#endif
