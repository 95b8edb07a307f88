/* What faults ask of the platform and of the other sections: links and hosts that are there, and enough
 * of them left. */
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demand/nodes.h"
#include "demand/rank_assign.h"
#include "scenario/check_parts.h"

/* A name of faults.hosts that is no rank's. */
static void check_lost_name(const struct ms_case_check *c, const struct ms_entry *at,
                            const char *pattern, int n_ranks, bool *lost)
{
    const struct ms_platform *p = c->platform;
    bool any = false;
    for (int r = 0; r < n_ranks; r++) {
        const char *host = p->host_name[ms_rank_host(&c->s->workload, r / c->s->workload.ranks,
                                                     r % c->s->workload.ranks)];
        if (fnmatch(pattern, host, 0) != 0)
            continue;
        any = lost[r] = true;
    }
    if (any)
        return;
    const char *file;
    int line, col;
    file = ms_scenario_place(c->s, "faults.hosts", &line, &col);
    ms_errs_add_at(c->errs, MS_INVALID, at ? at->file : file, at ? at->line : line,
                   at ? at->col : col, "faults.hosts",
                   "no rank's host is called '%s'; the first and the last are '%s' and '%s'",
                   pattern, p->host_name[0], p->host_name[n_ranks - 1]);
}

/* What those that are left could not go on with. */
static void check_remap(const struct ms_case_check *c)
{
    const struct ms_scenario *s = c->s;
    const char *key = "faults.on_failure";
    if (s->workload.groups > 1)
        ms_check_key_fail(c, key, "'remap' needs workload.groups: 1, not %d", s->workload.groups);
    else if (s->workload.training)
        ms_check_key_fail(c, key, "'remap' needs workload.pass: forward");
    else if (s->sim.compute.overlap != MS_OVERLAP_NONE)
        ms_check_key_fail(c, key, "'remap' needs compute.overlap: none");
    else if (s->routing.source == MS_SOURCE_MATRIX)
        ms_check_key_fail(c, key, "'remap' moves experts: a byte matrix has none");
    else if (s->routing.assignment && ms_rank_assign_find(s->routing.assignment))
        ms_check_key_fail(c, key,
                          "'remap' needs experts of one rank each: '%s' chooses ranks by itself",
                          s->routing.assignment);
    else if (!ms_sim_repeatable(c->platform, &s->sim))
        ms_check_key_fail(c, key,
                          "'remap' needs network.model: fluid, and a platform whose links keep to "
                          "their rates (no bandwidth_file, state_file)");
    else if (s->workload.steps < 2)
        ms_check_key_warn(
            c, key, "there is no step after the one in which a rank is lost (workload.steps: %d)",
            s->workload.steps);
}

/* Links by name, where the file shows them all; SimGrid's own are looked up when it runs. */
void ms_check_fault_links(const struct ms_case_check *c)
{
    const struct ms_platform *p = c->platform;
    const struct ms_fault_params *f = &c->s->sim.faults;
    const struct ms_entry *list = ms_yaml_find(c->s->tree, "faults.links", NULL), *at = NULL;
    if (MS_DOUBTFUL(c, "faults", "network"))
        return;
    if (list && list->value->kind == MS_YAML_LIST)
        at = list->value->first;
    for (int i = 0; i < f->n_links; i++, at = at ? at->next : NULL) {
        const struct ms_fault_link *v = &f->links[i];
        bool cable = strchr(v->pattern, '#'), found = false;
        for (int l = 0; l < p->n_links && !found; l++)
            found = ms_fault_hits(v, p->link[l].name, -1, p->link[l].cables);
        char text[200] = "";
        if (!found && p->links_complete)
            snprintf(text, sizeof text,
                     "no link%s of %.60s is called '%.60s' (moesim platform show)",
                     cable ? " of several cables" : "", c->s->platform, v->pattern);
        else if (cable && !(v->bandwidth_factor > 0) && v->at_s > 0 && !isfinite(v->until_s) &&
                 c->s->sim.network.multipath == MS_PATHS_ECMP)
            snprintf(text, sizeof text,
                     "'%.60s' goes down for good while flows are on it: down from the start (at: "
                     "0us), or until a time",
                     v->pattern);
        if (!text[0])
            continue;
        int line, col;
        const char *file = ms_scenario_place(c->s, "faults.links", &line, &col);
        ms_errs_add_at(c->errs, MS_INVALID, at ? at->file : file, at ? at->line : line,
                       at ? at->col : col, "faults.links", "%s", text);
    }
}

void ms_check_lost(const struct ms_case_check *c)
{
    struct ms_scenario s = *c->s;
    const struct ms_case_check own = {&s, c->platform, c->errs, c->n_before};
    if (MS_DOUBTFUL(c, "faults", "workload", "network", "cluster"))
        return;
    if (s.sim.faults.n_hosts == 0) {
        if (s.sim.faults.on_failure != MS_FAILURE_STOP)
            ms_check_key_warn(c, "faults.on_failure",
                              "no rank is lost (faults.hosts): it does nothing");
        return;
    }
    ms_scenario_resolve(&s, c->platform);
    int n = s.workload.ranks * s.workload.groups, left = 0;
    bool *lost = calloc((size_t)n + 1, sizeof *lost);
    const struct ms_entry *list = ms_yaml_find(s.tree, "faults.hosts", NULL);
    const struct ms_entry *at =
        list && list->value->kind == MS_YAML_LIST ? list->value->first : NULL;
    if (!lost) {
        ms_errs_add_at(c->errs, MS_NOMEM, NULL, 0, 0, NULL, "out of memory for %d ranks", n);
        return;
    }
    for (int i = 0; i < s.sim.faults.n_hosts; i++, at = at ? at->next : NULL)
        check_lost_name(&own, at, s.sim.faults.hosts[i].pattern, n, lost);
    for (int r = 0; r < n; r++)
        left += !lost[r];
    free(lost);
    if (s.placement.rebalance.every > 0)
        ms_check_key_fail(c, "faults.hosts",
                          "ranks are lost and placements renewed (placement.rebalance.every): "
                          "not both");
    if (s.sim.faults.on_failure != MS_FAILURE_REMAP)
        return;
    check_remap(&own);
    if (left < 2)
        ms_check_key_fail(c, "faults.hosts",
                          "%d of %d ranks are left: too few for the others to go on", left, n);
}
