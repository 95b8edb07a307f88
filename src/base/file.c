/* Decides what reading a whole file and replacing it mean: all of it or an error, the old bytes or
 * the new ones; and how paths and names with numbers in them compare. */
#include "base/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool reserve(struct ms_buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (b->cap - b->n > more)
        return true;
    size_t want = b->cap ? b->cap : 256;
    while (want - b->n <= more)
        want *= 2;
    char *p = realloc(b->p, want);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->cap = want;
    return true;
}

void ms_buf_add(struct ms_buf *b, const void *data, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n)
        memcpy(b->p + b->n, data, n);
    b->n += n;
    b->p[b->n] = 0;
}

void ms_buf_adds(struct ms_buf *b, const char *s)
{
    ms_buf_add(b, s, strlen(s));
}

void ms_buf_printf(struct ms_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0 && reserve(b, (size_t)n)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

void ms_buf_finish(struct ms_buf *b)
{
    free(b->p);
    *b = (struct ms_buf){0};
}

static enum ms_status read_all(int fd, const char *path, struct ms_buf *out, struct ms_err *err)
{
    char chunk[1 << 16];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot read: %s", strerror(errno));
        ms_buf_add(out, chunk, (size_t)n);
    }
    ms_buf_add(out, "", 0);
    return out->failed ? ms_err_at(err, MS_NOMEM, path, 0, 0, NULL, "too large for memory") : MS_OK;
}

enum ms_status ms_file_read(const char *path, struct ms_buf *out, struct ms_err *err)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, path, out, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG))
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "no such file");
    if (fd < 0)
        return ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot read: %s", strerror(errno));
    enum ms_status s = read_all(fd, path, out, err);
    close(fd);
    return s;
}

bool ms_fd_write(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

/* A device, a FIFO: it is written to; a rename would put a file in its place. */
static bool is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static enum ms_status write_special(const char *path, const void *data, size_t n,
                                    struct ms_err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && ms_fd_write(fd, data, n);
    int why = errno;
    if (fd >= 0)
        close(fd);
    return ok ? MS_OK : ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot write: %s", strerror(why));
}

enum ms_status ms_file_write(const char *path, const void *data, size_t n, struct ms_err *err)
{
    if (strcmp(path, "-") == 0) {
        if (ms_fd_write(STDOUT_FILENO, data, n))
            return MS_OK;
        return ms_err_at(err, MS_IO, "stdout", 0, 0, NULL, "cannot write: %s", strerror(errno));
    }
    if (is_special(path))
        return write_special(path, data, n, err);
    struct ms_buf tmp = {0};
    ms_buf_printf(&tmp, "%s.tmp%ld", path, (long)getpid());
    if (tmp.failed)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    int fd = open(tmp.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok = fd >= 0 && ms_fd_write(fd, data, n) && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    if (ok && rename(tmp.p, path) != 0) {
        ok = false;
        why = errno;
    }
    if (!ok && fd >= 0)
        unlink(tmp.p);
    ms_buf_finish(&tmp);
    return ok ? MS_OK : ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot write: %s", strerror(why));
}

enum ms_status ms_dir_make(const char *path, struct ms_err *err)
{
    char *p = strdup(path);
    if (!p)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    int why = 0;
    for (char *s = p + 1;; s++) {
        if (*s != '/' && *s != 0)
            continue;
        char keep = *s;
        *s = 0;
        struct stat st;
        why = 0;
        if (mkdir(p, 0777) != 0 && !(errno == EEXIST && stat(p, &st) == 0 && S_ISDIR(st.st_mode)))
            why = errno;
        *s = keep;
        if (why || !keep)
            break;
    }
    free(p);
    return why ? ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot make the folder: %s",
                           strerror(why))
               : MS_OK;
}

char *ms_path_beside(const char *base_file, const char *path)
{
    const char *slash = strrchr(base_file, '/');
    if (path[0] == '/' || strcmp(path, "-") == 0 || !slash)
        return strdup(path);
    struct ms_buf b = {0};
    ms_buf_add(&b, base_file, (size_t)(slash - base_file) + 1);
    ms_buf_adds(&b, path);
    if (b.failed)
        ms_buf_finish(&b);
    return b.p;
}

const char *ms_path_stem(const char *path, char *out, size_t size)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    size_t start = len;
    while (start > 0 && path[start - 1] != '/')
        start--;
    size_t end = len;
    for (size_t i = start + 1; i < len; i++)
        if (path[i] == '.')
            end = i;
    snprintf(out, size, "%.*s", (int)(end - start), path + start);
    return out;
}

int ms_natural_cmp(const char *a, const char *b)
{
    const char *x = a, *y = b;
    while (*x && *y) {
        if (isdigit((unsigned char)*x) && isdigit((unsigned char)*y)) {
            while (*x == '0')
                x++;
            while (*y == '0')
                y++;
            size_t n = strspn(x, "0123456789"), m = strspn(y, "0123456789");
            if (n != m)
                return n < m ? -1 : 1;
            int c = strncmp(x, y, n);
            if (c)
                return c;
            x += n;
            y += m;
        } else if (*x != *y) {
            return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
        } else {
            x++;
            y++;
        }
    }
    if (*x || *y)
        return *x ? 1 : -1;
    return strcmp(a, b);
}
