/* What `moesim explain` says of the cases, as a part of report.html: a table a case, what the slowest
 * exchanges went into and what they take without it. */
#include "report/causes.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "report/page_parts.h"

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void add_time(struct ms_buf *b, const json_t *v)
{
    if (json_is_number(v))
        ms_buf_printf(b, "<td>%.4g us</td>", json_number_value(v));
    else
        ms_buf_adds(b, "<td></td>");
}

static void add_cause(struct ms_buf *b, const json_t *cause)
{
    double share = json_number_value(json_object_get(cause, "share"));
    ms_buf_adds(b, "<tr><th scope=\"row\">");
    ms_html_text(b, text_of(cause, "cause"));
    ms_buf_printf(b, "</th><td>%.0f %%</td><td class=\"left wrap\">", 100 * share);
    ms_html_text(b, text_of(cause, "what"));
    ms_buf_adds(b, "</td>");
    add_time(b, json_object_get(cause, "without_us"));
    ms_buf_adds(b, "</tr>\n");
}

static void add_case(struct ms_buf *b, const json_t *one)
{
    const json_t *axes = json_object_get(one, "axes"), *causes = json_object_get(one, "causes"), *v;
    const char *key;
    size_t i;
    ms_buf_adds(b, "<h3>");
    ms_html_text(b, text_of(one, "case"));
    json_object_foreach((json_t *)axes, key, v)
    {
        char number[32];
        snprintf(number, sizeof number, "%.6g", json_number_value(v));
        ms_buf_adds(b, ", ");
        ms_html_text(b, key);
        ms_buf_adds(b, "=");
        ms_html_text(b, json_is_string(v)   ? json_string_value(v)
                        : json_is_number(v) ? number
                        : json_is_true(v)   ? "true"
                                            : "false");
    }
    ms_buf_adds(b, ": ");
    ms_html_text(b, text_of(one, "metric"));
    ms_buf_printf(b,
                  " %.5g us</h3>\n<div class=\"scroll\"><table><thead><tr><th>cause</th><th>share"
                  "</th><th class=\"left\">what</th><th>without it</th></tr></thead><tbody>\n",
                  json_number_value(json_object_get(one, "metric_us")));
    json_array_foreach(causes, i, v) add_cause(b, v);
    ms_buf_adds(b, "</tbody></table></div>\n");
    if (json_is_number(json_object_get(one, "bound_us")))
        ms_buf_printf(b, "<p>Port bound of these exchanges: %.5g us.</p>\n",
                      json_number_value(json_object_get(one, "bound_us")));
}

enum ms_status ms_html_causes(struct ms_buf *b, const char *path, const char *text, size_t n,
                              struct ms_err *err)
{
    json_error_t why;
    json_t *root = json_loadb(text, n, 0, &why);
    const json_t *cases = json_object_get(root, "cases"), *one;
    size_t i;
    if (!json_is_array(cases)) {
        json_decref(root);
        return ms_err_at(err, MS_INVALID, path, root ? 0 : why.line, 0, NULL,
                         "is not what `moesim explain --format json` prints");
    }
    ms_buf_adds(b, "<h2>Why</h2>\n<p>What the slowest exchanges went into, and what the metric is "
                   "without each cause (simulated again).</p>\n");
    json_array_foreach(cases, i, one) add_case(b, one);
    json_decref(root);
    return MS_OK;
}

void ms_page_how_to_explain(struct ms_buf *b, const struct ms_comparison *c, bool causes)
{
    const struct ms_compare_row *slowest = NULL;
    for (size_t g = 0; g < c->n_groups; g++) {
        const struct ms_compare_row *r = ms_compare_end(&c->group[g], true);
        slowest = r && (!slowest || r->value > slowest->value) ? r : slowest;
    }
    if (!slowest || ms_file_is(slowest->r->source)) /* records alone do not say their scenario */
        return;
    const char *dir = slowest->r->source;
    ms_buf_printf(
        b, "<h2>%s</h2>\n<p>%s of the slowest case stand here after<br><code>moesim explain ",
        causes ? "Why" : "The slowest exchange",
        causes ? "The causes and a timeline" : "A timeline and its causes");
    ms_html_text(b, dir);
    ms_buf_printf(b, " --case %s --format json --timeline ", slowest->r->id);
    ms_html_text(b, dir);
    ms_buf_adds(b, "/timeline.json &gt;");
    ms_html_text(b, dir);
    ms_buf_adds(b,
                "/explain.json</code><br>and this report again: the case is simulated again, with "
                "and without each cause.</p>\n");
}
