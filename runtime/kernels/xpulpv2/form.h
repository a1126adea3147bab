/* What becomes of sums. */
#ifndef PULP_FORM_H
#define PULP_FORM_H

#include <stdint.h>

typedef enum {
  PULP_NARROW, /* outputs, in 32 bits */
  PULP_SPLIT,  /* multipliers in two parts, in 32 bits */
  PULP_WIDE,   /* in 64 bits */
  PULP_SUMS    /* added to those of other input channels, int32 */
} pulp_form_t;

/* Bytes of an output. */
static inline uint32_t pulp_output_bytes(pulp_form_t form) { return form == PULP_SUMS ? sizeof(int32_t) : 1; }

/* Bytes of a multiplier, and of an offset. */
static inline uint32_t pulp_entry_bytes(pulp_form_t form) {
  return form == PULP_WIDE ? sizeof(int64_t) : sizeof(int32_t);
}

#endif
