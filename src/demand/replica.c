/* The table of replica choices, and which one is meant where none is named. */
#include "demand/replica.h"

#include <stddef.h>
#include <string.h>

#define X(name) extern const struct ms_replica_choice ms_replica_##name;
#include "replica_registry.inc"
#undef X

static const struct ms_replica_choice *const choices[] = {
#define X(name) &ms_replica_##name,
#include "replica_registry.inc"
#undef X
    NULL,
};

const struct ms_replica_choice *const *ms_replica_choices(void)
{
    return choices;
}

const struct ms_replica_choice *ms_replica_find(const char *name)
{
    for (int i = 0; choices[i]; i++)
        if (!strcmp(choices[i]->name, name))
            return choices[i];
    return NULL;
}

const struct ms_replica_choice *ms_replica_planned(void)
{
    int i = 0;
    while (!choices[i]->keeps_plan || choices[i]->split)
        i++;
    return choices[i];
}

const struct ms_replica_choice *ms_replica_of(const struct ms_place_params *p)
{
    const struct ms_place_strategy *s = p->strategy ? ms_place_find(p->strategy) : NULL;
    if (p->replica_choice && strcmp(p->replica_choice, "auto") != 0)
        return ms_replica_find(p->replica_choice);
    bool planned = s && (s->needs_load || s->needs_map);
    return planned ? ms_replica_planned() : choices[0];
}
