/* The sums of products that make an output element, for kernels that go pixel by pixel. */
#ifndef PULP_SUMS_H
#define PULP_SUMS_H

#include "dot.h"
#include "pulp_kernels.h"
#include "window.h"

/* An output channel of a convolution, at the window of extent `e`: a row of it is one contiguous product. */
static inline int32_t pulp_conv_sum(const pulp_window_t *w, const uint8_t *in, const int8_t *weight,
                                    const pulp_extent_t *e) {
  int32_t acc = 0;
  for (int32_t y = e->y0; y < e->y1 && e->x0 < e->x1; y++) {
    const uint32_t ky = (uint32_t)(e->ky0 + y - e->y0);
    const int8_t *const row = weight + (ky * w->k_x + (uint32_t)e->kx0) * w->ch_in;
    acc = pulp_dot(pulp_in_pixel(w, in, y, e->x0), row, (uint32_t)(e->x1 - e->x0) * w->ch_in, acc);
  }
  return acc;
}

/* A channel of a depthwise convolution. */
static inline int32_t pulp_depthwise_sum(const pulp_window_t *w, const uint8_t *in, const int8_t *weight,
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

/* An output channel of a convolution with groups and dilation, at one pixel; `filter` is k_y * k_x * ch_in
 * weights, `channel` the group's first input channel. */
static inline int32_t pulp_group_sum(const pulp_window_t *w, const pulp_groups_t *g, const uint8_t *in,
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

/* The first input channel of the group of output channel `co`. */
static inline uint32_t pulp_group_channel(const pulp_groups_t *g, uint32_t co) {
  return (g->first + co) / g->ch_out * g->ch_in;
}

#endif
