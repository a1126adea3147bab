/* A depthwise convolution, and the ways to compute parts of it. */
#ifndef PULP_DEPTHWISE_H
#define PULP_DEPTHWISE_H

#include "../portable/share.h"
#include "../portable/window.h"
#include "xpulp.h"

typedef struct {
  const uint8_t *in;
  uint8_t *out;
  const int8_t *weight;
  const void *k, *lambda; /* int32; wide: int64 */
  uint32_t shift;
  int wide;
  const pulp_window_t *window;
} pulp_depthwise_t;

/* One output from its sum. */
XPULP_INLINE uint8_t pulp_depthwise_output(const pulp_depthwise_t *d, int32_t acc, uint32_t channel) {
  if (d->wide) {
    const int64_t *const k = (const int64_t *)d->k, *const lambda = (const int64_t *)d->lambda;
    return (uint8_t)xp_requant_wide(acc, k[channel], lambda[channel], d->shift);
  }
  const int32_t *const k = (const int32_t *)d->k, *const lambda = (const int32_t *)d->lambda;
  return (uint8_t)xp_requant(acc, k[channel], lambda[channel], d->shift);
}

/* The calling core's share of channels `first` and those after it; any window. */
void pulp_depthwise_any(const pulp_depthwise_t *depthwise, uint32_t first);

#endif
