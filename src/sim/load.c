/* Which bytes SimGrid loads for a platform, and why it died of them. A copy goes through an anonymous
 * file, so that nothing is left behind when the process dies. */
#define _GNU_SOURCE /* memfd_create */
#include "sim/load.h"

#include <simgrid/engine.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void ms_load_platform(const struct ms_platform *p)
{
    char path[64];
    int fd = p->copy.n ? memfd_create("platform", MFD_CLOEXEC) : -1;
    size_t done = 0;
    while (fd >= 0 && done < p->copy.n) {
        ssize_t n = write(fd, p->copy.p + done, p->copy.n - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done == p->copy.n && fd >= 0) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        simgrid_load_platform(path);
    } else if (!p->copy.n) {
        simgrid_load_platform(p->path);
    } else {
        fprintf(stderr, "[root/CRITICAL] no memory for a copy of the platform\n");
        _exit(1);
    }
    if (fd >= 0)
        close(fd);
}

bool ms_simgrid_reason(const char *talk, char *out, size_t size)
{
    static const char mark[] = "/CRITICAL] ";
    const char *at = talk ? strstr(talk, mark) : NULL;
    *out = '\0';
    if (!at)
        return false;
    at += strlen(mark);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
    return true;
}
