/* One run as Chrome trace events (Perfetto reads them): a process a group, a thread a rank
 * (or half-batch). Times in us. */
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "demand/nodes.h"
#include "sim/core.h"

struct ms_timeline {
    struct ms_buf text;
    struct ms_json json;
    int run, repeat; /* the one that is drawn */
};

static int thread_of(const struct ms_core *c, const struct ms_actor *actor)
{
    return actor->rank * c->n_halves + actor->half;
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
    struct ms_json *j = &c->samples.timeline->json;
    char name[320];
    for (int i = 0; i < c->n_total * c->n_halves; i++) {
        const struct ms_actor *actor = &c->crew.actor[i];
        if (actor->rank == 0 && actor->half == 0) {
            snprintf(name, sizeof name, "group %d", actor->group);
            name_row(j, "process_name", actor->group, 0, name);
        }
        int host = ms_rank_host(c->in->workload, actor->group, actor->rank);
        snprintf(name, sizeof name, c->n_halves > 1 ? "rank %d on %s, half %d" : "rank %d on %s",
                 actor->rank, c->in->platform->host_name[host], actor->half);
        name_row(j, "thread_name", actor->group, thread_of(c, actor), name);
    }
}

void ms_timeline_begin(struct ms_core *c)
{
    if (!c->in->timeline_path || c->samples.timeline || c->run.number != c->in->timeline_run)
        return;
    c->samples.timeline = MS_NEW(&c->arena, struct ms_timeline, 1);
    if (!c->samples.timeline) {
        ms_core_fail(c, MS_NOMEM, "out of memory for the timeline");
        return;
    }
    c->samples.timeline->json.out = &c->samples.timeline->text;
    c->samples.timeline->run = c->run.number;
    c->samples.timeline->repeat = c->run.repeat;
    ms_json_object(&c->samples.timeline->json, NULL);
    ms_json_array(&c->samples.timeline->json, "traceEvents");
    name_rows(c);
}

void ms_timeline_span(struct ms_core *c, const struct ms_actor *actor, const char *name, int step,
                      int layer, double from_s, double to_s)
{
    if (!c->samples.timeline || c->samples.timeline->run != c->run.number)
        return;
    struct ms_json *j = &c->samples.timeline->json;
    ms_json_object(j, NULL);
    ms_json_string(j, "name", name);
    ms_json_string(j, "ph", "X");
    ms_json_integer(j, "pid", actor->group);
    ms_json_integer(j, "tid", thread_of(c, actor));
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
    struct ms_timeline *t = c->samples.timeline;
    if (!t)
        return MS_OK;
    ms_json_end_array(&t->json);
    ms_json_string(&t->json, "displayTimeUnit", "ns");
    ms_json_object(&t->json, "otherData");
    if (c->in->timeline_case)
        ms_json_string(&t->json, "case", c->in->timeline_case);
    ms_json_integer(&t->json, "repeat", t->repeat);
    ms_json_end_object(&t->json);
    ms_json_end_object(&t->json);
    enum ms_status s = t->text.failed
                           ? ms_err_set(c->err, MS_NOMEM, "out of memory for the timeline")
                           : ms_file_write(c->in->timeline_path, t->text.p, t->text.n, c->err);
    ms_buf_finish(&t->text);
    return s;
}
