/* Which inputs were read already: platforms by path and grouping, checkpoints by folder and texts,
 * other files by path (base/files.h). */
#include "sweep/inputs.h"

#include <string.h>

#include "moe/observer.h"
#include "scenario/errors.h"

/* The platform of a file, or one with its hosts grouped, which borrows from that. */
struct ms_inputs_platform {
    const char *path;
    int gpus_per_node; /* 0: as the file is */
    bool good;
    struct ms_platform platform;
    struct ms_errs errs;
    struct ms_inputs_platform *next;
};

struct ms_inputs_checkpoint {
    const char *name; /* folder and texts */
    struct ms_err err;
    struct ms_inputs_checkpoint *next;
};

static struct ms_inputs_platform *find(struct ms_inputs *in, const char *path, int gpus_per_node)
{
    for (struct ms_inputs_platform *p = in->platforms; p; p = p->next)
        if (strcmp(p->path, path) == 0 && p->gpus_per_node == gpus_per_node)
            return p;
    return NULL;
}

static struct ms_inputs_platform *new_platform(struct ms_inputs *in, const char *path,
                                               int gpus_per_node)
{
    struct ms_inputs_platform *p = MS_NEW(&in->arena, struct ms_inputs_platform, 1);
    char *name = p ? ms_arena_strdup(&in->arena, path) : NULL;
    if (!name)
        return NULL;
    p->path = name;
    p->gpus_per_node = gpus_per_node;
    p->next = in->platforms;
    in->platforms = p;
    return p;
}

static struct ms_inputs_platform *read_platform(struct ms_inputs *in, const char *path)
{
    struct ms_inputs_platform *p = new_platform(in, path, 0);
    if (!p)
        return NULL;
    p->good = ms_platform_read(p->path, &p->platform, &p->errs) == MS_OK &&
              ms_files_know(&in->files, p->path, p->platform.hash, NULL) == MS_OK;
    return p;
}

/* All but the nodes is the file's own. */
static struct ms_inputs_platform *group(struct ms_inputs *in,
                                        const struct ms_inputs_platform *whole, int gpus_per_node)
{
    size_t n = (size_t)whole->platform.n_hosts;
    struct ms_inputs_platform *p = new_platform(in, whole->path, gpus_per_node);
    if (!p)
        return NULL;
    p->platform = whole->platform;
    p->platform.arena = (struct ms_arena){0};
    p->platform.host_node = MS_NEW(&p->platform.arena, int, n);
    p->platform.host_local = MS_NEW(&p->platform.arena, int, n);
    p->good = p->platform.host_node && p->platform.host_local &&
              ms_platform_group(&p->platform, gpus_per_node, NULL) == MS_OK;
    return p;
}

struct ms_platform *ms_inputs_platform(struct ms_inputs *in, const char *path, int gpus_per_node,
                                       struct ms_errs *errs)
{
    struct ms_inputs_platform *p = find(in, path, 0);
    if (!p && !(p = read_platform(in, path))) {
        ms_errs_add_at(errs, MS_NOMEM, path, 0, 0, NULL, "out of memory");
        return NULL;
    }
    ms_errors_merge(errs, &p->errs, 0);
    if (!p->good)
        return NULL;
    if (p->platform.n_nodes > 0 || gpus_per_node < 1 || p->platform.n_hosts % gpus_per_node != 0)
        return &p->platform;
    struct ms_inputs_platform *g = find(in, path, gpus_per_node);
    g = g ? g : group(in, p, gpus_per_node);
    if (!g || !g->good) {
        ms_errs_add_at(errs, MS_NOMEM, path, 0, 0, NULL, "out of memory");
        return NULL;
    }
    return &g->platform;
}

/* Folder, texts and ids: what ms_choices_check looks at. NULL: no memory */
static char *name_of(struct ms_inputs *in, const struct ms_routing_params *r)
{
    struct ms_buf b = {0};
    ms_buf_adds(&b, r->checkpoint);
    for (int i = 0; i < r->n_text; i++)
        ms_buf_printf(&b, "\n%s", r->text[i]);
    ms_buf_printf(&b, "\n\n%s", r->tokens ? r->tokens : "");
    char *name = b.failed ? NULL : ms_arena_strdup(&in->arena, b.p);
    ms_buf_finish(&b);
    return name;
}

enum ms_status ms_inputs_checkpoint(struct ms_inputs *in, const struct ms_routing_params *r,
                                    struct ms_err *err)
{
    struct ms_inputs_checkpoint *c = in->checkpoints;
    char *name = name_of(in, r);
    if (!name)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    while (c && strcmp(c->name, name) != 0)
        c = c->next;
    if (!c) {
        struct ms_choice_input texts = {
            .text = r->text, .n_text = (size_t)r->n_text, .tokens = r->tokens};
        c = MS_NEW(&in->arena, struct ms_inputs_checkpoint, 1);
        if (!c)
            return ms_err_set(err, MS_NOMEM, "out of memory");
        c->name = name;
        c->next = in->checkpoints;
        in->checkpoints = c;
        ms_choices_check(r->checkpoint, &texts, &c->err);
    }
    if (c->err.status != MS_OK)
        *err = c->err;
    return c->err.status;
}

void ms_inputs_finish(struct ms_inputs *in)
{
    for (struct ms_inputs_platform *p = in->platforms; p; p = p->next) {
        if (p->gpus_per_node > 0)
            p->platform.graph = NULL; /* of the whole platform, which frees it */
        ms_platform_finish(&p->platform);
        ms_errs_finish(&p->errs);
    }
    ms_files_finish(&in->files);
    ms_arena_finish(&in->arena);
    *in = (struct ms_inputs){0};
}
