/* The first lines of report.html: the verdict of each group, the notes, and the conditions under which all
 * of it holds. */
#include <math.h>
#include <string.h>

#include "report/page_parts.h"

enum { MOST_VALUES = 8 };

/* ---- verdicts ---- */

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

void ms_page_verdicts(struct ms_buf *b, const struct ms_comparison *c)
{
    for (size_t g = 0; g < c->n_groups; g++)
        add_verdict(b, c, &c->group[g]);
    if (c->n_notes == 0)
        return;
    ms_buf_adds(b, "<ul>\n");
    for (size_t i = 0; i < c->n_notes; i++)
        ms_page_element(b, "li", "", c->note[i]);
    ms_buf_adds(b, "</ul>\n");
}

/* ---- conditions ---- */

/* What a record says under a path, as a text; "" = nothing. A path that starts with "set." is a
 * scenario's key; a section is what its key `phase` says. */
static const char *value_of(const struct ms_comparison *c, const struct ms_result *r,
                            const char *path, char *number)
{
    double v = ms_result_number(r, path);
    if (strncmp(path, "set.", 4) != 0)
        return isnan(v) ? ms_result_text(r, path, "") : ms_plain_number(v, number);
    char key[64];
    const char *text = ms_result_setting(c->results, r, path + 4, number);
    snprintf(key, sizeof key, "%s.phase", path + 4);
    return *text ? text : ms_result_setting(c->results, r, key, number);
}

/* All values of a path, in record order. instead: where a record says nothing, NULL: nothing */
static void condition(struct ms_buf *b, const struct ms_comparison *c, const char *name,
                      const char *path, const char *instead)
{
    struct ms_strings seen = {0};
    char number[40];
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 0; i < c->group[g].n; i++) {
            const char *v = value_of(c, c->group[g].row[i].r, path, number);
            if (*v || instead)
                ms_strings_add(&seen, *v ? v : instead);
        }
    if (seen.n > 0) {
        ms_page_element(b, "dt", "", name);
        ms_buf_adds(b, "<dd>");
        for (size_t i = 0; i < seen.n && i < MOST_VALUES; i++) {
            ms_buf_adds(b, i ? ", " : "");
            ms_html_text(b, seen.text[i]);
        }
        if (seen.n > MOST_VALUES)
            ms_buf_printf(b, " and %zu more", seen.n - MOST_VALUES);
        ms_buf_adds(b, "</dd>\n");
    }
    ms_strings_finish(&seen);
}

static bool has(const struct ms_comparison *c, const char *path)
{
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 0; i < c->group[g].n; i++)
            if (!isnan(ms_result_number(c->group[g].row[i].r, path)))
                return true;
    return false;
}

void ms_page_conditions(struct ms_buf *b, const struct ms_comparison *c)
{
    char margin[64];
    bool timed = has(c, "ranks");
    ms_buf_adds(b, "<h2>Conditions</h2>\n<dl>\n");
    ms_page_element(b, "dt", "", "metric");
    ms_page_element(b, "dd", "", c->metric);
    snprintf(margin, sizeof margin, "%g %%, Holm's correction over the alternatives",
             100 * c->margin);
    ms_page_element(b, "dt", "", "margin");
    ms_page_element(b, "dd", "", margin);
    condition(b, c, "model", "caption.model", NULL);
    condition(b, c, "hardware", "hardware", timed ? "none (no start-up, no message rate)" : NULL);
    condition(b, c, "exchange", "caption.algorithm", NULL);
    condition(b, c, "placement", "caption.placement", NULL);
    condition(b, c, "routing", "caption.source", NULL);
    condition(b, c, "requests", "set.workload.requests", NULL);
    condition(b, c, "network model", "network_model", NULL);
    condition(b, c, "ranks", "ranks", NULL);
    condition(b, c, "groups", "groups", NULL);
    condition(b, c, "layers", "layers", NULL);
    condition(b, c, "steps", "steps", NULL);
    condition(b, c, "repeats", "repeats", NULL);
    condition(b, c, "independent units", "units", NULL);
    condition(b, c, "exchanges a case", "exchange.n", NULL);
    if (timed) {
        ms_page_element(b, "dt", "", "left out");
        ms_page_element(b, "dd", "",
                        "packets: congestion control, loss at an incast, adaptive routing, PFC "
                        "pauses; bandwidth is shared max-min fairly");
    }
    condition(b, c, "moesim", "versions.moesim", NULL);
    condition(b, c, "SimGrid", "versions.simgrid", NULL);
    ms_buf_adds(b, "</dl>\n");
}
