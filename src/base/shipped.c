/* Finds what is shipped with the program: beside its sources where it runs from its build tree,
 * else in the data folder. */
#include "base/shipped.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *ms_shipped(const char *what, char *out, size_t size)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    snprintf(out, size, "%s/%s", MS_DATA_DIR, what);
    if (strncmp(exe, MS_BUILD_DIR "/", sizeof MS_BUILD_DIR) == 0 || access(out, F_OK) != 0)
        snprintf(out, size, "%s/%s", MS_SOURCE_DIR, what);
    return out;
}
