/* `ibnetdiscover -p`: a line a port, with both ends in it; and what InfiniBand's readers share:
 * rates, host names, lines. */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "import/readers.h"

enum ms_status ms_reading_error(struct ms_reading *r, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ms_errs_add_at(r->errs, MS_INVALID, r->path, r->line, 0, NULL, "%s", text);
    return MS_INVALID;
}

int ms_reading_line(struct ms_reading *r, const char **at, char *buf, size_t size)
{
    const char *end = r->text + r->n;
    if (*at >= end)
        return -1;
    size_t n = (size_t)(end - *at);
    const char *nl = memchr(*at, '\n', n);
    n = nl ? (size_t)(nl - *at) : n;
    r->line++;
    if (n >= size) {
        ms_reading_error(r, "a line of %zu bytes is longer than any of this format (%zu)", n,
                         size - 1);
        return -2;
    }
    memcpy(buf, *at, n);
    *at += n + (nl != NULL);
    while (n && isspace((unsigned char)buf[n - 1]))
        n--;
    buf[n] = '\0';
    return (int)n;
}

/* Data rates of one lane, Gb/s: after 8b/10b up to QDR, 64b/66b from FDR10 on (InfiniBand
 * Architecture Specification, vol. 2). */
double ms_ib_rate(const char *word)
{
    static const struct {
        const char *name;
        double Gbps;
    } lanes[] = {{"SDR", 2},  {"DDR", 4},  {"QDR", 8},   {"FDR10", 10}, {"FDR", 13.64},
                 {"EDR", 25}, {"HDR", 50}, {"NDR", 100}, {"XDR", 200}};
    char *p;
    long width = strtol(word, &p, 10);
    if (width != 1 && width != 2 && width != 4 && width != 8 && width != 12)
        return 0;
    if (*p != 'x' && *p != 'X')
        return 0;
    p++;
    p += strspn(p, " \t");
    for (size_t k = 0; k < sizeof lanes / sizeof *lanes; k++)
        if (!strcmp(lanes[k].name, p))
            return (double)width * lanes[k].Gbps * 1e9 / 8;
    return 0;
}

uint64_t ms_guid_parse(const char *text, const char **end)
{
    const char *p = text + (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 2 : 0);
    uint64_t v = 0;
    int digits = 0;
    for (; isxdigit((unsigned char)*p) || (*p == ':' && isxdigit((unsigned char)p[1])); p++)
        if (*p != ':') {
            char c = (char)tolower((unsigned char)*p);
            v = v << 4 | (uint64_t)(isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10);
            digits++;
        }
    *end = p;
    return digits >= 1 && digits <= 16 ? v : 0;
}

/* Words that devices are called: mlx5_0, HCA-1, hfi1_0, ibp12s0, rocep1s0f0 … */
static bool is_device(const char *word)
{
    static const char *const heads[] = {"HCA-", "mlx",   "hfi", "ibp",   "ibs",   "roce", "rdma",
                                        "bnxt", "irdma", "qib", "mthca", "ionic", "efa"};
    for (size_t k = 0; k < sizeof heads / sizeof *heads; k++)
        if (!strncmp(word, heads[k], strlen(heads[k])))
            return true;
    return false;
}

/* The device is the last word that looks like one; remarks in brackets follow it ("n1 HCA-1
 * (Mellanox HCA)"). */
static void device_word(const char *p, char *nic, size_t size)
{
    char word[64];
    *nic = '\0';
    for (p += strspn(p, " \t"); *p && *p != '('; p += strspn(p, " \t")) {
        size_t n = strcspn(p, " \t");
        snprintf(word, sizeof word, "%.*s", (int)(n < 63 ? n : 63), p);
        if (is_device(word) || !is_device(nic))
            snprintf(nic, size, "%s", word);
        p += n;
    }
}

bool ms_ib_names(const char *description, char *host, char *nic, size_t size)
{
    static const char *const vendors[] = {"Mellanox", "MT23108", "MT25", "MT26",     "MT27",
                                          "MT28",     "MT41",    "MT42", "Voltaire", "HFI"};
    const char *p = description + strspn(description, " \t");
    size_t n = strcspn(p, " \t");
    char word[64];
    snprintf(host, size, "%.*s", (int)(n < size ? n : size - 1), p);
    device_word(p + n, word, sizeof word);
    if (!strncmp(word, "HCA-", 4) && isdigit((unsigned char)word[4]) && atoi(word + 4) > 0)
        snprintf(nic, 64, "mlx5_%d", atoi(word + 4) - 1); /* HCA-k is mlx5_(k-1) */
    else
        snprintf(nic, 64, "%s", word);
    for (size_t k = 0; k < sizeof vendors / sizeof *vendors; k++)
        if (!strncmp(p, vendors[k], strlen(vendors[k])) || strstr(p, "Mellanox Technologies"))
            return false;
    return *host;
}

struct end {
    bool ca;
    char guid[32], name[128];
    long port;
};

/* `CA 134 1 0x7cfe… ` @return behind it, or NULL */
static const char *take_end(const char *p, struct end *e)
{
    char kind[4];
    int used = 0;
    long lid;
    if (sscanf(p, " %3s %ld %ld %31s%n", kind, &lid, &e->port, e->guid, &used) < 4 || !used)
        return NULL;
    if (strcmp(kind, "CA") && strcmp(kind, "SW") && strcmp(kind, "RT"))
        return NULL;
    e->ca = !strcmp(kind, "CA");
    return p + used;
}

static const char *take_name(const char *p, char *out, size_t size)
{
    p = p ? strchr(p, '\'') : NULL;
    const char *e = p ? strchr(p + 1, '\'') : NULL;
    if (!e)
        return NULL;
    snprintf(out, size, "%.*s", (int)((size_t)(e - p) < size ? e - p - 1 : (long)size - 1), p + 1);
    return e + 1;
}

struct ledger {
    struct ms_map *m;
    struct ms_strings guids, ends, words; /* devices, cables, rates */
    int count[16];                        /* of each rate */
    int place[65536];
    int n_down, seen[65536];
};

static int place_of(struct ledger *l, const struct end *e)
{
    char host[256], nic[64];
    size_t i = ms_strings_add(&l->guids, e->guid), before = l->guids.n;
    if (i < 65536 && i + 1 == before && !l->seen[i]) {
        l->seen[i] = 1;
        if (!e->ca)
            l->place[i] = ms_map_add_switch(l->m, e->guid, e->name);
        else
            l->place[i] = ~ms_map_add_nic(l->m, e->guid, "", -1);
        bool named = e->ca && ms_ib_names(e->name, host, nic, sizeof host);
        if (e->ca && !l->m->failed) {
            l->m->nic[~l->place[i]].name = ms_arena_strdup(&l->m->arena, nic);
            l->m->nic[~l->place[i]].node = named ? ms_map_node(l->m, host) : -1;
            ms_map_nic_guid(l->m, ~l->place[i], strtoull(e->guid, NULL, 16));
        }
    }
    return i < 65536 ? l->place[i] : 0;
}

static enum ms_status port_line(struct ms_reading *r, struct ledger *l, const char *line)
{
    struct end a, b;
    char rate[32], key[160];
    const char *p = take_end(line, &a);
    if (!p)
        return ms_reading_error(r, "a line must begin CA or SW, lid, port, GUID");
    const char *dash = strstr(p, " - ");
    const char *quote = strchr(p, '\'');
    if (!dash ||
        (quote && dash > quote && !strchr(p, '('))) { /* down: prints a rate all the same */
        l->n_down++;
        if (!a.ca && take_name(p, a.name, sizeof a.name))
            place_of(l, &a);
        return MS_OK;
    }
    snprintf(rate, sizeof rate, "%.*s", (int)(dash - p < 31 ? dash - p : 31), p);
    char *from = rate + strspn(rate, " \t");
    for (char *e = from + strlen(from); e > from && isspace((unsigned char)e[-1]);)
        *--e = '\0';
    double Bps = ms_ib_rate(from);
    if (Bps == 0)
        return ms_reading_error(r, "'%s' is not a rate I know, such as 4x EDR", from);
    const char *q = take_end(dash + 3, &b);
    const char *names = q ? take_name(q, a.name, sizeof a.name) : NULL;
    if (!names || !take_name(names, b.name, sizeof b.name))
        return ms_reading_error(r, "after the peer must stand ( 'name' - 'name' )");
    int x = place_of(l, &a), y = place_of(l, &b);
    bool turned = strcmp(a.guid, b.guid) > 0;
    snprintf(key, sizeof key, "%s[%ld]-%s[%ld]", turned ? b.guid : a.guid, turned ? b.port : a.port,
             turned ? a.guid : b.guid, turned ? a.port : b.port);
    size_t known = l->ends.n;
    ms_strings_add(&l->ends, key);
    if (l->ends.n > known) {
        size_t word = ms_strings_add(&l->words, from);
        l->count[word < 15 ? word : 15]++;
        ms_map_add_cable(l->m, x, y, Bps, -1);
    }
    return MS_OK;
}

enum ms_status ms_read_ports(struct ms_reading *r, struct ms_map *m)
{
    struct ledger *l = calloc(1, sizeof *l);
    const char *at = r->text;
    char line[2048];
    int n, records = 0, nic_cables = 0;
    enum ms_status s = l ? MS_OK : MS_NOMEM;
    if (l)
        l->m = m;
    while (s == MS_OK && (n = ms_reading_line(r, &at, line, sizeof line)) != -1)
        if (n < 0)
            s = MS_INVALID;
        else if (n > 0 && *line != '#') {
            s = port_line(r, l, line);
            records++;
        }
    for (int i = 0; i < m->n_cables; i++)
        nic_cables += m->cable[i].a < 0 || m->cable[i].b < 0;
    if (s == MS_OK) {
        ms_map_fact(m, "ibnetdiscover -p: %d records, %d switches, %d NICs, %zu hosts named",
                    records, m->n_switches, m->n_nics, m->nodes.n);
        ms_map_fact(m, "cables: %d (%d to NICs, %d between switches), %d ports down", m->n_cables,
                    nic_cables, m->n_cables - nic_cables, l->n_down);
        for (size_t w = 0; w < l->words.n && w < 16; w++)
            ms_map_fact(m, "rate %s: %d cables", l->words.text[w], l->count[w]);
        if (m->failed || l->guids.failed || l->ends.failed)
            s = MS_NOMEM;
    }
    if (l) {
        ms_strings_finish(&l->guids);
        ms_strings_finish(&l->ends);
        ms_strings_finish(&l->words);
    }
    free(l);
    return s;
}
