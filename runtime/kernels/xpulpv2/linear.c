/* pulp_nn_linear*: outputs divided over the cores, up to 8 in a pass over the inputs. */
#include <stddef.h>

#include "../portable/requant.h"
#include "pulp_nn_kernels.h"
#include "rows.h"
#include "xpulp.h"

/* Any bias and output stage. */
static __attribute__((noinline)) void outputs(const pulp_nn_output_t *o, const int8_t *bias,
                                              const int32_t *sums, pulp_share_t rows, uint8_t *out) {
  for (uint32_t n = rows.begin; n < rows.end; n++, sums++) {
    out[n] = pulp_nn_output(o, bias == NULL ? *sums : *sums + bias[n], n);
  }
}

void pulp_nn_linear(uint8_t *in, int8_t *bias, uint8_t *out, int8_t *weight, int32_t *k, int32_t *lambda,
                    uint16_t out_mult, int8_t out_shift, uint16_t dim_vec, uint16_t num_out, int flag_relu,
                    int flag_bn) {
  const pulp_nn_output_t output = {k, lambda, out_mult, (unsigned)out_shift, flag_relu, flag_bn};
  const int requantizes = bias == NULL && flag_relu && flag_bn;
  const pulp_product_t product = pulp_product_of(in, weight, dim_vec);
  pulp_share_t rows = pulp_my_share(num_out);
  int32_t sums[MOST_ROWS];
  while (rows.begin < rows.end) {
    const uint32_t end = rows.begin + pulp_sum_rows(&product, rows, sums);
    if (requantizes) {
      xp_requant_row(sums, end - rows.begin, k + rows.begin, lambda + rows.begin, sizeof *k, output.shift,
                     out + rows.begin, 1);
    } else {
      outputs(&output, bias, sums, (pulp_share_t){rows.begin, end}, out);
    }
    rows.begin = end;
  }
  pulp_barrier();
}

void pulp_nn_linear_out_32(uint8_t *in, int8_t *bias, int32_t *out, int8_t *weight, uint16_t dim_vec,
                           uint16_t num_out) {
  const int32_t *const bias_32 = (const int32_t *)(const void *)bias;
  const pulp_product_t product = pulp_product_of(in, weight, dim_vec);
  const pulp_share_t share = pulp_my_share(num_out);
  for (pulp_share_t rows = share; rows.begin < rows.end;) {
    rows.begin += pulp_sum_rows(&product, rows, out + rows.begin);
  }
  for (uint32_t n = share.begin; n < share.end && bias_32 != NULL; n++) {
    out[n] = pulp_wrap_add(out[n], bias_32[n]);
  }
  pulp_barrier();
}
