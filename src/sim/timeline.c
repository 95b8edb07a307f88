/* The first run as Chrome trace events (Perfetto reads them): a process a group, a thread a rank
 * (or half-batch). Times in us. */
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "sim/core.h"

struct ms_timeline {
    struct ms_buf text;
    struct ms_json json;
    int run; /* the one that is drawn */
};

static int thread_of(const struct ms_core *c, const struct ms_lane *lane)
{
    return lane->rank * c->n_lanes + lane->lane;
}

static void name_row(struct ms_json *j, const char *kind, int pid, int tid, const char *name)
{
    ms_json_object(j, NULL);
    ms_json_string(j, "name", kind);
    ms_json_string(j, "ph", "M");
    ms_json_integer(j, "pid", pid);
    ms_json_integer(j, "tid", tid);
    ms_json_object(j, "args");
    ms_json_string(j, "name", name);
    ms_json_end_object(j);
    ms_json_end_object(j);
}

static void name_rows(struct ms_core *c)
{
    struct ms_json *j = &c->timeline->json;
    char name[320];
    for (int i = 0; i < c->n_total * c->n_lanes; i++) {
        const struct ms_lane *lane = &c->lane[i];
        if (lane->rank == 0 && lane->lane == 0) {
            snprintf(name, sizeof name, "group %d", lane->group);
            name_row(j, "process_name", lane->group, 0, name);
        }
        int host = ms_sim_host_of(c->in->workload, lane->group, lane->rank);
        snprintf(name, sizeof name, c->n_lanes > 1 ? "rank %d on %s, half %d" : "rank %d on %s",
                 lane->rank, c->in->platform->host_name[host], lane->lane);
        name_row(j, "thread_name", lane->group, thread_of(c, lane), name);
    }
}

void ms_timeline_begin(struct ms_core *c)
{
    if (!c->in->timeline_path || c->timeline)
        return;
    c->timeline = MS_NEW(&c->arena, struct ms_timeline, 1);
    if (!c->timeline) {
        ms_core_fail(c, MS_NOMEM, "out of memory for the timeline");
        return;
    }
    c->timeline->json.out = &c->timeline->text;
    c->timeline->run = c->run;
    ms_json_object(&c->timeline->json, NULL);
    ms_json_array(&c->timeline->json, "traceEvents");
    name_rows(c);
}

void ms_timeline_span(struct ms_core *c, const struct ms_lane *lane, const char *name, int step,
                      int layer, double from_s, double to_s)
{
    if (!c->timeline || c->timeline->run != c->run)
        return;
    struct ms_json *j = &c->timeline->json;
    ms_json_object(j, NULL);
    ms_json_string(j, "name", name);
    ms_json_string(j, "ph", "X");
    ms_json_integer(j, "pid", lane->group);
    ms_json_integer(j, "tid", thread_of(c, lane));
    ms_json_number(j, "ts", 1e6 * from_s);
    ms_json_number(j, "dur", 1e6 * (to_s - from_s));
    ms_json_object(j, "args");
    ms_json_integer(j, "step", step);
    ms_json_integer(j, "layer", layer);
    ms_json_end_object(j);
    ms_json_end_object(j);
}

enum ms_status ms_timeline_write(struct ms_core *c)
{
    struct ms_timeline *t = c->timeline;
    if (!t)
        return MS_OK;
    ms_json_end_array(&t->json);
    ms_json_string(&t->json, "displayTimeUnit", "ns");
    ms_json_end_object(&t->json);
    enum ms_status s = t->text.failed
                           ? ms_err_set(c->err, MS_NOMEM, "out of memory for the timeline")
                           : ms_file_write(c->in->timeline_path, t->text.p, t->text.n, c->err);
    ms_buf_finish(&t->text);
    return s;
}
