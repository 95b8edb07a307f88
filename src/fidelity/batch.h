/** @file batch.h  Rows that share a process: one platform, one scenario, many sizes. Inside this
 *  room only. */
#ifndef MS_FIDELITY_BATCH_H
#define MS_FIDELITY_BATCH_H

#include "fidelity/fidelity.h"
#include "hardware/hardware.h"
#include "hardware/row_form.h"
#include "scenario/scenario.h"

/** Rows of one configuration: the same exchange, whatever is measured of it. */
struct ms_config {
    size_t first, n; /**< of the order */
    int first_run, n_runs;
};

struct ms_batch {
    const struct ms_hardware *hardware;
    struct ms_config *config; /**< [n] */
    size_t n;
};

struct ms_batches {
    const struct ms_fidelity_row *row;
    size_t *order; /**< rows to simulate, those of a batch and of a configuration together */
    size_t n_order;
    struct ms_batch *batch; /**< [n] the dearest first */
    size_t n;
};

/** Sort the rows that are not skipped and not compute into batches.
 *  @param hardware [n] the profile of each row  @return MS_OK or MS_NOMEM */
enum ms_status ms_batches_make(struct ms_arena *arena, const struct ms_fidelity_row *row, size_t n,
                               const struct ms_hardware *const *hardware, struct ms_batches *out);

/** Simulate a batch in this process, which is then of no more use.
 *  @param us [n_order] of all batches; those of this batch's rows are filled in */
enum ms_status ms_batch_run(const struct ms_batches *all, const struct ms_batch *b, double *us,
                            struct ms_err *err);

/** The scenario of a row: YAML, as a user would write it. @param platform path of its platform file */
void ms_row_scenario(const struct ms_measured_row *r, const struct ms_hardware *h,
                     const char *platform, struct ms_buf *out);
/** The platform of a row: a SimGrid file from the profile's link rates. */
enum ms_status ms_row_platform(const struct ms_measured_row *r, const struct ms_hardware *h,
                               struct ms_buf *out, struct ms_err *err);

/* ---- traffic of a batch's runs ---- */

struct ms_case_input; /* sweep/case_run.h */
struct ms_batch_source;

/** @param in of the batch's scenario; borrowed */
struct ms_batch_source *ms_batch_source_create(const struct ms_batches *all,
                                               const struct ms_batch *b,
                                               const struct ms_case_input *in);
void ms_batch_source_destroy(struct ms_batch_source *s);
struct ms_sim_source ms_batch_source_of(struct ms_batch_source *s);
/** How many draws of a configuration's routing are simulated. */
int ms_config_repeats(const struct ms_measured_row *r);

#endif
