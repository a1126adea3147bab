/* Quantization of a float32 from its bits; see pulp_estimator_t and pulp_quantize. */
#ifndef PULP_FLOAT_BITS_H
#define PULP_FLOAT_BITS_H

#include <stdint.h>

#include "pulp_kernels.h"

/* `pulp_float_size` of the infinities; what is not a number is above. */
#define PULP_INFINITE 0xff000000u

/* Sorts as the absolute value does. */
static inline uint32_t pulp_float_size(int32_t bits) { return (uint32_t)bits << 1; }

/* The integer that sorts as the float does. */
static inline int32_t pulp_float_key(int32_t bits) { return bits ^ (int32_t)((uint32_t)(bits >> 31) >> 1); }

/* The byte, or one less. */
static inline uint32_t pulp_float_estimate(int32_t bits, const pulp_estimator_t *estimator) {
  const int32_t mantissa = (bits >> 8 & 0x7fff) | 0x8000;
  const int32_t product = (mantissa * estimator->multiplier) ^ (bits >> 31);
  int32_t shift = estimator->exponent - (bits >> 23 & 0xff);
  shift = shift < 0 ? 0 : shift > 31 ? 31 : shift;
  const int32_t sum = (product >> shift) + estimator->offset;
  return (uint32_t)(sum < 0 ? 0 : sum > UINT16_MAX ? UINT16_MAX : sum) >> 8;
}

/* How many of the 255 bounds are below the key. */
static inline uint32_t pulp_float_search(int32_t key, const int32_t *bounds) {
  uint32_t byte = 0;
  for (uint32_t step = 128; step > 0; step /= 2) {
    byte += key > bounds[byte + step - 1] ? step : 0;
  }
  return byte;
}

static inline uint8_t pulp_float_byte(int32_t bits, const int32_t *bounds,
                                      const pulp_estimator_t *estimator) {
  const int32_t key = pulp_float_key(bits);
  if (pulp_float_size(bits) > PULP_INFINITE) {
    return UINT8_MAX;
  }
  if (estimator->multiplier == 0) {
    return (uint8_t)pulp_float_search(key, bounds);
  }
  const uint32_t byte = pulp_float_estimate(bits, estimator);
  return (uint8_t)(byte + (key > bounds[byte]));
}

#endif
