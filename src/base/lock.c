/* Decides when a folder is somebody else's: fcntl says that a lock is held; everything else it may
 * say means that there are no locks here. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static enum ms_status refuse(const char *dir, int fd, struct ms_err *err)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK && l.l_pid > 0)
        return ms_err_at(err, MS_IO, dir, 0, 0, NULL, "process %ld is writing here; use another -o",
                         (long)l.l_pid);
    return ms_err_at(err, MS_IO, dir, 0, 0, NULL,
                     "another process is writing here; use another -o");
}

static enum ms_status take(const char *dir, int fd, struct ms_errs *warnings, struct ms_err *err)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &l) == 0)
        return MS_OK;
    if (errno == EACCES || errno == EAGAIN)
        return refuse(dir, fd, err);
    if (warnings)
        ms_errs_warn_at(warnings, dir, 0, 0, NULL,
                        "this file system has no locks (%s): see that nobody else writes here",
                        strerror(errno));
    return MS_OK;
}

enum ms_status ms_lock_folder(const char *dir, int *fd, struct ms_errs *warnings,
                              struct ms_err *err)
{
    struct ms_buf path = {0};
    *fd = -1;
    ms_buf_printf(&path, "%s/.lock", dir);
    if (path.failed)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    *fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int why = errno;
    ms_buf_finish(&path);
    if (*fd < 0)
        return ms_err_at(err, MS_IO, dir, 0, 0, NULL, "cannot write here: %s", strerror(why));
    enum ms_status s = take(dir, *fd, warnings, err);
    if (s == MS_OK) {
        ms_part_sweep(dir);
    } else {
        close(*fd);
        *fd = -1;
    }
    return s;
}
