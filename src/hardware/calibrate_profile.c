/* The profile that a calibration makes: the base's sections in their order, fitted numbers in their
 * places, new sections behind, and a source with every number. */
#include <stdlib.h>
#include <string.h>

#include "hardware/calibrate.h"

enum { MOST = 2048 };

struct entry {
    const char *section, *key, *text, *source;
};

struct list {
    struct ms_arena *arena;
    struct entry *e;
    size_t n;
};

static struct entry *find(struct list *l, const char *section, const char *key)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->e[i].section, section) == 0 && strcmp(l->e[i].key, key) == 0)
            return &l->e[i];
    return NULL;
}

static struct entry *add(struct list *l, size_t at, struct entry e)
{
    if (l->n == MOST)
        return NULL;
    memmove(&l->e[at + 1], &l->e[at], (l->n - at) * sizeof *l->e);
    l->e[at] = e;
    l->n++;
    return &l->e[at];
}

/* Behind the section's last entry; a new section stands at the end. */
static size_t end_of(const struct list *l, const char *section)
{
    size_t at = l->n;
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->e[i].section, section) == 0)
            at = i + 1;
    return at;
}

/* A key that stands for both legs becomes two where one of them is fitted alone. */
static void split(struct list *l, const char *section, const char *key)
{
    struct entry *both = find(l, section, key);
    if (!both)
        return;
    struct entry e = *both;
    size_t at = (size_t)(both - l->e);
    for (int leg = 0; leg < 2; leg++) {
        char *name = MS_NEW(l->arena, char, strlen(key) + 16);
        if (!name)
            return;
        snprintf(name, strlen(key) + 16, "%s%s", leg ? "combine_" : "dispatch_", key);
        if (leg == 0) {
            l->e[at].key = name;
        } else {
            e.key = name;
            add(l, at + 1, e);
        }
    }
}

static void drop(struct list *l, const char *section, const char *key)
{
    struct entry *e = find(l, section, key);
    if (e)
        memmove(e, e + 1, (size_t)(l->e + --l->n - e) * sizeof *e);
}

static const char *source_of(struct list *l, const struct ms_fit *fit)
{
    size_t size = strlen(fit->families) + strlen(fit->sizes) + 160;
    char *text = MS_NEW(l->arena, char, size);
    if (text)
        snprintf(text, size,
                 "fit to %zu rows of %s (%s ranks): closed form %.1f %% off, worst %.0f %%", fit->n,
                 fit->families, fit->sizes, 100 * fit->mean, 100 * fit->worst);
    return text ? text : "a fit";
}

/* The base's number stays, and says why. */
static void keep(struct list *l, struct entry *e)
{
    static const char said[] = "; the rows of the fit do not fix it";
    if (!e || strstr(e->source, said))
        return;
    char *text = MS_NEW(l->arena, char, strlen(e->source) + sizeof said);
    if (!text)
        return;
    strcpy(text, e->source);
    strcat(text, said);
    e->source = text;
}

static void put(struct list *l, const struct ms_fit *fit, const struct ms_fit_constant *c,
                const char *source)
{
    char value[48];
    if (c->leg >= 0) {
        split(l, fit->section, c->of->key);
    } else if (!c->of->both && c->fixed) {
        char leg[120];
        snprintf(leg, sizeof leg, "dispatch_%s", c->of->key);
        drop(l, fit->section, leg);
        snprintf(leg, sizeof leg, "combine_%s", c->of->key);
        drop(l, fit->section, leg);
    }
    struct entry *e = find(l, fit->section, c->key);
    if (!c->fixed) {
        if (!c->agrees)
            keep(l, e);
        return;
    }
    const char *text =
        ms_arena_strdup(l->arena, ms_fit_value_text(c, c->value, value, sizeof value));
    if (!e)
        e = add(l, end_of(l, fit->section), (struct entry){fit->section, c->key, "", ""});
    if (!e || !text)
        return;
    e->text = text;
    e->source = source;
}

/* ---- YAML ---- */

static void quoted(struct ms_buf *b, const char *text)
{
    ms_buf_adds(b, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            ms_buf_adds(b, "\\");
        ms_buf_add(b, c, 1);
    }
    ms_buf_adds(b, "\"");
}

static void write_entry(struct ms_buf *b, const struct entry *e, const char *indent)
{
    ms_buf_printf(b, "%s%s: ", indent, e->key);
    if (!*e->source) {
        ms_buf_printf(b, "%s\n", e->text);
        return;
    }
    ms_buf_printf(b, "{value: %s, source: ", e->text);
    quoted(b, e->source);
    ms_buf_adds(b, "}\n");
}

static void write_section(struct ms_buf *b, const struct list *l, const char *section,
                          const char *name, const char *indent)
{
    char deeper[16];
    ms_buf_printf(b, "%s%s:\n", indent, name);
    snprintf(deeper, sizeof deeper, "%s  ", indent);
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->e[i].section, section) == 0)
            write_entry(b, &l->e[i], deeper);
}

/* The first entry of what is before `n` bytes of its section? */
static bool is_first(const struct list *l, size_t i, size_t n)
{
    for (size_t k = 0; k < i; k++)
        if (strncmp(l->e[k].section, l->e[i].section, n) == 0 &&
            (l->e[k].section[n] == l->e[i].section[n]))
            return false;
    return true;
}

static void write_all(struct ms_buf *b, const struct list *l)
{
    bool libraries = false;
    for (size_t i = 0; i < l->n; i++) {
        const char *section = l->e[i].section;
        libraries |= strchr(section, '.') != NULL;
        if (!strchr(section, '.') && is_first(l, i, strlen(section)))
            write_section(b, l, section, section, "");
    }
    if (libraries)
        ms_buf_adds(b, "libraries:\n");
    for (size_t i = 0; i < l->n; i++) {
        const char *dot = strchr(l->e[i].section, '.');
        size_t n = dot ? (size_t)(dot - l->e[i].section) : 0;
        if (!dot || !is_first(l, i, n))
            continue;
        ms_buf_printf(b, "  %.*s:\n", (int)n, l->e[i].section);
        for (size_t k = i; k < l->n; k++) {
            const char *section = l->e[k].section;
            if (strncmp(section, l->e[i].section, n + 1) == 0 && is_first(l, k, strlen(section)))
                write_section(b, l, section, section + n + 1, "    ");
        }
    }
}

void ms_calibration_profile(const struct ms_calibration *c, const char *comments,
                            struct ms_buf *out)
{
    struct ms_arena arena = {0};
    struct list l = {.arena = &arena, .e = MS_NEW(&arena, struct entry, MOST)};
    if (!l.e) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < c->base->n_values && i < MOST; i++) {
        const struct ms_hardware_value *v = &c->base->value[i];
        l.e[l.n++] = (struct entry){v->section, v->key, v->text, v->source};
    }
    for (size_t i = 0; i < c->n; i++) {
        const char *source = source_of(&l, &c->fit[i]);
        for (int k = 0; k < c->fit[i].n_constants; k++)
            put(&l, &c->fit[i], &c->fit[i].constant[k], source);
    }
    ms_buf_adds(out, comments);
    ms_buf_adds(out, "help: ");
    quoted(out, c->base->help);
    ms_buf_adds(out, "\n");
    write_all(out, &l);
    ms_arena_finish(&arena);
}
