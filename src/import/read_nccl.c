/* NCCL's (and RCCL's) topology XML: walks its PCIe trees for GPUs, network cards and links, a
 * node for each host that the file holds. */
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "import/inside_match.h"
#include "import/nccl.h"

const char *ms_nccl_get(const xmlNode *e, const char *name)
{
    for (const xmlAttr *a = e->properties; a; a = a->next)
        if (!strcmp((const char *)a->name, name))
            return a->children && a->children->content ? (const char *)a->children->content : "";
    return NULL;
}

bool ms_nccl_is(const xmlNode *e, const char *name)
{
    return e && e->type == XML_ELEMENT_NODE && !strcmp((const char *)e->name, name);
}

void ms_nccl_fault(struct ms_nccl *f, const xmlNode *e, const char *what, const char *value)
{
    f->r->line = (int)xmlGetLineNo(e);
    ms_reading_error(f->r, what, value);
    f->bad = true;
}

long ms_nccl_number(struct ms_nccl *f, const xmlNode *e, const char *attr, long fallback)
{
    const char *text = ms_nccl_get(e, attr);
    char *end;
    if (!text)
        return fallback;
    long v = strtol(text, &end, 0);
    if (end == text || *end || v < 0 || v > 1000000000)
        ms_nccl_fault(f, e, "'%s' is not a number", text);
    return v;
}

static void add_gpu(struct ms_nccl *f, const xmlNode *pci, const xmlNode *gpu)
{
    struct ms_inside *in = f->in;
    if (in->n_gpus == MS_INSIDE_GPUS) {
        ms_nccl_fault(f, pci, "more than 128 GPUs in one node%s", "");
        return;
    }
    struct ms_inside_gpu *g = &in->gpu[in->n_gpus];
    f->gpu[in->n_gpus] = pci;
    *g = (struct ms_inside_gpu){.busid = ms_nccl_get(pci, "busid") ? ms_nccl_get(pci, "busid") : "",
                                .dev = in->n_gpus++};
    f->n_gpu_elements += gpu != NULL;
    if (!gpu)
        return;
    g->dev = (int)ms_nccl_number(f, gpu, "dev", g->dev);
    g->sm = (int)ms_nccl_number(f, gpu, "sm", 0);
    const char *gcn = ms_nccl_get(gpu, "gcn");
    in->rccl |= gcn != NULL;
    if (gcn)
        in->xgmi_GBps = ms_inside_xgmi_GBps(gcn);
    ms_nccl_add_links(f, g, gpu);
}

/* A merged device is its parts: "mlx5_0+mlx5_1". */
static void add_port(struct ms_nccl *f, struct ms_inside_nic *c, const char *name)
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

static void add_net(struct ms_nccl *f, const xmlNode *pci, const xmlNode *net)
{
    struct ms_inside *in = f->in;
    const char *guid = net ? ms_nccl_get(net, "guid") : NULL,
               *name = net ? ms_nccl_get(net, "name") : NULL;
    const char *bus = ms_nccl_get(pci, "busid");
    int k = in->n_nics;
    for (int i = 0; guid && strtoull(guid, NULL, 0) && i < in->n_nics; i++)
        if (!strcmp(in->nic[i].guid, guid))
            k = i; /* another port of that card */
    if (k == MS_INSIDE_NICS) {
        ms_nccl_fault(f, pci, "more than 128 network cards in one node%s", "");
        return;
    }
    struct ms_inside_nic *c = &in->nic[k];
    if (k == in->n_nics) {
        *c = (struct ms_inside_nic){.rate_Bps = -1};
        snprintf(c->guid, sizeof c->guid, "%s", guid ? guid : "");
        f->nic[in->n_nics++] = pci;
    }
    add_port(f, c, name ? name : bus ? bus : "nic");
    long speed = net ? ms_nccl_number(f, net, "speed", 0) : 0; /* Mb/s of one port */
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

static void walk(struct ms_nccl *f, const xmlNode *e, int depth);

static void walk_pci(struct ms_nccl *f, const xmlNode *e, int depth)
{
    static const char *const gpus[] = {"0x0302", "0x0300", "0x0380", "0x1200", NULL};
    static const char *const nics[] = {"0x0200", "0x0207", "0x0208", "0x0280", NULL};
    static const char *const bridges[] = {"0x0604", NULL};
    const xmlNode *gpu = NULL, *nic = NULL;
    const char *class = ms_nccl_get(e, "class");
    bool pci = false;
    for (const xmlNode *c = e->children; c; c = c->next) {
        if (ms_nccl_is(c, "gpu") && gpu) { /* parts of one GPU (mlopart): ranks of their own */
            add_gpu(f, e, gpu);
            gpu = c;
        }
        gpu = ms_nccl_is(c, "gpu") ? c : gpu;
        nic = ms_nccl_is(c, "nic") ? c : nic;
        pci |= ms_nccl_is(c, "pci");
    }
    if (gpu || class_is(class, gpus)) {
        add_gpu(f, e, gpu);
    } else if (nic || class_is(class, nics)) {
        int before = f->n_nets;
        f->n_functions++;
        for (const xmlNode *c = nic ? nic->children : NULL; c; c = c->next)
            if (ms_nccl_is(c, "net"))
                add_net(f, e, c);
        if (f->n_nets == before)
            add_net(f, e, NULL);
    } else if (pci || class_is(class, bridges)) {
        f->n_bridges++;
        walk(f, e, depth + 1);
    } else if (!class) {
        ms_nccl_fault(f, e,
                      "<pci busid=\"%s\"> has no class and holds no gpu or net: it cannot be told "
                      "what it is",
                      ms_nccl_get(e, "busid") ? ms_nccl_get(e, "busid") : "");
    }
}

static void walk(struct ms_nccl *f, const xmlNode *e, int depth)
{
    if (depth > 64) {
        ms_nccl_fault(f, e, "elements are nested more than 64 deep%s", "");
        return;
    }
    for (const xmlNode *c = e->children; c && !f->bad; c = c->next) {
        if (ms_nccl_is(c, "cpu")) {
            const char *numa = ms_nccl_get(c, "numaid"), *host = ms_nccl_get(c, "host_hash");
            if (f->host && strcmp(host ? host : "", f->host) != 0)
                continue;
            f->n_cpus++;
            ms_strings_add(&f->numas, numa ? numa : "?");
            walk(f, c, depth + 1);
        } else if (ms_nccl_is(c, "pci")) {
            walk_pci(f, c, depth);
        } else if (ms_nccl_is(c, "nic")) { /* outside PCI: virtual devices */
            for (const xmlNode *n = c->children; n; n = n->next)
                if (ms_nccl_is(n, "net"))
                    add_net(f, c, n);
        }
    }
}

/* GPUs in order of dev, equal ones as they stand; `f->gpu` with them. */
static void sort_gpus(struct ms_nccl *f)
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

static enum ms_status finish(struct ms_nccl *f)
{
    struct ms_inside *in = f->in;
    if (in->n_gpus == 0)
        return ms_reading_error(f->r, "no GPU: neither a gpu element nor a PCI class 0x0302");
    int *far = calloc((size_t)in->n_gpus * (size_t)(in->n_nics + 1), sizeof *far);
    if (!far)
        return MS_NOMEM;
    sort_gpus(f);
    ms_nccl_choose_cards(f, far);
    bool good = ms_inside_match(in, far) && ms_nccl_find_peers(f);
    if (good)
        ms_nccl_say(f, far);
    free(far);
    /* names outlive the XML tree */
    for (int g = 0; g < in->n_gpus; g++)
        good &= !!(in->gpu[g].busid = ms_arena_strdup(&f->m->arena, in->gpu[g].busid));
    return good ? MS_OK : MS_NOMEM;
}

/* The hosts of a file, by host_hash: dumps of several nodes with one NVLink domain have more
 * than one. */
static void find_hosts(struct ms_nccl *f, const xmlNode *root)
{
    for (const xmlNode *c = root->children; c; c = c->next)
        if (ms_nccl_is(c, "cpu"))
            ms_strings_add(&f->hosts,
                           ms_nccl_get(c, "host_hash") ? ms_nccl_get(c, "host_hash") : "");
}

static void finish_sets(struct ms_nccl *f)
{
    struct ms_strings *sets[] = {&f->targets, &f->switches, &f->speeds, &f->numas};
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
        ms_strings_finish(sets[k]);
        *sets[k] = (struct ms_strings){0};
    }
}

static enum ms_status read_host(struct ms_nccl *f, const xmlNode *root, const char *pattern,
                                int of_file, struct ms_insides *out)
{
    struct ms_inside *in = ms_insides_add(out);
    if (!in)
        return MS_NOMEM;
    in->path = f->r->path;
    in->pattern = pattern;
    in->of_file = of_file;
    f->in = in;
    f->n_cpus = f->n_bridges = f->n_gpu_elements = f->n_functions = f->n_nets = 0;
    walk(f, root, 0);
    enum ms_status s = f->bad ? MS_INVALID : finish(f);
    finish_sets(f);
    return s;
}

enum ms_status ms_read_nccl(struct ms_reading *r, struct ms_map *m, const char *pattern,
                            struct ms_insides *out)
{
    struct ms_nccl f = {.r = r, .m = m};
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
    } else if (!ms_nccl_is(root, "system")) {
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
