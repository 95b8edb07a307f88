/* Which errors of many cases are the same, and in what order they are told. */
#include "scenario/errors.h"

#include <stdbool.h>
#include <string.h>

static bool same(const struct ms_err *a, const struct ms_err *b)
{
    return a->line == b->line && a->col == b->col && strcmp(a->file, b->file) == 0 &&
           strcmp(a->key, b->key) == 0 && strcmp(a->text, b->text) == 0;
}

/* Among list[start..n-1]; an empty list may be NULL. */
static bool among(const struct ms_err *list, size_t start, size_t n, const struct ms_err *e)
{
    for (size_t i = start; i < n; i++)
        if (same(&list[i], e))
            return true;
    return false;
}

void ms_errors_merge(struct ms_errs *into, const struct ms_errs *from, size_t start)
{
    for (size_t i = 0; i < from->n; i++)
        if (!among(into->e, start, into->n, &from->e[i]))
            ms_errs_add(into, &from->e[i]);
    for (size_t i = 0; i < from->n_warnings; i++) {
        const struct ms_err *w = &from->warn[i];
        if (!among(into->warn, 0, into->n_warnings, w))
            ms_errs_warn_at(into, w->file, w->line, w->col, w->key, "%s", w->text);
    }
}

/* Where the file of e[i] first appears; --set comes after every file. */
static size_t file_rank(const struct ms_errs *errs, size_t start, const struct ms_err *e)
{
    if (strcmp(e->file, "--set") == 0)
        return errs->n;
    for (size_t i = start; i < errs->n; i++)
        if (strcmp(errs->e[i].file, e->file) == 0)
            return i;
    return errs->n;
}

static bool after(const struct ms_errs *errs, const size_t *rank, size_t i, size_t j)
{
    const struct ms_err *a = &errs->e[i], *b = &errs->e[j];
    if (rank[0] != rank[1])
        return rank[0] > rank[1];
    return a->line != b->line ? a->line > b->line : a->col > b->col;
}

void ms_errors_sort(struct ms_errs *errs, size_t start)
{
    for (size_t i = start + 1; i < errs->n; i++)
        for (size_t j = i; j > start; j--) {
            size_t rank[2] = {file_rank(errs, start, &errs->e[j - 1]),
                              file_rank(errs, start, &errs->e[j])};
            if (!after(errs, rank, j - 1, j))
                break;
            struct ms_err t = errs->e[j];
            errs->e[j] = errs->e[j - 1];
            errs->e[j - 1] = t;
        }
}

enum ms_status ms_errors_status(const struct ms_errs *errs, size_t start)
{
    for (size_t i = start; i < errs->n; i++)
        if (errs->e[i].status != MS_INVALID && errs->e[i].status != MS_INFEASIBLE)
            return errs->e[i].status;
    return errs->n > start ? MS_INVALID : MS_OK;
}
