/* Decides how a command line is cut into options and operands, by the verb's own table of options,
 * as GNU programs do. */
#include "cli/verb.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/field.h"
#include "cli/cli.h"

enum { MAX_OPTIONS = 256, MAX_TABLE = 64, GO_ON = 0, STOP_OK = 1, STOP_USAGE = 2 };

static const struct ms_option help_option = {"help", 'h', NULL, "show this text"};

int ms_usage(const struct ms_verb *verb, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "moesim %s: %s\nTry 'moesim %s --help'.\n", verb->name, ms_clean_lines(text),
            verb->name);
    return MS_USAGE;
}

/* The option of that name, or the only one that starts with it. */
static const struct ms_option *find_long(const struct ms_verb *verb, const char *name, size_t n,
                                         bool *ambiguous)
{
    const struct ms_option *found = NULL;
    *ambiguous = false;
    for (const struct ms_option *o = verb->options; o && o->name; o++) {
        if (strncmp(o->name, name, n) != 0)
            continue;
        if (o->name[n] == 0) {
            *ambiguous = false;
            return o;
        }
        *ambiguous = found != NULL;
        found = o;
    }
    if (!found && n > 0 && strncmp("help", name, n) == 0)
        return &help_option;
    return *ambiguous ? NULL : found;
}

static const struct ms_option *find_letter(const struct ms_verb *verb, char letter)
{
    for (const struct ms_option *o = verb->options; o && o->name; o++)
        if (o->letter == letter)
            return o;
    return letter == 'h' ? &help_option : NULL;
}

static int unknown_option(const struct ms_verb *verb, const char *name, size_t n)
{
    const char *names[MAX_TABLE];
    char word[64], text[160] = "";
    size_t n_names = 0;
    snprintf(word, sizeof word, "%.*s", (int)(n < 63 ? n : 63), name);
    for (const struct ms_option *o = verb->options; o && o->name && n_names < MAX_TABLE; o++)
        names[n_names++] = o->name;
    const char *near = ms_nearest(word, names, n_names);
    if (near)
        snprintf(text, sizeof text, "; did you mean '--%s'?", near);
    ms_usage(verb, "unknown option '--%s'%s", word, text);
    return STOP_USAGE;
}

static int add(const struct ms_verb *verb, struct ms_args *out, const struct ms_option *o,
               const char *value)
{
    if (out->n_options == MAX_OPTIONS) {
        ms_usage(verb, "more than %d options", MAX_OPTIONS);
        return STOP_USAGE;
    }
    out->option[out->n_options].name = o->name;
    out->option[out->n_options++].value = value;
    return GO_ON;
}

static int needs_value(const struct ms_verb *verb, const struct ms_option *o)
{
    ms_usage(verb, "option '--%s' needs a value: --%s=%s", o->name, o->name, o->value);
    return STOP_USAGE;
}

/* argv[*i] is --name, --name=value or --name value. */
static int long_option(const struct ms_verb *verb, int argc, char **argv, int *i,
                       struct ms_args *out)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    bool ambiguous;
    const struct ms_option *o = find_long(verb, name, n, &ambiguous);
    if (ambiguous) {
        ms_usage(verb, "option '--%.*s' is ambiguous", (int)n, name);
        return STOP_USAGE;
    }
    if (!o)
        return unknown_option(verb, name, n);
    if (o == &help_option) {
        ms_help_verb(stdout, verb);
        return STOP_OK;
    }
    if (!o->value && equals) {
        ms_usage(verb, "option '--%s' takes no value", o->name);
        return STOP_USAGE;
    }
    if (!o->value || equals)
        return add(verb, out, o, equals ? equals + 1 : "");
    if (*i + 1 >= argc)
        return needs_value(verb, o);
    return add(verb, out, o, argv[++*i]);
}

/* argv[*i] is -x, -xVALUE, -x VALUE, or several flags in one: -xy. */
static int short_options(const struct ms_verb *verb, int argc, char **argv, int *i,
                         struct ms_args *out)
{
    for (const char *c = argv[*i] + 1; *c; c++) {
        const struct ms_option *o = find_letter(verb, *c);
        if (!o) {
            ms_usage(verb, "unknown option '-%c'", *c);
            return STOP_USAGE;
        }
        if (o == &help_option) {
            ms_help_verb(stdout, verb);
            return STOP_OK;
        }
        if (!o->value) {
            int stop = add(verb, out, o, "");
            if (stop)
                return stop;
            continue;
        }
        if (c[1])
            return add(verb, out, o, c[1] == '=' ? c + 2 : c + 1);
        if (*i + 1 >= argc)
            return needs_value(verb, o);
        return add(verb, out, o, argv[++*i]);
    }
    return GO_ON;
}

/* "-" names a stream, and a folder is none. */
static int no_folder(const struct ms_verb *verb, const struct ms_args *a)
{
    for (int i = 0; i < a->n_options; i++)
        if (a->option[i].value && strcmp(a->option[i].value, "-") == 0)
            for (const struct ms_option *o = verb->options; o && o->name; o++)
                if (strcmp(o->name, a->option[i].name) == 0 && o->value &&
                    strcmp(o->value, "DIR") == 0) {
                    ms_usage(verb, "--%s is a folder, which '-' cannot be", o->name);
                    return STOP_USAGE;
                }
    return GO_ON;
}

int ms_args_parse(const struct ms_verb *verb, int argc, char **argv, struct ms_args *out)
{
    bool only_operands = false;
    memset(out, 0, sizeof *out);
    out->operand = argv + 1; /* operands move to the front of argv[1..], in order */
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        int stop = GO_ON;
        if (only_operands || word[0] != '-' || word[1] == 0)
            out->operand[out->n_operands++] = word;
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else if (word[1] == '-')
            stop = long_option(verb, argc, argv, &i, out);
        else
            stop = short_options(verb, argc, argv, &i, out);
        if (stop)
            return stop;
    }
    return no_folder(verb, out);
}

bool ms_integer_parse(const char *text, int64_t low, int64_t high, int64_t *out)
{
    const struct ms_field row = {.key = "", MS_INT((double)low, (double)high)};
    return ms_field_parse(&row, text, true, NULL, out, NULL) == MS_OK;
}

bool ms_args_integer(const struct ms_verb *verb, const struct ms_args *a, const char *name,
                     int64_t low, int64_t high, int64_t *out)
{
    const char *text = ms_args_get(a, name, NULL);
    if (!text || ms_integer_parse(text, low, high, out))
        return true;
    ms_usage(verb, "--%s: '%s' is not a whole number in %lld..%lld", name, text, (long long)low,
             (long long)high);
    return false;
}

const char *ms_args_get(const struct ms_args *a, const char *name, const char *fallback)
{
    for (int i = a->n_options - 1; i >= 0; i--)
        if (strcmp(a->option[i].name, name) == 0)
            return a->option[i].value;
    return fallback;
}
