/* How the elements of a section add up to the time of a leg: start-up, then the longest of ports,
 * SMs and channels, then what follows. */
#include "hardware/form.h"

#include <math.h>

static double doublings(const struct ms_hardware_kernels *k, const struct ms_form_load *load)
{
    int n = k->doubling_of == MS_DOUBLING_OF_NODES ? load->nodes : load->ranks;
    return n > 1 ? log2(n) : 0;
}

static double copies_out(const struct ms_form_rank *r)
{
    return r->own + r->near_out + r->far_out;
}

static double copies_in(const struct ms_form_rank *r)
{
    return r->own + r->near_in + r->far_in;
}

/* x / rate, where the rate is known. */
static double over(double x, double rate)
{
    return rate > 0 ? x / rate : 0;
}

int ms_form_sms(const struct ms_hardware_kernels *k, const struct ms_form_load *load)
{
    int sms = load->sms > 0 ? load->sms : k->sms;
    if (sms < 1 || load->kind != MS_KERNELS_LOW_LATENCY || load->experts < 1)
        return sms;
    int each = (load->experts + sms - 1) / sms; /* experts of an SM */
    return (load->experts + each - 1) / each;
}

double ms_form_channels(const struct ms_hardware_kernels *k, const struct ms_form_load *load)
{
    int sms = ms_form_sms(k, load);
    return sms > 1 ? sms / 2.0 : 1;
}

double ms_form_chunk_tokens(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                            int leg)
{
    return load->chunk_tokens > 0 ? load->chunk_tokens
                                  : ms_form_channels(k, load) * k->chunk_tokens[leg];
}

/* Peers beyond those of a node of eight. */
static double fan_in(const struct ms_hardware_kernels *k, const struct ms_form_load *load, int leg)
{
    return load->ranks > 8 ? 1 + k->fan_in_loss[leg] * log2(load->ranks / 8.0) : 1;
}

static double own_or_wire(double own, double wire)
{
    return own > 0 && !(own > wire) ? own : wire;
}

double ms_form_nic_Bps(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                       int leg)
{
    return own_or_wire(k->nic_Bps[leg], load->nic_Bps) / fan_in(k, load, leg);
}

double ms_form_nvlink_Bps(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                          int leg)
{
    return own_or_wire(k->nvlink_Bps[leg], load->nvlink_Bps) / fan_in(k, load, leg);
}

double ms_form_rank_notify_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                             const struct ms_form_rank *r, int leg)
{
    return k->notify_s[leg] + k->notify_per_doubling_s[leg] * doublings(k, load) +
           k->notify_copy_s[leg] * copies_out(r);
}

double ms_form_notify_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                        int leg)
{
    double most_s = 0;
    for (size_t i = 0; i < load->n_rank; i++)
        most_s = fmax(most_s, ms_form_rank_notify_s(k, load, &load->rank[i], leg));
    return most_s;
}

double ms_form_alpha_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                       int leg, bool low)
{
    const double *once_s = low ? k->low_alpha_s : k->alpha_s,
                 *each_s = low ? k->low_alpha_per_doubling_s : k->alpha_per_doubling_s;
    return once_s[leg] + each_s[leg] * doublings(k, load);
}

/* SMs that copy. An expert's tokens are one SM's work where experts receive (dispatch) or send
 * (combine), so there the fullest expert counts; tokens are spread over the SMs. */
static double sm_s(const struct ms_form_load *load, double fuller, double copies, double Bps,
                   int sms)
{
    double share = copies / (sms > 0 ? sms : 1) * (fuller > 1 ? fuller : 1);
    return over(share * load->copy_bytes, Bps);
}

/* SMs take whole tokens: the busiest has ceil(tokens / sms) of them. */
static double most_of_an_sm(double tokens, int sms)
{
    return sms > 0 ? ceil(tokens / sms - 1e-9) : tokens;
}

/* How much more that is than an even share. */
static double whole(double tokens, int sms)
{
    return tokens > 0 && sms > 0 ? most_of_an_sm(tokens, sms) * sms / tokens : 1;
}

/* A lane: the tokens a channel looks at, or sums, and the copies it sends to one rank of the node with
 * the warps that it has for that rank. */
static double lane_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                     const struct ms_form_rank *r, int leg)
{
    if (load->nodes > 1)
        return 0;
    double token_s = k->sender_token_s[leg] + over(load->copy_bytes, k->token_Bps[leg]),
           copy_s =
               load->ranks * (k->sender_copy_s[leg] + over(load->copy_bytes, k->lane_Bps[leg])),
           lane = fmax(r->lane, r->own * k->own_lane_share[leg]);
    return (r->tokens * token_s + lane * copy_s) / ms_form_channels(k, load);
}

static double chunks_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                       const struct ms_form_rank *r, int leg)
{
    return over(r->tokens * k->chunk_s[leg], ms_form_chunk_tokens(k, load, leg));
}

/* Experts that are on other nodes, nodes being alike. */
static double far_experts(const struct ms_form_load *load)
{
    return load->nodes > 1 ? load->experts * (1 - 1.0 / load->nodes) : 0;
}

struct ms_form_work ms_form_work(const struct ms_hardware_kernels *k,
                                 const struct ms_form_load *load, const struct ms_form_rank *r,
                                 int leg, bool low)
{
    struct ms_form_work w = {0};
    double bytes = load->copy_bytes, out = copies_out(r), in = copies_in(r);
    int sms = ms_form_sms(k, load);
    if (low) {
        w.beside_s = over(r->pair * bytes, k->low_pair_Bps[leg]);
        return w;
    }
    w.beside_s = sm_s(load, leg ? r->fuller : 1, out, k->sm_send_Bps[leg], sms) +
                 k->sm_token_s[leg] * most_of_an_sm(r->tokens, sms);
    w.beside_s = fmax(w.beside_s, over(fmax(out, in) * bytes, k->copy_Bps[leg]));
    w.beside_s = fmax(w.beside_s, over(r->own * bytes, k->own_Bps[leg]));
    w.beside_s = fmax(w.beside_s, lane_s(k, load, r, leg));
    w.beside_s = fmax(w.beside_s, k->token_way_s[leg]);
    if (load->nodes > 1)
        w.beside_s = fmax(w.beside_s, r->far_pair * k->pair_gap_s[leg]);
    double filled = (r->own + fmin(r->near_out + r->far_out, r->near_in + r->far_in)) * bytes;
    w.after_s =
        sm_s(load, leg ? whole(r->tokens, sms) : r->fuller, in, k->sm_receive_Bps[leg], sms) +
        k->expert_s[leg] * load->experts + k->count_message_s[leg] * far_experts(load) +
        k->copy_s[leg] * out + over(out * bytes, k->memory_Bps[leg]) + chunks_s(k, load, r, leg);
    if (k->ramp_bytes[leg] > 0)
        w.after_s += k->ramp_s[leg] * fmin(1, filled / k->ramp_bytes[leg]);
    return w;
}

/* A NIC's time for copies in so many messages. */
static double nic_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                    const struct ms_form_rank *r, double copies, double messages, int leg)
{
    double bytes_s = copies * load->copy_bytes / ms_form_nic_Bps(k, load, leg),
           gaps_s = messages * k->message_gap_s,
           rails = k->cross_rail_factor > 0 ? 1 + r->cross_rail * (k->cross_rail_factor - 1) : 1;
    return rails * (k->gap_rule == MS_GAP_ADDITIVE ? bytes_s + gaps_s : fmax(bytes_s, gaps_s));
}

double ms_form_forwarder_s(const struct ms_hardware_kernels *k, double copy_bytes, int leg)
{
    return k->forwarder_copy_s[leg] + over(copy_bytes, k->forwarder_Bps[leg]);
}

double ms_form_forwarder_token_s(const struct ms_hardware_kernels *k, double copy_bytes, int leg)
{
    return k->forwarder_token_s[leg] + (leg == 1 ? over(copy_bytes, k->forwarder_Bps[leg]) : 0);
}

/* The two sides of a stream, a chunk apart: the network's and the node's. In dispatch the node's
 * side has the copies of its own node to do meanwhile. */
static double streams_s(double network_s, double node_s, double own_node_s, double chunk, int leg)
{
    if (leg == 1)
        return fmax(network_s, node_s) + chunk * fmin(network_s, node_s);
    return fmax(node_s + fmax(0, chunk * network_s - own_node_s),
                network_s + chunk * (node_s - own_node_s));
}

/* Ports and, in normal kernels between nodes, channels. */
static double network_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                        const struct ms_form_rank *r, int leg)
{
    double nic = fmax(nic_s(k, load, r, r->far_out, r->messages_out, leg),
                      nic_s(k, load, r, r->far_in, r->messages_in, leg)),
           nvlink =
               fmax(r->near_out, r->near_in) * load->copy_bytes / ms_form_nvlink_Bps(k, load, leg);
    if (load->kind != MS_KERNELS_NORMAL || load->nodes < 2 || !(r->crossings > 0))
        return fmax(nic, nvlink);
    double c = ms_form_channels(k, load);
    double owner = (r->tokens * k->sender_token_s[leg] + r->crossings * k->sender_copy_s[leg]) / c;
    double forwarder = (r->passed_tokens * ms_form_forwarder_token_s(k, load->copy_bytes, leg) +
                        r->passed_copies * ms_form_forwarder_s(k, load->copy_bytes, leg)) /
                       c;
    double stream = r->crossings / load->nodes, own_node = 1 - r->far_out / r->crossings;
    double chunk = fmin(1, ms_form_chunk_tokens(k, load, leg) / stream);
    double node = fmax(nvlink, forwarder);
    return streams_s(fmax(nic, owner), node, own_node * node, chunk, leg);
}

/* A rank's time from the start-up on; `after` needs everybody's sending. */
static double from_start_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load,
                           int leg, bool low)
{
    double carried_s = 0, after_s = 0;
    for (size_t i = 0; i < load->n_rank; i++) {
        const struct ms_form_rank *r = &load->rank[i];
        struct ms_form_work w = ms_form_work(k, load, r, leg, low);
        carried_s = fmax(carried_s, fmax(w.beside_s, network_s(k, load, r, leg)));
        after_s = fmax(after_s, w.after_s);
    }
    return ms_form_alpha_s(k, load, leg, low) + carried_s + after_s;
}

bool ms_form_low(const struct ms_hardware_kernels *k, const struct ms_form_load *load, int leg)
{
    return k->low_pair_Bps[leg] > 0 &&
           from_start_s(k, load, leg, true) < from_start_s(k, load, leg, false);
}

double ms_form_leg_s(const struct ms_hardware_kernels *k, const struct ms_form_load *load, int leg)
{
    bool low = ms_form_low(k, load, leg);
    return load->latency_s + ms_form_notify_s(k, load, leg) + from_start_s(k, load, leg, low);
}
