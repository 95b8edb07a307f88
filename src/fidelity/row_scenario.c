/* A row as a scenario and its platform: what a user would write to simulate what was measured. */
#include <string.h>

#include "base/json.h"
#include "cluster/topology.h"
#include "fidelity/batch.h"
#include "hardware/row_form.h"

/* Which exchange moves data as a mode does. */
static const char *algorithm_of(const struct ms_measured_row *r)
{
    static const char *const of_mode[] = {[MS_MODE_NONE] = "direct",
                                          [MS_MODE_LOW_LATENCY] = "low_latency",
                                          [MS_MODE_LOW_LATENCY_RDMA] = "low_latency",
                                          [MS_MODE_NORMAL] = "hierarchical",
                                          [MS_MODE_ALLTOALL] = "direct",
                                          [MS_MODE_ALLTOALLV] = "direct"};
    return of_mode[r->mode];
}

static void number(struct ms_buf *b, const char *key, double v)
{
    char text[32];
    ms_buf_printf(b, "%s: %s", key, ms_number(v, text));
}

static void number_after(struct ms_buf *b, const char *before, const char *key, double v)
{
    ms_buf_adds(b, before);
    number(b, key, v);
}

void ms_row_scenario(const struct ms_measured_row *r, const struct ms_hardware *h,
                     const char *platform, struct ms_buf *out)
{
    bool bytes = ms_row_in_bytes(r);
    struct ms_row_section section;
    ms_row_section(r, &section);
    ms_buf_printf(out,
                  "name: row\nrepeats: 1\ntwin: false\nplatform: %s\n"
                  "hardware: {profile: auto, library: %s}\n",
                  platform, *section.library ? section.library : "auto");
    if (!bytes) {
        /* every rank has as many experts as every other: kernels can do no less */
        int experts = (r->experts + r->ranks - 1) / r->ranks * r->ranks;
        ms_buf_printf(
            out, "model: {hidden: %d, moe_layers: 1, experts: %d, shared_experts: 0, top_k: %d",
            r->hidden, r->traffic ? r->experts : experts, r->top_k);
        if (r->groups > 1)
            ms_buf_printf(out, ", groups: %d, group_limit: %d", r->groups,
                          r->group_limit ? r->group_limit : r->groups);
        ms_buf_adds(out, "}\n");
    }
    ms_buf_printf(out, "workload: {ranks: %d, layers: 1", r->ranks);
    if (!bytes) {
        ms_buf_printf(out, ", tokens_per_rank: %lld, ", (long long)r->tokens);
        number(out, "dispatch_bytes_per_value",
               ms_measured_copy_bytes(r, MS_LEG_DISPATCH) / r->hidden);
        ms_buf_adds(out, ", ");
        number(out, "combine_bytes_per_value",
               ms_measured_copy_bytes(r, MS_LEG_COMBINE) / r->hidden);
    }
    ms_buf_adds(out, "}\n");
    if (r->routing == MS_ROUTED_PERFECT)
        ms_buf_adds(out, "routing: {assignment: perfect}\n");
    ms_buf_printf(out, "exchange: {algorithm: %s", algorithm_of(r));
    if (r->sms > 0 && section.kind == MS_KERNELS_NORMAL)
        ms_buf_printf(out, ", sms: %d", r->sms);
    if (r->message_bytes > 0)
        number_after(out, ", ", "message_bytes", r->message_bytes);
    ms_buf_adds(out, "}\ncompute: {profile: none}\n");
}

enum ms_status ms_row_platform(const struct ms_measured_row *r, const struct ms_hardware *h,
                               struct ms_buf *out, struct ms_err *err)
{
    bool rdma = r->mode == MS_MODE_LOW_LATENCY_RDMA, one = r->gpus_per_node == r->ranks && !rdma;
    const struct ms_topology *t = ms_topology_find(one ? "nvlink" : rdma ? "star" : "rail");
    struct ms_topology_params p;
    ms_topology_defaults(t, &p);
    p.nodes = rdma ? r->ranks : (r->ranks + r->gpus_per_node - 1) / r->gpus_per_node;
    p.gpus_per_node = rdma ? 1 : r->gpus_per_node;
    for (size_t i = 0; i < h->n_values; i++)
        if (strcmp(h->value[i].section, "links") == 0) {
            enum ms_status s = ms_topology_set(t, &p, h->value[i].key, h->value[i].text, err);
            if (s != MS_OK)
                return s;
        }
    p.hardware = h->name;
    return ms_topology_generate(t, &p, out, err);
}
