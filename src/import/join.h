/** @file join.h  Cables, insides of nodes and a scheduler's names become one map: which NICs
 *  belong to which node, which GPU has which NIC, which GPUs share NVLink. */
#ifndef MS_IMPORT_JOIN_H
#define MS_IMPORT_JOIN_H

#include "import/readers.h"

struct ms_join {
    const struct ms_import_options *o;
    struct ms_errs *errs;
    struct ms_map m;
    struct ms_insides insides;
    struct ms_slurm choice; /**< Slurm's names beside cables; path NULL: none */
    const char *fabric;     /**< the path of the file with the cables, or of Slurm's; NULL: none */
    bool slurm, simai;      /**< the fabric is Slurm's tree, SimAI's text */
};

/** An error of a file as a whole. @return MS_INVALID */
enum ms_status ms_join_say(struct ms_join *j, const char *path, const char *text);
/** Leave out the hosts that Slurm's file does not name; say where it and the cables differ. */
enum ms_status ms_join_choice(struct ms_join *j);
/** Give every node its GPUs: by the inside that stands for it, or in order over its NICs. */
enum ms_status ms_join_gpus(struct ms_join *j);
/** NVLink from the options, or from the files; domains numbered from 0. */
enum ms_status ms_join_nvlink(struct ms_join *j);

#endif
