/* Even loads: the simulated leg equals the closed form of the profile's section within 1 %. */
#include <check.h>

#include "hardware/form.h"
#include "sim_world.h"

static char path[64];

/* Every token's copies spread evenly over all experts: expected counts of an even routing. */
static void even(struct job *j, const struct ms_form_case *c)
{
    struct ms_traffic *t = job_zeros(j, 0);
    int g = c->ranks, per_node = c->gpus_per_node, nodes = g / per_node;
    t->n_nodes = nodes;
    t->n_experts = c->experts;
    double ranks = ms_form_reach(c, g), in_nodes = ms_form_reach(c, nodes);
    for (int s = 0; s < g; s++) {
        for (int r = 0; r < g; r++) {
            j->cells[0].selections[s * g + r] = c->tokens * c->top_k / g;
            j->cells[0].copies[s * g + r] = c->tokens * ranks / g;
        }
        for (int n = 0; n < nodes; n++)
            t->node_copies[s * nodes + n] = c->tokens * in_nodes / nodes;
        t->slot_tokens[s] = c->tokens * c->top_k;
    }
}

/* Routes of different length start their flows at different times; a form has one latency. */
static void without_latency(void)
{
    static char text[1 << 20];
    FILE *f = fopen(path, "r+");
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    for (char *at = text; (at = strstr(at, "latency=\"")); at++)
        for (char *c = at + 9; *c != 'u'; c++)
            *c = *c == '.' ? '.' : '0';
    rewind(f);
    fwrite(text, 1, n, f);
    fclose(f);
}

struct shape {
    const char *name, *algorithm;
    enum ms_comm_kernels kind;
    struct ms_hardware_kernels k;
    int ranks, per_node;
    double tokens;
    int experts;
};

/* The simulated leg against the form, for a platform of NICs of 46 GB/s and NVLink of 160. */
static void expect_equal(const struct shape *s, int leg)
{
    struct ms_form_case c = {.kind = s->kind,
                             .combine = leg == 1,
                             .ranks = s->ranks,
                             .gpus_per_node = s->per_node,
                             .tokens = s->tokens,
                             .experts = s->experts,
                             .top_k = 8,
                             .per_rank = s->kind != MS_KERNELS_LOW_LATENCY,
                             .exact = true,
                             .copy_bytes = 7168.0 * (leg ? 2 : 1.03125),
                             .nic_Bps = 46e9,
                             .nvlink_Bps = 160e9};
    struct ms_form_rank rank;
    struct ms_form_load load;
    ms_form_even_load(&c, &rank, &load);
    double form_s = ms_form_leg_s(&s->k, &load, leg);
    write_rail(path, s->ranks, s->per_node);
    without_latency();
    struct job j = job_new(path, s->ranks, s->algorithm, "fluid");
    even(&j, &c);
    j.model.hidden = 7168;
    j.model.experts = s->experts;
    j.model.top_k = 8;
    j.w.dispatch_bytes_per_value = 1.03125;
    j.params.exchange.chunk_tokens = 0;
    j.params.hardware.kernels = s->k;
    j.params.hardware.dispatch_alpha_s = ms_form_alpha_s(&s->k, &load, 0, false);
    j.params.hardware.combine_alpha_s = ms_form_alpha_s(&s->k, &load, 1, false);
    j.params.hardware.message_gap_s = s->k.message_gap_s;
    j.params.hardware.gap_adds = s->k.gap_rule == MS_GAP_ADDITIVE;
    struct answer a = simulate(&j);
    ck_assert_msg(a.status == MS_OK, "%s: %s", s->name, a.text);
    double took_s = leg ? a.combine[0] : a.dispatch[0];
    ck_assert_msg(fabs(took_s / form_s - 1) < 0.01, "%s, %s: simulated %.3f us, form %.3f us",
                  s->name, leg ? "combine" : "dispatch", took_s * 1e6, form_s * 1e6);
    answer_finish(&a);
    job_finish(&j);
}

static const struct ms_hardware_kernels low_latency = {
    .alpha_s = {10e-6, 20e-6},
    .count_message_s = {0.08e-6, 0.03e-6},
    .nic_Bps = {44e9, 40e9},
};
static const struct ms_hardware_kernels low_latency_node = {
    .alpha_s = {9e-6, 10e-6},
    .sms = 132,
    .sm_send_Bps = {4.6e9, 33e9},
    .sm_token_s = {1.1e-6, 0},
    .own_Bps = {700e9, 760e9},
    .nvlink_Bps = {140e9, 150e9},
    .sm_receive_Bps = {31e9, 74e9},
    .expert_s = {0.014e-6, 0.013e-6},
};
static const struct ms_hardware_kernels normal = {
    .alpha_s = {29e-6, 60e-6},
    .alpha_per_doubling_s = {29e-6, 24e-6},
    .doubling_of = MS_DOUBLING_OF_NODES,
    .sender_copy_s = {0.1e-6, 0.2e-6},
    .forwarder_token_s = {0.15e-6, 0.5e-6},
    .forwarder_copy_s = {0.2e-6, 0.5e-6},
    .forwarder_Bps = {80e9, 90e9},
    .sms = 20,
    .chunk_tokens = {24, 10},
    .chunk_s = {9e-6, 10e-6},
};
static const struct ms_hardware_kernels normal_node = {
    .alpha_s = {14e-6, 20e-6},
    .alpha_per_doubling_s = {7e-6, 10e-6},
    .sender_token_s = {0.2e-6, 0.2e-6},
    .sender_copy_s = {0.2e-6, 0.1e-6},
    .token_Bps = {60e9, 40e9},
    .lane_Bps = {90e9, 70e9},
    .own_lane_share = {0.8, 1},
    .memory_Bps = {2000e9, 1500e9},
    .sms = 20,
    .chunk_tokens = {24, 10},
    .chunk_s = {3e-6, 3e-6},
};
static const struct ms_hardware_kernels nccl_node = {
    .alpha_s = {9.4e-6, 9.4e-6},
    .low_alpha_s = {5.5e-6, 5.5e-6},
    .low_alpha_per_doubling_s = {0.7e-6, 0.7e-6},
    .low_pair_Bps = {6.5e9, 6.5e9},
    .nvlink_Bps = {150e9, 150e9},
    .copy_Bps = {170e9, 170e9},
    .ramp_s = {19e-6, 19e-6},
    .ramp_bytes = {17e6, 17e6},
};
static const struct ms_hardware_kernels one_sided = {
    .alpha_s = {14e-6, 17e-6},
    .alpha_per_doubling_s = {1e-6, 2.7e-6},
    .nvlink_Bps = {130e9, 120e9},
    .fan_in_loss = {0.05, 0.02},
    .copy_s = {1e-9, 1e-9},
    .notify_s = {11e-6, 0},
    .notify_copy_s = {0.8e-9, 0},
};
static const struct ms_hardware_kernels library = {
    .alpha_s = {30e-6, 20e-6},
    .nic_Bps = {40e9, 38e9},
    .message_gap_s = 0.1e-6,
    .gap_rule = MS_GAP_ADDITIVE,
};

static const struct ms_hardware_kernels nvshmem = {
    .alpha_s = {40e-6, 30e-6},
    .token_way_s = {200e-6, 10e-6},
    .pair_gap_s = {7e-6, 8e-6},
};

START_TEST(test_the_simulated_leg_equals_the_form)
{
    struct ms_hardware_kernels slow_nic = normal;
    slow_nic.nic_Bps[0] = slow_nic.nic_Bps[1] = 15e9;
    const struct shape shapes[] = {
        {"low_latency", "low_latency", MS_KERNELS_LOW_LATENCY, low_latency, 16, 8, 128, 256},
        {"low_latency wide", "low_latency", MS_KERNELS_LOW_LATENCY, low_latency, 64, 8, 32, 256},
        {"low_latency_node", "low_latency", MS_KERNELS_LOW_LATENCY, low_latency_node, 8, 8, 256,
         256},
        {"few experts", "low_latency", MS_KERNELS_LOW_LATENCY, low_latency_node, 8, 8, 1024, 8},
        {"normal, two nodes", "hierarchical", MS_KERNELS_NORMAL, normal, 16, 8, 4096, 256},
        {"normal, four nodes", "hierarchical", MS_KERNELS_NORMAL, normal, 32, 8, 2048, 256},
        {"normal, few tokens", "hierarchical", MS_KERNELS_NORMAL, normal, 32, 8, 64, 256},
        {"normal, NIC-bound", "hierarchical", MS_KERNELS_NORMAL, slow_nic, 32, 8, 2048, 256},
        {"normal, few tokens, NIC-bound", "hierarchical", MS_KERNELS_NORMAL, slow_nic, 32, 8, 64,
         256},
        {"normal_node", "hierarchical", MS_KERNELS_NORMAL, normal_node, 8, 8, 4096, 256},
        {"nccl_node", "direct", MS_KERNELS_NCCL, nccl_node, 8, 8, 4096, 256},
        {"nccl_node, small", "direct", MS_KERNELS_NCCL, nccl_node, 8, 8, 8, 256},
        {"one_sided", "direct", MS_KERNELS_NORMAL, one_sided, 16, 16, 1024, 256},
        {"one queue pair", "low_latency", MS_KERNELS_LOW_LATENCY, nvshmem, 16, 8, 128, 256},
        {"a token's way", "low_latency", MS_KERNELS_LOW_LATENCY, nvshmem, 32, 8, 4, 256},
        {"a library", "low_latency", MS_KERNELS_LOW_LATENCY, library, 32, 8, 128, 256},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int leg = 0; leg < 2; leg++)
            expect_equal(&shapes[i], leg);
}
END_TEST

int main(void)
{
    snprintf(path, sizeof path, "/tmp/moesim-kernels-%d.xml", (int)getpid());
    Suite *s = suite_create("kernels");
    TCase *t = tcase_create("kernels");
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    tcase_add_test(t, test_the_simulated_leg_equals_the_form);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    remove(path);
    return failed ? 1 : 0;
}
