/* `moesim platform show FILE`: what a platform is made of, for people and (--format json) for
 * scripts. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/platform_verbs.h"
#include "cli/verb.h"
#include "cluster/platform.h"
#include "cluster/svg.h"
#include "import/emit.h"
#include "sim/route_query.h"
#include "sim/route_bisection.h"

static const struct ms_option options[] = {
    {"route", 'r', "A B", "the route from host A to host B as SimGrid makes it, link by link"},
    {"svg", 0, "FILE", "write a picture of the topology; - is standard output"},
    {"emit", 0, "ibnetdiscover", "print its cables as ibnetdiscover would; nothing else"},
    {"format", 0, "table|json", "for people, or for scripts [table]"},
    {0}};

static const struct ms_verb verb = {
    .name = "platform show",
    .arguments = "FILE [options]",
    .summary =
        "Describe a platform file: nodes, GPUs, links by kind, switches, cables, bisection per GPU "
        "(the maximum\n"
        "flow from the first half of the nodes to the second, divided by the GPUs of that half).",
    .examples = "moesim platform show platforms/rail-8x8.xml\n"
                "moesim platform show platforms/rail-8x8.xml --route gpu0 gpu63\n"
                "moesim platform show platforms/fat-tree3-8x8.xml --svg fat-tree3.svg",
    .options = options,
};

/* Links of one kind: same name apart from numbers, same rate and latency. */
struct kind {
    char name[64];
    double bandwidth_Bps, latency_s;
    int count, cables; /* both directions of a SPLITDUPLEX link count once */
    bool shared;
};

static bool is_down(const struct ms_platform *p, int l)
{
    size_t n = strlen(p->link[l].name);
    return n > 5 && l > 0 && !strcmp(p->link[l].name + n - 5, "_DOWN");
}

/* @return how many kinds, in order of first appearance; rows is the caller's, [n_links + 1] */
static int count_kinds(const struct ms_platform *p, struct kind *row)
{
    int n = 0;
    for (int l = 0; l < p->n_links; l++) {
        const struct ms_platform_link *k = &p->link[l];
        char name[64];
        int i = 0;
        if (is_down(p, l))
            continue;
        ms_platform_link_kind(k->name, name, sizeof name);
        while (i < n &&
               (strcmp(row[i].name, name) != 0 || row[i].bandwidth_Bps != k->bandwidth_Bps ||
                row[i].latency_s != k->latency_s))
            i++;
        if (i == n)
            row[n++] = (struct kind){.bandwidth_Bps = k->bandwidth_Bps,
                                     .latency_s = k->latency_s,
                                     .shared = k->policy == MS_LINK_SHARED};
        snprintf(row[i].name, sizeof row[i].name, "%s", name);
        row[i].count++;
        row[i].cables += k->cables;
    }
    return n;
}

static const char *transit_word(enum ms_transit t)
{
    return t == MS_TRANSIT_NONE ? "none" : t == MS_TRANSIT_NVLINK ? "nvlink" : "pxn";
}

static void print_head(const struct ms_platform *p)
{
    printf("%s: ", p->name);
    if (p->topology)
        printf("%s, ", p->topology);
    printf("%d GPU%s", p->n_hosts, p->n_hosts == 1 ? "" : "s");
    if (p->gpus_per_node)
        printf(" in %d node%s of %d", p->n_nodes, p->n_nodes == 1 ? "" : "s", p->gpus_per_node);
    else if (p->n_nodes)
        printf(" in %d nodes of different sizes", p->n_nodes);
    else
        printf(", no node property");
    if (p->planes > 1)
        printf(", %d planes (rates below are their sums)", p->planes);
    puts("");
    if (p->transit != MS_TRANSIT_NONE)
        printf("routes between rails pass through a GPU of the source's node (transit: %s)\n",
               transit_word(p->transit));
}

static void print_kinds(const struct kind *row, int n)
{
    char rate[32], latency[32], cables[16];
    printf("\n%-12s %6s  %12s  %9s  %7s\n", "links", "count", "each way", "latency", "cables");
    for (int i = 0; i < n; i++) {
        snprintf(cables, sizeof cables, row[i].cables ? "%d" : "-", row[i].cables);
        printf("%-12s %6d  %12s  %9s  %7s%s\n", row[i].name, row[i].count,
               ms_units_show(row[i].bandwidth_Bps, MS_UNIT_RATE, rate, sizeof rate),
               ms_units_show(row[i].latency_s, MS_UNIT_TIME, latency, sizeof latency), cables,
               row[i].shared ? "" : "  not shared");
    }
}

/* What SimGrid makes of <cluster topology="TORUS"> and the like is not in the file. */
static void print_unknown(const struct ms_platform *p)
{
    if (!p->links_complete)
        puts("\nthe links of its ready-made clusters are SimGrid's own: see --route");
}

static void print_cost(const struct ms_platform_cost *c)
{
    char all[32], each[32];
    puts("");
    if (c->n_switches >= 0)
        printf("switches        %d\n", c->n_switches);
    if (c->n_cables >= 0)
        printf("cables          %d\n", c->n_cables);
    if (c->bisection_Bps >= 0)
        printf("bisection       %s, %s a GPU\n",
               ms_units_show(c->bisection_Bps, MS_UNIT_RATE, all, sizeof all),
               ms_units_show(c->bisection_per_gpu_Bps, MS_UNIT_RATE, each, sizeof each));
    else
        puts(
            "bisection       unknown (one GPU, or more than 256 on links that only SimGrid knows)");
}

static void print_route(const struct ms_platform *p, const struct ms_route_query *r, int a, int b)
{
    char rate[32], latency[32];
    printf("\nroute %s -> %s, %s\n", p->host_name[a], p->host_name[b],
           ms_units_show(r->latency_s[0], MS_UNIT_TIME, latency, sizeof latency));
    for (int k = 0; k < r->first[1]; k++) {
        const struct ms_route_link *l = &r->link[r->link_of[k]];
        printf("  %-24s %12s  %9s%s\n", l->name,
               ms_units_show(l->bandwidth_Bps, MS_UNIT_RATE, rate, sizeof rate),
               ms_units_show(l->latency_s, MS_UNIT_TIME, latency, sizeof latency),
               l->shared ? "" : "  not shared");
    }
}

static void maybe(struct ms_json *j, const char *key, double v)
{
    if (v < 0)
        ms_json_null(j, key);
    else
        ms_json_number(j, key, v);
}

static void json_route(struct ms_json *j, const struct ms_platform *p,
                       const struct ms_route_query *r, int a, int b)
{
    ms_json_object(j, "route");
    ms_json_string(j, "src", p->host_name[a]);
    ms_json_string(j, "dst", p->host_name[b]);
    ms_json_number(j, "latency_s", r->latency_s[0]);
    ms_json_array(j, "links");
    for (int k = 0; k < r->first[1]; k++)
        ms_json_string(j, NULL, r->link[r->link_of[k]].name);
    ms_json_end_array(j);
    ms_json_end_object(j);
}

static void json_all(struct ms_buf *out, const struct ms_platform *p, const struct kind *row, int n,
                     const struct ms_platform_cost *c, const struct ms_route_query *r,
                     const int *pair)
{
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    ms_json_string(&j, "name", p->name);
    ms_json_string(&j, "topology", p->topology);
    ms_json_string(&j, "hash", p->hash.hex);
    ms_json_integer(&j, "gpus", p->n_hosts);
    ms_json_integer(&j, "nodes", p->n_nodes);
    ms_json_integer(&j, "gpus_per_node", p->gpus_per_node);
    ms_json_integer(&j, "planes", p->planes);
    ms_json_string(&j, "transit", transit_word(p->transit));
    maybe(&j, "switches", c->n_switches);
    maybe(&j, "cables", c->n_cables);
    maybe(&j, "bisection_Bps", c->bisection_Bps);
    maybe(&j, "bisection_per_gpu_Bps", c->bisection_per_gpu_Bps);
    ms_json_array(&j, "links");
    for (int i = 0; i < n; i++) {
        ms_json_object(&j, NULL);
        ms_json_string(&j, "kind", row[i].name);
        ms_json_integer(&j, "count", row[i].count);
        ms_json_number(&j, "bandwidth_Bps", row[i].bandwidth_Bps);
        ms_json_number(&j, "latency_s", row[i].latency_s);
        ms_json_integer(&j, "cables", row[i].cables);
        ms_json_bool(&j, "shared", row[i].shared);
        ms_json_end_object(&j);
    }
    ms_json_end_array(&j);
    if (r)
        json_route(&j, p, r, pair[0], pair[1]);
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
}

static int find_host(const struct ms_platform *p, const char *name)
{
    for (int i = 0; i < p->n_hosts; i++)
        if (!strcmp(p->host_name[i], name))
            return i;
    const char *near = ms_nearest(name, p->host_name, (size_t)p->n_hosts);
    fprintf(stderr, "moesim platform show: %s has no host '%s' (%s to %s)%s%s%s\n", p->path, name,
            p->host_name[0], p->host_name[p->n_hosts - 1], near ? "; did you mean '" : "",
            near ? near : "", near ? "'?" : "");
    return -1;
}

struct request {
    const char *file, *from, *to, *svg, *emit;
    bool json;
};

/* `--route A B FILE` and `FILE --route A B`: B is the operand that is not the file. */
static int understand(const struct ms_args *a, struct request *q)
{
    const char *format = ms_args_get(a, "format", "table");
    int want = 1;
    *q = (struct request){.from = ms_args_get(a, "route", NULL),
                          .svg = ms_args_get(a, "svg", NULL),
                          .emit = ms_args_get(a, "emit", NULL),
                          .json = !strcmp(format, "json")};
    if (!q->json && strcmp(format, "table") != 0)
        return ms_usage(&verb, "--format '%s' is not known; allowed: table, json", format);
    if (q->emit && strcmp(q->emit, "ibnetdiscover") != 0)
        return ms_usage(&verb, "--emit '%s' is not known; allowed: ibnetdiscover", q->emit);
    want += q->from ? 1 : 0;
    if (a->n_operands != want)
        return ms_usage(&verb, q->from ? "give one file, and --route two hosts" : "give one file");
    bool first = !q->from || strchr(a->operand[0], '.') || strchr(a->operand[0], '/');
    q->file = a->operand[first ? 0 : 1];
    q->to = q->from ? a->operand[first ? 1 : 0] : NULL;
    return MS_OK;
}

static enum ms_status show(const struct ms_platform *p, const struct request *q, const int *pair,
                           struct ms_err *err)
{
    struct ms_route_query r = {0};
    struct ms_platform_cost cost;
    struct ms_buf out = {0};
    struct ms_route_pair ask = {pair[0], pair[1]};
    if (q->emit) {
        enum ms_status done = ms_emit_ibnetdiscover(p, &out, err);
        if (done == MS_OK)
            fwrite(out.p, 1, out.n, stdout);
        ms_buf_finish(&out);
        return done;
    }
    struct kind *row = calloc((size_t)p->n_links + 1, sizeof *row);
    enum ms_status s = row ? ms_route_cost(p, &cost, err) : MS_NOMEM;
    if (s == MS_OK && q->from)
        s = ms_route_query_ask(p, &ask, 1, &r, err);
    if (s == MS_OK && q->svg) {
        s = ms_svg_platform(p, &cost, NULL, &out, err);
        s = s == MS_OK ? ms_file_write(q->svg, out.p, out.n, err) : s;
    }
    int n = s == MS_OK ? count_kinds(p, row) : 0;
    out.n = 0;
    if (s == MS_OK && q->json) {
        json_all(&out, p, row, n, &cost, q->from ? &r : NULL, pair);
        fwrite(out.p, 1, out.n, stdout);
    } else if (s == MS_OK && !(q->svg && !strcmp(q->svg, "-"))) {
        print_head(p);
        if (n > 0)
            print_kinds(row, n);
        print_unknown(p);
        print_cost(&cost);
        if (q->from)
            print_route(p, &r, pair[0], pair[1]);
    }
    ms_buf_finish(&out);
    ms_route_query_finish(&r);
    free(row);
    return s;
}

int ms_platform_show(int argc, char **argv)
{
    struct ms_args args;
    struct request q;
    struct ms_platform p;
    struct ms_errs errs = {0};
    struct ms_err err = {0};
    int pair[2] = {0, 0}, stop = ms_args_parse(&verb, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (understand(&args, &q) != MS_OK)
        return MS_USAGE;
    enum ms_status s = ms_platform_read(q.file, &p, &errs);
    ms_errs_print(stderr, &errs);
    ms_errs_finish(&errs);
    if (s == MS_OK && q.from &&
        ((pair[0] = find_host(&p, q.from)) < 0 || (pair[1] = find_host(&p, q.to)) < 0))
        s = MS_INVALID;
    else if (s == MS_OK && q.from && pair[0] == pair[1]) {
        fprintf(stderr, "moesim platform show: a host needs no route to itself\n");
        s = MS_INVALID;
    } else if (s == MS_OK && (s = show(&p, &q, pair, &err)) != MS_OK) {
        fprintf(stderr, "moesim platform show: %s\n", err.text);
    }
    ms_platform_finish(&p);
    return ms_exit_code(s);
}
