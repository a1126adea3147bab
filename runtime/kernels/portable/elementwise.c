/* pulp_add, pulp_clip: elements divided over the cores. */
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"

void pulp_add(const uint8_t *a, const uint8_t *b, uint8_t *out, int32_t k1, int32_t k2, int32_t lambda,
              uint16_t shift, uint32_t elements) {
  const pulp_share_t share = pulp_my_share(elements);
  for (uint32_t i = share.begin; i < share.end; i++) {
    out[i] = pulp_requant(b[i], k2, pulp_wrap_add(pulp_wrap_mul(k1, a[i]), lambda), shift);
  }
  pulp_barrier();
}

void pulp_clip(uint8_t *data, uint32_t elements, uint8_t lo, uint8_t hi) {
  const pulp_share_t share = pulp_my_share(elements);
  for (uint32_t i = share.begin; i < share.end; i++) {
    const uint8_t raised = data[i] > lo ? data[i] : lo;
    data[i] = raised < hi ? raised : hi;
  }
  pulp_barrier();
}
