/* pulp_mul, pulp_mul_pixel: elements or pixels divided over the cores. */
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"

static uint8_t product(int32_t a, int32_t b, int32_t k, int32_t lambda, uint16_t shift) {
  return pulp_requant(a * b, k, lambda, shift);
}

void pulp_mul(const uint8_t *a, const uint8_t *b, uint8_t *out, uint8_t zero_a, uint8_t zero_b, int32_t k,
              int32_t lambda, uint16_t shift, uint32_t elements) {
  const pulp_share_t share = pulp_my_share(elements);
  for (uint32_t i = share.begin; i < share.end; i++) {
    out[i] = product(a[i] - zero_a, b[i] - zero_b, k, lambda, shift);
  }
  pulp_barrier();
}

void pulp_mul_pixel(const uint8_t *a, const uint8_t *b, uint8_t *out, uint8_t zero_a, uint8_t zero_b,
                    int32_t k, int32_t lambda, uint16_t shift, uint32_t elements, uint16_t channels) {
  const pulp_share_t pixels = pulp_my_share(elements / channels);
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    for (uint32_t c = 0; c < channels; c++) {
      const uint32_t i = pixel * channels + c;
      out[i] = product(a[i] - zero_a, b[c] - zero_b, k, lambda, shift);
    }
  }
  pulp_barrier();
}
