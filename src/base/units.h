/** @file units.h  Quantities with units, as users write them and as tables show them.
 *
 *  Inside the program everything is in base units: seconds, bytes, bytes per second, flop/s. */
#ifndef MS_BASE_UNITS_H
#define MS_BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>

enum ms_unit {
    MS_UNIT_NONE,  /**< a plain number */
    MS_UNIT_TIME,  /**< s: ps ns us (µs) ms s m h d */
    MS_UNIT_BYTES, /**< B, kB, MiB …; b for bits; a bare number is bytes */
    MS_UNIT_RATE,  /**< bytes/s: GBps, GB/s, GiBps; Gbps, Gb/s, Gbit/s and plain G are bits */
    MS_UNIT_FLOPS, /**< flop/s: Tf, TFLOPS, Tflop/s */
};

/** Parse all of text; blanks may stand before the unit, and a bare number is in base units.
 *  @return false (out untouched) when it is not a finite quantity of that unit */
bool ms_units_parse(const char *text, enum ms_unit unit, double *out);
/** What a user may write, for messages: "a time such as 2us". */
const char *ms_units_hint(enum ms_unit unit);
/** The unit people mean by a bare number, where a bare number is most likely a mistake: times and
 *  rates. NULL: a bare number will do. */
const char *ms_units_usual(enum ms_unit unit);
/** A short human form: 46 GB/s, 2 us, 64 KiB. @return out */
const char *ms_units_show(double value, enum ms_unit unit, char *out, size_t size);
/** The shortest form that ms_units_parse reads back to the very value: 46.5GBps, 1.4us. @return out */
const char *ms_units_write(double value, enum ms_unit unit, char *out, size_t size);

#endif
