/** @file simgrid.h  SimGrid, loaded when it is first needed: its functions are ms_sg.<field>.
 *
 *  The libraries that come with it take longer to load than most commands that simulate nothing, and
 *  what simulates has a platform to read meanwhile. The types are those of SimGrid's own headers, which
 *  only this file includes. */
#ifndef MS_SIM_SIMGRID_H
#define MS_SIM_SIMGRID_H

#include <simgrid/actor.h>
#include <simgrid/comm.h>
#include <simgrid/engine.h>
#include <simgrid/host.h>
#include <simgrid/link.h>
#include <simgrid/mailbox.h>
#include <simgrid/semaphore.h>
#include <simgrid/version.h>
#include <xbt/dynar.h>
#include <xbt/log.h>

/* clang-format off */
/** F(field, function) */
#define MS_SG_FUNCTIONS(F) \
    F(init, simgrid_init) F(load_platform, simgrid_load_platform) \
    F(run, simgrid_run) F(get_clock, simgrid_get_clock) \
    F(version_get, sg_version_get) F(log_control_set, xbt_log_control_set) \
    F(actor_init, sg_actor_init) F(actor_start, sg_actor_start_) \
    F(actor_set_data, sg_actor_set_data) F(actor_self_get_data, sg_actor_self_get_data) \
    F(actor_set_stacksize, sg_actor_set_stacksize) F(actor_daemonize, sg_actor_daemonize) \
    F(actor_sleep_for, sg_actor_sleep_for) \
    F(sem_init, sg_sem_init) F(sem_acquire, sg_sem_acquire) \
    F(sem_acquire_timeout, sg_sem_acquire_timeout) F(sem_release, sg_sem_release) \
    F(sem_destroy, sg_sem_destroy) \
    F(mailbox_by_name, sg_mailbox_by_name) F(mailbox_put_async, sg_mailbox_put_async) \
    F(mailbox_get_async, sg_mailbox_get_async) F(comm_wait, sg_comm_wait) \
    F(host_count, sg_host_count) F(host_by_name, sg_host_by_name) F(host_get_name, sg_host_get_name) \
    F(host_get_route, sg_host_get_route) F(host_get_route_latency, sg_host_get_route_latency) \
    F(link_count, sg_link_count) F(link_list, sg_link_list) F(link_get_name, sg_link_get_name) \
    F(link_get_data, sg_link_get_data) F(link_set_data, sg_link_set_data) \
    F(link_get_bandwidth, sg_link_get_bandwidth) F(link_set_bandwidth, sg_link_set_bandwidth) \
    F(link_get_latency, sg_link_get_latency) F(link_set_latency, sg_link_set_latency) \
    F(link_is_shared, sg_link_is_shared) \
    F(dynar_new, xbt_dynar_new) F(dynar_reset, xbt_dynar_reset) F(dynar_free, xbt_dynar_free) \
    F(dynar_length, xbt_dynar_length) F(dynar_get_ptr, xbt_dynar_get_ptr)
/* clang-format on */

struct ms_sg {
#define MS_SG_FIELD(field, function) __typeof__(function) *field;
    MS_SG_FUNCTIONS(MS_SG_FIELD)
#undef MS_SG_FIELD
    /* SimGrid's C interface has these for hosts only; a method without arguments is called like a
     * function of its object. */
    void (*link_turn_off)(sg_link_t link);
    void (*link_turn_on)(sg_link_t link);
};

/** To be used after ms_simgrid_load (sim.h) only. */
extern struct ms_sg ms_sg;

#endif
