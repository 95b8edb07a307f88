/* The keys of a profile's section: what each of the elements is called, and what it may be. */
#include <stddef.h>

#include "hardware/kernels.h"

#define OF(member) MS_AT(struct ms_hardware_kernels, member)
/* Both legs of an element. */
#define TIME(name, member, text)                                                                   \
    {.key = "dispatch_" name, OF(member[0]), MS_TIME, .fallback = "0us", .help = text},            \
    {                                                                                              \
        .key = "combine_" name, OF(member[1]), MS_TIME, .fallback = "0us",                         \
        .help = "the same for combine"                                                             \
    }
#define RATE(name, member, text)                                                                   \
    {.key = "dispatch_" name,                                                                      \
     OF(member[0]),                                                                                \
     MS_QUANTITY(RATE, 0, 1e15),                                                                   \
     .fallback = "0",                                                                              \
     .help = text},                                                                                \
    {                                                                                              \
        .key = "combine_" name, OF(member[1]), MS_QUANTITY(RATE, 0, 1e15), .fallback = "0",        \
        .help = "the same for combine"                                                             \
    }

/* clang-format off */
const struct ms_field ms_hardware_kernel_rows[] = {
    TIME("alpha", alpha_s, "start-up of the leg, without the route's latency"),
    TIME("alpha_per_doubling", alpha_per_doubling_s, "more of it for each doubling of ranks or nodes"),
    TIME("notify", notify_s, "exchange of counts before it, a part of the leg"),
    TIME("notify_per_doubling", notify_per_doubling_s, "more of that for each doubling"),
    TIME("notify_copy", notify_copy_s, "and for each copy that a rank sends, its own ones too"),
    {.key = "doubling_of", OF(doubling_of), MS_ONE_OF("ranks", "nodes"), .fallback = "ranks",
     .help = "what doubles"},
    TIME("expert_cost", expert_s, "for each expert of the layer"),
    TIME("count_message", count_message_s, "one message to each expert on another node, after its tokens"),
    TIME("copy_cost", copy_s, "for each copy that a rank sends, its own ones too, beside nothing else"),
    TIME("token_way", token_way_s, "one token's way through the kernel: hidden where what is carried takes longer"),
    RATE("nic_rate", nic_Bps, "what the kernels get of a NIC, where less than the wire's"),
    RATE("nvlink_rate", nvlink_Bps, "what they get of a GPU's NVLink, where less than the wire's"),
    {.key = "dispatch_fan_in_loss", OF(fan_in_loss[0]), MS_NUMBER(0, 10), .fallback = "0",
     .help = "a port's rate falls to 1 / (1 + loss x log2(ranks / 8))"},
    {.key = "combine_fan_in_loss", OF(fan_in_loss[1]), MS_NUMBER(0, 10), .fallback = "0",
     .help = "the same for combine"},
    {.key = "cross_rail_factor", OF(cross_rail_factor), MS_NUMBER(1, 100), .fallback = "1",
     .help = "what goes to another rail costs its NIC so many times as much"},
    {.key = "message_gap", OF(message_gap_s), MS_TIME, .fallback = "0us",
     .help = "a NIC's time for a message that leaves the node"},
    TIME("pair_gap", pair_gap_s, "a queue pair's time for a message: those to one rank of another node wait in line"),
    {.key = "gap_rule", OF(gap_rule), MS_ONE_OF("max", "additive"), .fallback = "max",
     .help = "a message takes the longer of gap and bytes, or both"},
    {.key = "sms", OF(sms), MS_INT32(0, 1024), .fallback = "0",
     .help = "SMs the kernels take"},
    RATE("sm_send_rate", sm_send_Bps, "what one SM sends; E experts take ceil(E / ceil(E / sms)) SMs"),
    RATE("sm_receive_rate", sm_receive_Bps, "what one SM takes in, once all has arrived"),
    TIME("sm_token", sm_token_s, "what it takes for a token before the copies of it; SMs take whole tokens"),
    RATE("copy_rate", copy_Bps, "what all SMs move, copies for the rank itself too"),
    RATE("own_rate", own_Bps, "and copies for the rank itself, through its memory, beside the others"),
    TIME("sender_token", sender_token_s, "of one channel (two SMs): for a token it looks at"),
    TIME("sender_copy", sender_copy_s, "for a copy it sends; between nodes, for a token and node"),
    RATE("token_rate", token_Bps, "and the bytes of such a token; in a combine, of its sum"),
    RATE("lane_rate", lane_Bps, "bytes of one channel to all ranks of the node; each has an even share of its warps"),
    {.key = "dispatch_own_lane_share", OF(own_lane_share[0]), MS_NUMBER(0, 1), .fallback = "1",
     .help = "share of that time that copies for the rank itself take"},
    {.key = "combine_own_lane_share", OF(own_lane_share[1]), MS_NUMBER(0, 1), .fallback = "1",
     .help = "the same for combine"},
    RATE("memory_rate", memory_Bps, "bytes of copies through memory, own ones too, beside nothing else"),
    TIME("forwarder_token", forwarder_token_s, "for a token of a node that is passed on"),
    TIME("forwarder_copy", forwarder_copy_s, "for a copy of it"),
    RATE("forwarder_rate", forwarder_Bps, "and bytes of such copies"),
    {.key = "dispatch_chunk_tokens", OF(chunk_tokens[0]), MS_INT32(0, 1e6), .fallback = "0",
     .help = "tokens of a channel's chunk"},
    {.key = "combine_chunk_tokens", OF(chunk_tokens[1]), MS_INT32(0, 1e6), .fallback = "0",
     .help = "the same for combine"},
    TIME("chunk_cost", chunk_s, "a chunk's own time, beside nothing else"),
    TIME("low_alpha", low_alpha_s, "start-up of the protocol for small messages"),
    TIME("low_alpha_per_doubling", low_alpha_per_doubling_s, "more of it for each doubling"),
    RATE("low_pair_rate", low_pair_Bps, "its rate between two ranks; it is taken where it is faster"),
    TIME("ramp_time", ramp_s, "filling of the other protocol's buffers"),
    {.key = "dispatch_ramp", OF(ramp_bytes[0]), MS_QUANTITY(BYTES, 0, 1e15), .fallback = "0",
     .help = "bytes of a rank up to which that time grows in proportion"},
    {.key = "combine_ramp", OF(ramp_bytes[1]), MS_QUANTITY(BYTES, 0, 1e15), .fallback = "0",
     .help = "the same for combine"},
    {.key = "dispatch_overlap_slowdown", OF(overlap_slowdown[0]), MS_NUMBER(1, 100), .fallback = "1",
     .help = "factor on a leg while the GPU computes (compute.overlap: two_batch)"},
    {.key = "combine_overlap_slowdown", OF(overlap_slowdown[1]), MS_NUMBER(1, 100), .fallback = "1",
     .help = "the same for combine"},
    {0},
};
/* clang-format on */
