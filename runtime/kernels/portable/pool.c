/* pulp_avgpool, pulp_maxpool: output pixels divided over the cores. */
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"
#include "window.h"

static uint8_t window_max(const pulp_window_t *w, const uint8_t *in, const pulp_extent_t *e, uint32_t c) {
  uint8_t max = 0;
  for (int32_t y = e->y0; y < e->y1; y++) {
    for (int32_t x = e->x0; x < e->x1; x++) {
      const uint8_t value = pulp_in_pixel(w, in, y, x)[c];
      max = value > max ? value : max;
    }
  }
  return max;
}

void pulp_avgpool(const uint8_t *in, uint8_t *out, int32_t k, int32_t lambda, uint16_t shift,
                  const pulp_window_t *window) {
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(window, pixel);
    for (uint32_t c = 0; c < window->ch_out; c++) {
      out[pixel * window->ch_out + c] =
          pulp_requant(pulp_window_sum(window, in, &extent, c), k, lambda, shift);
    }
  }
  pulp_barrier();
}

void pulp_maxpool(const uint8_t *in, uint8_t *out, const pulp_window_t *window) {
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(window, pixel);
    for (uint32_t c = 0; c < window->ch_out; c++) {
      out[pixel * window->ch_out + c] = window_max(window, in, &extent, c);
    }
  }
  pulp_barrier();
}
