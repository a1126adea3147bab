/* How sums become outputs. */
#ifndef PULP_FORM_H
#define PULP_FORM_H

#include <stdint.h>

typedef enum {
  PULP_NARROW, /* in 32 bits */
  PULP_SHORT,  /* multipliers of 15 bits times the halves of sums, in 32 bits */
  PULP_SPLIT,  /* multipliers in two parts, in 32 bits */
  PULP_WIDE    /* in 64 bits */
} pulp_form_t;

enum { PULP_SHORT_BITS = 16 }; /* the `low_bits` that stand for short multipliers */

/* The form of a `split` kernel. */
static inline pulp_form_t pulp_split_form(uint32_t low_bits) {
  return low_bits == PULP_SHORT_BITS ? PULP_SHORT : PULP_SPLIT;
}

/* Bytes of a multiplier, and of an offset. */
static inline uint32_t pulp_entry_bytes(pulp_form_t form) {
  return form == PULP_WIDE ? sizeof(int64_t) : sizeof(int32_t);
}

#endif
