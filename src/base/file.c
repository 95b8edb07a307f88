/* Decides what reading a whole file means: all of it or an error, and nothing that may never end;
 * and how paths and names with numbers in them compare. */
#include "base/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/huge.h"

static bool reserve(struct ms_buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (b->cap - b->n > more)
        return true;
    size_t want = b->cap ? b->cap : 256;
    while (want - b->n <= more && want < SIZE_MAX / 4)
        want *= 2;
    char *p = more < SIZE_MAX / 8 ? ms_huge_realloc(b->p, want) : NULL;
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
    char text[256]; /* nearly all there is */
    int n = vsnprintf(text, sizeof text, fmt, ap);
    if (n >= 0 && (size_t)n < sizeof text) {
        ms_buf_add(b, text, (size_t)n);
    } else if (n >= 0 && reserve(b, (size_t)n)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    b->failed |= n < 0;
    va_end(again);
    va_end(ap);
}

void ms_buf_finish(struct ms_buf *b)
{
    free(b->p);
    *b = (struct ms_buf){0};
}

/* More than a format's cap, or than all memory: refused before any is taken. */
static enum ms_status too_long(const char *path, size_t most, struct ms_err *err)
{
    return ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                     "longer than the %zu MiB that are read of such a file", most >> 20);
}

/* Half of this machine's: the other half is for what is made of a file. */
static size_t memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size / 2 : SIZE_MAX;
}

static enum ms_status read_all(int fd, const char *path, size_t most, struct ms_buf *out,
                               struct ms_err *err)
{
    char chunk[1 << 16];
    size_t before = out->n;
    for (ssize_t n = 1; n != 0 && !out->failed;) {
        n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot read: %s", strerror(errno));
        ms_buf_add(out, chunk, (size_t)n);
        if (out->n - before > most)
            return too_long(path, most, err);
    }
    return out->failed ? ms_err_at(err, MS_NOMEM, path, 0, 0, NULL, "out of memory reading it")
                       : MS_OK;
}

static const char *kind_of(mode_t mode)
{
    return S_ISFIFO(mode)                   ? "a pipe"
           : S_ISSOCK(mode)                 ? "a socket"
           : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
                                            : "not a file";
}

enum ms_status ms_file_open(const char *path, int *fd, size_t *size, struct ms_err *err)
{
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG)) {
        char near[600];
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "no such file%s",
                         ms_near_file(path, NULL, near, sizeof near));
    }
    if (*fd < 0 && errno == ENXIO)
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL, "is not a file");
    if (*fd < 0 || fstat(*fd, &st) != 0 || S_ISDIR(st.st_mode)) {
        int why = *fd < 0 ? errno : EISDIR;
        if (*fd >= 0)
            close(*fd);
        return ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot read: %s", strerror(why));
    }
    if (!S_ISREG(st.st_mode)) {
        close(*fd);
        return ms_err_at(err, MS_INVALID, path, 0, 0, NULL,
                         "is %s, not a file ('-' reads standard "
                         "input where that is allowed)",
                         kind_of(st.st_mode));
    }
    *size = (size_t)st.st_size;
    return MS_OK;
}

enum ms_status ms_file_read_most(const char *path, size_t most, struct ms_buf *out,
                                 struct ms_err *err)
{
    size_t memory = memory_bytes(), size;
    int fd;
    most = most < memory ? most : memory;
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, path, most, out, err);
    enum ms_status s = ms_file_open(path, &fd, &size, err);
    if (s != MS_OK)
        return s;
    if (size > most)
        s = too_long(path, most, err);
    else if (!reserve(out, size))
        s = ms_err_at(err, MS_NOMEM, path, 0, 0, NULL, "out of memory reading its %zu bytes", size);
    else
        s = read_all(fd, path, most, out, err);
    close(fd);
    return s;
}

bool ms_file_is(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

enum ms_status ms_file_read(const char *path, struct ms_buf *out, struct ms_err *err)
{
    return ms_file_read_most(path, SIZE_MAX, out, err);
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
