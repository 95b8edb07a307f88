/* `moesim evaluate`: what each token assignment costs a trained model in perplexity, with its own
 * weights. */
#include <stdlib.h>
#include <string.h>

#include "cli/evaluate.h"
#include "cli/moe_args.h"
#include "moe/loss_values.h"
#include "moe/text.h"

static const struct ms_option options[] = {
    {"text", 't', "FILE…",
     "texts, through the checkpoint's tokenizer.json (bytes where its vocabulary is 256); .gz too"},
    {"tokens", 0, "FILE.npy", "token ids instead: int32 [windows, N+1]"},
    {"seq", 'n', "N", "tokens a window (default: the checkpoint's max_position_embeddings)"},
    {"assignment", 'a', "all|NAME,…", "token assignments; default top_k, the model's own routing"},
    {"batch", 'b', "B",
     "windows at once, which is what assignments that are not causal see (default: up to 8192 "
     "tokens)"},
    {"exclude", 'x', "E,…", "experts that top_k_filtered leaves out"},
    {"capacity-factor", 0, "F", "drop tokens of experts above F x k x tokens / experts"},
    {"drop-policy", 0, "WORD", "probs (default) or position"},
    {"losses", 'l', NULL,
     "also the value of every balancing loss (`moesim list loss`) on these routings"},
    {"seed", 0, "S", "of the random assignment (default 1)"},
    {"rope", 0, "auto|float32|bfloat16", MS_ROPE_HELP},
    {"threads", 'j', "N", "threads (default: all cores)"},
    {"format", 'f', "FORMAT", "table (default), json or csv"},
    {0}};

static const char *const formats[] = {"table", "json", "csv", NULL};
enum { TABLE, JSON, CSV };
enum { MAX_ASSIGNS = 16 };

/* One text or token array. */
struct subject {
    const char *name;
    struct ms_token_text text;
    struct ms_windows windows;
};

struct job {
    const struct ms_verb *verb;
    struct ms_args args;
    struct ms_moe_inputs in;
    int64_t seq, batch, seed, threads;
    int format, drop_policy, rope;
    double capacity_factor;
    const struct ms_router *assign[MAX_ASSIGNS];
    int n_assigns;
    uint8_t *excluded;    /* [n_experts] */
    double *loss_scratch; /* [losses] */
    struct subject *subjects;
    int n_subjects;
    struct ms_observer observer;
    struct ms_evaluations results;
};

/* ---- the command line ---- */

static bool add_assignment(struct job *j, const char *word)
{
    const char *names[MAX_ASSIGNS] = {NULL};
    char allowed[256];
    size_t n = 0;
    for (; n < MAX_ASSIGNS && ms_assigns[n]; n++)
        names[n] = ms_assigns[n]->name;
    const struct ms_router *a = ms_assign_find(word);
    if (!a) {
        ms_usage(j->verb, "--assignment: '%s' is not a token assignment%s", word,
                 ms_allowed(allowed, sizeof allowed, word, names, n));
        return false;
    }
    for (int i = 0; i < j->n_assigns; i++)
        if (j->assign[i] == a)
            return true;
    if (a == ms_assigns[0]) /* top_k always comes first */
        memmove(j->assign + 1, j->assign, (size_t)j->n_assigns * sizeof *j->assign);
    j->assign[a == ms_assigns[0] ? 0 : j->n_assigns] = a;
    j->n_assigns++;
    return true;
}

static bool read_assignments(struct job *j)
{
    const char *text = ms_args_get(&j->args, "assignment", "top_k");
    char word[64];
    if (strcmp(text, "all") == 0) {
        for (; ms_assigns[j->n_assigns]; j->n_assigns++)
            j->assign[j->n_assigns] = ms_assigns[j->n_assigns];
        return true;
    }
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        snprintf(word, sizeof word, "%.*s", (int)(n < 63 ? n : 63), p);
        if (!add_assignment(j, word))
            return false;
        p += n + (p[n] == ',');
    }
    if (j->n_assigns == 0)
        ms_usage(j->verb, "--assignment: no name given");
    return j->n_assigns > 0;
}

static bool read_number(struct job *j)
{
    const char *text = ms_args_get(&j->args, "capacity-factor", NULL);
    char *end;
    if (!text)
        return true;
    j->capacity_factor = strtod(text, &end);
    if (end == text || *end || !(j->capacity_factor > 0) || j->capacity_factor > 1e6) {
        ms_usage(j->verb, "--capacity-factor: '%s' is not a number above 0", text);
        return false;
    }
    return true;
}

static bool read_options(struct job *j)
{
    static const char *const policies[] = {"probs", "position", NULL};
    j->seed = 1;
    j->threads = ms_cores();
    bool tokens = ms_args_get(&j->args, "tokens", NULL) != NULL;
    if (j->in.n_operands != 1) {
        ms_usage(j->verb, j->in.n_operands ? "one checkpoint folder at a time"
                                           : "no checkpoint folder given");
        return false;
    }
    if (tokens == (j->in.n_texts > 0)) {
        ms_usage(j->verb, tokens ? "--text and --tokens exclude each other"
                                 : "give --text FILE… or --tokens FILE.npy");
        return false;
    }
    j->format = ms_moe_word(j->verb, &j->args, "format", formats, TABLE);
    j->drop_policy = ms_moe_word(j->verb, &j->args, "drop-policy", policies, MS_DROP_PROBS);
    j->rope = ms_moe_word(j->verb, &j->args, "rope", ms_rope_words, 0);
    return j->format >= 0 && j->drop_policy >= 0 && j->rope >= 0 && read_number(j) &&
           read_assignments(j) && ms_args_integer(j->verb, &j->args, "seq", 1, 1 << 20, &j->seq) &&
           ms_args_integer(j->verb, &j->args, "batch", 1, 1 << 20, &j->batch) &&
           ms_args_integer(j->verb, &j->args, "seed", 0, INT64_MAX, &j->seed) &&
           ms_args_integer(j->verb, &j->args, "threads", 1, 1024, &j->threads);
}

/* --exclude 3,5 */
static enum ms_status read_excluded(struct job *j, int n_experts, struct ms_err *err)
{
    const char *text = ms_args_get(&j->args, "exclude", NULL);
    j->excluded = calloc((size_t)n_experts, 1);
    if (!j->excluded)
        return ms_err_set(err, MS_NOMEM, "no memory for %d experts", n_experts);
    while (text && *text) {
        char *end;
        long e = strtol(text, &end, 10);
        if (end == text || (*end && *end != ',') || e < 0 || e >= n_experts)
            return ms_err_at(err, MS_USAGE, NULL, 0, 0, "--exclude",
                             "'%s' is not a list of experts in 0..%d", text, n_experts - 1);
        j->excluded[e] = 1;
        text = end + (*end == ',');
    }
    return MS_OK;
}

/* ---- what is evaluated ---- */

static enum ms_status read_subject(struct job *j, const struct ms_text_codec *codec,
                                   const char *path, int vocab, struct subject *out,
                                   struct ms_err *err)
{
    out->name = ms_moe_file_name(path);
    if (codec)
        return ms_token_text_read(codec, path, &out->text, err);
    enum ms_status s = ms_token_text_npy(path, vocab, &out->text, err);
    if (!s && out->text.row && j->seq > 0 && out->text.row != (size_t)j->seq + 1)
        s = ms_err_at(err, MS_INVALID, path, 0, 0, "--seq",
                      "%lld, but the rows of the array are windows of %zu", (long long)j->seq,
                      out->text.row - 1);
    return s;
}

/* Every text or array as ids, cut into windows. */
static enum ms_status read_subjects(struct job *j, const char *folder,
                                    const struct ms_moe_config *c, size_t *most, struct ms_err *err)
{
    const char *tokens = ms_args_get(&j->args, "tokens", NULL);
    int N = j->seq > 0 ? (int)j->seq : c->max_positions;
    struct ms_text_codec codec = {0};
    j->n_subjects = tokens ? 1 : j->in.n_texts;
    j->subjects = calloc((size_t)j->n_subjects, sizeof *j->subjects);
    if (!j->subjects)
        return ms_err_set(err, MS_NOMEM, "no memory for %d texts", j->n_subjects);
    enum ms_status s = tokens ? MS_OK : ms_text_codec_open(&codec, folder, c->vocab, err);
    for (int i = 0; i < j->n_subjects && !s; i++) {
        struct subject *x = &j->subjects[i];
        const char *path = tokens ? tokens : j->in.text[i];
        s = read_subject(j, tokens ? NULL : &codec, path, c->vocab, x, err);
        if (s)
            break;
        x->windows = ms_token_text_windows(&x->text, N);
        *most = x->windows.n_windows > *most ? x->windows.n_windows : *most;
        if (x->windows.n_windows == 0)
            s = ms_err_at(err, MS_INVALID, path, 0, 0, "--seq",
                          "%zu tokens hold no whole window of %d and its targets: give a smaller "
                          "--seq",
                          x->text.ids.n, N);
    }
    ms_text_codec_finish(&codec);
    return s;
}

static enum ms_status open_observer(struct job *j, struct ms_err *err)
{
    const char *folder = j->in.operand[0];
    struct ms_checkpoint *c;
    size_t most = 0;
    enum ms_status s = ms_checkpoint_open(folder, &c, err);
    if (s)
        return s;
    struct ms_moe_config config = *ms_checkpoint_config(c);
    ms_checkpoint_close(c);
    s = read_excluded(j, config.experts, err);
    s = s ? s : read_subjects(j, folder, &config, &most, err);
    if (s)
        return s;
    struct ms_observer_options o = {.N = j->subjects[0].windows.N,
                                    .B = (int)j->batch,
                                    .n_windows = most,
                                    .threads = (int)j->threads,
                                    .rope = j->rope};
    return ms_observer_open(&j->observer, folder, &o, err);
}

/* Has the losses of each batch taken where they are asked for. @return false: no memory */
static bool want_losses(struct job *j, const struct ms_router *assign,
                        struct ms_loss_values *losses, struct ms_perplexity *x,
                        struct ms_evaluation *e)
{
    const struct ms_observer *o = &j->observer;
    if (!j->results.balanced_losses)
        return true;
    e->losses = calloc((size_t)ms_loss_count(), sizeof *e->losses);
    *losses = (struct ms_loss_values){.score = ms_router_score(o->own, &o->own_params, o->top_k),
                                      .value = e->losses,
                                      .batch = j->loss_scratch};
    x->batch = ms_loss_values_batch;
    x->ctx = losses;
    return e->losses != NULL;
}

static enum ms_status evaluate_one(struct job *j, const struct subject *subject,
                                   const struct ms_router *assign, struct ms_evaluation *e,
                                   struct ms_err *err)
{
    struct ms_loss_values losses = {0};
    struct ms_perplexity x = {0};
    *e = (struct ms_evaluation){.text = subject->name, .assignment = assign->name};
    e->counts =
        calloc((size_t)j->observer.n_layers * (size_t)j->observer.n_experts + 1, sizeof *e->counts);
    x.counts = e->counts;
    if (!e->counts || !want_losses(j, assign, &losses, &x, e))
        return ms_err_set(err, MS_NOMEM, "no memory for the counts");
    enum ms_status s = ms_observer_use(
        &j->observer, assign, j->capacity_factor, j->drop_policy,
        strcmp(assign->name, "top_k_filtered") == 0 ? j->excluded : NULL, &e->causal, err);
    s = s ? s
          : ms_perplexity_run(j->observer.model, &subject->windows, j->observer.B, 0,
                              (uint64_t)j->seed, &x, err);
    e->tokens = x.tokens;
    e->ce = x.ce;
    e->ppl = x.ppl;
    return s;
}

static enum ms_status prepare_losses(struct job *j, struct ms_err *err)
{
    size_t n = (size_t)ms_loss_count();
    j->results.balanced_losses = calloc(n, sizeof *j->results.balanced_losses);
    j->loss_scratch = calloc(n, sizeof *j->loss_scratch);
    if (!j->results.balanced_losses || !j->loss_scratch)
        return ms_err_set(err, MS_NOMEM, "no memory for the losses");
    return ms_loss_values_balanced(j->observer.n_experts, j->observer.top_k,
                                   j->results.balanced_losses, err);
}

static enum ms_status evaluate(struct job *j, struct ms_err *err)
{
    struct ms_evaluations *all = &j->results;
    enum ms_status s = MS_OK;
    all->n_assigns = j->n_assigns;
    all->n_layers = j->observer.n_layers;
    all->n_experts = j->observer.n_experts;
    all->window = j->observer.N;
    all->windows_at_once = j->observer.B;
    all->e = calloc((size_t)j->n_subjects * (size_t)j->n_assigns, sizeof *all->e);
    all->scratch = calloc(2 * (size_t)all->n_experts, sizeof *all->scratch);
    if (!all->e || !all->scratch)
        return ms_err_set(err, MS_NOMEM, "no memory for the results");
    if (ms_args_get(&j->args, "losses", NULL))
        s = prepare_losses(j, err);
    for (int i = 0; i < j->n_subjects; i++)
        for (int a = 0; a < j->n_assigns && !s; a++)
            s = evaluate_one(j, &j->subjects[i], j->assign[a], &all->e[all->n++], err);
    return s;
}

/* ---- the run ---- */

static void finish(struct job *j)
{
    for (int i = 0; i < j->results.n; i++) {
        free(j->results.e[i].counts);
        free(j->results.e[i].losses);
    }
    for (int i = 0; j->subjects && i < j->n_subjects; i++)
        ms_token_text_finish(&j->subjects[i].text);
    free(j->results.e);
    free(j->results.scratch);
    free(j->results.balanced_losses);
    free(j->loss_scratch);
    free(j->subjects);
    free(j->excluded);
    ms_observer_close(&j->observer);
    ms_moe_inputs_finish(&j->in);
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct job j = {.verb = self};
    struct ms_err err = {0};
    struct ms_buf out = {0};
    int stop = ms_moe_parse(self, argc, argv, &j.args, &j.in), code = MS_USAGE;
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (read_options(&j)) {
        enum ms_status s = open_observer(&j, &err);
        s = s ? s : evaluate(&j, &err);
        code = s ? ms_moe_fail(&err) : MS_OK;
        if (!s) {
            void (*print)(const struct ms_evaluations *, struct ms_buf *) =
                j.format == JSON  ? ms_evaluate_json
                : j.format == CSV ? ms_evaluate_csv
                                  : ms_evaluate_table;
            print(&j.results, &out);
            fwrite(out.p, 1, out.n, stdout);
        }
    }
    ms_buf_finish(&out);
    finish(&j);
    return code;
}

const struct ms_verb ms_verb_evaluate = {
    .name = "evaluate",
    .arguments = "CHECKPOINT (--text FILE… | --tokens FILE.npy) [options]",
    .summary = "Perplexity of a checkpoint under each token assignment",
    .examples =
        "moesim evaluate results/train-jargon/checkpoint --text jargon.txt\n"
        "moesim evaluate mixtral/ --text a.txt b.txt --seq 256 --assignment all\n"
        "moesim evaluate olmoe/ --tokens windows.npy --assignment top_k,balanced --format json",
    .options = options,
    .run = run,
};
