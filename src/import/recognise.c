/* Which format a file has. The first line that is neither blank nor a comment decides, and what no
 * other format can hold. */
#include "import/recognise.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *mark, *why;
} refused[] = {
    {"<graphs", "these are rings and trees that NCCL chose (NCCL_GRAPH_DUMP_FILE), no topology: "
                "give the file that NCCL_TOPO_DUMP_FILE writes"},
    {"<topology", "this is hwloc's XML, which is not read: give NCCL's topology of the node "
                  "(NCCL_TOPO_DUMP_FILE), which says the same"},
    {"<platform", "this is a SimGrid platform already: `moesim platform check` reads it"},
    {"compounded_links", "this is NetQ's topology graph, which is not read: give ibnetdiscover's "
                         "output, or SimAI's text"},
    {"DomainUUID", "these are NetQ's compute nodes, which are not read: give NCCL's topology of a "
                   "node"},
    {"infrastructure:", "this is InfraGraph's YAML, which is not read: give NCCL's topology of a "
                        "node and ibnetdiscover's output, or SimAI's text"},
    {"==(", "this is iblinkinfo's output, which is not read: give ibnetdiscover's"},
    {"graph \"", "this is a DOT file, which is not read: give ibnetdiscover's output"},
    {"strict graph", "this is a DOT file, which is not read: give ibnetdiscover's output"},
    {"digraph", "this is a DOT file, which is not read: give ibnetdiscover's output"},
};

/* The first line with something on it that is no comment; n: its length. */
static const char *first_line(const char *text, size_t *n)
{
    for (const char *p = text; *p;) {
        *n = strcspn(p, "\r\n");
        const char *q = p + strspn(p, " \t");
        if (q < p + *n && *q != '#') {
            *n -= (size_t)(q - p);
            return q;
        }
        p += *n;
        p += strspn(p, "\r\n");
    }
    *n = 0;
    return text + strlen(text);
}

static bool starts(const char *p, const char *word)
{
    return !strncasecmp(p, word, strlen(word));
}

/* Three or six values, numbers first. */
static bool is_header(const char *line, size_t n)
{
    char buf[256], word[64];
    long v[5];
    if (n >= sizeof buf)
        return false;
    memcpy(buf, line, n);
    buf[n] = '\0';
    int six = sscanf(buf, "%ld %ld %ld %ld %ld %63s", &v[0], &v[1], &v[2], &v[3], &v[4], word);
    return six == 6 || six == 3;
}

/* `SwitchName = x …`, in any case. */
static bool is_slurm(const char *line, size_t n)
{
    static const char *const keys[] = {"SwitchName", "BlockName", "BlockSizes", "AggregatedBlock"};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        size_t w = strlen(keys[k]);
        const char *rest = n > w && starts(line, keys[k]) ? line + w : "";
        if (rest[strspn(rest, " \t")] == '=')
            return true;
    }
    return false;
}

/* `Ca : 0x… ports 1 "…"` */
static bool is_list(const char *p)
{
    if (!starts(p, "Ca") && !starts(p, "Switch") && !starts(p, "Rt"))
        return false;
    p += strcspn(p, " \t\r\n:");
    p += strspn(p, " \t");
    return *p == ':';
}

static bool is_record(const char *p)
{
    return starts(p, "vendid=") || starts(p, "switchguid=") || starts(p, "caguid=") ||
           starts(p, "devid=") || starts(p, "sysimgguid=") || starts(p, "Switch\t") ||
           starts(p, "Switch ") || starts(p, "Ca\t") || starts(p, "Ca ") || starts(p, "Hca\t") ||
           starts(p, "Hca ") || starts(p, "Rt ") || starts(p, "Rt\t") || starts(p, "rtguid=") ||
           starts(p, "Non-Chassis") || starts(p, "Chassis ");
}

/* `CA 134 1 0x7cfe…` */
static bool is_port(const char *p)
{
    char kind[4], guid[4];
    long a, b;
    return sscanf(p, "%3s %ld %ld %3s", kind, &a, &b, guid) == 4 && !strncmp(guid, "0x", 2) &&
           (!strcmp(kind, "CA") || !strcmp(kind, "SW") || !strcmp(kind, "RT"));
}

enum ms_format ms_recognise(const char *text, const char **why)
{
    size_t n;
    const char *line = first_line(text, &n);
    if (strstr(text, "<system") && (*line == '<'))
        return MS_FORMAT_NCCL;
    if (is_slurm(line, n))
        return MS_FORMAT_SLURM_CONF;
    if ((*line == '-' || starts(line, "%YAML")) && strstr(text, "topology:") &&
        (strstr(text, "tree:") || strstr(text, "block:") || strstr(text, "flat:")))
        return MS_FORMAT_SLURM_YAML;
    if (is_port(line))
        return MS_FORMAT_IB_PORTS;
    if (is_list(line)) {
        *why = "this is a list of devices (ibnetdiscover -l, ibhosts, ibswitches), which has no "
               "cables: give what `ibnetdiscover` prints without options, or with -p";
        return MS_FORMAT_REFUSED;
    }
    if (is_record(line) || strstr(text, "\nswitchguid=") || strstr(text, "\ncaguid="))
        return MS_FORMAT_IBNETDISCOVER;
    for (size_t k = 0; k < sizeof refused / sizeof *refused; k++)
        if (strstr(text, refused[k].mark)) {
            *why = refused[k].why;
            return MS_FORMAT_REFUSED;
        }
    if (starts(line, "Nodes ") || starts(line, "topology ")) {
        *why = "this is htsim's topology text, which is not read: give SimAI's, or "
               "`moesim platform generate fat-tree`";
        return MS_FORMAT_REFUSED;
    }
    if (starts(line, "GPU0")) {
        *why = "this is `nvidia-smi topo -m`, which is not read: give NCCL's topology of the node "
               "(NCCL_TOPO_DUMP_FILE)";
        return MS_FORMAT_REFUSED;
    }
    return is_header(line, n) ? MS_FORMAT_SIMAI : MS_FORMAT_UNKNOWN;
}
