/* `moesim list`: everything that can be chosen by name, from the tables themselves; it decides the
 * kinds there are and what a line shows. */
#include <string.h>

#include "base/err.h"
#include "base/field.h"
#include "base/file.h"
#include "cli/verb.h"
#include "cluster/topology.h"
#include "hardware/hardware.h"
#include "moe/loss.h"
#include "moe/router.h"
#include "demand/rank_assign.h"
#include "demand/replica.h"
#include "place/place.h"
#include "routing/law.h"
#include "routing/preset.h"
#include "scenario/scenario.h"
#include "sim/sim.h"
#include "stats/imbalance.h"
#include "stats/metric.h"

struct kind {
    const char *name, *help;
    const char *where; /* scenario key or command it is for */
    void (*print)(void);
};

static void row(const char *name, const char *help)
{
    printf("%-20s  %s\n", name, help);
}

/* The parameters of a strategy, one a line below it. */
static void params(const struct ms_field *fields)
{
    for (const struct ms_field *f = fields; f && f->key; f++)
        printf("  %-18s  %s%s%s%s\n", f->key, f->help ? f->help : "",
               f->fallback && f->fallback[0] ? " (default " : "",
               f->fallback && f->fallback[0] ? f->fallback : "",
               f->fallback && f->fallback[0] ? ")" : "");
}

static void routers(void)
{
    for (size_t i = 0; ms_routers[i]; i++) {
        row(ms_routers[i]->name, ms_routers[i]->help);
        params(ms_routers[i]->fields);
    }
    puts("every router:");
    params(ms_router_fields);
}

static void assignments(void)
{
    for (size_t i = 0; ms_assigns[i]; i++)
        printf("%-20s  %s%s\n", ms_assigns[i]->name, ms_assigns[i]->help,
               ms_assigns[i]->causal ? "" : " (reads later tokens: not causal)");
    for (const struct ms_rank_assign *const *a = ms_rank_assigns(); *a; a++)
        printf("%-20s  %s\n", (*a)->name, (*a)->help);
}

static void losses(void)
{
    for (size_t i = 0; ms_losses[i]; i++)
        printf("%-20s  %s (usual weight %g)\n", ms_losses[i]->name, ms_losses[i]->help,
               ms_losses[i]->usual_weight);
}

static void laws(void)
{
    for (const struct ms_law *const *l = ms_laws(); *l; l++) {
        row((*l)->name, (*l)->help);
        params((*l)->fields);
    }
    for (const struct ms_law_preset *p = ms_law_presets(); p->name; p++)
        printf("%-20s  %s (%s)\n", p->name, p->help, p->law);
}

static void presets(void)
{
    printf("%-27s %6s %7s %7s %6s %6s %6s %6s %7s\n", "", "hidden", "layers", "experts", "shared",
           "top_k", "inter", "groups", "limit");
    for (const struct ms_model_preset *p = ms_model_presets(); p->name; p++) {
        const struct ms_model_shape *m = &p->shape;
        printf("%-27s %6d %7d %7d %6d %6d %6d %6d %7d\n", p->name, m->hidden, m->moe_layers,
               m->experts, m->shared_experts, m->top_k, m->expert_intermediate, m->groups,
               m->group_limit);
    }
}

/* One model, with where its numbers come from and its other names. */
static int one_preset(const char *name)
{
    const struct ms_model_preset *p = ms_model_preset_find(name);
    if (!p) {
        fprintf(stderr, "moesim list: '%s' is no preset; `moesim list preset` has them\n", name);
        return MS_USAGE;
    }
    const struct ms_model_shape *m = &p->shape;
    printf("%s: %s\n%d MoE layers of %d experts, top-%d, %d shared; hidden %d, experts %d wide\n",
           p->name, p->help, m->moe_layers, m->experts, m->top_k, m->shared_experts, m->hidden,
           m->expert_intermediate);
    if (m->dispatch_width)
        printf("experts take %d of %d values\n", m->dispatch_width, m->hidden);
    if (m->groups > 1)
        printf("%d groups, at most %d a token, by the %s\n", m->groups, m->group_limit,
               m->group_score == MS_GROUP_MAX ? "best expert" : "two best experts");
    printf("weights as published: %.3g bytes a value\n", ms_model_preset_weight_bytes(p->name));
    printf("source: %s\n", p->source);
    bool any = false;
    for (size_t i = 0; ms_model_preset_alias(i); i++)
        if (ms_model_preset_find(ms_model_preset_alias(i)) == p) {
            printf("%s%s", any ? ", " : "also called: ", ms_model_preset_alias(i));
            any = true;
        }
    fputs(any ? "\n" : "", stdout);
    return MS_OK;
}

static void placements(void)
{
    for (const struct ms_place_strategy *const *s = ms_place_strategies(); *s; s++)
        row((*s)->name, (*s)->help);
}

static void replicas(void)
{
    for (const struct ms_replica_choice *const *c = ms_replica_choices(); *c; c++)
        row((*c)->name, (*c)->help);
}

static void sim_names(const struct ms_sim_name *n)
{
    for (; n->name; n++)
        row(n->name, n->help);
}

static void exchanges(void)
{
    sim_names(ms_sim_exchanges());
}

static void networks(void)
{
    sim_names(ms_sim_network_models());
}

static void compute(void)
{
    sim_names(ms_sim_compute_profiles());
}

static void hardware(void)
{
    struct ms_arena arena = {0};
    const char **names;
    size_t n = ms_hardware_names(&arena, &names);
    row("auto", "the profile that the platform names (the default)");
    row("none", "no start-up or per-message cost");
    for (size_t i = 0; i < n; i++) {
        struct ms_hardware h = {0};
        struct ms_errs errs = {0};
        if (ms_hardware_read(NULL, names[i], NULL, &arena, &h, &errs) == MS_OK)
            row(names[i], h.help);
        ms_errs_finish(&errs);
    }
    ms_arena_finish(&arena);
}

/* `list hardware NAME`: every number of a profile with its source. */
static int one_profile(const char *name)
{
    struct ms_arena arena = {0};
    struct ms_hardware h = {0};
    struct ms_errs errs = {0};
    enum ms_status s = ms_hardware_read(NULL, name, NULL, &arena, &h, &errs);
    ms_errs_print(stderr, &errs);
    if (s == MS_OK)
        printf("%s: %s\n", h.name, h.help);
    for (size_t i = 0; s == MS_OK && i < h.n_values; i++) {
        char key[120];
        snprintf(key, sizeof key, "%s.%s", h.value[i].section, h.value[i].key);
        printf("%-40s  %-12s  %s\n", key, h.value[i].text, h.value[i].source);
    }
    ms_errs_finish(&errs);
    ms_arena_finish(&arena);
    return ms_exit_code(s);
}

static void topologies(void)
{
    for (const struct ms_topology *const *t = ms_topologies(); *t; t++) {
        row((*t)->name, (*t)->help);
        params((*t)->fields);
    }
    puts("every topology (on the command line: --gpus-per-node for gpus_per_node):");
    params(ms_topology_common());
}

static void imbalance(void)
{
    for (const struct ms_imbalance_metric *m = ms_imbalance_metrics; m->name; m++)
        row(m->name, m->definition);
}

/* What records hold and compare takes as --metric. */
static void metrics(void)
{
    for (const struct ms_metric *m = ms_metrics; m->name; m++)
        if (m->help)
            printf("%-30s  %s\n", m->name, m->help);
        else
            puts(m->name);
}

static void keys(void)
{
    struct ms_buf out = {0};
    ms_scenario_keys(&out);
    if (!out.failed)
        fputs(out.p, stdout);
    ms_buf_finish(&out);
}

static const struct kind kinds[] = {
    {"keys", "every key of a scenario file", "the scenario file", keys},
    {"preset", "published model shapes", "model.preset", presets},
    {"law", "how popular the experts are", "routing.popularity.law", laws},
    {"assignment", "how tokens are given to experts", "routing.assignment, evaluate", assignments},
    {"placement", "which rank holds which expert", "placement.strategy", placements},
    {"replica", "which copy of an expert a token goes to", "placement.replica_choice", replicas},
    {"exchange", "how dispatch and combine move", "exchange.algorithm", exchanges},
    {"network", "how flows share links", "network.model", networks},
    {"compute", "measured times of experts", "compute.profile", compute},
    {"hardware", "start-up and per-message costs", "hardware", hardware},
    {"topology", "what platform generate can write", "platform generate", topologies},
    {"router", "how a model in training routes", "train.router.name", routers},
    {"loss", "what pushes it towards balance", "train.losses", losses},
    {"metric", "what is measured", "report.metric, compare --metric", metrics},
    {"imbalance", "measures of uneven load", "profile, results", imbalance},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static void overview(void)
{
    for (size_t i = 0; i < N_KINDS; i++)
        printf("%-12s  %-34s  for %s\n", kinds[i].name, kinds[i].help, kinds[i].where);
}

/* "routers" is as good as "router". */
static const struct kind *find(const char *word)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        size_t n = strlen(kinds[i].name);
        const char *rest = strncmp(word, kinds[i].name, n) == 0 ? word + n : "?";
        if (!rest[0] || strcmp(rest, "s") == 0 || strcmp(rest, "es") == 0)
            return &kinds[i];
        if (strcmp(word, "topologies") == 0 && strcmp(kinds[i].name, "topology") == 0)
            return &kinds[i];
    }
    return NULL;
}

static const char *word(size_t i)
{
    return i < N_KINDS ? kinds[i].name : i == N_KINDS ? "all" : NULL;
}

static int unknown(const struct ms_verb *self, const char *word)
{
    const char *names[N_KINDS];
    char allowed[400];
    for (size_t i = 0; i < N_KINDS; i++)
        names[i] = kinds[i].name;
    return ms_usage(self, "'%s' is no kind%s", word,
                    ms_allowed(allowed, sizeof allowed, word, names, N_KINDS));
}

static int run(int argc, char **argv, const struct ms_verb *self)
{
    struct ms_args args;
    int stop = ms_args_parse(self, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands == 0)
        overview();
    if (args.n_operands == 2 && find(args.operand[0]) && !find(args.operand[1])) {
        if (find(args.operand[0])->print == hardware)
            return one_profile(args.operand[1]);
        if (find(args.operand[0])->print == presets)
            return one_preset(args.operand[1]);
    }
    for (int i = 0; i < args.n_operands; i++) {
        bool all = strcmp(args.operand[i], "all") == 0;
        const struct kind *k = find(args.operand[i]);
        if (!k && !all)
            return unknown(self, args.operand[i]);
        for (size_t j = 0; j < N_KINDS; j++) {
            if (!all && k != &kinds[j])
                continue;
            if (all || args.n_operands > 1)
                printf("%s%s: %s\n", i || j ? "\n" : "", kinds[j].name, kinds[j].help);
            kinds[j].print();
        }
    }
    return MS_OK;
}

const struct ms_verb ms_verb_list = {
    .name = "list",
    .arguments = "[KIND…]",
    .summary =
        "List everything that can be chosen by name: keys, models, laws, placements, losses …",
    .examples = "moesim list\n"
                "moesim list keys\n"
                "moesim list law placement\n"
                "moesim list preset kimi-k3      # its numbers, their source, its other names\n"
                "moesim list hardware h100-cx7   # every number and where it comes from\n"
                "moesim list all",
    .options = (const struct ms_option[]){{0}},
    .run = run,
    .word = word,
};
