/* NVLink and xGMI elements: how many links a GPU has, whether they end at switches, and with
 * which GPU each is linked where they do not. */
#include <string.h>
#include <strings.h>

#include "import/nccl.h"

static bool is_link(const xmlNode *e)
{
    return ms_nccl_is(e, "nvlink") || ms_nccl_is(e, "xgmi");
}

void ms_nccl_add_links(struct ms_nccl *f, struct ms_inside_gpu *g, const xmlNode *gpu)
{
    struct ms_inside *in = f->in;
    for (const xmlNode *l = gpu->children; l; l = l->next) {
        if (!is_link(l))
            continue;
        const char *target = ms_nccl_get(l, "target"), *class = ms_nccl_get(l, "tclass");
        if (class && !strcmp(class, "0x068001")) /* to a CPU (POWER9): no way to a GPU */
            continue;
        bool sw = class && !strcmp(class, "0x068000");
        g->n_nvlinks += (int)ms_nccl_number(f, l, "count", 1);
        in->nvswitch |= sw;
        in->mesh |= !sw;
        ms_strings_add(sw ? &f->switches : &f->targets, target ? target : "");
    }
}

/* Links of one GPU by the bus of the GPU at their other end; a link listed at one end counts. */
static void add_peers(struct ms_nccl *f, int g, const xmlNode *gpu, double *peer_Bps)
{
    const struct ms_inside *in = f->in;
    for (const xmlNode *l = gpu->children; l; l = l->next) {
        const char *target = is_link(l) ? ms_nccl_get(l, "target") : NULL;
        for (int k = 0; target && k < in->n_gpus; k++)
            if (k != g && !strcasecmp(in->gpu[k].busid, target)) {
                double Bps = (double)ms_nccl_number(f, l, "count", 1) * ms_inside_link_Bps(in, g);
                double *ab = &peer_Bps[g * in->n_gpus + k], *ba = &peer_Bps[k * in->n_gpus + g];
                *ab = Bps > *ab ? Bps : *ab;
                *ba = *ab > *ba ? *ab : *ba;
            }
    }
}

bool ms_nccl_find_peers(struct ms_nccl *f)
{
    struct ms_inside *in = f->in;
    if (!in->mesh || in->nvswitch)
        return true;
    size_t n = (size_t)in->n_gpus;
    double *peer_Bps = MS_NEW(&f->m->arena, double, n *n);
    for (int g = 0; peer_Bps && g < in->n_gpus; g++) {
        for (const xmlNode *c = f->gpu[g]->children; c; c = c->next)
            if (ms_nccl_is(c, "gpu"))
                add_peers(f, g, c, peer_Bps);
        in->gpu[g].peer_Bps = peer_Bps + (size_t)g * n;
    }
    if (in->xgmi_GBps > 0)
        ms_map_assume(f->m, "an xGMI link carries %g GB/s one way, by the processor's name",
                      in->xgmi_GBps);
    return peer_Bps != NULL;
}
