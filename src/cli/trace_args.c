/* Turns --axes, --experts, --ranks-axis, --filter and the files into one request for a trace, and
 * prints what the reader has to say about it. */
#include "cli/trace_args.h"

#include <stdlib.h>
#include <string.h>

static bool read_axes(const struct ms_verb *verb, const char *text, struct ms_trace_args *out)
{
    snprintf(out->axes_text, sizeof out->axes_text, "%s", text);
    char *rest = NULL;
    for (char *word = strtok_r(out->axes_text, ", []", &rest); word;
         word = strtok_r(NULL, ", []", &rest)) {
        if (out->request.n_axes == 8) {
            ms_usage(verb, "--axes: '%s' names more than 8 axes", text);
            return false;
        }
        out->axes[out->request.n_axes++] = word;
    }
    out->request.axes = out->axes;
    if (out->request.n_axes == 0)
        ms_usage(verb, "--axes: no axis given");
    return out->request.n_axes > 0;
}

/* COLUMN=VALUE, split in place. */
static bool read_filters(const struct ms_verb *verb, const struct ms_args *args,
                         struct ms_trace_args *out)
{
    for (int i = 0; i < args->n_options; i++) {
        const char *value = args->option[i].value;
        if (strcmp(args->option[i].name, "filter") != 0)
            continue;
        char *equals = strchr((char *)(uintptr_t)value, '=');
        if (!equals || equals == value) {
            ms_usage(verb, "--filter: '%s' is not COLUMN=VALUE", value);
            return false;
        }
        *equals = 0;
        out->filter[out->request.n_filter++] = (struct ms_trace_filter){value, equals + 1};
    }
    out->request.filter = out->filter;
    return true;
}

static bool read_map(const char *path, struct ms_trace_args *out, int *code)
{
    struct ms_err err = {0};
    if (!path)
        return true;
    if (ms_place_map_read(path, &out->map, &err) != MS_OK) {
        ms_err_print(stderr, &err, "error");
        *code = ms_exit_code(err.status);
        return false;
    }
    out->slots = (struct ms_trace_slots){out->map.n_layers, out->map.n_slots, out->map.slot_expert};
    out->request.slots = &out->slots;
    return true;
}

void ms_trace_args_finish(struct ms_trace_args *a)
{
    ms_place_map_finish(&a->map);
}

bool ms_trace_args_read(const struct ms_verb *verb, const struct ms_args *args,
                        const char *const *file, int n, struct ms_trace_args *out, int *code)
{
    *code = MS_USAGE;
    const char *axes = ms_args_get(args, "axes", NULL),
               *experts = ms_args_get(args, "experts", NULL);
    out->request = (struct ms_trace_request){.path = file[0], .more = file + 1, .n_more = n - 1};
    out->request.ranks_axis = ms_args_get(args, "ranks-axis", NULL) != NULL;
    if (experts) {
        char *end;
        long v = strtol(experts, &end, 10);
        if (end == experts || *end || v < 1 || v > 65535) {
            ms_usage(verb, "--experts: '%s' is not a whole number in 1..65535", experts);
            return false;
        }
        out->request.n_experts = (int)v;
    }
    return (!axes || read_axes(verb, axes, out)) && read_filters(verb, args, out) &&
           read_map(ms_args_get(args, "map", NULL), out, code);
}

void ms_trace_say(const struct ms_trace_request *r, const struct ms_trace *t)
{
    for (int i = 0; i < t->n_notes; i++) {
        bool warning = strncmp(t->note[i], "warning: ", 9) == 0;
        fprintf(stderr, "%s: %s%s\n", r->path, warning ? "" : "note: ", t->note[i]);
    }
}
