/* pulp_depthwise_high: see depthwise.c. */
#include "depthwise.h"
#include "pulp_kernels.h"

void pulp_depthwise_high(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                         const int32_t *lambda, uint16_t shift, const pulp_window_t *window) {
  const pulp_depthwise_t d = {in, out, weight, k, lambda, shift, PULP_HIGH, window};
  pulp_depthwise_all(&d);
}
