/* The demo's own picture: how unevenly each layer's experts are used, without and with a balancing
 * loss. */
#include "cli/demo.h"
#include "report/plot_parts.h"

struct drawing {
    int n_layers;
    const double *const *gini;
};

static enum ms_status write_script(const void *ctx, const char *output, enum ms_picture kind,
                                   struct ms_buf *b, struct ms_err *err)
{
    static const char *const titles[MS_DEMO_MODELS] = {"no balancing loss", "switch loss 0.02"};
    const struct drawing *d = ctx;
    ms_plot_head(b, kind, 760, 360, output);
    ms_buf_adds(b, "$gini << EOD\n");
    for (int l = 0; l < d->n_layers; l++)
        ms_buf_printf(b, "%d %.9g %.9g\n", l, d->gini[0][l], d->gini[1][l]);
    ms_buf_adds(
        b, "EOD\nset yrange [0:1]\nset xlabel 'MoE layer'\nset ylabel 'Gini of the expert "
           "loads'\nset grid ytics lc rgb '#dddddd' lt "
           "1\nset style data histograms\nset style histogram clustered gap 1\nset style "
           "fill solid 0.9\nset boxwidth 0.9\nset key outside top left horizontal Left reverse\n"
           "plot ");
    for (int m = 0; m < MS_DEMO_MODELS; m++) {
        ms_buf_printf(b, "%s$gini using %d:xtic(1) lc rgb '%s' title ", m ? ", " : "", m + 2,
                      ms_plot_colour((size_t)(m == 0 ? 2 : 1)));
        ms_plot_quoted(b, titles[m]);
    }
    ms_buf_adds(b, "\nset output\n");
    return b->failed ? ms_err_set(err, MS_NOMEM, "out of memory for the picture") : MS_OK;
}

enum ms_status ms_demo_plot(const char *dir, int n_layers, const double *const *gini,
                            struct ms_err *err)
{
    static const char *const endings[] = {"svg", "png"};
    struct drawing d = {n_layers, gini};
    enum ms_status s = MS_OK;
    for (int i = 0; s == MS_OK && i < 2; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/imbalance_metrics.%s", dir, endings[i]);
        s = ms_plot_to(path, write_script, &d, err);
    }
    return s;
}
