/* Which card belongs to which GPU: the assignment of least distance in which all cards carry
 * alike (H. W. Kuhn, "The Hungarian method for the assignment problem", 1955; potentials as in
 * E-maxx). */
#include <math.h>
#include <stdlib.h>

#include "import/inside_match.h"

/* Rows to columns, n <= m; cost[n][m]. column_of[n]. */
static bool assign(int n, int m, const double *cost, int *column_of)
{
    size_t w = (size_t)m + 1;
    double *u = calloc((size_t)n + 1 + 2 * w, sizeof *u), *v = u + n + 1, *least = v + w;
    int *row = calloc(2 * w, sizeof *row), *way = row + w;
    bool *used = calloc(w, sizeof *used), good = u && row && used;
    for (int i = 1; good && i <= n; i++) {
        int j0 = 0;
        row[0] = i;
        for (int j = 0; j <= m; j++)
            least[j] = INFINITY, used[j] = false;
        do {
            int i0 = row[j0], j1 = 0;
            double delta = INFINITY;
            used[j0] = true;
            for (int j = 1; j <= m; j++) {
                double c = used[j] ? 0 : cost[(i0 - 1) * m + j - 1] - u[i0] - v[j];
                if (used[j])
                    continue;
                if (c < least[j])
                    least[j] = c, way[j] = j0;
                if (least[j] < delta)
                    delta = least[j], j1 = j;
            }
            for (int j = 0; j <= m; j++)
                if (used[j])
                    u[row[j]] += delta, v[j] -= delta;
                else
                    least[j] -= delta;
            j0 = j1;
        } while (row[j0]);
        for (int j1; j0; j0 = j1) {
            j1 = way[j0];
            row[j0] = row[j1];
        }
    }
    for (int j = 1; good && j <= m; j++)
        if (row[j])
            column_of[row[j] - 1] = j - 1;
    free(u);
    free(row);
    free(used);
    return good;
}

bool ms_inside_match(struct ms_inside *in, const int *distance)
{
    int card[MS_INSIDE_NICS], n_cards = 0, G = in->n_gpus;
    for (int k = 0; k < in->n_nics; k++)
        if (in->nic[k].compute)
            card[n_cards++] = k;
    if (!G || !n_cards)
        return true;
    int each = n_cards / G > MS_CARD_PORTS ? MS_CARD_PORTS : n_cards / G;
    each = each < 1 ? 1 : each;
    int share = n_cards < G ? (G + n_cards - 1) / n_cards : 1, n = G * each, m = n_cards * share;
    double *cost = malloc((size_t)n * (size_t)m * sizeof *cost);
    int *column = malloc((size_t)n * sizeof *column);
    for (int i = 0; cost && i < n; i++)
        for (int j = 0; j < m; j++) {
            int g = i / each, c = j / share;
            double order = fabs((double)g / G - (double)c / n_cards); /* ties: in order */
            cost[i * m + j] = distance[g * in->n_nics + card[c]] + 1e-3 * order;
        }
    bool good = cost && column && assign(n, m, cost, column);
    for (int i = 0; good && i < n; i++) {
        struct ms_inside_gpu *g = &in->gpu[i / each];
        g->nic[g->n_nics++] = card[column[i] / share];
    }
    free(cost);
    free(column);
    return good;
}
