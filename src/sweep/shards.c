/* Names the shards that a merge misses, and the folders that hold one twice, from the numbers of the
 * cases: shard K of N has those with number = K - 1 modulo N. */
#include "sweep/shards.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/seal.h"
#include "sweep/store.h"

enum { NOWHERE = INT32_MAX, MOST_NAMED = 8 };

struct shards {
    struct ms_arena arena;
    const char *const *dirs;
    size_t n_dirs, n_cases, n_shards; /* n_shards 0: nobody says */
    int32_t *first;                   /* [n_cases] the folder that has it, NOWHERE = none */
    size_t *again; /* [n_shards or 1] cases of the folder at hand that were there */
    struct ms_buf *out;
};

static char *path_in(struct ms_arena *arena, const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = MS_NEW(arena, char, n);
    if (path)
        snprintf(path, n, "%s/%s", dir, name);
    return path;
}

enum ms_status ms_shard_note(const char *dir, size_t shard, size_t n_shards, struct ms_err *err)
{
    struct ms_arena arena = {0};
    char text[80], *path = path_in(&arena, dir, "shard.json");
    enum ms_status s = path ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
    int n = snprintf(text, sizeof text, "{\"shard\":%zu,\"of\":%zu}\n", shard, n_shards);
    if (s == MS_OK && n_shards > 1)
        s = ms_file_write(path, text, (size_t)n, err);
    else if (s == MS_OK)
        unlink(path);
    ms_arena_finish(&arena);
    return s;
}

/* How many shards a folder's run was cut into; 0: it does not say. */
static size_t shards_of(struct shards *g, const char *dir)
{
    char *path = path_in(&g->arena, dir, "shard.json");
    json_t *o = path && access(path, F_OK) == 0 ? json_load_file(path, 0, NULL) : NULL;
    json_int_t n = json_integer_value(json_object_get(o, "of"));
    json_decref(o);
    return n > 1 && n <= 1000000 ? (size_t)n : 0;
}

/* The number of the case of a good record; n_cases = it is none. */
static size_t good_case(const struct shards *g, const char *line, size_t n)
{
    while (n > 0 && strchr(" \t\r", line[n - 1]))
        n--;
    if (ms_seal_check(line, n) != MS_SEAL_WHOLE)
        return g->n_cases;
    json_t *o = json_loadb(line, n, 0, NULL);
    const char *id = json_string_value(json_object_get(o, "case")),
               *status = json_string_value(json_object_get(o, "status"));
    size_t at = g->n_cases;
    if (id && id[0] == 'c' && status && ms_store_good(status))
        at = (size_t)strtoul(id + 1, NULL, 10);
    json_decref(o);
    return at < g->n_cases ? at : g->n_cases;
}

/* Cases of folder d that an earlier one has are counted by shard; the others are its own. */
static void take(struct shards *g, int32_t d, const struct ms_buf *text)
{
    for (const char *at = text->p, *end = text->p + text->n; text->n && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at), i = good_case(g, at, n);
        if (i < g->n_cases && g->first[i] == NOWHERE)
            g->first[i] = d;
        else if (i < g->n_cases && g->first[i] != d)
            g->again[g->n_shards ? i % g->n_shards : 0]++;
        at += n + 1;
    }
}

static size_t size_of_shard(const struct shards *g, size_t k)
{
    return (g->n_cases + g->n_shards - 1 - k) / g->n_shards;
}

static void tell_doubled(struct shards *g, size_t d)
{
    for (size_t k = 0; k < (g->n_shards ? g->n_shards : 1); k++) {
        if (g->again[k] && g->n_shards)
            ms_buf_printf(g->out,
                          "shard %zu/%zu is there twice: %zu of its %zu cases again in '%s'\n",
                          k + 1, g->n_shards, g->again[k], size_of_shard(g, k), g->dirs[d]);
        else if (g->again[k])
            ms_buf_printf(g->out, "%zu cases are there twice: again in '%s'\n", g->again[k],
                          g->dirs[d]);
        g->again[k] = 0;
    }
}

static void tell_missing_shards(struct shards *g)
{
    for (size_t k = 0; k < g->n_shards; k++) {
        size_t missing = 0;
        for (size_t i = k; i < g->n_cases; i += g->n_shards)
            missing += g->first[i] == NOWHERE;
        if (missing)
            ms_buf_printf(g->out,
                          "shard %zu/%zu is missing: %zu of its %zu cases have no good record\n",
                          k + 1, g->n_shards, missing, size_of_shard(g, k));
    }
}

static void tell_missing_cases(struct shards *g)
{
    size_t missing = 0;
    for (size_t i = 0; i < g->n_cases; i++) {
        if (g->first[i] != NOWHERE)
            continue;
        if (missing < MOST_NAMED)
            ms_buf_printf(g->out, "%sc%04zu", missing ? ", " : "missing: ", i);
        missing++;
    }
    if (missing > MOST_NAMED)
        ms_buf_printf(g->out, " and %zu more", missing - MOST_NAMED);
    ms_buf_adds(g->out, missing ? "\n" : "");
}

static enum ms_status tell(struct shards *g, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    for (size_t d = 0; d < g->n_dirs && !g->n_shards; d++)
        g->n_shards = shards_of(g, g->dirs[d]);
    g->first = MS_NEW(&g->arena, int32_t, g->n_cases + 1);
    g->again = MS_NEW(&g->arena, size_t, g->n_shards + 1);
    if (!g->first || !g->again)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (size_t i = 0; i < g->n_cases; i++)
        g->first[i] = NOWHERE;
    for (size_t d = 0; s == MS_OK && d < g->n_dirs; d++) {
        struct ms_buf text = {0};
        char *path = path_in(&g->arena, g->dirs[d], "results.jsonl");
        s = path ? MS_OK : ms_err_set(err, MS_NOMEM, "out of memory");
        if (s == MS_OK && access(path, F_OK) == 0)
            s = ms_file_read(path, &text, err);
        if (s == MS_OK) {
            take(g, (int32_t)d, &text);
            tell_doubled(g, d);
        }
        ms_buf_finish(&text);
    }
    if (s == MS_OK && g->n_shards)
        tell_missing_shards(g);
    else if (s == MS_OK)
        tell_missing_cases(g);
    return s;
}

enum ms_status ms_shards_tell(const char *const *dirs, size_t n_dirs, size_t n_cases,
                              struct ms_buf *out, struct ms_err *err)
{
    struct shards g = {.dirs = dirs, .n_dirs = n_dirs, .n_cases = n_cases, .out = out};
    enum ms_status s = tell(&g, err);
    ms_arena_finish(&g.arena);
    return s;
}
