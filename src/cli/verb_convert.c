/* `moesim convert`: routing traces between the formats of serving stacks, and maps of experts to
 * slots between theirs. Which of the two the input is, it says itself. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/trace_args.h"
#include "cli/verb.h"
#include "place/place_map.h"

static const struct ms_option options[] = {
    {"format", 'f', "NAME",
     "of a trace: csv, npy, sglang, jsonl, trtllm; of a map: sglang, trtllm, ascend, moesim "
     "(default: by OUT's ending)"},
    MS_TRACE_OPTIONS,
    {"ranks", 'r', "N", "devices of a map, for ascend"},
    {"layers", 'l', "N", "layers of the model: SGLang's files get as many rows"},
    {0}};

struct job {
    const struct ms_verb *verb;
    struct ms_args args;
    struct ms_trace_args trace;
    const char *out, *format;
    long ranks, layers;
};

static bool ends_with(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

static bool number(const struct job *j, const char *name, long *out)
{
    const char *text = ms_args_get(&j->args, name, NULL);
    char *end;
    *out = text ? strtol(text, &end, 10) : 0;
    if (!text || (end != text && !*end && *out >= 1 && *out <= 65535))
        return true;
    ms_usage(j->verb, "--%s: '%s' is not a whole number in 1..65535", name, text);
    return false;
}

static enum ms_status unknown(const struct job *j, const char *const *names, size_t n,
                              struct ms_err *err)
{
    char allowed[256];
    if (j->format)
        return ms_err_at(err, MS_USAGE, NULL, 0, 0, "--format", "'%s' is not a format here%s",
                         j->format, ms_allowed(allowed, sizeof allowed, j->format, names, n));
    return ms_err_at(err, MS_USAGE, j->out, 0, 0, NULL,
                     "the ending names no format; give --format%s",
                     ms_allowed(allowed, sizeof allowed, "", names, n));
}

/* ---- traces ---- */

static const struct ms_trace_writer *trace_writer(const struct job *j, const struct ms_trace *t,
                                                  struct ms_err *err)
{
    const char *names[16];
    size_t n = 0;
    for (const struct ms_trace_writer *w = ms_trace_writers; w->name; w++) {
        names[n++] = w->name;
        if (j->format ? strcmp(j->format, w->name) == 0 : ends_with(j->out, w->ending))
            return w;
        if (!j->format && t->has_ranks && strcmp(w->ending, ".safetensors") == 0 &&
            j->out[strlen(j->out) - 1] == '/')
            return w;
    }
    unknown(j, names, n, err);
    return NULL;
}

static enum ms_status convert_trace(struct job *j, struct ms_err *err)
{
    struct ms_trace t = {0};
    enum ms_status s = ms_trace_read(&j->trace.request, &t, err);
    const struct ms_trace_writer *w = s == MS_OK ? trace_writer(j, &t, err) : NULL;
    if (s == MS_OK)
        ms_trace_say(&j->trace.request, &t);
    if (s == MS_OK)
        s = w ? w->write(&t, j->out, err) : MS_USAGE;
    if (s == MS_OK && strcmp(j->out, "-") != 0)
        fprintf(stderr, "wrote %s: %s, %d layers, %d experts\n", j->out, w->help, t.n_layers,
                t.n_experts);
    ms_trace_finish(&t);
    return s;
}

/* ---- maps ---- */

static const struct ms_place_map_writer *map_writer(const struct job *j, struct ms_err *err)
{
    const char *names[16];
    size_t n = 0;
    bool yaml = ends_with(j->out, ".yaml") || ends_with(j->out, ".yml");
    for (const struct ms_place_map_writer *w = ms_place_map_writers; w->name; w++) {
        names[n++] = w->name;
        bool by_ending = yaml ? strcmp(w->ending, ".yaml") == 0 : ends_with(j->out, w->ending);
        if (j->format ? strcmp(j->format, w->name) == 0 : by_ending)
            return w;
    }
    unknown(j, names, n, err);
    return NULL;
}

static enum ms_status convert_map(struct job *j, struct ms_err *err)
{
    struct ms_place_map m = {0};
    struct ms_buf out = {0};
    enum ms_status s = ms_place_map_read(j->trace.request.path, &m, err);
    const struct ms_place_map_writer *w = s == MS_OK ? map_writer(j, err) : NULL;
    if (s == MS_OK && j->ranks)
        m.n_ranks = (int)j->ranks;
    m.model_layers = (int)j->layers;
    if (s == MS_OK)
        s = w ? w->write(&m, &out, err) : MS_USAGE;
    if (s == MS_OK && out.failed)
        s = ms_err_set(err, MS_NOMEM, "out of memory");
    if (s == MS_OK)
        s = ms_file_write(j->out, out.p, out.n, err);
    if (s == MS_OK && strcmp(j->out, "-") != 0)
        fprintf(stderr, "wrote %s: %s, %d layers, %d slots\n", j->out, w->help, m.n_layers,
                m.n_slots);
    ms_buf_finish(&out);
    ms_place_map_finish(&m);
    return s;
}

/* The first kilobytes of a JSON or YAML file tell. */
static bool is_map(const char *path)
{
    char head[65536];
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
        !(ends_with(path, ".json") || ends_with(path, ".yaml") || ends_with(path, ".yml")))
        return false;
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    return ms_place_map_is(head, n);
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct job j = {.verb = self};
    struct ms_err err = {0};
    int stop = ms_args_parse(self, argc, argv, &j.args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    int n = j.args.n_operands;
    if (n < 2)
        return ms_usage(self, "an input and an output are needed, %d given", n);
    j.out = j.args.operand[n - 1];
    j.format = ms_args_get(&j.args, "format", NULL);
    int code;
    if (!ms_trace_args_read(self, &j.args, (const char *const *)j.args.operand, n - 1, &j.trace,
                            &code))
        return code;
    if (!number(&j, "ranks", &j.ranks) || !number(&j, "layers", &j.layers))
        return MS_USAGE;
    enum ms_status s =
        n == 2 && is_map(j.args.operand[0]) ? convert_map(&j, &err) : convert_trace(&j, &err);
    if (s != MS_OK)
        ms_err_print(stderr, &err, "error");
    ms_trace_args_finish(&j.trace);
    return ms_exit_code(s);
}

const struct ms_verb ms_verb_convert = {
    .name = "convert",
    .arguments = "IN… OUT [options]",
    .summary = "Routing traces and maps of experts between the formats of serving stacks",
    .examples = "moesim convert dump.json counts.csv\n"
                "moesim convert routes.jsonl routes.npy\n"
                "moesim convert ids.npz --axes layers,tokens,k counts.csv\n"
                "moesim convert rank0.csv rank1.csv --format sglang dump.json\n"
                "moesim convert init_expert_location.json balancer.yaml",
    .options = options,
    .run = run,
};
