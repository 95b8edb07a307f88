/** @file law_named.h  A popularity by name for tests, with one parameter of its own where given. */
#ifndef TESTS_LAW_NAMED_H
#define TESTS_LAW_NAMED_H

#include <stdlib.h>

#include "routing/law.h"

/** Parameters live until the program ends. @param key NULL: defaults, or the preset's value */
static inline struct ms_popularity law_named(const char *name, const char *key, const char *value)
{
    static struct ms_arena arena;
    struct ms_popularity p;
    if (ms_popularity_init(&p, name, !key, &arena, NULL) != MS_OK)
        abort();
    const struct ms_field *f = key ? ms_field_find(p.law->fields, key) : NULL;
    if (key && ms_field_parse(f, value, true, NULL, (char *)p.params + f->offset, NULL) != MS_OK)
        abort();
    return p;
}

#endif
