/* pulp_linear_split: blocks of 4 outputs divided over the cores, or single outputs if there are few. */
#include "multiply.h"
#include "pulp_kernels.h"
#include "team.h"

void pulp_linear_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                       const int32_t *lambda, uint16_t low_bits, uint16_t shift, uint32_t dim_vec,
                       uint32_t num_out) {
  const pulp_filters_t filters = {.output = {.k = k, .lambda = lambda, .shift = shift},
                                  .out_stride = num_out,
                                  .channels = pulp_my_outputs(num_out),
                                  .form = PULP_SPLIT,
                                  .low_bits = low_bits};
  const pulp_segments_t segments = {dim_vec / 4, 1, dim_vec % 4, (int32_t)dim_vec, (int32_t)dim_vec, 0, 0};
  pulp_multiply(&filters, &segments, in, weight, out, 1);
  pulp_barrier();
}
