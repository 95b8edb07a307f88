/* Nodes numbered by first appearance, the ranks of each, and who takes part in whose streams: the
 * rank on the same rail, else at the same place. */
#include "sim/layout.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "demand/nodes.h"

static void list_members(struct ms_layout *l)
{
    for (int r = 0; r < l->n_ranks; r++)
        l->first[l->node[r] + 1]++;
    for (int n = 0; n < l->n_nodes; n++)
        l->first[n + 1] += l->first[n];
    for (int r = l->n_ranks - 1; r >= 0; r--) {
        int n = l->node[r];
        l->member[--l->first[n + 1]] = r;
    }
    for (int n = 0; n < l->n_nodes; n++) /* the starts moved down by one place */
        l->first[n] = l->first[n + 1];
    l->first[l->n_nodes] = l->n_ranks;
}

int ms_layout_on_rail(const struct ms_layout *l, int node, int rail)
{
    for (int i = l->first[node]; i < l->first[node + 1]; i++)
        if (l->rail[l->member[i]] == rail)
            return l->member[i];
    return -1;
}

static void choose_forwarders(struct ms_layout *l)
{
    for (int r = 0; r < l->n_ranks; r++) {
        int position = 0;
        while (l->member[l->first[l->node[r]] + position] != r)
            position++;
        for (int n = 0; n < l->n_nodes; n++) {
            int f = ms_layout_on_rail(l, n, l->rail[r]);
            int size = l->first[n + 1] - l->first[n];
            l->forward[(size_t)n * (size_t)l->n_ranks + (size_t)r] =
                f >= 0 ? f : l->member[l->first[n] + position % size];
        }
    }
}

enum ms_status ms_layout_init(struct ms_layout *l, int n_ranks, const int *host_node,
                              const int *host_rail, struct ms_err *err)
{
    memset(l, 0, sizeof *l);
    l->n_ranks = n_ranks;
    size_t n = (size_t)n_ranks;
    l->node = calloc(n, sizeof *l->node);
    l->rail = calloc(n, sizeof *l->rail);
    l->first = calloc(n + 2, sizeof *l->first);
    l->member = calloc(n, sizeof *l->member);
    int *seen = calloc(n, sizeof *seen);
    bool ok = l->node && l->rail && l->first && l->member && seen;
    if (ok) {
        l->n_nodes = ms_number_nodes(n_ranks, host_node, seen, l->node);
        memcpy(l->rail, host_rail, n * sizeof *l->rail);
        list_members(l);
        /* with a rank a node nothing is ever forwarded: no table */
        if (l->n_nodes < n_ranks) {
            l->forward = calloc(n * (size_t)l->n_nodes, sizeof *l->forward);
            ok = l->forward;
        }
    }
    free(seen);
    if (!ok) {
        ms_layout_finish(l);
        return ms_err_set(err, MS_NOMEM, "out of memory placing %d ranks", n_ranks);
    }
    if (l->forward)
        choose_forwarders(l);
    return MS_OK;
}

void ms_layout_finish(struct ms_layout *l)
{
    if (!l)
        return;
    free(l->node);
    free(l->rail);
    free(l->first);
    free(l->member);
    free(l->forward);
    memset(l, 0, sizeof *l);
}
