/* What a platform file of a fabric must know before its first row: the order of the GPUs, how
 * many trunks lie between two leaves, and from these how long the padded ways must be. */
#include <stdlib.h>

#include "import/platform_writer.h"

enum { MAX_ZONES = 1024 };

struct ranked {
    const char *node;
    int index, gpu;
};

static int by_name(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int c = ms_natural_cmp(x->node, y->node);
    return c ? c : x->index != y->index ? x->index - y->index : x->gpu - y->gpu;
}

bool ms_write_order(struct ms_writer *w)
{
    int n = w->m->n_gpus;
    struct ranked *r = calloc((size_t)n + 1, sizeof *r);
    w->order = calloc((size_t)n + 1, sizeof *w->order);
    w->number = calloc((size_t)n + 1, sizeof *w->number);
    w->port_of_gpu = calloc((size_t)n + 1, sizeof *w->port_of_gpu);
    bool good = r && w->order && w->number && w->port_of_gpu;
    for (int g = 0; good && g < n; g++) {
        const struct ms_map_gpu *u = &w->m->gpu[g];
        r[g] = (struct ranked){w->m->nodes.text[u->node], u->index, g};
        w->port_of_gpu[g] = w->l->port_of_nic[w->m->nic_of_gpu[u->first_nic]];
    }
    if (good)
        qsort(r, (size_t)n, sizeof *r, by_name);
    for (int i = 0; good && i < n; i++) {
        w->order[i] = r[i].gpu;
        w->number[r[i].gpu] = i;
    }
    free(r);
    return good;
}

bool ms_write_index(struct ms_writer *w)
{
    const struct ms_levels *l = w->l;
    w->first = calloc((size_t)l->n_hubs + 2, sizeof *w->first);
    w->way = calloc(2 * (size_t)l->n_trunks + 1, sizeof *w->way);
    int *at = calloc((size_t)l->n_hubs + 2, sizeof *at);
    bool good = w->first && w->way && at;
    for (int t = 0; good && t < l->n_trunks; t++) {
        w->first[l->trunk[t].a + 1]++;
        w->first[l->trunk[t].b + 1]++;
    }
    for (int h = 0; good && h < l->n_hubs; h++)
        at[h + 1] = w->first[h + 1] += w->first[h];
    for (int t = 0; good && t < l->n_trunks; t++) {
        w->way[at[l->trunk[t].a]++] = t;
        w->way[at[l->trunk[t].b]++] = t;
    }
    free(at);
    return good;
}

int ms_write_other_end(const struct ms_writer *w, int t, int h)
{
    return w->l->trunk[t].a == h ? w->l->trunk[t].b : w->l->trunk[t].a;
}

/* Fewest trunks from one hub to all: far[h], and the trunk by which h is reached. */
void ms_write_search(const struct ms_writer *w, int from, int *far, int *by, int *queue)
{
    int head = 0, tail = 0;
    for (int h = 0; h < w->l->n_hubs; h++)
        far[h] = -1;
    far[from] = 0;
    queue[tail++] = from;
    while (head < tail) {
        int h = queue[head++];
        for (int k = w->first[h]; k < w->first[h + 1]; k++) {
            int to = ms_write_other_end(w, w->way[k], h);
            if (far[to] >= 0)
                continue;
            far[to] = far[h] + 1;
            by[to] = w->way[k];
            queue[tail++] = to;
        }
    }
}

/* How far leaves are apart, and whether each domain hangs on one leaf. */
bool ms_write_measure(struct ms_writer *w)
{
    const struct ms_levels *l = w->l;
    int n = l->n_hubs, *mem = malloc(3 * ((size_t)n + 1) * sizeof *mem), least = 1 << 20,
        leaves = 0;
    int *leaf_of = malloc(((size_t)w->m->n_gpus + w->m->nodes.n + 2) * sizeof *leaf_of);
    if (!mem || !leaf_of) {
        free(mem);
        free(leaf_of);
        return false;
    }
    for (int h = 0; h < n; h++) {
        if (l->hub[h].level != 1)
            continue;
        leaves++;
        ms_write_search(w, h, mem, mem + n, mem + 2 * n);
        for (int b = 0; b < n; b++)
            if (l->hub[b].level == 1 && mem[b] > w->longest)
                w->longest = mem[b];
    }
    w->zones = leaves <= MAX_ZONES && leaves > 1;
    for (int g = 0; g < w->m->n_gpus; g++)
        leaf_of[g] = -1;
    for (int g = 0; g < w->m->n_gpus; g++) {
        int d = w->m->gpu[g].domain, hub = l->port[w->port_of_gpu[g]].hub;
        if (d < 0)
            continue;
        if (leaf_of[d] >= 0 && leaf_of[d] != hub)
            w->zones = false;
        else if (leaf_of[d] == hub)
            least = 0;
        leaf_of[d] = hub;
    }
    least = least ? 2 : 0;
    w->nvlink_pads = w->longest - 1 < 1 ? 1 : w->longest - 1;
    w->nic_pads = w->nvlink_pads + 2 - least - 1 > 0 ? w->nvlink_pads + 2 - least - 1 : 0;
    free(mem);
    free(leaf_of);
    return true;
}
