/* pulp_quantize, pulp_dequantize: elements divided over the cores. */
#include "float_bits.h"
#include "pulp_kernels.h"
#include "share.h"

void pulp_quantize(const int32_t *in, uint8_t *out, const int32_t *bounds, const pulp_estimator_t *estimator,
                   const pulp_scaling_t *scaling, uint32_t planes, uint32_t elements) {
  (void)scaling;
  const pulp_share_t share = pulp_my_share(elements);
  for (uint32_t plane = 0; plane < planes; plane++) {
    for (uint32_t i = share.begin; i < share.end; i++) {
      out[i * planes + plane] = pulp_float_byte(in[plane * elements + i], bounds, estimator);
    }
  }
  pulp_barrier();
}

void pulp_dequantize(const uint8_t *in, int32_t *out, const int32_t *table, uint32_t elements) {
  const pulp_share_t share = pulp_my_share(elements);
  for (uint32_t i = share.begin; i < share.end; i++) {
    out[i] = table[in[i]];
  }
  pulp_barrier();
}
