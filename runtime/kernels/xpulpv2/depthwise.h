/* A depthwise convolution, and the ways to compute parts of it. */
#ifndef PULP_DEPTHWISE_H
#define PULP_DEPTHWISE_H

#include "../portable/share.h"
#include "../portable/window.h"
#include "form.h"
#include "xpulp.h"

typedef struct {
  const uint8_t *in;
  uint8_t *out;
  const int8_t *weight;
  const void *k, *lambda; /* int32; wide: int64 */
  uint32_t shift;
  pulp_form_t form;
  const pulp_window_t *window;
  uint32_t low_bits; /* PULP_SPLIT's */
} pulp_depthwise_t;

/* False if these channels need pulp_depthwise_by_output: their 64-bit requantization isn't that of a shift
 * beyond 32 and multipliers of 32 bits. */
static inline int pulp_depthwise_is_fast(const pulp_depthwise_t *d, pulp_share_t channels) {
  const int64_t *const k = (const int64_t *)d->k;
  const int wide = d->form == PULP_WIDE;
  int fast = !wide || d->shift >= 32;
  for (uint32_t c = channels.begin; wide && c < channels.end; c++) {
    fast &= k[c] == (int32_t)k[c];
  }
  return fast;
}

/* Pixels, counted row by row, of some channels; any window. */
void pulp_depthwise_by_output(const pulp_depthwise_t *depthwise, pulp_share_t pixels, pulp_share_t channels);

/* Everything, and the barrier. */
void pulp_depthwise_all(const pulp_depthwise_t *depthwise);

/* The calling core's share; any window. */
void pulp_depthwise_any(const pulp_depthwise_t *depthwise);

#endif
