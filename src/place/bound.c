/* The least load that the fullest rank can have when experts may be cut into as many parts as there are
 * slots: by bisection, since fewer slots are needed the larger the parts. */
#include "place/bound.h"

#include <math.h>

static double slots_needed(const double *load, int n_experts, double most)
{
    double n = 0;
    for (int e = 0; e < n_experts; e++)
        n += fmax(1, ceil(load[e] / most * (1 - 1e-12)));
    return n;
}

double ms_place_bound(const double *load, int n_experts, int n_ranks, int n_slots)
{
    double sum = 0, top = 0;
    for (int e = 0; e < n_experts; e++) {
        sum += load[e];
        top = fmax(top, load[e]);
    }
    double mean = sum / n_ranks, low = mean, high = fmax(mean, top);
    if (!(sum > 0) || slots_needed(load, n_experts, mean) <= n_slots)
        return 1;
    for (int i = 0; i < 60 && high > low * (1 + 1e-9); i++) {
        double middle = (low + high) / 2;
        if (slots_needed(load, n_experts, middle) <= n_slots)
            high = middle;
        else
            low = middle;
    }
    return high / mean;
}
