#define _GNU_SOURCE
#include "sweep/farm_end.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

void ms_farm_name_end(int status, const char *why, char *out, size_t size)
{
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);
        snprintf(out, size, "the simulating process was killed by signal %d (%s)%s", sig,
                 strsignal(sig), sig == SIGKILL ? "; out of memory?" : "");
    } else if (why) {
        snprintf(out, size, "the simulating process failed: %s", why);
    } else {
        snprintf(out, size, "the simulating process ended with exit status %d and no answer",
                 WEXITSTATUS(status));
    }
}

/* The end of what it said belongs to the reason: lines joined by " | ", without control characters.
 */
void ms_farm_add_talk(const char *talk, char *out, size_t size)
{
    size_t n = strlen(talk), used = strlen(out);
    while (n > 0 && (unsigned char)talk[n - 1] <= ' ')
        n--;
    size_t from = n > 400 ? n - 400 : 0;
    if (n == 0)
        return;
    used += (size_t)snprintf(out + used, size - used, "; it said: ");
    for (size_t i = from; i < n && used + 4 < size; i++) {
        if (talk[i] == '\n')
            used += (size_t)snprintf(out + used, size - used, " | ");
        else if ((unsigned char)talk[i] >= ' ' && talk[i] != 127)
            out[used++] = talk[i];
    }
    out[used] = '\0';
}
