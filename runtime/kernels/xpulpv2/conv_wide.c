/* pulp_conv_wide: as the narrow kernel where it needs no im2col, else pixel by pixel. */
#include <stddef.h>

#include "../portable/window.h"
#include "convolve.h"
#include "team.h"
#include "xpulp.h"

static int32_t window_dot(const pulp_window_t *w, const uint8_t *in, const int8_t *weight,
                          const pulp_extent_t *e) {
  int32_t acc = 0;
  for (int32_t y = e->y0; y < e->y1 && e->x0 < e->x1; y++) {
    const uint32_t ky = (uint32_t)(e->ky0 + y - e->y0);
    const int8_t *const row = weight + (ky * w->k_x + (uint32_t)e->kx0) * w->ch_in;
    acc += xp_dot(pulp_in_pixel(w, in, y, e->x0), row, (uint32_t)(e->x1 - e->x0) * w->ch_in);
  }
  return acc;
}

static void by_pixel(const pulp_convolution_t *c, pulp_share_t pixels) {
  const pulp_window_t *const w = &c->window;
  const pulp_filters_t *const f = &c->filters;
  const uint32_t filter = (uint32_t)w->k_y * w->k_x * w->ch_in;
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(w, pixel);
    for (uint32_t co = f->channels.begin; co < f->channels.end; co++) {
      const int32_t acc = window_dot(w, c->in, c->weight + co * filter, &extent);
      c->out[pixel * w->ch_out + co] =
          (uint8_t)xp_requant_wide(acc, f->wide_k[co], f->wide_lambda[co], f->output.shift);
    }
  }
}

void pulp_conv_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                    const int64_t *lambda, uint16_t shift, const pulp_window_t *window) {
  const pulp_window_t *const w = window;
  const uint32_t filter = (uint32_t)w->k_y * w->k_x * w->ch_in;
  const pulp_part_t part = pulp_my_part(pulp_out_pixels(w), w->ch_out, filter, 0);
  const pulp_convolution_t c = {in,
                                NULL,
                                out,
                                weight,
                                *w,
                                {.output = {.shift = shift},
                                 .wide_k = k,
                                 .wide_lambda = lambda,
                                 .out_stride = w->ch_out,
                                 .channels = part.channels}};
  if (w->ch_in % 4 == 0 || (w->k_x == 1 && w->k_y == 1)) {
    pulp_convolve_direct(&c, part.pixels);
  } else {
    by_pixel(&c, part.pixels);
  }
  pulp_barrier();
}
