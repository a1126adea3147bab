/* How sums become outputs. */
#ifndef PULP_FORM_H
#define PULP_FORM_H

#include <stdint.h>

typedef enum {
  PULP_NARROW, /* in 32 bits */
  PULP_SPLIT,  /* multipliers in two parts, in 32 bits */
  PULP_WIDE    /* in 64 bits */
} pulp_form_t;

/* Bytes of a multiplier, and of an offset. */
static inline uint32_t pulp_entry_bytes(pulp_form_t form) {
  return form == PULP_WIDE ? sizeof(int64_t) : sizeof(int32_t);
}

#endif
