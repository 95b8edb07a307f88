/* Decides when two strings are the same one: open addressing over their 64-bit hashes, at most half
 * full, texts compared where the hashes meet. */
#include "base/strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static size_t *find(const struct ms_strings *s, const char *text)
{
    size_t mask = s->n_slots - 1, at = (size_t)ms_hash64(text, strlen(text)) & mask;
    while (s->slot[at] && strcmp(s->text[s->slot[at] - 1], text) != 0)
        at = (at + 1) & mask;
    return &s->slot[at];
}

static bool grow(struct ms_strings *s)
{
    size_t cap = s->cap ? 2 * s->cap : 32;
    const char **text = realloc(s->text, cap * sizeof *text);
    if (!text)
        return false;
    s->text = text;
    size_t *slot = calloc(2 * cap, sizeof *slot);
    if (!slot)
        return false;
    free(s->slot);
    s->slot = slot;
    s->n_slots = 2 * cap;
    s->cap = cap;
    for (size_t i = 0; i < s->n; i++)
        *find(s, s->text[i]) = i + 1;
    return true;
}

size_t ms_strings_add(struct ms_strings *s, const char *text)
{
    if (s->failed || (s->n == s->cap && !grow(s))) {
        s->failed = true;
        return 0;
    }
    size_t *slot = find(s, text);
    if (*slot)
        return *slot - 1;
    char *copy = ms_arena_strdup(&s->arena, text);
    if (!copy) {
        s->failed = true;
        return 0;
    }
    s->text[s->n++] = copy;
    *slot = s->n;
    return s->n - 1;
}

size_t ms_strings_find(const struct ms_strings *s, const char *text)
{
    const size_t *slot = s->n_slots ? find(s, text) : NULL;
    return slot && *slot ? *slot - 1 : s->n;
}

void ms_strings_finish(struct ms_strings *s)
{
    ms_arena_finish(&s->arena);
    free(s->text);
    free(s->slot);
    *s = (struct ms_strings){0};
}
