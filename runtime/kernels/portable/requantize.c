/* pulp_requantize and its wider forms: elements divided over the cores. */
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"

void pulp_requantize(const int32_t *sums, uint8_t *out, const int32_t *k, const int32_t *lambda,
                     uint16_t shift, uint32_t pixels, uint32_t channels) {
  const pulp_share_t mine = pulp_my_share(pixels);
  for (uint32_t i = mine.begin * channels; i < mine.end * channels; i++) {
    out[i] = pulp_requant(sums[i], k[i % channels], lambda[i % channels], shift);
  }
  pulp_barrier();
}

void pulp_requantize_split(const int32_t *sums, uint8_t *out, const int32_t *k, const int32_t *lambda,
                           uint16_t low_bits, uint16_t shift, uint32_t pixels, uint32_t channels) {
  const pulp_share_t mine = pulp_my_share(pixels);
  for (uint32_t i = mine.begin * channels; i < mine.end * channels; i++) {
    out[i] = pulp_requant_split(sums[i], k[i % channels], lambda[i % channels], low_bits, shift);
  }
  pulp_barrier();
}

void pulp_requantize_wide(const int32_t *sums, uint8_t *out, const int64_t *k, const int64_t *lambda,
                          uint16_t shift, uint32_t pixels, uint32_t channels) {
  const pulp_share_t mine = pulp_my_share(pixels);
  for (uint32_t i = mine.begin * channels; i < mine.end * channels; i++) {
    out[i] = pulp_requant_wide(sums[i], k[i % channels], lambda[i % channels], shift);
  }
  pulp_barrier();
}
