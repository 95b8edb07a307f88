/* base/npy: what NumPy writes is read, what is damaged is refused with its reason. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/npy.h"

/* A file by hand: version, header text, payload. */
static struct ms_buf file(int version, const char *header, const void *data, size_t n)
{
    struct ms_buf b = {0};
    size_t len = strlen(header);
    unsigned char head[12] = {0x93,
                              'N',
                              'U',
                              'M',
                              'P',
                              'Y',
                              (unsigned char)version,
                              0,
                              (unsigned char)len,
                              (unsigned char)(len >> 8),
                              0,
                              0};
    ms_buf_add(&b, head, version == 1 ? 10 : 12);
    ms_buf_adds(&b, header);
    ms_buf_add(&b, data, n);
    return b;
}

START_TEST(test_reads_each_version_and_type)
{
    const int16_t v[6] = {1, -2, 3, 4, 5, 32767};
    for (int version = 1; version <= 3; version++) {
        struct ms_buf b =
            file(version, "{'shape': (2, 3), 'fortran_order': False, \"descr\": '<i2'}  \n", v, 12);
        struct ms_npy a = {0};
        ck_assert_int_eq(ms_npy_parse("x.npy", b.p, b.n, &a, NULL), MS_OK);
        ck_assert(a.n_dims == 2 && a.shape[0] == 2 && a.shape[1] == 3 && a.count == 6);
        ck_assert(ms_npy_number(&a, 1) == -2 && ms_npy_number(&a, 5) == 32767);
        ms_npy_finish(&a);
        ms_buf_finish(&b);
    }
}
END_TEST

/* [[1, 2, 3], [4, 5, 6]] however its bytes and elements are ordered. */
START_TEST(test_orders_and_halves_are_turned)
{
    static const struct {
        const char *header;
        unsigned char bytes[24];
        size_t n;
    } files[] = {
        {"{'descr': '>i2', 'fortran_order': False, 'shape': (2, 3)}",
         {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6},
         12},
        {"{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3)}",
         {1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6, 0},
         12},
        {"{'descr': '>u4', 'fortran_order': True, 'shape': (2, 3)}",
         {0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 6},
         24},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3)}",
         {0, 0x3c, 0, 0x40, 0, 0x42, 0, 0x44, 0, 0x45, 0, 0x46},
         12},
        {"{'descr': '>f2', 'fortran_order': True, 'shape': (2, 3)}",
         {0x3c, 0, 0x44, 0, 0x40, 0, 0x45, 0, 0x42, 0, 0x46, 0},
         12},
    };
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        struct ms_buf b = file(1, files[f].header, files[f].bytes, files[f].n);
        struct ms_npy a = {0};
        ck_assert_int_eq(ms_npy_parse("x.npy", b.p, b.n, &a, NULL), MS_OK);
        for (size_t i = 0; i < 6; i++)
            ck_assert_msg(ms_npy_number(&a, i) == (double)(i + 1), "%s: element %zu is %g",
                          files[f].header, i, ms_npy_number(&a, i));
        ms_npy_finish(&a);
        ms_buf_finish(&b);
    }
    const unsigned char odd[8] = {0, 0xc0, 1, 0,
                                  0, 0x7c, 0, 0x80}; /* -2, the least, infinity, -0 */
    struct ms_buf b = file(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (4,)}", odd, 8);
    struct ms_npy a = {0};
    ck_assert_int_eq(ms_npy_parse("x.npy", b.p, b.n, &a, NULL), MS_OK);
    ck_assert(a.type == MS_NPY_F4 && ms_npy_number(&a, 0) == -2 && ms_npy_number(&a, 1) == 0x1p-24);
    ck_assert(ms_npy_number(&a, 2) > 1e38 && ms_npy_number(&a, 3) == 0);
    ms_npy_finish(&a);
    ms_buf_finish(&b);
}
END_TEST

START_TEST(test_write_then_read_is_the_same_for_every_type)
{
    char path[] = "/tmp/ms_npy_XXXXXX";
    int fd = mkstemp(path);
    ck_assert(fd >= 0);
    close(fd);
    unsigned char raw[24 * 8];
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (unsigned char)(i * 7 % 61);
    const size_t shape[4] = {2, 3, 1, 4};
    for (int t = 0; t < MS_NPY_N_TYPES; t++)
        for (int d = 1; d <= 4; d++) {
            size_t n = 1;
            for (int i = 0; i < d; i++)
                n *= shape[i];
            ck_assert_int_eq(ms_npy_write(path, (enum ms_npy_type)t, d, shape, raw, NULL), MS_OK);
            struct ms_npy a = {0};
            ck_assert_int_eq(ms_npy_read(path, &a, NULL), MS_OK);
            ck_assert(a.type == (enum ms_npy_type)t && a.n_dims == d && a.count == n);
            ck_assert(memcmp(a.data, raw, n * ms_npy_size(a.type)) == 0);
            ms_npy_finish(&a);
        }
    unlink(path);
}
END_TEST

START_TEST(test_damaged_files_are_refused_with_the_reason)
{
    const struct {
        const char *header, *says;
        size_t n;
    } bad[] = {
        {"{'descr': '>c8', 'fortran_order': False, 'shape': (1,), }", "'>c8'", 8},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "'<c8'", 8},
        {"{'descr': '<V2', 'fortran_order': True, 'shape': (2, 1), }", "'<V2'", 4},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }", "needs 12", 8},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", "needs 4", 8},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (), }", "0 dimensions", 4},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (1,1,1,1,2), }", "5 dimensions", 8},
        {"{'descr': '<i4', 'shape': (2,), }", "damaged", 8},
        {"{'descr': '<i4', 'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", "damaged", 8},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (-2,), }", "damaged", 8},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
         "overflows", 8},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (2,)", "damaged", 8},
        {"", "damaged", 8},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int32_t v[2] = {1, 2};
        struct ms_buf b = file(1, bad[i].header, v, bad[i].n);
        struct ms_npy a = {0};
        struct ms_err err = {0};
        ck_assert_int_eq(ms_npy_parse("x.npy", b.p, b.n, &a, &err), MS_INVALID);
        ck_assert_msg(strstr(err.text, bad[i].says) && strcmp(err.file, "x.npy") == 0, "%s: %s",
                      bad[i].header, err.text);
        ck_assert(a.data == NULL);
        ms_buf_finish(&b);
    }
}
END_TEST

START_TEST(test_every_prefix_of_a_file_is_refused)
{
    const int32_t v[2] = {1, 2};
    struct ms_buf b = file(2, "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }\n", v, 8);
    for (size_t n = 0; n < b.n; n++) {
        struct ms_npy a = {0};
        char *cut = malloc(n + 1); /* so that a sanitizer sees a read past the end */
        memcpy(cut, b.p, n);
        ck_assert_int_eq(ms_npy_parse("x.npy", cut, n, &a, NULL), MS_INVALID);
        free(cut);
    }
    ms_buf_finish(&b);
}
END_TEST

START_TEST(test_integers_are_exact_or_refused)
{
    int64_t big = INT64_MAX, out = 0;
    struct ms_npy a = {.type = MS_NPY_I8, .n_dims = 1, .shape = {1}, .count = 1, .data = &big};
    ck_assert(ms_npy_integer(&a, 0, &out) && out == INT64_MAX);
    double f[4] = {3, 3.5, 1e300, -0.0};
    a = (struct ms_npy){.type = MS_NPY_F8, .n_dims = 1, .shape = {4}, .count = 4, .data = f};
    ck_assert(ms_npy_integer(&a, 0, &out) && out == 3);
    ck_assert(!ms_npy_integer(&a, 1, &out) && !ms_npy_integer(&a, 2, &out));
    ck_assert(ms_npy_integer(&a, 3, &out) && out == 0);
    uint64_t u = UINT64_MAX;
    a = (struct ms_npy){.type = MS_NPY_U8, .n_dims = 1, .shape = {1}, .count = 1, .data = &u};
    ck_assert(!ms_npy_integer(&a, 0, &out));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("npy");
    TCase *tc = tcase_create("npy");
    tcase_add_test(tc, test_orders_and_halves_are_turned);
    tcase_add_test(tc, test_reads_each_version_and_type);
    tcase_add_test(tc, test_write_then_read_is_the_same_for_every_type);
    tcase_add_test(tc, test_damaged_files_are_refused_with_the_reason);
    tcase_add_test(tc, test_every_prefix_of_a_file_is_refused);
    tcase_add_test(tc, test_integers_are_exact_or_refused);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
