/* pulp_depthwise, pulp_depthwise_wide: depthwise convolution from HWC, pixels divided over the cores. */
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"
#include "window.h"

static int32_t window_dot(const pulp_window_t *w, const uint8_t *in, const int8_t *weight,
                          const pulp_extent_t *e, uint32_t channel) {
  const int8_t *const filter = weight + channel * w->k_y * w->k_x;
  int32_t acc = 0;
  for (int32_t y = e->y0; y < e->y1; y++) {
    const int8_t *const row = filter + (e->ky0 + y - e->y0) * w->k_x + e->kx0;
    for (int32_t x = e->x0; x < e->x1; x++) {
      acc += (int32_t)pulp_in_pixel(w, in, y, x)[channel] * row[x - e->x0];
    }
  }
  return acc;
}

void pulp_depthwise(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                    const int32_t *lambda, uint16_t shift, const pulp_window_t *window) {
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(window, pixel);
    for (uint32_t c = 0; c < window->ch_out; c++) {
      const int32_t acc = window_dot(window, in, weight, &extent, c);
      out[pixel * window->ch_out + c] = pulp_requant(acc, k[c], lambda[c], shift);
    }
  }
  pulp_barrier();
}

void pulp_depthwise_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                         const int64_t *lambda, uint16_t shift, const pulp_window_t *window) {
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(window, pixel);
    for (uint32_t c = 0; c < window->ch_out; c++) {
      const int32_t acc = window_dot(window, in, weight, &extent, c);
      out[pixel * window->ch_out + c] = pulp_requant_wide(acc, k[c], lambda[c], shift);
    }
  }
  pulp_barrier();
}
