/* The rows of a platform file of a fabric: hosts, links and pads, each as one element, with the
 * names that hubs and trunks have in it. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "import/platform_writer.h"

static const double nic_latency_s = 1.4e-6, trunk_latency_s = 0.45e-6, nvlink_latency_s = 0.5e-6;

static void escaped(struct ms_buf *o, const char *s)
{
    for (; *s; s++)
        if (strchr("&<>\"", *s))
            ms_buf_printf(o, "&#%d;", *s);
        else
            ms_buf_add(o, s, 1);
}

static void quantity(struct ms_buf *o, double v, double unit, const char *word, const char *plain)
{
    char num[40];
    snprintf(num, sizeof num, "%.12g", v / unit);
    if (strtod(num, NULL) * unit == v || plain == NULL)
        ms_buf_printf(o, "%s%s", num, word);
    else
        ms_buf_printf(o, "%s%s", ms_number(v, num), plain);
}

static double latency_of(const struct ms_writer *w, double said, double otherwise)
{
    return w->o->latency_s >= 0 ? w->o->latency_s : said >= 0 ? said : otherwise;
}

static void link_row(struct ms_writer *w, const char *name, double Bps, double s,
                     const char *policy, int cables)
{
    ms_buf_printf(w->out, "    <link id=\"%s\" bandwidth=\"", name);
    quantity(w->out, Bps, 1e9, "GBps", "Bps");
    ms_buf_adds(w->out, "\" latency=\"");
    quantity(w->out, s, 1e-6, "us", NULL);
    ms_buf_printf(w->out, "\" sharing_policy=\"%s\"", policy);
    if (cables)
        ms_buf_printf(w->out, "><prop id=\"cables\" value=\"%d\"/></link>\n", cables);
    else
        ms_buf_adds(w->out, "/>\n");
}

void ms_write_hub_name(const struct ms_writer *w, int h, char *out, size_t size)
{
    static const char *const words[] = {"", "leaf", "spine", "core"};
    int level = w->l->hub[h].level, k = 0;
    for (int i = 0; i < h; i++)
        k += w->l->hub[i].level == level;
    if (level < 4)
        snprintf(out, size, "%s%d", words[level], k);
    else
        snprintf(out, size, "level%d_%d", level, k);
}

/* "leaf_3" into the hub above, "peer_2_5" beside. */
void ms_write_trunk_name(const struct ms_writer *w, int t, char *out, size_t size)
{
    const struct ms_hub_trunk *k = &w->l->trunk[t];
    char a[40], b[40];
    ms_write_hub_name(w, k->a, a, sizeof a);
    ms_write_hub_name(w, k->b, b, sizeof b);
    size_t word = strcspn(a, "0123456789"), other = strcspn(b, "0123456789");
    if (w->l->hub[k->a].level == w->l->hub[k->b].level)
        snprintf(out, size, "peer_%s_%s", a + word, b + other);
    else
        snprintf(out, size, "%.*s_%s", (int)word, a, a + word);
}

void ms_write_host(struct ms_writer *w, const char *in, int g)
{
    const struct ms_map_gpu *u = &w->m->gpu[g];
    int nic = w->m->nic_of_gpu[u->first_nic];
    char speed[40];
    ms_buf_printf(w->out, "%s<host id=\"", in);
    escaped(w->out, w->m->nodes.text[u->node]);
    ms_buf_printf(w->out, "-gpu%d\" speed=\"%sf\"><prop id=\"node\" value=\"", u->index,
                  ms_number(w->o->gpu_speed_flops, speed));
    escaped(w->out, w->m->nodes.text[u->node]);
    ms_buf_printf(w->out, "\"/><prop id=\"gpu\" value=\"%d\"/><prop id=\"nic\" value=\"", u->index);
    escaped(w->out, w->m->nic[nic].name);
    ms_buf_adds(w->out, "\"/>");
    if (w->m->rail_of_nic)
        ms_buf_printf(w->out, "<prop id=\"rail\" value=\"%d\"/>", w->m->rail_of_nic[nic]);
    if (u->domain >= 0 && u->nvlink_Bps > 0)
        ms_buf_printf(w->out, "<prop id=\"nvlink\" value=\"%d\"/>", u->domain);
    ms_buf_adds(w->out, "</host>\n");
}

void ms_write_gpu_id(struct ms_writer *w, int g)
{
    escaped(w->out, w->m->nodes.text[w->m->gpu[g].node]);
    ms_buf_printf(w->out, "-gpu%d", w->m->gpu[g].index);
}

/* At a switch. */
bool ms_write_has_nvlink(const struct ms_writer *w, int g)
{
    return w->m->gpu[g].domain >= 0 && w->m->gpu[g].nvlink_Bps > 0 && !w->m->gpu[g].peer_Bps;
}

/* A link from GPU to GPU: its rate, 0 none. */
double ms_write_mesh_Bps(const struct ms_writer *w, int a, int b)
{
    const struct ms_map_gpu *x = &w->m->gpu[a], *y = &w->m->gpu[b];
    bool same = x->node == y->node && a != b && x->domain >= 0 && x->domain == y->domain;
    return same && x->peer_Bps && y->peer_Bps ? x->peer_Bps[y->place] : 0;
}

static void prop(struct ms_writer *w, const char *key, const char *value)
{
    ms_buf_printf(w->out, "    <prop id=\"%s\" value=\"", key);
    escaped(w->out, value);
    ms_buf_adds(w->out, "\"/>\n");
}

void ms_write_top(struct ms_writer *w, const char *routing, const char *command)
{
    char num[32];
    int switches = 0, cables = 0;
    for (int s = 0; s < w->m->n_switches; s++)
        switches += w->m->sw[s].level > 0;
    for (int t = 0; t < w->l->n_trunks; t++)
        cables += w->l->trunk[t].cables;
    for (int p = 0; p < w->l->n_ports; p++)
        cables += w->l->port[p].cables;
    ms_buf_adds(w->out, "<?xml version=\"1.0\"?>\n"
                        "<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n"
                        "<platform version=\"4.1\">\n");
    ms_buf_printf(w->out, "  <zone id=\"cluster\" routing=\"%s\">\n", routing);
    prop(w, "topology", "imported");
    prop(w, "generated_by", command);
    prop(w, "multipath", "spray");
    prop(w, "transit", "none");
    if (w->o->hardware)
        prop(w, "hardware", w->o->hardware);
    snprintf(num, sizeof num, "%d", w->l->planes);
    if (w->l->planes > 1)
        prop(w, "planes", num);
    snprintf(num, sizeof num, "%d", switches);
    prop(w, "switches", num);
    snprintf(num, sizeof num, "%d", cables);
    prop(w, "cables", num);
}

void ms_write_port(struct ms_writer *w, int p)
{
    const struct ms_port *k = &w->l->port[p];
    char name[40];
    snprintf(name, sizeof name, "nic_%d", p);
    link_row(w, name, k->rate_Bps * w->o->rate_factor, latency_of(w, k->latency_s, nic_latency_s),
             "SPLITDUPLEX", k->cables);
}

void ms_write_nvlink(struct ms_writer *w, int g)
{
    char name[40];
    snprintf(name, sizeof name, "nvl_%d", w->number[g]);
    link_row(w, name, w->m->gpu[g].nvlink_Bps * w->o->rate_factor,
             w->m->nvlink_latency_s > 0 ? w->m->nvlink_latency_s : nvlink_latency_s, "SPLITDUPLEX",
             0);
}

/* The links of a GPU with those that have a higher number. gpu: those of its zone, or all. */
void ms_write_mesh(struct ms_writer *w, int a, const int *gpu, int n)
{
    char name[64];
    for (int i = 0; i < n; i++) {
        int b = gpu[i];
        if (w->number[b] <= w->number[a] || !(ms_write_mesh_Bps(w, a, b) > 0))
            continue;
        snprintf(name, sizeof name, "peer_%d_%d", w->number[a], w->number[b]);
        link_row(w, name, ms_write_mesh_Bps(w, a, b) * w->o->rate_factor, nvlink_latency_s,
                 "SPLITDUPLEX", 0);
    }
}

void ms_write_mesh_ctn(struct ms_writer *w, int a, int b)
{
    int x = w->number[a], y = w->number[b];
    ms_buf_printf(w->out, "<link_ctn id=\"peer_%d_%d\" direction=\"%s\"/>", x < y ? x : y,
                  x < y ? y : x, x < y ? "UP" : "DOWN");
}

void ms_write_trunks(struct ms_writer *w)
{
    char name[100];
    for (int t = 0; t < w->l->n_trunks; t++) {
        const struct ms_hub_trunk *k = &w->l->trunk[t];
        ms_write_trunk_name(w, t, name, sizeof name);
        link_row(w, name, k->rate_Bps * w->o->rate_factor,
                 latency_of(w, k->latency_s, trunk_latency_s), "SPLITDUPLEX", k->cables);
    }
}

/* Each NVSwitch and each leaf has pads of its own: a link that all share would join them all. */
void ms_write_pads(struct ms_writer *w, const char *kind, int number, int n)
{
    for (int k = 0; k < n; k++)
        ms_buf_printf(w->out, "<link_ctn id=\"%s_%d_%d\"/>", kind, number, k);
}

void ms_write_pad_links(struct ms_writer *w, const char *kind, int number, int n)
{
    char name[64];
    for (int k = 0; k < n; k++) {
        snprintf(name, sizeof name, "%s_%d_%d", kind, number, k);
        link_row(w, name, 1e15, 0, "FATPIPE", 0);
    }
}
