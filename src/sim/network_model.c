/* network.model: one row a model. cm02 and fluid take latency out of the flows, so that flows
 * which share a link share it equally; the factors of SimGrid's other models depend on it. */
#include "sim/network_model.h"

#include <string.h>

/* plain sharing, and nothing that moves by itself */
static const char *const plain[] = {"--cfg=network/model:CM02", "--cfg=network/crosstraffic:0",
                                    "--cfg=network/TCP-gamma:0", NULL};
static const char *const lv08[] = {"--cfg=network/model:LV08", NULL};
static const char *const smpi[] = {"--cfg=network/model:SMPI", NULL};
static const char *const ib[] = {"--cfg=network/model:IB", NULL};

static const struct ms_network_model models[] = {
    {"fluid", "our own max-min sharing over the platform's routes: fast, exact at quantum 0", plain,
     &ms_transport_fluid, MS_LATENCY_SENDER, true},
    {"cm02", "SimGrid's CM02 without cross-traffic: the reference", plain, &ms_transport_simgrid,
     MS_LATENCY_SENDER, false},
    {"lv08", "SimGrid's LV08: TCP-like factors on latency and bandwidth", lv08,
     &ms_transport_simgrid, MS_LATENCY_FLOW, false},
    {"smpi", "SimGrid's SMPI: factors by message size", smpi, &ms_transport_simgrid,
     MS_LATENCY_FLOW, false},
    {"ib", "SimGrid's InfiniBand model: penalties for sharing a port", ib, &ms_transport_simgrid,
     MS_LATENCY_FLOW, false},
};

enum { N_MODELS = sizeof models / sizeof *models };

const struct ms_network_model *ms_network_model_find(const char *name)
{
    for (int i = 0; name && i < N_MODELS; i++)
        if (!strcmp(models[i].name, name))
            return &models[i];
    return NULL;
}

const struct ms_sim_name *ms_sim_network_models(void)
{
    static struct ms_sim_name names[N_MODELS + 1];
    for (int i = 0; i < N_MODELS; i++)
        names[i] = (struct ms_sim_name){models[i].name, models[i].help};
    return names;
}

int ms_sim_latency_default(const char *model)
{
    const struct ms_network_model *m = ms_network_model_find(model);
    return m ? m->latency : MS_LATENCY_DEFAULT;
}

bool ms_sim_heeds_quantum(const char *model)
{
    const struct ms_network_model *m = ms_network_model_find(model);
    return !m || m->transport == &ms_transport_fluid;
}
