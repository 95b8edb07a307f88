/** @file recognise.h  What a file is, by what stands in it. */
#ifndef MS_IMPORT_RECOGNISE_H
#define MS_IMPORT_RECOGNISE_H

#include <stddef.h>

enum ms_format {
    MS_FORMAT_UNKNOWN,
    MS_FORMAT_REFUSED, /**< known by name, not read: *why says what to give instead */
    MS_FORMAT_IBNETDISCOVER,
    MS_FORMAT_IB_PORTS,
    MS_FORMAT_NCCL,
    MS_FORMAT_SLURM_CONF,
    MS_FORMAT_SLURM_YAML,
    MS_FORMAT_SIMAI,
};

/** @param text NUL-terminated  @param why of a refusal, a whole sentence; else untouched */
enum ms_format ms_recognise(const char *text, const char **why);

#endif
