/* A child loads the platform, asks SimGrid for routes from inside an actor, and answers through
 * a pipe; here both ends, and what is said when the child dies or hangs. */
#include "sim/route_query.h"

#include <signal.h>
#include <simgrid/actor.h>
#include <simgrid/engine.h>
#include <simgrid/host.h>
#include <simgrid/link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <xbt/dynar.h>

#include "base/child.h"
#include "sim/load.h"

/* A minute, and one more for each 8192 hosts. */
static int timeout_s(const struct ms_platform *p)
{
    return 60 + p->n_hosts / 8192 * 60;
}
static const uint32_t whole_mark = 0x6d6f6573;

/* What the child's one actor works on. */
struct question {
    const struct ms_platform *p;
    const struct ms_route_pair *pair;
    size_t n;
    struct ms_buf answer;
    sg_link_t *link; /* by name */
    int n_links;
    bool done;
};

static int by_name(const void *a, const void *b)
{
    return ms_natural_cmp(sg_link_get_name(*(const sg_link_t *)a),
                          sg_link_get_name(*(const sg_link_t *)b));
}

static int number_of(const struct question *q, sg_link_t l)
{
    return (int)(intptr_t)sg_link_get_data(l);
}

static void say_links(struct question *q)
{
    q->link = sg_link_list();
    q->n_links = (int)sg_link_count();
    qsort(q->link, (size_t)q->n_links, sizeof *q->link, by_name);
    ms_buf_add(&q->answer, &q->n_links, sizeof q->n_links);
    for (int i = 0; i < q->n_links; i++) {
        const char *name = sg_link_get_name(q->link[i]);
        double v[2] = {sg_link_get_bandwidth(q->link[i]), sg_link_get_latency(q->link[i])};
        uint32_t head[2] = {(uint32_t)strlen(name), (uint32_t)sg_link_is_shared(q->link[i])};
        sg_link_set_data(q->link[i], (void *)(intptr_t)i);
        ms_buf_add(&q->answer, head, sizeof head);
        ms_buf_add(&q->answer, name, head[0]);
        ms_buf_add(&q->answer, v, sizeof v);
    }
}

static void say_route(struct question *q, sg_host_t a, sg_host_t b)
{
    xbt_dynar_t route = xbt_dynar_new(sizeof(sg_link_t), NULL);
    unsigned k;
    sg_link_t l;
    sg_host_get_route(a, b, route);
    int n = (int)xbt_dynar_length(route);
    double latency = sg_host_get_route_latency(a, b);
    ms_buf_add(&q->answer, &n, sizeof n);
    ms_buf_add(&q->answer, &latency, sizeof latency);
    xbt_dynar_foreach(route, k, l)
    {
        int i = number_of(q, l);
        ms_buf_add(&q->answer, &i, sizeof i);
    }
    xbt_dynar_free(&route);
}

/* An actor's code takes no pointer of ours; the child has one question only. */
static struct question *asked;

static void answer(int argc, char **argv)
{
    struct question *q = asked;
    sg_host_t *host = calloc((size_t)q->p->n_hosts, sizeof *host);
    say_links(q);
    for (int i = 0; host && i < q->p->n_hosts; i++)
        host[i] = sg_host_by_name(q->p->host_name[i]);
    for (size_t i = 0; host && i < q->n; i++)
        say_route(q, host[q->pair[i].src], host[q->pair[i].dst]);
    q->done = host != NULL;
    free(host);
    free(q->link);
}

/* In the child. @return its exit status */
static int ask_simgrid(void *ctx, int out)
{
    static const struct rlimit none = {0, 0};
    struct question *q = ctx;
    int argc = 2;
    char *argv[] = {"moesim", "--log=root.thres:error", NULL};
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGPIPE, SIG_IGN);
    simgrid_init(&argc, argv);
    ms_load_platform(q->p);
    asked = q;
    sg_host_t first = sg_host_by_name(q->p->host_name[0]);
    if (!first)
        return 1;
    sg_actor_start(sg_actor_init("route_query", first), answer, 0, NULL);
    simgrid_run();
    ms_buf_add(&q->answer, &whole_mark, sizeof whole_mark);
    return q->done && !q->answer.failed && ms_fd_write(out, q->answer.p, q->answer.n) ? 0 : 1;
}

struct cursor {
    const char *p, *end;
    bool good;
};

static void take(struct cursor *c, void *out, size_t n)
{
    c->good &= (size_t)(c->end - c->p) >= n;
    if (!c->good)
        return;
    memcpy(out, c->p, n);
    c->p += n;
}

static void read_links(struct cursor *c, struct ms_route_query *r)
{
    take(c, &r->n_links, sizeof r->n_links);
    r->link = c->good && r->n_links >= 0
                  ? MS_NEW(&r->arena, struct ms_route_link, (size_t)r->n_links)
                  : NULL;
    c->good &= r->link != NULL;
    for (int i = 0; c->good && i < r->n_links; i++) {
        uint32_t head[2];
        double v[2];
        take(c, head, sizeof head);
        char *name = c->good && head[0] < 4096 ? ms_arena_alloc(&r->arena, head[0] + 1u, 1) : NULL;
        c->good &= name != NULL;
        if (c->good)
            take(c, name, head[0]);
        take(c, v, sizeof v);
        if (c->good)
            r->link[i] = (struct ms_route_link){name, v[0], v[1], head[1] != 0};
    }
}

static void read_routes(struct cursor *c, struct ms_route_query *r, size_t n)
{
    size_t most = (size_t)(c->end - c->p) / sizeof(int);
    int *first = MS_NEW(&r->arena, int, n + 1), *link = MS_NEW(&r->arena, int, most), used = 0;
    double *latency = MS_NEW(&r->arena, double, n);
    uint32_t mark = 0;
    c->good &= first && link && latency;
    for (size_t i = 0; c->good && i < n; i++) {
        int len = 0;
        take(c, &len, sizeof len);
        take(c, &latency[i], sizeof *latency);
        c->good &= len >= 0 && (size_t)len <= most - (size_t)used;
        if (c->good)
            take(c, link + used, (size_t)len * sizeof *link);
        used += c->good ? len : 0;
        first[i + 1] = used;
    }
    for (int i = 0; c->good && i < used; i++)
        c->good &= link[i] >= 0 && link[i] < r->n_links;
    take(c, &mark, sizeof mark);
    c->good &= mark == whole_mark && c->p == c->end;
    *r = (struct ms_route_query){r->arena, n, first, link, latency, r->n_links, r->link};
}

enum ms_status ms_route_query_ask(const struct ms_platform *p, const struct ms_route_pair *pair,
                                  size_t n, struct ms_route_query *out, struct ms_err *err)
{
    struct question q = {.p = p, .pair = pair, .n = n};
    struct ms_route_query r = {.n_pairs = n};
    struct ms_child c = {0};
    bool in_time = false;
    char words[512];
    *out = (struct ms_route_query){0};
    fflush(NULL);
    enum ms_status s = ms_child_ask(&c, ask_simgrid, &q, timeout_s(p), &in_time, err);
    struct cursor at = {c.answer.p, c.answer.p + c.answer.n, c.answer.p && !c.answer.failed};
    if (s == MS_OK) {
        read_links(&at, &r);
        if (at.good)
            read_routes(&at, &r, n);
        if (!ms_simgrid_reason(c.talk.p, words, sizeof words))
            snprintf(words, sizeof words, "it said nothing");
        if (!at.good)
            s = ms_err_set(err, MS_INTERNAL, "SimGrid %s on %s: %s",
                           in_time ? "gave up" : "did not answer in time", p->path, words);
    }
    ms_child_finish(&c);
    if (s == MS_OK)
        *out = r;
    else
        ms_arena_finish(&r.arena);
    return s;
}

void ms_route_query_finish(struct ms_route_query *p)
{
    ms_arena_finish(&p->arena);
    *p = (struct ms_route_query){0};
}
