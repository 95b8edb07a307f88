/* What a fabric is like, for people: tiers, oversubscription, rails, pieces, bisection; and what is
 * strange about it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/max_flow.h"
#include "import/levels.h"

struct count {
    int value[2], n;
};

static int by_value(const void *a, const void *b)
{
    const struct count *x = a, *y = b;
    return x->value[0] != y->value[0] ? x->value[0] - y->value[0] : x->value[1] - y->value[1];
}

/* "16/14x1 16/16x1": equal pairs counted. fmt takes the two values and the count. */
static void say_counts(struct ms_map *m, const char *what, const char *fmt, struct count *row,
                       int n)
{
    struct ms_buf text = {0};
    qsort(row, (size_t)n, sizeof *row, by_value);
    for (int i = 0; i < n;) {
        int k = i;
        while (k < n && !by_value(&row[i], &row[k]))
            k++;
        char one[64];
        snprintf(one, sizeof one, fmt, row[i].value[0], row[i].value[1], k - i);
        ms_buf_printf(&text, "%s%s", i ? " " : "", one);
        i = k;
    }
    ms_map_fact(m, "%s: %s", what, text.p ? text.p : "none");
    ms_buf_finish(&text);
}

static void say_levels(struct ms_map *m, const struct ms_levels *l)
{
    struct ms_buf by = {0};
    int cut_off = 0;
    for (int level = 1; level <= l->n_levels; level++) {
        int n = 0;
        for (int s = 0; s < m->n_switches; s++)
            n += m->sw[s].level == level;
        ms_buf_printf(&by, "%s%d:%d", level > 1 ? " " : "", level, n);
    }
    for (int s = 0; s < m->n_switches; s++)
        cut_off += m->sw[s].level == 0;
    ms_map_fact(m, "switch levels: %d (switches a level %s)", l->n_levels, by.p ? by.p : "");
    if (cut_off)
        ms_map_note(m, "%d switches cannot be reached from any GPU: left out", cut_off);
    ms_buf_finish(&by);
}

/* Down and up cables and rates of every level. */
static bool say_uplinks(struct ms_map *m, const struct ms_levels *l)
{
    size_t n = (size_t)m->n_switches + 1;
    int *down = calloc(2 * n, sizeof *down), *up = down + n;
    double *rate = calloc(2 * (size_t)l->n_levels + 4, sizeof *rate);
    struct count *row = calloc(n, sizeof *row);
    double beside = 0; /* rates between leaves, as both see them */
    bool good = down && rate && row;
    for (int c = 0; good && c < m->n_cables; c++) {
        const struct ms_map_cable *k = &m->cable[c];
        int x = k->a < 0 ? 0 : m->sw[k->a].level, y = k->b < 0 ? 0 : m->sw[k->b].level;
        if (x == y) {
            beside += x == 1 ? 2 * k->rate_Bps : 0;
            continue;
        }
        int low = x < y ? k->a : k->b, high = x < y ? k->b : k->a, level = x < y ? y : x;
        if (high < 0)
            continue;
        down[high]++;
        rate[2 * level] += k->rate_Bps;
        if (low < 0)
            continue;
        up[low]++;
        rate[2 * (level - 1) + 1] += k->rate_Bps;
    }
    int leaves = 0;
    for (int s = 0; good && s < m->n_switches; s++)
        if (m->sw[s].level == 1)
            row[leaves++] = (struct count){{down[s], up[s]}, 0};
    if (good)
        say_counts(m, "leaf down/up cables x leaves", "%d/%dx%d", row, leaves);
    for (int level = 1; good && level < l->n_levels; level++)
        ms_map_fact(m, "oversubscription of level %d: %.4g", level,
                    rate[2 * level] / rate[2 * level + 1]);
    if (good && beside > 0)
        ms_map_fact(m, "cables between leaves: NICs have %.4g times their rate", rate[2] / beside);
    free(down);
    free(rate);
    free(row);
    return good;
}

/* How many cables join each pair of switches. */
static bool say_parallel(struct ms_map *m)
{
    struct count *pair = calloc((size_t)m->n_cables + 1, sizeof *pair);
    int n = 0, rows = 0;
    for (int c = 0; pair && c < m->n_cables; c++) {
        int a = m->cable[c].a, b = m->cable[c].b;
        if (a >= 0 && b >= 0)
            pair[n++] = (struct count){{a < b ? a : b, a < b ? b : a}, 0};
    }
    if (pair)
        qsort(pair, (size_t)n, sizeof *pair, by_value);
    for (int i = 0; pair && i < n;) {
        int k = i;
        while (k < n && !by_value(&pair[i], &pair[k]))
            k++;
        pair[rows++] = (struct count){{k - i, 0}, 0};
        i = k;
    }
    for (int i = 0; i < rows; i++)
        pair[i].value[1] = 0;
    if (pair && rows) {
        struct ms_buf text = {0};
        qsort(pair, (size_t)rows, sizeof *pair, by_value);
        for (int i = 0; i < rows;) {
            int k = i;
            while (k < rows && pair[k].value[0] == pair[i].value[0])
                k++;
            ms_buf_printf(&text, "%s%d:%d", i ? " " : "", pair[i].value[0], k - i);
            i = k;
        }
        ms_map_fact(m, "parallel cables a switch pair (cables:pairs): %s", text.p);
        ms_buf_finish(&text);
    }
    free(pair);
    return pair != NULL;
}

struct rate_row {
    double rate;
    int nic;
};

static int by_rate(const void *a, const void *b)
{
    double x = ((const struct rate_row *)a)->rate, y = ((const struct rate_row *)b)->rate;
    return (x > y) - (x < y);
}

static bool say_nics(struct ms_map *m)
{
    struct rate_row *row = calloc((size_t)m->n_nics + 1, sizeof *row);
    struct count *hosts = calloc(m->nodes.n + 1, sizeof *hosts);
    struct ms_buf text = {0};
    int rows = 0, n_hosts = 0;
    for (int c = 0; row && c < m->n_cables; c++)
        for (int turn = 0; turn < 2; turn++) {
            int end = turn ? m->cable[c].b : m->cable[c].a;
            if (end < 0)
                row[~end].rate += m->cable[c].rate_Bps;
        }
    for (int i = 0; row && hosts && i < m->n_nics; i++)
        if (m->nic[i].node >= 0)
            hosts[m->nic[i].node].value[0]++;
    for (int i = 0; row && i < m->n_nics; i++)
        if (row[i].rate > 0)
            row[rows++] = row[i];
    if (row)
        qsort(row, (size_t)rows, sizeof *row, by_rate);
    for (int i = 0; row && i < rows;) {
        int k = i;
        while (k < rows && row[k].rate == row[i].rate)
            k++;
        ms_buf_printf(&text, "%s%g:%d", i ? " " : "", row[i].rate * 8e-9, k - i);
        i = k;
    }
    ms_map_fact(m, "NIC rates, Gb/s:NICs: %s", text.p ? text.p : "none");
    for (size_t h = 0; hosts && h < m->nodes.n; h++)
        if (hosts[h].value[0])
            hosts[n_hosts++] = hosts[h];
    if (hosts)
        say_counts(m, "NICs a host (NICs:hosts)", "%d%.0d:%d", hosts, n_hosts);
    ms_buf_finish(&text);
    free(row);
    free(hosts);
    return row && hosts;
}

struct named {
    const char *name;
    int number;
};

static int by_natural(const void *a, const void *b)
{
    return ms_natural_cmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* The rail of a NIC: its name's place among all names. Leaves that hold one name only make
 * rails. */
static bool find_rails(struct ms_map *m)
{
    struct ms_strings names = {0};
    int *most = calloc((size_t)m->n_switches + 1, sizeof *most), *rail = NULL;
    for (int i = 0; i < m->n_nics; i++)
        if (m->nic[i].node >= 0)
            ms_strings_add(&names, m->nic[i].name);
    struct named *row = calloc(names.n + 1, sizeof *row);
    int *place = calloc(names.n + 1, sizeof *place);
    size_t R = names.n;
    int *count = calloc((size_t)m->n_switches * (R + 1) + 1, sizeof *count);
    rail = MS_NEW(&m->arena, int, (size_t)m->n_nics + 1);
    bool good = most && row && place && count && rail && !names.failed;
    for (size_t k = 0; good && k < R; k++)
        row[k] = (struct named){names.text[k], (int)k};
    if (good)
        qsort(row, R, sizeof *row, by_natural);
    for (size_t k = 0; good && k < R; k++)
        place[row[k].number] = (int)k;
    for (int i = 0; good && i < m->n_nics; i++)
        rail[i] = m->nic[i].node < 0 ? 0 : place[ms_strings_find(&names, m->nic[i].name)];
    for (int c = 0; good && c < m->n_cables; c++) {
        int a = m->cable[c].a, b = m->cable[c].b, nic = a < 0 ? ~a : ~b, sw = a < 0 ? b : a;
        if ((a < 0) != (b < 0) && m->nic[nic].node >= 0)
            count[(size_t)sw * R + (size_t)rail[nic]]++;
    }
    int leaves = 0, pure = 0, crossed = 0;
    for (int s = 0; good && s < m->n_switches; s++) {
        int kinds = 0;
        for (size_t k = 0; k < R; k++) {
            kinds += count[(size_t)s * R + k] > 0;
            if (count[(size_t)s * R + k] > count[(size_t)s * R + (size_t)most[s]])
                most[s] = (int)k;
        }
        leaves += kinds > 0;
        pure += kinds == 1;
    }
    if (good && R > 1 && leaves && pure * 10 >= leaves * 7) {
        struct ms_buf text = {0};
        for (size_t k = 0; k < R; k++)
            ms_buf_printf(&text, "%s%s", k ? " " : "", row[k].name);
        ms_map_fact(m, "rails: %zu (%s); %d of %d leaves with one rail only", R, text.p, pure,
                    leaves);
        ms_buf_finish(&text);
        m->rail_of_nic = rail;
        for (int c = 0; c < m->n_cables; c++) {
            int a = m->cable[c].a, b = m->cable[c].b, nic = a < 0 ? ~a : ~b, sw = a < 0 ? b : a;
            if ((a < 0) == (b < 0) || m->nic[nic].node < 0 || most[sw] == rail[nic])
                continue;
            if (crossed++ < 8)
                ms_map_note(m, "'%s' has %s on the leaf of rail %s ('%s')",
                            m->nodes.text[m->nic[nic].node], m->nic[nic].name, row[most[sw]].name,
                            m->sw[sw].name);
        }
    }
    ms_strings_finish(&names);
    free(most);
    free(row);
    free(place);
    free(count);
    return good;
}

double ms_levels_bisection(const struct ms_map *m, int *n_gpus)
{
    size_t n_nodes = m->nodes.n;
    struct named *node = calloc(n_nodes + 1, sizeof *node);
    int *half = calloc(n_nodes + 1, sizeof *half), n = 0;
    int S = m->n_switches + m->n_nics, T = S + 1;
    struct ms_max_flow f;
    *n_gpus = 0;
    for (int g = 0; half && g < m->n_gpus; g++)
        half[m->gpu[g].node] = 1;
    for (size_t i = 0; node && half && i < n_nodes; i++)
        if (half[i])
            node[n++] = (struct named){m->nodes.text[i], (int)i};
    if (!node || !half || n < 2) {
        free(node);
        free(half);
        return -1;
    }
    qsort(node, (size_t)n, sizeof *node, by_natural);
    for (int i = n / 2; i < n; i++)
        half[node[i].number] = 2;
    ms_max_flow_init(&f, S + 2);
    for (int c = 0; c < m->n_cables; c++) {
        const struct ms_map_cable *k = &m->cable[c];
        int a = k->a < 0 ? m->n_switches + ~k->a : k->a,
            b = k->b < 0 ? m->n_switches + ~k->b : k->b;
        ms_max_flow_edge(&f, a, b, k->rate_Bps);
        ms_max_flow_edge(&f, b, a, k->rate_Bps);
    }
    for (int g = 0; g < m->n_gpus; g++)
        *n_gpus += half[m->gpu[g].node] == 1;
    for (int i = 0; i < m->n_nic_of_gpu; i++) {
        int nic = m->nic_of_gpu[i], v = m->n_switches + nic;
        bool first = half[m->nic[nic].node] == 1;
        ms_max_flow_edge(&f, first ? S : v, first ? v : T, INFINITY);
    }
    double flow = ms_max_flow_solve(&f, S, T);
    bool failed = f.failed;
    ms_max_flow_finish(&f);
    free(node);
    free(half);
    return failed || !isfinite(flow) ? -1 : flow;
}

static void say_bisection(struct ms_map *m, const struct ms_levels *l)
{
    int gpus;
    double flow = ms_levels_bisection(m, &gpus);
    if (l->n_pieces > 1 && l->planes == 1)
        ms_map_note(m,
                    "%d pieces of the fabric do not meet: GPUs on different ones cannot reach "
                    "each other",
                    l->n_pieces);
    ms_map_fact(m, "planes: %d (pieces of the fabric: %d)", l->planes, l->n_pieces);
    if (flow >= 0)
        ms_map_fact(m,
                    "bisection: %g Gb/s, %.4g Gb/s a GPU (first half of the hosts in order of "
                    "name to the other, over the cables themselves)",
                    flow * 8e-9, flow * 8e-9 / gpus);
}

/* Hosts unlike most: management, storage, default names. */
static bool note_odd_hosts(struct ms_map *m)
{
    int *nics = calloc(m->nodes.n + 1, sizeof *nics), best = 0, most = 0, odd = 0;
    struct ms_buf text = {0};
    for (int i = 0; nics && i < m->n_nics; i++)
        if (m->nic[i].node >= 0)
            nics[m->nic[i].node]++;
    for (size_t h = 0; nics && h < m->nodes.n; h++) {
        int same = 0;
        for (size_t k = 0; k < m->nodes.n && m->nodes.n <= 20000; k++)
            same += nics[k] == nics[h];
        if (same > best)
            best = same, most = nics[h];
    }
    for (size_t h = 0; nics && h < m->nodes.n; h++)
        if (nics[h] && nics[h] != most && odd++ < 20)
            ms_buf_printf(&text, "%s%s (%d)", text.n ? ", " : "", m->nodes.text[h], nics[h]);
    if (odd)
        ms_map_note(m,
                    "%d hosts have another number of NICs than most (%d): %s%s; --exclude REGEX "
                    "leaves hosts out",
                    odd, most, text.p, odd > 20 ? " …" : "");
    ms_buf_finish(&text);
    for (size_t h = 0; nics && h < m->nodes.n; h++)
        if (nics[h] && (!strcmp(m->nodes.text[h], "localhost") ||
                        !strcmp(m->nodes.text[h], "ubuntu") || !strcmp(m->nodes.text[h], "host")))
            ms_map_note(m, "host '%s' carries a default name: several machines may",
                        m->nodes.text[h]);
    free(nics);
    return nics != NULL;
}

void ms_levels_describe(struct ms_map *m, const struct ms_levels *l)
{
    say_levels(m, l);
    if (!say_nics(m) || !say_uplinks(m, l) || !say_parallel(m) || !find_rails(m) ||
        !note_odd_hosts(m))
        m->failed = true;
    say_bisection(m, l);
}
