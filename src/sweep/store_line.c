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

char *ms_store_line_ok(const struct ms_store_case *c, const char *body)
{
    struct ms_buf b = {0};
    struct ms_json j = {.out = &b};
    add_head(&j, c, ms_record_degraded(body) ? "degraded" : "ok");
    ms_buf_adds(&b, ",");
    ms_buf_adds(&b, body);
    ms_seal_add(&b);
    if (b.failed)
        ms_buf_finish(&b);
    return b.p;
}

char *ms_store_line_failed(const struct ms_store_case *c, const char *error)
{
    struct ms_buf b = {0};
    struct ms_json j = {.out = &b};
    add_head(&j, c, "failed");
    ms_json_string(&j, "error", error);
    ms_seal_add(&b);
    if (b.failed)
        ms_buf_finish(&b);
    return b.p;
}

char *ms_store_line_timing(const struct ms_store_case *c, const char *members)
{
    struct ms_buf b = {0};
    struct ms_json j = {.out = &b};
    ms_json_object(&j, NULL);
    ms_json_string(&j, "case", c->id);
    ms_json_string(&j, "key", c->key.hex);
    if (*members) {
        ms_buf_adds(&b, ",");
        ms_buf_adds(&b, members);
    }
    ms_json_end_object(&j);
    if (b.failed)
        ms_buf_finish(&b);
    return b.p;
}
