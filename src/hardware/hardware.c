/* Which profile is in force, where its file lies, and what the old names of profiles stand for now. */
#define _GNU_SOURCE
#include "hardware/hardware.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shipped.h"
#include "hardware/hardware_file.h"

/* Names of earlier versions: one kind of kernels of a profile, whatever the exchange algorithm. */
static const struct {
    const char *old, *now;
    int only;
} aliases[] = {
    {"h100-cx7-low-latency", "h100-cx7", MS_KERNELS_LOW_LATENCY},
    {"h100-cx7-normal", "h100-cx7", MS_KERNELS_NORMAL},
    {"h100-nvlink", "h100-cx7", -1},
};

static const char *const kernels[] = {"nccl", "normal", "low_latency"};

const char *ms_hardware_kernels_name(enum ms_comm_kernels k)
{
    return kernels[k];
}

bool ms_hardware_has_library(const struct ms_hardware *h, const char *library)
{
    for (size_t i = 0; i < h->n_sections; i++)
        if (h->section[i].library && strcmp(h->section[i].library, library) == 0)
            return true;
    return false;
}

static const struct ms_hardware_kernels *section(const struct ms_hardware *h, const char *library,
                                                 const char *name, const char *scope)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", name, scope);
    for (size_t i = 0; i < h->n_sections; i++) {
        const struct ms_hardware_section *s = &h->section[i];
        bool same = library ? s->library && strcmp(s->library, library) == 0 : !s->library;
        if (same && strcmp(s->name, full) == 0)
            return &s->kernels;
    }
    return NULL;
}

const struct ms_hardware_kernels *ms_hardware_section(const struct ms_hardware *h,
                                                      const char *library,
                                                      enum ms_comm_kernels kind, bool one_node)
{
    const struct ms_hardware_kernels *k = NULL;
    const char *of = library && *library ? library : NULL;
    if (one_node)
        k = section(h, of, kernels[kind], "_node");
    return k ? k : section(h, of, kernels[kind], "");
}

const char *ms_hardware_in_force(const char *asked, const char *property)
{
    const char *name = !asked || strcmp(asked, "auto") == 0 ? property : asked;
    return name && *name && strcmp(name, "none") != 0 ? name : NULL;
}

void ms_hardware_combine_alone(struct ms_hardware_kernels *k)
{
    char *at = (char *)k;
    for (const struct ms_field *f = ms_hardware_kernel_rows; f->key; f++) {
        size_t size = f->type == MS_FIELD_INT32 ? sizeof(int) : sizeof(double);
        if (strncmp(f->key, "combine_", 8) == 0) /* pairs: dispatch's stands before it */
            memcpy(at + f->offset - size, at + f->offset, size);
    }
}

void ms_hardware_share_gpu(struct ms_hardware_kernels *k, const struct ms_hardware *h)
{
    for (int leg = 0; leg < 2; leg++) {
        double f = k->overlap_slowdown[leg];
        if (!(f > 1))
            continue;
        k->nic_Bps[leg] = k->nic_Bps[leg] > 0 ? k->nic_Bps[leg] : h->nic_Bps;
        k->nvlink_Bps[leg] = k->nvlink_Bps[leg] > 0 ? k->nvlink_Bps[leg] : h->nvlink_Bps;
        double *const rates[] = {k->nic_Bps,  k->nvlink_Bps, k->sm_send_Bps, k->sm_receive_Bps,
                                 k->copy_Bps, k->own_Bps,    k->lane_Bps,    k->low_pair_Bps};
        double *const times[] = {k->copy_s,           k->sm_token_s,     k->sender_token_s,
                                 k->sender_copy_s,    k->chunk_s,        k->forwarder_token_s,
                                 k->forwarder_copy_s, k->count_message_s};
        for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
            rates[i][leg] /= f;
        for (size_t i = 0; i < sizeof times / sizeof *times; i++)
            times[i][leg] *= f;
    }
}

double ms_hardware_alpha_s(const struct ms_hardware_kernels *k, int leg, int ranks, int nodes)
{
    int n = k->doubling_of == MS_DOUBLING_OF_NODES ? nodes : ranks;
    return k->alpha_s[leg] + (n > 1 ? k->alpha_per_doubling_s[leg] * log2(n) : 0);
}

static bool is_file(const char *name)
{
    size_t n = strlen(name);
    return strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".yaml") == 0) ||
           (n > 4 && strcmp(name + n - 4, ".yml") == 0);
}

static int by_name(const void *a, const void *b)
{
    return ms_natural_cmp(*(const char *const *)a, *(const char *const *)b);
}

size_t ms_hardware_names(struct ms_arena *arena, const char ***out)
{
    enum { MOST = 256 };
    char folder[4096];
    DIR *d = opendir(ms_shipped("platforms/hardware", folder, sizeof folder));
    size_t n = 0;
    *out = MS_NEW(arena, const char *, MOST);
    for (struct dirent *e; d && *out && n < MOST && (e = readdir(d));) {
        char stem[256];
        size_t len = strlen(e->d_name);
        if (e->d_name[0] == '.' || len < 6 || strcmp(e->d_name + len - 5, ".yaml") != 0)
            continue;
        char *name = ms_arena_strdup(arena, ms_path_stem(e->d_name, stem, sizeof stem));
        if (name)
            (*out)[n++] = name;
    }
    if (d)
        closedir(d);
    if (n > 0)
        qsort(*out, n, sizeof **out, by_name);
    return n;
}

/* The file of a name: a path as it is; else beside the scenario, or shipped. NULL: there is none. */
static const char *locate(struct ms_arena *arena, const char *name, const char *beside)
{
    char file[512], folder[4096], path[8192];
    snprintf(file, sizeof file, "%s%s", name, is_file(name) ? "" : ".yaml");
    char *near = beside && !strchr(name, '/') ? ms_path_beside(beside, file) : strdup(file);
    const char *found = near && access(near, F_OK) == 0 ? ms_arena_strdup(arena, near) : NULL;
    free(near);
    if (found || strchr(name, '/'))
        return found;
    snprintf(path, sizeof path, "%s/%s", ms_shipped("platforms/hardware", folder, sizeof folder),
             file);
    return access(path, F_OK) == 0 ? ms_arena_strdup(arena, path) : NULL;
}

static enum ms_status unknown(struct ms_arena *arena, const char *name, struct ms_errs *errs)
{
    const char **names, *all[260];
    char text[900];
    size_t n = ms_hardware_names(arena, &names);
    all[0] = "auto", all[1] = "none";
    for (size_t i = 0; i < n; i++)
        all[i + 2] = names[i];
    if (is_file(name))
        ms_errs_add_at(errs, MS_INVALID, NULL, 0, 0, "hardware", "no such file: %s", name);
    else
        ms_errs_add_at(errs, MS_INVALID, NULL, 0, 0, "hardware", "'%s' is not a hardware profile%s",
                       name, ms_allowed(text, sizeof text, name, all, n + 2));
    return MS_INVALID;
}

enum ms_status ms_hardware_read(struct ms_files *files, const char *name, const char *beside,
                                struct ms_arena *arena, struct ms_hardware *out,
                                struct ms_errs *errs)
{
    const char *file = name;
    struct ms_hardware h = {.only = -1};
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(aliases[i].old, name) == 0) {
            file = aliases[i].now;
            h.only = aliases[i].only;
        }
    char stem[256];
    h.name = ms_arena_strdup(arena, is_file(name) ? ms_path_stem(name, stem, sizeof stem) : name);
    h.path = locate(arena, file, beside);
    if (!h.path)
        return unknown(arena, name, errs);
    enum ms_status s = ms_hardware_file_read(files, arena, &h, errs);
    if (s == MS_OK)
        *out = h;
    return s;
}
