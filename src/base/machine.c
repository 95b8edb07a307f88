/* How much memory is free: what the kernel says is available, and what the control group leaves,
 * of either version. */
#include "base/machine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The first number in a file after `name`; -1: none. */
static double number_in(const char *path, const char *name)
{
    char line[256];
    double value = -1;
    FILE *f = fopen(path, "re");
    while (f && value < 0 && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            sscanf(line + strlen(name), "%lf", &value);
    if (f)
        fclose(f);
    return value;
}

/* "max", a number near 2^63, or no file: no limit. */
static double left_of(const char *limit, const char *usage)
{
    double most = number_in(limit, ""), used = number_in(usage, "");
    return most > 0 && used >= 0 ? fmax(0, most - used) : INFINITY;
}

double ms_free_memory_bytes(void)
{
    double kib = number_in("/proc/meminfo", "MemAvailable:");
    double v2 = left_of("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current");
    double v1 = left_of("/sys/fs/cgroup/memory/memory.limit_in_bytes",
                        "/sys/fs/cgroup/memory/memory.usage_in_bytes");
    return fmin(kib < 0 ? INFINITY : kib * 1024, fmin(v1, v2));
}
