/** @file wires_parts.h  What the files of the wires share: wires.c (legs opened, ended, time),
 *  wires_routes.c (routes of their own for ports, channels and cables), wires_make.c (a plan's flow as
 *  one of the solver). Inside this room only. */
#ifndef MS_SIM_WIRES_PARTS_H
#define MS_SIM_WIRES_PARTS_H

#include "sim/wires.h"

/** Sets the status of the wires. */
enum ms_status ms_wires_no_memory(struct ms_wires *f);
/** A link of the flow that a platform file switches off at or after at_s fails the exchange. */
void ms_wires_watch_flow(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t k,
                         double at_s);
/** The routes that are known, to the solver. */
enum ms_status ms_wires_lend_routes(struct ms_wires *f);
/** Memory for the routes of one leg of an exchange (0, 1). @return false: no memory */
bool ms_wires_hold_rated(struct ms_wires *f, int leg);
bool ms_wires_hold_paths(struct ms_wires *f, int leg);
/** The route of a pair's queue pair over the cables it was hashed to. */
uint32_t ms_wires_path_route(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t src,
                             uint32_t dst, uint32_t queue_pair);
/** Which ports can be bound by their message rate in this leg. */
void ms_wires_judge_ports(struct ms_wires *f, const struct ms_wires_leg *leg);
/** The route that a flow of the leg takes, rated or hashed as the leg is. */
uint32_t ms_wires_known_route(struct ms_wires *f, const struct ms_wires_leg *leg, uint32_t src,
                              uint32_t dst, uint32_t queue_pair);
/** Resources that flows of the leg use together, told to the solver once. */
enum ms_status ms_wires_tie_flows(struct ms_wires *f, const struct ms_wires_leg *leg);
/** Routes that hops of the leg have to themselves: with their ports' rates, over their cables. */
enum ms_status ms_wires_learn_routes(struct ms_wires *f, const struct ms_wires_leg *leg);

#endif
