/* pulp_conv: pixels divided over the cores; a row of the window is one contiguous product. */
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"
#include "sums.h"

void pulp_conv(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k, const int32_t *lambda,
               uint16_t shift, const pulp_window_t *window) {
  const uint32_t filter = (uint32_t)window->k_y * window->k_x * window->ch_in;
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(window, pixel);
    for (uint32_t co = 0; co < window->ch_out; co++) {
      const int32_t acc = pulp_conv_sum(window, in, weight + co * filter, &extent);
      out[pixel * window->ch_out + co] = pulp_requant(acc, k[co], lambda[co], shift);
    }
  }
  pulp_barrier();
}
