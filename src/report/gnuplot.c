/* Runs gnuplot: what it may see (a script and an open picture, no name), and what is said when it is
 * not there or fails. */
#define _GNU_SOURCE /* pipe2, environ */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report/plot.h"

/* The environment in one locale, whoever draws: in C, gnuplot complains of its own UTF-8.
 * @return NULL: no memory; the caller frees the list, not its texts */
static char **one_locale(void)
{
    static char locale[] = "LC_ALL=C.UTF-8";
    size_t n = 0, k = 0;
    while (environ[n])
        n++;
    char **out = calloc(n + 2, sizeof *out);
    for (size_t i = 0; out && i < n; i++)
        if (strncmp(environ[i], "LC_", 3) != 0 && strncmp(environ[i], "LANG", 4) != 0)
            out[k++] = environ[i];
    if (out)
        out[k] = locale;
    return out;
}

/* gnuplot with the script as its input and the picture as its output: no name of a file reaches it,
 * which might be a command to it. @return its wait status, -1 with errno set */
static int run_gnuplot(const struct ms_buf *script, int picture_fd)
{
    char *argv[] = {"gnuplot", NULL};
    int in[2], status = -1;
    pid_t pid;
    posix_spawn_file_actions_t streams;
    char **env = one_locale();
    if (!env || pipe2(in, O_CLOEXEC) != 0) {
        free(env);
        return -1;
    }
    int failed = posix_spawn_file_actions_init(&streams);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&streams, in[0], STDIN_FILENO);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&streams, picture_fd, STDOUT_FILENO);
    if (!failed)
        failed = posix_spawnp(&pid, argv[0], &streams, NULL, argv, env);
    free(env);
    posix_spawn_file_actions_destroy(&streams);
    close(in[0]);
    if (!failed)
        (void)ms_fd_write(in[1], script->p, script->n); /* cut short, it says so itself */
    close(in[1]);
    while (!failed && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    errno = failed;
    return failed ? -1 : status;
}

enum ms_status ms_plot_draw(const char *path, const struct ms_buf *script, struct ms_err *err)
{
    struct ms_part part;
    fflush(NULL);
    enum ms_status s = ms_part_open(&part, path, err);
    if (s != MS_OK)
        return s;
    int status = run_gnuplot(script, part.fd), why = errno;
    if (status != 0) {
        ms_part_close(&part, false, EIO, NULL);
        return status > 0 && WIFEXITED(status) && WEXITSTATUS(status) != 127
                   ? ms_err_set(err, MS_IO, "--plot: gnuplot failed (its message is above)")
               : status > 0 || why == ENOENT
                   ? ms_err_set(err, MS_IO,
                                "--plot needs gnuplot, which is not installed (Debian: apt install "
                                "gnuplot-nox)")
                   : ms_err_set(err, MS_IO, "--plot: cannot start gnuplot: %s", strerror(why));
    }
    return ms_part_close(&part, true, 0, err);
}
