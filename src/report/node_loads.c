/* Decides how uneven nodes are, from the loads of ranks that a record keeps. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "report/compare.h"
#include "report/node_loads.h"

double ms_result_node_max(const struct ms_result *r)
{
    json_t *record = ms_result_json(r), *v;
    const json_t *rank = json_object_get(json_object_get(record, "loads"), "rank");
    double hosts = ms_result_number(r, "platform.hosts"),
           nodes = ms_result_number(r, "platform.nodes");
    size_t n = json_array_size(rank), i;
    size_t width = nodes > 1 && hosts > 0 ? (size_t)(hosts / nodes) : 0;
    double sum = 0, all = 0, most = 0;
    json_array_foreach((json_t *)rank, i, v)
    {
        sum = width > 0 && i % width == 0 ? 0 : sum;
        sum += json_number_value(v);
        all += json_number_value(v);
        most = fmax(most, sum);
    }
    json_decref(record);
    return width > 0 && n > width && n % width == 0 && all > 0
               ? most / (all * (double)width / (double)n)
               : NAN;
}
