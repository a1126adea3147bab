/* The inner loop of every kernel that multiplies. */
#ifndef PULP_DOT_H
#define PULP_DOT_H

#include <stdint.h>

/* acc + sum of x[i] * w[i]. */
static inline int32_t pulp_dot(const uint8_t *x, const int8_t *w, uint32_t length, int32_t acc) {
  for (uint32_t i = 0; i < length; i++) {
    acc += (int32_t)x[i] * w[i];
  }
  return acc;
}

#endif
