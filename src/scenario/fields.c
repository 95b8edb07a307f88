/* Keys by path: walking them all, finding one, and what a user may have meant by a path that is
 * none. */
#include <stdio.h>
#include <string.h>

#include "scenario/fields.h"

/* Row by row without its path, which nine of ten who ask do not need. */
static const struct ms_section *next_row(struct ms_key_cursor *c, const struct ms_field **field)
{
    const struct ms_section *s = &ms_sections[c->section];
    while (s->prefix && !s->fields[c->row].key) {
        c->section++;
        c->row = 0;
        s = &ms_sections[c->section];
    }
    *field = s->prefix ? &s->fields[c->row++] : NULL;
    return s->prefix ? s : NULL;
}

void ms_key_spell(struct ms_key *k)
{
    const char *prefix = k->section->prefix, *name = k->field->key;
    size_t n = strlen(prefix), m = strlen(name), most = sizeof k->path - 1;
    n = n < most ? n : most;
    memcpy(k->path, prefix, n);
    if (n > 0 && n < most)
        k->path[n++] = '.';
    m = m < most - n ? m : most - n;
    memcpy(k->path + n, name, m);
    k->path[n + m] = '\0';
}

bool ms_key_step(struct ms_key_cursor *c, struct ms_key *out)
{
    out->section = next_row(c, &out->field);
    return out->section;
}

bool ms_key_next(struct ms_key_cursor *c, struct ms_key *out)
{
    bool more = ms_key_step(c, out);
    if (more)
        ms_key_spell(out);
    return more;
}

/* What follows the section's prefix in a path, NULL: the path is of another. */
static const char *below(const struct ms_section *s, const char *path)
{
    size_t n = strlen(s->prefix);
    if (n == 0)
        return path;
    return strncmp(path, s->prefix, n) == 0 && path[n] == '.' ? path + n + 1 : NULL;
}

bool ms_key_find(const char *path, struct ms_key *out)
{
    const struct ms_section *s;
    const struct ms_field *f;
    for (struct ms_key_cursor c = {0}; (s = next_row(&c, &f));) {
        const char *rest = below(s, path);
        if (!rest) { /* none of its rows */
            c = (struct ms_key_cursor){c.section + 1, 0};
            continue;
        }
        if (strcmp(rest, f->key) == 0) {
            out->section = s;
            out->field = f;
            ms_key_spell(out);
            return true;
        }
    }
    return false;
}

/* Is `inner` below `path` by a dot? */
static bool is_below(const char *inner, const char *path)
{
    size_t n = strlen(path);
    return strncmp(inner, path, n) == 0 && inner[n] == '.';
}

bool ms_key_section(const char *path)
{
    for (const struct ms_section *s = ms_sections; s->prefix; s++) {
        const char *rest = below(s, path);
        if (s->fields->key && (strcmp(s->prefix, path) == 0 || is_below(s->prefix, path)))
            return true;
        for (const struct ms_field *f = s->fields; rest && f->key; f++)
            if (is_below(f->key, rest))
                return true;
    }
    return false;
}

bool ms_key_settable(const char *path)
{
    struct ms_key k;
    char word[160];
    if (ms_key_find(path, &k) || ms_key_section(path))
        return true;
    snprintf(word, sizeof word, "%s", path);
    for (char *dot = strrchr(word, '.'); dot; dot = strrchr(word, '.')) {
        *dot = 0;
        if (ms_key_find(word, &k))
            return k.field->type == MS_FIELD_ODD || k.field->type == MS_FIELD_TABLE;
    }
    return false;
}

/* The names one level below `prefix`, each once. */
static size_t siblings(const char *prefix, char words[][80], const char **names, size_t cap)
{
    size_t n = 0, at = strlen(prefix);
    struct ms_key_cursor c = {0};
    struct ms_key k;
    while (ms_key_next(&c, &k) && n < cap) {
        if (at && (strncmp(k.path, prefix, at) != 0 || k.path[at] != '.'))
            continue;
        const char *rest = k.path + at + (at != 0);
        snprintf(words[n], 80, "%.*s", (int)strcspn(rest, "."), rest);
        bool seen = false;
        for (size_t i = 0; i < n; i++)
            seen = seen || strcmp(words[i], words[n]) == 0;
        if (!seen) {
            names[n] = words[n];
            n++;
        }
    }
    return n;
}

/* The key whose last part is exactly `word`, anywhere. */
static bool elsewhere(const char *word, struct ms_key *k)
{
    struct ms_key_cursor c = {0};
    while (ms_key_next(&c, k))
        if (strcmp(k->field->key, word) == 0)
            return true;
    return false;
}

const char *ms_key_hint(const char *path, bool full, char *out, size_t size)
{
    enum { MAX = 64 };
    char words[MAX][80], prefix[160];
    const char *names[MAX];
    struct ms_key k;
    const char *dot = strrchr(path, '.'), *word = dot ? dot + 1 : path;
    snprintf(prefix, sizeof prefix, "%.*s", (int)(dot ? dot - path : 0), path);
    size_t n = siblings(prefix, words, names, MAX);
    if (n == MAX)
        n = MAX - 1;
    if (!prefix[0] && n < MAX)
        names[n++] = "sweep";
    const char *near = ms_nearest(word, names, n);
    if (near)
        snprintf(out, size, "; did you mean '%s%s%s'?", full ? prefix : "",
                 full && prefix[0] ? "." : "", near);
    else if (elsewhere(word, &k))
        snprintf(out, size, "; did you mean '%s'?", k.path);
    else if (n > 0 && n <= 16)
        ms_allowed(out, size, "", names, n);
    else
        snprintf(out, size, "; `moesim list keys` names them all");
    return out;
}
