/** @file calibrate.h  A profile's constants from measured rows, by the closed forms.
 *
 *  Rows of one hardware are fitted section by section, leg by leg (together where legs share a
 *  constant): least squares on the relative error. A constant that the rows do not fix stays what
 *  the base profile says, and is named. Each size is also left out and predicted. No
 *  simulation here: what the simulator makes of the constants is for fidelity to say. */
#ifndef MS_HARDWARE_CALIBRATE_H
#define MS_HARDWARE_CALIBRATE_H

#include "base/arena.h"
#include "hardware/form.h"
#include "hardware/hardware.h"
#include "hardware/least_squares.h"
#include "hardware/measured.h"

/** A constant of a fit. */
struct ms_fit_constant {
    const struct ms_form_constant *of;
    int leg;      /**< 0 dispatch, 1 combine, -1 both */
    char key[96]; /**< as in the profile: "dispatch_alpha" */
    double value; /**< rounded as it is written */
    double error; /**< standard error in units of the larger of |value| and a usual one */
    bool fixed;   /**< by the rows; false: the base profile's */
    bool agrees;  /**< not fixed, for the base profile's is as good */
    double base;  /**< the base profile's; 0: none */
};

/** What rows have a size of. */
enum ms_fit_size {
    MS_SIZE_RANKS,
    MS_SIZE_TOKENS, /**< of a rank; of an all-to-all its bytes */
    MS_SIZE_HIDDEN,
    MS_SIZE_EXPERTS,
    MS_SIZE_SMS,
    MS_N_SIZES
};

/** The rows of one size, predicted by constants that the others fix. */
struct ms_fit_left_out {
    enum ms_fit_size size;
    double value; /**< such as 8 ranks */
    int n;
    double mean, worst; /**< absolute errors */
};

/** One section, one leg (or both together). */
struct ms_fit {
    char section[96];
    int leg; /**< -1: both, or rows that know no legs */
    size_t n;
    const struct ms_measured_row **row; /**< [n] */
    double *form_us;                    /**< [n] */
    double mean, worst;                 /**< absolute errors of the closed form */
    int n_constants;
    struct ms_fit_constant constant[MS_MOST_PARAMETERS];
    struct ms_fit_left_out *left_out; /**< [n_left_out] */
    int n_left_out;
    struct ms_hardware_kernels kernels; /**< as fitted */
    double node_alpha_s[2]; /**< start-up of the same kernels within a node; 0: unknown */
    char families[256];     /**< of its rows */
    char sizes[128];        /**< "EP8, 16" */
};

struct ms_calibration {
    struct ms_arena arena;
    const struct ms_hardware *base;
    struct ms_fit *fit; /**< [n] */
    size_t n;
};

/** Fit all sections that rows with fit = yes of `hardware` speak of.
 *  @param base values to start from and to keep; its links count  @param out zeroed on entry;
 *  owned by the caller on any return
 *  @return MS_OK; MS_INVALID: no such row; MS_NOMEM */
enum ms_status ms_calibrate(const struct ms_measured *m, const char *hardware,
                            const struct ms_hardware *base, struct ms_calibration *out,
                            struct ms_err *err);
void ms_calibration_finish(struct ms_calibration *c);
/** The base profile with the fitted numbers in their places, as YAML: each number with its source.
 *  @param comments the lines to begin with, "# …", or "" */
void ms_calibration_profile(const struct ms_calibration *c, const char *comments,
                            struct ms_buf *out);
/** Mean absolute error of all rows of a group, each predicted without those of its own size.
 *  @param worst out: the size predicted worst  @return NAN: the rows have only one size */
double ms_fit_left_out_mean(const struct ms_fit *fit, enum ms_fit_size size,
                            const struct ms_fit_left_out **worst);
/** A constant's value as a profile writes it: "24.1us". @return out */
const char *ms_fit_value_text(const struct ms_fit_constant *c, double value, char *out,
                              size_t size);

#endif
