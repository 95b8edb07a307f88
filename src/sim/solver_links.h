/** @file solver_links.h  The links that a run gives the fluid solver: which there are, in which order,
 *  and what each stands for.
 *
 *  First the platform's by their own numbers, then the ranks' ports (seconds of messages), the ports'
 *  own rates, the kernels' channels, the cables of links that stand for several, and last the rates
 *  that flows are held to. Links count from 0; bytes per second. */
#ifndef MS_SIM_SOLVER_LINKS_H
#define MS_SIM_SOLVER_LINKS_H

#include "sim/core.h"
#include "sim/fluid/fluid.h"
#include "sim/held_rates.h"
#include "sim/paths.h"
#include "sim/port_rates.h"
#include "sim/wires.h"

/** Zero-initialise; of a case, laid anew for each run. What it holds lives in the core's arena. */
struct ms_solver_links {
    size_t n_platform, n_ports, n_rates, n_channels;
    size_t n;            /**< all of them */
    uint32_t first_held; /**< the first of held's */
    struct ms_wires_ports ports;
    struct ms_port_rates rates;
    struct ms_wires_channels channels;
    struct ms_paths paths;     /**< cables, the same in every run; the choice of them differs */
    struct ms_held_rates held; /**< of the platform's bandwidth_files, the same in every run */
    bool held_known;
};

/** @param out [l->n] the caller's to free; NULL on any error  @return MS_OK or MS_NOMEM */
enum ms_status ms_solver_links_lay(struct ms_core *c, struct ms_solver_links *l,
                                   struct ms_fluid_link **out);
/** Tell the wires what the links beside the platform's and the ports' are for, and what happens to
 *  links; after ms_wires_init with l->ports. @return MS_OK or MS_NOMEM */
enum ms_status ms_solver_links_wire(struct ms_core *c, const struct ms_solver_links *l,
                                    struct ms_wires *wires);
/** Whether a number can mean another link than its own. */
bool ms_solver_links_rename(const struct ms_solver_links *l);
/** What the link stands for of whose time is asked: a link of the platform where it is a cable of it
 *  (MS_CAUSE_CABLE | link) or a rate that it once had, else itself. */
uint32_t ms_solver_links_meant(const struct ms_solver_links *l, uint32_t link);

#endif
