/* Which bytes SimGrid loads for a platform, and why it died of them. A copy goes through an anonymous
 * file, so that nothing is left behind when the process dies. */
#define _GNU_SOURCE /* memfd_create, memmem */
#include "sim/load.h"
#include "sim/simgrid.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void ms_load_platform(const struct ms_platform *p, const struct ms_buf *outline)
{
    const struct ms_buf *text = outline ? outline : &p->copy;
    char path[64];
    int fd = text->n ? memfd_create("platform", MFD_CLOEXEC) : -1;
    size_t done = 0;
    while (fd >= 0 && done < text->n) {
        ssize_t n = write(fd, text->p + done, text->n - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done == text->n && fd >= 0) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ms_sg.load_platform(path);
    } else if (!text->n) {
        ms_sg.load_platform(p->path);
    } else {
        fprintf(stderr, "[root/CRITICAL] no memory for a copy of the platform\n");
        _exit(1);
    }
    if (fd >= 0)
        close(fd);
}

/* What is no reason: frames of a backtrace, and that there is one. */
static bool is_frame(const char *line, size_t n)
{
    return n == 0 || memmem(line, n, "->", 2) || memmem(line, n, "acktrace", 8) ||
           memmem(line, n, "Exiting", 7);
}

bool ms_simgrid_reason(const char *talk, char *out, size_t size)
{
    static const char mark[] = "/CRITICAL] ";
    const char *at = talk ? strstr(talk, mark) : NULL;
    *out = '\0';
    if (talk && (strstr(talk, "bad_alloc") || strstr(talk, "error: out of memory"))) {
        snprintf(out, size, "out of memory");
        return true;
    }
    if (at) {
        at += strlen(mark);
        snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
    }
    for (const char *line = talk; line && *line && !*out; line += strcspn(line, "\n") + 1) {
        size_t n = strcspn(line, "\n");
        if (!is_frame(line, n))
            snprintf(out, size, "%.*s", (int)n, line);
        if (!line[n])
            break;
    }
    ms_clean_line(out);
    return *out != '\0';
}
