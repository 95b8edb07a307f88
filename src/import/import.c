/* Puts descriptions together: reads each file by its format, joins cables with the inside of nodes,
 * decides what an option must say, and has the platform written. */
#include "import/import.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "import/readers.h"
#include "import/recognise.h"
#include "import/write_platform.h"

void ms_import_defaults(struct ms_import_options *o)
{
    *o = (struct ms_import_options){
        .nvlink_Bps = -1, .latency_s = -1, .rate_factor = 1, .gpu_speed_flops = 989e12};
}

struct job {
    const struct ms_import_options *o;
    struct ms_errs *errs;
    struct ms_map m;
    struct ms_inside *inside; /* NULL: none given */
    const char *fabric;       /* the path of the file with the cables, NULL: none */
    bool slurm, simai;
};

static enum ms_status say(struct job *j, const char *path, const char *text)
{
    ms_errs_add_at(j->errs, MS_INVALID, path || !j->inside ? path : j->inside->path, 0, 0, NULL,
                   "%s", text);
    return MS_INVALID;
}

static enum ms_status read_one(struct job *j, const char *path)
{
    struct ms_buf text = {0};
    struct ms_err err = {0};
    const char *why = NULL;
    enum ms_status s = ms_file_read(path, &text, &err);
    if (s != MS_OK) {
        ms_errs_add(j->errs, &err);
        ms_buf_finish(&text);
        return s;
    }
    struct ms_reading r = {
        .path = path, .text = text.p ? text.p : "", .n = text.n, .o = j->o, .errs = j->errs};
    enum ms_format f = memchr(r.text, '\0', r.n) ? MS_FORMAT_UNKNOWN : ms_recognise(r.text, &why);
    bool cables = f != MS_FORMAT_NCCL;
    if (f == MS_FORMAT_REFUSED) {
        s = say(j, path, why);
    } else if (f == MS_FORMAT_UNKNOWN) {
        s = say(j, path,
                "this is no description that I know; read are: ibnetdiscover (both "
                "layouts), NCCL and RCCL topology XML, Slurm's topology.conf and "
                "topology.yaml, SimAI's and HPCC's topology text");
    } else if (cables && j->fabric) {
        s = say(j, path, "a second file with a fabric: give one, and NCCL's topology of a node");
    } else if (!cables && j->inside) {
        s = say(j, path, "a second file with the inside of a node: give one that stands for all");
    } else if (!cables) {
        j->inside = calloc(1, sizeof *j->inside);
        s = j->inside ? ms_read_nccl(&r, &j->m, j->inside) : MS_NOMEM;
    } else {
        j->fabric = path;
        j->slurm = f == MS_FORMAT_SLURM_CONF || f == MS_FORMAT_SLURM_YAML;
        j->simai = f == MS_FORMAT_SIMAI;
        s = f == MS_FORMAT_IBNETDISCOVER ? ms_read_ibnetdiscover(&r, &j->m)
            : f == MS_FORMAT_IB_PORTS    ? ms_read_ports(&r, &j->m)
            : f == MS_FORMAT_SIMAI       ? ms_read_simai(&r, &j->m)
            : f == MS_FORMAT_SLURM_CONF  ? ms_read_slurm_conf(&r, &j->m)
                                         : ms_read_slurm_yaml(&r, &j->m);
    }
    ms_buf_finish(&text);
    return s;
}

static enum ms_status exclude_hosts(struct job *j)
{
    regex_t re;
    int n = 0;
    if (!j->o->exclude)
        return MS_OK;
    if (regcomp(&re, j->o->exclude, REG_EXTENDED | REG_NOSUB))
        return say(j, j->fabric, "--exclude is not a regular expression");
    for (int i = 0; i < j->m.n_nics; i++)
        if (j->m.nic[i].node >= 0 && !regexec(&re, j->m.nodes.text[j->m.nic[i].node], 0, NULL, 0)) {
            j->m.nic[i].node = -1;
            n++;
        }
    regfree(&re);
    ms_map_assume(&j->m, "%d NICs of hosts that match '%s' are left out (--exclude)", n,
                  j->o->exclude);
    return MS_OK;
}

/* Cables without a rate take the one given. */
static enum ms_status give_rates(struct job *j)
{
    int n = 0;
    char rate[32];
    for (int c = 0; c < j->m.n_cables; c++) {
        if (j->m.cable[c].rate_Bps > 0)
            continue;
        n++;
        j->m.cable[c].rate_Bps = j->o->link_rate_Bps;
    }
    if (n && j->o->link_rate_Bps <= 0)
        return say(j, j->fabric, "cables without a rate: give --link-rate RATE");
    if (n)
        ms_map_assume(&j->m, "%d cables carry %s each way (--link-rate)", n,
                      ms_units_show(j->o->link_rate_Bps, MS_UNIT_RATE, rate, sizeof rate));
    return MS_OK;
}

struct ordered {
    const char *node, *name;
    int nic;
};

static int by_name(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    int c = ms_natural_cmp(x->node, y->node);
    return c ? c : (c = ms_natural_cmp(x->name, y->name)) ? c : x->nic - y->nic;
}

/* NICs that have a node, by node and name. @return how many, -1: no memory */
static int order_nics(struct job *j, struct ordered **out)
{
    struct ms_map *m = &j->m;
    struct ordered *row = calloc((size_t)m->n_nics + 1, sizeof *row);
    int n = 0, named = 0;
    for (int i = 0; i < m->n_nics; i++)
        named += m->nic[i].node >= 0;
    for (int i = 0; row && i < m->n_nics && !named; i++) /* no name tells them apart: a node each */
        m->nic[i].node = ms_map_node(m, m->nic[i].id);
    if (!named && m->n_nics)
        ms_map_assume(m, "no NIC names a host, so each is a host of its own: %d hosts", m->n_nics);
    for (int i = 0; row && i < m->n_nics; i++)
        if (m->nic[i].node >= 0)
            row[n++] = (struct ordered){m->nodes.text[m->nic[i].node], m->nic[i].name, i};
    if (row)
        qsort(row, (size_t)n, sizeof *row, by_name);
    *out = row;
    return row ? n : -1;
}

/* Without the inside of a node: GPUs in order, so many a NIC. */
static enum ms_status gpus_in_order(struct job *j, const struct ordered *row, int n)
{
    struct ms_map *m = &j->m;
    int each = j->o->gpus_per_nic > 0 ? j->o->gpus_per_nic : 1;
    for (int i = 0; i < n && !m->failed;) {
        int k = i;
        while (k < n && !strcmp(row[k].node, row[i].node))
            k++;
        int nics = k - i, gpus = j->o->gpus_per_node > 0 ? j->o->gpus_per_node : nics * each;
        for (int g = 0; g < gpus; g++) {
            ms_map_add_gpu(m, m->nic[row[i].nic].node, g);
            int first = (int)((long)g * nics / gpus), last = (int)((long)(g + 1) * nics / gpus);
            for (int x = first; x < (last > first ? last : first + 1); x++)
                ms_map_gpu_nic(m, row[i + x].nic);
        }
        i = k;
    }
    if (j->o->gpus_per_node > 0)
        ms_map_assume(m, "%d GPUs a node, in order over its NICs (--gpus-per-node)",
                      j->o->gpus_per_node);
    else
        ms_map_assume(m,
                      "%d GPU%s a NIC (--gpus-per-nic N, --gpus-per-node N, or NCCL's topology "
                      "of a node)",
                      each, each == 1 ? "" : "s");
    return MS_OK;
}

static int find_port(const struct job *j, const struct ordered *row, int n, const char *port)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(row[i].name, port))
            return row[i].nic;
    (void)j;
    return -1;
}

/* One node's NICs against the inside: by name. */
static enum ms_status join_node(struct job *j, const struct ordered *row, int n, int *missing,
                                int *extra, char *first, size_t size)
{
    struct ms_map *m = &j->m;
    const struct ms_inside *in = j->inside;
    int node = m->nic[row[0].nic].node, used = 0;
    for (int g = 0; g < in->n_gpus && !m->failed; g++) {
        int found = 0, gpu = -1;
        for (int c = 0; c < in->gpu[g].n_nics; c++) {
            const struct ms_inside_nic *card = &in->nic[in->gpu[g].nic[c]];
            for (int p = 0; p < card->n_ports; p++) {
                int nic = find_port(j, row, n, card->port[p]);
                if (nic < 0) {
                    if ((*missing)++ == 0)
                        snprintf(first, size, "%s of '%s'", card->port[p], row[0].node);
                    continue;
                }
                if (gpu < 0)
                    gpu = ms_map_add_gpu(m, node, in->gpu[g].dev);
                ms_map_gpu_nic(m, nic);
                found++;
            }
        }
        used += found;
        if (gpu >= 0) {
            m->gpu[gpu].nvlink_Bps = ms_inside_nvlink_Bps(in, g);
            m->gpu[gpu].domain = node;
        }
    }
    *extra += n > used ? n - used : 0;
    return MS_OK;
}

static enum ms_status join_inside(struct job *j, const struct ordered *row, int n)
{
    int missing = 0, extra = 0, joined = 0;
    char first[400] = "", text[800];
    for (int i = 0; i < n && !j->m.failed;) {
        int k = i;
        while (k < n && !strcmp(row[k].node, row[i].node))
            k++;
        int before = j->m.n_gpus;
        join_node(j, row + i, k - i, &missing, &extra, first, sizeof first);
        joined += j->m.n_gpus > before;
        i = k;
    }
    if (joined == 0)
        return say(j, j->inside->path, "none of its NICs is in the fabric: names differ");
    if (missing && !j->o->partial) {
        snprintf(text, sizeof text,
                 "%d NICs are not in the fabric, the first %s; --partial leaves "
                 "them out",
                 missing, first);
        return say(j, j->inside->path, text);
    }
    ms_map_fact(&j->m, "joined by NIC name: %d nodes as in %s, %d GPUs", joined, j->inside->path,
                j->m.n_gpus);
    if (missing)
        ms_map_note(&j->m, "%d NICs are not in the fabric, the first %s: left out (--partial)",
                    missing, first);
    if (extra)
        ms_map_note(&j->m, "%d NICs of the fabric belong to no GPU (storage, management)", extra);
    ms_map_assume(&j->m, "one topology file stands for the inside of every node");
    return MS_OK;
}

/* The inside alone is one node: its NICs on one ideal switch. */
static enum ms_status node_alone(struct job *j)
{
    struct ms_map *m = &j->m;
    const struct ms_inside *in = j->inside;
    int node = ms_map_node(m, "node0"), sw = ms_map_add_switch(m, "network", "network");
    int nic_of[MS_INSIDE_NICS];
    for (int k = 0; k < in->n_nics; k++)
        nic_of[k] = -1;
    for (int g = 0; g < in->n_gpus && !m->failed; g++) {
        for (int c = 0; c < in->gpu[g].n_nics; c++) {
            int k = in->gpu[g].nic[c];
            if (nic_of[k] >= 0)
                continue;
            nic_of[k] = ms_map_add_nic(m, in->nic[k].port[0], in->nic[k].port[0], node);
            ms_map_add_cable(m, ~nic_of[k], sw, in->nic[k].rate_Bps, -1);
        }
        int gpu = ms_map_add_gpu(m, node, in->gpu[g].dev);
        for (int c = 0; c < in->gpu[g].n_nics; c++)
            ms_map_gpu_nic(m, nic_of[in->gpu[g].nic[c]]);
        m->gpu[gpu].nvlink_Bps = ms_inside_nvlink_Bps(in, g);
        m->gpu[gpu].domain = node;
    }
    if (in->n_nics == 0)
        return say(j, in->path,
                   "no network card: a node of NVLinks alone is `moesim platform "
                   "generate nvlink`");
    ms_map_assume(m, "the node stands alone, its NICs on one switch without limits");
    return MS_OK;
}

/* NVLink from the options, or from the files; domains numbered from 0. */
static void settle_nvlink(struct job *j)
{
    struct ms_map *m = &j->m;
    char rate[32];
    int *number =
        MS_NEW(&m->arena, int, (size_t)m->n_gpus + (size_t)m->n_switches + m->nodes.n + 2);
    int n = 0, with = 0;
    double most = 0;
    m->failed |= !number;
    for (int g = 0; g < m->n_gpus && number; g++) {
        struct ms_map_gpu *u = &m->gpu[g];
        if (j->o->nvlink_Bps > 0 && u->domain < 0)
            u->domain = u->node;
        if (j->o->nvlink_Bps >= 0)
            u->nvlink_Bps = j->o->nvlink_Bps;
        if (u->nvlink_Bps <= 0)
            u->domain = -1;
        if (u->domain < 0)
            continue;
        if (!number[u->domain])
            number[u->domain] = ++n;
        u->domain = number[u->domain] - 1;
        with++;
        most = u->nvlink_Bps > most ? u->nvlink_Bps : most;
    }
    if (j->o->nvlink_Bps >= 0)
        ms_map_assume(m, "NVLink of a GPU: %s each way, GPUs of a %s together (--nvlink)",
                      ms_units_show(j->o->nvlink_Bps, MS_UNIT_RATE, rate, sizeof rate),
                      j->slurm ? "block" : "node");
    else if (!with)
        ms_map_assume(m, "no NVLink: the files say none (--nvlink RATE gives every GPU one)");
    else
        ms_map_fact(m, "NVLink: %d domains, up to %s a GPU one way, nominal", n,
                    ms_units_show(most, MS_UNIT_RATE, rate, sizeof rate));
    if (j->inside && j->inside->mesh && with)
        ms_map_assume(m, "direct links between GPUs are taken as one switch of their summed rate");
}

static enum ms_status put_together(struct job *j)
{
    struct ordered *row = NULL;
    int n = 0;
    enum ms_status s = MS_OK;
    if (!j->fabric)
        s = node_alone(j);
    if (s == MS_OK && j->fabric)
        s = exclude_hosts(j);
    if (s == MS_OK && j->fabric && (n = order_nics(j, &row)) < 0)
        s = MS_NOMEM;
    if (s == MS_OK && j->fabric && n == 0)
        s = say(j, j->fabric, "no host is left");
    if (s == MS_OK && j->fabric && j->inside && j->simai)
        s = say(j, j->inside->path, "the fabric file says what is in a node already");
    else if (s == MS_OK && j->fabric && j->inside)
        s = join_inside(j, row, n);
    else if (s == MS_OK && j->fabric && j->m.n_gpus == 0)
        s = gpus_in_order(j, row, n);
    free(row);
    if (s == MS_OK)
        s = give_rates(j);
    if (s == MS_OK)
        settle_nvlink(j);
    return j->m.failed ? MS_NOMEM : s;
}

static void say_latencies(struct job *j)
{
    char a[32];
    if (j->o->latency_s >= 0)
        ms_map_assume(&j->m, "every NIC and every switch-to-switch hop: %s (--latency)",
                      ms_units_show(j->o->latency_s, MS_UNIT_TIME, a, sizeof a));
    else if (!j->simai)
        ms_map_assume(&j->m, "latency: NIC to switch 1.4 us, switch to switch 0.45 us, NVLink 0.5 "
                             "us (--latency TIME sets the first two)");
    if (j->o->rate_factor == 1)
        ms_map_assume(&j->m, "rates are nominal data rates (--rate-factor 0.93 for what RDMA "
                             "carries of 400G)");
    else
        ms_map_assume(&j->m, "every rate times %g (--rate-factor)", j->o->rate_factor);
    ms_map_assume(&j->m, "packets spread over all cables of equal length, so these are one link");
}

static void sum_up(struct job *j, const struct ms_levels *l, struct ms_buf *report)
{
    static const char *const heads[] = {"read", "assumed", "odd"};
    const struct ms_buf *lists[] = {&j->m.facts, &j->m.assumed, &j->m.odd};
    int nodes = 0;
    bool *seen = calloc(j->m.nodes.n + 1, sizeof *seen);
    for (int g = 0; seen && g < j->m.n_gpus; g++) {
        nodes += !seen[j->m.gpu[g].node];
        seen[j->m.gpu[g].node] = true;
    }
    free(seen);
    ms_buf_printf(report, "%d GPUs in %d nodes, %d NIC ports, %d switches, %d trunks\n",
                  j->m.n_gpus, nodes, l->n_ports, j->m.n_switches, l->n_trunks);
    for (int k = 0; k < 3; k++)
        for (const char *p = lists[k]->p; p && *p;) {
            size_t n = strcspn(p, "\n");
            ms_buf_printf(report, "%-8s %.*s\n", heads[k], (int)n, p);
            p += n + 1;
        }
}

enum ms_status ms_import(const char *const *path, size_t n, const struct ms_import_options *o,
                         const char *command, struct ms_buf *xml, struct ms_buf *report,
                         struct ms_errs *errs)
{
    struct job j = {.o = o, .errs = errs};
    struct ms_levels l = {0};
    struct ms_err err = {0};
    enum ms_status s = MS_OK;
    for (size_t i = 0; i < n && s == MS_OK; i++)
        s = read_one(&j, path[i]);
    if (s == MS_OK)
        s = put_together(&j);
    if (s == MS_OK)
        s = ms_levels_find(&j.m, &l, &err);
    if (s == MS_OK) {
        ms_levels_describe(&j.m, &l);
        say_latencies(&j);
        s = ms_import_write(&j.m, &l, o, command, xml, &err);
    }
    if (s == MS_OK)
        sum_up(&j, &l, report);
    if (s == MS_INVALID && err.status)
        say(&j, j.fabric ? j.fabric : path[0], err.text);
    ms_levels_finish(&l);
    free(j.inside);
    ms_map_finish(&j.m);
    return s == MS_OK && (xml->failed || report->failed) ? MS_NOMEM : s;
}
