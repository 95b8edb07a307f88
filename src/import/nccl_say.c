/* What was found in a node, for people: its devices and rates, and each GPU with its nearest and
 * matched cards. */
#include "import/nccl.h"

static void list(struct ms_buf *out, const struct ms_strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        ms_buf_printf(out, "%s%s", i ? " " : "", s->text[i]);
    ms_buf_adds(out, "");
}

static void say_gpus(struct ms_nccl *f, const int *far)
{
    struct ms_inside *in = f->in;
    for (int g = 0; g < in->n_gpus; g++) {
        struct ms_buf near = {0}, mine = {0};
        int least = ms_nccl_nearest(in, far, g);
        for (int k = 0; k < in->n_nics; k++)
            if (far[g * in->n_nics + k] == least)
                for (int p = 0; p < in->nic[k].n_ports; p++)
                    ms_buf_printf(&near, "%s%s", near.n ? p ? "+" : "," : "", in->nic[k].port[p]);
        for (int i = 0; i < in->gpu[g].n_nics; i++)
            for (int p = 0; p < in->nic[in->gpu[g].nic[i]].n_ports; p++)
                ms_buf_printf(&mine, "%s%s", mine.n ? "+" : "", in->nic[in->gpu[g].nic[i]].port[p]);
        const char *speed = ms_nccl_get(f->gpu[g], "link_speed"),
                   *width = ms_nccl_get(f->gpu[g], "link_width");
        ms_map_fact(
            f->m, "gpu%d %s: PCIe %s x%s; %d NVLinks; nearest NICs %s (%s, %d bridges); matched %s",
            in->gpu[g].dev, in->gpu[g].busid, speed ? speed : "unknown", width ? width : "?",
            in->gpu[g].n_nvlinks, near.n ? near.p : "none",
            least == 1             ? "PIX"
            : least < MS_OVER_CPU  ? "PXB"
            : least < MS_OVER_CPUS ? "PHB"
                                   : "SYS",
            least % MS_OVER_CPU, mine.n ? mine.p : "none");
        ms_buf_finish(&near);
        ms_buf_finish(&mine);
    }
}

void ms_nccl_say(struct ms_nccl *f, const int *far)
{
    struct ms_inside *in = f->in;
    struct ms_buf numas = {0}, speeds = {0}, other = {0};
    double compute = 0, all = 0;
    int without = 0; /* NVLinks */
    list(&numas, &f->numas);
    list(&speeds, &f->speeds);
    for (int k = 0; k < in->n_nics; k++) {
        double rate = in->nic[k].rate_Bps > 0 ? in->nic[k].rate_Bps : 0;
        all += rate;
        compute += in->nic[k].compute ? rate : 0;
        for (int p = 0; p < in->nic[k].n_ports && !in->nic[k].compute; p++)
            ms_buf_printf(&other, "%s%s", other.n ? " " : "", in->nic[k].port[p]);
    }
    ms_map_fact(f->m,
                "%s: %d CPUs (NUMA %s), %d GPUs (%d gpu elements), %d NIC functions, %d net "
                "devices of %d cards (%s Mb/s), %d PCIe bridges",
                in->rccl ? "RCCL" : "NCCL", f->n_cpus, numas.p, in->n_gpus, f->n_gpu_elements,
                f->n_functions, f->n_nets, in->n_nics, speeds.n ? speeds.p : "no", f->n_bridges);
    for (int g = 0; g < in->n_gpus; g++)
        without += in->gpu[g].n_nvlinks == 0;
    if (without && without < in->n_gpus)
        ms_map_note(f->m, "%d of %d GPUs have no NVLink, the others have: a broken dump or GPU",
                    without, in->n_gpus);
    ms_map_fact(f->m, "NVLink targets: %zu NVSwitches, %zu GPUs; sm %d", f->switches.n,
                f->targets.n, in->n_gpus ? in->gpu[0].sm : 0);
    if (all > 0)
        ms_map_fact(f->m, "network of the node: %g Gb/s, %g Gb/s of compute NICs, %g Gb/s a GPU",
                    all * 8e-9, compute * 8e-9, in->n_gpus ? compute * 8e-9 / in->n_gpus : 0);
    if (other.n)
        ms_map_note(f->m,
                    "next to no GPU, so taken for storage or management: %s (--nics REGEX "
                    "says which carry the exchange)",
                    other.p);
    say_gpus(f, far);
    ms_buf_finish(&numas);
    ms_buf_finish(&speeds);
    ms_buf_finish(&other);
}
