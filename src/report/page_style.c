/* How report.html looks, and the one thing that it does: colours for light and dark, narrow screens and
 * paper, and tables that sort by a column. */
#include "report/page_parts.h"

#include "report/plot_parts.h"

enum { N_COLOURS = 12 };

static const char style[] =
    ":root{--back:#fff;--ink:#1b1b1b;--dim:#5c5c5c;--line:#ddd;--good:#00724f;--bad:#b22222;"
    "--open:#8a6100;--black:#000}\n"
    "@media (prefers-color-scheme:dark){:root{--back:#16181b;--ink:#e6e6e6;--dim:#a0a0a0;"
    "--line:#3a3d42;--good:#3ecf9a;--bad:#ff7b72;--open:#e3b341;--black:#eee}}\n"
    "*{box-sizing:border-box}body{margin:0 auto;max-width:1240px;padding:16px;"
    "background:var(--back);color:var(--ink);font:15px/1.5 system-ui,Helvetica,Arial,sans-serif}\n"
    "h1{font-size:1.4em;margin:.2em 0}h2{font-size:1.15em;margin:1.6em 0 .4em;"
    "overflow-wrap:anywhere}h3{font-size:1em;margin:1em 0 .3em}.verdict{font-size:1.1em}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:3px 12px 3px 0;border-bottom:1px solid var(--line);white-space:nowrap;"
    "text-align:right}th:first-child,td:first-child,.left{text-align:left}"
    "td.wrap{white-space:normal;min-width:16em}\n"
    "th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid "
    "currentColor}th[aria-sort=ascending] button::after{content:' \\25b2'}"
    "th[aria-sort=descending] button::after{content:' \\25bc'}\n"
    ".faster{color:var(--good)}.slower,.failed{color:var(--bad)}.unclear{color:var(--open)}"
    ".dim{color:var(--dim)}\n"
    ".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));"
    "gap:0 32px;align-items:start}.figures>.map,.wide-only>*{grid-column:1/-1}\n"
    "figure{margin:1em 0;min-width:0}.title{font-weight:600;margin:0 0 .3em}"
    "figure svg{width:100%;height:auto;display:block}.draw{overflow-x:auto}svg text{"
    "fill:var(--ink);font-size:14.5px}.map svg text{fill:#222;font-size:revert-layer}"
    ".map svg{max-width:980px}.wide-only svg "
    "text{font-size:11px}.wide-only>figure{max-width:1000px}"
    ".grid{stroke:var(--line)}figcaption{color:var(--dim);font-size:.9em;margin-top:.3em}\n"
    ".legend{list-style:none;padding:0;margin:.3em 0;display:flex;flex-wrap:wrap;gap:2px 16px;"
    "font-size:.9em}.legend svg{display:inline;width:20px;height:8px;vertical-align:middle}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px}dt{color:var(--dim)}"
    "dd{margin:0;overflow-wrap:anywhere}code{overflow-wrap:anywhere}\n"
    "@media (max-width:640px){body{padding:10px;font-size:14px}"
    ".draw>svg{min-width:600px}}\n"
    "@media "
    "print{:root{--back:#fff;--ink:#1b1b1b;--dim:#5c5c5c;--line:#ddd;--black:#000}body{max-width:"
    "none;font-size:11px}.scroll,.draw{overflow:visible}"
    ".figures{display:block}figure,table{break-inside:avoid}h2,h3{break-after:avoid}"
    "table{font-size:9.5px}th,td{padding:2px 7px 2px 0}th{white-space:normal}figure "
    "svg{max-width:660px}}\n";

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

/* Colours of ms_plot_colour that are too dark on a dark page. */
static const struct {
    int number;
    const char *colour;
} darker[] = {{1, "#3d9be0"}, {7, "#c08a7c"}, {8, "#9a9a9a"}, {9, "#a98ae0"}, {10, "#f06a6a"}};

void ms_page_style(struct ms_buf *b)
{
    ms_buf_printf(b, "<style>\n%s", style);
    for (size_t i = 0; i < N_COLOURS; i++) {
        const char *colour = i ? ms_plot_colour(i) : "var(--black)";
        ms_buf_printf(b, ".c%zu{stroke:%s}.f%zu{fill:%s}", i, colour, i, colour);
    }
    for (size_t i = 0; i < sizeof darker / sizeof *darker; i++)
        ms_buf_printf(b, "%s.c%d{stroke:%s}.f%d{fill:%s}",
                      i ? "" : "\n@media (prefers-color-scheme:dark){", darker[i].number,
                      darker[i].colour, darker[i].number, darker[i].colour);
    ms_buf_adds(b, "}\n</style>");
}

void ms_page_script(struct ms_buf *b)
{
    ms_buf_printf(b, "<script>\n%s</script>\n", script);
}

void ms_page_element(struct ms_buf *b, const char *name, const char *attributes, const char *text)
{
    ms_buf_printf(b, "<%s%s>", name, attributes);
    ms_html_text(b, text);
    ms_buf_printf(b, "</%s>\n", name);
}
