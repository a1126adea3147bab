/* The sums of products that make an output element, for kernels that go pixel by pixel. The inner loops are
 * those of the header that PULP_DOT names, from here. */
#ifndef PULP_SUMS_H
#define PULP_SUMS_H

#include <stddef.h>

#include "pulp_kernels.h"
#include "window.h"

#ifndef PULP_DOT
#define PULP_DOT "dot.h"
#endif
#include PULP_DOT

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

/* Where the window of an output pixel of a convolution with groups and dilation lies. */
typedef struct {
  int32_t y, x;         /* of its first element */
  pulp_extent_t extent; /* without dilation */
  uint32_t channel;     /* the first of the group whose `offset` is known; UINT32_MAX: none */
  int32_t offset;       /* what the offset of the weights adds to the sums of that group's channels */
} pulp_place_t;

static inline pulp_place_t pulp_place_of(const pulp_window_t *w, uint32_t pixel) {
  const uint32_t out_y = pixel / w->out_x, out_x = pixel % w->out_x;
  return (pulp_place_t){(int32_t)(out_y * w->stride_y) - w->pad_top,
                        (int32_t)(out_x * w->stride_x) - w->pad_left, pulp_extent_at(w, out_y, out_x),
                        UINT32_MAX, 0};
}

/* The sum of the products of a group's elements, from input channel `channel` on, with `filter`, k_y * k_x *
 * ch_in weights; without a filter the sum of the elements. */
static inline int32_t pulp_group_sum(const pulp_window_t *w, const pulp_groups_t *g, const uint8_t *in,
                                     const int8_t *filter, const pulp_place_t *place, uint32_t channel) {
  int32_t acc = 0;
  for (int32_t ky = 0; ky < w->k_y; ky++) {
    const int32_t y = place->y + ky * g->dilation_y;
    for (int32_t kx = 0; kx < w->k_x; kx++) {
      const int32_t x = place->x + kx * g->dilation_x;
      if (y >= 0 && y < w->in_y && x >= 0 && x < w->in_x) {
        const uint8_t *const elements = pulp_in_pixel(w, in, y, x) + channel;
        acc = filter == NULL ? pulp_add_up(elements, g->ch_in, acc)
                             : pulp_dot(elements, filter + (ky * w->k_x + kx) * g->ch_in, g->ch_in, acc);
      }
    }
  }
  return acc;
}

/* Output channel `co` of a convolution with groups, dilation and an offset of its weights; `place` is that of
 * its pixel. */
static inline int32_t pulp_direct_sum(const pulp_window_t *w, const pulp_groups_t *g, const uint8_t *in,
                                      const int8_t *filter, uint32_t co, pulp_place_t *place) {
  const int is_whole = g->ch_in == w->ch_in;
  const uint32_t channel = is_whole ? 0 : (g->first + co) / g->ch_out * g->ch_in;
  if (g->weight_offset != 0 && place->channel != channel) {
    place->channel = channel;
    place->offset = g->weight_offset * pulp_group_sum(w, g, in, NULL, place, channel);
  }
  if (is_whole && g->dilation_x == 1 && g->dilation_y == 1) {
    return pulp_conv_sum(w, in, filter, &place->extent) + place->offset;
  }
  return pulp_group_sum(w, g, in, filter, place, channel) + place->offset;
}

#endif
