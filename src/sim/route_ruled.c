/* Ranks and links of a simulation in the words of a platform's rule, and back. */
#include "sim/route_ruled.h"

#include <stdlib.h>

static int compare_names(const void *key, const void *row)
{
    return ms_natural_cmp(key, *(const char *const *)row);
}

/* SimGrid's numbers of the file's links; the file's links that it does not know are used by none. */
static void number_links(struct ms_ruled_routes *r, const struct ms_platform *p,
                         const char *const *link_name, int n_links)
{
    for (int l = 0; l < p->n_links; l++) {
        const char *const *found =
            bsearch(p->link[l].name, link_name, (size_t)n_links, sizeof *link_name, compare_names);
        r->link[l] = found ? (uint32_t)(found - link_name) : UINT32_MAX;
    }
}

enum ms_status ms_ruled_init(struct ms_ruled_routes *out, const struct ms_platform *p,
                             const int *host, int n_hosts, const char *const *link_name,
                             int n_links, struct ms_arena *arena, struct ms_err *err)
{
    struct ms_ruled_routes r = {.rule = p->rule};
    *out = (struct ms_ruled_routes){0};
    if (!p->rule)
        return MS_OK;
    r.gpu = MS_NEW(arena, int, (size_t)n_hosts);
    r.link = MS_NEW(arena, uint32_t, (size_t)p->n_links + 1);
    r.scratch = MS_NEW(arena, uint32_t, (size_t)ms_route_rule_most());
    if (!r.gpu || !r.link || !r.scratch)
        return ms_err_set(err, MS_NOMEM, "out of memory for the routes of %s", p->path);
    number_links(&r, p, link_name, n_links);
    for (int i = 0; i < n_hosts; i++) {
        r.gpu[i] = ms_route_rule_gpu(p->rule, p->host_name[host[i]]);
        if (r.gpu[i] < 0)
            return MS_OK;
    }
    *out = r;
    return MS_OK;
}

void ms_ruled_links(const struct ms_ruled_routes *r, int src, int dst, struct ms_route *out)
{
    out->n = (size_t)ms_route_rule_links(r->rule, r->gpu[src], r->gpu[dst], r->scratch);
    for (size_t i = 0; i < out->n && out->n <= out->max_links; i++)
        out->links[i] = r->link[r->scratch[i]];
}
