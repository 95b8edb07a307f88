/* Who was busy: selections by layer and expert, and by rank, over their means. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sweep/record_parts.h"

enum { MOST_NUMBERS = 4096 };

/* Over the mean, to three digits: a picture needs no more, and a record stays small. */
static void add_row(struct ms_json *j, const char *key, const double *v, int n)
{
    double sum = 0;
    char text[32];
    for (int i = 0; i < n; i++)
        sum += v[i];
    ms_json_array(j, key);
    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%.3g", sum > 0 ? v[i] * n / sum : 0);
        ms_json_number(j, NULL, strtod(text, NULL));
    }
    ms_json_end_array(j);
}

void ms_record_add_loads(struct ms_json *j, const struct ms_record_input *in)
{
    const struct ms_record_sums *s = in->sums;
    if (!s)
        return;
    ms_json_object(j, "loads");
    if ((long)s->n_layers * s->n_experts <= MOST_NUMBERS) {
        ms_json_array(j, "expert");
        for (int l = 0; l < s->n_layers; l++)
            add_row(j, NULL, s->expert + (size_t)l * (size_t)s->n_experts, s->n_experts);
        ms_json_end_array(j);
    }
    if (s->n_ranks <= MOST_NUMBERS)
        add_row(j, "rank", s->rank, s->n_ranks);
    if (s->rank_by_layer) {
        ms_json_array(j, "rank_by_layer");
        for (int l = 0; l < s->n_layers; l++)
            add_row(j, NULL, s->rank_by_layer + ms_cell(l, s->n_ranks, 0), s->n_ranks);
        ms_json_end_array(j);
        ms_json_number(j, "slots_bound", s->slots_bound);
    }
    ms_json_end_object(j);
}
