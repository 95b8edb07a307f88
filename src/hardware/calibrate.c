/* Which rows fix which constants of a profile: groups them by section and leg, chooses each group's
 * constants and what it starts from. */
#include "hardware/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "hardware/calibrate_group.h"
#include "hardware/row_form.h"

const char *ms_fit_value_text(const struct ms_fit_constant *c, double value, char *out, size_t size)
{
    switch (c->of->unit) {
    case MS_UNIT_TIME:
        snprintf(out, size, "%.4gus", value * 1e6);
        break;
    case MS_UNIT_RATE:
        snprintf(out, size, "%.4gGBps", value / 1e9);
        break;
    case MS_UNIT_BYTES:
        snprintf(out, size, "%.0f", value);
        break;
    default:
        snprintf(out, size, "%.4g", value);
    }
    return out;
}

static void add_constant(struct ms_fit *fit, const struct ms_form_constant *of, int leg,
                         const struct ms_hardware_kernels *base)
{
    if (fit->n_constants == MS_MOST_PARAMETERS)
        return;
    struct ms_fit_constant *c = &fit->constant[fit->n_constants++];
    const double *at = (const double *)((const char *)base + of->offset);
    *c = (struct ms_fit_constant){.of = of, .leg = leg, .fixed = true, .base = at[leg > 0]};
    snprintf(c->key, sizeof c->key, "%s%s",
             leg < 0   ? ""
             : leg > 0 ? "combine_"
                       : "dispatch_",
             of->key);
}

/* Some constants are for a leg that is not among the rows, or for notify alone. */
static void choose_constants(struct ms_fit *fit, const struct ms_hardware_kernels *base)
{
    bool has[2] = {false, false}, notify = false;
    for (size_t i = 0; i < fit->n; i++) {
        has[ms_row_form_leg(fit->row[i])] = true;
        notify |= fit->row[i]->leg == MS_LEG_NOTIFY;
    }
    for (const struct ms_form_constant *of = ms_form_family(fit->section)->constant; of->key;
         of++) {
        bool of_notify = strncmp(of->key, "notify", 6) == 0;
        if (of->both || of->shared || (fit->leg < 0 && !(has[0] && has[1]))) {
            add_constant(fit, of, -1, base);
            continue;
        }
        for (int leg = 0; leg < 2; leg++)
            if (has[leg] && (!of_notify || notify) &&
                (leg == 0 || !(of_notify || of->dispatch_only)))
                add_constant(fit, of, leg, base);
    }
}

static void add_word(char *out, size_t size, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = strstr(out, word); at; at = strstr(at + 1, word))
        if ((at == out || at[-1] == ' ') && (at[n] == '\0' || at[n] == ','))
            return;
    snprintf(out + strlen(out), size - strlen(out), "%s%s", *out ? ", " : "", word);
}

static const struct ms_hardware_kernels *base_section(const struct ms_hardware *base,
                                                      const char *section)
{
    const char *dot = strchr(section, '.');
    for (size_t i = 0; i < base->n_sections; i++) {
        const struct ms_hardware_section *s = &base->section[i];
        const char *library = s->library ? s->library : "";
        size_t n = dot ? (size_t)(dot - section) : 0;
        if (strlen(library) == n && strncmp(library, section, n) == 0 &&
            strcmp(s->name, dot ? dot + 1 : section) == 0)
            return &s->kernels;
    }
    return NULL;
}

static enum ms_status fit_group(struct ms_calibration *c, struct ms_fit *fit)
{
    struct ms_hardware_kernels none, base;
    struct ms_form_load *load = MS_NEW(&c->arena, struct ms_form_load, fit->n);
    fit->form_us = MS_NEW(&c->arena, double, fit->n);
    if (!load || !fit->form_us)
        return MS_NOMEM;
    memset(&none, 0, sizeof none);
    ms_field_defaults(ms_hardware_kernel_rows, &none);
    const struct ms_hardware_kernels *given = base_section(c->base, fit->section);
    base = given ? *given : none;
    for (size_t i = 0; i < fit->n; i++) {
        char size[32];
        if (ms_row_load(&c->arena, fit->row[i], c->base, &load[i]) != MS_OK)
            return MS_NOMEM;
        add_word(fit->families, sizeof fit->families, fit->row[i]->family);
        snprintf(size, sizeof size, "%d", fit->row[i]->ranks);
        add_word(fit->sizes, sizeof fit->sizes, size);
    }
    choose_constants(fit, &base);
    return ms_fit_group(&c->arena, fit, load, &base);
}

/* The start-up that the fit within a node gave, for the one between nodes. Other libraries' proxies
 * and fabrics start up in their own ways. */
static void take_node_alpha(struct ms_calibration *c, struct ms_fit *fit)
{
    if (strchr(fit->section, '.'))
        return;
    char node[sizeof fit->section + 8];
    struct ms_form_load eight = {.ranks = 8, .nodes = 1};
    snprintf(node, sizeof node, "%s_node", fit->section);
    for (size_t i = 0; i < c->n; i++)
        for (int leg = 0; leg < 2; leg++)
            if (strcmp(c->fit[i].section, node) == 0 &&
                (c->fit[i].leg < 0 || c->fit[i].leg == leg) && c->fit[i].n > 0)
                fit->node_alpha_s[leg] = ms_form_alpha_s(&c->fit[i].kernels, &eight, leg, false);
}

static bool within_a_node(const struct ms_fit *fit)
{
    size_t n = strlen(fit->section);
    return n > 5 && strcmp(fit->section + n - 5, "_node") == 0;
}

/* ---- groups ---- */

static bool legs_together(const char *section)
{
    for (const struct ms_form_constant *of = ms_form_family(section)->constant; of->key; of++)
        if (of->both || of->shared)
            return true;
    return false;
}

static bool is_used(const struct ms_measured_row *r, const char *hardware, struct ms_row_section *s)
{
    return r->fit == MS_FIT_YES && strcmp(r->hardware, hardware) == 0 && ms_row_section(r, s);
}

/* Do other rows of the section know legs? Then an all-to-all is a dispatch. */
static bool has_legs(const struct ms_measured *m, const char *hardware, const char *section)
{
    struct ms_row_section s;
    for (size_t i = 0; i < m->n; i++)
        if (m->row[i].leg != MS_LEG_ALLTOALL && is_used(&m->row[i], hardware, &s) &&
            strcmp(s.name, section) == 0)
            return true;
    return false;
}

static struct ms_fit *group_of(struct ms_calibration *c, const char *section, int leg)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->fit[i].section, section) == 0 && c->fit[i].leg == leg)
            return &c->fit[i];
    struct ms_fit *fit = &c->fit[c->n++];
    snprintf(fit->section, sizeof fit->section, "%s", section);
    fit->leg = leg;
    return fit;
}

static enum ms_status group_rows(struct ms_calibration *c, const struct ms_measured *m,
                                 const char *hardware)
{
    struct ms_row_section s;
    enum { MOST = 128 };
    c->fit = MS_NEW(&c->arena, struct ms_fit, MOST);
    if (!c->fit)
        return MS_NOMEM;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < m->n; i++) {
            const struct ms_measured_row *r = &m->row[i];
            if (!is_used(r, hardware, &s) || (pass == 0 && c->n == MOST))
                continue;
            bool together = legs_together(s.name) ||
                            (r->leg == MS_LEG_ALLTOALL && !has_legs(m, hardware, s.name));
            struct ms_fit *fit = group_of(c, s.name, together ? -1 : ms_row_form_leg(r));
            if (pass == 1)
                fit->row[fit->n] = r;
            fit->n++;
        }
        for (size_t i = 0; i < c->n && pass == 0; i++) {
            c->fit[i].row = MS_NEW(&c->arena, const struct ms_measured_row *, c->fit[i].n);
            if (!c->fit[i].row)
                return MS_NOMEM;
            c->fit[i].n = 0;
        }
    }
    return MS_OK;
}

enum ms_status ms_calibrate(const struct ms_measured *m, const char *hardware,
                            const struct ms_hardware *base, struct ms_calibration *out,
                            struct ms_err *err)
{
    out->base = base;
    enum ms_status s = group_rows(out, m, hardware);
    if (s == MS_OK && out->n == 0)
        return ms_err_set(err, MS_INVALID,
                          "no row with fit = yes is of hardware '%s' and of an exchange", hardware);
    for (int node = 1; node >= 0; node--) /* within a node first: the others lean on it */
        for (size_t i = 0; i < out->n && s == MS_OK; i++) {
            if (within_a_node(&out->fit[i]) != (node == 1))
                continue;
            if (!node)
                take_node_alpha(out, &out->fit[i]);
            s = fit_group(out, &out->fit[i]);
        }
    return s == MS_OK ? s : ms_err_set(err, s, "out of memory for a fit");
}

void ms_calibration_finish(struct ms_calibration *c)
{
    ms_arena_finish(&c->arena);
    *c = (struct ms_calibration){0};
}
