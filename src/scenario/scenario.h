/** @file scenario.h  A scenario file read: what one run, or one case of a sweep, is asked for.
 *
 *  The reader walks the YAML once, with one table of keys (fields.h) for types, units, ranges,
 *  defaults, help, schema and echo. A file with a `sweep` section stands for n_cases effective
 *  scenarios; ms_scenario_case gives them one by one, numbered from 0 with the last axis fastest.
 *  Nothing is simulated here and no file but the scenario itself is opened, except by
 *  ms_scenario_canonical (content hashes).
 *
 *  Paths inside are resolved against the scenario file ("-": the current folder). Sizes in bytes,
 *  times in seconds. */
#ifndef MS_SCENARIO_SCENARIO_H
#define MS_SCENARIO_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/files.h"
#include "cluster/platform.h"
#include "hardware/hardware.h"
#include "place/place.h"
#include "routing/routing.h"
#include "sim/sim.h"

struct ms_train_params; /* moe/train.h */
struct ms_yaml;         /* base/yaml_tree.h */
struct ms_axes;         /* axes.h */

/** Scenario section `report`. */
struct ms_report_params {
    const char *by, *metric; /**< NULL = not given */
    double margin;           /**< |ratio - 1| below it is a tie */
    bool by_zip;             /**< by is the name of a zip of the study's sweep */
};

/** Effective parameters: of a whole file without a sweep, or of one case. Plain data; strings live
 *  in the arena of whoever holds it. Counts are resolved as far as the file alone allows: layers is
 *  a number, latency is sender or flow; workload.ranks stays 0 for `all` (ms_scenario_resolve). */
struct ms_scenario {
    const char *file; /**< as the user typed it */
    const char *name; /**< default: the file's stem ("stdin" for -) */
    uint64_t seed;
    int repeats;
    const char *platform; /**< resolved path; NULL: none given */
    int gpus_per_node;    /**< 0: none given */
    const char **hosts;   /**< [n_hosts] wildcards: which hosts are GPUs */
    int n_hosts;          /**< 0: all */
    bool has_model;       /**< false: no `model` section (only for source matrix, or train) */
    struct ms_model_shape model;
    struct ms_workload workload;
    struct ms_routing_params routing;
    struct ms_place_params placement;
    struct ms_sim_params sim;
    bool twin;
    /** The hardware profile in force, found by whoever knows the platform; NULL: none */
    const struct ms_hardware *in_force;
    struct ms_report_params report;
    const struct ms_train_params *train; /**< NULL: no `train` section */
    const struct ms_yaml *tree;          /**< the document it was read from, for positions */
};

/** One axis of the sweep with the value it has in a case. */
struct ms_axis {
    const char *key; /**< "routing.popularity.sigma" */
    /** a file's stem (its full path where stems collide), a word, or a number as written */
    const char *label;
    const char *json; /**< the same as JSON: a number, true, false, or a string */
};

/** One case: its effective scenario and where it stands. Zero-initialise; finish frees. */
struct ms_case {
    struct ms_arena arena;
    struct ms_scenario s;
    size_t index; /**< 0.. */
    struct ms_axis *axis;
    int n_axes;
};

/** A file read. Zero-initialise; finish frees (cases must be gone before). */
struct ms_study {
    struct ms_arena arena;
    struct ms_scenario base; /**< without the sweep: name, report and defaults */
    const struct ms_axes *axes;
    const struct ms_scenario *standard; /**< values of keys that nobody gives */
    bool keys_known;                    /**< base has no errors: its keys are all known */
    size_t n_cases; /**< 1 without a sweep; 0: there is no document to speak of */
    int n_axes;
};

/** Read a scenario file ("-" = stdin) with --set arguments ("KEY=VALUE", in order) and check every
 *  key of every case. All errors go to errs, in file order, each once; those of --set name the file
 *  "--set". After MS_INVALID `out` is good for ms_study_read_case, to find what else is wrong, and
 *  for ms_study_finish (always).
 *  @return MS_OK; MS_INVALID with at least one error in errs; MS_IO; MS_NOMEM */
enum ms_status ms_study_read(struct ms_study *out, const char *path, const char *const *sets,
                             size_t n_sets, struct ms_errs *errs);
/** The same without reading the cases of a sweep, for who reads them all anyway and tells what is
 *  wrong with them (sweep/plan.h). */
enum ms_status ms_study_open(struct ms_study *out, const char *path, const char *const *sets,
                             size_t n_sets, struct ms_errs *errs);
/** The same from text; file is for messages and relative paths. */
enum ms_status ms_study_parse(struct ms_study *out, const char *file, const char *text,
                              size_t n_bytes, const char *const *sets, size_t n_sets,
                              struct ms_errs *errs);
void ms_study_finish(struct ms_study *study);

/** Effective scenario `index` of a study that was read without errors; borrows the study. @param
 *  out zeroed on entry */
enum ms_status ms_study_case(const struct ms_study *study, size_t index, struct ms_case *out,
                             struct ms_err *err);
/** The same for a study with errors: they are added to errs, and values that have some are at their
 *  defaults. @return MS_OK; MS_INVALID; MS_NOMEM (out stays zero) */
enum ms_status ms_study_read_case(const struct ms_study *study, size_t index, struct ms_case *out,
                                  struct ms_errs *errs);
void ms_case_finish(struct ms_case *c);

/** The key and the distinct labels of an axis, in the order of the file: for tables and `compare
 *  --by`. */
const char *ms_study_axis_key(const struct ms_study *study, int axis);
/** The name of the zip the axis moves in, NULL = it moves alone. */
const char *ms_study_axis_zip(const struct ms_study *study, int axis);
size_t ms_study_axis_labels(const struct ms_study *study, int axis, const char *const **labels);

/** What a case is checked for. */
enum ms_scenario_use {
    MS_USE_ANY,   /**< `check`: whatever the sections say */
    MS_USE_RUN,   /**< needs platform and, unless the source is a matrix, model */
    MS_USE_TRAIN, /**< needs train */
};

/** Cross-field checks of one effective scenario (keys that errs already complains about are left
 *  alone), before anything runs: ranks against hosts, experts against ranks and groups, missing
 *  files, names against the rooms' tables, what the simulator itself needs. Errors carry the place
 *  of the key. @param platform of s->platform, already read; NULL: platform-dependent checks are
 *  left out */
void ms_scenario_check(const struct ms_scenario *s, const struct ms_platform *platform,
                       enum ms_scenario_use use, struct ms_errs *errs);

/** Fill in what only the platform and the profile in force know: workload.ranks 0 is its hosts over
 *  groups; the hardware's numbers where the scenario gives none; compute.profile auto. */
void ms_scenario_resolve(struct ms_scenario *s, const struct ms_platform *p);
/** The section of the hardware profile in force whose costs the exchange has: low_latency, nccl_node, …;
 *  "none" */
const char *ms_scenario_costs(const struct ms_scenario *s, const struct ms_platform *p);

/** The canonical echo: one line of JSON, an object a section, with every key at its effective value
 *  in table order, files replaced by {"xxh3": content hash}, the sweep and all that does not change
 *  a result (name, report) left out. Its hash is the scenario_hash; with versions it is a record's
 *  key.
 *  @return MS_OK; MS_INVALID or MS_IO where a file cannot be read; MS_NOMEM */
enum ms_status ms_scenario_canonical(const struct ms_scenario *s, struct ms_files *files,
                                     struct ms_buf *out, struct ms_err *err);
/** Every key at its effective value as JSON, file paths as given: for people. */
enum ms_status ms_scenario_echo(const struct ms_scenario *s, struct ms_buf *out,
                                struct ms_err *err);

/** Where `key` stands in the file (or its nearest enclosing section), for errors of other rooms.
 *  @return the file name for messages; 1:1 where no part of the key is there */
const char *ms_scenario_place(const struct ms_scenario *s, const char *key, int *line, int *col);

/** JSON Schema draft-07 of the scenario file. */
void ms_scenario_schema(struct ms_buf *out);
/** Every key with what it takes, its default and a line of help, for people. */
void ms_scenario_keys(struct ms_buf *out);
/** The dotted keys alone, each followed by `tail`. */
void ms_scenario_key_names(struct ms_buf *out, const char *tail);

#endif
