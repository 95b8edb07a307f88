/* A child loads the platform, asks SimGrid for routes from inside an actor, and answers through
 * a pipe; here both ends, what is said when the child dies or hangs, and when a rule answers. */
#include "sim/route_query.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/child.h"
#include "cluster/platform_outline.h"
#include "sim/load.h"
#include "sim/route_ruled.h"
#include "sim/sim.h"
#include "sim/simgrid.h"

/* A minute, and one more for each 8192 hosts. */
static int timeout_s(const struct ms_platform *p)
{
    return 60 + p->n_hosts / 8192 * 60;
}
static const uint32_t whole_mark = 0x6d6f6573;

/* What the child's one actor works on. */
struct question {
    const struct ms_platform *p;
    const struct ms_buf *outline; /* loaded in its place; NULL: the whole */
    const struct ms_route_pair *pair;
    size_t n;
    struct ms_buf answer;
    sg_link_t *link; /* by name */
    int n_links;
    bool done;
};

static int by_name(const void *a, const void *b)
{
    return ms_natural_cmp(ms_sg.link_get_name(*(const sg_link_t *)a),
                          ms_sg.link_get_name(*(const sg_link_t *)b));
}

static int number_of(const struct question *q, sg_link_t l)
{
    return (int)(intptr_t)ms_sg.link_get_data(l);
}

static void say_links(struct question *q)
{
    q->link = ms_sg.link_list();
    q->n_links = (int)ms_sg.link_count();
    qsort(q->link, (size_t)q->n_links, sizeof *q->link, by_name);
    ms_buf_add(&q->answer, &q->n_links, sizeof q->n_links);
    for (int i = 0; i < q->n_links; i++) {
        const char *name = ms_sg.link_get_name(q->link[i]);
        double v[2] = {ms_sg.link_get_bandwidth(q->link[i]), ms_sg.link_get_latency(q->link[i])};
        uint32_t head[2] = {(uint32_t)strlen(name), (uint32_t)ms_sg.link_is_shared(q->link[i])};
        ms_sg.link_set_data(q->link[i], (void *)(intptr_t)i);
        ms_buf_add(&q->answer, head, sizeof head);
        ms_buf_add(&q->answer, name, head[0]);
        ms_buf_add(&q->answer, v, sizeof v);
    }
}

static void say_route(struct question *q, sg_host_t a, sg_host_t b)
{
    xbt_dynar_t route = ms_sg.dynar_new(sizeof(sg_link_t), NULL);
    ms_sg.host_get_route(a, b, route);
    int n = (int)ms_sg.dynar_length(route);
    double latency = ms_sg.host_get_route_latency(a, b);
    ms_buf_add(&q->answer, &n, sizeof n);
    ms_buf_add(&q->answer, &latency, sizeof latency);
    for (int k = 0; k < n; k++) {
        int i = number_of(q, *(sg_link_t *)ms_sg.dynar_get_ptr(route, (size_t)k));
        ms_buf_add(&q->answer, &i, sizeof i);
    }
    ms_sg.dynar_free(&route);
}

static sg_host_t host_of(const struct question *q, sg_host_t *known, int i)
{
    if (!known[i])
        known[i] = ms_sg.host_by_name(q->p->host_name[i]);
    return known[i];
}

/* An actor's code takes no pointer of ours; the child has one question only. */
static struct question *asked;

static void answer(int argc, char **argv)
{
    struct question *q = asked;
    sg_host_t *host = calloc((size_t)q->p->n_hosts, sizeof *host);
    say_links(q);
    for (size_t i = 0; host && i < q->n; i++)
        say_route(q, host_of(q, host, q->pair[i].src), host_of(q, host, q->pair[i].dst));
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
    ms_sg.init(&argc, argv);
    ms_load_platform(q->p, q->outline);
    asked = q;
    sg_host_t first = ms_sg.host_by_name(q->p->host_name[0]);
    if (!first)
        return 1;
    ms_sg.actor_start(ms_sg.actor_init("route_query", first), answer, 0, NULL);
    ms_sg.run();
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

static enum ms_status ask(const struct ms_platform *p, const struct ms_buf *outline,
                          const struct ms_route_pair *pair, size_t n, struct ms_route_query *out,
                          struct ms_err *err)
{
    struct question q = {.p = p, .outline = outline, .pair = pair, .n = n};
    struct ms_route_query r = {.n_pairs = n};
    struct ms_child c = {0};
    bool in_time = false;
    char words[512];
    *out = (struct ms_route_query){0};
    enum ms_status s = ms_simgrid_load(err); /* here: further children need not */
    fflush(NULL);
    if (s == MS_OK)
        s = ms_child_ask(&c, ask_simgrid, &q, timeout_s(p), &in_time, err);
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

/* ---- where a rule says the routes ---- */

/* SimGrid's routes of pairs among a few hosts, from the platform's outline. */
static enum ms_status ask_outline(const struct ms_platform *p, const int *host, int n_hosts,
                                  const struct ms_route_pair *pair, size_t n,
                                  struct ms_route_query *out, struct ms_err *err)
{
    struct ms_buf outline = {0};
    enum ms_status s = ms_platform_outline(p, host, n_hosts, &outline, err);
    if (s == MS_OK)
        s = ask(p, &outline, pair, n, out, err);
    ms_buf_finish(&outline);
    return s;
}

/* Does SimGrid have the rule's route for all ways between the hosts of the sample? */
static enum ms_status try_rule(const struct ms_platform *p, bool *holds, struct ms_err *err)
{
    struct ms_route_pair pair[MS_RULE_SAMPLE * MS_RULE_SAMPLE];
    int host[MS_RULE_SAMPLE], n_hosts = ms_rule_sample(p, host);
    size_t n = 0;
    struct ms_route_query r;
    const char *name[256];
    for (int i = 0; i < n_hosts * n_hosts; i++)
        if (i / n_hosts != i % n_hosts)
            pair[n++] = (struct ms_route_pair){host[i / n_hosts], host[i % n_hosts]};
    enum ms_status s = ask_outline(p, host, n_hosts, pair, n, &r, err);
    *holds = s == MS_OK;
    for (size_t i = 0; i < n && *holds; i++) {
        int m = r.first[i + 1] - r.first[i];
        for (int k = 0; k < m && k < 256; k++)
            name[k] = r.link[r.link_of[r.first[i] + k]].name;
        *holds = m <= 256 && ms_rule_agrees(p, pair[i].src, pair[i].dst, name, m);
    }
    if (s == MS_OK)
        ms_route_query_finish(&r);
    return s;
}

/* Every file's link, and number[l] of link l of the file among them. */
static bool list_links(const struct ms_platform *p, struct ms_route_query *r, int *number)
{
    const struct ms_platform_link **row = ms_platform_links_by_name(p);
    r->link = row ? MS_NEW(&r->arena, struct ms_route_link, (size_t)p->n_links + 1) : NULL;
    r->n_links = p->n_links;
    for (int i = 0; r->link && i < p->n_links; i++) {
        r->link[i] = (struct ms_route_link){row[i]->name, row[i]->bandwidth_Bps, row[i]->latency_s,
                                            row[i]->policy != MS_LINK_FATPIPE};
        number[row[i] - p->link] = i;
    }
    free(row);
    return r->link != NULL;
}

static int rule_links(const struct ms_platform *p, struct ms_route_pair pair, uint32_t *link)
{
    return ms_route_rule_links(p->rule, ms_route_rule_gpu(p->rule, p->host_name[pair.src]),
                               ms_route_rule_gpu(p->rule, p->host_name[pair.dst]), link);
}

static bool say_ruled(const struct ms_platform *p, const struct ms_route_pair *pair, size_t n,
                      const int *number, struct ms_route_query *r)
{
    uint32_t link[256];
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        total += (size_t)rule_links(p, pair[i], link);
    int *first = MS_NEW(&r->arena, int, n + 1), *link_of = MS_NEW(&r->arena, int, total + 1);
    double *latency_s = MS_NEW(&r->arena, double, n + 1);
    bool good = first && link_of && latency_s && total <= INT32_MAX;
    for (size_t i = 0; i < n && good; i++) {
        int m = rule_links(p, pair[i], link);
        for (int k = 0; k < m; k++) {
            link_of[at++] = number[link[k]];
            latency_s[i] += p->link[link[k]].latency_s;
        }
        first[i + 1] = (int)at;
    }
    r->n_pairs = n;
    r->first = first;
    r->link_of = link_of;
    r->latency_s = latency_s;
    return good;
}

static enum ms_status by_rule(const struct ms_platform *p, const struct ms_route_pair *pair,
                              size_t n, struct ms_route_query *out, struct ms_err *err)
{
    struct ms_route_query r = {0};
    int *number = malloc(((size_t)p->n_links + 1) * sizeof *number);
    bool good = number && list_links(p, &r, number) && say_ruled(p, pair, n, number, &r);
    free(number);
    if (good)
        *out = r;
    else
        ms_arena_finish(&r.arena);
    return good ? MS_OK : ms_err_set(err, MS_NOMEM, "no memory for %zu routes", n);
}

enum ms_status ms_route_query_ask(const struct ms_platform *p, const struct ms_route_pair *pair,
                                  size_t n, struct ms_route_query *out, struct ms_err *err)
{
    bool holds = false;
    int host[2] = {n ? pair[0].src : 0, n ? pair[0].dst : 0};
    *out = (struct ms_route_query){0};
    if (p->rule && n == 1)
        return ask_outline(p, host, 2, pair, n, out, err);
    enum ms_status s = p->rule ? try_rule(p, &holds, err) : MS_OK;
    if (s != MS_OK)
        return s;
    return holds ? by_rule(p, pair, n, out, err) : ask(p, NULL, pair, n, out, err);
}

void ms_route_query_finish(struct ms_route_query *p)
{
    ms_arena_finish(&p->arena);
    *p = (struct ms_route_query){0};
}
