/** @file emit.h  A platform as ibnetdiscover would print it: what import reads, it can write. */
#ifndef MS_IMPORT_EMIT_H
#define MS_IMPORT_EMIT_H

#include "base/file.h"
#include "cluster/platform.h"

/** Switches above the leaves are split into as many as the property `switches` says, cables dealt
 * out in turn. @return MS_OK; MS_INFEASIBLE: a rate InfiniBand does not have, or links that only
 * SimGrid knows; MS_NOMEM */
enum ms_status ms_emit_ibnetdiscover(const struct ms_platform *p, struct ms_buf *out,
                                     struct ms_err *err);

#endif
