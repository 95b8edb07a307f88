/* Slurm's file beside cables: which hosts take part, which blocks are NVLink domains, and
 * whether both put the same hosts on one leaf. */
#include <stdlib.h>
#include <string.h>

#include "import/join.h"

void ms_slurm_finish(struct ms_slurm *s)
{
    ms_map_finish(&s->names);
    ms_strings_finish(&s->leaves);
    free(s->leaf);
    *s = (struct ms_slurm){0};
}

/* The number of a host among Slurm's nodes; names may be longer by their domain. -1: none */
static int slurm_node(const struct ms_slurm *c, const char *host)
{
    size_t i = ms_strings_find(&c->names.nodes, host), n = c->names.nodes.n, k = strcspn(host, ".");
    char head[256];
    if (i < n || !k || k >= sizeof head)
        return i < n ? (int)i : -1;
    snprintf(head, sizeof head, "%.*s", (int)k, host);
    if (host[k] && (i = ms_strings_find(&c->names.nodes, head)) < n)
        return (int)i;
    for (i = 0; i < n && !host[k]; i++) /* Slurm's are the longer ones */
        if (!strncmp(c->names.nodes.text[i], host, k) && c->names.nodes.text[i][k] == '.')
            return (int)i;
    return -1;
}

struct seat {
    int leaf, sw, host;
};

static int by_seat(const void *a, const void *b)
{
    const struct seat *x = a, *y = b;
    return x->leaf != y->leaf ? x->leaf - y->leaf
           : x->sw != y->sw   ? x->sw - y->sw
                              : x->host - y->host;
}

/* Every host's switches, by Slurm's leaf. @return how many, -1: no memory */
static int seats(const struct ms_join *j, const int *slurm_of, struct seat **out)
{
    const struct ms_map *m = &j->m;
    struct seat *row = malloc(((size_t)m->n_cables + 1) * sizeof *row);
    int n = 0;
    for (int c = 0; row && c < m->n_cables; c++) {
        int a = m->cable[c].a, b = m->cable[c].b, nic = a < 0 ? ~a : ~b, sw = a < 0 ? b : a;
        int host = (a < 0) != (b < 0) ? m->nic[nic].node : -1;
        if (host >= 0 && slurm_of[host] >= 0)
            row[n++] = (struct seat){j->choice.leaf[slurm_of[host]], sw, host};
    }
    if (row)
        qsort(row, (size_t)n, sizeof *row, by_seat);
    *out = row;
    return row ? n : -1;
}

/* On how many of Slurm's leaves all hosts share a switch of the cables. */
static int shared_leaves(struct ms_join *j, const int *slurm_of, int *n_leaves)
{
    struct seat *row = NULL;
    int n = seats(j, slurm_of, &row), agree = 0;
    int *hosts = calloc(j->choice.leaves.n + 1, sizeof *hosts);
    int *most = calloc(j->choice.leaves.n + 1, sizeof *most);
    j->m.failed |= n < 0 || !hosts || !most;
    for (size_t h = 0; !j->m.failed && h < j->m.nodes.n; h++)
        if (slurm_of[h] >= 0)
            hosts[j->choice.leaf[slurm_of[h]]]++;
    for (int i = 0, count = 0; !j->m.failed && i < n; i++) {
        bool same = i && row[i].leaf == row[i - 1].leaf && row[i].sw == row[i - 1].sw;
        count = same ? count + (row[i].host != row[i - 1].host) : 1;
        most[row[i].leaf] = count > most[row[i].leaf] ? count : most[row[i].leaf];
    }
    *n_leaves = 0;
    for (size_t l = 0; !j->m.failed && l < j->choice.leaves.n; l++) {
        *n_leaves += hosts[l] > 0;
        agree += hosts[l] > 0 && most[l] == hosts[l];
        if (most[l] < hosts[l])
            ms_map_note(&j->m,
                        "the %d hosts of Slurm's '%s' share no switch: at most %d are on one",
                        hosts[l], j->choice.leaves.text[l], most[l]);
    }
    free(row);
    free(hosts);
    free(most);
    return agree;
}

static enum ms_status set_blocks(struct ms_join *j, const int *slurm_of)
{
    const char *is = j->o->block_is;
    if (!j->choice.blocks || !is || strcmp(is, "nvlink") != 0)
        return MS_OK;
    j->m.block_of_node = MS_NEW(&j->m.arena, int, j->m.nodes.n + 1);
    if (!j->m.block_of_node)
        return MS_NOMEM;
    for (size_t h = 0; h < j->m.nodes.n; h++)
        j->m.block_of_node[h] = slurm_of[h] < 0 ? -1 : j->choice.leaf[slurm_of[h]];
    j->m.n_blocks = j->choice.leaves.n;
    ms_map_assume(&j->m, "a block of %s is an NVLink domain (--block-is)", j->choice.path);
    return MS_OK;
}

enum ms_status ms_join_choice(struct ms_join *j)
{
    const struct ms_slurm *c = &j->choice;
    int out = 0, kept = 0, absent = 0, n_leaves = 0;
    char text[600], first[300] = "";
    if (!c->path)
        return MS_OK;
    int *slurm_of = malloc((j->m.nodes.n + 1) * sizeof *slurm_of);
    bool *met = calloc(c->names.nodes.n + 1, sizeof *met);
    enum ms_status s = slurm_of && met ? MS_OK : MS_NOMEM;
    for (size_t h = 0; s == MS_OK && h < j->m.nodes.n; h++) {
        slurm_of[h] = slurm_node(c, j->m.nodes.text[h]);
        if (slurm_of[h] >= 0)
            met[slurm_of[h]] = true;
        kept += slurm_of[h] >= 0;
        out += slurm_of[h] < 0;
    }
    for (int i = 0; s == MS_OK && i < j->m.n_nics; i++)
        if (j->m.nic[i].node >= 0 && slurm_of[j->m.nic[i].node] < 0)
            j->m.nic[i].node = -1;
    for (size_t k = 0; s == MS_OK && k < c->names.nodes.n; k++)
        if (!met[k] && absent++ == 0)
            snprintf(first, sizeof first, "%.280s", c->names.nodes.text[k]);
    if (s == MS_OK && kept == 0) {
        s = ms_join_say(j, c->path, "none of its nodes is in the fabric: names differ");
    } else if (s == MS_OK && absent && !j->o->partial) {
        snprintf(text, sizeof text,
                 "%d nodes are not in the fabric, the first '%s'; --partial leaves them out",
                 absent, first);
        s = ms_join_say(j, c->path, text);
    } else if (s == MS_OK) {
        int agree = shared_leaves(j, slurm_of, &n_leaves);
        ms_map_fact(&j->m, "hosts as in %s: %d, on %d %s; on %d of these all hosts share a switch",
                    c->path, kept, n_leaves, c->blocks ? "blocks" : "leaves", agree);
        if (out)
            ms_map_note(&j->m, "%d hosts of the fabric are not in %s: left out", out, c->path);
        if (absent)
            ms_map_note(&j->m,
                        "%d nodes of %s are not in the fabric, the first '%s': left out "
                        "(--partial)",
                        absent, c->path, first);
        s = set_blocks(j, slurm_of);
    }
    free(slurm_of);
    free(met);
    return s;
}
