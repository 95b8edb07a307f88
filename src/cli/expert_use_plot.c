/* The picture of a profile: load against the mean by layer and expert, and over the steps of a
 * trace. Drawn by gnuplot, run as a program; where it is missing there is no picture and a note
 * says so. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/expert_use.h"
#include "report/plot.h"

static void add_heat(const struct ms_expert_use *p, struct ms_buf *b)
{
    char number[32];
    ms_buf_adds(b, "$heat << EOD\n");
    for (int l = 0; l < p->n_layers; l++) {
        const double *c = p->all.counts + (size_t)l * (size_t)p->n_experts;
        double sum = 0;
        for (int e = 0; e < p->n_experts; e++)
            sum += c[e];
        for (int e = 0; e < p->n_experts; e++)
            ms_buf_printf(b, "%s ", ms_number(sum > 0 ? c[e] * p->n_experts / sum : 0, number));
        ms_buf_adds(b, "\n");
    }
    ms_buf_adds(b, "EOD\n");
}

static void add_steps(const struct ms_expert_use *p, struct ms_buf *b)
{
    char number[32];
    ms_buf_adds(b, "$steps << EOD\n");
    for (int s = 0; s < p->n_steps; s++)
        ms_buf_printf(b, "%d %s\n", s, ms_number(p->steps[s].max_over_mean, number));
    ms_buf_adds(b, "EOD\n");
}

static void add_tics(const struct ms_expert_use *p, struct ms_buf *b)
{
    ms_buf_adds(b, "set ytics (");
    for (int l = 0; l < p->n_layers; l++)
        ms_buf_printf(b, "%s'%d' %d", l ? ", " : "", p->layer_id[l], l);
    ms_buf_adds(b, ")\n");
}

static void add_script(const struct ms_expert_use *p, const char *terminal, struct ms_buf *b)
{
    bool steps = p->n_steps > 0;
    int height = (steps ? 640 : 340) + 14 * (p->n_layers > 8 ? p->n_layers - 8 : 0);
    ms_buf_printf(b, "set terminal %s size 900,%d\n", terminal, height);
    add_heat(p, b);
    if (steps) {
        add_steps(p, b);
        ms_buf_adds(b, "set multiplot layout 2,1\n");
    }
    ms_buf_adds(
        b,
        "set title 'load of each expert / mean of its layer (the darkest is the most loaded)'\nset "
        "xlabel 'expert'\nset "
        "ylabel 'layer'\n"
        "set palette defined (0 '#f7fbff', 1 '#6baed6', 2 '#fdae61', 4 '#a50026')\nset "
        "cbrange [0:*]\n"
        "unset key\nset yrange [*:*] reverse\n");
    add_tics(p, b);
    ms_buf_printf(b, "set xrange [-0.5:%d.5]\nplot $heat matrix with image\n", p->n_experts - 1);
    if (steps)
        ms_buf_adds(
            b,
            "set title 'max/mean over the steps, mean of the layers'\nset xlabel 'step'\nset "
            "ylabel 'max/mean'\n"
            "set xrange [*:*]\nset yrange [1:*] noreverse\nset ytics auto\n"
            "plot $steps using 1:2 with lines linewidth 2 linecolor '#0072b2'\nunset multiplot\n");
}

enum ms_status ms_use_plot(const struct ms_expert_use *p, const char *dir, struct ms_err *err)
{
    static const char *const kinds[][2] = {{"svg enhanced background 'white'", "profile.svg"},
                                           {"pngcairo noenhanced", "profile.png"}};
    enum ms_status s = MS_OK;
    for (int i = 0; s == MS_OK && i < 2; i++) {
        struct ms_buf script = {0};
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", dir, kinds[i][1]);
        add_script(p, kinds[i][0], &script);
        s = script.failed ? ms_err_set(err, MS_NOMEM, "out of memory for the picture")
                          : ms_plot_draw(path, &script, err);
        ms_buf_finish(&script);
    }
    return s;
}
