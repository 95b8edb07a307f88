/* Ranks and links of a simulation in the words of a platform's rule, and back; which hosts make the
 * sample that SimGrid is asked for, and when its answer is the rule's. */
#include "sim/route_ruled.h"

#include <stdlib.h>
#include <string.h>

enum ms_status ms_ruled_init(struct ms_ruled_routes *out, const struct ms_platform *p,
                             const int *host, int n_hosts, const uint32_t *link,
                             struct ms_arena *arena, struct ms_err *err)
{
    struct ms_ruled_routes r = {.rule = p->rule, .platform = p, .link = link};
    *out = (struct ms_ruled_routes){0};
    if (!p->rule)
        return MS_OK;
    r.gpu = MS_NEW(arena, int, (size_t)n_hosts);
    r.scratch = MS_NEW(arena, uint32_t, (size_t)ms_route_rule_most());
    if (!r.gpu || !r.scratch)
        return ms_err_set(err, MS_NOMEM, "out of memory for the routes of %s", p->path);
    for (int i = 0; i < n_hosts; i++) {
        r.gpu[i] = ms_route_rule_gpu(p->rule, p->host_name[host[i]]);
        if (r.gpu[i] < 0)
            return ms_err_set(err, MS_INTERNAL, "%s: no rule knows '%s'", p->path,
                              p->host_name[host[i]]);
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

int ms_rule_sample(const struct ms_platform *p, int *host)
{
    int n = 0, spots = MS_RULE_SAMPLE / 2;
    for (int i = 0; p->n_hosts <= MS_RULE_SAMPLE && i < p->n_hosts; i++)
        host[n++] = i;
    for (int i = 0; p->n_hosts > MS_RULE_SAMPLE && i < spots; i++) {
        int last = p->n_hosts / spots - 2, at = (int)((int64_t)i * p->n_hosts / spots);
        at += i < last ? i : last; /* not the same GPU of every node */
        host[n++] = at;
        host[n++] = at + 1;
    }
    return n;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool ms_rule_agrees(const struct ms_platform *p, int src, int dst, const char **name, int n)
{
    uint32_t link[256];
    const char *want[256];
    int a = ms_route_rule_gpu(p->rule, p->host_name[src]),
        b = ms_route_rule_gpu(p->rule, p->host_name[dst]);
    if (a < 0 || b < 0 || n != ms_route_rule_links(p->rule, a, b, link))
        return false;
    for (int i = 0; i < n; i++)
        want[i] = p->link[link[i]].name;
    qsort(want, (size_t)n, sizeof *want, by_name);
    qsort(name, (size_t)n, sizeof *name, by_name);
    for (int i = 0; i < n; i++)
        if (strcmp(want[i], name[i]) != 0)
            return false;
    return true;
}
