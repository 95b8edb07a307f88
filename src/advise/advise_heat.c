/* What ranks and links have to do before and after a plan, as a map of signs: a row a node, the layer in
 * which the fullest rank is fullest; and the busiest links. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "advise/advise.h"

enum { WIDEST = 32, LINKS_TOLD = 3 };

static const struct {
    double below;
    char sign;
} scale[] = {{0.25, '.'}, {0.75, ':'}, {0.95, '-'}, {1.05, '='},    {1.25, '+'},
             {1.5, '*'},  {2, 'o'},    {3, '#'},    {INFINITY, '@'}};

static char sign_of(double load)
{
    int i = 0;
    while (!(load < scale[i].below))
        i++;
    return scale[i].sign;
}

static const json_t *loads_of(const struct ms_advice *p)
{
    return json_object_get(json_object_get(p->trial.record, "loads"), "rank_by_layer");
}

static size_t fullest_layer(const json_t *layers)
{
    const json_t *layer, *v;
    size_t l, r, best = 0;
    double most = 0;
    json_array_foreach((json_t *)layers, l, layer) json_array_foreach((json_t *)layer, r, v)
    {
        if (json_number_value(v) > most) {
            most = json_number_value(v);
            best = l;
        }
    }
    return best;
}

static void row(const json_t *ranks, size_t first, size_t n, FILE *out)
{
    for (size_t i = first; i < first + n; i++)
        fputc(i < json_array_size(ranks) ? sign_of(json_number_value(json_array_get(ranks, i)))
                                         : ' ',
              out);
}

/* The busiest links, busiest first, of a record. */
static void busiest(const struct ms_advice *p, FILE *out)
{
    const json_t *links = json_object_get(p->trial.record, "links"), *one;
    size_t i;
    json_array_foreach((json_t *)links, i, one)
    {
        if (i == LINKS_TOLD)
            break;
        fprintf(out, "%s%s %.0f %%", i ? ", " : "", json_string_value(json_object_get(one, "name")),
                100 * json_number_value(json_object_get(one, "utilisation")));
    }
}

void ms_advise_heat_text(const struct ms_advised *a, const struct ms_advice *p, FILE *out)
{
    const json_t *before = loads_of(a->base), *after = loads_of(p);
    size_t layer = fullest_layer(before);
    const json_t *x = json_array_get(before, layer), *y = json_array_get(after, layer);
    size_t n = json_array_size(x);
    int hosts = (int)ms_trial_number(&a->base->trial, "platform.hosts");
    int nodes = (int)ms_trial_number(&a->base->trial, "platform.nodes");
    size_t width = nodes > 1 ? (size_t)(hosts / nodes) : 8;
    width = width < 1 ? 1 : width > WIDEST ? WIDEST : width;
    bool placed = ms_advise_changes(p, "placement") && json_array_size(y) == n;
    if (placed)
        fprintf(
            out,
            "Ranks' loads over their mean in layer %zu, now and then "
            "(. < 0.25, : < 0.75, - < 0.95, = < 1.05, + < 1.25, * < 1.5, o < 2, # < 3, @ more):\n",
            layer);
    for (size_t r = 0; placed && r < n; r += width) {
        fprintf(out, "  rank %4zu  ", r);
        row(x, r, width, out);
        fputs("  ", out);
        row(y, r, width, out);
        fputc('\n', out);
    }
    fputs("Busiest links: now ", out);
    busiest(a->base, out);
    fputs("; then ", out);
    busiest(p, out);
    fputs(".\n", out);
}

static void part(struct ms_json *j, const char *key, const struct ms_advice *p)
{
    char *ranks = json_dumps(loads_of(p), JSON_COMPACT | JSON_REAL_PRECISION(4));
    char *links = json_dumps(json_object_get(p->trial.record, "link_utilisation"),
                             JSON_COMPACT | JSON_REAL_PRECISION(4));
    ms_json_object(j, key);
    ms_json_raw(j, "rank_by_layer", ranks ? ranks : "null");
    ms_json_raw(j, "link_utilisation", links ? links : "null");
    ms_json_end_object(j);
    free(ranks);
    free(links);
}

void ms_advise_heat_json(const struct ms_advised *a, const struct ms_advice *p, struct ms_json *j)
{
    ms_json_object(j, "heat");
    part(j, "before", a->base);
    part(j, "after", p);
    ms_json_end_object(j);
}
