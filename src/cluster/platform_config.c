/* What a platform's <config> may set. SimGrid's settings can write any file, load plugins or end the
 * program: none but the first two reaches it. What would change how the network carries an exchange
 * is refused, for the scenario says that; the rest cannot matter. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/platform_check.h"

enum setting { KEPT, SCENARIO, IDLE, REFUSED };

static const struct {
    const char *id; /* a trailing '/' stands for all that follow */
    enum setting is;
    const char *way_out;
} settings[] = {
    {"network/loopback-bw", KEPT, NULL},
    {"network/loopback-lat", KEPT, NULL},
    {"network/model", SCENARIO, NULL},
    {"network/crosstraffic", SCENARIO, NULL},
    {"network/TCP-gamma", SCENARIO, NULL},
    {"network/optim", IDLE, NULL},
    {"network/maxmin-selective-update", IDLE, NULL},
    {"network/latency-factor", REFUSED, "multiply the latencies in the file"},
    {"network/bandwidth-factor", REFUSED, "multiply the bandwidths in the file"},
    {"network/weight-S", REFUSED, "choose network.model in the scenario: lv08, smpi and ib set it"},
    {"network/", REFUSED, "choose network.model in the scenario"},
    {"maxmin/concurrency-limit", REFUSED, "leave it out: it changes how flows share links"},
    {"maxmin/", IDLE, NULL},
    {"host/model", SCENARIO, NULL},
    {"host/", IDLE, NULL},
    {"surf/", IDLE, NULL},
    {"precision/", IDLE, NULL},
    {"cpu/", IDLE, NULL},
    {"disk/", IDLE, NULL},
    {"storage/", IDLE, NULL},
    {"vm/", IDLE, NULL},
    {"smpi/", IDLE, NULL},
    {"tracing/", IDLE, NULL},
    {"tracing", IDLE, NULL},
    {"viva/", IDLE, NULL},
    {"triva/", IDLE, NULL},
    {"contexts/", IDLE, NULL},
    {"debug/", IDLE, NULL},
    {"exception/", IDLE, NULL},
    {"model-check", IDLE, NULL},
    {"model-check/", IDLE, NULL},
    {"cmonkey/", IDLE, NULL},
    {"ns3/", IDLE, NULL},
    {"bmf/", IDLE, NULL},
    {"dynamic-analysis", IDLE, NULL},
    {"plugin", IDLE, NULL},
    {"path", IDLE, NULL},
    {"clean-atexit", IDLE, NULL},
    {"verbose-exit", IDLE, NULL},
    {"help", IDLE, NULL},
};

static int setting_of(const char *id)
{
    for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
        size_t n = strlen(settings[k].id);
        bool prefix = settings[k].id[n - 1] == '/';
        if (prefix ? !strncmp(id, settings[k].id, n) : !strcmp(id, settings[k].id))
            return (int)k;
    }
    return -1;
}

bool ms_rules_config_kept(const char *id)
{
    int k = setting_of(id);
    return k >= 0 && settings[k].is == KEPT;
}

/* SimGrid reads these with std::stod and dies of anything else. */
static bool plain_number(const char *value)
{
    char *end;
    double v = strtod(value, &end);
    return end > value && !end[strspn(end, " \t")] && isfinite(v) && v >= 0;
}

void ms_check_config(struct ms_check *c, int i)
{
    const struct ms_xml_el *e = &c->xml->el[i];
    if (e->parent < 0 || c->kind[i] != EL_PROP || c->kind[e->parent] != EL_CONFIG)
        return;
    const char *id = ms_xml_get(e, "id", ""), *value = ms_xml_get(e, "value", "");
    int k = setting_of(id);
    if (k < 0)
        ms_check_error(c, i, "<config>: SimGrid has no option '%.80s'", id);
    else if (settings[k].is == REFUSED)
        ms_check_error(c, i, "<config> may not set '%.80s': it changes the network; %s", id,
                       settings[k].way_out);
    else if (!strcmp(id, "host/model") && strcmp(value, "compound") && strcmp(value, "default"))
        ms_check_error(c, i,
                       "<config> may not set host/model to '%.40s': it changes the network; "
                       "leave it out",
                       value);
    else if (settings[k].is == KEPT && !plain_number(value))
        ms_check_error(c, i, "<config>: %s '%.60s' must be a plain number of %s, such as %s", id,
                       value, strstr(id, "-bw") ? "bytes/s" : "seconds",
                       strstr(id, "-bw") ? "1e9" : "1e-6");
    else if (settings[k].is == SCENARIO)
        ms_check_note(c, i, "<config> network/model and the like (the scenario's count)", true);
    else if (settings[k].is == IDLE)
        ms_check_note(c, i, "<config> options", true);
}
