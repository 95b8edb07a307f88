/* LD_PRELOAD: every second child ends at its birth with code 0 and without a word. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

pid_t fork(void)
{
    static pid_t (*real)(void);
    static int n;
    if (!real)
        real = dlsym(RTLD_NEXT, "fork");
    pid_t pid = real();
    if (pid == 0 && n % 2 == 0)
        _exit(0);
    n++;
    return pid;
}
