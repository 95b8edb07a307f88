/* Which file somebody meant who named one that is not there: the nearest name beside it, or among those
 * shipped. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/shipped.h"

enum { MOST = 1000 };

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

/* The name in a folder that is nearest to `name`, into out; the first of equals. @return false: there is
 * none near, or nobody looks through so many */
static bool nearest_in(const char *folder, const char *name, char *out, size_t size)
{
    struct dirent **list = NULL;
    const char *names[MOST];
    int n = scandir(folder, &list, visible, alphasort);
    for (int i = 0; i < n && i < MOST; i++)
        names[i] = list[i]->d_name;
    const char *near = n > 0 && n <= MOST ? ms_nearest(name, names, (size_t)n) : NULL;
    snprintf(out, size, "%s", near ? near : "");
    while (n > 0)
        free(list[--n]);
    free(list);
    return *out;
}

const char *ms_near_file(const char *path, const char *shipped, char *out, size_t size)
{
    char folder[4096], near[256], buffer[4096];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    int before = (int)(name - path);
    snprintf(folder, sizeof folder, "%.*s", before, path);
    *out = '\0';
    if (nearest_in(before ? folder : ".", name, near, sizeof near))
        snprintf(out, size, "; did you mean '%s%s'?", before ? folder : "", near);
    else if (shipped &&
             nearest_in(ms_shipped(shipped, buffer, sizeof buffer), name, near, sizeof near))
        snprintf(out, size, "; did you mean '%s/%s'?", shipped, near);
    return out;
}
