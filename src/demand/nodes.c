/* Decides which host a rank is and how a group's nodes are numbered. Everybody who needs a node
 * column asks here, so that traffic and simulator cannot number differently. */
#include "demand/nodes.h"

int ms_rank_host(const struct ms_workload *w, int group, int rank)
{
    return w->group_strided ? rank * w->groups + group : group * w->ranks + rank;
}

void ms_rank_nodes(const struct ms_workload *w, const int *host_node, int n_hosts, int *rank_node)
{
    for (int g = 0; g < w->groups; g++)
        for (int r = 0; r < w->ranks; r++) {
            int host = ms_rank_host(w, g, r);
            bool known = host < n_hosts && host_node[host] >= 0;
            rank_node[g * w->ranks + r] = known ? host_node[host] : host;
        }
}

int ms_number_nodes(int n, const int *given, int *seen, int *column)
{
    int n_nodes = 0;
    for (int r = 0; r < n; r++) {
        /* most ranks sit beside the one before: the search starts there */
        int at = r > 0 && given[r] >= 0 && given[r] == given[r - 1] ? column[r - 1] : 0;
        if (given[r] < 0)
            at = n_nodes;
        while (at < n_nodes && seen[at] != given[r])
            at++;
        if (at == n_nodes)
            seen[n_nodes++] = given[r];
        column[r] = at;
    }
    return n_nodes;
}
