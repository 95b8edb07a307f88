/* Which pairs are asked (all, or an even sample), and what in their routes is an error or worth a
 * warning. */
#include "sim/route_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/units.h"

enum { ALL_PAIRS_HOSTS = 256, SAMPLE = 16, RULED_SOURCES = 512, MAX_SAID = 5 };

/* All pairs, or for each source destinations at even distances that shift from source to source. */
static struct ms_route_pair *choose(const struct ms_platform *p, size_t *n)
{
    int h = p->n_hosts, each = h <= ALL_PAIRS_HOSTS ? h - 1 : SAMPLE;
    int every = p->rule && h > RULED_SOURCES ? h / RULED_SOURCES : 1; /* the rule says the others */
    struct ms_route_pair *pair = malloc(((size_t)h * (size_t)each + 1) * sizeof *pair);
    *n = 0;
    for (int a = 0; pair && a < h; a += every)
        for (int k = 0; k < each; k++) {
            int step = h <= ALL_PAIRS_HOSTS
                           ? k + 1
                           : 1 + (int)(((int64_t)k * (h - 1) + a * 7 % (h - 1)) / each) % (h - 1);
            if (ms_platform_joined(p, a, (a + step) % h))
                pair[(*n)++] = (struct ms_route_pair){a, (a + step) % h};
        }
    return pair;
}

static int compare_names(const void *key, const void *row)
{
    return ms_natural_cmp(key, ((const struct ms_route_link *)row)->name);
}

/* The number in the file of each of SimGrid's links; -1 where SimGrid made it. */
static int *numbers_in_file(const struct ms_platform *p, const struct ms_route_query *r)
{
    int *number = malloc(((size_t)r->n_links + 1) * sizeof *number);
    for (int i = 0; number && i < r->n_links; i++)
        number[i] = -1;
    for (int l = 0; number && l < p->n_links; l++) {
        const struct ms_route_link *k =
            bsearch(p->link[l].name, r->link, (size_t)r->n_links, sizeof *k, compare_names);
        if (k)
            number[k - r->link] = l;
    }
    return number;
}

/* A path SimGrid computed through a host is an accident and an error; one that the author wrote
 * is worth a word, where the file knows nodes: elsewhere links next to a host are often a wire that
 * several share. */
static void say_transit(const struct ms_platform *p, int a, int b, int h, const char *link,
                        struct ms_route_summary *sum, struct ms_errs *errs)
{
    static const char meant[] =
        "if that is meant, give the top zone <prop id=\"transit\" value=\"nvlink\"/>";
    if (!ms_platform_computes_routes(p, h)) {
        if (sum->n_transit - sum->n_accidents < 1 && p->n_nodes > 0)
            ms_errs_warn_at(errs, p->path, 0, 0, NULL,
                            "the route from '%s' to '%s' passes through a third host, '%s', over "
                            "its link '%s'; %s",
                            p->host_name[a], p->host_name[b], p->host_name[h], link, meant);
    } else if (sum->n_accidents++ < MAX_SAID) {
        ms_errs_add_at(
            errs, MS_INVALID, p->path, 0, 0, NULL,
            "the route from '%s' to '%s' passes through a third host, '%s', over its link '%s'; %s",
            p->host_name[a], p->host_name[b], p->host_name[h], link, meant);
    }
}

/* The third host that route i passes through: it arrives over one of its links and leaves over
 * another. A link next to a host that is only crossed belongs to all who use it. @return -1 none;
 * *link: the one it leaves by */
static int passes_through(const struct ms_platform *p, const struct ms_route_query *r,
                          const int *number, size_t i, const struct ms_route_pair *pair, int *link)
{
    int before = -1;
    for (int k = r->first[i]; k < r->first[i + 1]; k++) {
        int l = number[r->link_of[k]];
        if (!r->link[r->link_of[k]].shared)
            continue;
        int h =
            l >= 0 && before >= 0 ? ms_platform_passes(p, before, l, pair[i].src, pair[i].dst) : -1;
        *link = r->link_of[k];
        if (h >= 0)
            return h;
        before = l;
    }
    return -1;
}

static void check_pair(const struct ms_platform *p, const struct ms_route_query *r,
                       const int *number, const struct ms_route_pair *pair, size_t i,
                       struct ms_route_summary *sum, size_t *missing, struct ms_errs *errs)
{
    int a = pair[i].src, b = pair[i].dst, n = r->first[i + 1] - r->first[i];
    sum->longest = n > sum->longest ? n : sum->longest;
    if (n == 0 && (*missing)++ < MAX_SAID)
        ms_errs_add_at(errs, MS_INVALID, p->path, 0, 0, NULL,
                       "SimGrid has no route from '%s' to '%s'", p->host_name[a], p->host_name[b]);
    int link, h = passes_through(p, r, number, i, pair, &link);
    if (h >= 0 && p->transit == MS_TRANSIT_NONE)
        say_transit(p, a, b, h, r->link[link].name, sum, errs);
    sum->n_transit += h >= 0 && (p->n_nodes > 0 || ms_platform_computes_routes(p, h));
}

static int *count_routes(const struct ms_route_query *r)
{
    int *count = calloc((size_t)r->n_links + 1, sizeof *count);
    for (int i = 0; count && i < r->first[r->n_pairs]; i++)
        count[r->link_of[i]]++;
    return count;
}

/* Interchangeable links, as the file's graph shows them: see ms_platform_twins. */
static void check_twins(const struct ms_platform *p, const struct ms_route_query *r,
                        struct ms_route_summary *sum, struct ms_errs *errs)
{
    int *twin = malloc(((size_t)p->n_links + 1) * sizeof *twin), *count = count_routes(r);
    int *low = malloc(((size_t)p->n_links + 1) * sizeof *low),
        *high = malloc(((size_t)p->n_links + 1) * sizeof *high);
    if (twin && count && low && high && ms_platform_twins(p, twin) == MS_OK) {
        int *of = malloc(((size_t)p->n_links + 1) * sizeof *of);
        for (int l = 0; of && l < p->n_links; l++) {
            const struct ms_route_link *k =
                bsearch(p->link[l].name, r->link, (size_t)r->n_links, sizeof *k, compare_names);
            of[l] = k ? count[k - r->link] : 0;
            low[l] = high[l] = l;
            if (of[l] < of[low[twin[l]]])
                low[twin[l]] = l;
            if (of[l] > of[high[twin[l]]])
                high[twin[l]] = l;
        }
        for (int l = 0; of && l < p->n_links; l++) {
            if (twin[l] != l || of[high[l]] <= 1.5 * of[low[l]])
                continue;
            if (sum->n_uneven++ < MAX_SAID)
                ms_errs_warn_at(
                    errs, p->path, 0, 0, NULL,
                    "equal parallel links carry unequal numbers of routes: '%s' %d, '%s' %d: "
                    "SimGrid has one "
                    "route a pair, so the fabric loses bandwidth (platform generate --multipath)",
                    p->link[high[l]].name, of[high[l]], p->link[low[l]].name, of[low[l]]);
        }
        free(of);
    }
    free(twin);
    free(count);
    free(low);
    free(high);
}

static void summarise(const struct ms_platform *p, const struct ms_route_query *r,
                      struct ms_route_summary *s)
{
    struct ms_platform_cost cost;
    char rate[32];
    int least = s->longest;
    for (size_t i = 0; i < r->n_pairs; i++)
        least = r->first[i + 1] - r->first[i] < least ? r->first[i + 1] - r->first[i] : least;
    int n = snprintf(s->text, sizeof s->text, "%zu routes%s of %d to %d links", r->n_pairs,
                     s->sampled ? " (a sample)" : "", least, s->longest);
    if (s->n_transit)
        snprintf(s->text + n, sizeof s->text - (size_t)n, ", %zu over a third host's links",
                 s->n_transit);
    if (ms_platform_cost(p, &cost, NULL) == MS_OK && cost.bisection_per_gpu_Bps >= 0)
        snprintf(s->text + strlen(s->text), sizeof s->text - strlen(s->text),
                 ", bisection %s a GPU",
                 ms_units_show(cost.bisection_per_gpu_Bps, MS_UNIT_RATE, rate, sizeof rate));
}

static enum ms_status analyse(const struct ms_platform *p, const struct ms_route_query *r,
                              const struct ms_route_pair *pair, struct ms_route_summary *out,
                              struct ms_errs *errs)
{
    size_t missing = 0, before = errs->n;
    int *number = numbers_in_file(p, r);
    if (!number)
        return MS_NOMEM;
    for (size_t i = 0; i < r->n_pairs; i++)
        check_pair(p, r, number, pair, i, out, &missing, errs);
    free(number);
    if (missing > MAX_SAID)
        ms_errs_add_at(errs, MS_INVALID, p->path, 0, 0, NULL, "%zu pairs in all have no route",
                       missing);
    if (p->transit == MS_TRANSIT_NONE && out->n_accidents > MAX_SAID)
        ms_errs_add_at(errs, MS_INVALID, p->path, 0, 0, NULL,
                       "%zu of %zu routes in all pass through a third host", out->n_transit,
                       r->n_pairs);
    check_twins(p, r, out, errs);
    summarise(p, r, out);
    return errs->n > before ? MS_INVALID : MS_OK;
}

enum ms_status ms_route_check(const struct ms_platform *p, struct ms_route_summary *out,
                              struct ms_errs *errs)
{
    struct ms_err err = {0};
    struct ms_route_query r = {0};
    *out = (struct ms_route_summary){.sampled = p->n_hosts > ALL_PAIRS_HOSTS};
    if (p->n_hosts < 2) {
        snprintf(out->text, sizeof out->text, "no pair of hosts");
        return MS_OK;
    }
    struct ms_route_pair *pair = choose(p, &out->n_pairs);
    enum ms_status s = pair ? ms_route_query_ask(p, pair, out->n_pairs, &r, &err) : MS_NOMEM;
    if (s == MS_OK)
        s = analyse(p, &r, pair, out, errs);
    else
        ms_errs_add(errs, &err);
    free(pair);
    ms_route_query_finish(&r);
    return s;
}
