/* The routes that flows can use: those stored, in arrays of the solver's, and those lent. */
#include <assert.h>
#include <stdlib.h>

#include "sim/fluid/fluid_internal.h"

/* Does it cross a shared link twice? Such links are noted. */
static bool winds(struct ms_fluid *f, const uint32_t *link, size_t n)
{
    bool any = false;
    for (size_t i = 1; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (link[j] == link[i] && !f->fat[link[i]])
                f->twice[link[i]] = any = true;
        }
    }
    return any;
}

/* What there is to know of the routes from t->n to n, which `hop` and `off` of t have already. */
static bool learn(struct ms_fluid *f, struct ms_fluid_routes *t, size_t n)
{
    size_t had = t->winding_cap, longest = 0;
    if (!ms_fluid_grow(&t->winding, &t->winding_cap, n / 64 + 1, sizeof *t->winding))
        return false;
    for (size_t i = had; i < t->winding_cap; i++)
        t->winding[i] = 0;
    for (; t->n < n; t->n++) {
        size_t n_links = t->off[t->n + 1] - t->off[t->n];
        if (winds(f, t->hop + t->off[t->n], n_links))
            t->winding[t->n / 64] |= (uint64_t)1 << (t->n % 64);
        longest = n_links > longest ? n_links : longest;
    }
    return ms_fluid_grow(&f->scratch, &f->scratch_cap, longest + 1, sizeof *f->scratch);
}

enum ms_status ms_fluid_route(struct ms_fluid *f, const uint32_t *links, size_t n, uint32_t *route,
                              struct ms_err *err)
{
    struct ms_fluid_routes *t = &f->own;
    size_t number = t->n, from = f->off[number];
    if (f->no_memory || !ms_fluid_grow(&f->hop, &f->hop_cap, from + n, sizeof *f->hop) ||
        !ms_fluid_grow(&f->off, &f->off_cap, number + 2, sizeof *f->off))
        return ms_fluid_no_memory(f, err);
    assert(number < MS_FLUID_LENT);
    for (size_t i = 0; i < n; i++) {
        assert(links[i] < f->n_links);
        f->hop[from + i] = links[i];
    }
    f->off[number + 1] = from + n;
    t->hop = f->hop;
    t->off = f->off;
    *route = (uint32_t)number;
    return learn(f, t, number + 1) ? MS_OK : ms_fluid_no_memory(f, err);
}

enum ms_status ms_fluid_lend(struct ms_fluid *f, const uint32_t *link, const uint64_t *first,
                             size_t n_routes, struct ms_err *err)
{
    assert(n_routes >= f->lent.n && n_routes < MS_FLUID_LENT - 1);
    f->lent.hop = link;
    f->lent.off = first;
    return !f->no_memory && learn(f, &f->lent, n_routes) ? MS_OK : ms_fluid_no_memory(f, err);
}

void ms_fluid_routes_finish(struct ms_fluid *f)
{
    free(f->hop), free(f->off), free(f->own.winding), free(f->lent.winding);
}
