/* Who holds what under a plan, as its demand solves it; and plans written for other programs. */
#include <stdlib.h>
#include <string.h>

#include "advise/advise.h"
#include "demand/demand.h"
#include "place/place_map.h"

enum ms_status ms_advise_placement(const struct ms_advice *p, int layers, uint64_t seed,
                                   struct ms_placement *out, int **rank_node, struct ms_err *err)
{
    struct ms_case c = {0};
    struct ms_case_input in = {0};
    struct ms_demand *d = NULL;
    enum ms_status s = ms_study_case(&p->study, 0, &c, err);
    if (s != MS_OK)
        return s;
    c.s.in_force = p->plan.c[0].hardware;
    c.s.seed += seed;
    if (layers > 0)
        c.s.workload.layers = layers;
    s = ms_case_input_init(&in, &c.s, p->plan.c[0].platform, &p->plan.inputs->files, 2, err);
    if (s == MS_OK)
        s = ms_demand_create(&in.demand, &d, err);
    if (s == MS_OK)
        s = ms_demand_begin(d, 0, err);
    const struct ms_placement *q = s == MS_OK ? ms_demand_placement(d, 0, 0) : NULL;
    if (q) {
        *out = *q;
        out->slot_share = NULL;
        size_t n = ms_cell(q->n_layers, q->n_slots, 0);
        out->slot_expert = malloc(n * sizeof *out->slot_expert);
        if (out->slot_expert)
            memcpy(out->slot_expert, q->slot_expert, n * sizeof *out->slot_expert);
        else
            s = ms_err_set(err, MS_NOMEM, "out of memory");
    } else if (s == MS_OK) {
        s = ms_err_set(err, MS_INVALID, "a matrix has no placement");
    }
    if (s == MS_OK && rank_node) {
        size_t n = (size_t)in.s.workload.ranks * sizeof **rank_node;
        *rank_node = malloc(n + 1);
        if (*rank_node)
            memcpy(*rank_node, ms_demand_rank_node(d, 0), n);
        else
            s = ms_err_set(err, MS_NOMEM, "out of memory");
    }
    ms_demand_destroy(d);
    ms_case_input_finish(&in);
    ms_case_finish(&c);
    return s;
}

static enum ms_status write_text(const char *dir, size_t number, const char *ending,
                                 const struct ms_buf *text, struct ms_err *err)
{
    struct ms_buf path = {0};
    ms_buf_printf(&path, "%s/plan-%zu.%s", dir, number, ending);
    enum ms_status s = path.failed || text->failed
                           ? ms_err_set(err, MS_NOMEM, "out of memory")
                           : ms_file_write(path.p, text->p ? text->p : "", text->n, err);
    ms_buf_finish(&path);
    return s;
}

/* KEY: VALUE in sections, as a scenario has them. */
static void fragment(const struct ms_advice *p, struct ms_buf *out)
{
    char section[64] = "";
    for (int i = 0; i < p->n_sets; i++) {
        const char *eq = strchr(p->set[i], '='),
                   *dot = memchr(p->set[i], '.', (size_t)(eq - p->set[i]));
        if (!dot) {
            ms_buf_printf(out, "%.*s: %s\n", (int)(eq - p->set[i]), p->set[i], eq + 1);
            continue;
        }
        if (strncmp(section, p->set[i], (size_t)(dot - p->set[i])) != 0 ||
            section[dot - p->set[i]]) {
            snprintf(section, sizeof section, "%.*s", (int)(dot - p->set[i]), p->set[i]);
            ms_buf_printf(out, "%s:\n", section);
        }
        ms_buf_printf(out, "  %.*s: %s\n", (int)(eq - dot - 1), dot + 1, eq + 1);
    }
}

static enum ms_status write_map(const struct ms_advice *p, const char *dir, size_t number,
                                struct ms_err *err)
{
    struct ms_placement q = {0};
    enum ms_status s = ms_advise_placement(p, 0, 0, &q, NULL, err);
    int *id = malloc(((size_t)q.n_layers + 1) * sizeof *id);
    if (s == MS_OK && !id)
        s = ms_err_set(err, MS_NOMEM, "out of memory");
    for (int l = 0; s == MS_OK && l < q.n_layers; l++)
        id[l] = l;
    struct ms_place_map m = {.n_layers = q.n_layers,
                             .n_slots = q.n_slots,
                             .n_experts = q.n_experts,
                             .n_ranks = q.n_ranks,
                             .numbered = true,
                             .layer_id = id,
                             .slot_expert = q.slot_expert};
    for (const struct ms_place_map_writer *w = ms_place_map_writers; s == MS_OK && w->name; w++) {
        struct ms_buf text = {0};
        char ending[64];
        s = w->write(&m, &text, err);
        snprintf(ending, sizeof ending, "%s%s", w->name, w->ending);
        if (s == MS_OK)
            s = write_text(dir, number, ending, &text, err);
        ms_buf_finish(&text);
    }
    free(id);
    ms_place_finish(&q);
    return s;
}

enum ms_status ms_advise_export(const struct ms_advised *a, const char *dir, struct ms_err *err)
{
    enum ms_status s = MS_OK;
    for (size_t i = 0; i < a->n_best && s == MS_OK; i++) {
        struct ms_buf text = {0};
        bool placed = false;
        fragment(a->best[i], &text);
        s = write_text(dir, i + 1, "yaml", &text, err);
        ms_buf_finish(&text);
        for (int k = 0; k < a->best[i]->n_sets; k++)
            placed |= strncmp(a->best[i]->set[k], "placement.", 10) == 0;
        if (s == MS_OK && placed)
            s = write_map(a->best[i], dir, i + 1, err);
    }
    return s;
}
