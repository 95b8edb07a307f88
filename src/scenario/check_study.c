/** @file check_study.c  Every case of a study against its platform, before anything runs. */
#include <string.h>
#include <unistd.h>

#include "scenario/check_demand.h"
#include "scenario/errors.h"
#include "scenario/study.h"
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
    struct ms_demand_trials tried;
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

static void check_demand(struct walk *w, const struct ms_scenario *s,
                         const struct ms_platform *platform, struct ms_errs *errs)
{
    struct ms_err err = {0};
    int line, col;
    if (ms_demand_try(&w->tried, s, platform, &err))
        return;
    if (!err.file[0] && err.key[0]) {
        const char *file = ms_scenario_place(s, err.key, &line, &col);
        ms_errs_add_at(errs, err.status, file, line, col, err.key, "%s", err.text);
    } else {
        ms_errs_add(errs, &err);
    }
}

/* errs holds what reading the case found */
static void check_case(struct walk *w, const struct ms_scenario *s, enum ms_scenario_use use,
                       struct ms_errs *errs)
{
    struct known *k = NULL;
    if (s->platform && use != MS_USE_TRAIN && access(s->platform, F_OK) == 0) {
        k = find(w, s);
        k = k ? k : read_platform(w, s);
    }
    ms_scenario_check(s, k && k->good ? &k->platform : NULL, use, errs);
    if (k && k->good && errs->n == 0)
        check_demand(w, s, &k->platform, errs);
    ms_errors_merge(w->errs, errs, w->start);
}

enum ms_status ms_study_check(const struct ms_study *study, enum ms_scenario_use use,
                              struct ms_errs *errs)
{
    struct walk w = {.errs = errs};
    size_t enough = errs->n + MS_ERRORS_ENOUGH;
    for (size_t i = 0; i < study->n_cases && errs->n < enough; i++) {
        struct ms_errs mine = {0};
        struct ms_case c = {0};
        if (ms_study_read_case(study, i, &c, &mine) != MS_NOMEM)
            check_case(&w, &c.s, use, &mine);
        ms_errs_finish(&mine);
        ms_case_finish(&c);
    }
    for (struct known *k = w.list; k; k = k->next)
        ms_platform_finish(&k->platform);
    ms_demand_trials_finish(&w.tried);
    ms_arena_finish(&w.arena);
    ms_errors_sort(errs, w.start);
    return ms_errors_status(errs, w.start);
}
