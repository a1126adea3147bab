/* pulp_conv_wide: pixels divided over the cores; a row of the window is one contiguous product. */
#include "dot.h"
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"
#include "window.h"

static int32_t window_dot(const pulp_window_t *w, const uint8_t *in, const int8_t *weight,
                          const pulp_extent_t *e) {
  int32_t acc = 0;
  for (int32_t y = e->y0; y < e->y1 && e->x0 < e->x1; y++) {
    const uint32_t ky = (uint32_t)(e->ky0 + y - e->y0);
    const int8_t *const row = weight + (ky * w->k_x + (uint32_t)e->kx0) * w->ch_in;
    acc = pulp_dot(pulp_in_pixel(w, in, y, e->x0), row, (uint32_t)(e->x1 - e->x0) * w->ch_in, acc);
  }
  return acc;
}

void pulp_conv_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                    const int64_t *lambda, uint16_t shift, const pulp_window_t *window) {
  const uint32_t filter = (uint32_t)window->k_y * window->k_x * window->ch_in;
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(window, pixel);
    for (uint32_t co = 0; co < window->ch_out; co++) {
      const int32_t acc = window_dot(window, in, weight + co * filter, &extent);
      out[pixel * window->ch_out + co] = pulp_requant_wide(acc, k[co], lambda[co], shift);
    }
  }
  pulp_barrier();
}
