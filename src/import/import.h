/** @file import.h  Descriptions of real fabrics and nodes -> a platform file.
 *
 * Formats are recognised by what stands in a file, never by its name. What a description does not
 * say is an option with a printed default; nothing is assumed silently. The same input gives the
 * same bytes. */
#ifndef MS_IMPORT_IMPORT_H
#define MS_IMPORT_IMPORT_H

#include "base/err.h"
#include "base/file.h"

struct ms_import_options {
    double link_rate_Bps; /**< of cables without a rate; 0: not given */
    double nvlink_Bps;    /**< of a GPU, one way; < 0: as the files say, 0: none */
    double latency_s;     /**< of every NIC and every switch-to-switch hop; < 0: the defaults */
    double rate_factor;   /**< every rate is multiplied by it; 1 */
    double gpu_speed_flops;
    int gpus_per_node;    /**< 0: not given */
    int gpus_per_nic;     /**< 0: not given (1) */
    const char *exclude;  /**< regular expression on host names, or NULL */
    const char *nics;     /**< regular expression on NIC names that carry the exchange, or NULL */
    const char *topology; /**< which of a topology.yaml's, or NULL */
    const char *block_is; /**< "nvlink" or "leaf", or NULL */
    const char *oversubscription; /**< "2" or "1,2": a level each from the leaves up, or NULL */
    const char *hardware;         /**< property of the platform, or NULL */
    const char *hosts;            /**< file of GUIDs and the hosts they belong to, or NULL */
    bool partial;                 /**< NICs that only one of two joined files knows are left out */
};

void ms_import_defaults(struct ms_import_options *o);

/** Read all files, join them, write the platform. A path may be "PATTERN=FILE" for the inside of
 * the nodes whose names match.
 * @param xml the platform's text  @param report what was read, assumed and odd, for people
 * @return MS_OK; MS_INVALID with errors; MS_NOMEM */
enum ms_status ms_import(const char *const *path, size_t n, const struct ms_import_options *o,
                         const char *command, struct ms_buf *xml, struct ms_buf *report,
                         struct ms_errs *errs);

#endif
