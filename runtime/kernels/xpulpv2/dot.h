/* What portable/dot.h has, with words. */
#ifndef PULP_XPULP_DOT_H
#define PULP_XPULP_DOT_H

#include "xpulp.h"

static inline int32_t pulp_dot(const uint8_t *x, const int8_t *w, uint32_t length, int32_t acc) {
  const uint32_t words = length / 4;
  acc = xp_dot_words(x, w, words, acc);
  for (uint32_t i = 4 * words; i < length; i++) {
    acc += x[i] * w[i];
  }
  return acc;
}

static inline int32_t pulp_add_up(const uint8_t *x, uint32_t length, int32_t acc) {
  uint32_t sum = (uint32_t)acc, i = 0;
  for (; i + 4 <= length; i += 4) {
    sum = xp_sdotup(sum, xp_load(x + i), 0x01010101);
  }
  for (; i < length; i++) {
    sum += x[i];
  }
  return (int32_t)sum;
}

#endif
