/* The inner loops of kernels that multiply. xpulpv2/dot.h stands for it there: whichever comes first counts.
 */
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

/* acc + sum of x[i]. */
static inline int32_t pulp_add_up(const uint8_t *x, uint32_t length, int32_t acc) {
  for (uint32_t i = 0; i < length; i++) {
    acc += x[i];
  }
  return acc;
}

#endif
