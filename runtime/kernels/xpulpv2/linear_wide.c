/* pulp_linear_wide: outputs divided over the cores, up to 8 in a pass over the inputs. */
#include "pulp_kernels.h"
#include "rows.h"
#include "xpulp.h"

void pulp_linear_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                      const int64_t *lambda, uint16_t shift, uint32_t dim_vec, uint32_t num_out) {
  const pulp_product_t product = pulp_product_of(in, weight, dim_vec);
  pulp_share_t rows = pulp_my_share(num_out);
  int32_t sums[MOST_ROWS];
  while (rows.begin < rows.end) {
    const uint32_t count = pulp_sum_rows(&product, rows, sums);
    for (uint32_t i = 0; i < count; i++, rows.begin++) {
      out[rows.begin] = (uint8_t)xp_requant_wide(sums[i], k[rows.begin], lambda[rows.begin], shift);
    }
  }
  pulp_barrier();
}
