/* pulp_depthwise_split: see depthwise.c. */
#include "depthwise.h"
#include "pulp_kernels.h"

void pulp_depthwise_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                          const int32_t *lambda, uint16_t low_bits, uint16_t shift,
                          const pulp_window_t *window) {
  const pulp_depthwise_t d = {in, out, weight, k, lambda, shift, PULP_SPLIT, window, low_bits};
  pulp_depthwise_all(&d);
}
