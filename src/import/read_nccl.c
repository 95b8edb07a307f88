/* NCCL's (and RCCL's) topology XML: PCIe trees with GPUs, network cards and NVLinks. Distances are
 * bridges up to the common ancestor, as NCCL counts them before it flattens two-level switches. */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/inside_match.h"
#include "import/readers.h"

enum { OVER_CPU = 1000, OVER_CPUS = 2000, MAX_DEVICES = 128 };

struct found {
    struct ms_reading *r;
    struct ms_map *m;
    struct ms_inside *in;
    const char *host; /* host_hash of the CPUs to take; NULL all */
    int n_no_nvlink;
    const xmlNode *gpu[MS_INSIDE_GPUS], *nic[MS_INSIDE_NICS]; /* their pci elements */
    int n_cpus, n_bridges, n_gpu_elements, n_functions, n_nets;
    struct ms_strings hosts, targets, switches, speeds, numas;
    bool bad;
};

static const char *get(const xmlNode *e, const char *name)
{
    for (const xmlAttr *a = e->properties; a; a = a->next)
        if (!strcmp((const char *)a->name, name))
            return a->children && a->children->content ? (const char *)a->children->content : "";
    return NULL;
}

static bool is(const xmlNode *e, const char *name)
{
    return e && e->type == XML_ELEMENT_NODE && !strcmp((const char *)e->name, name);
}

static void fault(struct found *f, const xmlNode *e, const char *what, const char *value)
{
    f->r->line = (int)xmlGetLineNo(e);
    ms_reading_error(f->r, what, value);
    f->bad = true;
}

static long number(struct found *f, const xmlNode *e, const char *attr, long fallback)
{
    const char *text = get(e, attr);
    char *end;
    if (!text)
        return fallback;
    long v = strtol(text, &end, 0);
    if (end == text || *end || v < 0 || v > 1000000000)
        fault(f, e, "'%s' is not a number", text);
    return v;
}

/* sm is the CUDA capability; RCCL writes gcn and an sm that is none. GB/s of one NVLink one way. */
static double nvlink_GBps(int sm)
{
    return sm >= 100 && sm < 130 && sm != 104 ? 50 : sm >= 70 && sm < 100 ? 25 : 20;
}

/* GB/s of one xGMI link one way, by the processor's name: "gfx942", "942", "910" for gfx90a. AMD's
 * data sheets: MI100 92, MI250X 100, MI300X 128, MI350X 153.6 GB/s both ways. */
static double xgmi_GBps(const char *gcn)
{
    static const struct {
        const char *name;
        double GBps;
    } links[] = {{"95", 76.8}, {"94", 64}, {"90a", 50}, {"910", 50}, {"908", 46}};
    const char *name = !strncmp(gcn, "gfx", 3) ? gcn + 3 : gcn;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (!strncmp(name, links[i].name, strlen(links[i].name)))
            return links[i].GBps;
    return 46;
}

static void add_gpu(struct found *f, const xmlNode *pci, const xmlNode *gpu)
{
    struct ms_inside *in = f->in;
    if (in->n_gpus == MS_INSIDE_GPUS) {
        fault(f, pci, "more than 128 GPUs in one node%s", "");
        return;
    }
    struct ms_inside_gpu *g = &in->gpu[in->n_gpus];
    f->gpu[in->n_gpus] = pci;
    *g = (struct ms_inside_gpu){.busid = get(pci, "busid") ? get(pci, "busid") : "",
                                .dev = in->n_gpus++};
    f->n_gpu_elements += gpu != NULL;
    if (!gpu)
        return;
    g->dev = (int)number(f, gpu, "dev", g->dev);
    g->sm = (int)number(f, gpu, "sm", 0);
    in->rccl |= get(gpu, "gcn") != NULL;
    if (get(gpu, "gcn"))
        in->xgmi_GBps = xgmi_GBps(get(gpu, "gcn"));
    for (const xmlNode *l = gpu->children; l; l = l->next) {
        if (!is(l, "nvlink") && !is(l, "xgmi"))
            continue;
        const char *target = get(l, "target"), *class = get(l, "tclass");
        if (class && !strcmp(class, "0x068001")) /* to a CPU (POWER9): no way to a GPU */
            continue;
        bool sw = class && !strcmp(class, "0x068000");
        g->n_nvlinks += (int)number(f, l, "count", 1);
        in->nvswitch |= sw;
        in->mesh |= !sw;
        ms_strings_add(sw ? &f->switches : &f->targets, target ? target : "");
    }
}

/* A merged device is its parts: "mlx5_0+mlx5_1". */
static void add_port(struct found *f, struct ms_inside_nic *c, const char *name)
{
    for (const char *p = name; c->n_ports < MS_CARD_PORTS; p++) {
        size_t n = strcspn(p, "+");
        char *part = ms_arena_alloc(&f->m->arena, n + 1, 1);
        f->bad |= !part;
        if (!part)
            return;
        memcpy(part, p, n);
        part[n] = '\0';
        c->port[c->n_ports++] = part;
        p += n;
        if (!*p)
            return;
    }
}

static void add_net(struct found *f, const xmlNode *pci, const xmlNode *net)
{
    struct ms_inside *in = f->in;
    const char *guid = net ? get(net, "guid") : NULL, *name = net ? get(net, "name") : NULL;
    const char *bus = get(pci, "busid");
    int k = in->n_nics;
    for (int i = 0; guid && strtoull(guid, NULL, 0) && i < in->n_nics; i++)
        if (!strcmp(in->nic[i].guid, guid))
            k = i; /* another port of that card */
    if (k == MS_INSIDE_NICS) {
        fault(f, pci, "more than 128 network cards in one node%s", "");
        return;
    }
    struct ms_inside_nic *c = &in->nic[k];
    if (k == in->n_nics) {
        *c = (struct ms_inside_nic){.rate_Bps = -1};
        snprintf(c->guid, sizeof c->guid, "%s", guid ? guid : "");
        f->nic[in->n_nics++] = pci;
    }
    add_port(f, c, name ? name : bus ? bus : "nic");
    long speed = net ? number(f, net, "speed", 0) : 0; /* Mb/s of one port */
    if (speed > 0)
        c->rate_Bps = (c->rate_Bps < 0 ? 0 : c->rate_Bps) + 1e6 / 8 * (double)speed;
    if (net) {
        char word[32];
        snprintf(word, sizeof word, "%ld", speed);
        ms_strings_add(&f->speeds, word);
        f->n_nets++;
    }
}

static bool class_is(const char *class, const char *const *heads)
{
    for (; class && *heads; heads++)
        if (!strncmp(class, *heads, strlen(*heads)))
            return true;
    return false;
}

static void walk(struct found *f, const xmlNode *e, int depth);

static void walk_pci(struct found *f, const xmlNode *e, int depth)
{
    static const char *const gpus[] = {"0x0302", "0x0300", "0x0380", "0x1200", NULL};
    static const char *const nics[] = {"0x0200", "0x0207", "0x0208", "0x0280", NULL};
    static const char *const bridges[] = {"0x0604", NULL};
    const xmlNode *gpu = NULL, *nic = NULL;
    const char *class = get(e, "class");
    bool pci = false;
    for (const xmlNode *c = e->children; c; c = c->next) {
        if (is(c, "gpu") && gpu) { /* parts of one GPU (mlopart): ranks of their own */
            add_gpu(f, e, gpu);
            gpu = c;
        }
        gpu = is(c, "gpu") ? c : gpu;
        nic = is(c, "nic") ? c : nic;
        pci |= is(c, "pci");
    }
    if (gpu || class_is(class, gpus)) {
        add_gpu(f, e, gpu);
    } else if (nic || class_is(class, nics)) {
        int before = f->n_nets;
        f->n_functions++;
        for (const xmlNode *c = nic ? nic->children : NULL; c; c = c->next)
            if (is(c, "net"))
                add_net(f, e, c);
        if (f->n_nets == before)
            add_net(f, e, NULL);
    } else if (pci || class_is(class, bridges)) {
        f->n_bridges++;
        walk(f, e, depth + 1);
    } else if (!class) {
        fault(f, e,
              "<pci busid=\"%s\"> has no class and holds no gpu or net: it cannot be told "
              "what it is",
              get(e, "busid") ? get(e, "busid") : "");
    }
}

static void walk(struct found *f, const xmlNode *e, int depth)
{
    if (depth > 64) {
        fault(f, e, "elements are nested more than 64 deep%s", "");
        return;
    }
    for (const xmlNode *c = e->children; c && !f->bad; c = c->next) {
        if (is(c, "cpu")) {
            const char *numa = get(c, "numaid"), *host = get(c, "host_hash");
            if (f->host && strcmp(host ? host : "", f->host) != 0)
                continue;
            f->n_cpus++;
            ms_strings_add(&f->numas, numa ? numa : "?");
            walk(f, c, depth + 1);
        } else if (is(c, "pci")) {
            walk_pci(f, c, depth);
        } else if (is(c, "nic")) { /* outside PCI: virtual devices */
            for (const xmlNode *n = c->children; n; n = n->next)
                if (is(n, "net"))
                    add_net(f, c, n);
        }
    }
}

/* Bridges up to the first common ancestor; over the CPU, or over two, far more. */
static int distance(const xmlNode *a, const xmlNode *b)
{
    int up = 0;
    for (const xmlNode *x = a->parent; x; x = x->parent, up++) {
        int down = 0;
        for (const xmlNode *y = b->parent; y; y = y->parent, down++)
            if (x == y)
                return is(x, "pci") ? up + down + 1
                                    : (is(x, "cpu") ? OVER_CPU : OVER_CPUS) + up + down;
    }
    return OVER_CPUS;
}

/* GPUs in order of dev, equal ones as they stand; `f->gpu` with them. */
static void sort_gpus(struct found *f)
{
    struct ms_inside *in = f->in;
    for (int k = 1; k < in->n_gpus; k++) {
        struct ms_inside_gpu g = in->gpu[k];
        const xmlNode *pci = f->gpu[k];
        int i = k;
        for (; i > 0 && in->gpu[i - 1].dev > g.dev; i--) {
            in->gpu[i] = in->gpu[i - 1];
            f->gpu[i] = f->gpu[i - 1];
        }
        in->gpu[i] = g;
        f->gpu[i] = pci;
    }
    for (int k = 1; k < in->n_gpus; k++) /* a number for each: parts share dev */
        if (in->gpu[k].dev <= in->gpu[k - 1].dev)
            in->gpu[k].dev = in->gpu[k - 1].dev + 1;
}

/* A card carries the exchange when it is nearest to some GPU, or under one PCIe switch with it and as
 * fast; or when the user says so by name. Cards of less than half the fastest's rate do not: they
 * are for storage and management. */
static bool is_near(const struct ms_inside *in, const int *far, int k)
{
    for (int g = 0; g < in->n_gpus; g++) {
        int least = far[g * in->n_nics];
        for (int i = 1; i < in->n_nics; i++)
            least = far[g * in->n_nics + i] < least ? far[g * in->n_nics + i] : least;
        int mine = far[g * in->n_nics + k];
        if (mine == least || mine < OVER_CPU)
            return true;
    }
    return false;
}

static void choose_cards(struct found *f, const int *far)
{
    struct ms_inside *in = f->in;
    regex_t re;
    double fastest = 0;
    bool named = f->r->o->nics && !regcomp(&re, f->r->o->nics, REG_EXTENDED | REG_NOSUB);
    for (int k = 0; k < in->n_nics; k++) {
        in->nic[k].compute = is_near(in, far, k);
        for (int p = 0; named && p < in->nic[k].n_ports; p++)
            in->nic[k].compute = !regexec(&re, in->nic[k].port[p], 0, NULL, 0);
        if (in->nic[k].compute && in->nic[k].rate_Bps > fastest)
            fastest = in->nic[k].rate_Bps;
    }
    for (int k = 0; k < in->n_nics && !named; k++)
        in->nic[k].compute &= in->nic[k].rate_Bps < 0 || in->nic[k].rate_Bps >= fastest / 2;
    if (named)
        regfree(&re);
}

static void list(struct ms_buf *out, const struct ms_strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        ms_buf_printf(out, "%s%s", i ? " " : "", s->text[i]);
    ms_buf_adds(out, "");
}

static void say_gpus(struct found *f, const int *far)
{
    struct ms_inside *in = f->in;
    for (int g = 0; g < in->n_gpus; g++) {
        struct ms_buf near = {0}, mine = {0};
        int least = OVER_CPUS + MAX_DEVICES;
        for (int k = 0; k < in->n_nics; k++)
            least = far[g * in->n_nics + k] < least ? far[g * in->n_nics + k] : least;
        for (int k = 0; k < in->n_nics; k++)
            if (far[g * in->n_nics + k] == least)
                for (int p = 0; p < in->nic[k].n_ports; p++)
                    ms_buf_printf(&near, "%s%s", near.n ? p ? "+" : "," : "", in->nic[k].port[p]);
        for (int i = 0; i < in->gpu[g].n_nics; i++)
            for (int p = 0; p < in->nic[in->gpu[g].nic[i]].n_ports; p++)
                ms_buf_printf(&mine, "%s%s", mine.n ? "+" : "", in->nic[in->gpu[g].nic[i]].port[p]);
        const char *speed = get(f->gpu[g], "link_speed"), *width = get(f->gpu[g], "link_width");
        ms_map_fact(
            f->m, "gpu%d %s: PCIe %s x%s; %d NVLinks; nearest NICs %s (%s, %d bridges); matched %s",
            in->gpu[g].dev, in->gpu[g].busid, speed ? speed : "unknown", width ? width : "?",
            in->gpu[g].n_nvlinks, near.n ? near.p : "none",
            least == 1          ? "PIX"
            : least < OVER_CPU  ? "PXB"
            : least < OVER_CPUS ? "PHB"
                                : "SYS",
            least % OVER_CPU, mine.n ? mine.p : "none");
        ms_buf_finish(&near);
        ms_buf_finish(&mine);
    }
}

static void say(struct found *f, const int *far)
{
    struct ms_inside *in = f->in;
    struct ms_buf numas = {0}, speeds = {0}, other = {0};
    double compute = 0, all = 0;
    list(&numas, &f->numas);
    list(&speeds, &f->speeds);
    for (int k = 0; k < in->n_nics; k++) {
        double rate = in->nic[k].rate_Bps > 0 ? in->nic[k].rate_Bps : 0;
        all += rate;
        compute += in->nic[k].compute ? rate : 0;
        for (int p = 0; p < in->nic[k].n_ports && !in->nic[k].compute; p++)
            ms_buf_printf(&other, "%s%s", other.n ? " " : "", in->nic[k].port[p]);
    }
    ms_map_fact(f->m,
                "%s: %d CPUs (NUMA %s), %d GPUs (%d gpu elements), %d NIC functions, %d net "
                "devices of %d cards (%s Mb/s), %d PCIe bridges",
                in->rccl ? "RCCL" : "NCCL", f->n_cpus, numas.p, in->n_gpus, f->n_gpu_elements,
                f->n_functions, f->n_nets, in->n_nics, speeds.n ? speeds.p : "no", f->n_bridges);
    for (int g = 0; g < in->n_gpus; g++)
        f->n_no_nvlink += in->gpu[g].n_nvlinks == 0;
    if (f->n_no_nvlink && f->n_no_nvlink < in->n_gpus)
        ms_map_note(f->m, "%d of %d GPUs have no NVLink, the others have: a broken dump or GPU",
                    f->n_no_nvlink, in->n_gpus);
    ms_map_fact(f->m, "NVLink targets: %zu NVSwitches, %zu GPUs; sm %d", f->switches.n,
                f->targets.n, in->n_gpus ? in->gpu[0].sm : 0);
    if (all > 0)
        ms_map_fact(f->m, "network of the node: %g Gb/s, %g Gb/s of compute NICs, %g Gb/s a GPU",
                    all * 8e-9, compute * 8e-9, in->n_gpus ? compute * 8e-9 / in->n_gpus : 0);
    if (other.n)
        ms_map_note(f->m,
                    "next to no GPU, so taken for storage or management: %s (--nics REGEX "
                    "says which carry the exchange)",
                    other.p);
    say_gpus(f, far);
    ms_buf_finish(&numas);
    ms_buf_finish(&speeds);
    ms_buf_finish(&other);
}

static double link_Bps(const struct ms_inside *in, int gpu)
{
    return 1e9 * (in->xgmi_GBps > 0 ? in->xgmi_GBps : nvlink_GBps(in->gpu[gpu].sm));
}

double ms_inside_nvlink_Bps(const struct ms_inside *in, int gpu)
{
    double Bps = in->gpu[gpu].n_nvlinks * link_Bps(in, gpu), peers_Bps = 0;
    for (int k = 0; in->gpu[gpu].peer_Bps && k < in->n_gpus; k++)
        peers_Bps += in->gpu[gpu].peer_Bps[k];
    return peers_Bps > Bps ? peers_Bps : Bps; /* links may be listed at their other ends */
}

/* Links of one GPU by the bus of the GPU at their other end; a link listed at one end counts. */
static void add_peers(struct found *f, int g, const xmlNode *gpu, double *peer_Bps)
{
    const struct ms_inside *in = f->in;
    for (const xmlNode *l = gpu->children; l; l = l->next) {
        const char *target = is(l, "nvlink") || is(l, "xgmi") ? get(l, "target") : NULL;
        for (int k = 0; target && k < in->n_gpus; k++)
            if (k != g && !strcasecmp(in->gpu[k].busid, target)) {
                double Bps = (double)number(f, l, "count", 1) * link_Bps(in, g);
                double *ab = &peer_Bps[g * in->n_gpus + k], *ba = &peer_Bps[k * in->n_gpus + g];
                *ab = Bps > *ab ? Bps : *ab;
                *ba = *ab > *ba ? *ab : *ba;
            }
    }
}

/* Who is linked with whom, where no switch joins all. */
static bool find_peers(struct found *f)
{
    struct ms_inside *in = f->in;
    if (!in->mesh || in->nvswitch)
        return true;
    size_t n = (size_t)in->n_gpus;
    double *peer_Bps = MS_NEW(&f->m->arena, double, n *n);
    for (int g = 0; peer_Bps && g < in->n_gpus; g++) {
        for (const xmlNode *c = f->gpu[g]->children; c; c = c->next)
            if (is(c, "gpu"))
                add_peers(f, g, c, peer_Bps);
        in->gpu[g].peer_Bps = peer_Bps + (size_t)g * n;
    }
    if (in->xgmi_GBps > 0)
        ms_map_assume(f->m, "an xGMI link carries %g GB/s one way, by the processor's name",
                      in->xgmi_GBps);
    return peer_Bps != NULL;
}

static enum ms_status finish(struct found *f)
{
    struct ms_inside *in = f->in;
    if (in->n_gpus == 0)
        return ms_reading_error(f->r, "no GPU: neither a gpu element nor a PCI class 0x0302");
    int *far = calloc((size_t)in->n_gpus * (size_t)(in->n_nics + 1), sizeof *far);
    if (!far)
        return MS_NOMEM;
    sort_gpus(f);
    for (int g = 0; g < in->n_gpus; g++)
        for (int k = 0; k < in->n_nics; k++)
            far[g * in->n_nics + k] = distance(f->gpu[g], f->nic[k]);
    choose_cards(f, far);
    bool good = ms_inside_match(in, far) && find_peers(f);
    if (good)
        say(f, far);
    free(far);
    /* names outlive the XML tree */
    for (int g = 0; g < in->n_gpus; g++)
        good &= !!(in->gpu[g].busid = ms_arena_strdup(&f->m->arena, in->gpu[g].busid));
    return good ? MS_OK : MS_NOMEM;
}

/* The hosts of a file, by host_hash: dumps of several nodes with one NVLink domain have more than one. */
static void find_hosts(struct found *f, const xmlNode *root)
{
    for (const xmlNode *c = root->children; c; c = c->next)
        if (is(c, "cpu"))
            ms_strings_add(&f->hosts, get(c, "host_hash") ? get(c, "host_hash") : "");
}

static struct ms_inside *add_inside(struct ms_insides *out)
{
    struct ms_inside **p = realloc(out->in, ((size_t)out->n + 1) * sizeof *p);
    if (!p)
        return NULL;
    out->in = p;
    struct ms_inside *in = calloc(1, sizeof *in);
    if (in)
        p[out->n++] = in;
    return in;
}

static void finish_sets(struct found *f)
{
    struct ms_strings *sets[] = {&f->targets, &f->switches, &f->speeds, &f->numas};
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
        ms_strings_finish(sets[k]);
        *sets[k] = (struct ms_strings){0};
    }
}

static enum ms_status read_host(struct found *f, const xmlNode *root, const char *pattern,
                                int of_file, struct ms_insides *out)
{
    struct ms_inside *in = add_inside(out);
    if (!in)
        return MS_NOMEM;
    in->path = f->r->path;
    in->pattern = pattern;
    in->of_file = of_file;
    f->in = in;
    f->n_cpus = f->n_bridges = f->n_gpu_elements = f->n_functions = f->n_nets = f->n_no_nvlink = 0;
    walk(f, root, 0);
    enum ms_status s = f->bad ? MS_INVALID : finish(f);
    finish_sets(f);
    return s;
}

enum ms_status ms_read_nccl(struct ms_reading *r, struct ms_map *m, const char *pattern,
                            struct ms_insides *out)
{
    struct found f = {.r = r, .m = m};
    if (strstr(r->text, "<!DOCTYPE") || strstr(r->text, "<!ENTITY")) {
        r->line = 1;
        return ms_reading_error(r, "a DTD or an entity: a topology of NCCL has none");
    }
    xmlDocPtr doc = xmlReadMemory(r->text, (int)r->n, r->path, NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    enum ms_status s = MS_OK;
    if (!root) {
        xmlErrorPtr e = xmlGetLastError();
        char text[200] = "syntax error";
        if (e && e->message)
            snprintf(text, sizeof text, "%.*s", (int)strcspn(e->message, "\n"), e->message);
        r->line = e ? e->line : 1;
        s = ms_reading_error(r, "not well-formed XML: %s", text);
    } else if (!is(root, "system")) {
        r->line = (int)xmlGetLineNo(root);
        s = ms_reading_error(r, "the root must be <system>, not <%s>", (const char *)root->name);
    } else {
        find_hosts(&f, root);
        if (f.hosts.n > 1)
            ms_map_fact(m, "%s: %zu hosts (host_hash), a node each", r->path, f.hosts.n);
        for (size_t h = 0; s == MS_OK && h < (f.hosts.n ? f.hosts.n : 1); h++) {
            f.host = f.hosts.n > 1 ? f.hosts.text[h] : NULL;
            s = read_host(&f, root, pattern, (int)h, out);
        }
    }
    ms_strings_finish(&f.hosts);
    xmlFreeDoc(doc);
    return s;
}

void ms_insides_finish(struct ms_insides *all)
{
    for (int i = 0; i < all->n; i++)
        free(all->in[i]);
    free(all->in);
    *all = (struct ms_insides){0};
}
