/* How near to measurements the profiles in force are, on report.html. Decides which sections of a profile the
 * cases use, and reads off their sources what fixed each constant. */
#include <math.h>
#include <string.h>

#include "base/csv.h"
#include "base/shipped.h"
#include "hardware/hardware.h"
#include "report/page_parts.h"
#include "sim/exchange.h"

enum { MOST_SECTIONS = 64, MOST_LINES = 64, MOST_BOUNDS = 256 };

struct bound {
    char family[40], leg[16];
    double mean;
};

/* What one fit says: the constants of one section with the same source. */
struct fit {
    const char *source;
    int n_rows;
    char of[160]; /* families, and ranks in brackets */
    double mean_percent, worst_percent;
    bool carried, legs[3]; /* dispatch, combine, both */
};

/* "fit to 55 rows of deepep_ll, ep_libs (32, 16, 64 ranks): closed form 2.2 % off, worst 19 %" */
static bool read_fit(const char *source, struct fit *f)
{
    const char *at = strstr(source, "fit to ");
    *f = (struct fit){.source = source, .carried = strncmp(source, "carried over", 12) == 0};
    return at && sscanf(at, "fit to %d rows of %159[^:]: closed form %lf %% off, worst %lf %%",
                        &f->n_rows, f->of, &f->mean_percent, &f->worst_percent) == 4;
}

static size_t read_bounds(struct bound *out)
{
    struct ms_csv csv = {0};
    char path[4096];
    size_t n = 0;
    ms_shipped("platforms/hardware/measured/bounds.csv", path, sizeof path);
    enum ms_status s = ms_csv_open(&csv, NULL, path, NULL);
    while (s == MS_OK && n < MOST_BOUNDS && (s = ms_csv_next(&csv, NULL)) == MS_OK &&
           csv.n_fields) {
        struct bound *b = &out[n];
        if (csv.n_fields < 4 || !ms_csv_number(csv.field[3], &b->mean))
            continue;
        snprintf(b->family, sizeof b->family, "%s", csv.field[0]);
        snprintf(b->leg, sizeof b->leg, "%s", csv.field[1]);
        n++;
    }
    ms_csv_finish(&csv);
    return n;
}

/* Is a family one of those in "deepep_ll, ep_libs (32 ranks)"? */
static bool is_of(const char *of, const char *family)
{
    size_t n = strlen(family), names = strcspn(of, "(");
    for (const char *at = of; (at = strstr(at, family)) && at < of + names; at += n)
        if ((at == of || at[-1] == ' ') && strchr(", (", at[n]))
            return true;
    return false;
}

/* Of the families, those of a leg. */
static void add_bounds(struct ms_buf *b, const char *of, const char *leg, const struct bound *bound,
                       size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        bool other = *bound[i].leg && strcmp(leg, "both") != 0 && strcmp(bound[i].leg, leg) != 0;
        if (!is_of(of, bound[i].family) || other)
            continue;
        ms_buf_printf(b, "%s%s%s%s %.0f %%", any ? ", " : "", bound[i].family,
                      *bound[i].leg ? " " : "", bound[i].leg, 100 * bound[i].mean);
        any = true;
    }
    ms_buf_adds(b, any ? "" : "none");
}

static const char *leg_of(const char *key)
{
    return strncmp(key, "dispatch_", 9) == 0  ? "dispatch"
           : strncmp(key, "combine_", 8) == 0 ? "combine"
                                              : "both";
}

/* The fits of one section. @param others counts constants that no row fixed */
static size_t fits_of(const struct ms_hardware *h, const char *section, struct fit *fit,
                      int *others, int *carried)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n_values; i++) {
        const struct ms_hardware_value *v = &h->value[i];
        struct fit one;
        size_t k = 0;
        if (strcmp(v->section, section) != 0 || strcmp(v->key, "doubling_of") == 0 ||
            strcmp(v->key, "gap_rule") == 0)
            continue;
        bool fitted = v->source && read_fit(v->source, &one);
        *carried += v->source && strncmp(v->source, "carried over", 12) == 0;
        if (!fitted) {
            ++*others;
            continue;
        }
        while (k < n && strcmp(fit[k].source, v->source) != 0)
            k++;
        if (k == n && n < MOST_LINES)
            fit[n++] = one;
        if (k < n)
            fit[k].legs[*leg_of(v->key) == 'd' ? 0 : *leg_of(v->key) == 'c' ? 1 : 2] = true;
    }
    return n;
}

static void add_section(struct ms_buf *b, const struct ms_hardware *h, const char *section,
                        const struct bound *bound, size_t n_bounds, int *others, int *carried)
{
    struct fit fit[MOST_LINES];
    size_t n = fits_of(h, section, fit, others, carried);
    for (size_t i = 0; i < n; i++) {
        const struct fit *f = &fit[i];
        bool both = f->legs[2] || (f->legs[0] && f->legs[1]);
        const char *leg = both ? "both" : f->legs[0] ? "dispatch" : "combine";
        ms_buf_adds(b, "<tr><td>");
        ms_html_text(b, h->name);
        ms_buf_printf(b, " %s</td><td class=\"left\">%s</td><td>%d</td><td class=\"left wrap\">",
                      section, leg, f->n_rows);
        ms_html_text(b, f->of);
        ms_buf_printf(b, "%s</td><td>%.1f %%</td><td>%.0f %%</td><td class=\"left wrap\">",
                      f->carried ? ", carried over" : "", f->mean_percent, f->worst_percent);
        add_bounds(b, f->of, leg, bound, n_bounds);
        ms_buf_adds(b, "</td></tr>\n");
    }
    if (n == 0) {
        ms_buf_adds(b, "<tr><td>");
        ms_html_text(b, h->name);
        ms_buf_printf(b,
                      " %s</td><td class=\"left\">both</td><td>0</td><td class=\"left\" colspan="
                      "\"4\">no measured row fixes it</td></tr>\n",
                      section);
    }
}

/* ---- which sections ---- */

/* The name of the section that a record's exchange has its costs from, as values name it; false: the
 * profile says nothing of it. */
static bool section_of(const struct ms_comparison *c, const struct ms_result *r,
                       const struct ms_hardware *h, char *out, size_t size)
{
    char number[40];
    const char *library = ms_result_setting(c->results, r, "hardware.library", number);
    const struct ms_exchange *x = ms_exchange_find(ms_result_text(r, "caption.algorithm", ""));
    double per_node = ms_result_number(r, "platform.hosts") / ms_result_number(r, "platform.nodes");
    bool one_node =
        ms_result_number(r, "ranks") * fmax(1, ms_result_number(r, "groups")) <= per_node;
    if (!x)
        return false;
    const struct ms_hardware_kernels *k =
        ms_hardware_section(h, strcmp(library, "auto") == 0 ? NULL : library,
                            h->only >= 0 ? (enum ms_comm_kernels)h->only : x->kernels, one_node);
    for (size_t i = 0; k && i < h->n_sections; i++) {
        const struct ms_hardware_section *s = &h->section[i];
        if (&s->kernels != k)
            continue;
        snprintf(out, size, "%s%s%s", s->library ? s->library : "", s->library ? "." : "", s->name);
        return true;
    }
    return false;
}

static void say_others(struct ms_buf *b, const struct ms_hardware *h, int others, int carried)
{
    bool all = h->help && strstr(h->help, "carried over");
    ms_buf_adds(b, "<p>");
    if (all || carried > 0) {
        ms_buf_adds(b, "<b>");
        ms_html_text(b, h->name);
        if (all) {
            ms_buf_adds(b, " was never measured as a whole</b>: ");
            ms_html_text(b, h->help);
        } else {
            ms_buf_printf(b, "</b>: %d of the constants in use %s carried over from another system",
                          carried, carried == 1 ? "is" : "are");
        }
        ms_buf_adds(b, "; no row of this system has been held against them. ");
    }
    if (others > 0)
        ms_buf_printf(b,
                      "%d constant%s of these sections come%s from publications or assumptions. ",
                      others, others == 1 ? "" : "s", others == 1 ? "s" : "");
    ms_buf_adds(b, "Each constant with its source: <code>moesim list hardware ");
    ms_html_text(b, h->name);
    ms_buf_adds(b, "</code>.</p>\n");
}

/* One profile: the sections that its cases use. */
static enum ms_status add_profile(struct ms_buf *b, const struct ms_comparison *c, const char *name,
                                  const struct bound *bound, size_t n_bounds)
{
    struct ms_arena arena = {0};
    struct ms_errs errs = {0};
    struct ms_hardware h = {0};
    struct ms_strings sections = {0};
    char section[160];
    int others = 0, carried = 0;
    bool there = ms_hardware_read(NULL, name, NULL, &arena, &h, &errs) == MS_OK;
    for (size_t g = 0; there && g < c->n_groups; g++)
        for (size_t i = 0; i < c->group[g].n; i++) {
            const struct ms_result *r = c->group[g].row[i].r;
            if (strcmp(ms_result_text(r, "hardware", ""), name) == 0 &&
                section_of(c, r, &h, section, sizeof section))
                ms_strings_add(&sections, section);
        }
    if (sections.n > 0) {
        ms_buf_adds(b, "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">profile, kernels"
                       "</th><th scope=\"col\" class=\"left\">leg</th><th scope=\"col\">rows</th>"
                       "<th scope=\"col\" class=\"left\">measured families</th><th scope=\"col\">"
                       "mean error</th><th scope=\"col\">worst</th><th scope=\"col\" "
                       "class=\"left\">simulation held to</th></tr></thead><tbody>\n");
        for (size_t i = 0; i < sections.n; i++)
            add_section(b, &h, sections.text[i], bound, n_bounds, &others, &carried);
        ms_buf_adds(b, "</tbody></table></div>\n");
        say_others(b, &h, others, carried);
    } else {
        ms_buf_adds(b, "<p>What the profile ");
        ms_html_text(b, name);
        ms_buf_adds(b, there ? " says is not used by these exchanges.</p>\n"
                             : " was fitted to is not told: its file is not here.</p>\n");
    }
    bool failed = sections.failed;
    ms_strings_finish(&sections);
    ms_errs_finish(&errs);
    ms_arena_finish(&arena);
    return failed || b->failed ? MS_NOMEM : MS_OK;
}

enum ms_status ms_page_fidelity(struct ms_buf *b, const struct ms_comparison *c)
{
    struct ms_strings names = {0};
    struct bound bound[MOST_BOUNDS];
    size_t n_timed = 0, n_without = 0;
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 0; i < c->group[g].n; i++) {
            const struct ms_result *r = c->group[g].row[i].r;
            const char *name = ms_result_text(r, "hardware", "none");
            bool timed = r->ok && !isnan(ms_result_number(r, "ranks")),
                 none = !strcmp(name, "none");
            n_timed += timed;
            n_without += timed && none;
            if (timed && !none)
                ms_strings_add(&names, name);
        }
    enum ms_status s = names.failed ? MS_NOMEM : MS_OK;
    if (n_timed > 0)
        ms_buf_adds(b, "<h2>How near to measurements</h2>\n");
    if (names.n > 0)
        ms_buf_adds(b,
                    "<p class=\"dim\">Of the hardware profile, the kernels that these cases use: "
                    "the measured rows that fixed their constants, the error that the closed form "
                    "keeps on those rows (mean and worst), and the mean error beyond which "
                    "<code>moesim fidelity</code>, which simulates every row, fails.</p>\n");
    size_t n_bounds = names.n > 0 ? read_bounds(bound) : 0;
    for (size_t i = 0; s == MS_OK && i < names.n; i++)
        s = add_profile(b, c, names.text[i], bound, n_bounds);
    if (n_without > 0)
        ms_buf_printf(b,
                      "<p><b>%s no hardware profile</b>: start-ups and message rates cost nothing "
                      "there, so these times compare fabrics and are no forecast of a real "
                      "machine's.</p>\n",
                      n_without == n_timed ? "These cases have" : "Some cases have");
    ms_strings_finish(&names);
    return s;
}
