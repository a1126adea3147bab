/* pulp_quantize, pulp_dequantize: four elements at a time, words of the output divided over the cores; core 0
 * also does the last elements. */
#include "../portable/float_bits.h"
#include "../portable/share.h"
#include "pulp_kernels.h"
#include "xpulp.h"

/* pulp_float_byte of what is a number, with an estimator. */
XPULP_INLINE uint32_t byte_of(int32_t bits, const int32_t *bounds, const pulp_estimator_t *estimator) {
  const int32_t sign = bits >> 31;
  const int32_t mantissa = (int32_t)(xp_bits_8_to_22(bits) | 0x8000u);
  const int32_t product = (mantissa * estimator->multiplier) ^ sign;
  const uint32_t shift = xp_clip_u5(estimator->exponent - (int32_t)xp_bits_23_to_30(bits));
  const uint32_t byte = xp_clip_u16((product >> shift) + estimator->offset) >> 8;
  const int32_t key = bits ^ (int32_t)((uint32_t)sign >> 1);
  return byte + (key > bounds[byte]);
}

void pulp_quantize(const int32_t *in, uint8_t *out, const int32_t *bounds, const pulp_estimator_t *estimator,
                   uint32_t elements) {
  const pulp_estimator_t mine = *estimator;
  const pulp_share_t words = pulp_my_share(elements / 4);
  const uint32_t end = 4 * words.end;
  for (uint32_t i = 4 * words.begin; i < end; i += 4) {
    const int32_t a = in[i], b = in[i + 1], c = in[i + 2], d = in[i + 3];
    const uint32_t largest = xp_maxu(xp_maxu(pulp_float_size(a), pulp_float_size(b)),
                                     xp_maxu(pulp_float_size(c), pulp_float_size(d)));
    if (largest > PULP_INFINITE || mine.multiplier == 0) {
      for (uint32_t j = i; j < i + 4; j++) {
        out[j] = pulp_float_byte(in[j], bounds, &mine);
      }
    } else {
      xp_store(out + i, xp_pack4(byte_of(a, bounds, &mine), byte_of(b, bounds, &mine),
                                 byte_of(c, bounds, &mine), byte_of(d, bounds, &mine)));
    }
  }
  for (uint32_t i = elements & ~3u; i < elements && pulp_core_id() == 0; i++) {
    out[i] = pulp_float_byte(in[i], bounds, &mine);
  }
  pulp_barrier();
}

void pulp_dequantize(const uint8_t *in, int32_t *out, const int32_t *table, uint32_t elements) {
  const pulp_share_t words = pulp_my_share(elements / 4);
  const uint32_t end = 4 * words.end;
  for (uint32_t i = 4 * words.begin; i < end; i += 4) {
    const int32_t a = table[in[i]], b = table[in[i + 1]], c = table[in[i + 2]], d = table[in[i + 3]];
    out[i] = a;
    out[i + 1] = b;
    out[i + 2] = c;
    out[i + 3] = d;
  }
  for (uint32_t i = elements & ~3u; i < elements && pulp_core_id() == 0; i++) {
    out[i] = table[in[i]];
  }
  pulp_barrier();
}
