/* What a record says of bytes: how far they went, and how busy the links were that carried
 * them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "sweep/record_parts.h"

enum { N_BUSIEST = 10, MOST_LINKS = 1024 };

static double over_repeats(const struct ms_record_input *in, const double *per_run)
{
    double sum = 0;
    for (int r = 0; r < in->s->repeats; r++)
        sum += per_run[in->repeat_run[r]];
    return sum;
}

void ms_record_add_bytes(struct ms_json *j, const struct ms_record_input *in)
{
    ms_json_object(j, "bytes");
    ms_json_number(j, "network", over_repeats(in, in->out->bytes_network));
    ms_json_number(j, "intra_node", over_repeats(in, in->out->bytes_intra_node));
    ms_json_number(j, "local", over_repeats(in, in->out->bytes_local));
    ms_json_end_object(j);
}

struct busy {
    const char *name;
    double bytes, utilisation;
};

/* On a FATPIPE link every flow has all of the bandwidth: bytes / bandwidth says nothing about it. The
 * others into b. @return their number */
static size_t list_shared(const struct ms_record_input *in, struct busy *b)
{
    const struct ms_sim_output *o = in->out;
    size_t L = (size_t)o->n_links, n = 0;
    double active = over_repeats(in, o->active_s);
    for (size_t l = 0; l < L; l++) {
        double bytes = 0, room = o->link_bandwidth[l] * active;
        if (!o->link_shared[l])
            continue;
        for (int r = 0; r < in->s->repeats; r++)
            bytes += o->link_bytes[(size_t)in->repeat_run[r] * L + l];
        b[n++] = (struct busy){o->link_name[l], bytes, room > 0 ? bytes / room : 0};
    }
    return n;
}

static int by_utilisation(const void *a, const void *b)
{
    const struct busy *x = a, *y = b;
    if (x->utilisation != y->utilisation)
        return x->utilisation > y->utilisation ? -1 : 1;
    return ms_natural_cmp(x->name, y->name);
}

/* Every link that carried something, to three digits: for the picture of the topology. */
static void add_all_links(struct ms_json *j, const struct busy *b, size_t n)
{
    char text[32];
    ms_json_object(j, "link_utilisation");
    for (size_t l = 0; l < n && l < MOST_LINKS && b[l].bytes > 0; l++) {
        snprintf(text, sizeof text, "%.3g", b[l].utilisation);
        ms_json_number(j, b[l].name, strtod(text, NULL));
    }
    ms_json_end_object(j);
}

enum ms_status ms_record_add_links(struct ms_json *j, const struct ms_record_input *in,
                                   struct ms_err *err)
{
    struct busy *b = malloc(((size_t)in->out->n_links + 1) * sizeof *b);
    if (!b)
        return ms_record_no_memory(err);
    size_t n = list_shared(in, b);
    qsort(b, n, sizeof *b, by_utilisation);
    ms_json_array(j, "links");
    for (size_t l = 0; l < n && l < N_BUSIEST && b[l].bytes > 0; l++) {
        ms_json_object(j, NULL);
        ms_json_string(j, "name", b[l].name);
        ms_json_number(j, "utilisation", b[l].utilisation);
        ms_json_number(j, "bytes", b[l].bytes);
        if (b[l].utilisation > 1 + 1e-6) /* of the rate it began with: a bandwidth_file raised it */
            ms_json_string(j, "flag", "more than its rate at the start could carry");
        ms_json_end_object(j);
    }
    ms_json_end_array(j);
    add_all_links(j, b, n);
    free(b);
    return MS_OK;
}
