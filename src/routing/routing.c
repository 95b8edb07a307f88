/* The words for where routing comes from, once for the reader, its messages and the records. */
#include "routing/routing.h"

const char *const ms_source_names[] = {[MS_SOURCE_SYNTHETIC] = "synthetic",
                                       [MS_SOURCE_TRACE] = "trace",
                                       [MS_SOURCE_CHECKPOINT] = "checkpoint",
                                       [MS_SOURCE_MATRIX] = "matrix",
                                       NULL};
