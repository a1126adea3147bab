/* From accumulators to uint8. Products and sums that may leave 32 bits wrap, as they do on the device; they
 * are computed unsigned because signed overflow is undefined in C. Right shifts of negative numbers are
 * arithmetic with every compiler that this is built with. */
#ifndef PULP_REQUANT_H
#define PULP_REQUANT_H

#include <stdint.h>

static inline uint8_t pulp_clip_u8(int64_t value) {
  return (uint8_t)(value < 0 ? 0 : value > UINT8_MAX ? UINT8_MAX : value);
}

static inline int32_t pulp_wrap_mul(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }

static inline int32_t pulp_wrap_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }

/* clip_u8((k * acc + lambda) >> shift), wrapping at 32 bits. */
static inline uint8_t pulp_requant(int32_t acc, int32_t k, int32_t lambda, unsigned shift) {
  return pulp_clip_u8(pulp_wrap_add(pulp_wrap_mul(k, acc), lambda) >> shift);
}

/* The same in 64 bits. */
static inline uint8_t pulp_requant_wide(int32_t acc, int64_t k, int64_t lambda, unsigned shift) {
  const uint64_t sum = (uint64_t)k * (uint64_t)(int64_t)acc + (uint64_t)lambda;
  return pulp_clip_u8((int64_t)sum >> shift);
}

/* clip_u8(((k * acc >> low_bits) + lambda) >> shift), the sum wrapping at 32 bits. */
static inline uint8_t pulp_requant_split(int32_t acc, int32_t k, int32_t lambda, unsigned low_bits,
                                         unsigned shift) {
  const int32_t scaled = (int32_t)(((int64_t)k * acc) >> low_bits);
  return pulp_clip_u8(pulp_wrap_add(scaled, lambda) >> shift);
}

/* The output stage of a PULP-NN kernel. */
typedef struct {
  const int32_t *k, *lambda; /* per output channel; read only with relu and batch_norm */
  uint16_t mult;             /* read only with relu and without batch_norm */
  unsigned shift;
  int relu, batch_norm;
} pulp_nn_output_t;

/* relu and batch_norm: requantize. relu alone: scale by `mult` and keep 16 bits before clipping, as upstream
 * does. Everything else: shift and clip. */
static inline uint8_t pulp_nn_output(const pulp_nn_output_t *o, int32_t acc, uint32_t channel) {
  if (!o->relu) {
    return pulp_clip_u8(acc >> o->shift);
  }
  if (o->batch_norm) {
    return pulp_requant(acc, o->k[channel], o->lambda[channel], o->shift);
  }
  return pulp_clip_u8((int16_t)(pulp_wrap_mul((int16_t)o->mult, acc) >> o->shift));
}

#endif
