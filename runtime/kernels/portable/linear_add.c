/* pulp_linear_add: outputs divided over the cores. */
#include "dot.h"
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"

void pulp_linear_add(const uint8_t *in, int32_t *sums, const int8_t *weight, int first, uint32_t dim_vec,
                     uint32_t num_out) {
  const pulp_share_t share = pulp_my_share(num_out);
  for (uint32_t n = share.begin; n < share.end; n++) {
    const int32_t acc = pulp_dot(in, weight + n * dim_vec, dim_vec, 0);
    sums[n] = first ? acc : pulp_wrap_add(sums[n], acc);
  }
  pulp_barrier();
}
