/* Whose a results folder is: somebody else's, another study's, another process's, or ours to
 * write. */
#include <dirent.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/lock.h"
#include "sweep/lines.h"
#include "sweep/store_parts.h"

static enum ms_status damaged_study(struct ms_store *s, struct ms_err *err)
{
    if (err)
        *err = (struct ms_err){0};
    return ms_err_at(err, MS_INVALID, s->dir, 0, 0, "scenario.json",
                     "is not what was written (the hash does not match): whose results these are "
                     "is not known; --force goes on and keeps the records of equal cases");
}

static enum ms_status check_owner(struct ms_store *s, struct ms_err *err)
{
    json_t *study = NULL;
    enum ms_status status = ms_study_file_read(s->dir, &study, err);
    if (status != MS_OK)
        return status == MS_INVALID ? damaged_study(s, err) : status;
    const char *hash = json_string_value(json_object_get(study, "study_hash"));
    bool ours = hash && strcmp(hash, s->study->study_hash.hex) == 0;
    const char *said = json_string_value(json_object_get(study, "name"));
    char *name = ms_arena_strdup(&s->arena, said ? said : "unknown");
    json_decref(study);
    if (ours || !name)
        return ours ? MS_OK : ms_store_no_memory(err);
    char *results = ms_path_join(&s->arena, s->dir, "results.jsonl");
    if (!results)
        return ms_store_no_memory(err);
    if (access(results, F_OK) != 0)
        return MS_OK;
    return ms_err_at(err, MS_USAGE, s->dir, 0, 0, NULL,
                     "holds results of another scenario ('%s'), or of this one with other settings "
                     "or input files; "
                     "choose another -o, or --force to replace them (equal cases are kept)",
                     name);
}

/* A folder with things in it, none of which a run of ours ever wrote, is somebody's. */
static enum ms_status check_foreign(struct ms_store *s, struct ms_err *err)
{
    static const char *const ours[] = {".lock", ".origin.json", "scenario.json", "results.jsonl",
                                       "timing.jsonl"};
    DIR *d = opendir(s->dir);
    const struct dirent *e;
    bool any = false, known = false;
    while (d && (e = readdir(d))) {
        bool dots = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        any |= !dots;
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            known |= strcmp(e->d_name, ours[k]) == 0;
    }
    if (d)
        closedir(d);
    return !any || known ? MS_OK
                         : ms_err_at(err, MS_USAGE, s->dir, 0, 0, NULL,
                                     "is not empty and holds no results of moesim: choose another "
                                     "-o, or --force to write there all the same");
}

/* Under the lock, so that what a killed run left belongs to nobody. */
static enum ms_status lock(struct ms_store *s, struct ms_err *err)
{
    static const char *const inside[] = {"samples", "trace"};
    enum ms_status status = ms_lock_folder(s->dir, &s->lock_fd, s->study->warnings, err);
    for (int i = 0; status == MS_OK && i < 2; i++) {
        char *path = ms_path_join(&s->arena, s->dir, inside[i]);
        if (path)
            ms_part_sweep(path);
        else
            status = ms_store_no_memory(err);
    }
    return status;
}

enum ms_status ms_store_take_folder(struct ms_store *s, bool force, struct ms_err *err)
{
    enum ms_status status = force ? MS_OK : check_foreign(s, err);
    if (status == MS_OK)
        status = ms_dir_make(s->dir, err);
    if (status == MS_OK)
        status = lock(s, err);
    if (status == MS_OK && !force)
        status = check_owner(s, err);
    return status;
}
