#include "base/json.h"
#include "sweep/record.h"

static void add_cell(struct ms_buf *out, double seconds)
{
    char number[32];
    ms_buf_printf(out, ",%s", ms_number(seconds * 1e6, number));
}

static void add_exchange_rows(const struct ms_sim_output *o, int repeat, int run, int step,
                              int layer, int group, struct ms_buf *out)
{
    size_t at =
        (((size_t)run * (size_t)o->n_steps + (size_t)step) * (size_t)o->n_layers + (size_t)layer) *
            (size_t)o->n_groups +
        (size_t)group;
    ms_buf_printf(out, "%d,%d,%d,%d,all", repeat, step, layer, group);
    add_cell(out, o->dispatch_s[at]);
    add_cell(out, o->combine_s[at]);
    add_cell(out, o->dispatch_s[at] + o->combine_s[at]);
    add_cell(out, o->entry_skew_s[at]);
    add_cell(out, o->layer_s[at]);
    ms_buf_adds(out, "\n");
    for (int r = 0; r < o->n_ranks; r++) {
        size_t k = at * (size_t)o->n_ranks + (size_t)r;
        ms_buf_printf(out, "%d,%d,%d,%d,%d", repeat, step, layer, group, r);
        add_cell(out, o->rank_dispatch_s[k]);
        add_cell(out, o->rank_combine_s[k]);
        add_cell(out, o->rank_dispatch_s[k] + o->rank_combine_s[k]);
        ms_buf_adds(out, ",,\n");
    }
}

void ms_record_samples_csv(const struct ms_record_input *in, struct ms_buf *out)
{
    const struct ms_sim_output *o = in->out;
    ms_buf_adds(
        out,
        "repeat,step,layer,group,rank,dispatch_us,combine_us,exchange_us,entry_skew_us,layer_us\n");
    for (int r = 0; r < in->s->repeats; r++)
        for (int p = 0; p < o->n_steps; p++)
            for (int l = 0; l < o->n_layers; l++)
                for (int g = 0; g < o->n_groups; g++)
                    add_exchange_rows(o, r, in->repeat_run[r], p, l, g, out);
}
