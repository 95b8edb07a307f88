/** @file clock.h  How long things take: never a part of a result. */
#ifndef MS_BASE_CLOCK_H
#define MS_BASE_CLOCK_H

/** Seconds since an arbitrary moment, never going back. */
double ms_clock_s(void);

#endif
