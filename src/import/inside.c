/* The insides of nodes apart from where they were read: which node each stands for, and what
 * NVLink and xGMI carry by generation. */
#include "import/inside.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

struct ms_inside *ms_insides_add(struct ms_insides *all)
{
    struct ms_inside **p = realloc(all->in, ((size_t)all->n + 1) * sizeof *p);
    if (!p)
        return NULL;
    all->in = p;
    struct ms_inside *in = calloc(1, sizeof *in);
    if (in)
        p[all->n++] = in;
    return in;
}

void ms_insides_finish(struct ms_insides *all)
{
    for (int i = 0; i < all->n; i++)
        free(all->in[i]);
    free(all->in);
    *all = (struct ms_insides){0};
}

const struct ms_inside *ms_inside_of(const struct ms_insides *all, const char *node)
{
    const struct ms_inside *only = NULL;
    int without = 0;
    for (int i = 0; i < all->n; i++) {
        if (!all->in[i]->pattern) {
            only = all->in[i];
            without++;
        } else if (!fnmatch(all->in[i]->pattern, node, 0)) {
            return all->in[i];
        }
    }
    return without == 1 ? only : NULL;
}

/* sm is the CUDA capability; RCCL writes gcn and an sm that is none. GB/s of one NVLink one way. */
static double nvlink_GBps(int sm)
{
    return sm >= 100 && sm < 130 && sm != 104 ? 50 : sm >= 70 && sm < 100 ? 25 : 20;
}

/* AMD's data sheets: MI100 92, MI250X 100, MI300X 128, MI350X 153.6 GB/s both ways. */
double ms_inside_xgmi_GBps(const char *gcn)
{
    static const struct {
        const char *name;
        double GBps;
    } links[] = {{"95", 76.8}, {"94", 64}, {"90a", 50}, {"910", 50}, {"908", 46}};
    const char *name = !strncmp(gcn, "gfx", 3) ? gcn + 3 : gcn;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (!strncmp(name, links[i].name, strlen(links[i].name)))
            return links[i].GBps;
    return 46;
}

double ms_inside_link_Bps(const struct ms_inside *in, int gpu)
{
    return 1e9 * (in->xgmi_GBps > 0 ? in->xgmi_GBps : nvlink_GBps(in->gpu[gpu].sm));
}

double ms_inside_nvlink_Bps(const struct ms_inside *in, int gpu)
{
    double Bps = in->gpu[gpu].n_nvlinks * ms_inside_link_Bps(in, gpu), peers_Bps = 0;
    for (int k = 0; in->gpu[gpu].peer_Bps && k < in->n_gpus; k++)
        peers_Bps += in->gpu[gpu].peer_Bps[k];
    return peers_Bps > Bps ? peers_Bps : Bps; /* links may be listed at their other ends */
}
