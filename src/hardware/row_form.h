/** @file row_form.h  A measured row as a closed form takes it: which section of a profile it is of,
 *  and its load. */
#ifndef MS_HARDWARE_ROW_FORM_H
#define MS_HARDWARE_ROW_FORM_H

#include "base/arena.h"
#include "hardware/form.h"
#include "hardware/hardware.h"
#include "hardware/measured.h"

/** What a row is of. */
struct ms_row_section {
    char library[64]; /**< as a profile names it; "": the system's usual one */
    enum ms_comm_kernels kind;
    bool one_node;
    char name[96]; /**< "low_latency_node", "pplx.low_latency": the key of forms and profiles */
};

/** @return false: no section of a profile (compute, or a leg that is more than an exchange) */
bool ms_row_section(const struct ms_measured_row *r, struct ms_row_section *out);
/** Is the notify part timed apart, so that the row's leg is without it? */
bool ms_row_without_notify(const struct ms_measured_row *r);
/** The leg of a form: 1 for combine, else 0. */
int ms_row_form_leg(const struct ms_measured_row *r);
/** @param h for rates and latencies of the wire; borrowed for the call
 *  @return MS_OK or MS_NOMEM; out lives in the arena */
enum ms_status ms_row_load(struct ms_arena *arena, const struct ms_measured_row *r,
                           const struct ms_hardware *h, struct ms_form_load *out);
/** Traffic of a row that was recorded, in tokens. @return false: no memory */
bool ms_row_traffic(struct ms_arena *arena, const struct ms_measured_row *r,
                    struct ms_traffic *out);
/** The same in bytes, by leg; also of rows that say how many bytes a rank moves. */
bool ms_row_bytes(struct ms_arena *arena, const struct ms_measured_row *r, struct ms_traffic *out);
/** Is what the row moves given in bytes, not in tokens? */
bool ms_row_in_bytes(const struct ms_measured_row *r);

#endif
