/* pulp_transpose: rows of the output divided over the cores. */
#include "pulp_kernels.h"
#include "share.h"

void pulp_transpose(const uint8_t *in, uint8_t *out, uint32_t rows, uint32_t cols) {
  const pulp_share_t share = pulp_my_share(cols);
  for (uint32_t row = 0; row < rows; row++) {
    const uint8_t *from = in + row * cols;
    uint8_t *to = out + share.begin * rows + row;
    for (uint32_t col = share.begin; col < share.end; col++, to += rows) {
      *to = from[col];
    }
  }
  pulp_barrier();
}
