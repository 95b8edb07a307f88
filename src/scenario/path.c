/** @file path.c  Where a file that a scenario names is. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

const char *ms_reading_path(struct ms_reading *r, const struct ms_entry *e, const char *text)
{
    char *beside = ms_path_beside(r->file, text);
    const char *use = beside ? beside : text;
    if (strcmp(e->file, "--set") == 0 && access(use, F_OK) != 0 && access(text, F_OK) == 0)
        use = text;
    char *copy = ms_arena_strdup(r->arena, use);
    if (copy)
        tidy(copy);
    free(beside);
    return copy;
}
