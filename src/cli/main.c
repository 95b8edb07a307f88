/* The program: finds the verb, runs it, answers --help and --version, and decides when lost output
 * is an error. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/memory.h"

#define X(name) extern const struct ms_verb ms_verb_##name;
#include "verb_registry.inc"
#undef X

const struct ms_verb *const *ms_verbs(void)
{
    static const struct ms_verb *const verbs[] = {
#define X(name) &ms_verb_##name,
#include "verb_registry.inc"
#undef X
        NULL};
    return verbs;
}

const struct ms_verb *ms_verb_find(const char *name)
{
    for (const struct ms_verb *const *v = ms_verbs(); *v; v++)
        if (strcmp((*v)->name, name) == 0)
            return *v;
    return NULL;
}

static int unknown(const char *word)
{
    const char *names[64] = {NULL};
    size_t n = 0;
    for (const struct ms_verb *const *v = ms_verbs(); *v && n < 64; v++)
        names[n++] = (*v)->name;
    const char *near = ms_nearest(word, names, n);
    fprintf(stderr, "moesim: unknown %s '%s'", word[0] == '-' ? "option" : "verb", word);
    if (near)
        fprintf(stderr, "; did you mean '%s'?", near);
    fprintf(stderr, "\nTry 'moesim --help'.\n");
    return MS_USAGE;
}

static int help(int argc, char **argv)
{
    const struct ms_verb *v = argc > 2 ? ms_verb_find(argv[2]) : NULL;
    if (argc > 2 && !v)
        return unknown(argv[2]);
    if (v)
        ms_help_verb(stdout, v);
    else
        ms_help_all(stdout);
    return MS_OK;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        ms_help_all(stderr);
        return MS_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--") == 0 && argc > 2)
        return dispatch(argc - 1, argv + 1);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return help(argc, argv);
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        ms_help_version(stdout);
        return MS_OK;
    }
    if (strcmp(word, "__man") == 0) {
        ms_man(stdout);
        return MS_OK;
    }
    if (strcmp(word, "__complete") == 0)
        return ms_complete(argc - 2, argv + 2);
    const struct ms_verb *v = ms_verb_find(word);
    return v ? v->run(argc - 1, argv + 1, v) : unknown(word);
}

/* A closed standard stream would otherwise be taken by the first file opened. What is written to a
 * closed stdout fails: output that nobody gets is an error, not a success. */
static void hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) < 0) {
            static const char text[] = "moesim: error: no file can be opened, not even /dev/null\n";
            (void)!write(STDERR_FILENO, text, sizeof text - 1);
            _exit(MS_IO);
        }
}

/* `… | head`: the reader has seen what it wanted. */
static bool reader_left(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO};
    return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

/* Was everything printed? An error may lie long before the end, its reason forgotten by then. */
static int close_output(int code)
{
    bool earlier = ferror(stdout);
    errno = 0;
    if ((fflush(stdout) == 0 && !earlier) || errno == EPIPE || reader_left())
        return code;
    fprintf(stderr, "moesim: error: cannot write to standard output%s%s\n", errno ? ": " : "",
            errno ? strerror(errno) : "; some of it is lost");
    return code ? code : MS_IO;
}

/* Libraries' last words (SimGrid's take longer than many a command) are for those who look for leaks. */
static int leave(int code)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    fflush(NULL);
    _exit(code);
#endif
    return code;
}

int main(int argc, char **argv)
{
    ms_memory_or_end();
    hold_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* `run … | head` must not lose the cases still running */
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error with a name: EFBIG */
    return leave(close_output(dispatch(argc, argv)));
}
