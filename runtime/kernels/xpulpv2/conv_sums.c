/* pulp_conv_sums: with dot products of words, as long as what is contiguous in the input. */
#include "../portable/sums.h"
#include "pulp_kernels.h"
#include "team.h"
#include "xpulp.h"

/* Whole rows of the window; one group, no dilation. */
static int32_t rows(const pulp_window_t *w, const uint8_t *in, const int8_t *filter, uint32_t pixel) {
  const pulp_extent_t e = pulp_extent(w, pixel);
  int32_t acc = 0;
  for (int32_t y = e.y0; y < e.y1 && e.x0 < e.x1; y++) {
    const uint32_t ky = (uint32_t)(e.ky0 + y - e.y0);
    const int8_t *const row = filter + (ky * w->k_x + (uint32_t)e.kx0) * w->ch_in;
    acc += xp_dot(pulp_in_pixel(w, in, y, e.x0), row, (uint32_t)(e.x1 - e.x0) * w->ch_in);
  }
  return acc;
}

/* The channels of a group, one element of the window after the other. */
static int32_t elements(const pulp_window_t *w, const pulp_groups_t *g, const uint8_t *in,
                        const int8_t *filter, uint32_t pixel, uint32_t channel) {
  const int32_t y0 = (int32_t)(pixel / w->out_x * w->stride_y) - w->pad_top;
  const int32_t x0 = (int32_t)(pixel % w->out_x * w->stride_x) - w->pad_left;
  int32_t acc = 0;
  for (int32_t ky = 0; ky < w->k_y; ky++) {
    const int32_t y = y0 + ky * g->dilation_y;
    for (int32_t kx = 0; kx < w->k_x; kx++, filter += g->ch_in) {
      const int32_t x = x0 + kx * g->dilation_x;
      if (y >= 0 && y < w->in_y && x >= 0 && x < w->in_x) {
        acc += xp_dot(pulp_in_pixel(w, in, y, x) + channel, filter, g->ch_in);
      }
    }
  }
  return acc;
}

void pulp_conv_sums(const uint8_t *in, int32_t *out, const int8_t *weight, const int32_t *bias,
                    const pulp_window_t *window, const pulp_groups_t *groups) {
  const uint32_t filter = (uint32_t)window->k_y * window->k_x * groups->ch_in, channels = window->ch_out;
  const int is_plain = groups->ch_in == window->ch_in && groups->dilation_x == 1 && groups->dilation_y == 1;
  const pulp_share_t share = pulp_my_share(pulp_out_pixels(window) * channels);
  uint32_t pixel = share.begin / channels, co = share.begin % channels, known = UINT32_MAX;
  int32_t offset = 0;
  for (uint32_t i = share.begin; i < share.end; i++) {
    const uint32_t channel = (groups->first + co) / groups->ch_out * groups->ch_in;
    if (groups->weight_offset != 0 && known != channel) {
      known = channel;
      offset = groups->weight_offset * pulp_group_bytes(window, groups, in, pixel, channel);
    }
    const int8_t *const weights = weight + co * filter;
    const int32_t acc =
        is_plain ? rows(window, in, weights, pixel) : elements(window, groups, in, weights, pixel, channel);
    out[i] = acc + offset + bias[co];
    if (++co == channels) {
      co = 0;
      pixel++;
      known = UINT32_MAX;
    }
  }
  pulp_barrier();
}
