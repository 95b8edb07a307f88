/** @file law.h  Popularity laws: how much more often one expert is chosen than another.
 *
 *  A law is one law_<name>.c with one const struct and one word in the room's meson.build. A law
 *  gives either *weights* (a token's top-k is drawn without replacement by weight: ln weight +
 *  Gumbel noise) or *inclusion* frequencies (expert e is in a token's top-k with probability
 *  exactly top_k * f_e). Laws are pure; randomness only from rng. A law's parameters are a struct
 *  of its own file that its fields lay out; the frame hands it around as bytes. */
#ifndef MS_ROUTING_LAW_H
#define MS_ROUTING_LAW_H

#include <math.h>

#include "base/err.h"
#include "base/field.h"
#include "base/rng.h"
#include "routing/routing.h"

struct ms_law {
    const char *name, *help;
    const struct ms_field *fields; /**< of its parameters; NULL: it has none */
    size_t params_size;            /**< sizeof the struct they fill */
    int inclusion;                 /**< 1: inclusion frequencies, 0: weights */
    /** The paper's or system's draw, hottest first or in any order (the frame permutes or sorts).
     *  @param params the law's own struct, every parameter in its range
     *  @param w [n_experts] >= 0, any scale, at least top_k of them positive */
    enum ms_status (*draw)(const void *params, int n_experts, int top_k, struct ms_rng *rng,
                           double *w, struct ms_err *err);
};

/** A named point of a law: balanced-lbl, single-domain … (routing.popularity.law takes these names
 *  too). */
struct ms_law_preset {
    const char *name, *help, *law;
    const char *key, *value; /**< the one parameter it sets, as a user would write it */
};

/** The tables; laws NULL-terminated, presets ended by name NULL. */
const struct ms_law *const *ms_laws(void);
const struct ms_law_preset *ms_law_presets(void);
/** The law of a name, also of a preset's name; NULL: unknown. */
const struct ms_law *ms_law_find(const char *name);

/** A popularity by the name of a law or a preset, in the order "shuffled", parameters at their
 *  defaults and, where preset_value, the preset's own one set. Parameters live in the arena.
 *  @return MS_OK; MS_INVALID: no such law; MS_NOMEM */
enum ms_status ms_popularity_init(struct ms_popularity *p, const char *name, bool preset_value,
                                  struct ms_arena *arena, struct ms_err *err);

/** One draw in expert order: the law's numbers scaled to sum 1, sorted hottest first or permuted
 *  (order: enum ms_order; p's own is not looked at). Inclusion laws: no f_e above 1 / top_k
 *  (MS_INVALID otherwise). */
enum ms_status ms_law_draw(const struct ms_popularity *p, int order, int n_experts, int top_k,
                           struct ms_rng *rng, double *f, struct ms_err *err);

#endif
