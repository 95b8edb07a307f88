/** @file hostlist.h  Slurm's short form of many names: "n[01-03,7]x[1-2],m". */
#ifndef MS_IMPORT_HOSTLIST_H
#define MS_IMPORT_HOSTLIST_H

#include "import/readers.h"

typedef enum ms_status ms_hostlist_fn(void *ctx, const char *name);

/** Call `each` with every name, in order; what it returns but MS_OK ends the list.
 * @return MS_OK; MS_INVALID with an error at the line that is being read; what `each` returned */
enum ms_status ms_hostlist(struct ms_reading *r, const char *list, ms_hostlist_fn *each, void *ctx);

#endif
