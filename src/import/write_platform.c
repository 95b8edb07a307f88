/* A map and its levels as XML. SimGrid takes the way of fewest links, so links without a limit
 * pad the ways that must not win: NVLink must be shorter than any way over the fabric between
 * GPUs of its domain, and longer than the fabric between any two leaves, lest a route pass
 * through a third GPU. Where every domain hangs on one leaf, a zone a leaf needs no padding and
 * loads faster. */
#include "import/write_platform.h"

#include <stdlib.h>

#include "import/platform_writer.h"

enum ms_status ms_import_write(const struct ms_map *m, const struct ms_levels *l,
                               const struct ms_import_options *o, const char *command,
                               struct ms_buf *out, struct ms_err *err)
{
    struct ms_writer w = {.m = m, .l = l, .o = o, .out = out};
    bool good = ms_write_order(&w) && ms_write_index(&w) && ms_write_measure(&w);
    if (good && w.zones)
        ms_write_zones(&w, command);
    else if (good)
        ms_write_flat(&w, command);
    ms_buf_adds(out, "  </zone>\n</platform>\n");
    free(w.order);
    free(w.number);
    free(w.first);
    free(w.way);
    free(w.port_of_gpu);
    return good && !out->failed ? MS_OK : ms_err_set(err, MS_NOMEM, "no memory");
}
