/* `moesim profile`: which experts do the work, in a checkpoint over text, in a trace, or in a
 * scenario. */
#include <stdlib.h>
#include <string.h>

#include "cli/expert_use.h"
#include "cli/moe_args.h"
#include "cli/trace_args.h"
#include "moe/observer.h"
#include "moe/text.h"

static const struct ms_option options[] = {
    {"text", 't', "FILE…",
     "texts for a checkpoint, through its tokenizer.json (bytes where its vocabulary is 256); .gz "
     "too"},
    {"tokens", 'n', "FILE.npy|N",
     "token ids instead of text: [windows, N+1] or one row; a number: at most N tokens of each "
     "text"},
    {"seq", 0, "N", "tokens a window (default: the checkpoint's max_position_embeddings)"},
    {"assignment", 'a', "NAME",
     "token assignment of a checkpoint (default: its own router, top_k)"},
    {"seed", 0, "S", "of the random assignment (default 1)"},
    MS_TRACE_OPTIONS,
    {"step", 0, "N|all|last", "step of a trace, counted from 0 (default: all, summed)"},
    {"set", 's', "KEY=VALUE", "replace a key of a scenario (VALUE is YAML); may be repeated"},
    {"rope", 0, "auto|float32|bfloat16", MS_ROPE_HELP},
    {"threads", 'j', "N", "threads (default: all cores)"},
    {"output", 'o', "DIR",
     "write profiling_report.txt, profile.json, counts.csv and pictures there"},
    {"format", 'f', "FORMAT",
     "table (default), json or csv (layer_id,expert_id,count: a routing.trace)"},
    {0}};

static const char *const formats[] = {"table", "json", "csv", NULL};

struct job {
    const struct ms_verb *verb;
    struct ms_args args;
    struct ms_moe_inputs in;
    int64_t tokens, seq, seed, threads;
    const char *token_file; /* an .npy of ids */
    int format, rope;
    const struct ms_router *assign;
    const char *sets[256];
    size_t n_sets;
    struct ms_trace_args trace;
    long step;
    int code; /* of a fault in the options */
    struct ms_expert_use profile;
    struct ms_errs errs;
};

static bool read_lists(struct job *j)
{
    for (int i = 0; i < j->args.n_options; i++)
        if (strcmp(j->args.option[i].name, "set") == 0)
            j->sets[j->n_sets++] = j->args.option[i].value;
    return ms_trace_args_read(j->verb, &j->args, j->in.operand, j->in.n_operands, &j->trace,
                              &j->code);
}

static bool read_step(struct job *j)
{
    const char *word = ms_args_get(&j->args, "step", "all");
    int64_t step = MS_STEP_ALL;
    if (strcmp(word, "last") == 0)
        step = MS_STEP_LAST;
    else if (strcmp(word, "all") != 0 &&
             !ms_args_integer(j->verb, &j->args, "step", 0, INT32_MAX, &step))
        return false;
    j->step = (long)step;
    return true;
}

/* --tokens 20000, or --tokens ids.npy. */
static bool read_tokens(struct job *j)
{
    const char *text = ms_args_get(&j->args, "tokens", NULL);
    if (text && text[strspn(text, "0123456789")] != '\0') {
        j->token_file = text;
        if (j->in.n_texts == 0)
            return true;
        ms_usage(j->verb, "--text and --tokens FILE.npy exclude each other");
        return false;
    }
    return ms_args_integer(j->verb, &j->args, "tokens", 1, INT64_MAX / 2, &j->tokens);
}

static bool read_options(struct job *j)
{
    const char *names[16] = {NULL}, *word = ms_args_get(&j->args, "assignment", "top_k");
    char allowed[256];
    size_t n = 0;
    for (; n < 15 && ms_assigns[n]; n++)
        names[n] = ms_assigns[n]->name;
    j->seed = 1;
    j->threads = ms_cores();
    j->assign = ms_assign_find(word);
    if (!j->assign) {
        ms_usage(j->verb, "--assignment: '%s' is not a token assignment%s", word,
                 ms_allowed(allowed, sizeof allowed, word, names, n));
        return false;
    }
    if (j->in.n_operands < 1) {
        ms_usage(j->verb, "nothing to profile: give a checkpoint folder with --text, a trace or a "
                          "scenario");
        return false;
    }
    j->format = ms_moe_word(j->verb, &j->args, "format", formats, 0);
    j->rope = ms_moe_word(j->verb, &j->args, "rope", ms_rope_words, 0);
    return j->format >= 0 && j->rope >= 0 && read_lists(j) && read_step(j) && read_tokens(j) &&
           ms_args_integer(j->verb, &j->args, "seq", 1, 1 << 20, &j->seq) &&
           ms_args_integer(j->verb, &j->args, "seed", 0, INT64_MAX, &j->seed) &&
           ms_args_integer(j->verb, &j->args, "threads", 1, 1024, &j->threads);
}

static enum ms_status no_memory(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "no memory for the counts");
}

/* ---- a checkpoint over text ---- */

/* Count one text into part i and the sum. */
static enum ms_status profile_text(struct job *j, struct ms_observer *observer, int i,
                                   const struct ms_token_text *text, struct ms_err *err)
{
    struct ms_expert_use *p = &j->profile;
    size_t grid = (size_t)p->n_layers * (size_t)p->n_experts, N = (size_t)observer->N;
    struct ms_perplexity x = {.counts = MS_NEW(&p->arena, int64_t, grid)};
    struct ms_windows w = ms_token_text_windows(text, observer->N);
    if (!x.counts)
        return no_memory(err);
    if (w.n_windows == 0)
        return ms_err_at(err, MS_INVALID, text->path, 0, 0, "--seq",
                         "%zu tokens hold no whole window of %d: give a smaller --seq", text->ids.n,
                         observer->N);
    size_t most = j->tokens > 0 ? ((size_t)j->tokens + N - 1) / N : 0;
    enum ms_status s =
        ms_perplexity_run(observer->model, &w, observer->B, most, (uint64_t)j->seed, &x, err);
    p->parts[i].name = ms_moe_file_name(text->path);
    for (size_t g = 0; !s && g < grid; g++) {
        p->parts[i].counts[g] = (double)x.counts[g];
        p->all.counts[g] += (double)x.counts[g];
    }
    p->tokens += (double)x.tokens;
    return s;
}

/* Texts are read one at a time, before the weights: what is wrong with one shows at once. */
static enum ms_status read_texts(struct job *j, const char *folder, int vocab,
                                 struct ms_token_text *text, struct ms_err *err)
{
    struct ms_text_codec codec = {0};
    if (j->token_file)
        return ms_token_text_npy(j->token_file, vocab, text, err);
    enum ms_status s = ms_text_codec_open(&codec, folder, vocab, err);
    for (int i = 0; i < j->in.n_texts && !s; i++)
        s = ms_token_text_read(&codec, j->in.text[i], &text[i], err);
    ms_text_codec_finish(&codec);
    return s;
}

static enum ms_status profile_texts(struct job *j, struct ms_observer *observer,
                                    const struct ms_token_text *text, int n, struct ms_err *err)
{
    struct ms_expert_use *p = &j->profile;
    enum ms_status s = ms_use_make(p, observer->n_layers, observer->n_experts, n, 0, err);
    s = s ? s : ms_observer_use(observer, j->assign, 0, MS_DROP_PROBS, NULL, NULL, err);
    for (int l = 0; !s && l < p->n_layers; l++)
        p->layer_id[l] = ms_model_moe_layer_id(observer->model, l);
    for (int i = 0; i < n && !s; i++)
        s = profile_text(j, observer, i, &text[i], err);
    p->top_k = observer->top_k;
    p->n_parts = n > 1 ? n : 0;
    return s;
}

static enum ms_status profile_checkpoint(struct job *j, const char *folder, struct ms_err *err)
{
    struct ms_observer observer = {0};
    struct ms_checkpoint *c = NULL;
    int n = j->token_file ? 1 : j->in.n_texts, N = (int)j->seq;
    if (n == 0)
        return ms_err_at(err, MS_USAGE, folder, 0, 0, "--text",
                         "a checkpoint is profiled over text: give --text FILE… or --tokens "
                         "FILE.npy");
    struct ms_token_text *text = calloc((size_t)n, sizeof *text);
    enum ms_status s = text ? ms_checkpoint_open(folder, &c, err) : no_memory(err);
    s = s ? s : read_texts(j, folder, ms_checkpoint_config(c)->vocab, text, err);
    ms_checkpoint_close(c);
    if (!s && text[0].row)
        N = (int)text[0].row - 1;
    struct ms_observer_options o = {
        .N = N, .threads = (int)j->threads, .counts_only = true, .rope = j->rope};
    s = s ? s : ms_observer_open(&observer, folder, &o, err);
    s = s ? s : profile_texts(j, &observer, text, n, err);
    for (int i = 0; text && i < n; i++)
        ms_token_text_finish(&text[i]);
    free(text);
    ms_observer_close(&observer);
    return s;
}

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcmp(s + n - m, tail) == 0;
}

/* A folder with a config.json is a checkpoint, YAML a scenario, anything else a trace. */
static enum ms_status profile_input(struct job *j, const char *input, struct ms_err *err)
{
    char config[4096];
    snprintf(config, sizeof config, "%s/config.json", input);
    bool folder = ms_file_is(config);
    bool yaml = ends_with(input, ".yaml") || ends_with(input, ".yml") || strcmp(input, "-") == 0;
    if (j->in.n_operands > 1 && (folder || j->in.n_texts > 0 || j->token_file || yaml))
        return ms_err_at(err, MS_USAGE, NULL, 0, 0, NULL,
                         "one checkpoint or scenario at a time; only traces are summed");
    if (folder || j->in.n_texts > 0 || j->token_file)
        return profile_checkpoint(j, input, err);
    if (yaml)
        return ms_use_scenario(input, j->sets, j->n_sets, (int)j->threads, &j->profile, &j->errs,
                               err);
    return ms_use_trace(&j->trace.request, j->step, &j->profile, err);
}

static int fail(struct job *j, enum ms_status s, const struct ms_err *err)
{
    ms_errs_print(stderr, &j->errs);
    return j->errs.n > 0 && err->status == MS_OK ? ms_exit_code(s) : ms_moe_fail(err);
}

/* ---- files of the report ---- */

static enum ms_status write_one(const char *dir, const char *name, struct ms_buf *b,
                                struct ms_err *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    enum ms_status s = b->failed ? no_memory(err) : ms_file_write(path, b->p, b->n, err);
    ms_buf_finish(b);
    return s;
}

static enum ms_status write_files(const struct ms_expert_use *p, const char *dir,
                                  struct ms_err *err)
{
    struct ms_buf b = {0};
    enum ms_status s = ms_dir_make(dir, err);
    if (s)
        return s;
    ms_use_table(p, true, &b);
    s = write_one(dir, "profiling_report.txt", &b, err);
    ms_use_json(p, &b);
    s = s ? s : write_one(dir, "profile.json", &b, err);
    ms_use_csv(p, &b);
    s = s ? s : write_one(dir, "counts.csv", &b, err);
    ms_buf_finish(&b);
    return s;
}

static int show(struct job *j, struct ms_err *err)
{
    struct ms_buf out = {0};
    const char *dir = ms_args_get(&j->args, "output", NULL);
    if (dir && write_files(&j->profile, dir, err) != MS_OK)
        return ms_moe_fail(err);
    if (j->format == 0)
        ms_use_table(&j->profile, false, &out);
    else
        (j->format == 1 ? ms_use_json : ms_use_csv)(&j->profile, &out);
    fwrite(out.p, 1, out.n, stdout);
    ms_buf_finish(&out);
    if (!dir)
        return MS_OK;
    bool drawn = ms_use_plot(&j->profile, dir, err) == MS_OK;
    if (!drawn)
        fprintf(stderr, "%s\n", err->text);
    fprintf(stderr, "wrote %s/{profiling_report.txt,profile.json,counts.csv%s}\n", dir,
            drawn ? ",profile.svg,profile.png" : "");
    return MS_OK;
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct job j = {.verb = self, .code = MS_USAGE};
    struct ms_err err = {0};
    int stop = ms_moe_parse(self, argc, argv, &j.args, &j.in);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    int code = read_options(&j) ? MS_OK : j.code;
    if (code == MS_OK) {
        j.profile.source = j.in.operand[0];
        enum ms_status s = profile_input(&j, j.in.operand[0], &err);
        code = s ? fail(&j, s, &err) : show(&j, &err);
    }
    ms_trace_args_finish(&j.trace);
    ms_errs_finish(&j.errs);
    ms_use_finish(&j.profile);
    ms_moe_inputs_finish(&j.in);
    return code;
}

const struct ms_verb ms_verb_profile = {
    .name = "profile",
    .arguments = "INPUT [options]",
    .summary = "Expert usage of a checkpoint over text, a trace or a scenario: counts and every "
               "imbalance metric",
    .examples =
        "moesim profile results/train-jargon/checkpoint --text jargon.txt -o results/profile\n"
        "moesim profile mixtral/ --text a.txt b.txt --tokens 20000 --format json\n"
        "moesim profile results/train-jargon/loads.csv\n"
        "moesim profile counts.csv --filter domain=arxiv\n"
        "moesim profile scenarios/mine.yaml",
    .options = options,
    .run = run,
};
