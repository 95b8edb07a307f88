/* A row in words: what it wants, what it takes, and its value as a user would write it. It decides
 * how lists of keys and the commands in generated files read. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/field.h"
#include "base/json.h"

enum { MAX_WORDS = 64 };

bool ms_field_is_word(const struct ms_field *f, const void *at)
{
    if (!f->word)
        return false;
    double v = f->type == MS_FIELD_NUMBER ? *(const double *)at
               : f->type == MS_FIELD_INT  ? (double)*(const int64_t *)at
                                          : (double)*(const int *)at;
    return v == f->word_value || (isnan(v) && isnan(f->word_value));
}

void ms_field_show(struct ms_buf *out, const struct ms_field *f, const void *at)
{
    char number[64];
    if (ms_field_is_word(f, at)) {
        ms_buf_adds(out, f->word);
        return;
    }
    switch (f->type) {
    case MS_FIELD_BOOL:
        ms_buf_adds(out, *(const bool *)at ? "true" : "false");
        break;
    case MS_FIELD_INT:
        ms_buf_printf(out, "%" PRId64, *(const int64_t *)at);
        break;
    case MS_FIELD_INT32:
        ms_buf_printf(out, "%d", *(const int *)at);
        break;
    case MS_FIELD_NUMBER:
        ms_buf_adds(out, f->unit
                             ? ms_units_write(*(const double *)at, f->unit, number, sizeof number)
                             : ms_number(*(const double *)at, number));
        break;
    case MS_FIELD_ENUM:
        ms_buf_adds(out, f->names[*(const int *)at]);
        break;
    case MS_FIELD_NAME:
    case MS_FIELD_STRING:
    case MS_FIELD_PATH:
        ms_buf_adds(out, *(const char *const *)at ? *(const char *const *)at : "");
        break;
    case MS_FIELD_TABLE:
    case MS_FIELD_ODD:
        break;
    }
}

static const char *plain_wanted(const struct ms_field *f)
{
    switch (f->type) {
    case MS_FIELD_BOOL:
        return "true or false";
    case MS_FIELD_INT:
    case MS_FIELD_INT32:
        return "a whole number";
    case MS_FIELD_NUMBER:
        return ms_units_hint(f->unit);
    case MS_FIELD_NAME:
        return f->what;
    case MS_FIELD_PATH:
        return "a file";
    case MS_FIELD_TABLE:
        return "a mapping";
    case MS_FIELD_ENUM:
    case MS_FIELD_STRING:
    case MS_FIELD_ODD:
        break;
    }
    return "a word";
}

const char *ms_field_wanted(const struct ms_field *f, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s", plain_wanted(f), f->word ? " or " : "", f->word ? f->word : "");
    return out;
}

static void range(struct ms_buf *b, const struct ms_field *f)
{
    char low[32], high[32];
    if (f->min == 0 && f->max == 0)
        return;
    ms_number(f->min, low);
    ms_number(f->max, high);
    if (f->max >= 1e15 || (f->unit == MS_UNIT_TIME && f->max >= 1e9))
        ms_buf_printf(b, " %s %s", f->above_min ? ">" : ">=", low);
    else
        ms_buf_printf(b, " %s%s..%s", f->above_min ? ">" : "", low, high);
}

static void words(struct ms_buf *b, const struct ms_field *f)
{
    const char *names[MAX_WORDS];
    size_t n = ms_field_words(f, names, MAX_WORDS);
    for (size_t i = 0; i < n && i < MAX_WORDS; i++)
        ms_buf_printf(b, "%s%s", i ? " | " : "", names[i]);
}

void ms_field_takes(struct ms_buf *b, const struct ms_field *f)
{
    static const char *const of_unit[] = {[MS_UNIT_NONE] = "number",
                                          [MS_UNIT_TIME] = "time",
                                          [MS_UNIT_BYTES] = "size",
                                          [MS_UNIT_RATE] = "rate",
                                          [MS_UNIT_FLOPS] = "compute rate"};
    switch (f->type) {
    case MS_FIELD_BOOL:
        ms_buf_adds(b, "true | false");
        break;
    case MS_FIELD_INT:
    case MS_FIELD_INT32:
    case MS_FIELD_NUMBER:
        ms_buf_printf(b, "%s%s", f->word ? f->word : "", f->word ? " | " : "");
        ms_buf_adds(b, f->type == MS_FIELD_NUMBER ? of_unit[f->unit] : "integer");
        range(b, f);
        break;
    case MS_FIELD_ENUM:
    case MS_FIELD_NAME:
        words(b, f);
        break;
    case MS_FIELD_STRING:
        ms_buf_adds(b, "word");
        break;
    case MS_FIELD_PATH:
        ms_buf_adds(b, "file");
        break;
    case MS_FIELD_TABLE:
        ms_buf_adds(b, "a mapping");
        break;
    case MS_FIELD_ODD:
        break;
    }
}
