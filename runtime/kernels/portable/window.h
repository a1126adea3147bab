/* The part of a sliding window that lies inside the map. */
#ifndef PULP_WINDOW_H
#define PULP_WINDOW_H

#include <stdint.h>

#include "pulp_kernels.h"

/* Rows y0 <= y < y1 and columns x0 <= x < x1 of the map; ky0 and kx0 are the kernel's element at (y0, x0).
 * Empty (y0 >= y1 or x0 >= x1) when the window lies in the padding. */
typedef struct {
  int32_t y0, y1, x0, x1, ky0, kx0;
} pulp_extent_t;

/* The extent of the window of output pixel (out_y, out_x). */
static inline pulp_extent_t pulp_extent_at(const pulp_window_t *w, uint32_t out_y, uint32_t out_x) {
  const int32_t y = (int32_t)(out_y * w->stride_y) - w->pad_top;
  const int32_t x = (int32_t)(out_x * w->stride_x) - w->pad_left;
  pulp_extent_t e = {y < 0 ? 0 : y, y + w->k_y, x < 0 ? 0 : x, x + w->k_x, y < 0 ? -y : 0, x < 0 ? -x : 0};
  e.y1 = e.y1 < w->in_y ? e.y1 : w->in_y;
  e.x1 = e.x1 < w->in_x ? e.x1 : w->in_x;
  return e;
}

/* The same, output pixels counted row by row. */
static inline pulp_extent_t pulp_extent(const pulp_window_t *w, uint32_t pixel) {
  return pulp_extent_at(w, pixel / w->out_x, pixel % w->out_x);
}

/* Output pixels of a window. */
static inline uint32_t pulp_out_pixels(const pulp_window_t *w) { return (uint32_t)w->out_y * w->out_x; }

/* The first channel of input pixel (y, x). */
static inline const uint8_t *pulp_in_pixel(const pulp_window_t *w, const uint8_t *in, int32_t y, int32_t x) {
  return in + ((uint32_t)y * w->in_x + (uint32_t)x) * w->ch_in;
}

/* The sum of channel `c` over an extent. */
static inline int32_t pulp_window_sum(const pulp_window_t *w, const uint8_t *in, const pulp_extent_t *e,
                                      uint32_t c) {
  int32_t sum = 0;
  for (int32_t y = e->y0; y < e->y1; y++) {
    for (int32_t x = e->x0; x < e->x1; x++) {
      sum += pulp_in_pixel(w, in, y, x)[c];
    }
  }
  return sum;
}

#endif
