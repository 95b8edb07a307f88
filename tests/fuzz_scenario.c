/* libFuzzer's way into the scenario reader (tools/fuzz): bytes up to the first NUL are a file, the
 * rest one --set. */
#include <stdint.h>
#include <string.h>

#include "scenario/scenario.h"
#include "sweep/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data, *cut = n ? memchr(text, 0, n) : NULL;
    size_t n_text = cut ? (size_t)(cut - text) : n;
    char set[256] = "";
    if (cut) {
        size_t rest = n - n_text - 1;
        memcpy(set, cut + 1, rest < 255 ? rest : 255);
    }
    const char *sets[] = {set};
    struct ms_errs errs = {0};
    struct ms_study st = {0};
    enum ms_status s =
        ms_study_parse(&st, "fuzz.yaml", text ? text : "", n_text, sets, cut ? 1 : 0, &errs);
    if ((s == MS_OK) != (errs.n == 0))
        __builtin_trap();
    for (size_t i = 0; s == MS_OK && i < st.n_cases && i < 8; i++) {
        struct ms_case c = {0};
        struct ms_buf b = {0};
        if (ms_study_case(&st, i, &c, NULL) != MS_OK)
            __builtin_trap();
        ms_scenario_echo(&c.s, &b, NULL);
        ms_buf_finish(&b);
        ms_case_finish(&c);
    }
    struct ms_plan plan = {0};
    struct ms_inputs inputs = {0};
    if (st.n_cases < 50)
        ms_plan_make(&plan, &st, MS_USE_ANY, false, &inputs, &errs);
    ms_plan_finish(&plan);
    ms_inputs_finish(&inputs);
    ms_errs_finish(&errs);
    ms_study_finish(&st);
    return 0;
}
