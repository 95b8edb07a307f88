/* Command-line pieces that train, evaluate and profile share: texts and folders in any order,
 * words from a list, whole numbers. */
#include "cli/moe_args.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *const ms_rope_words[] = {"auto", "float32", "bfloat16", NULL};

bool ms_moe_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *ms_moe_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* The option or operand whose text lies in argv[i]. */
static bool lies_in(const char *p, const char *argument)
{
    return p >= argument && p <= argument + strlen(argument);
}

static void sort_inputs(int argc, char **argv, const struct ms_args *args,
                        struct ms_moe_inputs *out)
{
    bool after_text = false;
    for (int i = 1; i < argc; i++) {
        for (int o = 0; o < args->n_options; o++)
            if (strcmp(args->option[o].name, "text") == 0 &&
                lies_in(args->option[o].value, argv[i])) {
                out->text[out->n_texts++] = args->option[o].value;
                after_text = true;
            }
        for (int k = 0; k < args->n_operands; k++) {
            if (args->operand[k] != argv[i])
                continue;
            if (after_text && !ms_moe_is_folder(argv[i]))
                out->text[out->n_texts++] = argv[i];
            else
                out->operand[out->n_operands++] = argv[i];
        }
    }
}

int ms_moe_parse(const struct ms_verb *verb, int argc, char **argv, struct ms_args *args,
                 struct ms_moe_inputs *out)
{
    char **words =
        malloc(((size_t)argc + 1) * sizeof *words); /* parsing moves the operands to the front */
    *out = (struct ms_moe_inputs){.operand = calloc((size_t)argc + 1, sizeof *out->operand),
                                  .text = calloc((size_t)argc + 1, sizeof *out->text)};
    int stop = words && out->operand && out->text ? 0 : 2;
    if (!stop) {
        memcpy(words, argv, (size_t)argc * sizeof *words);
        stop = ms_args_parse(verb, argc, argv, args);
    }
    if (!stop)
        sort_inputs(argc, words, args, out);
    else
        ms_moe_inputs_finish(out);
    free(words);
    return stop;
}

void ms_moe_inputs_finish(struct ms_moe_inputs *in)
{
    free(in->operand);
    free(in->text);
    *in = (struct ms_moe_inputs){0};
}

int ms_moe_word(const struct ms_verb *verb, const struct ms_args *args, const char *name,
                const char *const *words, int fallback)
{
    const char *text = ms_args_get(args, name, NULL);
    char allowed[256];
    int n = 0;
    for (; words[n]; n++)
        if (text && strcmp(text, words[n]) == 0)
            return n;
    if (!text)
        return fallback;
    ms_usage(verb, "--%s: '%s' is not known%s", name, text,
             ms_allowed(allowed, sizeof allowed, text, words, (size_t)n));
    return -1;
}

int ms_moe_fail(const struct ms_err *err)
{
    ms_err_print(stderr, err, "error");
    return ms_exit_code(err->status);
}
