/** @file checkpoint_files.h  An open checkpoint as its own files share it: config, mapped files, and
 *  finding a tensor in them. */
#ifndef MS_MOE_CHECKPOINT_FILES_H
#define MS_MOE_CHECKPOINT_FILES_H

#include "base/arena.h"
#include "base/safetensors.h"
#include "moe/checkpoint.h"

struct ms_checkpoint {
    struct ms_arena arena;
    const char *folder;
    struct ms_buf config_text;
    struct ms_moe_config config;
    struct ms_st_file **files;
    size_t n_files;
};

/** A tensor in one of the files; not found: {0}. */
struct ms_found {
    const struct ms_st_file *file;
    const struct ms_st_tensor *tensor;
};

struct ms_found ms_checkpoint_find(const struct ms_checkpoint *c, const char *name);

#endif
