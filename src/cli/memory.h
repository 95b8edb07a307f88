/** @file memory.h  Out of memory ends the program (memory.c). */
#ifndef MS_CLI_MEMORY_H
#define MS_CLI_MEMORY_H

/** Libraries that can be told get the program's allocation functions, glibc's its thresholds; first of
 *  all in main. */
void ms_memory_or_end(void);

#endif
