/** @file machine.h  What this machine has to give: to refuse by estimate what it could never hold. */
#ifndef MS_BASE_MACHINE_H
#define MS_BASE_MACHINE_H

/** Memory that is free for processes of ours now; INFINITY: not known. */
double ms_free_memory_bytes(void);

#endif
