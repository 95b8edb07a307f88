/* The lines of a case as the results folder has them: what the parent knows of it, what its child made,
 * and the seal. */
#include <string.h>

#include "base/json.h"
#include "base/seal.h"
#include "sweep/record.h"
#include "sweep/store_parts.h"

bool ms_store_good(const char *status)
{
    return strcmp(status, "ok") == 0 || strcmp(status, "degraded") == 0;
}

static void add_head(struct ms_json *j, const struct ms_store_case *c, const char *status)
{
    ms_json_object(j, NULL);
    ms_json_string(j, "schema", MS_RECORD_SCHEMA);
    ms_json_string(j, "case", c->id);
    ms_json_string(j, "key", c->key.hex);
    ms_json_raw(j, "axes", c->axes_json);
    ms_json_string(j, "status", status);
    ms_json_string(j, "scenario_hash", c->scenario_hash.hex);
}

void ms_store_head_good(const struct ms_store_case *c, bool degraded, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    add_head(&j, c, degraded ? "degraded" : "ok");
    ms_buf_adds(out, ",");
}

void ms_store_line_ok(const struct ms_store_case *c, const char *body, size_t n, struct ms_buf *out)
{
    ms_store_head_good(c, ms_record_degraded(body), out);
    ms_buf_add(out, body, n);
    ms_seal_add(out);
}

void ms_store_line_failed(const struct ms_store_case *c, const char *error, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    add_head(&j, c, "failed");
    ms_json_string(&j, "error", error);
    ms_seal_add(out);
}

static void add_timing_head(struct ms_json *j, const struct ms_store_case *c)
{
    ms_json_object(j, NULL);
    ms_json_string(j, "case", c->id);
    ms_json_string(j, "key", c->key.hex);
}

void ms_store_head_timing(const struct ms_store_case *c, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    add_timing_head(&j, c);
    ms_buf_adds(out, ",");
}

void ms_store_line_timing(const struct ms_store_case *c, const char *members, size_t n,
                          struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    add_timing_head(&j, c);
    if (n > 0) {
        ms_buf_adds(out, ",");
        ms_buf_add(out, members, n);
    }
    ms_json_end_object(&j);
}
