/* routing/: traces in the formats users have, and byte matrices. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/npy.h"
#include "base/safetensors.h"
#include "routing/matrix.h"
#include "routing/trace.h"

static char folder[] = "/tmp/moesim-trace-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[4][256];
    static int i;
    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s", folder, name);
    return path[i];
}

static const char *text_file(const char *name, const char *text)
{
    const char *path = path_of(name);
    ck_assert_int_eq(ms_file_write(path, text, strlen(text), NULL), MS_OK);
    return path;
}

static struct ms_trace read_ok(struct ms_trace_request q)
{
    struct ms_trace t = {0};
    struct ms_err err = {0};
    ck_assert_msg(ms_trace_read(&q, &t, &err) == MS_OK, "%s:%d: %s", err.file, err.line, err.text);
    return t;
}

START_TEST(test_filters_choose_one_trace_out_of_a_file)
{
    struct ms_trace_filter f[] = {
        {"model", "OLMoE-1B-7B-0924"}, {"domain", "arxiv"}, {"kind", "top8"}};
    struct ms_trace t = read_ok((struct ms_trace_request){
        .path = TEST_DATA "/routing_counts.csv", .filter = f, .n_filter = 3});
    double sum = 0, layer[64];
    ck_assert(t.n_layers == 3 && t.n_experts == 64 && t.n_steps == 1 && t.n_ranks == 1 &&
              !t.has_ranks);
    ck_assert(t.layer_id[0] == 0 && t.layer_id[1] == 7 && t.layer_id[2] == 15);
    ms_trace_layer(&t, 0, 1, layer);
    for (int e = 0; e < 64; e++)
        sum += layer[e];
    ck_assert_double_eq(sum, 1671168);
    ms_trace_finish(&t);
}
END_TEST

START_TEST(test_what_the_filter_leaves_open_is_an_error_that_names_the_column)
{
    struct ms_trace_filter f[] = {{"model", "OLMoE-1B-7B-0924"}, {"kind", "top8"}};
    struct ms_trace_request q = {
        .path = TEST_DATA "/routing_counts.csv", .filter = f, .n_filter = 2};
    struct ms_trace t = {0};
    struct ms_err err = {0};
    ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
    ck_assert_msg(strstr(err.text, "'dataset' ('arxiv', 'c4')") != NULL, "%s", err.text);
    ck_assert_str_eq(err.key, "routing.trace_filter");
    ck_assert_int_gt(err.line, 3);
    ck_assert_ptr_null(t.count);
}
END_TEST

START_TEST(test_bad_csv_traces_say_where_and_what)
{
    static const struct {
        const char *text, *says;
        int line;
    } bad[] = {
        {"", "is empty", 0},
        {"layer,expert\n0,0\n", "no column 'count'", 1},
        {"layer,layer_id,expert,count\n", "two columns mean the same", 1},
        {"layer,expert,count\n0,0,5\n0,1\n", "2 fields, but the header has 3", 3},
        {"layer,expert,count\n0,0,5\n# note\n0,x,3\n", "the expert is not a whole number", 4},
        {"layer,expert,count\n0,-2,5\n", "'-2'", 2},
        {"layer,expert,count\n0,-1,5\n", "has no rows", 0},
        {"layer,expert,count\n1.5,0,5\n", "the layer is not a whole number", 2},
        {"layer,expert,count\n0,0,-5\n", "the count is not a number of 0 or more", 2},
        {"layer,expert,count\n0,0,nan\n", "the count is not a number", 2},
        {"layer,expert,count\n0,0,5\n0,0,6\n", "is already given on line 2", 3},
        {"layer,expert,count\n", "has no rows", 0},
        {"layer,expert,count\n3,0,0\n3,1,0\n", "has no tokens at all", 0},
        {"layer,expert,count\n0,70000,1\n", "the expert is not a whole number", 2},
        {"layer,expert,count\n0,0,\"5\n", "a quoted field never ends", 2},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_trace_request q = {.path = text_file("bad.csv", bad[i].text)};
        struct ms_trace t = {0};
        struct ms_err err = {0};
        ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
        ck_assert_msg(strstr(err.text, bad[i].says) != NULL, "%zu: %s", i, err.text);
        ck_assert_msg(err.line == bad[i].line, "%zu: line %d", i, err.line);
        ck_assert_str_eq(err.file, q.path);
    }
    struct ms_trace_filter f = {"domian", "c4"};
    struct ms_trace_request q = {.path =
                                     text_file("f.csv", "layer,expert,domain,count\n0,0,c4,1\n"),
                                 .filter = &f,
                                 .n_filter = 1};
    struct ms_trace t = {0};
    struct ms_err err = {0};
    ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
    ck_assert_msg(strstr(err.text, "did you mean 'domain'?") != NULL, "%s", err.text);
    f = (struct ms_trace_filter){"domain", "wiki"};
    err = (struct ms_err){0};
    ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
    ck_assert_msg(strstr(err.text, "no row passes the filter") != NULL, "%s", err.text);
}
END_TEST

START_TEST(test_the_model_must_fit_the_trace)
{
    struct ms_trace_request q = {.path = text_file("m.csv", "layer,expert,count\n0,0,5\n0,1,5\n"),
                                 .n_experts = 1};
    struct ms_trace t = {0};
    struct ms_err err = {0};
    ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
    ck_assert_str_eq(err.text, "has 2 experts, but model.experts is 1");
    q.n_experts = 4; /* a sparse file leaves out experts that nobody chose */
    t = read_ok(q);
    double sum[4];
    ms_trace_layer(&t, 0, 0, sum);
    ck_assert(t.n_experts == 4 && sum[1] == 5 && sum[3] == 0 && t.n_notes == 1);
    ms_trace_finish(&t);
}
END_TEST

/* Sums of every layer, over the steps. */
static void ck_sums(const struct ms_trace *t, int layer, const double *want)
{
    double one[64], sum[64] = {0};
    for (int s = 0; s < t->n_steps; s++) {
        ms_trace_layer(t, s, layer, one);
        for (int e = 0; e < t->n_experts; e++)
            sum[e] += one[e];
    }
    for (int e = 0; e < t->n_experts; e++)
        ck_assert_msg(sum[e] == want[e], "layer %d, expert %d: %g", layer, e, sum[e]);
}

static bool has_note(const struct ms_trace *t, const char *says)
{
    for (int i = 0; i < t->n_notes; i++)
        if (strstr(t->note[i], says))
            return true;
    return false;
}

/* SGLang sizes logical_count by the model's layers and writes idle steps. */
START_TEST(test_dense_layers_and_idle_steps_are_left_out_and_said)
{
    struct ms_trace t = read_ok((struct ms_trace_request){
        .path = text_file("d.json", "{\"logical_count\": [[[0,0],[0,0],[3,1],[2,2]],"
                                    "[[0,0],[0,0],[0,0],[0,0]],[[0,0],[0,0],[5,0],[1,1]]]}")});
    ck_assert(t.n_layers == 2 && t.n_steps == 2 && t.layer_id[0] == 2 && t.layer_id[1] == 3);
    ck_sums(&t, 0, (double[]){8, 1});
    ck_sums(&t, 1, (double[]){3, 3});
    ck_assert(has_note(&t, "2 of 4 layers") && has_note(&t, "1 of 3 steps"));
    ms_trace_finish(&t);
}
END_TEST

/* Traffic needs tokens in every layer of a step; a profile keeps what there is. */
START_TEST(test_a_step_without_tokens_in_one_layer_counts_in_a_profile_and_not_in_traffic)
{
    struct ms_trace_request q = {
        .path = text_file("h.json", "{\"logical_count\": [[[1,2],[0,0]],[[3,4],[5,6]]]}")};
    struct ms_trace t = read_ok(q);
    ck_sums(&t, 0, (double[]){4, 6});
    ms_trace_finish(&t);
    q.whole = true;
    t = read_ok(q);
    ck_assert(t.n_steps == 1 && has_note(&t, "in some layer"));
    ck_sums(&t, 0, (double[]){3, 4});
    ms_trace_finish(&t);
}
END_TEST

/* Header names in any case and by their usual aliases; tabs; the shared expert as expert -1. */
START_TEST(test_dialects_of_csv_read_the_same)
{
    static const char *const text[] = {
        "layer_id,expert_id,count\n0,0,3\n0,1,5\n",
        "Layer,Expert,Count\n0,0,3\n0,1,5\n",
        "layer_idx,expert_idx,num_tokens\n0,0,3\n0,1,5\n",
        "layer\texpert\tcount\n0\t0\t3\n0\t1\t5\n",
        "layer;expert;tokens\n0;0;3\n0;1;5\n",
        "layer,expert,n,count\n0,0,9,3\n0,1,9,5\n",
        "\xef\xbb\xbf# who\nlayer,expert,count\r\n0,0,3\r\n0,1,5\r\n0,-1,8\r\n"};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        struct ms_trace t =
            read_ok((struct ms_trace_request){.path = text_file("dialect.csv", text[i])});
        ck_assert_int_eq(t.n_experts, 2);
        ck_sums(&t, 0, (double[]){3, 5});
        ck_assert(i != 6 || has_note(&t, "1 rows of expert -1"));
        ms_trace_finish(&t);
    }
}
END_TEST

/* vLLM's loggers write one token and layer a line; engines warm up with one token many times. */
START_TEST(test_token_lines_are_token_ids_and_repeats_are_told)
{
    struct ms_buf b = {0};
    ms_buf_adds(&b, "{\"type\":\"meta\",\"num_experts\":6}\n");
    for (int i = 0; i < 12; i++)
        for (int l = 3; l < 5; l++)
            ms_buf_printf(&b, "{\"token_idx\":%d,\"layer\":%d,\"topk_ids\":[%d,%d]}\n", i, l,
                          i < 9 ? 1 : 2, l);
    struct ms_trace t = read_ok((struct ms_trace_request){.path = text_file("t.jsonl", b.p)});
    ck_assert(t.ids && t.n_tokens == 12 && t.top_k == 2 && t.n_experts == 6);
    ck_assert(t.layer_id[0] == 3 && t.layer_id[1] == 4);
    ck_sums(&t, 0, (double[]){0, 9, 3, 12, 0, 0});
    ck_assert(has_note(&t, "9 of 12 tokens are one repeated row"));
    ms_trace_finish(&t);
    ms_buf_finish(&b);
    static const struct {
        const char *text, *says;
        int line;
    } bad[] = {{"{\"layer\":0,\"topk_ids\":[1,1]}\n", "one expert twice", 1},
               {"\n{\"layer\":-1,\"topk_ids\":[1]}\n", "the layer is not", 2},
               {"{\"layer\":0,\"topk_ids\":[1]}\n{\"lay", "is not JSON", 2},
               {"{\"layer\":0}\n", "no line has", 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_trace_request q = {.path = text_file("bad.jsonl", bad[i].text)};
        struct ms_err err = {0};
        ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
        ck_assert_msg(strstr(err.text, bad[i].says), "%zu: %s", i, err.text);
        ck_assert_msg(err.line == bad[i].line, "%zu: line %d", i, err.line);
    }
}
END_TEST

/* Six slots of four experts: 0 and 2 are there twice. */
START_TEST(test_vllm_statistics_fold_physical_slots_to_experts)
{
    struct ms_trace t = read_ok((struct ms_trace_request){
        .path = text_file("s.jsonl",
                          "{\"record_type\":\"eplb_load_stats\",\"expert_load\":[[10,1,5,2,9,3]],"
                          "\"p2l_map\":[[0,1,2,3,0,2]]}\n"
                          "{\"record_type\":\"eplb_load_stats\",\"expert_load\":[[20,1,5,2,9,3]],"
                          "\"p2l_map\":[[2,1,0,3,0,2]]}\n")});
    ck_assert(t.n_steps == 2 && t.n_experts == 4);
    ck_sums(&t, 0, (double[]){19 + 14, 2, 8 + 23, 4});
    ms_trace_finish(&t);
}
END_TEST

/* With expert parallelism each rank's file holds its own experts only. */
START_TEST(test_rank_files_are_summed_or_kept_as_ranks)
{
    char dir[300];
    snprintf(dir, sizeof dir, "%s", path_of("ranks"));
    ck_assert_int_eq(ms_dir_make(dir, NULL), MS_OK);
    const char *a = text_file("ranks/r0.csv", "layer_id,expert_id,count\n3,0,7\n3,1,2\n");
    const char *b = text_file("ranks/r1.csv", "layer_id,expert_id,count\n3,2,4\n3,3,9\n");
    text_file("ranks/readme.txt", "no trace\n");
    struct ms_trace_request q[] = {{.path = dir}, {.path = a, .more = &b, .n_more = 1}};
    for (int i = 0; i < 2; i++) {
        struct ms_trace t = read_ok(q[i]);
        ck_assert(t.n_layers == 1 && t.layer_id[0] == 3 && t.n_ranks == 1);
        ck_sums(&t, 0, (double[]){7, 2, 4, 9});
        ms_trace_finish(&t);
        q[i].ranks_axis = true;
        t = read_ok(q[i]);
        ck_assert(t.n_ranks == 2 && t.has_ranks && t.count[0] == 7 && t.count[4] == 0);
        ms_trace_finish(&t);
    }
}
END_TEST

/* -1 is no selection: a layer of nothing else is dense, a token of nothing else is padding. */
START_TEST(test_ids_of_minus_one_are_no_selection_and_axes_are_named)
{
    const int32_t ids[4][3][2] = {{{0, 3}, {-1, -1}, {0, 1}},
                                  {{1, 2}, {-1, -1}, {2, 1}},
                                  {{-1, -1}, {-1, -1}, {-1, -1}},
                                  {{1, -1}, {-1, -1}, {2, 3}}};
    size_t dims[] = {4, 3, 2};
    const char *path = path_of("pad.npy");
    ck_assert_int_eq(ms_npy_write(path, MS_NPY_I4, 3, dims, ids, NULL), MS_OK);
    struct ms_trace_request q = {.path = path};
    struct ms_trace t = read_ok(q);
    ck_assert(t.n_tokens == 3 && t.n_layers == 2 && t.layer_id[1] == 2 && t.n_experts == 4);
    ck_sums(&t, 0, (double[]){1, 2, 1, 1});
    ck_assert(has_note(&t, "[tokens, layers, k]") && has_note(&t, "1 of 4 tokens are padding"));
    ms_trace_finish(&t);
    q.whole = true;
    t = read_ok(q);
    ck_assert_int_eq(t.n_tokens, 2);
    ms_trace_finish(&t);
    const char *axes[] = {"layers", "tokens", "k"};
    q = (struct ms_trace_request){.path = path, .axes = axes, .n_axes = 3};
    t = read_ok(q);
    ck_assert(t.n_layers == 3 && t.layer_id[2] == 3 && t.n_tokens == 2);
    ms_trace_finish(&t);
    const char *slots[] = {"layers", "ranks", "slots"};
    const double load[2][3][2] = {{{1, 2}, {3, 4}, {5, 6}}, {{6, 5}, {4, 3}, {2, 1}}};
    size_t shape[] = {2, 3, 2};
    path = path_of("moe_load_0.npy");
    ck_assert_int_eq(ms_npy_write(path, MS_NPY_F8, 3, shape, load, NULL), MS_OK);
    for (int i = 0; i < 2; i++) { /* by its name, and by its axes */
        t = read_ok(
            (struct ms_trace_request){.path = path, .axes = i ? slots : NULL, .n_axes = i ? 3 : 0});
        ck_assert(t.n_experts == 6 && t.n_layers == 2 && t.n_ranks == 1);
        ck_sums(&t, 1, (double[]){6, 5, 4, 3, 2, 1});
        ms_trace_finish(&t);
    }
    const char *wrong[] = {"tokens", "layers", "experts"};
    struct ms_err err = {0};
    q = (struct ms_trace_request){.path = path, .axes = wrong, .n_axes = 3};
    ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
    ck_assert_str_eq(err.key, "routing.trace_axes");
}
END_TEST

/* An archive of one array, stored and deflated, made with Python's zipfile; several are named. */
START_TEST(test_npz_holds_one_array)
{
    static const char *const names[] = {"stored.npz", "deflated.npz"};
    for (int i = 0; i < 2; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/traces/%s", TEST_DATA, names[i]);
        struct ms_trace t = read_ok((struct ms_trace_request){.path = path});
        ck_assert(t.ids && t.n_tokens == 6 && t.n_layers == 2 && t.n_experts == 4);
        ck_sums(&t, 0, (double[]){2, 3, 4, 3});
        ms_trace_finish(&t);
    }
    struct ms_trace_request q = {.path = TEST_DATA "/traces/two.npz"};
    struct ms_trace t = {0};
    struct ms_err err = {0};
    ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
    ck_assert_msg(strstr(err.text, "2 arrays (a.npy, b.npy)"), "%s", err.text);
    struct ms_buf whole = {0};
    ck_assert_int_eq(ms_file_read(TEST_DATA "/traces/deflated.npz", &whole, NULL), MS_OK);
    for (size_t n = 0; n < whole.n; n += 3) { /* cut anywhere: refused, never believed */
        ck_assert_int_eq(ms_file_write(path_of("cut.npz"), whole.p, n, NULL), MS_OK);
        q.path = path_of("cut.npz");
        err = (struct ms_err){0};
        ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
    }
    ms_buf_finish(&whole);
}
END_TEST

/* Every writer's file reads back as what was written, layer numbers included. */
START_TEST(test_what_a_writer_writes_reads_back)
{
    const char *src[] = {text_file("w1.csv", "iter,layer_id,expert_id,count\n0,2,0,3\n0,2,1,1\n"
                                             "0,4,0,2\n0,4,1,2\n1,2,0,5\n1,2,1,0\n1,4,0,1\n"
                                             "1,4,1,9\n"),
                         text_file("w2.jsonl", "{\"layer\":1,\"topk_ids\":[0,2]}\n"
                                               "{\"layer\":3,\"topk_ids\":[1,2]}\n"
                                               "{\"layer\":1,\"topk_ids\":[3,1]}\n"
                                               "{\"layer\":3,\"topk_ids\":[0,3]}\n")};
    for (int i = 0; i < 2; i++) {
        struct ms_trace t = read_ok((struct ms_trace_request){.path = src[i]});
        for (const struct ms_trace_writer *w = ms_trace_writers; w->name; w++) {
            char name[64], out[300];
            snprintf(name, sizeof name, "back-%d%s", i, w->ending);
            snprintf(out, sizeof out, "%s", path_of(name));
            struct ms_err err = {0};
            ck_assert_msg(w->write(&t, out, &err) == MS_OK, "%s: %s", w->name, err.text);
            struct ms_trace back = read_ok((struct ms_trace_request){.path = out});
            ck_assert_msg(back.n_layers == 2 && back.n_experts == t.n_experts &&
                              back.layer_id[0] == t.layer_id[0] &&
                              back.layer_id[1] == t.layer_id[1],
                          "%s: %d layers, %d experts", w->name, back.n_layers, back.n_experts);
            for (int l = 0; l < 2; l++) {
                double want[64] = {0}, one[64];
                for (int s = 0; s < t.n_steps; s++) {
                    ms_trace_layer(&t, s, l, one);
                    for (int e = 0; e < t.n_experts; e++)
                        want[e] += one[e];
                }
                ck_sums(&back, l, want);
            }
            ms_trace_finish(&back);
        }
        ms_trace_finish(&t);
    }
}
END_TEST

START_TEST(test_csv_is_written_as_it_is_read)
{
    const char *in = text_file(
        "w.csv", "tokens,step,rank,layer,expert,\"a note\"\r\n"
                 "1,10,0,4,0,\"x, \"\"y\"\"\"\r\n2,10,0,4,1,\r\n3,10,1,4,0,\r\n4,10,1,4,1,\r\n"
                 "5,20,0,4,0,\r\n6.5,20,0,4,1,\r\n7,20,1,4,0,\r\n8,20,1,4,1,\r\n");
    struct ms_trace t = read_ok((struct ms_trace_request){.path = in});
    ck_assert(t.n_steps == 2 && t.n_ranks == 2 && t.has_ranks && t.n_layers == 1 &&
              t.n_experts == 2);
    const double want[] = {1, 2, 3, 4, 5, 6.5, 7, 8};
    ck_assert_mem_eq(t.count, want, sizeof want);
    const char *out = path_of("w2.csv");
    ck_assert_int_eq(ms_trace_write_csv(&t, out, NULL), MS_OK);
    struct ms_trace again = read_ok((struct ms_trace_request){.path = out});
    ck_assert_mem_eq(again.count, want, sizeof want);
    ck_assert_int_eq(again.layer_id[0], 4);
    ms_trace_finish(&t);
    ms_trace_finish(&again);
}
END_TEST

START_TEST(test_npy_axes_and_token_ids)
{
    const int32_t counts[2][3][4] = {{{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}},
                                     {{13, 14, 15, 16}, {17, 18, 19, 20}, {21, 22, 23, 24}}};
    const char *path = path_of("c.npy");
    size_t dims[] = {2, 3, 4};
    ck_assert_int_eq(ms_npy_write(path, MS_NPY_I4, 3, dims, counts, NULL), MS_OK);
    struct ms_trace t = read_ok((struct ms_trace_request){.path = path, .n_experts = 4});
    ck_assert(t.n_steps == 2 && t.n_ranks == 1 && t.n_layers == 3 && t.count[4 * 3] == 13);
    ms_trace_finish(&t);
    const char *axes[] = {"layers", "ranks", "experts"};
    t = read_ok((struct ms_trace_request){.path = path, .axes = axes, .n_axes = 3});
    ck_assert(t.n_layers == 2 && t.n_ranks == 3 && t.has_ranks);
    ck_assert(t.count[0] == 1 && t.count[4] == 13 && t.count[8] == 5);
    ms_trace_finish(&t);

    const uint8_t ids[5][2][2] = {
        {{0, 1}, {3, 2}}, {{1, 0}, {7, 2}}, {{2, 1}, {3, 0}}, {{0, 3}, {1, 2}}, {{5, 1}, {3, 2}}};
    size_t id_dims[] = {5, 2, 2};
    path = path_of("ids.npy");
    ck_assert_int_eq(ms_npy_write(path, MS_NPY_U1, 3, id_dims, ids, NULL), MS_OK);
    t = read_ok((struct ms_trace_request){.path = path, .n_experts = 8, .top_k = 2});
    double sum[8];
    ck_assert(t.ids != NULL && t.n_tokens == 5 && t.n_layers == 2 && t.top_k == 2 &&
              t.n_experts == 8);
    ms_trace_layer(&t, 0, 1, sum);
    ck_assert(sum[2] == 4 && sum[3] == 3 && sum[7] == 1 && sum[4] == 0);
    ms_trace_finish(&t);

    struct ms_err err = {0};
    const char *bad[] = {"layers", "expert", "ranks"};
    struct ms_trace_request q = {.path = path, .axes = bad, .n_axes = 3};
    ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
    ck_assert_msg(strstr(err.text, "did you mean 'experts'?") != NULL, "%s", err.text);
    ck_assert_str_eq(err.key, "routing.trace_axes");
}
END_TEST

START_TEST(test_json_of_sglang_and_vllm)
{
    struct ms_trace t = read_ok((struct ms_trace_request){
        .path = text_file(
            "s.json", "{\"logical_count\": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]], \"rank\": 0}")});
    ck_assert(t.n_steps == 2 && t.n_layers == 2 && t.n_experts == 2 && t.count[5] == 6);
    ms_trace_finish(&t);
    t = read_ok((struct ms_trace_request){
        .path =
            text_file("v.json", "{\"load_history\": [{\"logical_expert_load\": [[1, 2.5, 3]]}]}")});
    ck_assert(t.n_steps == 1 && t.n_layers == 1 && t.n_experts == 3 && t.count[1] == 2.5);
    ms_trace_finish(&t);
    static const char *const bad[][2] = {
        {"{\"logical_count\": [[[1, 2], [3]]]}", "step 0, layer 1 does not have the shape"},
        {"{\"logical_count\": [[[1, \"x\"]]]}", "expert 1 is not a number"},
        {"{\"counts\": []}", "has neither \"logical_count\""},
        {"{\"logical_count\": [", "is not JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_err err = {0};
        struct ms_trace_request q = {.path = text_file("b.json", bad[i][0])};
        ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
        ck_assert_msg(strstr(err.text, bad[i][1]) != NULL, "%s", err.text);
    }
}
END_TEST

START_TEST(test_tensorrt_llm_statistics)
{
    const char *dir = path_of("trt");
    ck_assert_int_eq(ms_dir_make(dir, NULL), MS_OK);
    for (int r = 0; r < 2; r++) {
        int32_t counts[2][4] = {{r, 1, 2, 3}, {4, 5, 6, 7 + r}};
        struct ms_st_tensor t[2] = {{"10_3", MS_ST_I32, 1, {4}, 4, counts[0]},
                                    {"10_12", MS_ST_I32, 1, {4}, 4, counts[1]}};
        char path[300];
        snprintf(path, sizeof path, "%s/rank%d.safetensors", dir, r);
        ck_assert_int_eq(ms_st_write(path, t, 2, NULL, 0, NULL), MS_OK);
    }
    struct ms_trace t = read_ok((struct ms_trace_request){.path = dir});
    ck_assert(t.n_ranks == 2 && t.has_ranks && t.n_layers == 2 && t.n_experts == 4 &&
              t.n_steps == 1);
    ck_assert(t.layer_id[0] == 3 && t.layer_id[1] == 12 && t.count[8] == 1 && t.count[15] == 8);
    ms_trace_finish(&t);
}
END_TEST

START_TEST(test_pickles_are_refused_with_the_conversion)
{
    static const char *const names[] = {"counts.pt", "counts.pkl"};
    for (int i = 0; i < 2; i++) {
        struct ms_trace_request q = {.path = text_file(names[i], "x")};
        struct ms_trace t = {0};
        struct ms_err err = {0};
        ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
        ck_assert_msg(strstr(err.text, "python3 -c \"import ") != NULL, "%s", err.text);
        ck_assert_ptr_nonnull(strstr(err.text, names[i]));
    }
    struct ms_trace_request q = {.path = path_of("missing.csv")};
    struct ms_trace t = {0};
    struct ms_err err = {0};
    ck_assert_int_eq(ms_trace_read(&q, &t, &err), MS_INVALID);
    ck_assert_str_eq(err.key, "routing.trace");
}
END_TEST

START_TEST(test_matrices_with_and_without_header)
{
    static const char *const same[] = {
        "0,1,2\n3,0,5\n6,7.5,0\n",
        "rank,0,1,2\n0,0,1,2\n1,3,0,5\n2,6,7.5,0\n",
        ",gpu0,gpu1,gpu2\n2,6,7.5,0\n0,0,1,2\n1,3,0,5\n",
        "a,b,c\n0,1,2\n3,0,5\n6,7.5,0\n",
        "layer,source,0,1,2\n0,0,0,1,2\n0,1,3,0,5\n0,2,6,7.5,0\n",
    };
    const double want[] = {0, 1, 2, 3, 0, 5, 6, 7.5, 0};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct ms_matrix m = {0};
        struct ms_err err = {0};
        ck_assert_msg(ms_matrix_read(NULL, text_file("m.csv", same[i]), NULL, 0, &m, &err) == MS_OK,
                      "%s", err.text);
        ck_assert_int_eq(m.n, 3);
        ck_assert_mem_eq(m.bytes, want, sizeof want);
        ms_matrix_finish(&m);
    }
}
END_TEST

START_TEST(test_several_matrices_in_one_file_need_a_choice)
{
    const char *path = text_file("l.csv", "layer,source,0,1\n0,0,0,1\n0,1,2,0\n7,0,0,3\n7,1,4,0\n");
    struct ms_matrix m = {0};
    struct ms_err err = {0};
    ck_assert_int_eq(ms_matrix_read(NULL, path, NULL, 0, &m, &err), MS_INVALID);
    ck_assert_msg(strstr(err.text, "trace_filter: {layer: 0}") != NULL, "%s", err.text);
    struct ms_trace_filter f = {"layer", "7"};
    ck_assert_int_eq(ms_matrix_read(NULL, path, &f, 1, &m, NULL), MS_OK);
    ck_assert(m.n == 2 && m.bytes[1] == 3 && m.bytes[2] == 4);
    ms_matrix_finish(&m);
}
END_TEST

START_TEST(test_bad_matrices_say_where_and_what)
{
    static const struct {
        const char *text, *says;
        int line;
    } bad[] = {
        {"", "holds no matrix", 0},
        {"0,1\n2,0\n3,4\n", "more rows than the 2 columns", 3},
        {"0,1,2\n3,0,5\n", "is not square: 2 rows of 3 columns", 0},
        {"0,1\n2\n", "1 fields, but the first row has 2", 2},
        {"r0,r1\n0,1\nx,0\n", "from rank 1 to rank 0: 'x' is not a number", 3},
        {"0,-1\n2,0\n", "from rank 0 to rank 1: '-1' is not a number", 1},
        {"0,inf\n2,0\n", "'inf'", 1},
        {"rank,0,1\n0,0,1\n0,1,0\n", "is there twice", 3},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_matrix m = {0};
        struct ms_err err = {0};
        ck_assert_int_eq(ms_matrix_read(NULL, text_file("bad.csv", bad[i].text), NULL, 0, &m, &err),
                         MS_INVALID);
        ck_assert_msg(strstr(err.text, bad[i].says) != NULL, "%zu: %s", i, err.text);
        ck_assert_msg(err.line == bad[i].line, "%zu: line %d: %s", i, err.line, err.text);
    }
}
END_TEST

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    Suite *s = suite_create("trace");
    TCase *t = tcase_create("trace");
    suite_add_tcase(s, t);
    tcase_add_test(t, test_filters_choose_one_trace_out_of_a_file);
    tcase_add_test(t, test_what_the_filter_leaves_open_is_an_error_that_names_the_column);
    tcase_add_test(t, test_bad_csv_traces_say_where_and_what);
    tcase_add_test(t, test_the_model_must_fit_the_trace);
    tcase_add_test(t, test_dense_layers_and_idle_steps_are_left_out_and_said);
    tcase_add_test(t,
                   test_a_step_without_tokens_in_one_layer_counts_in_a_profile_and_not_in_traffic);
    tcase_add_test(t, test_dialects_of_csv_read_the_same);
    tcase_add_test(t, test_token_lines_are_token_ids_and_repeats_are_told);
    tcase_add_test(t, test_vllm_statistics_fold_physical_slots_to_experts);
    tcase_add_test(t, test_rank_files_are_summed_or_kept_as_ranks);
    tcase_add_test(t, test_ids_of_minus_one_are_no_selection_and_axes_are_named);
    tcase_add_test(t, test_npz_holds_one_array);
    tcase_add_test(t, test_what_a_writer_writes_reads_back);
    tcase_add_test(t, test_csv_is_written_as_it_is_read);
    tcase_add_test(t, test_npy_axes_and_token_ids);
    tcase_add_test(t, test_json_of_sglang_and_vllm);
    tcase_add_test(t, test_tensorrt_llm_statistics);
    tcase_add_test(t, test_pickles_are_refused_with_the_conversion);
    tcase_add_test(t, test_matrices_with_and_without_header);
    tcase_add_test(t, test_several_matrices_in_one_file_need_a_choice);
    tcase_add_test(t, test_bad_matrices_say_where_and_what);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    char command[300];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return failed || system(command) != 0 ? 1 : 0;
}
