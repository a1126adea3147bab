/* pulp_transpose: rows of the output divided over the cores. */
#include "../portable/share.h"
#include "pulp_kernels.h"
#include "xpulp.h"

void pulp_transpose(const uint8_t *in, uint8_t *out, uint32_t rows, uint32_t cols) {
  const pulp_share_t share = pulp_my_share(cols);
  if (share.begin < share.end) {
    for (uint32_t row = 0; row < rows; row++) {
      xp_scatter(out + share.begin * rows + row, rows, in + row * cols + share.begin,
                 share.end - share.begin);
    }
  }
  pulp_barrier();
}
