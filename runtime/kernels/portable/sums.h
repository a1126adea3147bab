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

/* The bytes of a window with dilation, from the group's first input channel `channel` on: the sum of
 * their products with `filter`, k_y * k_x * ch_in weights, and their plain sum. */
static inline int32_t pulp_group_products(const pulp_window_t *w, const pulp_groups_t *g, const uint8_t *in,
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

static inline int32_t pulp_group_bytes(const pulp_window_t *w, const pulp_groups_t *g, const uint8_t *in,
                                       uint32_t pixel, uint32_t channel) {
  const int32_t y0 = (int32_t)(pixel / w->out_x * w->stride_y) - w->pad_top;
  const int32_t x0 = (int32_t)(pixel % w->out_x * w->stride_x) - w->pad_left;
  int32_t sum = 0;
  for (int32_t ky = 0; ky < w->k_y; ky++) {
    const int32_t y = y0 + ky * g->dilation_y;
    for (int32_t kx = 0; kx < w->k_x; kx++) {
      const int32_t x = x0 + kx * g->dilation_x;
      if (y >= 0 && y < w->in_y && x >= 0 && x < w->in_x) {
        const uint8_t *const elements = pulp_in_pixel(w, in, y, x) + channel;
        for (uint32_t c = 0; c < g->ch_in; c++) {
          sum += elements[c];
        }
      }
    }
  }
  return sum;
}

/* What the offset of the weights adds to the sums of a group at one pixel: the same for all of its channels.
 */
typedef struct {
  uint32_t channel; /* the group's first */
  int32_t value;
} pulp_offset_sum_t;
#define PULP_NO_OFFSET_SUM ((pulp_offset_sum_t){UINT32_MAX, 0})

/* Output channel `co` of a convolution with groups, dilation and an offset of its weights; `known` is kept
 * from channel to channel of a pixel. */
static inline int32_t pulp_direct_sum(const pulp_window_t *w, const pulp_groups_t *g, const uint8_t *in,
                                      const int8_t *filter, uint32_t pixel, uint32_t co,
                                      pulp_offset_sum_t *known) {
  const uint32_t channel = (g->first + co) / g->ch_out * g->ch_in;
  if (g->weight_offset != 0 && known->channel != channel) {
    *known = (pulp_offset_sum_t){channel, g->weight_offset * pulp_group_bytes(w, g, in, pixel, channel)};
  }
  return pulp_group_products(w, g, in, filter, pixel, channel) + known->value;
}

#endif
