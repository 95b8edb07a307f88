/* `moesim platform generate TOPOLOGY`: options, help and values come from the topologies' own
 * parameter tables. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/platform_verbs.h"
#include "cli/verb.h"
#include "cluster/topology.h"
#include "hardware/hardware.h"

enum { MAX_OPTIONS = 48, HELP_BYTES = 512 };

/* A verb whose options are a topology's fields. */
struct built {
    struct ms_verb verb;
    struct ms_option option[MAX_OPTIONS];
    char name[MAX_OPTIONS][32], value[MAX_OPTIONS][48], help[MAX_OPTIONS][HELP_BYTES];
    char title[64], summary[2048], examples[512];
    int n;
};

static const char *placeholder(const struct ms_field *f, char *out, size_t size)
{
    static const char *const units[] = {[MS_UNIT_NONE] = "X",
                                        [MS_UNIT_TIME] = "TIME",
                                        [MS_UNIT_BYTES] = "BYTES",
                                        [MS_UNIT_RATE] = "RATE",
                                        [MS_UNIT_FLOPS] = "FLOPS"};
    out[0] = '\0';
    if (f->type == MS_FIELD_ENUM)
        for (size_t i = 0; f->names[i]; i++)
            snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? "|" : "", f->names[i]);
    else
        snprintf(out, size, "%s",
                 f->type == MS_FIELD_INT       ? "N"
                 : !strcmp(f->key, "hardware") ? "NAME|FILE"
                 : f->type == MS_FIELD_STRING  ? "AxB"
                                               : units[f->unit]);
    return out;
}

static bool has(const struct built *b, const char *name)
{
    for (int i = 0; i < b->n; i++)
        if (!strcmp(b->option[i].name, name))
            return true;
    return false;
}

/* Lines of at most `width` bytes: blanks become line ends. */
static void wrap(char *text, size_t width)
{
    char *start = text, *blank = NULL;
    for (char *c = text; *c; c++) {
        if (*c == '\n')
            start = c + 1, blank = NULL;
        if (*c == ' ')
            blank = c;
        if ((size_t)(c - start) >= width && blank) {
            *blank = '\n';
            start = blank + 1;
            blank = NULL;
        }
    }
}

static void add_field(struct built *b, const struct ms_field *f)
{
    int i = b->n;
    size_t k = 0;
    if (i + 2 >= MAX_OPTIONS)
        return;
    for (; f->key[k] && k + 1 < sizeof b->name[i]; k++)
        b->name[i][k] = f->key[k] == '_' ? '-' : f->key[k];
    b->name[i][k] = '\0';
    if (has(b, b->name[i]))
        return;
    if (f->type == MS_FIELD_BOOL || !f->fallback || !*f->fallback || f->fallback[0] == '-')
        snprintf(b->help[i], HELP_BYTES, "%s", f->help);
    else
        snprintf(b->help[i], HELP_BYTES, "%s [%s]", f->help, f->fallback);
    wrap(b->help[i], 68);
    b->option[i] = (struct ms_option){
        b->name[i], 0,
        f->type == MS_FIELD_BOOL ? NULL : placeholder(f, b->value[i], sizeof b->value[i]),
        b->help[i]};
    b->n++;
}

static void add_fields(struct built *b, const struct ms_field *f)
{
    for (; f && f->key; f++)
        add_field(b, f);
}

/* Options of one topology, or of all where none is named yet. */
static void build(struct built *b, const struct ms_topology *t)
{
    *b = (struct built){.n = 1};
    b->option[0] =
        (struct ms_option){"output", 'o', "FILE", "where to write; - or nothing: standard output"};
    add_fields(b, ms_topology_common());
    for (const struct ms_topology *const *k = ms_topologies(); *k; k++)
        if (!t || t == *k)
            add_fields(b, (*k)->fields);
    snprintf(b->title, sizeof b->title, "platform generate%s%s", t ? " " : "", t ? t->name : "");
    if (t) {
        snprintf(b->summary, sizeof b->summary, "%s.\n%s", t->help, t->detail);
        wrap(b->summary, 100);
        snprintf(b->examples, sizeof b->examples,
                 "moesim platform generate %s --nodes %d --gpus-per-node %d -o my.xml", t->name,
                 strcmp(t->name, "nvlink") ? 8 : 1, strcmp(t->name, "nvlink") ? 8 : 72);
    } else {
        int n = snprintf(
            b->summary, sizeof b->summary,
            "Write a cluster as a SimGrid platform file. Topologies (each has its own --help):");
        for (const struct ms_topology *const *k = ms_topologies(); *k; k++)
            n += snprintf(b->summary + n, sizeof b->summary - (size_t)n, "\n  %-14s  %s",
                          (*k)->name, (*k)->help);
        snprintf(
            b->examples, sizeof b->examples,
            "moesim platform generate rail --nodes 8 --gpus-per-node 8 -o rail-8x8.xml\n"
            "moesim platform generate fat-tree --nodes 8 --oversubscription 4 -o oversub4.xml\n"
            "moesim platform generate star --nodes 64 --gpus-per-node 1 --nic-bandwidth 50GBps "
            "--link-latency 1us\n"
            "moesim platform generate dragonfly --help");
    }
    b->verb = (struct ms_verb){.name = b->title,
                               .arguments = t ? "[options]" : "TOPOLOGY [options]",
                               .summary = b->summary,
                               .examples = b->examples,
                               .options = b->option};
}

static int unknown_topology(const struct ms_verb *verb, const char *word)
{
    const char *names[32];
    char list[512];
    size_t n = 0;
    for (const struct ms_topology *const *k = ms_topologies(); *k && n < 32; k++)
        names[n++] = (*k)->name;
    return ms_usage(verb, "'%s' is not a topology%s", word,
                    ms_allowed(list, sizeof list, word, names, n));
}

/* "nic_bandwidth: …": the key as it stands on the command line. */
static int wrong_value(const struct ms_verb *verb, char *text)
{
    for (char *c = text; *c && *c != ':' && *c != ' '; c++)
        *c = *c == '_' ? '-' : *c;
    return ms_usage(verb, "--%s", text);
}

/* Rates and latencies of a profile, under what the command line gives. A file is named by its stem,
 * which a scenario beside it finds. */
static enum ms_status take_hardware(const struct ms_topology *t, const struct ms_args *args,
                                    struct ms_topology_params *p, struct ms_arena *arena,
                                    struct ms_errs *errs)
{
    const char *name = ms_args_get(args, "hardware", p->hardware);
    struct ms_hardware h = {0};
    struct ms_err err = {0};
    if (strcmp(name, "none") == 0)
        return MS_OK;
    enum ms_status s = ms_hardware_read(NULL, name, NULL, arena, &h, errs);
    for (size_t i = 0; s == MS_OK && i < h.n_values; i++)
        if (strcmp(h.value[i].section, "links") == 0)
            s = ms_topology_set(t, p, h.value[i].key, h.value[i].text, &err);
    if (err.status != MS_OK)
        ms_errs_add_at(errs, s, h.path, 0, 0, "links", "%s", err.text);
    if (s == MS_OK)
        p->hardware = h.name;
    return s;
}

static int generate(const struct ms_topology *t, const struct ms_verb *verb,
                    const struct ms_args *args)
{
    struct ms_topology_params p;
    struct ms_buf out = {0};
    struct ms_err err = {0};
    const char *path = ms_args_get(args, "output", "-");
    struct ms_arena arena = {0};
    struct ms_errs errs = {0};
    ms_topology_defaults(t, &p);
    enum ms_status s = take_hardware(t, args, &p, &arena, &errs);
    ms_errs_print(stderr, &errs);
    ms_errs_finish(&errs);
    for (int i = 0; i < args->n_options; i++) {
        const char *name = args->option[i].name;
        bool ours = strcmp(name, "output") == 0 ||
                    (strcmp(name, "hardware") == 0 && strcmp(args->option[i].value, "none") != 0);
        if (!ours && ms_topology_set(t, &p, name, args->option[i].value, &err) != MS_OK) {
            ms_arena_finish(&arena);
            return wrong_value(verb, err.text);
        }
    }
    if (s != MS_OK) {
        ms_arena_finish(&arena);
        return ms_exit_code(s);
    }
    s = ms_topology_generate(t, &p, &out, &err);
    if (s == MS_OK)
        s = ms_file_write(path, out.p, out.n, &err);
    if (s != MS_OK)
        fprintf(stderr, "moesim platform generate %s: %s\n", t->name, err.text);
    out.n = 0;
    if (s == MS_OK && ms_topology_note(t, &p, &out) == MS_OK && out.n)
        fprintf(stderr, "%s", out.p);
    ms_buf_finish(&out);
    ms_arena_finish(&arena);
    return ms_exit_code(s);
}

/* What thins out a fabric that has no --oversubscription. @return 0: it has, or was not asked */
static int wrong_knob(const struct ms_topology *t, const struct ms_verb *verb, int argc,
                      char **argv)
{
    char knobs[256] = "";
    bool asked = false;
    for (int i = 1; i < argc; i++)
        asked |= !strncmp(argv[i], "--oversubscription", strlen("--oversubscription"));
    if (!t || !asked || ms_field_find(t->fields, "oversubscription"))
        return 0;
    for (const struct ms_field *f = t->fields; f && f->key; f++)
        if (strstr(f->key, "cables"))
            snprintf(knobs + strlen(knobs), sizeof knobs - strlen(knobs), "%s--%.*s-cables",
                     *knobs ? " and " : "", (int)strcspn(f->key, "_"), f->key);
    if (*knobs)
        return ms_usage(verb,
                        "%s has no --oversubscription: fewer cables thin it out, with %s "
                        "(platform generate %s --help)",
                        t->name, knobs, t->name);
    return ms_usage(verb, "%s has no --oversubscription: nothing in it is shared but the ports",
                    t->name);
}

int ms_platform_generate(int argc, char **argv)
{
    const struct ms_topology *t = NULL;
    struct ms_args args;
    struct built *b = malloc(sizeof *b);
    int code;
    if (!b)
        return ms_exit_code(MS_NOMEM);
    /* The topology may stand anywhere among the options: the first word that names one decides. */
    for (int i = 1; i < argc && !t; i++)
        t = argv[i][0] == '-' ? NULL : ms_topology_find(argv[i]);
    build(b, t);
    int stop = wrong_knob(t, &b->verb, argc, argv);
    if (stop) {
        free(b);
        return stop;
    }
    stop = ms_args_parse(&b->verb, argc, argv, &args);
    if (stop)
        code = stop == 1 ? MS_OK : MS_USAGE;
    else if (args.n_operands == 0)
        code = ms_usage(&b->verb, "no topology given");
    else if (!t || args.n_operands > 1)
        code = t ? ms_usage(&b->verb, "one topology at a time")
                 : unknown_topology(&b->verb, args.operand[0]);
    else
        code = generate(t, &b->verb, &args);
    free(b);
    return code;
}
