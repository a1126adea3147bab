/* pulp_conv_direct, pulp_conv_direct_wide: groups and dilation; pixels divided over the cores. */
#include "dot.h"
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"
#include "window.h"

/* One output channel at one pixel; `filter` is k_y * k_x * ch_in weights, `channel` the group's first input
 * channel. */
static int32_t window_dot(const pulp_window_t *w, const pulp_groups_t *g, const uint8_t *in,
                          const int8_t *filter, uint32_t pixel, uint32_t channel) {
  const int32_t y0 = (int32_t)(pixel / w->out_x * w->stride_y) - w->pad_top;
  const int32_t x0 = (int32_t)(pixel % w->out_x * w->stride_x) - w->pad_left;
  int32_t acc = 0;
  for (int32_t ky = 0; ky < w->k_y; ky++) {
    const int32_t y = y0 + ky * g->dilation_y;
    for (int32_t kx = 0; kx < w->k_x; kx++, filter += g->ch_in) {
      const int32_t x = x0 + kx * g->dilation_x;
      if (y >= 0 && y < w->in_y && x >= 0 && x < w->in_x) {
        acc = pulp_dot(pulp_in_pixel(w, in, y, x) + channel, filter, g->ch_in, acc);
      }
    }
  }
  return acc;
}

/* The sum of all elements that such a window reads. */
static int32_t window_sum(const pulp_window_t *w, const pulp_groups_t *g, const uint8_t *in, uint32_t pixel,
                          uint32_t channel) {
  const int32_t y0 = (int32_t)(pixel / w->out_x * w->stride_y) - w->pad_top;
  const int32_t x0 = (int32_t)(pixel % w->out_x * w->stride_x) - w->pad_left;
  int32_t sum = 0;
  for (int32_t ky = 0; ky < w->k_y; ky++) {
    const int32_t y = y0 + ky * g->dilation_y;
    for (int32_t kx = 0; kx < w->k_x; kx++) {
      const int32_t x = x0 + kx * g->dilation_x;
      if (y >= 0 && y < w->in_y && x >= 0 && x < w->in_x) {
        const uint8_t *elements = pulp_in_pixel(w, in, y, x) + channel;
        for (uint32_t c = 0; c < g->ch_in; c++) {
          sum += elements[c];
        }
      }
    }
  }
  return sum;
}

/* What the offset of the weights adds to the sums of a group at one pixel; the group's channels share it. */
typedef struct {
  uint32_t channel;
  int32_t value;
} offset_t;

#define NO_CHANNEL UINT32_MAX

static int32_t offset_sum(const pulp_window_t *w, const pulp_groups_t *g, const uint8_t *in, uint32_t pixel,
                          uint32_t channel, offset_t *known) {
  if (g->weight_offset != 0 && known->channel != channel) {
    known->channel = channel;
    known->value = g->weight_offset * window_sum(w, g, in, pixel, channel);
  }
  return known->value;
}

static uint32_t group_channel(const pulp_groups_t *g, uint32_t co) {
  return (g->first + co) / g->ch_out * g->ch_in;
}

void pulp_conv_direct(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                      const int32_t *lambda, uint16_t shift, const pulp_window_t *window,
                      const pulp_groups_t *groups) {
  const uint32_t filter = (uint32_t)window->k_y * window->k_x * groups->ch_in;
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    offset_t offset = {NO_CHANNEL, 0};
    for (uint32_t co = 0; co < window->ch_out; co++) {
      const uint32_t channel = group_channel(groups, co);
      const int32_t acc = window_dot(window, groups, in, weight + co * filter, pixel, channel) +
                          offset_sum(window, groups, in, pixel, channel, &offset);
      out[pixel * window->ch_out + co] = pulp_requant(acc, k[co], lambda[co], shift);
    }
  }
  pulp_barrier();
}

void pulp_conv_direct_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                           const int64_t *lambda, uint16_t shift, const pulp_window_t *window,
                           const pulp_groups_t *groups) {
  const uint32_t filter = (uint32_t)window->k_y * window->k_x * groups->ch_in;
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    offset_t offset = {NO_CHANNEL, 0};
    for (uint32_t co = 0; co < window->ch_out; co++) {
      const uint32_t channel = group_channel(groups, co);
      const int32_t acc = window_dot(window, groups, in, weight + co * filter, pixel, channel) +
                          offset_sum(window, groups, in, pixel, channel, &offset);
      out[pixel * window->ch_out + co] = pulp_requant_wide(acc, k[co], lambda[co], shift);
    }
  }
  pulp_barrier();
}
