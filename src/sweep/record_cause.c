/* What the slowest exchanges (or layers) of a case went into: parts of their time by cause, the same
 * cause of like links together, and apart the links that run below their like. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/record_parts.h"

enum { LEAST_SLOWEST = 5 };

struct slow {
    double time_us;
    size_t repeat, at; /* in the run's [step][layer][group] */
};

/** A cause as it is told. */
struct told {
    enum ms_cause cause;
    int link; /* a link that runs below its like; -1: none, or like the others */
    double seconds;
    double usual_Bps;
    int rank, times; /* the rank met most often, and in how many of the slowest */
    struct ms_record_hot hot;
    int layer;
    int most_link; /* the link that took most */
    double most_s;
};

static int slowest_first(const void *a, const void *b)
{
    const struct slow *x = a, *y = b;
    if (x->time_us != y->time_us)
        return x->time_us > y->time_us ? -1 : 1;
    if (x->repeat != y->repeat)
        return x->repeat < y->repeat ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Waiting for late ranks is no part of an exchange; where ranks are slow the layer is looked at. */
static enum ms_series looked_at(const struct ms_record_input *in)
{
    const struct ms_fault_params *f = &in->s->sim.faults;
    bool slow = in->kept_run > 0 || f->straggler_share > 0 || f->jitter_sigma > 0 ||
                f->jitter_tail_share > 0;
    return slow && ms_series_defined(MS_SERIES_LAYER, in->s) ? MS_SERIES_LAYER : MS_SERIES_EXCHANGE;
}

/* Names of one kind differ in their numbers. */
static bool alike(const char *a, const char *b)
{
    while (*a && *b) {
        if (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9') {
            while (*a >= '0' && *a <= '9')
                a++;
            while (*b >= '0' && *b <= '9')
                b++;
            continue;
        }
        if (*a++ != *b++)
            return false;
    }
    return *a == *b;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The rate that links of a link's kind have in the middle. */
static double usual_rate(const struct ms_sim_output *o, int link, double *scratch)
{
    size_t n = 0;
    for (int l = 0; l < o->n_links; l++)
        if (alike(o->link_name[l], o->link_name[link]))
            scratch[n++] = o->link_bandwidth[l];
    qsort(scratch, n, sizeof *scratch, by_value);
    return scratch[n / 2];
}

static int cables_of(const struct ms_record_input *in, int link)
{
    const struct ms_platform *p = in->platform;
    for (int l = 0; l < p->n_links; l++)
        if (p->link[l].cables > 1 && strcmp(p->link[l].name, in->out->link_name[link]) == 0)
            return p->link[l].cables;
    return 1;
}

/* What a fault leaves of a link's rate; of that of a cable where it hits a single one of several.
 * @param cable which, out; -1: all */
static double faulted_way(const struct ms_record_input *in, int link, int *cable)
{
    const struct ms_fault_params *f = &in->s->sim.faults;
    double left = 1;
    *cable = -1;
    if (f->n_links == 0)
        return left;
    int n = cables_of(in, link);
    for (int i = 0; i < f->n_links; i++) {
        int n_hit = 0, last = -1;
        for (int k = 0; k < n; k++)
            if (ms_fault_hits(&f->links[i], in->out->link_name[link], k, n)) {
                n_hit++;
                last = k;
            }
        double of_all = 1 - (1 - f->links[i].bandwidth_factor) * n_hit / n;
        double this = n_hit == 1 ? f->links[i].bandwidth_factor : of_all;
        if (this < left) {
            left = this;
            *cable = n_hit == 1 && n > 1 ? last : -1;
        }
    }
    return left;
}

/* The length of a link's name without the word for its direction. */
static size_t stem(const char *name)
{
    static const char *const ends[] = {"_UP", "_DOWN", "_up", "_down", "_in", "_out", "_tx", "_rx"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t m = strlen(ends[i]);
        if (n > m && strcmp(name + n - m, ends[i]) == 0)
            return n - m;
    }
    return n;
}

/* The same of the way of a link that a fault hits more: a link's two ways count as one. */
static double faulted(const struct ms_record_input *in, int link, int *cable, int *of_cables)
{
    const struct ms_sim_output *o = in->out;
    double left = 1;
    *cable = -1;
    *of_cables = cables_of(in, link);
    for (int l = 0; l < o->n_links; l++) {
        int which;
        if (stem(o->link_name[l]) != stem(o->link_name[link]) ||
            strncmp(o->link_name[l], o->link_name[link], stem(o->link_name[link])) != 0)
            continue;
        double this = faulted_way(in, l, &which);
        if (this < left) {
            left = this;
            *cable = which;
        }
    }
    return left;
}

/* The first link that differs in its direction only. */
static int first_like(const struct ms_sim_output *o, int link)
{
    size_t n = stem(o->link_name[link]);
    for (int l = 0; l < link; l++)
        if (stem(o->link_name[l]) == n && strncmp(o->link_name[l], o->link_name[link], n) == 0)
            return l;
    return link;
}

static struct told *entry_of(struct told *t, size_t *n, enum ms_cause cause, int link)
{
    for (size_t i = 0; i < *n; i++)
        if (t[i].cause == cause && t[i].link == link)
            return &t[i];
    t[*n] = (struct told){.cause = cause, .link = link, .rank = -1, .most_link = -1};
    return &t[(*n)++];
}

/* One slow exchange added to the causes. Its greatest part of a cause says where it is. */
static void add_slow(const struct ms_record_input *in, enum ms_series which, const struct slow *e,
                     const double *usual, struct told *t, size_t *n)
{
    const struct ms_sim_output *o = in->out;
    size_t per_run = ms_series_count(MS_SERIES_EXCHANGE, o);
    size_t cell = (size_t)in->repeat_run[e->repeat] * per_run + e->at;
    bool layer = which == MS_SERIES_LAYER;
    const struct ms_cause_part *part = layer ? o->layer_part : o->exchange_part;
    const size_t *first = layer ? o->first_layer_part : o->first_exchange_part;
    for (size_t i = first[cell]; i < first[cell + 1]; i++) {
        int link = part[i].link, which_cable;
        bool below = link >= 0 && (o->link_bandwidth[link] < 0.9 * usual[link] ||
                                   faulted_way(in, link, &which_cable) < 0.9);
        bool cable =
            below && part[i].cause == MS_CAUSE_COLLISION; /* slow by itself, not by who shares it */
        enum ms_cause cause = cable ? MS_CAUSE_FABRIC : part[i].cause;
        struct told *x = entry_of(t, n, cause, below ? first_like(o, link) : -1);
        x->seconds += part[i].seconds;
        x->usual_Bps = below ? usual[link] : 0;
        if (part[i].rank >= 0 && x->rank == part[i].rank)
            x->times++;
        if (part[i].seconds <= x->most_s)
            continue;
        x->most_s = part[i].seconds;
        x->most_link = link;
        if (part[i].rank >= 0 && x->rank != part[i].rank) {
            x->rank = part[i].rank;
            x->times = 1;
        }
        x->layer = (int)(e->at / (size_t)o->n_groups % (size_t)o->n_layers);
        if (in->hot)
            x->hot = in->hot[e->repeat * per_run + e->at];
    }
}

static int greatest_first(const void *a, const void *b)
{
    const struct told *x = a, *y = b;
    if (x->seconds != y->seconds)
        return x->seconds > y->seconds ? -1 : 1;
    return x->cause != y->cause ? (int)x->cause - (int)y->cause : x->link - y->link;
}

static void add_causes(struct ms_json *j, const struct ms_record_input *in, const struct told *t,
                       size_t n)
{
    const struct ms_sim_output *o = in->out;
    double all = 0;
    for (size_t i = 0; i < n; i++)
        all += t[i].seconds;
    ms_json_array(j, "causes");
    for (size_t i = 0; i < n; i++) {
        if (t[i].seconds < 1e-9 * all) /* the last bits of sums */
            continue;
        ms_json_object(j, NULL);
        ms_json_string(j, "cause", ms_cause_names[t[i].cause]);
        ms_json_number(j, "share", all > 0 ? t[i].seconds / all : 0);
        if (t[i].most_link >= 0) {
            ms_json_string(j, "link", o->link_name[t[i].most_link]);
            ms_json_number(j, "link_Bps", o->link_bandwidth[t[i].most_link]);
        }
        if (t[i].link >= 0) {
            ms_json_number(j, "usual_Bps", t[i].usual_Bps);
            int cable, n_cables;
            ms_json_number(j, "left", faulted(in, t[i].link, &cable, &n_cables));
            if (cable >= 0) {
                ms_json_integer(j, "cable", cable);
                ms_json_integer(j, "of_cables", n_cables);
            }
            char text[256];
            const char *name = o->link_name[t[i].link];
            snprintf(text, sizeof text, "%.*s", (int)stem(name), name);
            ms_json_string(j, "slow_link", text);
        }
        if (t[i].rank >= 0) {
            ms_json_integer(j, "rank", t[i].rank);
            ms_json_integer(j, "times", t[i].times);
        }
        if (t[i].cause <= MS_CAUSE_ENDPOINT_OUT && in->hot) {
            ms_json_integer(j, "layer", t[i].layer);
            ms_json_integer(j, "hot_rank", t[i].hot.rank);
            ms_json_integer(j, "expert", t[i].hot.expert);
            ms_json_number(j, "rank_load_over_mean", t[i].hot.max_over_mean);
            if (t[i].hot.domain >= 0) {
                char number[32];
                snprintf(number, sizeof number, "%d", t[i].hot.domain);
                ms_json_string(j, "domain", t[i].hot.name ? t[i].hot.name : number);
                ms_json_number(j, "domain_share", t[i].hot.domain_share);
            }
        }
        ms_json_end_object(j);
    }
    ms_json_end_array(j);
}

static void add_slowest(struct ms_json *j, const struct ms_record_input *in, const struct slow *e,
                        size_t n)
{
    const struct ms_sim_output *o = in->out;
    size_t groups = (size_t)o->n_groups, layers = (size_t)o->n_layers;
    size_t per_run = ms_series_count(MS_SERIES_EXCHANGE, o);
    double bound = 0;
    ms_json_array(j, "slowest");
    for (size_t i = 0; i < n; i++) {
        size_t cell = (size_t)in->repeat_run[e[i].repeat] * per_run + e[i].at;
        bound += o->bound_s[cell] * 1e6 / (double)n;
        ms_json_object(j, NULL);
        ms_json_integer(j, "repeat", (int64_t)e[i].repeat);
        ms_json_integer(j, "step", (int64_t)(e[i].at / groups / layers));
        ms_json_integer(j, "layer", (int64_t)(e[i].at / groups % layers));
        ms_json_integer(j, "group", (int64_t)(e[i].at % groups));
        ms_json_number(j, "time_us", e[i].time_us);
        ms_json_integer(j, "last_rank", o->last_rank[cell]);
        ms_json_number(j, "entry_skew_us", o->entry_skew_s[cell] * 1e6);
        ms_json_end_object(j);
    }
    ms_json_end_array(j);
    ms_json_number(j, "bound_us", bound);
}

enum ms_status ms_record_add_cause(struct ms_json *j, const struct ms_record_input *in,
                                   struct ms_err *err)
{
    const struct ms_sim_output *o = in->out;
    enum ms_series which = looked_at(in);
    size_t per_run = ms_series_count(MS_SERIES_EXCHANGE, o), R = (size_t)in->s->repeats;
    size_t n = per_run * R, n_told = 0;
    if (in->degraded || !o->first_exchange_part || !ms_series_defined(MS_SERIES_EXCHANGE, in->s))
        return MS_OK;
    struct ms_arena a = {0};
    struct slow *e = MS_NEW(&a, struct slow, n);
    double *v = MS_NEW(&a, double, per_run), *usual = MS_NEW(&a, double, (size_t)o->n_links + 1),
           *scratch = MS_NEW(&a, double, (size_t)o->n_links + 1);
    struct told *t = MS_NEW(&a, struct told, MS_N_CAUSES * ((size_t)o->n_links + 2));
    bool ok = e && v && usual && scratch && t;
    for (int l = 0; l < o->n_links && ok; l++)
        usual[l] = usual_rate(o, l, scratch);
    for (size_t r = 0; r < R && ok; r++) {
        ms_series_get(which, o, in->repeat_run[r], v);
        for (size_t i = 0; i < per_run; i++)
            e[r * per_run + i] = (struct slow){v[i], r, i};
    }
    if (ok) {
        qsort(e, n, sizeof *e, slowest_first);
        size_t slow = (n + 99) / 100;
        slow = slow > LEAST_SLOWEST ? slow : LEAST_SLOWEST;
        slow = slow < n ? slow : n;
        for (size_t i = 0; i < slow; i++)
            add_slow(in, which, &e[i], usual, t, &n_told);
        qsort(t, n_told, sizeof *t, greatest_first);
        ms_json_object(j, "cause");
        ms_json_string(j, "metric", ms_series_name(which));
        add_slowest(j, in, e, slow);
        add_causes(j, in, t, n_told);
        ms_json_end_object(j);
    }
    ms_arena_finish(&a);
    return ok ? MS_OK : ms_record_no_memory(err);
}
