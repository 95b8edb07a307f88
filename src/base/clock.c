/* The one clock of the program: the system's monotonic one, which nobody sets back. */
#include "base/clock.h"

#include <time.h>

double ms_clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
