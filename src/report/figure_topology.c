/* The links of a case drawn on its topology, by how busy they are. Decides which platform file is the
 * record's: one with the hash it was simulated with, or none. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shipped.h"
#include "cluster/svg.h"
#include "report/figure_parts.h"

struct use {
    const json_t *of; /* name -> utilisation */
    const struct ms_platform *p;
    double active_s; /* while bytes moved; 0: not known */
};

static double rate_of(const struct ms_platform *p, const char *link)
{
    for (int l = 0; l < p->n_links; l++)
        if (strcmp(p->link[l].name, link) == 0)
            return p->link[l].bandwidth_Bps;
    return 0;
}

/* The record has the bytes of its busiest links, and what of their rate that was: the time follows. */
static double active_of(const struct ms_platform *p, const json_t *record)
{
    const json_t *busiest = json_array_get(json_object_get(record, "links"), 0);
    const char *name = json_string_value(json_object_get(busiest, "name"));
    double u = json_number_value(json_object_get(busiest, "utilisation"));
    double rate_Bps = name ? rate_of(p, name) : 0;
    return u > 0 && rate_Bps > 0
               ? json_number_value(json_object_get(busiest, "bytes")) / (u * rate_Bps)
               : 0;
}

static bool use_of(void *ctx, const char *link, double *utilisation, char *words, size_t size)
{
    const struct use *u = ctx;
    const json_t *v = json_object_get(u->of, link);
    *utilisation = json_is_number(v) ? json_number_value(v) : 0;
    double bytes = *utilisation * u->active_s * rate_of(u->p, link);
    int n = snprintf(words, size, "%s: %.1f %%", link, 100 * *utilisation);
    char amount[32];
    if (bytes > 0 && n > 0 && (size_t)n < size)
        snprintf(words + n, size - (size_t)n, ", %s", ms_figure_bytes(bytes, amount));
    return v != NULL;
}

static double most_of(const json_t *of)
{
    const char *name;
    json_t *v;
    double most = 0;
    json_object_foreach((json_t *)of, name, v) most =
        json_number_value(v) > most ? json_number_value(v) : most;
    return most;
}

/* True: read, and it is the one with that hash. */
static bool read_same(const char *path, const char *hash, struct ms_platform *out)
{
    struct ms_errs errs = {0};
    bool same = access(path, R_OK) == 0 && ms_platform_read(path, out, &errs) == MS_OK &&
                strcmp(out->hash.hex, hash) == 0;
    if (!same)
        ms_platform_finish(out);
    ms_errs_finish(&errs);
    return same;
}

/* Of the files given, then platforms/NAME.xml here and among the shipped ones. */
static bool find_platform(const struct ms_result *r, const char *const *paths, size_t n,
                          struct ms_platform *out)
{
    char name[300], path[4096];
    const char *hash = ms_result_text(r, "platform_hash", "");
    for (size_t i = 0; i < n; i++)
        if (read_same(paths[i], hash, out))
            return true;
    snprintf(name, sizeof name, "platforms/%s.xml", ms_result_text(r, "platform.name", ""));
    return !strchr(name + strlen("platforms/"), '/') &&
           (read_same(name, hash, out) ||
            read_same(ms_shipped(name, path, sizeof path), hash, out));
}

/* The most that a row's links are used. */
static double most_of_row(const struct ms_compare_row *r)
{
    json_t *record = ms_result_json(r->r);
    double most = most_of(json_object_get(record, "link_utilisation"));
    json_decref(record);
    return most;
}

static bool same_platform(const struct ms_result *a, const struct ms_result *b)
{
    const char *hash = ms_result_text(a, "platform_hash", "");
    return *hash && strcmp(hash, ms_result_text(b, "platform_hash", "")) == 0;
}

enum ms_status ms_figure_topology(struct ms_buf *b, const struct ms_compare_row *r,
                                  const struct ms_compare_row *beside, const char *const *platforms,
                                  size_t n)
{
    struct ms_platform p = {0};
    struct ms_platform_cost cost;
    struct ms_buf picture = {0};
    if (beside && !same_platform(r->r, beside->r))
        return MS_OK;
    json_t *record = ms_result_json(r->r);
    if (!record)
        return MS_NOMEM;
    struct use use = {.of = json_object_get(record, "link_utilisation"), .p = &p};
    struct ms_svg_heat heat = {&use, use_of, beside ? most_of_row(beside) : most_of(use.of)};
    bool found = heat.most > 0 && find_platform(r->r, platforms, n, &p);
    use.active_s = found ? active_of(&p, record) : 0;
    bool drawn = found && ms_platform_cost(&p, &cost, NULL) == MS_OK &&
                 ms_svg_platform(&p, &cost, &heat, &picture, NULL) == MS_OK;
    if (drawn) {
        ms_buf_adds(b, "<figure class=\"map\" role=\"img\" aria-label=\"Links by utilisation, "
                       "drawn on the topology\">");
        ms_buf_adds(b, "<div class=\"draw\">");
        ms_buf_add(b, picture.p, picture.n);
        ms_buf_adds(b, "</div><figcaption>How busy the links of ");
        ms_html_text(b, r->label);
        ms_buf_adds(b, beside ? " are, the fastest here, on the same scale"
                              : " are, the slowest here, over all exchanges");
        ms_buf_adds(b, ": the colour is the busier direction's; NVLink is not "
                       "drawn.</figcaption></figure>\n");
    }
    ms_buf_finish(&picture);
    ms_platform_finish(&p);
    json_decref(record);
    return b->failed ? MS_NOMEM : MS_OK;
}
