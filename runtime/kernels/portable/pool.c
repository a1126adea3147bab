/* pulp_avgpool, pulp_maxpool, pulp_nn_maxpool: output pixels divided over the cores. */
#include "pulp_kernels.h"
#include "pulp_nn_kernels.h"
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

void pulp_nn_maxpool(uint8_t *in, uint8_t *out, uint16_t in_x, uint16_t in_y, uint16_t ch, uint16_t out_x,
                     uint16_t out_y, uint16_t k_x, uint16_t k_y, uint16_t pad_t, uint16_t pad_b,
                     uint16_t pad_l, uint16_t pad_r, uint16_t stride_x, uint16_t stride_y) {
  const pulp_window_t window = {in_x, in_y,  ch,    out_x, out_y, ch,       k_x,
                                k_y,  pad_t, pad_b, pad_l, pad_r, stride_x, stride_y};
  pulp_maxpool(in, out, &window);
}
