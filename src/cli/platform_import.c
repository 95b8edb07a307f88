/* `moesim platform import FILE…`: descriptions of a real cluster into a platform file; what was read
 * and what was taken for granted goes to stderr. */
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/platform_verbs.h"
#include "cli/verb.h"
#include "import/import.h"

static const struct ms_option options[] = {
    {"output", 'o', "FILE", "where to write; - or nothing: standard output"},
    {"quiet", 'q', NULL, "do not print what was read, assumed and odd"},
    {"link-rate", 0, "RATE", "of cables (of a NIC, from Slurm's files) that carry no rate"},
    {"gpus-per-nic", 0, "N", "GPUs that share a NIC, where no topology of a node is given [1]"},
    {"gpus-per-node", 0, "N", "GPUs of a node, likewise: in order over its NICs"},
    {"nvlink", 0, "RATE", "NVLink of a GPU one way, all links; 0 = none [as the files say]"},
    {"latency", 0, "TIME", "of every NIC and every hop between switches [1.4us and 0.45us]"},
    {"rate-factor", 0, "X", "every rate is multiplied by it: the files say nominal ones [1]"},
    {"gpu-speed", 0, "FLOPS", "speed of a host [989Tf]"},
    {"hardware", 0, "NAME", "hardware profile that the platform names"},
    {"exclude", 0, "REGEX", "leave out hosts of such names (management, login, storage)"},
    {"nics", 0, "REGEX", "NICs that carry the exchange, by name [those next to a GPU]"},
    {"oversubscription", 0, "X[,Y…]",
     "Slurm's trees: what is below a switch for each unit up, a\n"
     "level each from the leaves up"},
    {"block-is", 0, "nvlink|leaf", "Slurm's blocks: what a block stands for"},
    {"topology", 0, "NAME", "which topology of a topology.yaml"},
    {"hosts", 0, "FILE",
     "names by GUID, a line each: GUID, host, device (a node-name-map\n"
     "of infiniband-diags too); for NICs that name no host"},
    {"partial", 0, NULL, "leave out NICs that only one of two joined files knows"},
    {0}};

static const struct ms_verb verb = {
    .name = "platform import",
    .arguments = "FILE… [PATTERN=FILE…] [options]",
    .summary =
        "Make a platform file of what a cluster says about itself. Formats are known by what is in "
        "a file:\n"
        "  cables      ibnetdiscover (both layouts), SimAI's and HPCC's topology text,\n"
        "              Slurm's topology.conf, `scontrol show topology` and topology.yaml\n"
        "  a node      NCCL's and RCCL's topology XML (NCCL_TOPO_DUMP_FILE); with cables: joined "
        "by GUID,\n"
        "              else by NIC name; one file stands for all nodes, or PATTERN=FILE for those "
        "whose\n"
        "              names match (n[0-9]*=h100.xml); Slurm's file beside cables chooses the "
        "hosts\n"
        "What was read, what was taken for granted and what is odd is printed on stderr.",
    .examples = "moesim platform import ibnetdiscover.out nccl-topo.xml -o mine.xml\n"
                "moesim platform import topology.conf --link-rate 400Gbps --gpus-per-node 8 "
                "--oversubscription 2 -o mine.xml\n"
                "moesim platform check mine.xml && moesim platform show mine.xml --svg mine.svg",
    .options = options,
};

static bool quantity(const char *text, enum ms_unit unit, double *out)
{
    return ms_units_parse(text, unit, out) && *out >= 0;
}

static bool count(const char *text, int *out)
{
    char *end;
    long v = strtol(text, &end, 10);
    *out = (int)v;
    return end > text && !*end && v >= 1 && v <= 1024;
}

/* @return what the value must be, or NULL */
static const char *set(struct ms_import_options *o, const char *name, const char *value)
{
    if (!strcmp(name, "link-rate"))
        return quantity(value, MS_UNIT_RATE, &o->link_rate_Bps) ? NULL : "a rate such as 400Gbps";
    if (!strcmp(name, "nvlink"))
        return quantity(value, MS_UNIT_RATE, &o->nvlink_Bps) ? NULL : "a rate such as 450GBps";
    if (!strcmp(name, "latency"))
        return quantity(value, MS_UNIT_TIME, &o->latency_s) ? NULL : "a time such as 1.4us";
    if (!strcmp(name, "gpu-speed"))
        return quantity(value, MS_UNIT_FLOPS, &o->gpu_speed_flops) ? NULL : "a speed such as 989Tf";
    if (!strcmp(name, "rate-factor"))
        return quantity(value, MS_UNIT_NONE, &o->rate_factor) && o->rate_factor > 0
                   ? NULL
                   : "a number more than 0";
    if (!strcmp(name, "gpus-per-nic"))
        return count(value, &o->gpus_per_nic) ? NULL : "a whole number from 1 to 1024";
    if (!strcmp(name, "gpus-per-node"))
        return count(value, &o->gpus_per_node) ? NULL : "a whole number from 1 to 1024";
    if (!strcmp(name, "oversubscription")) {
        o->oversubscription = value;
        for (const char *p = value;; p++) {
            char *end;
            double v = strtod(p, &end);
            if (end == p || !(v > 0) || v > 1e6 || (*end && *end != ','))
                return "numbers more than 0 with commas between them";
            p = end;
            if (!*p)
                return NULL;
        }
    }
    if (!strcmp(name, "block-is")) {
        o->block_is = value;
        return !strcmp(value, "nvlink") || !strcmp(value, "leaf") ? NULL : "nvlink or leaf";
    }
    o->exclude = strcmp(name, "exclude") ? o->exclude : value;
    o->nics = strcmp(name, "nics") ? o->nics : value;
    o->topology = strcmp(name, "topology") ? o->topology : value;
    o->hardware = strcmp(name, "hardware") ? o->hardware : value;
    o->hosts = strcmp(name, "hosts") ? o->hosts : value;
    o->partial |= !strcmp(name, "partial");
    return NULL;
}

/* The command that makes this very file, without folders. */
static void command_of(const struct ms_args *a, struct ms_buf *out)
{
    ms_buf_adds(out, "moesim platform import");
    for (int i = 0; i < a->n_operands; i++) {
        const char *slash = strrchr(a->operand[i], '/');
        ms_buf_printf(out, " %s", slash ? slash + 1 : a->operand[i]);
    }
    for (int i = 0; i < a->n_options; i++) {
        const char *value = a->option[i].value;
        if (value && !strcmp(a->option[i].name, "hosts") && strrchr(value, '/'))
            value = strrchr(value, '/') + 1;
        if (strcmp(a->option[i].name, "output") && strcmp(a->option[i].name, "quiet"))
            ms_buf_printf(out, " --%s%s%s", a->option[i].name, value ? " " : "",
                          value ? value : "");
    }
}

int ms_platform_import(int argc, char **argv)
{
    struct ms_args args;
    struct ms_import_options o;
    struct ms_buf xml = {0}, report = {0}, command = {0};
    struct ms_errs errs = {0};
    struct ms_err err = {0};
    int stop = ms_args_parse(&verb, argc, argv, &args);
    if (stop)
        return stop == 1 ? MS_OK : MS_USAGE;
    if (args.n_operands == 0)
        return ms_usage(&verb, "no file given");
    ms_import_defaults(&o);
    for (int i = 0; i < args.n_options; i++) {
        const char *want = set(&o, args.option[i].name, args.option[i].value);
        if (want)
            return ms_usage(&verb, "--%s '%s' must be %s", args.option[i].name,
                            args.option[i].value, want);
    }
    command_of(&args, &command);
    enum ms_status s = command.failed
                           ? MS_NOMEM
                           : ms_import((const char *const *)args.operand, (size_t)args.n_operands,
                                       &o, command.p, &xml, &report, &errs);
    ms_errs_print(stderr, &errs);
    if (s == MS_OK && !ms_args_get(&args, "quiet", NULL))
        fputs(report.p, stderr);
    if (s == MS_OK && (s = ms_file_write(ms_args_get(&args, "output", "-"), xml.p, xml.n, &err)))
        fprintf(stderr, "moesim platform import: %s\n", err.text);
    if (s == MS_NOMEM)
        fprintf(stderr, "moesim platform import: out of memory\n");
    ms_buf_finish(&xml);
    ms_buf_finish(&report);
    ms_buf_finish(&command);
    ms_errs_finish(&errs);
    return ms_exit_code(s);
}
