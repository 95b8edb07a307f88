/** @file path.c  Where a file that a scenario names is: beside the scenario, or, for a platform or an
 *  example that is not there, among the files shipped with the program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shipped.h"
#include "scenario/fields.h"

/* scenarios/../platforms/a.xml -> platforms/a.xml, for messages; only over real folders: behind a
 * link `..` is elsewhere. */
static void tidy(char *path)
{
    char *from = path;
    for (;;) {
        char *up = strstr(from, "/../");
        if (!up)
            return;
        char *name = up;
        while (name > path && name[-1] != '/')
            name--;
        struct stat st;
        *up = 0;
        bool folder = strcmp(name, "..") != 0 && strcmp(name, ".") != 0 && *name &&
                      lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
        *up = '/';
        if (folder)
            memmove(name, up + 4, strlen(up + 4) + 1);
        from = folder ? path : up + 3;
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* The shipped file that is meant by platforms/x.xml, scenarios/data/y.csv or just x.xml; NULL: none. */
static const char *shipped(const char *text, char *out, size_t size)
{
    char what[1024];
    bool bare = !strchr(text, '/') && ends_with(text, ".xml");
    bool below = strncmp(text, "platforms/", 10) == 0 || strncmp(text, "scenarios/", 10) == 0;
    if ((!bare && !below) || strstr(text, "..") || strlen(text) > 900)
        return NULL;
    snprintf(what, sizeof what, "%s%s", bare ? "platforms/" : "", text);
    return access(ms_shipped(what, out, size), F_OK) == 0 ? out : NULL;
}

const char *ms_reading_path(struct ms_reading *r, const struct ms_entry *e, const char *text)
{
    char *beside = ms_path_beside(r->file, text);
    const char *use = beside ? beside : text;
    if (strcmp(e->file, "--set") == 0 && access(use, F_OK) != 0 && access(text, F_OK) == 0)
        use = text;
    char buffer[4096];
    const char *ours = access(use, F_OK) != 0 ? shipped(text, buffer, sizeof buffer) : NULL;
    if (ours)
        use = ours;
    char *copy = ms_arena_strdup(r->arena, use);
    if (copy)
        tidy(copy);
    free(beside);
    return copy;
}
