/* The manual page in roff, from the tables that --help prints: `moesim __man`. */
#include <string.h>

#include "cli/cli.h"
#include "cli_version.h"

/* Text as roff takes it: no line starts a request, a minus is one that can be copied. */
static void text(FILE *out, const char *s)
{
    bool start = true;
    for (; *s; s++) {
        if (start && (*s == '.' || *s == '\''))
            fputs("\\&", out);
        start = *s == '\n';
        if (*s == '\\')
            fputs("\\e", out);
        else if (*s == '-')
            fputs("\\-", out);
        else
            fputc(*s, out);
    }
}

static void option(FILE *out, const struct ms_option *o)
{
    fputs(".TP\n", out);
    if (o->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    text(out, o->name);
    fputs("\\fR", out);
    if (o->value) {
        fputs(" \\fI", out);
        text(out, o->value);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    text(out, o->help);
    fputc('\n', out);
}

static void verb(FILE *out, const struct ms_verb *v)
{
    fputs(".SS moesim ", out);
    text(out, v->name);
    fputc(' ', out);
    text(out, v->arguments ? v->arguments : "");
    fputc('\n', out);
    text(out, v->summary);
    fputs(".\n", out);
    if (v->examples && *v->examples) {
        fputs(".PP\n.RS\n.nf\n", out);
        text(out, v->examples);
        fputs("\n.fi\n.RE\n", out);
    }
    for (const struct ms_option *o = v->options; o && o->name; o++)
        option(out, o);
}

static const char before[] =
    ".SH NAME\n"
    "moesim \\- tail latency of expert\\-parallel all\\-to\\-all exchanges on a cluster\n"
    ".SH SYNOPSIS\n"
    ".B moesim\n"
    ".I VERB\n"
    "[options] ...\n"
    ".SH DESCRIPTION\n"
    "A mixture\\-of\\-experts model routes tokens unevenly.\n"
    ".B moesim\n"
    "simulates, with SimGrid, how slow the slowest all\\-to\\-all exchange is then on a cluster "
    "that a\n"
    "platform file describes, with which expert placement and which communication kernels, and\n"
    "compares clusters with confidence intervals. It also trains, reads and profiles real\n"
    "mixture\\-of\\-experts language models, whose routing is what is simulated.\n"
    ".PP\n"
    "Questions are YAML files, scenarios: \\fBmoesim list keys\\fR prints every key. Results and "
    "tables\n"
    "go to standard output, everything else to standard error. \\(aq\\-\\(aq is standard input "
    "where a\n"
    "scenario is read (by place: a trace) and standard output where a file is written; folders, "
    "platforms, "
    "other traces,\n"
    "checkpoints and figures must be files.\n"
    ".SH COMMANDS\n";

static const char after[] =
    ".SH EXIT STATUS\n"
    "0 ok, 1 some cases failed (the others are kept), 2 usage, 3 invalid input, 4 cannot write or "
    "read,\n"
    "5 internal, 130 and 143 interrupted (what is done is kept).\n"
    ".SH ENVIRONMENT\n"
    ".TP\n"
    "\\fBNO_COLOR\\fR\n"
    "no colours, also on a terminal\n"
    ".TP\n"
    "\\fBMOESIM_KERNELS\\fR\n"
    "the instruction set of a model\\(aqs matrix products: base, avx2 or avx512 (default: the "
    "widest that\n"
    "the CPU has). Trainings on CPUs of two kinds have the same bytes with the same one.\n"
    ".SH FILES\n"
    ".TP\n"
    "\\fI" MS_DATA_DIR "/platforms\\fR\n"
    "ready\\-made clusters and hardware profiles\n"
    ".TP\n"
    "\\fI" MS_DATA_DIR "/scenarios\\fR\n"
    "examples, with their data\n"
    ".TP\n"
    "\\fIresults/NAME\\fR\n"
    "what a run writes: results.jsonl, summary.csv, scenario.json, timing.jsonl\n";

void ms_man(FILE *out)
{
    fprintf(out, ".TH MOESIM 1 \"\" \"moesim %s\" \"User Commands\"\n", MS_VERSION);
    fputs(before, out);
    for (const struct ms_verb *const *v = ms_verbs(); *v; v++)
        verb(out, *v);
    fputs(after, out);
}
