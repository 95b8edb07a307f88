/** @file write_platform.h  A map and its levels as a SimGrid platform file. */
#ifndef MS_IMPORT_WRITE_PLATFORM_H
#define MS_IMPORT_WRITE_PLATFORM_H

#include "import/import.h"
#include "import/levels.h"

/** @return MS_OK, MS_INVALID (the hubs do not meet), MS_NOMEM */
enum ms_status ms_import_write(const struct ms_map *m, const struct ms_levels *l,
                               const struct ms_import_options *o, const char *command,
                               struct ms_buf *out, struct ms_err *err);

#endif
