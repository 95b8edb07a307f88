/* Decides how EPLB packs: balanced packs of equally many items, and which expert gets the next
 * replica. */
#include "place/pack.h"

void ms_pack_balanced(const float *weight, int n, int packs, int *pack, int *place, int *order,
                      float *load, int *used)
{
    int size = n / packs;
    for (int i = 0; i < n; i++) {
        pack[i] = i;
        place[i] = 0;
    }
    if (size == 1)
        return;
    for (int i = 0; i < n; i++) { /* stable insertion, falling */
        int at = i;
        for (; at > 0 && weight[order[at - 1]] < weight[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (int p = 0; p < packs; p++) {
        load[p] = 0;
        used[p] = 0;
    }
    for (int i = 0; i < n; i++) {
        int item = order[i], best = -1;
        for (int p = 0; p < packs; p++)
            if (used[p] < size && (best < 0 || load[p] < load[best]))
                best = p;
        pack[item] = best;
        place[item] = used[best]++;
        load[best] += weight[item];
    }
}

void ms_pack_replicate(const float *weight, int E, int slots, int *expert, int *copies)
{
    for (int e = 0; e < E; e++) {
        expert[e] = e;
        copies[e] = 1;
    }
    for (int s = E; s < slots; s++) {
        int best = 0;
        for (int e = 1; e < E; e++)
            if (weight[e] / (float)copies[e] > weight[best] / (float)copies[best])
                best = e;
        expert[s] = best;
        copies[best]++;
    }
}
