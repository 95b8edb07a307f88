/** @file names.c  The words other rooms' tables allow for a key. */
#include <string.h>

#include "moe/loss.h"
#include "moe/router.h"
#include "demand/rank_assign.h"
#include "demand/replica.h"
#include "place/place.h"
#include "routing/law.h"
#include "routing/preset.h"
#include "scenario/fields.h"
#include "sim/sim.h"

static size_t put(const char **out, size_t cap, size_t n, const char *name)
{
    if (out && n < cap)
        out[n] = name;
    return n + 1;
}

size_t ms_names_presets(const char **out, size_t cap)
{
    size_t n = 0;
    for (const struct ms_model_preset *p = ms_model_presets(); p->name; p++)
        n = put(out, cap, n, p->name);
    for (size_t i = 0; ms_model_preset_alias(i); i++)
        n = put(out, cap, n, ms_model_preset_alias(i));
    return n;
}

size_t ms_names_laws(const char **out, size_t cap)
{
    size_t n = 0;
    for (const struct ms_law *const *l = ms_laws(); *l; l++)
        n = put(out, cap, n, (*l)->name);
    for (const struct ms_law_preset *p = ms_law_presets(); p->name; p++)
        n = put(out, cap, n, p->name);
    return n;
}

size_t ms_names_assignments(const char **out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; ms_assigns[i]; i++)
        n = put(out, cap, n, ms_assigns[i]->name);
    for (const struct ms_rank_assign *const *a = ms_rank_assigns(); *a; a++)
        n = put(out, cap, n, (*a)->name);
    return n;
}

size_t ms_names_routers(const char **out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; ms_routers[i]; i++)
        n = put(out, cap, n, ms_routers[i]->name);
    return n;
}

size_t ms_names_placements(const char **out, size_t cap)
{
    size_t n = 0;
    for (const struct ms_place_strategy *const *s = ms_place_strategies(); *s; s++)
        n = put(out, cap, n, (*s)->name);
    return n;
}

size_t ms_names_replica_choices(const char **out, size_t cap)
{
    size_t n = put(out, cap, 0, "auto");
    for (const struct ms_replica_choice *const *c = ms_replica_choices(); *c; c++)
        n = put(out, cap, n, (*c)->name);
    return n;
}

size_t ms_names_losses(const char **out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; ms_losses[i]; i++)
        n = put(out, cap, n, ms_losses[i]->name);
    return n;
}

static size_t of_sim(const struct ms_sim_name *table, const char **out, size_t cap)
{
    size_t n = 0;
    while (table[n].name)
        n = put(out, cap, n, table[n].name);
    return n;
}

size_t ms_names_exchanges(const char **out, size_t cap)
{
    return of_sim(ms_sim_exchanges(), out, cap);
}

size_t ms_names_networks(const char **out, size_t cap)
{
    return of_sim(ms_sim_network_models(), out, cap);
}

size_t ms_names_compute(const char **out, size_t cap)
{
    return of_sim(ms_sim_compute_profiles(), out, cap);
}
