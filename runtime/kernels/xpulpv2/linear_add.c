/* pulp_linear_add: outputs divided over the cores, up to 8 in a pass over the inputs. */
#include "../portable/requant.h"
#include "pulp_kernels.h"
#include "rows.h"

void pulp_linear_add(const uint8_t *in, int32_t *sums, const int8_t *weight, int first, uint32_t dim_vec,
                     uint32_t num_out) {
  const pulp_product_t product = pulp_product_of(in, weight, dim_vec);
  pulp_share_t rows = pulp_my_share(num_out);
  int32_t parts[MOST_ROWS];
  while (rows.begin < rows.end) {
    const uint32_t count = pulp_sum_rows(&product, rows, parts);
    for (uint32_t i = 0; i < count; i++, rows.begin++) {
      sums[rows.begin] = first ? parts[i] : pulp_wrap_add(sums[rows.begin], parts[i]);
    }
  }
  pulp_barrier();
}
