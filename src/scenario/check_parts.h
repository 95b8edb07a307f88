/** @file check_parts.h  What the checks of a case share: check.c (sections against each other, the
 *  platform and the disk) and check_faults.c. Inside this room only. */
#ifndef MS_SCENARIO_CHECK_PARTS_H
#define MS_SCENARIO_CHECK_PARTS_H

#include "scenario/read.h"

struct ms_case_check {
    const struct ms_scenario *s;
    const struct ms_platform *platform;
    struct ms_errs *errs;
    size_t n_before; /**< errors of reading */
};

/** Did reading complain about a key below one of these sections (or the key itself)? Then what depends
 *  on it is not judged. @param sections ends in NULL */
bool ms_check_doubtful(const struct ms_case_check *c, const char *const *sections);
#define MS_DOUBTFUL(c, ...) ms_check_doubtful(c, (const char *const[]){__VA_ARGS__, NULL})

/** An error, or a warning, at the place of a key. */
void ms_check_key_fail(const struct ms_case_check *c, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void ms_check_key_warn(const struct ms_case_check *c, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Links that fail and hosts that are lost: are they there, and can the others go on? */
void ms_check_fault_links(const struct ms_case_check *c);
void ms_check_lost(const struct ms_case_check *c);

#endif
