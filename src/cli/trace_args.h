/** @file trace_args.h  What verbs that read routing traces share on the command line: --axes,
 *  --experts, --ranks-axis, --filter, several files; and saying how a trace was read. */
#ifndef MS_CLI_TRACE_ARGS_H
#define MS_CLI_TRACE_ARGS_H

#include "cli/verb.h"
#include "place/place_map.h"
#include "routing/trace.h"

/** Rows for a verb's table of options. */
#define MS_TRACE_OPTIONS                                                                           \
    {"filter", 0, "COLUMN=VALUE", "rows of a trace with that value only; may be repeated"},        \
        {"axes", 0, "A,B,…",                                                                       \
         "axes of an array: of steps, ranks, layers, experts; tokens, layers, k; layers, ranks, "  \
         "slots"},                                                                                 \
        {"experts", 0, "N",                                                                        \
         "experts of the model, where a sparse trace leaves out the last ones"},                   \
        {"map", 0, "FILE", "of counts by slots: the map of experts that was in force"},            \
    {                                                                                              \
        "ranks-axis", 0, NULL, "several files are ranks, not parts of a sum"                       \
    }

/** Zero-initialise; finish frees. `request` borrows from the rest and from argv. */
struct ms_trace_args {
    struct ms_trace_request request;
    struct ms_trace_slots slots;
    struct ms_place_map map;
    struct ms_trace_filter filter[256];
    const char *axes[8];
    char axes_text[128];
};

/** Fill out->request from the options and n >= 1 files. @return false after a message; *code: the
 *  exit code then */
bool ms_trace_args_read(const struct ms_verb *verb, const struct ms_args *args,
                        const char *const *file, int n, struct ms_trace_args *out, int *code);
void ms_trace_args_finish(struct ms_trace_args *a);
/** Every note of a trace on stderr: "FILE: note: …", "FILE: warning: …". */
void ms_trace_say(const struct ms_trace_request *r, const struct ms_trace *t);

#endif
