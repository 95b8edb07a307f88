/* Decides what report.html says and in which order: the verdict, the conditions, tables and figures
 * by group, the notes. */
#include "report/causes.h"
#include "report/html.h"

#include <math.h>
#include <string.h>

#include "report/figure.h"
#include "report/plot_parts.h"

enum { N_COLOURS = 12 };

static const char style[] =
    ":root{--back:#fff;--ink:#1b1b1b;--dim:#666;--line:#ddd;--good:#00724f;--bad:#b22222;"
    "--open:#8a6100;--black:#000}\n"
    "@media (prefers-color-scheme:dark){:root{--back:#16181b;--ink:#e6e6e6;--dim:#a0a0a0;"
    "--line:#3a3d42;--good:#3ecf9a;--bad:#ff7b72;--open:#e3b341;--black:#eee}}\n"
    "*{box-sizing:border-box}body{margin:0 "
    "auto;max-width:1240px;padding:16px;background:var(--back);"
    "color:var(--ink);font:15px/1.5 system-ui,Helvetica,Arial,sans-serif}\n"
    "h1{font-size:1.4em;margin:.2em 0}h2{font-size:1.15em;margin:1.6em 0 "
    ".4em;overflow-wrap:anywhere}"
    ".verdict{font-size:1.1em}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:3px 10px 3px 0;border-bottom:1px solid var(--line);white-space:nowrap;"
    "text-align:right}th:first-child,td:first-child,.left{text-align:left}\n"
    "th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid "
    "currentColor}th[aria-sort=ascending] button::after{content:' \\25b2'}"
    "th[aria-sort=descending] button::after{content:' \\25bc'}\n"
    ".faster{color:var(--good)}.slower,.failed{color:var(--bad)}.unclear{color:var(--open)}"
    ".dim{color:var(--dim)}\n"
    "figure{margin:1em 0}figure svg{width:100%;height:auto;display:block}svg text{fill:var(--ink);"
    "font-size:12px}.map svg "
    "text{fill:#222;font-size:revert-layer}.grid{stroke:var(--line)}figcaption{color:var(--dim);"
    "font-size:.9em}\n"
    ".legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:2px 16px;font-size:.9em}"
    ".legend svg{width:20px;height:6px;vertical-align:middle}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px}dt{color:var(--dim)}"
    "dd{margin:0;overflow-wrap:anywhere}\n"
    "@media "
    "(max-width:640px){body{padding:10px;font-size:14px}figure{overflow-x:auto}figure>svg{min-"
    "width:600px}svg text{font-size:13px}}\n"
    "@media print{body{max-width:none}figure,table{break-inside:avoid}}\n";

static const char script[] =
    "for(const table of document.querySelectorAll('table.sort'))for(const [k,th] of [...table.tHead"
    ".rows[0].cells].entries())th.firstElementChild.addEventListener('click',()=>{\n"
    "const up=th.getAttribute('aria-sort')!=='ascending',body=table.tBodies[0];\n"
    "for(const o of table.tHead.rows[0].cells)o.removeAttribute('aria-sort');\n"
    "th.setAttribute('aria-sort',up?'ascending':'descending');\n"
    "const of=r=>{const c=r.cells[k],v=c.dataset.v;return v===undefined?c.textContent:+v};\n"
    "[...body.rows].sort((a,b)=>{const x=of(a),y=of(b);const d=typeof x==='string'||typeof y==="
    "'string'?String(x).localeCompare(String(y),undefined,{numeric:true}):x-y;return up?d:-d})"
    ".forEach(r=>body.append(r))});\n";

static void add_colours(struct ms_buf *b)
{
    for (size_t i = 0; i < N_COLOURS; i++) {
        const char *colour = i ? ms_plot_colour(i) : "var(--black)";
        ms_buf_printf(b, ".c%zu{stroke:%s}.f%zu{fill:%s}", i, colour, i, colour);
    }
    ms_buf_adds(b, "\n");
}

static void element(struct ms_buf *b, const char *name, const char *attributes, const char *text)
{
    ms_buf_printf(b, "<%s%s>", name, attributes);
    ms_html_text(b, text);
    ms_buf_printf(b, "</%s>\n", name);
}

/* ---- the first lines ---- */

static void add_verdict(struct ms_buf *b, const struct ms_comparison *c,
                        const struct ms_compare_group *g)
{
    static const enum ms_verdict order[] = {MS_VERDICT_FASTER, MS_VERDICT_SLOWER, MS_VERDICT_TIE,
                                            MS_VERDICT_UNCLEAR};
    ms_buf_adds(b, "<p class=\"verdict\">");
    if (*g->title) {
        ms_html_text(b, g->title);
        ms_buf_adds(b, ": ");
    }
    ms_buf_adds(b, "against <b>");
    ms_html_text(b, c->baseline);
    ms_buf_adds(b, "</b>");
    bool any = false;
    for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
        const char *word = ms_compare_word(c, order[k]);
        size_t n = 0;
        for (size_t i = 1; i < g->n; i++) {
            if (g->row[i].verdict != order[k])
                continue;
            ms_buf_printf(b, n++ ? ", " : "%s <b class=\"%s\">%s</b>: ", any ? ";" : " are", word,
                          word);
            ms_html_text(b, g->row[i].label);
        }
        any = any || n > 0;
    }
    ms_buf_adds(b, any ? ".</p>\n" : " nothing is judged.</p>\n");
}

static void condition(struct ms_buf *b, const char *name, const char *value)
{
    if (!*value)
        return; /* these records do not say */
    element(b, "dt", "", name);
    element(b, "dd", "", value);
}

static void number_condition(struct ms_buf *b, const struct ms_result *r, const char *name,
                             const char *path)
{
    char number[32];
    double v = ms_result_number(r, path);
    if (!isnan(v))
        condition(b, name, ms_plain_number(v, number));
}

static void add_conditions(struct ms_buf *b, const struct ms_comparison *c)
{
    const struct ms_result *r = c->group[0].row[0].r;
    char margin[64];
    ms_buf_adds(b, "<h2>Conditions</h2>\n<dl>\n");
    condition(b, "metric", c->metric);
    snprintf(margin, sizeof margin, "%g %%, Holm's correction over the alternatives",
             100 * c->margin);
    condition(b, "margin", margin);
    bool timed = !isnan(ms_result_number(r, "ranks"));
    condition(b, "hardware",
              ms_result_text(r, "hardware", timed ? "none: no start-up, no message rate" : ""));
    condition(b, "exchange", ms_result_text(r, "caption.algorithm", ""));
    condition(b, "placement", ms_result_text(r, "caption.placement", ""));
    condition(b, "routing", ms_result_text(r, "caption.source", ""));
    condition(b, "network model", ms_result_text(r, "network_model", ""));
    number_condition(b, r, "ranks", "ranks");
    number_condition(b, r, "layers", "layers");
    number_condition(b, r, "steps", "steps");
    number_condition(b, r, "repeats", "repeats");
    number_condition(b, r, "independent units", "units");
    number_condition(b, r, "exchanges a case", "exchange.n");
    condition(b, "moesim", ms_result_text(r, "versions.moesim", ""));
    condition(b, "SimGrid", ms_result_text(r, "versions.simgrid", ""));
    ms_buf_adds(b, "</dl>\n<p class=\"dim\">Values of the first case; what differs between cases "
                   "stands in the tables.</p>\n");
}

/* ---- tables ---- */

/* Columns behind the verdict: those that some row of the page has. */
static const struct {
    const char *title, *path;
    double unit;
    int digits;
} behind_verdict[] = {
    {"rank max/mean", "imbalance.rank_max_over_mean", 1, 2},
    {"Gini", "imbalance.gini", 1, 3},
    {"max/mean", "imbalance.max_over_mean", 1, 2},
    {"cables", "platform.cables", 1, 0},
    {"bisection GB/s a GPU", "platform.bisection_per_gpu_Bps", 1e9, 1},
};
enum { N_BEHIND = sizeof behind_verdict / sizeof *behind_verdict };

static bool somewhere(const struct ms_comparison *c, const char *path)
{
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 0; i < c->group[g].n; i++)
            if (!isnan(ms_result_number(c->group[g].row[i].r, path)))
                return true;
    return false;
}

static void head(struct ms_buf *b, const char *title, bool left)
{
    ms_buf_printf(b, "<th scope=\"col\"%s><button>", left ? " class=\"left\"" : "");
    ms_html_text(b, title);
    ms_buf_adds(b, "</button></th>");
}

static void cell(struct ms_buf *b, double v, const char *before, int digits, const char *behind)
{
    if (isnan(v))
        ms_buf_adds(b, "<td class=\"dim\" data-v=\"-1\">-</td>");
    else
        ms_buf_printf(b, "<td data-v=\"%.9g\">%s%.*f%s</td>", v, before, digits, v, behind);
}

static void add_ratio(struct ms_buf *b, const struct ms_comparison *c,
                      const struct ms_compare_row *r)
{
    const struct ms_ratio *q = &r->ratio;
    if (r->is_baseline)
        ms_buf_adds(b, "<td data-v=\"1\"></td><td class=\"left dim\">baseline</td>");
    else if (isnan(q->ratio))
        ms_buf_printf(b, "<td data-v=\"-1\"></td><td class=\"left failed\">%s</td>",
                      r->r->ok ? "" : "failed");
    else if (q->has_interval)
        ms_buf_printf(b, "<td data-v=\"%.9g\">%.3f [%.3f, %.3f]</td>", q->ratio, q->ratio, q->lo,
                      q->hi);
    else
        ms_buf_printf(b, "<td data-v=\"%.9g\">%.3f</td>", q->ratio, q->ratio);
    if (!r->is_baseline && !isnan(q->ratio))
        ms_buf_printf(b, "<td class=\"left %s\">%s</td>", ms_compare_word(c, r->verdict),
                      ms_compare_word(c, r->verdict));
}

static void add_row(struct ms_buf *b, const struct ms_comparison *c,
                    const struct ms_compare_group *g, const struct ms_compare_row *r)
{
    static const int percents[] = {50, 95, 99};
    char path[40];
    ms_buf_adds(b, "<tr>");
    element(b, "td", "", r->label);
    for (int i = 0; c->is_series && i < 3; i++) {
        snprintf(path, sizeof path, "%s.p%d_us", ms_series_name(c->series), percents[i]);
        cell(b, ms_result_number(r->r, path), "", 1,
             ms_compare_carries(r->r, percents[i]) ? "" : "*");
        if (percents[i] != c->stat)
            continue;
        if (isnan(r->value_lo))
            ms_buf_adds(b, "<td class=\"dim\">-</td>");
        else
            ms_buf_printf(b, "<td>[%.1f, %.1f]</td>", r->value_lo, r->value_hi);
    }
    if (!c->is_series)
        cell(b, r->value, "", 3, "");
    add_ratio(b, c, r);
    if (g->mixed_hardware)
        element(b, "td", " class=\"left\"", ms_result_text(r->r, "hardware", "-"));
    if (c->is_series)
        cell(b, ms_compare_slowdown(c, r->r), "x", 2, "");
    for (size_t i = 0; i < N_BEHIND; i++)
        if (somewhere(c, behind_verdict[i].path))
            cell(b, ms_result_number(r->r, behind_verdict[i].path) / behind_verdict[i].unit, "",
                 behind_verdict[i].digits, "");
    ms_buf_adds(b, "</tr>\n");
}

static void add_table(struct ms_buf *b, const struct ms_comparison *c,
                      const struct ms_compare_group *g)
{
    static const int percents[] = {50, 95, 99};
    char title[32];
    ms_buf_adds(b, "<div class=\"scroll\"><table class=\"sort\"><thead><tr>");
    head(b, c->by, true);
    for (int i = 0; c->is_series && i < 3; i++) {
        snprintf(title, sizeof title, "p%d us", percents[i]);
        head(b, title, false);
        if (percents[i] == c->stat)
            head(b, "95 %", false);
    }
    if (!c->is_series)
        head(b, c->metric, false);
    head(b, "ratio (95 %)", false);
    head(b, "verdict", true);
    if (g->mixed_hardware)
        head(b, "hardware", true);
    snprintf(title, sizeof title, "slowdown p%d", c->stat);
    if (c->is_series)
        head(b, title, false);
    for (size_t i = 0; i < N_BEHIND; i++)
        if (somewhere(c, behind_verdict[i].path))
            head(b, behind_verdict[i].title, false);
    ms_buf_adds(b, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < g->n; i++)
        add_row(b, c, g, &g->row[i]);
    ms_buf_adds(b, "</tbody></table></div>\n");
}

/* ---- the page ---- */

static enum ms_status add_group(struct ms_buf *b, const struct ms_comparison *c,
                                const struct ms_compare_group *g, const char *const *platforms,
                                size_t n_platforms)
{
    const struct ms_compare_row *slowest = &g->row[0], *fastest = &g->row[0];
    enum ms_status s = MS_OK;
    for (size_t i = 1; i < g->n; i++) {
        if (g->row[i].r->ok && g->row[i].value > slowest->value)
            slowest = &g->row[i];
        if (g->row[i].r->ok && g->row[i].value < fastest->value)
            fastest = &g->row[i];
    }
    element(b, "h2", "", *g->title ? g->title : "All cases");
    add_table(b, c, g);
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
    if (s == MS_OK && slowest->r->ok)
        s = ms_figure_topology(b, slowest, NULL, platforms, n_platforms);
    if (s == MS_OK && slowest->r->ok && fastest->r->ok && fastest != slowest)
        s = ms_figure_topology(b, fastest, slowest, platforms, n_platforms);
    return s == MS_OK && slowest->r->ok ? ms_figure_links(b, slowest) : s;
}

enum ms_status ms_report_html(const struct ms_comparison *c, const char *const *platforms,
                              size_t n_platforms, const char *explained, struct ms_buf *out,
                              struct ms_err *err)
{
    struct ms_buf causes = {0};
    enum ms_status s = explained ? ms_file_read(explained, &causes, err) : MS_OK;
    ms_buf_adds(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
                     "name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                     "<link rel=\"icon\" href=\"data:,\">\n");
    element(out, "title", "", c->caption);
    ms_buf_printf(out, "<style>\n%s", style);
    add_colours(out);
    ms_buf_adds(out, "</style></head><body>\n<main>\n");
    element(out, "h1", "", c->caption);
    for (size_t g = 0; g < c->n_groups; g++)
        add_verdict(out, c, &c->group[g]);
    ms_buf_adds(out, "<ul>\n");
    for (size_t i = 0; i < c->n_notes; i++)
        element(out, "li", "", c->note[i]);
    ms_buf_adds(out, "</ul>\n");
    add_conditions(out, c);
    for (size_t g = 0; s == MS_OK && g < c->n_groups; g++)
        s = add_group(out, c, &c->group[g], platforms, n_platforms);
    ms_figure_slowdown(out, c);
    if (s == MS_OK && explained)
        s = ms_html_causes(out, explained, causes.p ? causes.p : "", causes.n, err);
    ms_buf_finish(&causes);
    if (s != MS_OK && err && err->status != MS_OK)
        return s;
    ms_buf_printf(out, "</main>\n<script>\n%s</script>\n</body></html>\n", script);
    return s != MS_OK || out->failed ? ms_err_set(err, MS_NOMEM, "out of memory for the page")
                                     : MS_OK;
}
