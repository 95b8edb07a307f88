/* SimAI's topology text, and HPCC's and ns-3's before it: a header of counts, a line of switches, a
 * line a link. */
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "import/readers.h"

struct header {
    long nodes, per_server, nvswitches, switches, links;
    char gpu[32];
    bool simai; /* six numbers; else three */
};

static enum ms_status read_header(struct ms_reading *r, const char *line, struct header *h)
{
    int n = sscanf(line, "%ld %ld %ld %ld %ld %31s", &h->nodes, &h->per_server, &h->nvswitches,
                   &h->switches, &h->links, h->gpu);
    h->simai = n == 6;
    if (n == 3) {
        h->switches = h->per_server;
        h->links = h->nvswitches;
        h->per_server = 1;
        h->nvswitches = 0;
    } else if (n != 6) {
        return ms_reading_error(r,
                                "the header must hold six values (nodes, GPUs a server, "
                                "NVSwitches, switches, links, GPU type) or three (nodes, "
                                "switches, links), not %d",
                                n);
    }
    if (h->nodes < 1 || h->nodes > 1000000 || h->switches < 0 || h->nvswitches < 0 ||
        h->links < 0 || h->switches + h->nvswitches >= h->nodes || h->per_server < 1)
        return ms_reading_error(r, "%ld nodes, %ld NVSwitches, %ld switches: this cannot be",
                                h->nodes, h->nvswitches, h->switches);
    long gpus = h->nodes - h->switches - h->nvswitches;
    if (gpus % h->per_server)
        return ms_reading_error(r, "%ld GPUs are no multiple of %ld a server", gpus, h->per_server);
    return MS_OK;
}

enum what { HOST, NVSWITCH, SWITCH };

/* The line of switch ids: NVSwitches first. */
static enum ms_status read_switches(struct ms_reading *r, char *line, const struct header *h,
                                    char *what, int *place, struct ms_map *m)
{
    long n = 0;
    char *save = NULL;
    for (char *w = strtok_r(line, " \t", &save); w; w = strtok_r(NULL, " \t", &save), n++) {
        char *end, name[32];
        long id = strtol(w, &end, 10);
        if (*end || id < 0 || id >= h->nodes)
            return ms_reading_error(r, "'%s' is no node: there are %ld", w, h->nodes);
        if (what[id] != HOST)
            return ms_reading_error(r, "node %ld is listed twice", id);
        what[id] = n < h->nvswitches ? NVSWITCH : SWITCH;
        snprintf(name, sizeof name, "%ld", id);
        if (what[id] == SWITCH)
            place[id] = ms_map_add_switch(m, name, name);
    }
    if (n != h->switches + h->nvswitches)
        return ms_reading_error(r, "%ld switches are listed, but the header says %ld", n,
                                h->switches + h->nvswitches);
    return MS_OK;
}

struct link_line {
    long a, b;
    double rate_Bps, latency_s;
};

static enum ms_status read_link(struct ms_reading *r, const char *line, const struct header *h,
                                struct link_line *l)
{
    char rate[40], latency[40];
    double error;
    if (sscanf(line, "%ld %ld %39s %39s %lf", &l->a, &l->b, rate, latency, &error) != 5)
        return ms_reading_error(r, "a link must be: node, node, rate, latency, error rate");
    if (l->a < 0 || l->b < 0 || l->a >= h->nodes || l->b >= h->nodes || l->a == l->b)
        return ms_reading_error(r, "a link from %ld to %ld: there are nodes 0 to %ld", l->a, l->b,
                                h->nodes - 1);
    if (!ms_units_parse(rate, MS_UNIT_RATE, &l->rate_Bps) || !(l->rate_Bps > 0))
        return ms_reading_error(r, "'%s' is not a rate such as 400Gbps", rate);
    if (!ms_units_parse(latency, MS_UNIT_TIME, &l->latency_s) || l->latency_s < 0)
        return ms_reading_error(r, "'%s' is not a latency such as 0.0005ms", latency);
    return MS_OK;
}

/* GPUs of a server share a node; each has the port it came with. */
static void add_hosts(struct ms_map *m, const struct header *h, const char *what, int *place)
{
    char name[64], id[32];
    long k = 0;
    for (long i = 0; i < h->nodes && !m->failed; i++) {
        if (what[i] != HOST)
            continue;
        snprintf(name, sizeof name, "server%ld", k / h->per_server);
        snprintf(id, sizeof id, "%ld", i);
        int node = ms_map_node(m, name), index = (int)(k++ % h->per_server);
        snprintf(name, sizeof name, "nic%d", index);
        place[i] = ~ms_map_add_nic(m, id, name, node);
        ms_map_add_gpu(m, node, index);
        ms_map_gpu_nic(m, ~place[i]);
    }
}

static void add_link(struct ms_map *m, const struct link_line *l, const char *what,
                     const int *place, int count[3])
{
    bool nv = what[l->a] == NVSWITCH || what[l->b] == NVSWITCH;
    long host = what[l->a] == HOST ? l->a : what[l->b] == HOST ? l->b : -1;
    if (nv && host >= 0) {
        struct ms_map_gpu *g = &m->gpu[~place[host]]; /* GPU k has NIC k */
        g->nvlink_Bps += l->rate_Bps;
        g->domain = g->node;
        m->nvlink_latency_s = l->latency_s;
    } else if (!nv) {
        ms_map_add_cable(m, place[l->a], place[l->b], l->rate_Bps, l->latency_s);
    }
    count[nv ? 2 : host >= 0 ? 0 : 1]++;
}

static enum ms_status read_body(struct ms_reading *r, const char **at, const struct header *h,
                                const char *what, int *place, struct ms_map *m)
{
    char line[256];
    int n, count[3] = {0}, blank = 0;
    long links = 0;
    enum ms_status s = MS_OK;
    add_hosts(m, h, what, place);
    while (s == MS_OK && (n = ms_reading_line(r, at, line, sizeof line)) != -1) {
        struct link_line l;
        blank += n == 0;
        if (n == 0)
            continue;
        s = n < 0 ? MS_INVALID : read_link(r, line, h, &l);
        if (s == MS_OK) {
            add_link(m, &l, what, place, count);
            links++;
        }
    }
    if (s == MS_OK && links != h->links)
        s = ms_reading_error(r, "the body has %ld links, but the header says %ld", links, h->links);
    if (s == MS_OK)
        ms_map_fact(m,
                    "links: %ld in the header and in the body: %d host-switch, %d switch-switch, "
                    "%d host-NVSwitch; %d blank lines",
                    links, count[0], count[1], count[2], blank);
    return s;
}

enum ms_status ms_read_simai(struct ms_reading *r, struct ms_map *m)
{
    struct header h = {0};
    const char *at = r->text;
    enum { LINE = 1 << 20 };
    char *line = malloc(LINE), *what = NULL;
    int *place = NULL;
    enum ms_status s = line ? MS_OK : MS_NOMEM;
    m->nvlink_latency_s = -1;
    if (s == MS_OK && ms_reading_line(r, &at, line, LINE) >= 0)
        s = read_header(r, line, &h);
    if (s == MS_OK) {
        what = calloc((size_t)h.nodes + 1, 1);
        place = calloc((size_t)h.nodes + 1, sizeof *place);
        s = what && place ? MS_OK : MS_NOMEM;
    }
    if (s == MS_OK)
        s = ms_reading_line(r, &at, line, LINE) < 0
                ? ms_reading_error(r, "the line of switches is missing")
                : read_switches(r, line, &h, what, place, m);
    if (s == MS_OK) {
        long gpus = h.nodes - h.switches - h.nvswitches;
        ms_map_fact(m,
                    "%s: header %ld %ld %ld %ld %ld %s; %ld GPUs, %ld a server, %ld servers, %ld "
                    "NVSwitches, %ld switches",
                    h.simai ? "SimAI" : "HPCC", h.nodes, h.per_server, h.nvswitches, h.switches,
                    h.links, h.gpu, gpus, h.per_server, gpus / h.per_server, h.nvswitches,
                    h.switches);
        if (!h.simai)
            ms_map_assume(m, "a host of the file is a GPU with one NIC (HPCC files know no GPUs)");
        s = read_body(r, &at, &h, what, place, m);
    }
    free(line);
    free(what);
    free(place);
    return s == MS_OK && m->failed ? MS_NOMEM : s;
}
