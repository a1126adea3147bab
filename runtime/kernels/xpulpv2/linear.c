/* pulp_nn_linear*: blocks of 4 outputs divided over the cores, or single outputs if there are few. */
#include <stddef.h>

#include "block.h"
#include "multiply.h"
#include "pulp_nn_kernels.h"
#include "team.h"
#include "xpulp.h"

void pulp_nn_linear(uint8_t *in, int8_t *bias, uint8_t *out, int8_t *weight, int32_t *k, int32_t *lambda,
                    uint16_t out_mult, int8_t out_shift, uint16_t dim_vec, uint16_t num_out, int flag_relu,
                    int flag_bn) {
  const pulp_filters_t filters = {bias,        {k, lambda, out_mult, (unsigned)out_shift, flag_relu, flag_bn},
                                  NULL,        NULL,
                                  num_out,     pulp_my_outputs(num_out),
                                  PULP_NARROW, 0};
  const pulp_segments_t segments = {dim_vec / 4, 1, dim_vec % 4, dim_vec, dim_vec, 0, 0};
  pulp_multiply(&filters, &segments, in, weight, out, 1);
  pulp_barrier();
}

void pulp_nn_linear_out_32(uint8_t *in, int8_t *bias, int32_t *out, int8_t *weight, uint16_t dim_vec,
                           uint16_t num_out) {
  const int32_t *const bias_32 = (const int32_t *)(const void *)bias;
  const pulp_share_t share = pulp_my_share(num_out);
  for (uint32_t n = share.begin; n < share.end; n++) {
    const int32_t acc = xp_dot(in, weight + n * dim_vec, dim_vec);
    out[n] = bias_32 ? pulp_wrap_add(acc, bias_32[n]) : acc;
  }
  pulp_barrier();
}
