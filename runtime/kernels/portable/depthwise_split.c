/* pulp_depthwise_split: depthwise convolution from HWC, pixels divided over the cores. */
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"
#include "sums.h"

void pulp_depthwise_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                          const int32_t *lambda, uint16_t low_bits, uint16_t shift,
                          const pulp_window_t *window) {
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(window, pixel);
    for (uint32_t c = 0; c < window->ch_out; c++) {
      const int32_t acc = pulp_depthwise_sum(window, in, weight, &extent, c);
      out[pixel * window->ch_out + c] = pulp_requant_split(acc, k[c], lambda[c], low_bits, shift);
    }
  }
  pulp_barrier();
}
