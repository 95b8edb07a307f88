/* The picture of a fidelity run: every row a point, measured against simulated, the diagonal in
 * between; a colour a family. */
#include <math.h>
#include <string.h>

#include "report/fidelity_print.h"
#include "report/plot_parts.h"

enum { WIDTH_PX = 900, HEIGHT_PX = 720 };

static void add_points(const struct ms_fidelity *f, struct ms_buf *b)
{
    for (size_t k = 0; k < f->n_families; k++) {
        ms_buf_printf(b, "$family%zu << EOD\n", k);
        for (size_t i = 0; i < f->n; i++)
            if (!f->row[i].skipped && strcmp(f->row[i].row->family, f->family[k].family) == 0)
                ms_buf_printf(b, "%.6g %.6g\n", f->row[i].row->value_us, f->row[i].simulated_us);
        ms_buf_adds(b, "EOD\n");
    }
}

static enum ms_status script(const void *ctx, const char *output, enum ms_picture kind,
                             struct ms_buf *b, struct ms_err *err)
{
    const struct ms_fidelity *f = ctx;
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < f->n; i++)
        if (!f->row[i].skipped) {
            low = fmin(low, fmin(f->row[i].row->value_us, f->row[i].simulated_us));
            high = fmax(high, fmax(f->row[i].row->value_us, f->row[i].simulated_us));
        }
    if (!(high > 0))
        return ms_err_set(err, MS_USAGE, "--plot: no row was simulated");
    ms_plot_head(b, kind, WIDTH_PX, HEIGHT_PX, output);
    add_points(f, b);
    ms_buf_printf(b,
                  "set logscale xy\nset xrange [%.6g:%.6g]\nset yrange [%.6g:%.6g]\n"
                  "set xlabel 'measured, microseconds'\nset ylabel 'simulated, microseconds'\n"
                  "set key outside right top reverse Left\nset size ratio 1\n"
                  "set grid lc rgb '#dddddd' lt 1\n",
                  low / 1.3, high * 1.3, low / 1.3, high * 1.3);
    ms_buf_adds(b, "plot x with lines lc rgb '#444444' lw 1 title 'equal', "
                   "x * 1.1 with lines lc rgb '#aaaaaa' dt 2 title '10 %% off', "
                   "x / 1.1 with lines lc rgb '#aaaaaa' dt 2 notitle");
    for (size_t k = 0; k < f->n_families; k++) {
        ms_buf_printf(b, ", $family%zu using 1:2 with points pt %d ps 0.45 lc rgb '%s' title ", k,
                      k < 12 ? 7 : 4, ms_plot_colour(k + 1));
        ms_plot_quoted(b, f->family[k].family);
    }
    ms_buf_adds(b, "\nset output\n");
    return b->failed ? ms_err_set(err, MS_NOMEM, "out of memory for the picture") : MS_OK;
}

enum ms_status ms_fidelity_plot(const struct ms_fidelity *f, const char *path, struct ms_err *err)
{
    return ms_plot_to(path, script, f, err);
}
