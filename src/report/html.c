/* Decides in which order report.html says things: the verdict and its notes, the conditions, tables and
 * figures by group, then why the tail is what it is. */
#include "report/html.h"

#include "report/causes.h"

#include "report/page_parts.h"

static enum ms_status add_group(struct ms_buf *b, const struct ms_comparison *c,
                                const struct ms_compare_group *g, const char *const *platforms,
                                size_t n_platforms)
{
    const struct ms_compare_row *slowest = ms_compare_end(g, true),
                                *fastest = ms_compare_end(g, false);
    enum ms_status s = MS_OK;
    ms_page_element(b, "h2", "", *g->title ? g->title : "All cases");
    ms_page_table(b, c, g);
    ms_buf_adds(b, "<div class=\"figures\">\n");
    if (c->is_series) {
        ms_figure_percentiles(b, c, g);
        ms_figure_tail(b, c, g);
        s = ms_figure_survival(b, c, g);
    }
    if (s == MS_OK)
        s = ms_figure_training(b, g);
    if (s == MS_OK)
        s = ms_figure_ranks(b, g);
    if (s == MS_OK && g->row[0].r->ok)
        s = ms_figure_experts(b, &g->row[0]);
    if (s == MS_OK && slowest)
        s = ms_figure_topology(b, slowest, NULL, platforms, n_platforms);
    if (s == MS_OK && slowest && fastest != slowest)
        s = ms_figure_topology(b, fastest, slowest, platforms, n_platforms);
    if (s == MS_OK && slowest)
        s = ms_figure_links(b, slowest);
    ms_buf_adds(b, "</div>\n");
    return s;
}

/* Why: causes and a timeline, or how to get them. */
static enum ms_status add_why(struct ms_buf *b, const struct ms_comparison *c,
                              const struct ms_page_sources *from, struct ms_err *err)
{
    struct ms_buf causes = {0};
    enum ms_status s = from->explained ? ms_file_read(from->explained, &causes, err) : MS_OK;
    const char *text = causes.p ? causes.p : "";
    if (s == MS_OK && from->explained)
        s = ms_html_causes(b, from->explained, text, causes.n, err);
    if (s == MS_OK && from->timeline)
        s = ms_page_timeline(b, from->timeline, text, causes.n, err);
    if (s == MS_OK && c->is_series && (!from->explained || !from->timeline))
        ms_page_how_to_explain(b, c, !from->explained);
    ms_buf_finish(&causes);
    return s;
}

enum ms_status ms_report_html(const struct ms_comparison *c, const struct ms_page_sources *from,
                              struct ms_buf *out, struct ms_err *err)
{
    ms_buf_adds(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
                     "name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                     "<link rel=\"icon\" href=\"data:,\">\n");
    ms_page_element(out, "title", "", c->caption);
    ms_page_style(out);
    ms_buf_adds(out, "</head><body>\n<main>\n");
    ms_page_element(out, "h1", "", c->caption);
    ms_page_verdicts(out, c);
    ms_page_conditions(out, c);
    enum ms_status s = ms_page_fidelity(out, c);
    for (size_t g = 0; s == MS_OK && g < c->n_groups; g++)
        s = add_group(out, c, &c->group[g], from->platforms, from->n_platforms);
    ms_figure_slowdown(out, c);
    if (s == MS_OK)
        s = add_why(out, c, from, err);
    if (s != MS_OK && err && err->status != MS_OK)
        return s;
    ms_buf_adds(out, "</main>\n");
    ms_page_script(out);
    ms_buf_adds(out, "</body></html>\n");
    return s != MS_OK || out->failed ? ms_err_set(err, MS_NOMEM, "out of memory for the page")
                                     : MS_OK;
}
