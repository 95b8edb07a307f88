/* Whether a platform file is what its own generating command writes, and then what each route is: the
 * topology's trunks between the two edge switches, with the ports of both ends. */
#include "cluster/route_rule.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/topology.h"

struct ms_route_rule {
    struct ms_topology_params params;
    struct ms_blueprint f;
    uint32_t *nic;   /* [n_gpus][2] up, down */
    uint32_t *nvl;   /* [n_gpus][2] */
    uint32_t *inner; /* [nodes] the NVSwitch's own link, where it has one */
    uint32_t *trunk; /* [n_trunks][2] */
};

/* ---- is the file what the command writes? ---- */

/* "--nodes 64 --no-nvlink" into p; words is cut up. */
static bool read_options(const struct ms_topology *t, struct ms_topology_params *p, char *words)
{
    char *save = NULL, *word = strtok_r(words, " ", &save);
    while (word) {
        char *key = word, *value = strtok_r(NULL, " ", &save);
        bool flag = !value || !strncmp(value, "--", 2);
        if (strncmp(key, "--", 2) != 0 ||
            ms_topology_set(t, p, key + 2, flag ? "" : value, NULL) != MS_OK)
            return false;
        word = flag ? value : strtok_r(NULL, " ", &save);
    }
    return true;
}

static const struct ms_topology *read_command(struct ms_platform *p, struct ms_topology_params *out)
{
    static const char start[] = "moesim platform generate ";
    const char *by = ms_platform_prop(p, "generated_by");
    if (!by || strncmp(by, start, strlen(start)) != 0)
        return NULL;
    char *words = ms_arena_strdup(&p->arena, by + strlen(start)), *rest = words;
    const struct ms_topology *t = words ? ms_topology_find(strsep(&rest, " ")) : NULL;
    if (!t)
        return NULL;
    ms_topology_defaults(t, out);
    return !rest || read_options(t, out, rest) ? t : NULL;
}

struct text {
    const char *at, *end;
};

/* Up to and with the next quotation mark. */
static struct text piece(struct text *t)
{
    const char *q = memchr(t->at, '"', (size_t)(t->end - t->at));
    struct text out = {t->at, q ? q + 1 : t->end};
    t->at = out.end;
    return out;
}

static bool ends_with(struct text t, const char *what)
{
    size_t n = strlen(what);
    return (size_t)(t.end - t.at) >= n && !memcmp(t.end - n, what, n);
}

/* The same bytes, but for the values of these attributes: no route depends on them. `a` ends with a row,
 * outside of quotes; `b` goes on. */
static bool takes_structure(struct text a, struct text *b)
{
    while (a.at < a.end && b->at < b->end) {
        struct text x = piece(&a);
        size_t n = (size_t)(x.end - x.at);
        if ((size_t)(b->end - b->at) < n || memcmp(x.at, b->at, n) != 0)
            return false;
        b->at += n;
        if (ends_with(x, " bandwidth=\"") || ends_with(x, " latency=\"") ||
            ends_with(x, " speed=\"")) {
            piece(&a);
            piece(b);
        }
    }
    return a.at == a.end;
}

/* ms_text_sink.take. ctx: what is left of the file */
static bool compare_rows(void *ctx, const char *row, size_t n)
{
    struct text *file = ctx;
    if (takes_structure((struct text){row, row + n}, file))
        return true;
    file->at = NULL;
    return false;
}

static bool is_as_generated(const struct ms_topology *t, const struct ms_route_rule *r,
                            const struct ms_buf *text)
{
    struct text file = {text->p, text->p + text->n};
    struct ms_text_sink sink = {compare_rows, &file};
    return ms_topology_write(t, &r->params, &r->f, &sink, NULL) == MS_OK && file.at == file.end;
}

/* ---- the links of the rule, by number ---- */

struct named {
    const char *name;
    uint32_t number;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

struct links {
    struct named *row;
    size_t n;
    bool missing;
};

static uint32_t number_of(struct links *l, const char *name)
{
    struct named key = {.name = name};
    const struct named *found = bsearch(&key, l->row, l->n, sizeof key, by_name);
    l->missing |= !found;
    return found ? found->number : 0;
}

static void both_ways(struct links *l, const char *name, uint32_t *out)
{
    char full[64];
    for (int down = 0; down < 2; down++) {
        snprintf(full, sizeof full, "%s_%s", name, down ? "DOWN" : "UP");
        out[down] = number_of(l, full);
    }
}

static void number_links(struct ms_route_rule *r, struct links *l)
{
    const struct ms_blueprint *f = &r->f;
    char name[64];
    bool nvlinks = f->nvlink_only || (f->M > 1 && !f->p->no_nvlink);
    for (int g = 0; g < f->n_gpus; g++) {
        snprintf(name, sizeof name, "nic_%d", ms_blueprint_nic(f, g));
        if (!f->nvlink_only)
            both_ways(l, name, &r->nic[2 * g]);
        snprintf(name, sizeof name, "nvl_%d", g);
        if (nvlinks)
            both_ways(l, name, &r->nvl[2 * g]);
    }
    for (int n = 0; f->rails && nvlinks && n < f->n_gpus / f->M; n++) {
        snprintf(name, sizeof name, "nvswitch_%d", n);
        r->inner[n] = number_of(l, name);
    }
    for (int t = 0; t < f->n_trunks; t++)
        both_ways(l, f->trunk[t].name, &r->trunk[2 * t]);
}

static bool name_links(struct ms_route_rule *r, struct ms_platform *p)
{
    size_t n_gpus = (size_t)r->f.n_gpus;
    struct links l = {.n = (size_t)p->n_links};
    r->nic = MS_NEW(&p->arena, uint32_t, 2 * n_gpus);
    r->nvl = MS_NEW(&p->arena, uint32_t, 2 * n_gpus);
    r->inner = MS_NEW(&p->arena, uint32_t, n_gpus);
    r->trunk = MS_NEW(&p->arena, uint32_t, 2 * (size_t)r->f.n_trunks + 1);
    l.row = malloc((l.n + 1) * sizeof *l.row);
    bool good = r->nic && r->nvl && r->inner && r->trunk && l.row;
    for (size_t i = 0; good && i < l.n; i++)
        l.row[i] = (struct named){p->link[i].name, (uint32_t)i};
    if (good) {
        qsort(l.row, l.n, sizeof *l.row, by_name);
        number_links(r, &l);
    }
    free(l.row);
    return good && !l.missing;
}

const struct ms_route_rule *ms_route_rule_find(struct ms_platform *p, const struct ms_buf *text)
{
    struct ms_route_rule *r = NULL;
    if (p->n_hosts <= MS_RULE_HOSTS || !p->links_complete ||
        !(r = MS_NEW(&p->arena, struct ms_route_rule, 1)))
        return NULL;
    const struct ms_topology *t = read_command(p, &r->params);
    if (!t || r->params.multipath != MS_MULTIPATH_SPRAY ||
        ms_topology_build(t, &r->params, &p->arena, &r->f, NULL) != MS_OK)
        return NULL;
    /* rails of which a route passes a third GPU, or whose GPUs share NICs, are asked for */
    if (r->f.n_gpus != p->n_hosts || r->f.transit != MS_TRANSIT_NONE ||
        (r->f.rails && r->f.shared_nics))
        return NULL;
    if (!is_as_generated(t, r, text) || !name_links(r, p))
        return NULL;
    r->f.arena = NULL; /* what was built stays; nothing more is */
    return r;
}

int ms_route_rule_gpu(const struct ms_route_rule *r, const char *host_name)
{
    char *end;
    if (strncmp(host_name, "gpu", 3) != 0)
        return -1;
    long g = strtol(host_name + 3, &end, 10);
    return *end || g < 0 || g >= r->f.n_gpus ? -1 : (int)g;
}

int ms_route_rule_most(void)
{
    return MS_MAX_ROUTE_HOPS + 4;
}

int ms_route_rule_links(const struct ms_route_rule *r, int a, int b, uint32_t *link)
{
    const struct ms_blueprint *f = &r->f;
    int n = 0;
    if (f->nvlink_only || (a / f->M == b / f->M && !f->p->no_nvlink)) {
        link[n++] = r->nvl[2 * a];
        if (f->rails)
            link[n++] = r->inner[a / f->M];
        link[n++] = r->nvl[2 * b + 1];
        return n;
    }
    struct ms_route_hop hop[MS_MAX_ROUTE_HOPS];
    int n_hops = f->edge[a] != f->edge[b] ? f->route(f, f->edge[a], f->edge[b], hop) : 0;
    link[n++] = r->nic[2 * a];
    for (int i = 0; i < n_hops; i++)
        link[n++] = r->trunk[2 * hop[i].trunk + hop[i].down];
    link[n++] = r->nic[2 * b + 1];
    return n;
}
