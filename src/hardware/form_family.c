/* Which constants the rows of a section can fix, with the bounds a fit keeps to. */
#include <string.h>

#include "hardware/form.h"

#define US 1e-6
#define GB 1e9
#define OF(member) offsetof(struct ms_hardware_kernels, member)
#define TIME(name, member, from, to, usual)                                                        \
    {                                                                                              \
        .key = name, .offset = OF(member), .unit = MS_UNIT_TIME, .low = (from)*US,                 \
        .high = (to)*US, .start = (usual)*US                                                       \
    }
#define RATE(name, member, from, to, usual)                                                        \
    {                                                                                              \
        .key = name, .offset = OF(member), .unit = MS_UNIT_RATE, .low = (from)*GB,                 \
        .high = (to)*GB, .start = (usual)*GB                                                       \
    }

/* clang-format off */
/* Between nodes: start-up, one message to each remote expert, the NIC. */
static const struct ms_form_constant low_latency[] = {
    TIME("alpha", alpha_s, 0, 200, 10),
    RATE("nic_rate", nic_Bps, 5, 200, 45),
    TIME("alpha_per_doubling", alpha_per_doubling_s, 0, 200, 3),
    TIME("count_message", count_message_s, 0, 2, 0.05),
    {0},
};

/* Within a node: SMs send, or NVLink carries; then SMs take in. */
static const struct ms_form_constant low_latency_node[] = {
    TIME("alpha", alpha_s, 0, 60, 10),
    RATE("nvlink_rate", nvlink_Bps, 50, 2000, 350),
    RATE("sm_send_rate", sm_send_Bps, 0.1, 200, 5),
    {.key = "sm_token", .offset = OF(sm_token_s), .unit = MS_UNIT_TIME, .low = 0, .high = 20 * US,
     .start = 1 * US, .dispatch_only = true},
    TIME("expert_cost", expert_s, 0, 1, 0.01),
    RATE("sm_receive_rate", sm_receive_Bps, 0.1, 400, 60),
    RATE("own_rate", own_Bps, 100, 8000, 800),
    {0},
};

/* Between nodes: tokens pass a NIC and a forwarder's channels, chunk by chunk. */
static const struct ms_form_constant normal[] = {
    TIME("alpha", alpha_s, 0, 150, 30),
    TIME("alpha_per_doubling", alpha_per_doubling_s, 0, 80, 20),
    {.key = "forwarder_token", .offset = OF(forwarder_token_s), .unit = MS_UNIT_TIME, .low = 0, .high = 5 * US,
     .start = 0.1 * US, .dispatch_only = true},
    {.key = "forwarder_rate", .offset = OF(forwarder_Bps), .unit = MS_UNIT_RATE, .low = 1 * GB, .high = 500 * GB,
     .start = 28 * GB, .shared = true},
    RATE("nic_rate", nic_Bps, 10, 200, 46),
    TIME("chunk_cost", chunk_s, 0, 60, 5),
    {0},
};

/* Within a node: every channel has a lane to each rank. */
static const struct ms_form_constant normal_node[] = {
    TIME("alpha", alpha_s, 0, 80, 20),
    RATE("nvlink_rate", nvlink_Bps, 50, 2000, 300),
    RATE("lane_rate", lane_Bps, 1, 1000, 60),
    TIME("alpha_per_doubling", alpha_per_doubling_s, 0, 30, 10),
    TIME("sender_token", sender_token_s, 0, 5, 0.2),
    RATE("token_rate", token_Bps, 1, 1000, 30),
    RATE("memory_rate", memory_Bps, 50, 20000, 1500),
    {.key = "own_lane_share", .offset = OF(own_lane_share), .high = 1, .start = 0.8},
    TIME("sender_copy", sender_copy_s, 0, 5, 0.1),
    TIME("chunk_cost", chunk_s, 0, 60, 0.5),
    {0},
};

static const struct ms_form_constant nccl[] = {
    TIME("alpha", alpha_s, 0, 300, 60),
    RATE("nic_rate", nic_Bps, 5, 200, 45),
    {0},
};

/* Two protocols, and a pipeline that fills. */
static const struct ms_form_constant nccl_node[] = {
    TIME("low_alpha", low_alpha_s, 0, 60, 8),
    TIME("low_alpha_per_doubling", low_alpha_per_doubling_s, 0, 10, 1),
    RATE("low_pair_rate", low_pair_Bps, 0.1, 500, 6),
    TIME("alpha", alpha_s, 0, 80, 15),
    RATE("nvlink_rate", nvlink_Bps, 50, 2000, 350),
    RATE("copy_rate", copy_Bps, 50, 4000, 600),
    TIME("ramp_time", ramp_s, 0, 200, 15),
    {.key = "ramp", .offset = OF(ramp_bytes), .unit = MS_UNIT_BYTES, .low = 0.5e6, .high = 512e6,
     .start = 16e6},
    {0},
};

/* Copies pushed or pulled over NVLink by all GPUs of a rack. */
static const struct ms_form_constant one_sided[] = {
    TIME("alpha", alpha_s, 0, 100, 10),
    RATE("nvlink_rate", nvlink_Bps, 50, 3000, 600),
    TIME("token_way", token_way_s, 0, 100, 10),
    TIME("alpha_per_doubling", alpha_per_doubling_s, 0, 20, 1),
    {.key = "fan_in_loss", .offset = OF(fan_in_loss), .unit = MS_UNIT_NONE, .low = 0, .high = 1,
     .start = 0.02},
    TIME("copy_cost", copy_s, 0, 0.02, 0.001),
    TIME("notify", notify_s, 0, 100, 10),
    TIME("notify_per_doubling", notify_per_doubling_s, 0, 20, 1),
    TIME("notify_copy", notify_copy_s, 0, 0.02, 0.001),
    {0},
};

/* Any other library: start-up, bytes and messages. */
static const struct ms_form_constant library[] = {
    TIME("alpha", alpha_s, 0, 1000, 30),
    RATE("nic_rate", nic_Bps, 1, 400, 40),
    {.key = "fan_in_loss", .offset = OF(fan_in_loss), .high = 3, .start = 0.1, .shared = true},
    TIME("alpha_per_doubling", alpha_per_doubling_s, 0, 200, 5),
    {.key = "message_gap", .offset = OF(message_gap_s), .unit = MS_UNIT_TIME, .high = 10 * US,
     .start = 0.1 * US, .both = true},
    {0},
};
/* One over NVSHMEM, which has one queue pair a destination. */
static const struct ms_form_constant nvshmem[] = {
    TIME("alpha", alpha_s, 0, 1000, 30),
    RATE("nic_rate", nic_Bps, 1, 400, 40),
    TIME("pair_gap", pair_gap_s, 0, 100, 2),
    TIME("alpha_per_doubling", alpha_per_doubling_s, 0, 200, 5),
    {0},
};
/* Its copies to a node go as one stream. */
static const struct ms_form_constant library_normal[] = {
    TIME("alpha", alpha_s, 0, 1000, 30),
    RATE("nic_rate", nic_Bps, 1, 400, 40),
    TIME("alpha_per_doubling", alpha_per_doubling_s, 0, 200, 5),
    {0},
};
static const struct ms_form_constant library_node[] = {
    TIME("alpha", alpha_s, 0, 1000, 30),
    RATE("nvlink_rate", nvlink_Bps, 10, 3000, 300),
    TIME("copy_cost", copy_s, 0, 0.2, 0.001),
    {0},
};
static const struct ms_form_constant rdma_write[] = {
    TIME("alpha", alpha_s, 0, 1000, 5),
    RATE("nic_rate", nic_Bps, 1, 400, 40),
    {.key = "message_gap", .offset = OF(message_gap_s), .unit = MS_UNIT_TIME, .low = 0, .high = 10 * US,
     .start = 0.1 * US, .both = true},
    {.key = "cross_rail_factor", .offset = OF(cross_rail_factor), .unit = MS_UNIT_NONE, .low = 1, .high = 10,
     .start = 2, .both = true},
    {0},
};
/* clang-format on */

static const struct ms_form_family families[] = {
    {"low_latency", "DeepEP low latency between nodes", low_latency},
    {"low_latency_node", "DeepEP low latency within a node", low_latency_node},
    {"normal", "DeepEP normal kernels between nodes", normal},
    {"normal_node", "DeepEP normal kernels within a node", normal_node},
    {"nccl", "NCCL between nodes", nccl},
    {"nccl_node", "NCCL within a node", nccl_node},
    {"one_sided.normal_node", "one-sided copies over NVLink", one_sided},
    {"two_sided.normal_node", "two-sided copies over NVLink", one_sided},
    {"torch_nccl.nccl_node", "NCCL through PyTorch within a node", nccl_node},
    {"deepep_rdma.low_latency", "DeepEP low latency over the NICs alone", low_latency},
    {"pplx.low_latency", "a library over NVSHMEM between nodes", nvshmem},
    {"rdma_write.nccl", "bare RDMA writes", rdma_write},
};
static const struct ms_form_family any = {"library", "a library between nodes", library},
                                   any_normal = {"library_normal",
                                                 "a library's streams between nodes",
                                                 library_normal},
                                   any_node = {"library_node", "a library within a node",
                                               library_node};

const struct ms_form_family *ms_form_family(const char *section)
{
    size_t n = strlen(section);
    const char *dot = strchr(section, '.');
    /* other versions of the usual kernels */
    if (dot && (strncmp(section, "deepep_0", 8) == 0 || strncmp(section, "deepep_trtllm", 13) == 0))
        return ms_form_family(dot + 1);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].section, section) == 0)
            return &families[i];
    if (n > 5 && strcmp(section + n - 5, "_node") == 0)
        return &any_node;
    return dot && strcmp(dot, ".normal") == 0 ? &any_normal : &any;
}
