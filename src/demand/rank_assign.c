/* The table of assignments that see the ranks, and what it says of a name. The strategies stand in
 * files of their own. */
#include "demand/rank_assign.h"

#include <stddef.h>
#include <string.h>

#define X(name) extern const struct ms_rank_assign ms_rank_assign_##name;
#include "rank_assign_registry.inc"
#undef X

static const struct ms_rank_assign *const table[] = {
#define X(name) &ms_rank_assign_##name,
#include "rank_assign_registry.inc"
#undef X
    NULL,
};

const struct ms_rank_assign *const *ms_rank_assigns(void)
{
    return table;
}

const struct ms_rank_assign *ms_rank_assign_find(const char *name)
{
    for (int i = 0; table[i]; i++)
        if (!strcmp(table[i]->name, name))
            return table[i];
    return NULL;
}
