/* What a results folder holds already: the records of this study's cases, found by their keys wherever
 * they stood, and not made again. */
#include <stdlib.h>
#include <string.h>

#include "sweep/lines.h"
#include "sweep/samples_file.h"
#include "sweep/store_parts.h"

/* Samples that are not what was written are simulated again. */
static bool has_samples(const struct ms_store *s, const struct ms_store_case *c)
{
    enum ms_samples_state state;
    if (ms_samples_read(s->dir, c->id, c->key.hex, &state, NULL, NULL) != MS_OK)
        return false;
    if (state == MS_SAMPLES_BROKEN && s->study->warnings)
        ms_errs_warn_at(
            s->study->warnings, s->dir, 0, 0, "samples",
            "%s.csv is not what was written for this case (its hash or key does not match); "
            "the case runs again",
            c->id);
    return state == MS_SAMPLES_WHOLE;
}

/* Lines by their key, those of one key in the order of the file. */
struct by_key {
    const struct ms_line **line;
    size_t n;
};

static int compare_lines(const void *a, const void *b)
{
    const struct ms_line *x = *(const struct ms_line *const *)a;
    const struct ms_line *y = *(const struct ms_line *const *)b;
    int c = strcmp(x->key, y->key);
    return c ? c : x < y ? -1 : x > y;
}

static bool index_lines(struct by_key *k, const struct ms_line *lines, size_t n,
                        struct ms_arena *arena)
{
    *k = (struct by_key){MS_NEW(arena, const struct ms_line *, n + 1), n};
    for (size_t i = 0; k->line && i < n; i++)
        k->line[i] = &lines[i];
    if (k->line)
        qsort(k->line, n, sizeof *k->line, compare_lines);
    return k->line;
}

/* Where the lines of a key begin. */
static size_t first_of(const struct by_key *k, const char *key)
{
    size_t lo = 0, hi = k->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(k->line[mid]->key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* A record that was made before for the same key, wherever it stood. */
static enum ms_status reuse(struct ms_store *s, size_t index, const struct by_key *old,
                            struct ms_err *err)
{
    const struct ms_store_case *c = &s->study->c[index];
    for (size_t i = first_of(old, c->key.hex); i < old->n; i++) {
        const struct ms_line *l = old->line[i];
        if (strcmp(l->key, c->key.hex) != 0)
            break;
        if (!ms_store_good(l->status) || !l->body)
            continue;
        if (s->study->needs_samples && (strcmp(l->id, c->id) != 0 || !has_samples(s, c)))
            continue;
        s->entry[index].record = ms_store_line_ok(c, l->body);
        s->entry[index].ok = true;
        return s->entry[index].record ? MS_OK : ms_store_no_memory(err);
    }
    return MS_OK;
}

static void reuse_timing(struct ms_store *s, size_t index, const struct by_key *times)
{
    const struct ms_store_case *c = &s->study->c[index];
    const char *latest = NULL;
    for (size_t i = first_of(times, c->key.hex); i < times->n; i++) {
        if (strcmp(times->line[i]->key, c->key.hex) != 0)
            break;
        latest = times->line[i]->text;
    }
    const char *rest = latest && s->entry[index].ok ? strstr(latest, "\"key\":\"") : NULL;
    rest = rest ? strchr(rest + strlen("\"key\":\""), '"') : NULL;
    if (!rest || rest[1] != ',')
        return;
    char *members = strdup(rest + 2);
    if (members && *members)
        members[strlen(members) - 1] = '\0';
    s->entry[index].timing = members ? ms_store_line_timing(c, members) : NULL;
    free(members);
}

enum ms_status ms_store_reuse(struct ms_store *s, struct ms_err *err)
{
    struct ms_arena arena = {0};
    struct ms_line *lines, *times;
    struct ms_lines_seen seen = {0};
    struct by_key old = {0}, old_times = {0};
    size_t n, n_times;
    char text[160];
    enum ms_status status = ms_lines_read(s->dir, "results.jsonl", &arena, &lines, &n, &seen, err);
    if (status == MS_OK)
        status = ms_lines_read(s->dir, "timing.jsonl", &arena, &times, &n_times, NULL, err);
    seen.n_broken += seen.n_unsealed; /* nothing is resumed on trust */
    seen.n_unsealed = 0;
    if (status == MS_OK && s->study->warnings &&
        ms_lines_told(&seen, "; their cases run again", text, sizeof text))
        ms_errs_warn_at(s->study->warnings, s->dir, 0, 0, "results.jsonl", "%s", text);
    if (status == MS_OK &&
        (!index_lines(&old, lines, n, &arena) || !index_lines(&old_times, times, n_times, &arena)))
        status = ms_store_no_memory(err);
    for (size_t i = 0; status == MS_OK && i < s->study->n; i++) {
        status = reuse(s, i, &old, err);
        reuse_timing(s, i, &old_times);
    }
    ms_arena_finish(&arena);
    return status;
}
