/* moe/: text to ids as tokenizer.json says. The tokenizers here are our own, small enough that every
 * expected id can be followed by hand. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "moe/tokenizer.h"

static char folder[] = "/tmp/moesim-tokenizer-XXXXXX";

static enum ms_status open_text(const char *json, struct ms_tokenizer **t, struct ms_err *err)
{
    char path[300];
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    ck_assert_int_eq(ms_file_write(path, json, strlen(json), NULL), MS_OK);
    return ms_tokenizer_open(path, t, err);
}

static struct ms_tokenizer *opened(const char *json)
{
    struct ms_tokenizer *t = NULL;
    struct ms_err err = {0};
    ck_assert_msg(open_text(json, &t, &err) == MS_OK, "%s: %s", err.key, err.text);
    return t;
}

/* want: ids separated by blanks */
static void ck_ids(struct ms_tokenizer *t, const char *text, bool special, const char *want)
{
    struct ms_token_ids ids = {0};
    struct ms_buf got = {0};
    ck_assert_int_eq(ms_tokenizer_encode(t, "text", text, strlen(text), special, &ids, NULL),
                     MS_OK);
    for (size_t i = 0; i < ids.n; i++)
        ms_buf_printf(&got, "%s%d", i ? " " : "", ids.id[i]);
    ck_assert_msg(strcmp(got.p ? got.p : "", want) == 0, "'%s': got %s, want %s", text,
                  got.p ? got.p : "", want);
    ms_buf_finish(&got);
    free(ids.id);
}

/* OLMoE's kind: GPT-2's cut, bytes as characters (a blank is U+0120, a line end U+010A), merges as
 * pairs and as strings, NFC. */
#define BYTES(merges)                                                                              \
    "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\","                \
    "\"add_prefix_space\":false,\"use_regex\":true},\"added_tokens\":[{\"id\":20,\"content\":"     \
    "\"<end>\",\"special\":true}],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2," \
    "\"\\u0120\":3,\"ab\":4,\"\\u0120a\":5,\"\\u0120ab\":6,\"abc\":7,\"\\u010a\":8,\"'\":9,"       \
    "\"s\":10,\"\\u00c3\":11,\"\\u00a9\":12,\"1\":13,\"bc\":14}," merges "}}"

START_TEST(test_byte_level_merges_by_rank_inside_gpt2s_pieces)
{
    static const char *const both[] = {
        BYTES("\"merges\":[[\"a\",\"b\"],[\"\\u0120\",\"a\"],[\"\\u0120a\",\"b\"],"
              "[\"ab\",\"c\"],[\"b\",\"c\"]]"),
        BYTES("\"merges\":[\"a b\",\"\\u0120 a\",\"\\u0120a b\",\"ab c\",\"b c\"]")};
    for (int i = 0; i < 2; i++) {
        struct ms_tokenizer *t = opened(both[i]);
        ck_assert_int_eq(ms_tokenizer_vocab(t), 21);
        ck_ids(t, "", true, "");
        ck_ids(t, "abc", false, "7");
        ck_ids(t, "bcabc", false, "14 7");
        ck_ids(t, " abc", false, "3 7");     /* a+b goes first, and leaves the blank alone */
        ck_ids(t, "a  b", false, "0 3 3 1"); /* the last blank belongs to the word */
        ck_ids(t, "a's1\n", false, "0 9 10 13 8");
        ck_ids(t, "e\xcc\x81", false, "11 12"); /* decomposed, composed by NFC: bytes c3 a9 */
        ck_ids(t, "a<end>b", false, "0 20 1");
        ck_ids(t, "z", false, ""); /* no token, no unknown one: nothing */
        ms_tokenizer_close(t);
    }
}
END_TEST

/* Mixtral's kind in both spellings: U+2581 for a blank, bytes as <0x..>, a start token. */
#define PIECES(front)                                                                              \
    "{" front ",\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"special\":true},{\"id\":9,"      \
    "\"content\":\"<u>\",\"single_word\":true,\"lstrip\":true,\"rstrip\":true,\"normalized\":"     \
    "false}],\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"   \
    "{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"                \
    "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],\"tokens\":[\"<s>\"]}}},\"model\":{"  \
    "\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"byte_fallback\":true,"           \
    "\"vocab\":{\"<unk>\":0,\"<s>\":1,\"\\u2581\":2,\"a\":3,\"b\":4,\"\\u2581a\":5,"               \
    "\"<0xC3>\":6,\"<0xA9>\":7,\"ab\":8},\"merges\":[[\"\\u2581\",\"a\"],[\"a\",\"b\"]]}}"

START_TEST(test_sentencepiece_like_in_both_spellings)
{
    static const char *const both[] = {
        PIECES("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\","
               "\"prepend\":\"\\u2581\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
               "\"content\":\"\\u2581\"}]}"),
        PIECES("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\","
               "\"prepend_scheme\":\"first\",\"split\":false}")};
    for (int i = 0; i < 2; i++) {
        struct ms_tokenizer *t = opened(both[i]);
        ck_ids(t, "", true, "1");
        ck_ids(t, "ab", true, "1 5 4"); /* the sign's merge has the lower rank */
        ck_ids(t, "ab", false, "5 4");
        ck_ids(t, "a ab", false, "5 5 4");
        ck_ids(t, "bab", false, "2 4 8");
        ck_ids(t, "a\xc3\xa9", false, "5 6 7"); /* by its bytes */
        ck_ids(t, "azyb", false, "5 0 4");      /* two unknown ones become one */
        /* after an added token the old spelling puts its sign again, the new one does not */
        ck_ids(t, "a<s>a", false, i == 0 ? "5 1 5" : "5 1 3");
        ck_ids(t, "a <u> a", false, i == 0 ? "5 9 5" : "5 9 3"); /* takes the blanks with it */
        ck_ids(t, "a<u>a", false, i == 0 ? "5 0 3" : "5 0 3");   /* not a word of its own */
        ms_tokenizer_close(t);
    }
}
END_TEST

#define ONE(stages)                                                                                \
    "{" stages ",\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"ignore_merges\":true,"          \
    "\"vocab\":{\"?\":0,\"a\":1,\"b\":2,\"-\":3,\"1\":4,\"2\":5,\"a-\":6,\"-b\":7,\"12\":8,"       \
    "\"ab\":9,\" \":10,\"--\":11,\"xb\":12},\"merges\":[]}}"

/* Whole pieces are tokens here (ignore_merges), so that the cuts show. */
START_TEST(test_every_cut_and_what_becomes_of_it)
{
    static const struct {
        const char *json, *text, *want;
    } cuts[] = {
#define SPLIT(rest)                                                                                \
    ONE("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"}," rest "}")
        {SPLIT("\"behavior\":\"Removed\""), "ab-ab", "9 9"},
        {SPLIT("\"behavior\":\"Isolated\""), "ab-ab", "9 3 9"},
        {SPLIT("\"behavior\":\"MergedWithPrevious\""), "a-b", "6 2"},
        {SPLIT("\"behavior\":\"MergedWithNext\""), "a-b", "1 7"},
        {SPLIT("\"behavior\":\"Contiguous\""), "a--b", "1 11 2"},
        {SPLIT("\"behavior\":\"Removed\",\"invert\":true"), "a-b-", "3 3"},
        {ONE("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[^\\\\s\\\\p{L}]+|"
             "\\\\s\"},"
             "\"behavior\":\"Isolated\"}"),
         "ab12 ab", "9 8 10 9"},
        {ONE("\"pre_tokenizer\":{\"type\":\"Digits\",\"individual_digits\":true}"), "ab12",
         "9 4 5"},
        {ONE("\"pre_tokenizer\":{\"type\":\"Digits\",\"individual_digits\":false}"), "ab12", "9 8"},
        {ONE("\"pre_tokenizer\":{\"type\":\"Punctuation\"}"), "ab-ab", "9 3 9"},
        {ONE("\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"}"), "ab \n\xc2\xa0 ab", "9 9"},
        {ONE("\"pre_tokenizer\":{\"type\":\"Whitespace\"}"), "ab--12 ab", "9 11 8 9"},
        {ONE("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
             "\"WhitespaceSplit\"},{\"type\":\"Digits\",\"individual_digits\":false}]}"),
         "ab12 12", "9 8 8"},
        {ONE("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"},"
             "{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}]}"),
         " AB ", "9"},
        {ONE("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":"
             "\"StripAccents\"}]}"),
         "\xc3\xa1", "1"},
        {ONE("\"normalizer\":{\"type\":\"NFKC\"}"), "\xef\xbd\x81", "1"}, /* a full-width a */
        {ONE("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x+\"},\"content\":"
             "\"a\"}"),
         "xxxb", "9"},
    };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct ms_tokenizer *t = opened(cuts[i].json);
        ck_ids(t, cuts[i].text, false, cuts[i].want);
        ms_tokenizer_close(t);
    }
}
END_TEST

/* What is not computed is named, never guessed. */
START_TEST(test_what_is_not_covered_is_refused_by_name)
{
    static const struct {
        const char *json, *key, *says;
    } bad[] = {
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "model.type", "'Unigram'"},
        {"{}", "model", "is missing"},
        {ONE("\"normalizer\":{\"type\":\"Precompiled\"}"), "normalizer", "'Precompiled'"},
        {ONE("\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}"), "pre_tokenizer",
         "'UnicodeScripts'"},
        {ONE("\"post_processor\":{\"type\":\"Odd\"}"), "post_processor", "'Odd'"},
        {ONE("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a&&b]\"},"
             "\"behavior\":\"Isolated\"}"),
         "pre_tokenizer.pattern", "[a&&b]"},
        {ONE("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a\"},\"behavior\":"
             "\"Isolated\"}"),
         "pre_tokenizer.pattern", "missing"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"b\"]]}}",
         "model.merges", "entry 0"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "model.vocab", "id"},
        {"{\"model\":", "", "is not JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_tokenizer *t = NULL;
        struct ms_err err = {0};
        ck_assert_msg(open_text(bad[i].json, &t, &err) == MS_INVALID, "%zu is read", i);
        ck_assert_str_eq(err.key, bad[i].key);
        ck_assert_msg(strstr(err.text, bad[i].says) != NULL, "%zu: %s", i, err.text);
    }
    struct ms_tokenizer *t = opened(ONE("\"normalizer\":null"));
    struct ms_token_ids ids = {0};
    struct ms_err err = {0};
    ck_assert_int_eq(ms_tokenizer_encode(t, "x.txt", "ab\xff", 3, false, &ids, &err), MS_INVALID);
    ck_assert_str_eq(err.text, "is not UTF-8 text: byte 2 is 0xFF");
    free(ids.id);
    ms_tokenizer_close(t);
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    Suite *s = suite_create("tokenizer");
    TCase *c = tcase_create("all");
    tcase_add_test(c, test_byte_level_merges_by_rank_inside_gpt2s_pieces);
    tcase_add_test(c, test_sentencepiece_like_in_both_spellings);
    tcase_add_test(c, test_every_cut_and_what_becomes_of_it);
    tcase_add_test(c, test_what_is_not_covered_is_refused_by_name);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    char path[300];
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    unlink(path);
    rmdir(folder);
    return failed != 0;
}
