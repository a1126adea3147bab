/* pulp_im2col: output pixels divided over the cores. */
#include <string.h>

#include "pulp_kernels.h"
#include "share.h"
#include "window.h"

void pulp_im2col(const uint8_t *in, uint8_t *out, const pulp_window_t *window, uint8_t value) {
  const uint32_t row = (uint32_t)window->k_x * window->ch_in;
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t e = pulp_extent(window, pixel);
    uint8_t *const to = out + pixel * window->ch_out;
    memset(to, value, window->ch_out);
    for (int32_t y = e.y0; y < e.y1 && e.x0 < e.x1; y++) {
      memcpy(to + (uint32_t)(e.ky0 + y - e.y0) * row + (uint32_t)e.kx0 * window->ch_in,
             pulp_in_pixel(window, in, y, e.x0), (uint32_t)(e.x1 - e.x0) * window->ch_in);
    }
  }
  pulp_barrier();
}
