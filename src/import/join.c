/* Who has what: NICs by node and name, GPUs by the inside that stands for their node (pattern,
 * GUID, or the only one), or in order over the NICs; then NVLink. */
#include "import/join.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"

struct ordered {
    const char *node, *name;
    int nic;
    bool taken;
};

enum ms_status ms_join_say(struct ms_join *j, const char *path, const char *text)
{
    ms_errs_add_at(j->errs, MS_INVALID, path, 0, 0, NULL, "%s", text);
    return MS_INVALID;
}

static int by_name(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    int c = ms_natural_cmp(x->node, y->node);
    return c ? c : (c = ms_natural_cmp(x->name, y->name)) ? c : x->nic - y->nic;
}

/* NCCL prints the card's GUID with its bytes turned round. */
static bool has_guid(const struct ms_map_nic *nic, const char *text)
{
    uint64_t v = strtoull(text, NULL, 0), w = __builtin_bswap64(v);
    for (int k = 0; v && k < MS_NIC_GUIDS; k++)
        if (nic->guid[k] && (nic->guid[k] == v || nic->guid[k] == w))
            return true;
    return v && nic->card_guid && (nic->card_guid == v || nic->card_guid == w);
}

static bool knows(const struct ms_inside *in, const struct ms_map_nic *nic)
{
    for (int k = 0; k < in->n_nics; k++)
        if (has_guid(nic, in->nic[k].guid))
            return true;
    return false;
}

/* NICs without a host's name that an inside knows by GUID are its node's, named after its file. */
static void name_by_guid(struct ms_join *j)
{
    struct ms_map *m = &j->m;
    char stem[200], name[240];
    for (int i = 0; i < j->insides.n && !m->failed; i++) {
        const struct ms_inside *in = j->insides.in[i];
        int n = 0;
        ms_path_stem(in->path, stem, sizeof stem);
        snprintf(name, sizeof name, in->of_file ? "%s-%d" : "%s", stem, in->of_file);
        for (int k = 0; k < m->n_nics && !m->failed; k++)
            if (m->nic[k].node < 0 && knows(in, &m->nic[k])) {
                m->nic[k].node = ms_map_node(m, name);
                n++;
            }
        if (n)
            ms_map_assume(m, "%d NICs without a host's name have the GUIDs of %s: host '%s'", n,
                          in->path, name);
    }
}

/* Devices without a name of their own are nic0, nic1 … of their node, in order of id. */
static bool name_devices(struct ms_map *m)
{
    struct ordered *row = calloc((size_t)m->n_nics + 1, sizeof *row);
    char name[32];
    int n = 0;
    for (int i = 0; row && i < m->n_nics; i++)
        if (m->nic[i].node >= 0 && !m->nic[i].name[0])
            row[n++] = (struct ordered){m->nodes.text[m->nic[i].node], m->nic[i].id, i, false};
    if (row)
        qsort(row, (size_t)n, sizeof *row, by_name);
    for (int i = 0, k = 0; row && i < n; i++) {
        k = i && !strcmp(row[i].node, row[i - 1].node) ? k + 1 : 0;
        snprintf(name, sizeof name, "nic%d", k);
        m->nic[row[i].nic].name = ms_arena_strdup(&m->arena, name);
        m->failed |= !m->nic[row[i].nic].name;
    }
    free(row);
    return row && !m->failed;
}

/* NICs that have a node, by node and name. @return how many, -1: no memory */
static int order_nics(struct ms_join *j, struct ordered **out)
{
    struct ms_map *m = &j->m;
    struct ordered *row = calloc((size_t)m->n_nics + 1, sizeof *row);
    int n = 0, named = 0;
    for (int i = 0; i < m->n_nics; i++)
        named += m->nic[i].node >= 0;
    bool nameless = !named && m->n_nics && !m->nodes.n;
    for (int i = 0; row && i < m->n_nics && nameless; i++)
        m->nic[i].node = ms_map_node(m, m->nic[i].id); /* no name tells them apart: a node each */
    if (nameless)
        ms_map_assume(m, "no NIC names a host, so each is a host of its own: %d hosts", m->n_nics);
    bool good = row && name_devices(m);
    for (int i = 0; good && i < m->n_nics; i++)
        if (m->nic[i].node >= 0)
            row[n++] = (struct ordered){m->nodes.text[m->nic[i].node], m->nic[i].name, i, false};
    if (good)
        qsort(row, (size_t)n, sizeof *row, by_name);
    *out = row;
    return good ? n : -1;
}

static void say_nameless(struct ms_map *m)
{
    int n = 0;
    for (int i = 0; i < m->n_nics; i++)
        n += m->nic[i].node < 0;
    if (n)
        ms_map_note(m,
                    "%d NICs name no host (default descriptions): left out; --hosts FILE names "
                    "them by GUID",
                    n);
}

/* How many NICs from row on belong to one node. */
static int same_node(const struct ordered *row, int n)
{
    int k = 1;
    while (k < n && !strcmp(row[k].node, row[0].node))
        k++;
    return k;
}

/* Without the inside of a node: GPUs in order, so many a NIC. */
static enum ms_status gpus_in_order(struct ms_join *j, const struct ordered *row, int n)
{
    struct ms_map *m = &j->m;
    int each = j->o->gpus_per_nic > 0 ? j->o->gpus_per_nic : 1;
    for (int i = 0, nics; i < n && !m->failed; i += nics) {
        nics = same_node(row + i, n - i);
        int gpus = j->o->gpus_per_node > 0 ? j->o->gpus_per_node : nics * each;
        for (int g = 0; g < gpus; g++) {
            ms_map_add_gpu(m, m->nic[row[i].nic].node, g);
            int first = (int)((long)g * nics / gpus), last = (int)((long)(g + 1) * nics / gpus);
            for (int x = first; x < (last > first ? last : first + 1); x++)
                ms_map_gpu_nic(m, row[i + x].nic);
        }
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

/* Joining: what went how, to be told at the end. */
struct tally {
    int joined, by_guid, missing, extra, strangers;
    char first[400], stranger[300];
};

/* The inside of a node: the one whose cards it has, else the one that stands for its name. */
static const struct ms_inside *inside_of(const struct ms_join *j, const struct ordered *row, int n)
{
    for (int i = 0; i < j->insides.n; i++)
        for (int k = 0; k < n; k++)
            if (knows(j->insides.in[i], &j->m.nic[row[k].nic]))
                return j->insides.in[i];
    return ms_inside_of(&j->insides, row[0].node);
}

/* The node's NICs that are this card: by GUID, else by the names of its ports. */
static int find_card(const struct ms_join *j, const struct ms_inside_nic *card, struct ordered *row,
                     int n, int *nic, struct tally *t)
{
    int found = 0;
    for (int i = 0; i < n && found < MS_CARD_PORTS; i++)
        if (has_guid(&j->m.nic[row[i].nic], card->guid)) {
            row[i].taken = true;
            nic[found++] = row[i].nic;
        }
    t->by_guid += found;
    for (int p = 0; p < card->n_ports && !t->by_guid; p++) {
        int i = 0;
        while (i < n && strcmp(row[i].name, card->port[p]) != 0)
            i++;
        if (i < n) {
            row[i].taken = true;
            nic[found++] = row[i].nic;
        } else if (t->missing++ == 0) {
            snprintf(t->first, sizeof t->first, "%.100s of '%.250s'", card->port[p], row[0].node);
        }
    }
    if (t->by_guid && !found && t->missing++ == 0)
        snprintf(t->first, sizeof t->first, "%.100s of '%.250s'", card->port[0], row[0].node);
    return found;
}

static void join_node(struct ms_join *j, struct ordered *row, int n, struct tally *t)
{
    struct ms_map *m = &j->m;
    const struct ms_inside *in = inside_of(j, row, n);
    int node = m->nic[row[0].nic].node, domain = node, guids = t->by_guid, nic[MS_CARD_PORTS];
    if (!in) {
        if (t->strangers++ == 0)
            snprintf(t->stranger, sizeof t->stranger, "%.290s", row[0].node);
        return;
    }
    t->by_guid = 0;
    for (int g = 0; g < in->n_gpus && !m->failed; g++) {
        int gpu = -1;
        for (int c = 0; c < in->gpu[g].n_nics; c++) {
            int found = find_card(j, &in->nic[in->gpu[g].nic[c]], row, n, nic, t);
            for (int k = 0; k < found && !m->failed; k++) {
                gpu = gpu < 0 ? ms_map_add_gpu(m, node, in->gpu[g].dev) : gpu;
                ms_map_gpu_nic(m, nic[k]);
            }
        }
        if (gpu >= 0 && !m->failed) {
            m->gpu[gpu].nvlink_Bps = ms_inside_nvlink_Bps(in, g);
            m->gpu[gpu].peer_Bps = in->gpu[g].peer_Bps;
            m->gpu[gpu].place = g;
            m->gpu[gpu].domain = domain;
        }
    }
    for (int k = 0; k < n; k++)
        t->extra += !row[k].taken;
    t->joined++;
    t->by_guid = guids + (t->by_guid > 0);
}

static enum ms_status join_insides(struct ms_join *j, struct ordered *row, int n)
{
    struct tally t = {0};
    char text[900];
    const char *path = j->insides.in[0]->path;
    for (int i = 0, nics; i < n && !j->m.failed; i += nics) {
        nics = same_node(row + i, n - i);
        join_node(j, row + i, nics, &t);
    }
    if (j->m.n_gpus == 0)
        return ms_join_say(j, path, "none of its NICs is in the fabric: names differ");
    if ((t.missing || t.strangers) && !j->o->partial) {
        if (t.missing)
            snprintf(text, sizeof text,
                     "%d NICs are not in the fabric, the first %s; --partial leaves them out",
                     t.missing, t.first);
        else
            snprintf(
                text, sizeof text,
                "no file stands for the inside of %d nodes, the first '%s': give a file without "
                "a pattern or a wider one, --exclude REGEX, or --partial, which leaves them out",
                t.strangers, t.stranger);
        return ms_join_say(j, path, text);
    }
    if (j->insides.n > 1)
        snprintf(text, sizeof text, "%d descriptions of a node", j->insides.n);
    ms_map_fact(&j->m, "joined: %d nodes as in %s (%d by GUID, %d by NIC name), %d GPUs", t.joined,
                j->insides.n > 1 ? text : path, t.by_guid, t.joined - t.by_guid, j->m.n_gpus);
    if (t.missing)
        ms_map_note(&j->m, "%d NICs are not in the fabric, the first %s: left out (--partial)",
                    t.missing, t.first);
    if (t.strangers)
        ms_map_note(&j->m,
                    "no file stands for the inside of %d nodes, the first '%s': left out "
                    "(--partial)",
                    t.strangers, t.stranger);
    if (t.extra)
        ms_map_note(&j->m, "%d NICs of the fabric belong to no GPU (storage, management)", t.extra);
    for (int i = 0; i < j->insides.n; i++)
        if (j->insides.in[i]->pattern)
            ms_map_assume(&j->m, "%s stands for the nodes '%s'", j->insides.in[i]->path,
                          j->insides.in[i]->pattern);
        else if (t.joined > t.by_guid)
            ms_map_assume(&j->m, "%s stands for the inside of every %snode", j->insides.in[i]->path,
                          j->insides.n > 1 ? "other " : "");
    return MS_OK;
}

/* Insides alone: each a node, its NICs on one ideal switch. */
static enum ms_status node_alone(struct ms_join *j, const struct ms_inside *in, const char *name,
                                 int sw)
{
    struct ms_map *m = &j->m;
    int node = ms_map_node(m, name), nic_of[MS_INSIDE_NICS];
    for (int k = 0; k < in->n_nics; k++)
        nic_of[k] = -1;
    for (int g = 0; g < in->n_gpus && !m->failed; g++) {
        for (int c = 0; c < in->gpu[g].n_nics && !m->failed; c++) {
            int k = in->gpu[g].nic[c];
            if (nic_of[k] >= 0)
                continue;
            nic_of[k] = ms_map_add_nic(m, in->nic[k].port[0], in->nic[k].port[0], node);
            ms_map_add_cable(m, ~nic_of[k], sw, in->nic[k].rate_Bps, -1);
        }
        int gpu = ms_map_add_gpu(m, node, in->gpu[g].dev);
        for (int c = 0; c < in->gpu[g].n_nics && !m->failed; c++)
            ms_map_gpu_nic(m, nic_of[in->gpu[g].nic[c]]);
        if (m->failed)
            return MS_NOMEM;
        m->gpu[gpu].nvlink_Bps = ms_inside_nvlink_Bps(in, g);
        m->gpu[gpu].peer_Bps = in->gpu[g].peer_Bps;
        m->gpu[gpu].place = g;
        m->gpu[gpu].domain = node;
    }
    if (in->n_nics == 0)
        return ms_join_say(j, in->path,
                           "no network card: a node of NVLinks alone is `moesim platform "
                           "generate nvlink`");
    return MS_OK;
}

static enum ms_status nodes_alone(struct ms_join *j)
{
    enum ms_status s = MS_OK;
    char name[32];
    int sw = ms_map_add_switch(&j->m, "network", "network");
    for (int i = 0; s == MS_OK && i < j->insides.n; i++) {
        snprintf(name, sizeof name, "node%d", i);
        s = node_alone(j, j->insides.in[i], name, sw);
    }
    if (s == MS_OK)
        ms_map_assume(&j->m, j->insides.n == 1
                                 ? "the node stands alone, its NICs on one switch without limits"
                                 : "the nodes' NICs are on one switch without limits: no file says "
                                   "what joins them");
    return s;
}

/* Hosts of one file with several (host_hash) are one NVLink domain: NCCL fuses the descriptions
 * of those only. */
static bool fused_domains(struct ms_join *j)
{
    struct ms_map *m = &j->m;
    bool fused = false;
    for (int i = 0; i < j->insides.n; i++)
        fused |= j->insides.in[i]->of_file > 0;
    if (!fused || m->block_of_node || j->fabric)
        return true;
    m->block_of_node = MS_NEW(&m->arena, int, m->nodes.n + 1);
    if (!m->block_of_node)
        return false;
    int block = -1;
    for (int i = 0; i < j->insides.n; i++) {
        block += j->insides.in[i]->of_file == 0;
        m->block_of_node[i] = block;
    }
    m->n_blocks = (size_t)block + 1;
    ms_map_assume(m, "the hosts of one file are one NVLink domain");
    return true;
}

enum ms_status ms_join_gpus(struct ms_join *j)
{
    struct ordered *row = NULL;
    enum ms_status s = MS_OK;
    if (!j->fabric) {
        s = nodes_alone(j);
        return s == MS_OK && !fused_domains(j) ? MS_NOMEM : s;
    }
    if (j->simai && j->insides.n)
        return ms_join_say(j, j->insides.in[0]->path,
                           "the fabric file says what is in a node already");
    name_by_guid(j);
    int n = order_nics(j, &row);
    if (n < 0)
        s = MS_NOMEM;
    else if (n == 0)
        s = ms_join_say(j, j->fabric, "no host is left");
    else if (j->insides.n)
        s = join_insides(j, row, n);
    else if (j->m.n_gpus == 0)
        s = gpus_in_order(j, row, n);
    free(row);
    if (s == MS_OK && !j->choice.path && !j->o->exclude)
        say_nameless(&j->m);
    return s;
}

/* A GPU's domain before numbering: a block, or behind all blocks its node; -1 none. */
static int domain_of(const struct ms_map *m, const struct ms_map_gpu *u)
{
    if (m->block_of_node && m->block_of_node[u->node] >= 0)
        return m->block_of_node[u->node];
    int domain = m->block_of_node && u->domain < 0 ? u->node : u->domain;
    return domain < 0 ? -1 : (int)m->n_blocks + domain;
}

/* GPUs that are linked with each other and not over switches. */
static void say_mesh(struct ms_map *m)
{
    int linked = 0, pairs = 0;
    for (int a = 0; a < m->n_gpus; a++)
        for (int b = a + 1; b < m->n_gpus && m->gpu[b].node == m->gpu[a].node; b++) {
            if (!m->gpu[a].peer_Bps || !m->gpu[b].peer_Bps)
                continue;
            pairs++;
            linked += m->gpu[a].peer_Bps[m->gpu[b].place] > 0;
        }
    if (pairs)
        ms_map_fact(m, "GPUs linked with each other, without a switch: %d of %d pairs%s", linked,
                    pairs, linked < pairs ? "; the others go over the network" : "");
}

enum ms_status ms_join_nvlink(struct ms_join *j)
{
    struct ms_map *m = &j->m;
    char rate[32];
    int *number = MS_NEW(&m->arena, int,
                         (size_t)m->n_gpus + (size_t)m->n_switches + m->n_blocks + m->nodes.n + 2);
    int n = 0, with = 0;
    double most = 0;
    for (int g = 0; g < m->n_gpus && number; g++) {
        struct ms_map_gpu *u = &m->gpu[g];
        if (j->o->nvlink_Bps > 0 && u->domain < 0)
            u->domain = u->node;
        if (j->o->nvlink_Bps >= 0) {
            u->nvlink_Bps = j->o->nvlink_Bps;
            u->peer_Bps = NULL;
        }
        int domain = u->nvlink_Bps > 0 ? domain_of(m, u) : -1;
        u->domain = -1;
        if (domain < 0)
            continue;
        if (!number[domain])
            number[domain] = ++n;
        u->domain = number[domain] - 1;
        with++;
        most = u->nvlink_Bps > most ? u->nvlink_Bps : most;
    }
    if (!number)
        return MS_NOMEM;
    if (m->block_of_node && !with)
        return ms_join_say(j, j->choice.path ? j->choice.path : j->fabric,
                           "a block as NVLink domain needs --nvlink RATE (of a GPU): the files say "
                           "no NVLink");
    if (j->o->nvlink_Bps >= 0)
        ms_map_assume(m, "NVLink of a GPU: %s each way, GPUs of a %s together (--nvlink)",
                      ms_units_show(j->o->nvlink_Bps, MS_UNIT_RATE, rate, sizeof rate),
                      m->block_of_node ? "block" : "node");
    else if (!with)
        ms_map_assume(m, "no NVLink: the files say none (--nvlink RATE gives every GPU one)");
    else
        ms_map_fact(m, "NVLink: %d domains, up to %s a GPU one way, nominal", n,
                    ms_units_show(most, MS_UNIT_RATE, rate, sizeof rate));
    say_mesh(m);
    return MS_OK;
}
