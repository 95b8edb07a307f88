/** @file check_study.c  Every case of a study against its platform, before anything runs. */
#include <string.h>

#include "scenario/errors.h"
#include "scenario/scenario.h"

/* A platform read once for all cases that group its hosts alike. */
struct known {
    const char *path; /* lives as long as the study */
    int gpus_per_node;
    bool good;
    struct ms_platform platform;
    struct known *next;
};

struct walk {
    struct ms_arena arena; /* of the list */
    struct known *list;
    struct ms_errs *errs;
    size_t start;
};

static struct known *find(struct walk *w, const struct ms_scenario *s)
{
    for (struct known *k = w->list; k; k = k->next)
        if (strcmp(k->path, s->platform) == 0 && k->gpus_per_node == s->gpus_per_node)
            return k;
    return NULL;
}

static struct known *read_platform(struct walk *w, const struct ms_scenario *s)
{
    struct ms_errs errs = {0};
    struct known *k = MS_NEW(&w->arena, struct known, 1);
    char *path = k ? ms_arena_strdup(&w->arena, s->platform) : NULL;
    if (!path)
        return NULL;
    k->path = path;
    k->gpus_per_node = s->gpus_per_node;
    k->good = ms_platform_read(s->platform, &k->platform, &errs) == MS_OK;
    ms_errors_merge(w->errs, &errs, w->start);
    ms_errs_finish(&errs);
    if (k->good && k->platform.n_nodes == 0 && s->gpus_per_node > 0)
        ms_platform_group(&k->platform, s->gpus_per_node,
                          NULL); /* ms_scenario_check says why not */
    k->next = w->list;
    w->list = k;
    return k;
}

static void check_case(struct walk *w, const struct ms_scenario *s, enum ms_scenario_use use)
{
    struct ms_errs errs = {0};
    struct known *k = NULL;
    bool run = s->platform && use != MS_USE_TRAIN;
    size_t before = w->errs->n;
    if (run) {
        k = find(w, s);
        k = k ? k : read_platform(w, s);
    }
    if (!run || (k && k->good))
        ms_scenario_check(s, k ? &k->platform : NULL, use, &errs);
    else if (w->errs->n == before || k)
        ms_scenario_check(s, NULL, use, &errs);
    ms_errors_merge(w->errs, &errs, w->start);
    ms_errs_finish(&errs);
}

enum ms_status ms_study_check(const struct ms_study *study, enum ms_scenario_use use,
                              struct ms_errs *errs)
{
    struct walk w = {.errs = errs, .start = errs->n};
    for (size_t i = 0; i < study->n_cases && errs->n - w.start < MS_ERRORS_ENOUGH; i++) {
        struct ms_err err = {0};
        struct ms_case c = {0};
        if (ms_study_case(study, i, &c, &err) == MS_OK)
            check_case(&w, &c.s, use);
        else
            ms_errs_add(errs, &err);
        ms_case_finish(&c);
    }
    for (struct known *k = w.list; k; k = k->next)
        ms_platform_finish(&k->platform);
    ms_arena_finish(&w.arena);
    ms_errors_sort(errs, w.start);
    return ms_errors_status(errs, w.start);
}
