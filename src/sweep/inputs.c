/* Which inputs were read already: platforms by path and grouping, checkpoints by folder and texts,
 * other files by path (base/files.h). */
#include "sweep/inputs.h"

#include <string.h>

#include "moe/observer.h"
#include "scenario/errors.h"

/* The platform of a file, or one with its hosts chosen and grouped, which borrows from that. */
struct ms_inputs_platform {
    const char *path;
    const char *hosts; /* the wildcards, a line each; "": all */
    int gpus_per_node; /* 0: as the file is */
    bool good, borrows;
    struct ms_platform platform;
    struct ms_errs errs;
    struct ms_inputs_platform *next;
};

struct ms_inputs_checkpoint {
    const char *name; /* folder and texts */
    struct ms_err err;
    struct ms_inputs_checkpoint *next;
};

struct ms_inputs_hardware {
    const char *name, *beside;
    bool good;
    struct ms_hardware hardware;
    struct ms_errs errs;
    struct ms_inputs_hardware *next;
};

static struct ms_inputs_platform *find(const struct ms_inputs *in, const char *path,
                                       const char *hosts, int gpus_per_node)
{
    for (struct ms_inputs_platform *p = in->platforms; p; p = p->next)
        if (!strcmp(p->path, path) && !strcmp(p->hosts, hosts) && p->gpus_per_node == gpus_per_node)
            return p;
    return NULL;
}

bool ms_inputs_knows(const struct ms_inputs *in, const char *platform)
{
    return find(in, platform, "", 0);
}

static struct ms_inputs_platform *new_platform(struct ms_inputs *in, const char *path,
                                               const char *hosts, int gpus_per_node)
{
    struct ms_inputs_platform *p = MS_NEW(&in->arena, struct ms_inputs_platform, 1);
    if (!p || !(p->path = ms_arena_strdup(&in->arena, path)) ||
        !(p->hosts = ms_arena_strdup(&in->arena, hosts)))
        return NULL;
    p->gpus_per_node = gpus_per_node;
    p->next = in->platforms;
    in->platforms = p;
    return p;
}

static struct ms_inputs_platform *read_platform(struct ms_inputs *in, const char *path)
{
    struct ms_inputs_platform *p = new_platform(in, path, "", 0);
    if (!p)
        return NULL;
    p->good = ms_platform_read(p->path, &p->platform, &p->errs) == MS_OK &&
              ms_files_know(&in->files, p->path, p->platform.hash, NULL) == MS_OK;
    return p;
}

/* What choosing and grouping change is the new one's own; the rest is the file's. */
static struct ms_inputs_platform *arrange(struct ms_inputs *in,
                                          const struct ms_inputs_platform *whole,
                                          const struct ms_scenario *s, const char *hosts,
                                          int gpus_per_node)
{
    struct ms_inputs_platform *p = new_platform(in, whole->path, hosts, gpus_per_node);
    struct ms_err err = {0};
    if (!p)
        return NULL;
    p->borrows = true;
    p->platform = whole->platform;
    p->platform.arena = (struct ms_arena){0};
    enum ms_status status = ms_platform_own_hosts(&p->platform, &err);
    if (status == MS_OK && s->n_hosts > 0)
        status = ms_platform_select(&p->platform, s->hosts, (size_t)s->n_hosts, &err);
    if (status == MS_INVALID)
        ms_errs_add_at(&p->errs, MS_INVALID, NULL, 0, 0, "cluster.hosts", "%s", err.text);
    if (status == MS_OK && p->platform.n_nodes == 0 && gpus_per_node > 0 &&
        p->platform.n_hosts % gpus_per_node == 0)
        status = ms_platform_group(&p->platform, gpus_per_node, &err);
    p->good = status == MS_OK;
    return p;
}

struct ms_platform *ms_inputs_platform(struct ms_inputs *in, const char *path,
                                       const struct ms_scenario *s, struct ms_errs *errs)
{
    struct ms_buf hosts = {0};
    int gpus_per_node = s ? s->gpus_per_node : 0;
    struct ms_inputs_platform *p = find(in, path, "", 0), *g = NULL;
    if (!p && !(p = read_platform(in, path))) {
        ms_errs_add_at(errs, MS_NOMEM, path, 0, 0, NULL, "out of memory");
        return NULL;
    }
    ms_errors_merge(errs, &p->errs, 0);
    if (!p->good)
        return NULL;
    gpus_per_node = p->platform.n_nodes > 0 ? 0 : gpus_per_node;
    if (!gpus_per_node && (!s || s->n_hosts == 0))
        return &p->platform;
    ms_buf_adds(&hosts, "");
    for (int i = 0; i < s->n_hosts; i++)
        ms_buf_printf(&hosts, "%s\n", s->hosts[i]);
    if (!hosts.failed)
        g = find(in, path, hosts.p, gpus_per_node);
    if (!g && !hosts.failed)
        g = arrange(in, p, s, hosts.p, gpus_per_node);
    ms_buf_finish(&hosts);
    if (g)
        ms_errors_merge(errs, &g->errs, 0);
    if (g && g->good)
        return &g->platform;
    if (!g || g->errs.n == 0)
        ms_errs_add_at(errs, MS_NOMEM, path, 0, 0, NULL, "out of memory");
    return NULL;
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

static struct ms_inputs_hardware *read_hardware(struct ms_inputs *in, const char *name,
                                                const char *beside)
{
    struct ms_inputs_hardware *h = MS_NEW(&in->arena, struct ms_inputs_hardware, 1);
    if (!h)
        return NULL;
    h->name = ms_arena_strdup(&in->arena, name);
    h->beside = ms_arena_strdup(&in->arena, beside);
    if (!h->name || !h->beside)
        return NULL;
    h->next = in->hardware;
    in->hardware = h;
    h->good =
        ms_hardware_read(&in->files, name, beside, &in->arena, &h->hardware, &h->errs) == MS_OK;
    return h;
}

void ms_inputs_hardware(struct ms_inputs *in, struct ms_scenario *s,
                        const struct ms_platform *platform, struct ms_errs *errs)
{
    const char *property = ms_platform_prop(platform, "hardware"),
               *name = ms_hardware_in_force(s->sim.hardware.profile, property);
    struct ms_inputs_hardware *h = in->hardware;
    s->in_force = NULL;
    if (!name)
        return;
    while (h && (strcmp(h->name, name) != 0 || strcmp(h->beside, s->file) != 0))
        h = h->next;
    if (!h && !(h = read_hardware(in, name, s->file))) {
        ms_errs_add_at(errs, MS_NOMEM, s->file, 0, 0, NULL, "out of memory");
        return;
    }
    ms_errors_merge(errs, &h->errs, 0);
    if (h->good)
        s->in_force = &h->hardware;
}

void ms_inputs_finish(struct ms_inputs *in)
{
    for (struct ms_inputs_hardware *h = in->hardware; h; h = h->next)
        ms_errs_finish(&h->errs);
    for (struct ms_inputs_platform *p = in->platforms; p; p = p->next) {
        if (p->borrows) { /* of the whole platform, which frees them */
            p->platform.graph = NULL;
            p->platform.copy = (struct ms_buf){0};
        }
        ms_platform_finish(&p->platform);
        ms_errs_finish(&p->errs);
    }
    ms_files_finish(&in->files);
    ms_arena_finish(&in->arena);
    *in = (struct ms_inputs){0};
}
