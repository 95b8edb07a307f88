/* base/safetensors: what is written is read back; what is damaged is refused by file, tensor and
 * reason. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/safetensors.h"

static char path[64];

static void setup(void)
{
    strcpy(path, "/tmp/ms_st_XXXXXX");
    int fd = mkstemp(path);
    ck_assert(fd >= 0);
    close(fd);
}

static void teardown(void)
{
    unlink(path);
}

static void put(const char *header, size_t n_data)
{
    struct ms_buf b = {0};
    unsigned char len[8] = {(unsigned char)strlen(header), (unsigned char)(strlen(header) >> 8)};
    ms_buf_add(&b, len, 8);
    ms_buf_adds(&b, header);
    for (size_t i = 0; i < n_data; i++)
        ms_buf_add(&b, "x", 1);
    ck_assert_int_eq(ms_file_write(path, b.p, b.n, NULL), MS_OK);
    ms_buf_finish(&b);
}

START_TEST(test_write_then_read_is_the_same_and_the_bytes_too)
{
    const float w[6] = {1, -2.5f, 3, 4, 5, 6};
    const int32_t counts[3] = {7, -8, 9};
    const struct ms_st_tensor t[3] = {
        {"z.weight", MS_ST_F32, 2, {2, 3}, 6, w},
        {"a \"quoted\" name", MS_ST_I32, 1, {3}, 3, counts},
        {"empty", MS_ST_F32, 2, {0, 4}, 0, w},
    };
    const struct ms_st_meta meta = {"format", "pt"};
    ck_assert_int_eq(ms_st_write(path, t, 3, &meta, 1, NULL), MS_OK);
    struct ms_buf first = {0}, second = {0};
    ck_assert_int_eq(ms_file_read(path, &first, NULL), MS_OK);
    ck_assert_int_eq(ms_st_write(path, t, 3, &meta, 1, NULL), MS_OK);
    ck_assert_int_eq(ms_file_read(path, &second, NULL), MS_OK);
    ck_assert(first.n == second.n && memcmp(first.p, second.p, first.n) == 0);
    ck_assert_int_eq((first.n - 36) % 64, 0);
    ms_buf_finish(&first);
    ms_buf_finish(&second);

    struct ms_st_file *f = NULL;
    ck_assert_int_eq(ms_st_open(path, &f, NULL), MS_OK);
    ck_assert_uint_eq(ms_st_count(f), 3);
    ck_assert_str_eq(ms_st_metadata(f, "format"), "pt");
    const struct ms_st_tensor *z = ms_st_find(f, "z.weight"),
                              *a = ms_st_find(f, "a \"quoted\" name");
    ck_assert(z && a && ms_st_find(f, "empty") && !ms_st_find(f, "none"));
    ck_assert(z->n_dims == 2 && z->shape[0] == 2 && z->shape[1] == 3);
    float back[6];
    int64_t ints[3];
    ck_assert(ms_st_floats(z, 0, 6, back) && memcmp(back, w, sizeof w) == 0);
    ck_assert(ms_st_floats(z, 4, 1, back) && back[0] == 5);
    ck_assert(ms_st_integers(a, 0, 3, ints) && ints[1] == -8);
    ck_assert(!ms_st_integers(z, 0, 1, ints));
    ms_st_close(f);
}
END_TEST

START_TEST(test_halves_are_exact)
{
    const uint16_t f16[7] = {0x3c00, 0xc100, 0x0001, 0x83ff, 0x7bff, 0x0400, 0x7c00};
    const float f16_is[7] = {1,     -2.5f,    0x1p-24f,        -1023 * 0x1p-24f,
                             65504, 0x1p-14f, __builtin_inff()};
    const uint16_t bf16[3] = {0x3f80, 0xc020, 0x0001};
    const float bf16_is[3] = {1, -2.5f, 0x1p-133f};
    const struct ms_st_tensor h = {"h", MS_ST_F16, 1, {7}, 7, f16},
                              b = {"b", MS_ST_BF16, 1, {3}, 3, bf16};
    float out[7];
    ck_assert(ms_st_floats(&h, 0, 7, out));
    for (int i = 0; i < 7; i++)
        ck_assert_msg(out[i] == f16_is[i], "f16 %d: %g", i, (double)out[i]);
    ck_assert(ms_st_floats(&b, 0, 3, out));
    for (int i = 0; i < 3; i++)
        ck_assert_msg(out[i] == bf16_is[i], "bf16 %d: %g", i, (double)out[i]);
}
END_TEST

START_TEST(test_damage_is_named)
{
#define T(name, dtype, shape, span)                                                                \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" span "}"
    const struct {
        const char *header;
        size_t n_data;
        const char *key, *says;
    } bad[] = {
        {"{" T("w", "F32", "[2]", "[0,8]") "}", 7, "w", "cut short"},
        {"{" T("w", "F32", "[2]", "[0,8]") "}", 9, "", "1 bytes after the last"},
        {"{" T("w", "F32", "[3]", "[0,8]") "}", 8, "w", "3 elements of F32 do not fit its 8 bytes"},
        {"{" T("w", "F33", "[2]", "[0,8]") "}", 8, "w", "did you mean"},
        {"{" T("w", "F32", "[-2]", "[0,8]") "}", 8, "w", "shape"},
        {"{" T("w", "F32", "[4294967296,4294967296]", "[0,8]") "}", 8, "w", "overflows"},
        {"{" T("w", "F32", "[1,1,1,1,1,1,2]", "[0,8]") "}", 8, "w", "7 dimensions"},
        {"{" T("w", "F32", "[2]", "[8,0]") "}", 8, "w", "data_offsets"},
        {"{" T("w", "F32", "[2]", "[0]") "}", 8, "w", "data_offsets"},
        {"{" T("v", "F32", "[2]", "[0,8]") "," T("w", "F32", "[2]", "[4,12]") "}", 12, "w",
         "overlaps that of 'v'"},
        {"{" T("v", "F32", "[1]", "[0,4]") "," T("w", "F32", "[1]", "[8,12]") "}", 12, "w",
         "4 bytes before"},
        {"{" T("w", "F32", "[1]", "[0,4]") "," T("w", "F32", "[1]", "[4,8]") "}", 8, "",
         "duplicate"},
        {"{\"w\":3}", 0, "w", "dtype"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__", "not text"},
        {"[]", 0, "", "not a JSON object"},
        {"{\"w\":", 0, "", "damaged header"},
        {"", 0, "", "damaged header"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_st_file *f = NULL;
        struct ms_err err = {0};
        put(bad[i].header, bad[i].n_data);
        ck_assert_int_eq(ms_st_open(path, &f, &err), MS_INVALID);
        ck_assert_msg(strstr(err.text, bad[i].says) && strcmp(err.key, bad[i].key) == 0 &&
                          strcmp(err.file, path) == 0,
                      "%s\n-> key '%s': %s", bad[i].header, err.key, err.text);
        ck_assert(f == NULL);
    }
}
END_TEST

START_TEST(test_every_prefix_is_refused)
{
    struct ms_buf whole = {0};
    put("{" T("w", "F32", "[2]", "[0,8]") "}", 8);
    ck_assert_int_eq(ms_file_read(path, &whole, NULL), MS_OK);
    for (size_t n = 0; n < whole.n; n++) {
        struct ms_st_file *f = NULL;
        ck_assert_int_eq(ms_file_write(path, whole.p, n, NULL), MS_OK);
        ck_assert_int_eq(ms_st_open(path, &f, NULL), MS_INVALID);
    }
    ms_buf_finish(&whole);
}
END_TEST

START_TEST(test_missing_is_invalid_and_a_folder_is_io)
{
    struct ms_st_file *f = NULL;
    struct ms_err err = {0};
    ck_assert_int_eq(ms_st_open("/nowhere/model.safetensors", &f, &err), MS_INVALID);
    ck_assert_str_eq(err.text, "no such file");
    ck_assert_int_eq(ms_st_open("/tmp", &f, NULL), MS_IO);
    ck_assert_int_eq(ms_st_write("/nowhere/model.safetensors", NULL, 0, NULL, 0, NULL), MS_IO);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("safetensors");
    TCase *tc = tcase_create("safetensors");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_write_then_read_is_the_same_and_the_bytes_too);
    tcase_add_test(tc, test_halves_are_exact);
    tcase_add_test(tc, test_damage_is_named);
    tcase_add_test(tc, test_every_prefix_is_refused);
    tcase_add_test(tc, test_missing_is_invalid_and_a_folder_is_io);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
