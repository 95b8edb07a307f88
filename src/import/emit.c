/* A platform's physical graph as ibnetdiscover prints it: a record a device, a line a cabled
 * port, each cable at both of its ends. */
#include "import/emit.h"

#include <math.h>
#include <stdlib.h>

#include "cluster/wiring.h"
#include "import/readers.h"

struct plug {
    int device, port, peer, far; /* devices: hosts, then switches */
    char rate[16];
};

struct emitter {
    const struct ms_platform *p;
    const struct ms_wiring *w;
    struct plug *plug;
    int n_plugs, cap;
    int *first_device; /* [vertices] */
    int *n_devices;    /* [vertices] physical switches it stands for */
    int *ports;        /* [devices] used so far */
    int total;
};

/* "4xNDR" of a rate in bytes per second. @return false: no such */
static bool rate_word(double Bps, char *out, size_t size)
{
    static const char *const lanes[] = {"SDR", "DDR", "QDR", "FDR10", "FDR",
                                        "EDR", "HDR", "NDR", "XDR"};
    static const int widths[] = {4, 2, 1, 8, 12};
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < sizeof lanes / sizeof *lanes; k++) {
            snprintf(out, size, "%dx%s", widths[i], lanes[k]);
            if (fabs(ms_ib_rate(out) - Bps) <= 1e-6 * Bps)
                return true;
        }
    return false;
}

/* How many switches a vertex above the leaves stands for. */
static int switches_of_hub(const struct emitter *e)
{
    int leaves = 0, hubs = 0, top = 0;
    for (int v = 0; v < e->w->n_vertices; v++) {
        const struct ms_wiring_vertex *k = &e->w->vertex[v];
        leaves += k->place == MS_PLACE_SWITCH && k->tier == 1;
        hubs += k->place == MS_PLACE_SWITCH && k->tier > 1;
        top = k->tier > top ? k->tier : top;
    }
    int above = e->p->n_switches - leaves;
    return top == 2 && hubs && above > 0 && above % hubs == 0 ? above / hubs : 1;
}

static bool place_devices(struct emitter *e)
{
    int split = switches_of_hub(e), n = e->w->n_vertices;
    e->first_device = calloc((size_t)n + 1, sizeof *e->first_device);
    e->n_devices = calloc((size_t)n + 1, sizeof *e->n_devices);
    if (!e->first_device || !e->n_devices)
        return false;
    e->total = e->p->n_hosts;
    for (int v = 0; v < n; v++) {
        const struct ms_wiring_vertex *k = &e->w->vertex[v];
        e->n_devices[v] = k->place == MS_PLACE_SWITCH && k->tier > 1 ? split : 1;
        e->first_device[v] = k->place == MS_PLACE_HOST ? k->host : e->total;
        if (k->place == MS_PLACE_SWITCH)
            e->total += e->n_devices[v];
    }
    e->ports = calloc((size_t)e->total + 1, sizeof *e->ports);
    return e->ports;
}

static bool add_plugs(struct emitter *e, int a, int b, const char *word)
{
    if (e->n_plugs + 2 > e->cap) {
        int cap = e->cap ? 2 * e->cap : 1024;
        struct plug *p = realloc(e->plug, (size_t)cap * sizeof *p);
        if (!p)
            return false;
        e->plug = p;
        e->cap = cap;
    }
    int x = ++e->ports[a], y = ++e->ports[b];
    struct plug *k = &e->plug[e->n_plugs];
    k[0] = (struct plug){a, x, b, y, ""};
    k[1] = (struct plug){b, y, a, x, ""};
    snprintf(k[0].rate, sizeof k[0].rate, "%s", word);
    snprintf(k[1].rate, sizeof k[1].rate, "%s", word);
    e->n_plugs += 2;
    return true;
}

static enum ms_status lay_cables(struct emitter *e, struct ms_err *err)
{
    char word[16];
    for (int i = 0; i < e->w->n_edges; i++) {
        const struct ms_wiring_edge *k = &e->w->edge[i];
        if (e->w->vertex[k->a].place == MS_PLACE_NVSWITCH ||
            e->w->vertex[k->b].place == MS_PLACE_NVSWITCH)
            continue;
        if (k->sharers > 1)
            return ms_err_set(err, MS_INFEASIBLE,
                              "link '%s' is one NIC of %d GPUs, and ibnetdiscover knows no GPUs",
                              e->p->link[k->link].name, k->sharers);
        int cables = k->cables > 0 ? k->cables : 1;
        if (!rate_word(k->bandwidth_Bps / cables, word, sizeof word))
            return ms_err_set(err, MS_INFEASIBLE,
                              "%g GB/s of link '%s' is no rate of InfiniBand (such as 50 GB/s, "
                              "4xNDR)",
                              k->bandwidth_Bps / cables / 1e9, e->p->link[k->link].name);
        for (int c = 0; c < cables; c++)
            if (!add_plugs(e, e->first_device[k->a] + c % e->n_devices[k->a],
                           e->first_device[k->b] + c % e->n_devices[k->b], word))
                return ms_err_set(err, MS_NOMEM, "no memory");
    }
    return MS_OK;
}

static int by_device(const void *a, const void *b)
{
    const struct plug *x = a, *y = b;
    return x->device != y->device ? x->device - y->device : x->port - y->port;
}

static void name_of(const struct emitter *e, int device, char *id, char *name, size_t size)
{
    const struct ms_platform *p = e->p;
    if (device < p->n_hosts) {
        snprintf(id, 32, "H-%016x", device + 1);
        if (p->n_nodes)
            snprintf(name, size, "%s mlx5_%d", p->node_name[p->host_node[device]],
                     p->host_local[device]);
        else
            snprintf(name, size, "%s mlx5_0", p->host_name[device]);
    } else {
        snprintf(id, 32, "S-%016x", device + 1);
        snprintf(name, size, "switch%d", device - p->n_hosts);
    }
}

static void print(const struct emitter *e, struct ms_buf *out)
{
    char id[32], name[300], far_id[32], far_name[300];
    ms_buf_printf(out, "#\n# Topology file: written by moesim from %s\n#\n", e->p->name);
    for (int i = 0, k; i < e->n_plugs; i = k) {
        int d = e->plug[i].device;
        bool host = d < e->p->n_hosts;
        for (k = i; k < e->n_plugs && e->plug[k].device == d; k++)
            ;
        name_of(e, d, id, name, sizeof name);
        ms_buf_printf(out, "\nvendid=0x2c9\n%sguid=0x%x\n%s\t%d \"%s\"\t\t# \"%s\"\n",
                      host ? "ca" : "switch", d + 1, host ? "Ca" : "Switch", k - i, id, name);
        for (int j = i; j < k; j++) {
            name_of(e, e->plug[j].peer, far_id, far_name, sizeof far_name);
            ms_buf_printf(out, "[%d]", e->plug[j].port);
            if (host)
                ms_buf_printf(out, "(%x)", d + 1);
            ms_buf_printf(out, "\t\"%s\"[%d]\t\t# \"%s\" lid %d %s\n", far_id, e->plug[j].far,
                          far_name, e->plug[j].peer + 1, e->plug[j].rate);
        }
    }
}

enum ms_status ms_emit_ibnetdiscover(const struct ms_platform *p, struct ms_buf *out,
                                     struct ms_err *err)
{
    struct ms_wiring w;
    struct emitter e = {.p = p, .w = &w};
    enum ms_status s = ms_wiring_find(p, &w, err);
    if (s != MS_OK)
        return s;
    s = place_devices(&e) ? lay_cables(&e, err) : ms_err_set(err, MS_NOMEM, "no memory");
    if (s == MS_OK && e.n_plugs) {
        qsort(e.plug, (size_t)e.n_plugs, sizeof *e.plug, by_device);
        print(&e, out);
    }
    free(e.plug);
    free(e.first_device);
    free(e.n_devices);
    free(e.ports);
    ms_wiring_finish(&w);
    return s == MS_OK && out->failed ? ms_err_set(err, MS_NOMEM, "no memory") : s;
}
