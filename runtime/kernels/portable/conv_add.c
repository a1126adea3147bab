/* pulp_conv_add: pixels divided over the cores. */
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"
#include "sums.h"

void pulp_conv_add(const uint8_t *in, int32_t *sums, const int8_t *weight, int first,
                   const pulp_window_t *window) {
  const uint32_t filter = (uint32_t)window->k_y * window->k_x * window->ch_in;
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(window, pixel);
    int32_t *const out = sums + pixel * window->ch_out;
    for (uint32_t co = 0; co < window->ch_out; co++) {
      const int32_t acc = pulp_conv_sum(window, in, weight + co * filter, &extent);
      out[co] = first ? acc : pulp_wrap_add(out[co], acc);
    }
  }
  pulp_barrier();
}
