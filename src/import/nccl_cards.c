/* Which network cards carry the exchange: how far each is from each GPU, in bridges up to the
 * common ancestor, as NCCL counts them before it flattens two-level switches. */
#include "import/nccl.h"

/* Bridges up to the first common ancestor; over the CPU, or over two, far more. */
static int distance(const xmlNode *a, const xmlNode *b)
{
    int up = 0;
    for (const xmlNode *x = a->parent; x; x = x->parent, up++) {
        int down = 0;
        for (const xmlNode *y = b->parent; y; y = y->parent, down++)
            if (x == y)
                return ms_nccl_is(x, "pci")
                           ? up + down + 1
                           : (ms_nccl_is(x, "cpu") ? MS_OVER_CPU : MS_OVER_CPUS) + up + down;
    }
    return MS_OVER_CPUS;
}

int ms_nccl_nearest(const struct ms_inside *in, const int *far, int g)
{
    int least = MS_OVER_CPUS + MS_INSIDE_NICS;
    for (int k = 0; k < in->n_nics; k++)
        least = far[g * in->n_nics + k] < least ? far[g * in->n_nics + k] : least;
    return least;
}

/* Nearest to some GPU, or under one PCIe switch with it. */
static bool is_near(const struct ms_inside *in, const int *far, int k)
{
    for (int g = 0; g < in->n_gpus; g++) {
        int mine = far[g * in->n_nics + k];
        if (mine == ms_nccl_nearest(in, far, g) || mine < MS_OVER_CPU)
            return true;
    }
    return false;
}

/* A card carries the exchange when it is near and not much slower than the fastest, or when the
 * user says so by name. Cards of less than half the fastest's rate are for storage and
 * management. */
void ms_nccl_choose_cards(struct ms_nccl *f, int *far)
{
    struct ms_inside *in = f->in;
    regex_t re;
    double fastest = 0;
    bool named = f->r->o->nics && !regcomp(&re, f->r->o->nics, REG_EXTENDED | REG_NOSUB);
    for (int g = 0; g < in->n_gpus; g++)
        for (int k = 0; k < in->n_nics; k++)
            far[g * in->n_nics + k] = distance(f->gpu[g], f->nic[k]);
    for (int k = 0; k < in->n_nics; k++) {
        in->nic[k].compute = is_near(in, far, k);
        for (int p = 0; named && p < in->nic[k].n_ports; p++)
            in->nic[k].compute = !regexec(&re, in->nic[k].port[p], 0, NULL, 0);
        if (in->nic[k].compute && in->nic[k].rate_Bps > fastest)
            fastest = in->nic[k].rate_Bps;
    }
    for (int k = 0; k < in->n_nics && !named; k++)
        in->nic[k].compute &= in->nic[k].rate_Bps < 0 || in->nic[k].rate_Bps >= fastest / 2;
    if (named)
        regfree(&re);
}
