/* Decides what --help and --version print: examples first, then what the tables of verbs and
 * options say. */
#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#include "cli/cli.h"
#include "cli_version.h"
#include "moe/kernels.h"
#include "sim/sim.h"

/* What a stranger wants to do, and the verbs for it; a verb named nowhere is listed under
 * "More". */
static const struct group {
    const char *title;
    const char *verbs[8];
} groups[] = {
    {"Start here", {"demo", "list", "check"}},
    {"Simulate and compare tail latency", {"run", "compare", "explain", "report", "merge"}},
    {"Traffic, placement, platforms", {"traffic", "place", "platform"}},
    {"Train and measure the language model", {"train", "evaluate", "profile"}},
    {"Held against measurements", {"fidelity", "calibrate"}},
    {"The scenario file", {"schema"}},
};
enum { N_GROUPS = sizeof groups / sizeof *groups };

static bool grouped(const char *name)
{
    for (size_t g = 0; g < N_GROUPS; g++)
        for (const char *const *v = groups[g].verbs; *v; v++)
            if (strcmp(*v, name) == 0)
                return true;
    return false;
}

static void verb_line(FILE *out, const struct ms_verb *v)
{
    fprintf(out, "  %-10s %.*s\n", v->name, (int)strcspn(v->summary, "\n"), v->summary);
}

static void group_lines(FILE *out, const struct group *g)
{
    bool titled = false;
    for (const char *const *name = g->verbs; *name; name++) {
        const struct ms_verb *v = ms_verb_find(*name);
        if (v && !titled)
            fprintf(out, "\n%s\n", g->title);
        titled = titled || v;
        if (v)
            verb_line(out, v);
    }
}

void ms_help_all(FILE *out)
{
    fputs("moesim: how slow is the slowest all-to-all of a mixture-of-experts model on a cluster, "
          "and why\n"
          "\n"
          "Usage: moesim VERB [options] …\n",
          out);
    for (size_t g = 0; g < N_GROUPS; g++)
        group_lines(out, &groups[g]);
    bool titled = false;
    for (const struct ms_verb *const *v = ms_verbs(); *v; v++) {
        if (grouped((*v)->name))
            continue;
        if (!titled)
            fputs("\nMore\n", out);
        titled = true;
        verb_line(out, *v);
    }
    fputs(
        "\n"
        "moesim VERB --help shows examples and options of a verb; moesim --version what it was "
        "built from.\n"
        "Results and tables go to standard output, everything else to standard error. '-' is "
        "standard input\n"
        "where a scenario is read (by place: a trace) and standard output where a file is written; "
        "folders, "
        "platforms\n"
        "(SimGrid reads them again), other traces, checkpoints and figures (their ending is their "
        "format) must be files.\n"
        "Exit: 0 ok, 1 some cases failed, 2 usage, 3 invalid input, 4 cannot write, 5 internal, "
        "130 interrupted.\n",
        out);
}

/* Columns on the screen of UTF-8 text. */
static int columns(const char *s)
{
    int n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static int option_head(char *head, size_t size, const struct ms_option *o)
{
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(head, size, "  %s--%s%s%s", letter, o->name, o->value ? " " : "",
             o->value ? o->value : "");
    return columns(head);
}

static void option_line(FILE *out, const struct ms_option *o, int width)
{
    char head[160];
    int n = option_head(head, sizeof head, o);
    if (n > width)
        fprintf(out, "%s\n%*s  ", head, width, "");
    else
        fprintf(out, "%s%*s  ", head, width - n, "");
    for (const char *h = o->help; *h; h++) {
        fputc(*h, out);
        if (*h == '\n')
            fprintf(out, "%*s  ", width, "");
    }
    fputc('\n', out);
}

static void indented(FILE *out, const char *text)
{
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        fprintf(out, "%s%.*s\n", n && line[0] != ' ' ? "  " : "", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

void ms_help_verb(FILE *out, const struct ms_verb *v)
{
    static const struct ms_option help = {"help", 'h', NULL, "show this text"};
    char head[160];
    int width = 0;
    if (v->examples && v->examples[0]) {
        fputs("Examples:\n", out);
        indented(out, v->examples);
        fputc('\n', out);
    }
    fprintf(out, "Usage: moesim %s%s%s\n\n%s\n\nOptions:\n", v->name,
            v->arguments && v->arguments[0] ? " " : "", v->arguments ? v->arguments : "",
            v->summary);
    for (const struct ms_option *o = v->options; o && o->name; o++) {
        int n = option_head(head, sizeof head, o);
        width = n > width && n <= 32 ? n : width;
    }
    width = width < 12 ? 12 : width;
    for (const struct ms_option *o = v->options; o && o->name; o++)
        option_line(out, o, width);
    option_line(out, &help, width);
}

void ms_help_version(FILE *out)
{
    fprintf(out, "moesim %s\n", MS_VERSION);
    struct ms_err err = {0};
    if (ms_simgrid_load(&err) == MS_OK)
        fprintf(out, "SimGrid %s\n", ms_sim_simgrid_version());
    else
        fprintf(out, "%s\n", err.text);
    fprintf(out, "matrix kernels %s\n", ms_kernels_pick()->name);
    fprintf(out, "libyaml %s\n", yaml_get_version_string());
    fprintf(out, "build %s\n", MS_BUILD);
}
