/* Puts descriptions together: reads each file by its format, decides what an option must say,
 * and has the platform written. */
#include "import/import.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "import/join.h"
#include "import/recognise.h"
#include "import/write_platform.h"

void ms_import_defaults(struct ms_import_options *o)
{
    *o = (struct ms_import_options){
        .nvlink_Bps = -1, .latency_s = -1, .rate_factor = 1, .gpu_speed_flops = 989e12};
}

/* One operand: its text, and whose inside it is. */
struct source {
    const char *path;
    char *pattern; /* "PATTERN=FILE", or NULL */
    struct ms_buf text;
    enum ms_format format;
};

struct job {
    struct ms_join j;
    struct source *source;
    size_t n_sources;
};

static enum ms_status say(struct job *j, const char *path, const char *text)
{
    return ms_join_say(&j->j, path, text);
}

/* A file of that very name is a file; else what stands before the first '=' is a pattern. */
static enum ms_status open_source(struct job *j, const char *operand, struct source *to)
{
    struct ms_err err = {0};
    const char *equals = strchr(operand, '=');
    to->path = operand;
    if (equals && equals > operand && equals[1] && access(operand, F_OK) != 0) {
        to->path = equals + 1;
        to->pattern = strndup(operand, (size_t)(equals - operand));
        if (!to->pattern)
            return MS_NOMEM;
    }
    enum ms_status s = ms_file_read(to->path, &to->text, &err);
    if (s != MS_OK)
        ms_errs_add(j->j.errs, &err);
    return s;
}

static bool is_slurm(enum ms_format f)
{
    return f == MS_FORMAT_SLURM_CONF || f == MS_FORMAT_SLURM_YAML;
}

static bool is_cables(enum ms_format f)
{
    return f == MS_FORMAT_IBNETDISCOVER || f == MS_FORMAT_IB_PORTS || f == MS_FORMAT_SIMAI;
}

static enum ms_status know(struct job *j, struct source *f)
{
    const char *why = NULL, *text = f->text.p ? f->text.p : "";
    f->format = memchr(text, '\0', f->text.n) ? MS_FORMAT_UNKNOWN : ms_recognise(text, &why);
    if (f->format == MS_FORMAT_REFUSED)
        return say(j, f->path, why);
    if (f->format == MS_FORMAT_UNKNOWN)
        return say(j, f->path,
                   "this is no description that I know; read are: ibnetdiscover (both "
                   "layouts), NCCL and RCCL topology XML, Slurm's topology.conf and "
                   "topology.yaml, SimAI's and HPCC's topology text");
    if (f->pattern && f->format != MS_FORMAT_NCCL)
        return say(j, f->path,
                   "PATTERN=FILE says whose inside a file is: only NCCL's topology of a node can "
                   "have a pattern");
    return MS_OK;
}

static struct ms_reading reading(struct job *j, const char *path, const struct ms_buf *text)
{
    return (struct ms_reading){.path = path,
                               .text = text->p ? text->p : "",
                               .n = text->n,
                               .o = j->j.o,
                               .errs = j->j.errs,
                               .insides = &j->j.insides};
}

static enum ms_status read_slurm(struct ms_reading *r, enum ms_format f, struct ms_map *m)
{
    return f == MS_FORMAT_SLURM_CONF ? ms_read_slurm_conf(r, m) : ms_read_slurm_yaml(r, m);
}

static enum ms_status read_hosts(struct job *j)
{
    struct ms_buf text = {0};
    struct ms_err err = {0};
    enum ms_status s = ms_file_read(j->j.o->hosts, &text, &err);
    if (s != MS_OK)
        ms_errs_add(j->j.errs, &err);
    struct ms_reading r = reading(j, j->j.o->hosts, &text);
    s = s == MS_OK ? ms_read_hosts(&r, &j->j.m) : s;
    ms_buf_finish(&text);
    return s;
}

static enum ms_status read_cables(struct job *j, const struct source *f)
{
    struct ms_reading r = reading(j, f->path, &f->text);
    j->j.fabric = f->path;
    j->j.simai = f->format == MS_FORMAT_SIMAI;
    enum ms_status s = j->j.simai                             ? ms_read_simai(&r, &j->j.m)
                       : f->format == MS_FORMAT_IBNETDISCOVER ? ms_read_ibnetdiscover(&r, &j->j.m)
                                                              : ms_read_ports(&r, &j->j.m);
    return s == MS_OK && j->j.o->hosts ? read_hosts(j) : s;
}

/* Insides first: Slurm's trees are built with what they say. Then cables, then Slurm, which only
 * names hosts where there are cables. */
static enum ms_status read_all(struct job *j)
{
    enum ms_status s = MS_OK;
    for (size_t i = 0; s == MS_OK && i < j->n_sources; i++) {
        struct ms_reading r = reading(j, j->source[i].path, &j->source[i].text);
        if (j->source[i].format == MS_FORMAT_NCCL)
            s = ms_read_nccl(&r, &j->j.m, j->source[i].pattern, &j->j.insides);
    }
    bool guids = false;
    for (size_t i = 0; i < j->n_sources; i++)
        guids |= j->source[i].format == MS_FORMAT_IBNETDISCOVER ||
                 j->source[i].format == MS_FORMAT_IB_PORTS;
    if (s == MS_OK && j->j.o->hosts && !guids)
        s = say(j, j->j.o->hosts, "--hosts names InfiniBand's GUIDs: give ibnetdiscover's output");
    for (size_t i = 0; s == MS_OK && i < j->n_sources; i++)
        if (is_cables(j->source[i].format))
            s = j->j.fabric ? say(j, j->source[i].path,
                                  "a second file with a fabric: give one, and NCCL's topology of "
                                  "a node")
                            : read_cables(j, &j->source[i]);
    for (size_t i = 0; s == MS_OK && i < j->n_sources; i++) {
        const struct source *f = &j->source[i];
        struct ms_reading r = reading(j, f->path, &f->text);
        if (!is_slurm(f->format))
            continue;
        if (j->j.choice.path || j->j.slurm)
            return say(j, f->path, "a second file of Slurm's: give one");
        r.choice = j->j.fabric ? &j->j.choice : NULL;
        s = read_slurm(&r, f->format, r.choice ? &j->j.choice.names : &j->j.m);
        if (!r.choice) {
            j->j.fabric = f->path;
            j->j.slurm = true;
        }
    }
    return s;
}

static enum ms_status exclude_hosts(struct job *j)
{
    regex_t re;
    int n = 0;
    if (!j->j.o->exclude)
        return MS_OK;
    if (regcomp(&re, j->j.o->exclude, REG_EXTENDED | REG_NOSUB))
        return say(j, j->j.fabric, "--exclude is not a regular expression");
    for (int i = 0; i < j->j.m.n_nics; i++)
        if (j->j.m.nic[i].node >= 0 &&
            !regexec(&re, j->j.m.nodes.text[j->j.m.nic[i].node], 0, NULL, 0)) {
            j->j.m.nic[i].node = -1;
            n++;
        }
    regfree(&re);
    ms_map_assume(&j->j.m, "%d NICs of hosts that match '%s' are left out (--exclude)", n,
                  j->j.o->exclude);
    return MS_OK;
}

/* Cables without a rate take the one given. */
static enum ms_status give_rates(struct job *j)
{
    int n = 0;
    char rate[32];
    for (int c = 0; c < j->j.m.n_cables; c++) {
        if (j->j.m.cable[c].rate_Bps > 0)
            continue;
        n++;
        j->j.m.cable[c].rate_Bps = j->j.o->link_rate_Bps;
    }
    if (n && j->j.o->link_rate_Bps <= 0)
        return say(j, j->j.fabric, "cables without a rate: give --link-rate RATE");
    if (n)
        ms_map_assume(&j->j.m, "%d cables carry %s each way (--link-rate)", n,
                      ms_units_show(j->j.o->link_rate_Bps, MS_UNIT_RATE, rate, sizeof rate));
    return MS_OK;
}

static enum ms_status put_together(struct job *j)
{
    enum ms_status s = MS_OK;
    if (j->j.fabric)
        s = ms_join_choice(&j->j);
    if (s == MS_OK && j->j.fabric)
        s = exclude_hosts(j);
    if (s == MS_OK)
        s = ms_join_gpus(&j->j);
    if (s == MS_OK)
        s = give_rates(j);
    if (s == MS_OK)
        s = ms_join_nvlink(&j->j);
    return j->j.m.failed ? MS_NOMEM : s;
}

static void say_latencies(struct job *j)
{
    char a[32];
    if (j->j.o->latency_s >= 0)
        ms_map_assume(&j->j.m, "every NIC and every switch-to-switch hop: %s (--latency)",
                      ms_units_show(j->j.o->latency_s, MS_UNIT_TIME, a, sizeof a));
    else if (!j->j.simai)
        ms_map_assume(&j->j.m,
                      "latency: NIC to switch 1.4 us, switch to switch 0.45 us, NVLink 0.5 "
                      "us (--latency TIME sets the first two)");
    if (j->j.o->rate_factor == 1)
        ms_map_assume(&j->j.m, "rates are nominal data rates (--rate-factor 0.93 for what RDMA "
                               "carries of 400G)");
    else
        ms_map_assume(&j->j.m, "every rate times %g (--rate-factor)", j->j.o->rate_factor);
    ms_map_assume(&j->j.m, "packets spread over all cables of equal length, so these are one link");
}

static void sum_up(struct job *j, const struct ms_levels *l, struct ms_buf *report)
{
    static const char *const heads[] = {"read", "assumed", "odd"};
    const struct ms_buf *lists[] = {&j->j.m.facts, &j->j.m.assumed, &j->j.m.odd};
    int nodes = 0;
    bool *seen = calloc(j->j.m.nodes.n + 1, sizeof *seen);
    for (int g = 0; seen && g < j->j.m.n_gpus; g++) {
        nodes += !seen[j->j.m.gpu[g].node];
        seen[j->j.m.gpu[g].node] = true;
    }
    free(seen);
    ms_buf_printf(report, "%d GPUs in %d nodes, %d NIC ports, %d switches, %d trunks\n",
                  j->j.m.n_gpus, nodes, l->n_ports, j->j.m.n_switches, l->n_trunks);
    for (int k = 0; k < 3; k++)
        for (const char *p = lists[k]->p; p && *p;) {
            size_t n = strcspn(p, "\n");
            ms_buf_printf(report, "%-8s %.*s\n", heads[k], (int)n, p);
            p += n + 1;
        }
}

static void finish(struct job *j)
{
    for (size_t i = 0; i < j->n_sources && j->source; i++) {
        ms_buf_finish(&j->source[i].text);
        free(j->source[i].pattern);
    }
    free(j->source);
    ms_insides_finish(&j->j.insides);
    ms_slurm_finish(&j->j.choice);
    ms_map_finish(&j->j.m);
}

enum ms_status ms_import(const char *const *path, size_t n, const struct ms_import_options *o,
                         const char *command, struct ms_buf *xml, struct ms_buf *report,
                         struct ms_errs *errs)
{
    struct job j = {.j = {.o = o, .errs = errs}, .n_sources = n};
    struct ms_levels l = {0};
    struct ms_err err = {0};
    j.source = calloc(n + 1, sizeof *j.source);
    enum ms_status s = j.source ? MS_OK : MS_NOMEM;
    for (size_t i = 0; i < n && s == MS_OK; i++)
        s = open_source(&j, path[i], &j.source[i]);
    for (size_t i = 0; i < n && s == MS_OK; i++)
        s = know(&j, &j.source[i]);
    if (s == MS_OK)
        s = read_all(&j);
    if (s == MS_OK)
        s = put_together(&j);
    if (s == MS_OK)
        s = ms_levels_find(&j.j.m, &l, &err);
    if (s == MS_OK) {
        ms_levels_describe(&j.j.m, &l);
        say_latencies(&j);
        s = ms_import_write(&j.j.m, &l, o, command, xml, &err);
    }
    if (s == MS_OK)
        sum_up(&j, &l, report);
    if (s == MS_INVALID && err.status)
        say(&j, j.j.fabric ? j.j.fabric : path[0], err.text);
    ms_levels_finish(&l);
    finish(&j);
    return s == MS_OK && (xml->failed || report->failed) ? MS_NOMEM : s;
}
