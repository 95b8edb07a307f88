/* Tiers, hubs and trunks: breadth first from the NICs, then switches joined level by level, then
 * cables counted between what was joined. */
#include "import/levels.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct work {
    struct ms_map *m;
    struct ms_levels *l;
    int *first, *cable; /* cables of each NIC: cable[first[nic]] … */
    int *parent;        /* union-find over switches, as far as levels are joined */
    int *hub_of;        /* [n_switches] the hub of its own level */
};

static int root(int *parent, int v)
{
    while (parent[v] != v)
        v = parent[v] = parent[parent[v]];
    return v;
}

static void join(int *parent, int a, int b)
{
    a = root(parent, a);
    b = root(parent, b);
    parent[a < b ? b : a] = a < b ? a : b;
}

static int switch_end(const struct ms_map_cable *c)
{
    return c->a < 0 ? c->b : c->a;
}

static bool to_nic(const struct ms_map_cable *c)
{
    return (c->a < 0) != (c->b < 0);
}

static bool index_cables(struct work *w)
{
    struct ms_map *m = w->m;
    size_t n = (size_t)m->n_nics;
    w->first = MS_NEW(&w->l->arena, int, n + 2);
    w->cable = MS_NEW(&w->l->arena, int, (size_t)m->n_cables + 1);
    w->parent = MS_NEW(&w->l->arena, int, (size_t)m->n_switches + 1);
    w->hub_of = MS_NEW(&w->l->arena, int, (size_t)m->n_switches + 1);
    int *at = MS_NEW(&w->l->arena, int, n + 1);
    if (!w->first || !w->cable || !w->parent || !w->hub_of || !at)
        return false;
    for (int c = 0; c < m->n_cables; c++)
        if (to_nic(&m->cable[c]))
            w->first[(m->cable[c].a < 0 ? ~m->cable[c].a : ~m->cable[c].b) + 1]++;
    for (size_t i = 0; i < n; i++)
        w->first[i + 1] += w->first[i];
    memcpy(at, w->first, n * sizeof *at);
    for (int c = 0; c < m->n_cables; c++)
        if (to_nic(&m->cable[c]))
            w->cable[at[m->cable[c].a < 0 ? ~m->cable[c].a : ~m->cable[c].b]++] = c;
    return true;
}

/* Level 1: where the NICs of GPUs are; then neighbours of neighbours. */
static void find_levels(struct work *w)
{
    struct ms_map *m = w->m;
    bool more = true;
    for (int s = 0; s < m->n_switches; s++)
        m->sw[s].level = 0;
    for (int i = 0; i < m->n_nic_of_gpu; i++)
        for (int k = w->first[m->nic_of_gpu[i]]; k < w->first[m->nic_of_gpu[i] + 1]; k++)
            m->sw[switch_end(&m->cable[w->cable[k]])].level = 1;
    w->l->n_levels = 1;
    for (int level = 1; more; level++) {
        more = false;
        for (int c = 0; c < m->n_cables; c++)
            for (int turn = 0; turn < 2 && m->cable[c].a >= 0 && m->cable[c].b >= 0; turn++) {
                int from = turn ? m->cable[c].b : m->cable[c].a;
                int to = turn ? m->cable[c].a : m->cable[c].b;
                if (m->sw[from].level != level || m->sw[to].level)
                    continue;
                m->sw[to].level = level + 1;
                w->l->n_levels = level + 1;
                more = true;
            }
    }
}

static bool find_pieces(struct work *w)
{
    struct ms_map *m = w->m;
    int *p = MS_NEW(&w->l->arena, int, (size_t)m->n_switches + 1);
    if (!p)
        return false;
    for (int s = 0; s < m->n_switches; s++)
        p[s] = s;
    for (int c = 0; c < m->n_cables; c++)
        if (m->cable[c].a >= 0 && m->cable[c].b >= 0)
            join(p, m->cable[c].a, m->cable[c].b);
    for (int s = 0; s < m->n_switches; s++) {
        p[s] = root(p, s);
        w->l->n_pieces += p[s] == s && m->sw[s].level > 0;
    }
    w->l->piece = p;
    return true;
}

/* The leaves of one GPU, each once. @return how many (at most max) */
static int leaves_of(const struct work *w, const struct ms_map_gpu *g, int *leaf, int max)
{
    int n = 0;
    for (int i = 0; i < g->n_nics; i++) {
        int nic = w->m->nic_of_gpu[g->first_nic + i];
        for (int k = w->first[nic]; k < w->first[nic + 1]; k++) {
            int s = switch_end(&w->m->cable[w->cable[k]]), j = 0;
            while (j < n && leaf[j] != s)
                j++;
            if (j == n && n < max)
                leaf[n++] = s;
        }
    }
    return n;
}

enum { MAX_LEAVES = 64 };

struct served {
    uint64_t gpus; /* a digest: a sum of hashes, so that order does not matter */
    int sw;
};

static int by_served(const void *a, const void *b)
{
    const struct served *x = a, *y = b;
    return x->gpus != y->gpus ? (x->gpus < y->gpus ? -1 : 1) : x->sw - y->sw;
}

/* Leaves that serve the very same GPUs stand for one: planes, or two switches a rack. */
static bool join_twins(struct work *w)
{
    struct ms_map *m = w->m;
    struct served *row = calloc((size_t)m->n_switches + 1, sizeof *row);
    int leaf[MAX_LEAVES];
    for (int s = 0; row && s < m->n_switches; s++)
        row[s].sw = s;
    w->l->planes = 1;
    for (int g = 0; row && g < m->n_gpus; g++) {
        int n = leaves_of(w, &m->gpu[g], leaf, MAX_LEAVES), pieces = 0;
        for (int k = 0; k < n; k++) {
            bool new = true;
            row[leaf[k]].gpus += ms_hash64(&g, sizeof g) | 1;
            for (int j = 0; j < k; j++)
                new &= w->l->piece[leaf[j]] != w->l->piece[leaf[k]];
            pieces += new;
        }
        w->l->planes = g == 0 || pieces < w->l->planes ? pieces : w->l->planes;
    }
    if (row)
        qsort(row, (size_t)m->n_switches, sizeof *row, by_served);
    for (int i = 1; row && i < m->n_switches; i++)
        if (row[i].gpus && row[i].gpus == row[i - 1].gpus)
            join(w->parent, row[i].sw, row[i - 1].sw);
    w->l->planes = w->l->planes < 1 ? 1 : w->l->planes;
    free(row);
    return row != NULL;
}

/* The hubs of one level: the groups that its cables to the level below have made. */
static void add_hubs(struct work *w, int level, int *hub_of_root)
{
    struct ms_map *m = w->m;
    struct ms_levels *l = w->l;
    for (int s = 0; s < m->n_switches; s++)
        hub_of_root[s] = -1;
    for (int s = 0; s < m->n_switches; s++) {
        if (m->sw[s].level != level)
            continue;
        int r = root(w->parent, s);
        if (hub_of_root[r] < 0) {
            hub_of_root[r] = l->n_hubs;
            l->hub[l->n_hubs++] = (struct ms_hub){.level = level, .first_switch = s};
        }
        w->hub_of[s] = hub_of_root[r];
        l->hub[hub_of_root[r]].n_switches++;
    }
}

static bool find_hubs(struct work *w)
{
    struct ms_map *m = w->m;
    int *hub_of_root = MS_NEW(&w->l->arena, int, (size_t)m->n_switches + 1);
    w->l->hub = MS_NEW(&w->l->arena, struct ms_hub, (size_t)m->n_switches + 1);
    if (!hub_of_root || !w->l->hub)
        return false;
    for (int s = 0; s < m->n_switches; s++) {
        w->parent[s] = s;
        w->hub_of[s] = -1;
    }
    if (!join_twins(w))
        return false;
    add_hubs(w, 1, hub_of_root);
    for (int level = 2; level <= w->l->n_levels; level++) {
        for (int c = 0; c < m->n_cables; c++) {
            const struct ms_map_cable *k = &m->cable[c];
            if (k->a < 0 || k->b < 0)
                continue;
            int x = m->sw[k->a].level, y = m->sw[k->b].level;
            if ((x == level && y == level - 1) || (y == level && x == level - 1))
                join(w->parent, k->a, k->b);
        }
        add_hubs(w, level, hub_of_root);
    }
    return true;
}

struct between {
    int a, b, cable;
};

static int by_hubs(const void *x, const void *y)
{
    const struct between *p = x, *q = y;
    return p->a != q->a ? p->a - q->a : p->b != q->b ? p->b - q->b : p->cable - q->cable;
}

static bool find_trunks(struct work *w)
{
    struct ms_map *m = w->m;
    struct ms_levels *l = w->l;
    struct between *row = malloc(((size_t)m->n_cables + 1) * sizeof *row);
    int n = 0;
    for (int c = 0; row && c < m->n_cables; c++) {
        const struct ms_map_cable *k = &m->cable[c];
        int a = k->a < 0 ? -1 : w->hub_of[k->a], b = k->b < 0 ? -1 : w->hub_of[k->b];
        if (a < 0 || b < 0 || a == b) /* a hub's own switches: inside it nothing limits */
            continue;
        bool turn = l->hub[a].level != l->hub[b].level ? l->hub[a].level > l->hub[b].level : a > b;
        row[n++] = (struct between){turn ? b : a, turn ? a : b, c};
    }
    l->trunk = MS_NEW(&l->arena, struct ms_hub_trunk, (size_t)n + 1);
    if (row && l->trunk)
        qsort(row, (size_t)n, sizeof *row, by_hubs);
    for (int i = 0; row && l->trunk && i < n; i++) {
        const struct ms_map_cable *k = &m->cable[row[i].cable];
        if (i == 0 || row[i].a != row[i - 1].a || row[i].b != row[i - 1].b)
            l->trunk[l->n_trunks++] =
                (struct ms_hub_trunk){.a = row[i].a, .b = row[i].b, .latency_s = -1};
        struct ms_hub_trunk *t = &l->trunk[l->n_trunks - 1];
        t->rate_Bps += k->rate_Bps;
        t->latency_s = k->latency_s > t->latency_s ? k->latency_s : t->latency_s;
        t->cables++;
    }
    free(row);
    return row && l->trunk;
}

/* One port a GPU's set of NICs: GPUs that share a NIC share the port. */
static bool find_ports(struct work *w, struct ms_err *err)
{
    struct ms_map *m = w->m;
    struct ms_levels *l = w->l;
    l->port = MS_NEW(&l->arena, struct ms_port, (size_t)m->n_nics + 1);
    l->port_of_nic = MS_NEW(&l->arena, int, (size_t)m->n_nics + 1);
    int *mark = MS_NEW(&l->arena, int, (size_t)m->n_nics + 1);
    if (!l->port || !l->port_of_nic || !mark)
        return false;
    for (int i = 0; i < m->n_nics; i++)
        l->port_of_nic[i] = -1;
    for (int g = 0; g < m->n_gpus; g++) {
        const struct ms_map_gpu *u = &m->gpu[g];
        int p = -1;
        for (int i = 0; i < u->n_nics; i++) {
            int nic = m->nic_of_gpu[u->first_nic + i];
            if (l->port_of_nic[nic] >= 0) {
                p = l->port_of_nic[nic];
                continue;
            }
            for (int k = w->first[nic]; k < w->first[nic + 1]; k++) {
                const struct ms_map_cable *c = &m->cable[w->cable[k]];
                int hub = w->hub_of[switch_end(c)];
                if (hub < 0)
                    continue;
                if (p < 0) {
                    p = l->n_ports++;
                    l->port[p] = (struct ms_port){.nic = nic, .hub = hub, .latency_s = -1};
                } else if (l->port[p].hub != hub) {
                    mark[nic] = 1; /* another leaf, which serves other GPUs: not this route */
                    continue;
                }
                l->port[p].rate_Bps += c->rate_Bps;
                l->port[p].cables++;
                l->port[p].latency_s =
                    c->latency_s > l->port[p].latency_s ? c->latency_s : l->port[p].latency_s;
            }
            l->port_of_nic[nic] = p;
        }
        if (p < 0) {
            ms_err_set(err, MS_INVALID, "GPU %d of '%s' has no cable into the fabric", u->index,
                       m->nodes.text[u->node]);
            return true;
        }
    }
    int n_marked = 0, last = 0;
    for (int i = 0; i < m->n_nics; i++)
        if (mark[i]) {
            n_marked++;
            last = i;
        }
    if (n_marked)
        ms_map_note(m,
                    "%d NICs have a port on a leaf that serves other GPUs than their first leaf "
                    "(%s of '%s'): only the first leaf's ports carry the exchange",
                    n_marked, m->nic[last].name, m->nodes.text[m->nic[last].node]);
    return true;
}

enum ms_status ms_levels_find(struct ms_map *m, struct ms_levels *out, struct ms_err *err)
{
    struct ms_levels l = {0};
    struct work w = {.m = m, .l = &l};
    struct ms_err e = {0};
    bool good = index_cables(&w);
    if (good) {
        find_levels(&w);
        good = find_pieces(&w) && find_hubs(&w) && find_trunks(&w) && find_ports(&w, &e);
    }
    if (!good || m->failed || e.status) {
        ms_levels_finish(&l);
        *out = (struct ms_levels){0};
        return e.status ? ms_err_set(err, e.status, "%s", e.text)
                        : ms_err_set(err, MS_NOMEM, "no memory");
    }
    *out = l;
    return MS_OK;
}

void ms_levels_finish(struct ms_levels *l)
{
    ms_arena_finish(&l->arena);
    *l = (struct ms_levels){0};
}
