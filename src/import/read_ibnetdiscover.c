/* ibnetdiscover's topology file (and ibsim's, which is like it): a record a device, a line a cabled
 * port. A cable is listed at both of its ends and counts once. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "import/readers.h"

enum kind { SWITCH = 'S', CA = 'H', ROUTER = 'R' };

struct device {
    const char *name;
    enum kind kind;
    bool described, aggregation;
    int place; /* in the map */
    uint64_t guid[MS_NIC_GUIDS], card_guid;
};

struct link {
    int a, b; /* devices */
    double rate_Bps;
    int seen;
    char word[16];
};

struct book {
    struct ms_reading *r;
    struct ms_map *m;
    struct ms_strings ids, ends; /* devices by id; cables by their two ports */
    struct device *device;
    struct link *link;
    size_t cap_devices, cap_links, n_links;
    int current;        /* the device whose record is open, -1 */
    uint64_t card_guid; /* sysimgguid of the record to come */
    int n_disagree, n_self, n_records;
    bool nomem;
};

static struct device *device_of(struct book *b, const char *id, enum kind kind)
{
    size_t i = ms_strings_add(&b->ids, id);
    if (i >= b->cap_devices) {
        size_t cap = b->cap_devices ? 2 * b->cap_devices : 256;
        struct device *p = realloc(b->device, cap * sizeof *p);
        if (!p || b->ids.failed) {
            b->nomem = true;
            return NULL;
        }
        memset(p + b->cap_devices, 0, (cap - b->cap_devices) * sizeof *p);
        b->device = p;
        b->cap_devices = cap;
    }
    struct device *d = &b->device[i];
    if (!d->kind)
        *d = (struct device){.name = "", .kind = kind};
    return d;
}

/* The text in quotes at p. @return behind the second quote, or NULL */
static const char *quoted(const char *p, char *out, size_t size)
{
    p += strspn(p, " \t");
    const char *e = *p == '"' ? strchr(p + 1, '"') : NULL;
    if (!e || (size_t)(e - p) > size)
        return NULL;
    snprintf(out, size, "%.*s", (int)(e - p - 1), p + 1);
    return e + 1;
}

static void remember(struct device *d, uint64_t guid)
{
    for (int k = 0; guid && k < MS_NIC_GUIDS; k++)
        if (!d->guid[k] || d->guid[k] == guid) {
            d->guid[k] = guid;
            return;
        }
}

/* "(e41d2d0300a5b2c1)" at *p, which moves behind it. */
static uint64_t in_brackets(const char **p)
{
    if (**p != '(')
        return 0;
    uint64_t guid = strtoull(*p + 1, NULL, 16);
    *p += strcspn(*p, ")");
    *p += **p == ')';
    return guid;
}

/* `Switch 65 "S-…" # "name" …`: opens a record. @return 1 it was one, 0 not, -1 an error */
static int head(struct book *b, const char *line)
{
    static const struct {
        const char *word;
        enum kind kind;
    } words[] = {{"Switch", SWITCH}, {"Ca", CA}, {"Hca", CA}, {"Rt", ROUTER}};
    char id[128], name[256] = "";
    for (size_t k = 0; k < 4; k++) {
        size_t n = strlen(words[k].word);
        if (strncmp(line, words[k].word, n) != 0 || !isspace((unsigned char)line[n]))
            continue;
        char *p;
        long ports = strtol(line + n, &p, 10);
        const char *q = ports > 0 && ports < 65536 ? quoted(p, id, sizeof id) : NULL;
        if (!q || !*id)
            return ms_reading_error(b->r, "a record must begin %s PORTS \"ID\"", words[k].word), -1;
        const char *hash = strchr(q, '#');
        if (hash && !quoted(hash + 1, name, sizeof name))
            return ms_reading_error(b->r, "no name in quotes after '#'"), -1;
        struct device *d = device_of(b, id, words[k].kind);
        if (!d)
            return -1;
        if (d->described)
            return ms_reading_error(b->r, "a second record of \"%s\"", id), -1;
        d->kind = words[k].kind;
        d->described = true;
        d->name = ms_arena_strdup(&b->m->arena, hash ? name : id);
        d->aggregation = strstr(name, "Aggregation Node") != NULL;
        d->card_guid = b->card_guid;
        b->card_guid = 0;
        if (id[1] == '-')
            remember(d, strtoull(id + 2, NULL, 16));
        b->nomem |= !d->name;
        b->current = (int)ms_strings_find(&b->ids, id);
        b->n_records++;
        return 1;
    }
    return 0;
}

/* "4xNDR" among the words after '#', outside quotes; the last one counts. */
static bool rate_word(const char *comment, char *out, size_t size)
{
    bool in = false;
    *out = '\0';
    for (const char *p = comment; *p; p++) {
        in ^= *p == '"';
        if (in || !isdigit((unsigned char)*p) || (p > comment && !isspace((unsigned char)p[-1])))
            continue;
        size_t n = strcspn(p, " \t\r"), digits = strspn(p, "0123456789");
        if (p[digits] == 'x' && n < size &&
            (isalpha((unsigned char)p[digits + 1]) || p[digits + 1] == '?'))
            snprintf(out, size, "%.*s", (int)n, p);
    }
    return *out;
}

static void add_link(struct book *b, int peer, long port, long far, double rate, const char *word)
{
    char key[320];
    int a = b->current, z = peer;
    bool turned = a > z || (a == z && port > far);
    snprintf(key, sizeof key, "%d[%ld]-%d[%ld]", turned ? z : a, turned ? far : port,
             turned ? a : z, turned ? port : far);
    size_t i = ms_strings_add(&b->ends, key);
    if (i >= b->cap_links) {
        size_t cap = b->cap_links ? 2 * b->cap_links : 1024;
        struct link *p = realloc(b->link, cap * sizeof *p);
        if (!p || b->ends.failed) {
            b->nomem = true;
            return;
        }
        b->link = p;
        b->cap_links = cap;
    }
    struct link *l = &b->link[i];
    if (i == b->n_links) {
        *l = (struct link){.a = a, .b = z, .rate_Bps = rate, .seen = 1};
        snprintf(l->word, sizeof l->word, "%s", word);
        b->n_links++;
        return;
    }
    l->seen++;
    if (l->rate_Bps == rate)
        return;
    b->n_disagree++;
    if (b->n_disagree <= 5)
        ms_map_note(b->m,
                    "the ends of the cable \"%s\"[%ld] - \"%s\"[%ld] say %s and %s: the "
                    "lower counts",
                    b->ids.text[a], port, b->ids.text[z], far, l->word, word);
    if (rate < l->rate_Bps) {
        l->rate_Bps = rate;
        snprintf(l->word, sizeof l->word, "%s", word);
    }
}

/* `[1](guid) "S-…"[17](guid) # … 4xNDR`. @return false after an error */
static bool port_line(struct book *b, const char *line)
{
    char id[128], word[16] = "";
    char *p;
    long port = strtol(line + 1, &p, 10), far = 0;
    if (b->current < 0)
        return ms_reading_error(b->r, "a port before the first record") == MS_OK;
    if (port < 0 || *p != ']')
        return ms_reading_error(b->r, "a port must look like [1]") == MS_OK;
    const char *here = p + 1, *q;
    if (!strncmp(here, "[ext", 4)) /* a chassis' outer port */
        here += strcspn(here, "]") + 1;
    remember(&b->device[b->current], in_brackets(&here));
    q = quoted(here, id, sizeof id);
    if (q && *(q += strspn(q, " \t")) == '[')
        far = strtol(q + 1, &p, 10);
    if (!q || *q != '[' || *p != ']' || far < 0)
        return ms_reading_error(b->r, "port [%ld] must name its peer as \"ID\"[PORT]", port) ==
               MS_OK;
    here = p + 1;
    if (!strncmp(here, "[ext", 4))
        here += strcspn(here, "]") + 1;
    uint64_t far_guid = in_brackets(&here);
    const char *hash = strchr(p, '#');
    double rate = -1;
    if (hash && rate_word(hash + 1, word, sizeof word) && (rate = ms_ib_rate(word)) == 0)
        return ms_reading_error(b->r,
                                "'%s' is not a rate I know: 1x, 2x, 4x, 8x or 12x of SDR, "
                                "DDR, QDR, FDR10, FDR, EDR, HDR, NDR or XDR",
                                word) == MS_OK;
    enum kind kind = !strncmp(id, "H-", 2) ? CA : !strncmp(id, "R-", 2) ? ROUTER : SWITCH;
    int current = b->current;
    if (!device_of(b, id, kind))
        return false;
    int peer = (int)ms_strings_find(&b->ids, id);
    if (b->device[peer].kind == CA)
        remember(&b->device[peer], far_guid);
    if (peer == current)
        b->n_self += b->device[current].kind == SWITCH;
    else
        add_link(b, peer, port, far, rate, word);
    return true;
}

static bool known_aside(struct book *b, const char *line)
{
    if (!strncmp(line, "sysimgguid=", 11))
        b->card_guid = strtoull(line + 11, NULL, 16);
    static const char *const asides[] = {"vendid=",     "devid=",  "sysimgguid=", "switchguid=",
                                         "caguid=",     "rtguid=", "Non-Chassis", "Chassis ",
                                         "chassisguid", "w=",      "s=",          "module"};
    for (size_t k = 0; k < sizeof asides / sizeof *asides; k++)
        if (!strncmp(line, asides[k], strlen(asides[k])))
            return true;
    return false;
}

static bool one_line(struct book *b, const char *line)
{
    line += strspn(line, " \t");
    if (!*line || *line == '#' || known_aside(b, line))
        return true;
    if (*line == '[')
        return port_line(b, line);
    int h = head(b, line);
    if (h)
        return h > 0;
    if (!strncmp(line, "include", 7) || !strncmp(line, "do ", 3))
        ms_reading_error(b->r, "'%.40s' reaches out of the file: write the devices out", line);
    else
        ms_reading_error(b->r, "'%.60s' is no line of ibnetdiscover", line);
    return false;
}

static int compare_ids(const void *a, const void *b)
{
    return ms_natural_cmp(*(const char *const *)a, *(const char *const *)b);
}

/* Devices in order of id, so that the order in the file does not matter; then their places. */
static void places(struct book *b, int *n_default, int *n_aggregation)
{
    size_t n = b->ids.n;
    const char **order = MS_NEW(&b->m->arena, const char *, n + 1);
    if (!order) {
        b->nomem = true;
        return;
    }
    if (n)
        memcpy(order, b->ids.text, n * sizeof *order);
    qsort(order, n, sizeof *order, compare_ids);
    for (size_t k = 0; k < n && !b->m->failed; k++) {
        struct device *d = &b->device[ms_strings_find(&b->ids, order[k])];
        char host[256], nic[64];
        if (d->kind != CA) {
            d->place = ms_map_add_switch(b->m, order[k], d->described ? d->name : order[k]);
            b->m->sw[d->place].described = d->described;
        } else if (d->aggregation) {
            (*n_aggregation)++;
        } else {
            bool named = ms_ib_names(d->name, host, nic, sizeof host) || !d->name[0];
            bool id_name = d->described && !strcmp(d->name, order[k]); /* ibsim: ids are names */
            int node = id_name               ? ms_map_node(b->m, d->name)
                       : named && d->name[0] ? ms_map_node(b->m, host)
                                             : -1;
            d->place = ~ms_map_add_nic(b->m, order[k], id_name ? "nic0" : nic, node);
            for (int g = 0; g < MS_NIC_GUIDS; g++)
                ms_map_nic_guid(b->m, ~d->place, d->guid[g]);
            if (!b->m->failed)
                b->m->nic[~d->place].card_guid = d->card_guid;
            *n_default += node < 0;
        }
    }
}

static void cables(struct book *b, int n_aggregation)
{
    int one_end = 0, by_kind[3] = {0}, back_to_back = 0, undescribed = 0;
    struct ms_strings words = {0};
    int count[64] = {0};
    for (size_t i = 0; i < b->n_links; i++) {
        struct link *l = &b->link[i];
        struct device *x = &b->device[l->a], *y = &b->device[l->b];
        size_t w = ms_strings_add(&words, *l->word ? l->word : "none");
        count[w < 63 ? w : 63]++;
        one_end += l->seen == 1 && x->described && y->described;
        if (x->aggregation || y->aggregation) {
            by_kind[2]++;
            continue;
        }
        back_to_back += x->kind == CA && y->kind == CA;
        by_kind[x->kind == CA || y->kind == CA ? 0 : 1]++;
        ms_map_add_cable(b->m, x->place, y->place, l->rate_Bps, -1);
    }
    for (size_t i = 0; i < b->ids.n; i++)
        undescribed += !b->device[i].described;
    ms_map_fact(b->m,
                "cables: %zu (%d to NICs, %d between switches, %d to aggregation nodes, %d "
                "back to back)",
                b->n_links, by_kind[0], by_kind[1], by_kind[2], back_to_back);
    for (size_t w = 0; w < words.n && w < 64; w++)
        ms_map_fact(b->m, "rate %s: %d cables", words.text[w], count[w]);
    ms_strings_finish(&words);
    if (one_end)
        ms_map_note(b->m, "%d cables are listed at one end only", one_end);
    if (b->n_disagree)
        ms_map_note(b->m, "%d cables whose ends print different rates", b->n_disagree);
    if (b->n_self)
        ms_map_note(b->m, "%d ports of a switch are cabled to itself: dropped", b->n_self);
    if (undescribed)
        ms_map_note(b->m, "%d devices are only named as peers", undescribed);
    if (n_aggregation)
        ms_map_note(b->m, "%d aggregation nodes (SHARP) are no hosts, their ports no cables",
                    n_aggregation);
}

enum ms_status ms_read_ibnetdiscover(struct ms_reading *r, struct ms_map *m)
{
    struct book b = {.r = r, .m = m, .current = -1};
    const char *at = r->text;
    char line[2048];
    size_t before = r->errs->n;
    int n, n_default = 0, n_aggregation = 0;
    while ((n = ms_reading_line(r, &at, line, sizeof line)) >= 0 && !b.nomem)
        if (!one_line(&b, line))
            break;
    if (r->errs->n == before && !b.nomem && b.n_records == 0)
        ms_reading_error(r, "no record of a switch or a channel adapter");
    if (r->errs->n == before && !b.nomem) {
        int first_nic = m->n_nics, first_switch = m->n_switches;
        places(&b, &n_default, &n_aggregation);
        int nics = m->n_nics - first_nic;
        ms_map_fact(m,
                    "ibnetdiscover: %d switches, %d CA records, %d aggregation nodes, %d NICs, "
                    "%d NICs without a host name, %zu hosts named",
                    m->n_switches - first_switch, nics + n_aggregation, n_aggregation, nics,
                    n_default, m->nodes.n);
        cables(&b, n_aggregation);
    }
    bool nomem = b.nomem || b.ids.failed || b.ends.failed || m->failed;
    ms_strings_finish(&b.ids);
    ms_strings_finish(&b.ends);
    free(b.device);
    free(b.link);
    return nomem ? MS_NOMEM : r->errs->n > before ? MS_INVALID : MS_OK;
}
