/* Which outputs' windows lie in the map. */
#ifndef PULP_INNER_H
#define PULP_INNER_H

#include "../portable/share.h"

/* Strides are small, and divisions slow. */
static inline uint32_t pulp_divided(uint32_t a, uint32_t stride) {
  return stride == 1 ? a : stride == 2 ? a / 2 : a / stride;
}

/* Along one axis: the outputs whose windows of `k` elements lie in the map of `in` elements. */
static inline pulp_share_t pulp_inner(uint32_t in, uint32_t k, uint32_t stride, uint32_t before,
                                      uint32_t out) {
  const uint32_t begin = pulp_divided(before + stride - 1, stride);
  const uint32_t end = in + before < k ? 0 : pulp_divided(in + before - k, stride) + 1;
  return (pulp_share_t){begin, end < out ? end : out};
}

#endif
