/* Decides how a file is replaced: written whole beside its target, on disk before it takes the
 * target's name, and what becomes of one whose writer was killed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static const char ending[] = ".moesim-part";

static enum ms_status nomem(struct ms_err *err)
{
    return ms_err_set(err, MS_NOMEM, "out of memory");
}

/* "a/b.csv" -> "a/.b.csv.moesim-part"; number 0 adds none. */
static char *part_name(const char *target, long number)
{
    struct ms_buf b = {0};
    const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
    ms_buf_add(&b, target, (size_t)(name - target));
    ms_buf_printf(&b, ".%s%s", name, ending);
    if (number)
        ms_buf_printf(&b, ".%ld", number);
    if (b.failed)
        ms_buf_finish(&b);
    return b.p;
}

/* Is the open file still what the name says? Another writer may have renamed it meanwhile. */
static bool still_there(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
           a.st_dev == b.st_dev;
}

static bool lock(int fd)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &l) == 0;
}

/* The part, locked, so that two writers of one target never share it; a file system without locks is
 * taken as having one writer. @return -1 with errno set; EAGAIN: somebody else writes it */
static int open_part(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return -1;
    bool taken = !lock(fd) && (errno == EACCES || errno == EAGAIN);
    if (taken || !still_there(fd, path) || ftruncate(fd, 0) != 0) {
        close(fd);
        errno = EAGAIN;
        return -1;
    }
    return fd;
}

/* Where a link leads; the path itself where nothing is there yet. */
static char *resolved(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : strdup(path);
}

static enum ms_status cannot_write(const char *path, int why, struct ms_err *err)
{
    return ms_err_at(err, MS_IO, path, 0, 0, NULL, "cannot write: %s", strerror(why));
}

enum ms_status ms_part_open(struct ms_part *p, const char *target, struct ms_err *err)
{
    struct stat st;
    bool there = stat(target, &st) == 0, link = lstat(target, &st) == 0 && S_ISLNK(st.st_mode);
    there = there && stat(target, &st) == 0;
    *p = (struct ms_part){.fd = -1, .target = link && there ? resolved(target) : strdup(target)};
    if (!p->target)
        return nomem(err);
    if (there && S_ISDIR(st.st_mode)) {
        ms_part_close(p, false, EISDIR, NULL);
        return cannot_write(target, EISDIR, err);
    }
    p->renames = !there || S_ISREG(st.st_mode);
    p->path = p->renames ? part_name(p->target, 0) : strdup(p->target);
    if (p->path)
        p->fd = p->renames ? open_part(p->path) : open(p->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (p->path && p->renames && p->fd < 0 && errno == EAGAIN) {
        free(p->path);
        p->path = part_name(p->target, (long)getpid());
        if (p->path)
            p->fd = open(p->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (p->fd >= 0)
            (void)lock(p->fd);
    }
    int why = errno;
    if (p->fd >= 0)
        return MS_OK;
    bool no_memory = !p->path;
    free(p->path);
    free(p->target);
    *p = (struct ms_part){0};
    return no_memory ? nomem(err) : cannot_write(target, why, err);
}

enum ms_status ms_part_close(struct ms_part *p, bool ok, int why, struct ms_err *err)
{
    if (p->path && p->fd >= 0) {
        if (ok && p->renames && fsync(p->fd) != 0) {
            ok = false;
            why = errno;
        }
        if (ok && p->renames && rename(p->path, p->target) != 0) {
            ok = false;
            why = errno;
        }
        if (!ok && p->renames)
            unlink(p->path);
        if (close(p->fd) != 0 && ok) { /* some file systems tell a full disk only here */
            ok = false;
            why = errno;
        }
    }
    enum ms_status s = ok ? MS_OK : cannot_write(p->target ? p->target : "", why, err);
    free(p->path);
    free(p->target);
    *p = (struct ms_part){0};
    return s;
}

enum ms_status ms_file_write(const char *path, const void *data, size_t n, struct ms_err *err)
{
    enum ms_status s = ms_file_replace(path, data, n, err);
    if (s == MS_OK && strcmp(path, "-") != 0)
        ms_dir_sync(path);
    return s;
}

enum ms_status ms_file_replace(const char *path, const void *data, size_t n, struct ms_err *err)
{
    struct ms_part part;
    if (strcmp(path, "-") == 0) {
        if (ms_fd_write(STDOUT_FILENO, data, n) || errno == EPIPE) /* `… | head` */
            return MS_OK;
        return ms_err_at(err, MS_IO, "stdout", 0, 0, NULL, "cannot write: %s", strerror(errno));
    }
    enum ms_status s = ms_part_open(&part, path, err);
    if (s != MS_OK)
        return s;
    bool ok = ms_fd_write(part.fd, data, n);
    return ms_part_close(&part, ok, errno, err);
}

/* Somebody writes it now. */
static bool is_written(int dir_fd, const char *name)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool held = fd >= 0 && fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    return held;
}

void ms_part_sweep(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        const char *at = e->d_name[0] == '.' ? strstr(e->d_name, ending) : NULL;
        if (at && at[sizeof ending - 1 + strspn(at + sizeof ending - 1, ".0123456789")] == '\0' &&
            !is_written(dirfd(d), e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

void ms_dir_sync(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
    free(dir);
}
