/* pulp_avgpool_inside: output pixels divided over the cores. */
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"
#include "window.h"

void pulp_avgpool_inside(const uint8_t *in, uint8_t *out, const int32_t *k, const int32_t *lambda,
                         uint16_t shift, const pulp_window_t *window) {
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(window, pixel);
    const int32_t last = (extent.y1 - extent.y0) * (extent.x1 - extent.x0) - 1;
    for (uint32_t c = 0; c < window->ch_out; c++) {
      const int32_t sum = pulp_window_sum(window, in, &extent, c);
      out[pixel * window->ch_out + c] = pulp_requant(sum, k[last], lambda[last], shift);
    }
  }
  pulp_barrier();
}
