/* LD_PRELOAD: fails the allocation of number FAIL_AT (and, with FAIL_ALL, every later one) that is made
 * after main has begun; FAIL_COUNT names a file that gets how many there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static long n_done, fail_at;
static int counting, fail_all;
static int (*real_main)(int, char **, char **);

static int fails(void)
{
    if (!counting)
        return 0;
    long n = __atomic_add_fetch(&n_done, 1, __ATOMIC_RELAXED);
    if (fail_at <= 0 || !(n == fail_at || (fail_all && n > fail_at)))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}

void *memalign(size_t align, size_t n)
{
    return fails() ? NULL : __libc_memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    if (fails())
        return ENOMEM;
    *out = __libc_memalign(align, n);
    return *out ? 0 : ENOMEM;
}

static void tell(void)
{
    const char *out = counting ? getenv("FAIL_COUNT") : NULL;
    counting = 0;
    int fd = out ? open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    if (fd >= 0) {
        dprintf(fd, "%ld\n", n_done);
        close(fd);
    }
}

static int main_counted(int argc, char **argv, char **env)
{
    const char *at = getenv("FAIL_AT");
    fail_at = at ? atol(at) : 0;
    fail_all = getenv("FAIL_ALL") != NULL;
    counting = 1;
    int code = real_main(argc, argv, env);
    tell();
    return code;
}

/* The program's usual way out; its children's too, which end before it. */
void _exit(int code)
{
    tell();
    for (;;)
        syscall(SYS_exit_group, code);
}

int __libc_start_main(int (*start)(int, char **, char **), int argc, char **argv,
                      void (*init)(void), void (*fini)(void), void (*rtld_fini)(void),
                      void *stack_end)
{
    int (*real)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
                void (*)(void), void *) = dlsym(RTLD_NEXT, "__libc_start_main");
    real_main = start;
    return real(main_counted, argc, argv, init, fini, rtld_fini, stack_end);
}
