/* Trees of YAML values: looking up by dotted path, changing one value by copying the way to it, and
 * showing a value on one line. */
#include "base/yaml_tree.h"

#include <string.h>

const struct ms_entry *ms_yaml_get(const struct ms_yaml *map, const char *key)
{
    if (!map || map->kind != MS_YAML_MAP)
        return NULL;
    for (const struct ms_entry *e = map->first; e; e = e->next)
        if (strcmp(e->key, key) == 0)
            return e;
    return NULL;
}

/* The first part of a dotted path, into word. @return what follows the dot, NULL at the end */
static const char *first_part(const char *path, char *word, size_t size)
{
    const char *dot = strchr(path, '.');
    size_t n = dot ? (size_t)(dot - path) : strlen(path);
    if (n >= size)
        n = size - 1;
    memcpy(word, path, n);
    word[n] = 0;
    return dot ? dot + 1 : NULL;
}

const struct ms_entry *ms_yaml_find(const struct ms_yaml *map, const char *path,
                                    const struct ms_entry **last)
{
    if (last)
        *last = NULL;
    for (;;) {
        char word[128];
        const char *rest = first_part(path, word, sizeof word);
        const struct ms_entry *e = ms_yaml_get(map, word);
        if (!e)
            return NULL;
        if (last)
            *last = e;
        if (!rest)
            return e;
        map = e->value;
        path = rest;
    }
}

/* A copy of one level; the entries are new, what they hold is shared. */
static struct ms_yaml *copy_map(struct ms_arena *arena, const struct ms_yaml *map)
{
    struct ms_yaml *copy = MS_NEW(arena, struct ms_yaml, 1);
    if (!copy)
        return NULL;
    copy->kind = MS_YAML_MAP;
    copy->expanded = 1;
    if (!map || map->kind != MS_YAML_MAP || map->n == 0)
        return copy;
    struct ms_entry *e = MS_NEW(arena, struct ms_entry, map->n);
    if (!e)
        return NULL;
    for (const struct ms_entry *from = map->first; from; from = from->next) {
        e[copy->n] = *from;
        e[copy->n].next = from->next ? &e[copy->n + 1] : NULL;
        copy->n++;
    }
    copy->first = e;
    copy->expanded = map->expanded;
    return copy;
}

static struct ms_entry *get_or_add(struct ms_arena *arena, struct ms_yaml *map, const char *key)
{
    struct ms_entry *last = NULL;
    for (struct ms_entry *e = (struct ms_entry *)map->first; e; e = (struct ms_entry *)e->next) {
        if (strcmp(e->key, key) == 0)
            return e;
        last = e;
    }
    struct ms_entry *e = MS_NEW(arena, struct ms_entry, 1);
    char *name = e ? ms_arena_strdup(arena, key) : NULL;
    if (!name)
        return NULL;
    e->key = name;
    *(last ? &last->next : &map->first) = e;
    map->n++;
    return e;
}

const struct ms_yaml *ms_yaml_set(struct ms_arena *arena, const struct ms_yaml *map,
                                  const char *path, const struct ms_entry *with)
{
    char word[128];
    const char *rest = first_part(path, word, sizeof word);
    struct ms_yaml *copy = copy_map(arena, map);
    struct ms_entry *e = copy ? get_or_add(arena, copy, word) : NULL;
    if (!e)
        return NULL;
    const struct ms_yaml *old = e->value;
    if (!rest || !old) { /* a section keeps its own place, a value gets the new one */
        e->file = with->file;
        e->line = with->line;
        e->col = with->col;
    }
    e->value = rest ? ms_yaml_set(arena, old, rest, with) : with->value;
    if (e->value)
        copy->expanded += e->value->expanded;
    return e->value ? copy : NULL;
}

const struct ms_yaml *ms_yaml_scalar(struct ms_arena *arena, const char *text)
{
    struct ms_yaml *node = MS_NEW(arena, struct ms_yaml, 1);
    if (!node)
        return NULL;
    node->kind = MS_YAML_SCALAR;
    node->plain = true;
    node->expanded = 1;
    node->text = ms_arena_strdup(arena, text);
    return node->text ? node : NULL;
}

const struct ms_entry *ms_yaml_without(struct ms_arena *arena, const struct ms_entry *e,
                                       const char *key)
{
    if (!ms_yaml_get(e->value, key))
        return e;
    struct ms_entry *copy = MS_NEW(arena, struct ms_entry, 1);
    struct ms_yaml *map = copy_map(arena, e->value);
    if (!copy || !map)
        return e;
    const struct ms_entry **link = &map->first;
    while (*link && strcmp((*link)->key, key) != 0)
        link = (const struct ms_entry **)&((struct ms_entry *)*link)->next;
    *link = (*link)->next;
    map->n--;
    *copy = *e;
    copy->value = map;
    return copy;
}

bool ms_yaml_null(const struct ms_yaml *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != MS_YAML_SCALAR || !node->plain)
        return false;
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (strcmp(node->text, nulls[i]) == 0)
            return true;
    return false;
}

void ms_yaml_show(struct ms_buf *out, const struct ms_yaml *node)
{
    if (node->kind == MS_YAML_SCALAR) {
        ms_buf_adds(out, node->text);
        return;
    }
    bool map = node->kind == MS_YAML_MAP;
    ms_buf_adds(out, map ? "{" : "[");
    for (const struct ms_entry *e = node->first; e; e = e->next) {
        if (map)
            ms_buf_printf(out, "%s: ", e->key);
        ms_yaml_show(out, e->value);
        if (e->next)
            ms_buf_adds(out, ", ");
    }
    ms_buf_adds(out, map ? "}" : "]");
}
