/* pulp_linear_split: outputs divided over the cores. */
#include "dot.h"
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"

void pulp_linear_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                       const int32_t *lambda, uint16_t low_bits, uint16_t shift, uint32_t dim_vec,
                       uint32_t num_out) {
  const pulp_share_t share = pulp_my_share(num_out);
  for (uint32_t n = share.begin; n < share.end; n++) {
    const int32_t acc = pulp_dot(in, weight + n * dim_vec, dim_vec, 0);
    out[n] = pulp_requant_split(acc, k[n], lambda[n], low_bits, shift);
  }
  pulp_barrier();
}
