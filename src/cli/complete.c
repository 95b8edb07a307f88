/* The words that may come next on a command line, for the shell: verbs, options, the choices of an
 * option and the keys of a scenario, from the tables that parse them. */
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "cli/cli.h"
#include "scenario/scenario.h"
#include "stats/metric.h"

static const struct ms_option *option_of(const struct ms_verb *v, const char *word)
{
    for (const struct ms_option *o = v->options; o && o->name; o++) {
        int as_long = strncmp(word, "--", 2) == 0 && strcmp(word + 2, o->name) == 0;
        int as_short = o->letter && word[0] == '-' && word[1] == o->letter && word[2] == 0;
        if (as_long || as_short)
            return o;
    }
    return NULL;
}

static void metrics(const char *tail)
{
    for (const struct ms_metric *m = ms_metrics; m->name; m++)
        printf("%s%s", m->name, tail);
}

/* "table|csv|jsonl": one a line; keys of a scenario, metrics. Anything else is left to the shell, which
 * offers files. */
static void choices(const struct ms_option *o)
{
    const char *value = o->value;
    if (strncmp(value, "KEY", 3) == 0) {
        struct ms_buf keys = {0};
        ms_scenario_key_names(&keys, strcmp(value, "KEY=VALUE") == 0 ? "=\n" : "\n");
        fputs(keys.p ? keys.p : "", stdout);
        ms_buf_finish(&keys);
    }
    if (strcmp(o->name, "metric") == 0 || strstr(value, "METRIC"))
        metrics(strcmp(value, "METRIC=US") == 0 ? "=\n" : "\n");
    if (!strchr(value, '|') || strstr(value, "METRIC"))
        return;
    for (const char *s = value;; s++) {
        size_t n = strcspn(s, "|");
        printf("%.*s\n", (int)n, s);
        s += n;
        if (!*s)
            break;
    }
}

int ms_complete(int n, char **words)
{
    const char *word = n > 0 ? words[n - 1] : "";
    if (n <= 2) {
        for (const struct ms_verb *const *v = ms_verbs(); *v; v++)
            printf("%s\n", (*v)->name);
        puts("--help\n--version");
        return MS_OK;
    }
    const struct ms_verb *v = ms_verb_find(words[1]);
    if (!v)
        return MS_OK;
    const struct ms_option *before = n > 3 ? option_of(v, words[n - 2]) : NULL;
    if (before && before->value) {
        choices(before);
        return MS_OK;
    }
    if (word[0] == '-') {
        for (const struct ms_option *o = v->options; o && o->name; o++)
            printf("--%s\n", o->name);
        puts("--help");
    }
    for (size_t i = 0; v->word && v->word(i); i++)
        puts(v->word(i));
    return MS_OK;
}
