/* pulp_table: elements divided over the cores. */
#include "pulp_kernels.h"
#include "share.h"

void pulp_table(const uint8_t *in, uint8_t *out, const uint8_t *table, uint32_t elements) {
  const pulp_share_t share = pulp_my_share(elements);
  for (uint32_t i = share.begin; i < share.end; i++) {
    out[i] = table[in[i]];
  }
  pulp_barrier();
}
