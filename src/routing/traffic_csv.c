/* Decides how traffic is written as CSV: byte matrices that the matrix reader takes back, counts
 * that the trace reader does. */
#include "routing/traffic_csv.h"

#include "base/json.h"

void ms_traffic_csv_header(struct ms_buf *out, int n_ranks, bool labelled)
{
    ms_buf_adds(out, labelled ? "step,layer,group,source" : "source");
    for (int r = 0; r < n_ranks; r++)
        ms_buf_printf(out, ",%d", r);
    ms_buf_adds(out, "\n");
}

void ms_traffic_csv_rows(struct ms_buf *out, const struct ms_traffic *t, bool per_rank,
                         double bytes_per_copy, const struct ms_traffic_label *label)
{
    char number[32];
    for (int s = 0; s < t->n_ranks; s++) {
        if (label)
            ms_buf_printf(out, "%d,%d,%d,", label->step, label->layer, label->group);
        ms_buf_printf(out, "%d", s);
        const struct ms_traffic_row *row = &t->row[s];
        const double *copies = per_rank ? row->copies : row->selections;
        for (int r = 0, at = 0; r < t->n_ranks; r++) {
            bool some = at < row->n && row->rank[at] == (uint32_t)r;
            double bytes = some && s != r ? copies[at] * bytes_per_copy : 0;
            at += some;
            ms_buf_adds(out, ",");
            ms_buf_adds(out, ms_number(bytes, number));
        }
        ms_buf_adds(out, "\n");
    }
}

void ms_traffic_counts_header(struct ms_buf *out, bool groups)
{
    ms_buf_adds(out, groups ? "iter,group,layer_id,expert_id,count\n"
                            : "iter,layer_id,expert_id,count\n");
}

void ms_traffic_counts_rows(struct ms_buf *out, const struct ms_traffic *t,
                            struct ms_traffic_label label, bool groups)
{
    char number[32];
    for (int e = 0; e < t->n_experts; e++) {
        ms_buf_printf(out, "%d,", label.step);
        if (groups)
            ms_buf_printf(out, "%d,", label.group);
        ms_buf_printf(out, "%d,%d,%s\n", label.layer, e, ms_number(t->expert_tokens[e], number));
    }
}
