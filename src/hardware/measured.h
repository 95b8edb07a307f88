/** @file measured.h  Measured files: published or own measurements, one number a row.
 *
 *  A measured file is a CSV with a header line; lines that start with '#' are comments, an empty
 *  cell is "not stated". Columns: measured_columns (measured.c), of which a file needs id, family,
 *  fit, hardware, library, ranks, leg and value_us. A row whose traffic was recorded names a key of
 *  traffic/FAMILY.csv beside the file. This room reads and checks; what a row takes in a simulation
 *  is fidelity's, what its closed form says is form.h's. Microseconds as published, bytes, ranks from
 *  0. */
#ifndef MS_HARDWARE_MEASURED_H
#define MS_HARDWARE_MEASURED_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/files.h"
#include "hardware/form.h"

enum ms_measured_fit { MS_FIT_YES, MS_FIT_NO, MS_FIT_SKIP };
/** How a library moves data; its words are the column `mode`'s. */
enum ms_measured_mode {
    MS_MODE_NONE,             /**< compute */
    MS_MODE_LOW_LATENCY,      /**< a copy a selection */
    MS_MODE_LOW_LATENCY_RDMA, /**< the same, NVLink not used */
    MS_MODE_NORMAL,           /**< a copy a destination rank, over NICs one a node */
    MS_MODE_ALLTOALL,
    MS_MODE_ALLTOALLV,
};
enum ms_measured_routing {
    MS_ROUTED_NOT,
    MS_ROUTED_DEEPEP, /**< scores abs(N(0, 1)) + 1 for every token and expert */
    MS_ROUTED_UNIFORM,
    MS_ROUTED_PERFECT, /**< distinct ranks, equal loads */
    MS_ROUTED_MATRIX,  /**< as recorded: traffic */
};
enum ms_measured_leg {
    MS_LEG_DISPATCH,
    MS_LEG_COMBINE,
    MS_LEG_NOTIFY, /**< counts exchanged before the data: alone */
    MS_LEG_ALLTOALL,
    MS_LEG_EXPERTS,
    MS_LEG_PERMUTE,
    MS_LEG_UNPERMUTE,
    MS_LEG_LAYER,
    MS_LEG_STEP,
    MS_N_LEGS,
};
enum ms_measured_statistic {
    MS_OF_MEAN, /**< also where the row does not say */
    MS_OF_MEAN_OVER_RANKS,
    MS_OF_MAX_OVER_RANKS,
    MS_OF_P50,
    MS_OF_P95,
    MS_OF_P99,
};

/** What one rank sends, as recorded. */
struct ms_measured_sender {
    double *selections; /**< [n_experts] by expert */
    double *copies_to; /**< [n_ranks] after de-duplication, own rank included; NULL: not recorded */
    int n_copies;      /**< 0 or n_ranks */
};

struct ms_measured_traffic {
    const char *key;
    int n_ranks, n_experts;
    struct ms_measured_sender *rank; /**< [n_ranks] */
};

struct ms_measured_row {
    const char *file; /**< as it was asked for */
    int line;
    const char *id, *family, *source, *hardware, *library, *expert_dtype, *traffic_key, *note;
    int fit, mode, routing, leg, statistic;
    int peers;                /**< enum ms_form_peers */
    int ranks, gpus_per_node; /**< gpus_per_node: ranks where the row does not say */
    int hidden, experts, top_k, groups, group_limit, sms,
        expert_intermediate; /**< 0 = not stated */
    int64_t tokens;          /**< a rank; 0 */
    int rank;                /**< measured; -1 */
    double dispatch_bytes_per_value, combine_bytes_per_value, copy_header_bytes, masked_share;
    double bytes_sent, bytes_received, self_bytes, message_bytes; /**< 0 = none */
    const char *loads;                                            /**< the column expert_loads */
    double *load; /**< [n_loads] rows at each local expert */
    int n_loads;
    const struct ms_measured_traffic *traffic; /**< of traffic_key; NULL: none */
    double value_us, std_us, notify_us;        /**< NAN = not stated */
};

/** Rows of one or several files, in order. Zero-initialise; finish frees. */
struct ms_measured {
    struct ms_arena arena;
    struct ms_measured_row *row;
    size_t n, cap;
};

/** Append a file's rows. Unknown columns, wrong values and duplicate ids are errors at FILE:LINE:COL.
 *  @param files the store to read through, NULL = none
 *  @return MS_OK; MS_INVALID with at least one error in errs; MS_IO; MS_NOMEM */
enum ms_status ms_measured_read(struct ms_measured *m, struct ms_files *files, const char *path,
                                struct ms_errs *errs);
/** The same for every .csv of a folder but bounds.csv, in order of their names. */
enum ms_status ms_measured_read_folder(struct ms_measured *m, struct ms_files *files,
                                       const char *folder, struct ms_errs *errs);
void ms_measured_finish(struct ms_measured *m);

const char *ms_measured_leg_name(int leg);
const char *ms_measured_mode_name(int mode);
const char *ms_measured_statistic_name(int statistic);
/** Is some pair of ranks fuller than the mean one, by more than a quarter and than chance makes it? Of
 * recorded traffic; false where the row has none. */
bool ms_measured_is_skewed(const struct ms_measured_row *r);
/** Bytes of one copy in a leg (dispatch or combine): values and, in dispatch, the header. */
double ms_measured_copy_bytes(const struct ms_measured_row *r, int leg);

#endif
