/* Convolution without a buffer for im2col: as the narrow kernel if that needs none or if the stack has room
 * for the windows of some pixels, else output by output. */
#include "convolve.h"

#include "team.h"
#include "xpulp.h"

#define PULP_DOT "../xpulpv2/dot.h"
#include "../portable/sums.h"

enum { STACK_BYTES = 512, MOST_PIXELS = 16 };

static void by_output(const pulp_convolution_t *c, pulp_share_t pixels) {
  const pulp_window_t *const w = c->window;
  const pulp_filters_t *const f = &c->filters;
  const uint32_t filter = (uint32_t)w->k_y * w->k_x * w->ch_in;
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(w, pixel);
    for (uint32_t co = f->channels.begin; co < f->channels.end; co++) {
      const int32_t acc = pulp_conv_sum(w, c->in, c->weight + co * filter, &extent);
      pulp_put(f, acc, c->out + pixel * f->out_stride, co);
    }
  }
}

/* A function of its own: where the windows needn't be copied, the stack needs no room for them. */
static __attribute__((noinline)) void through_stack(const pulp_convolution_t *c, pulp_share_t pixels,
                                                    uint32_t length) {
  uint32_t columns[STACK_BYTES / sizeof(uint32_t)], batch = MOST_PIXELS;
  while (batch * length > STACK_BYTES) {
    batch -= 4;
  }
  pulp_convolve_im2col(c, pixels, batch, (uint8_t *)columns);
}

static int is_pointwise(const pulp_window_t *w) {
  return w->k_x == 1 && w->k_y == 1 && w->stride_x == 1 && w->stride_y == 1 && w->in_x == w->out_x &&
         w->in_y == w->out_y;
}

void pulp_convolve_without_buffer(pulp_convolution_t *c) {
  const pulp_window_t *const w = c->window;
  if (is_pointwise(w)) {
    pulp_convolve_pointwise(c);
    return;
  }
  const uint32_t filter = (uint32_t)w->k_y * w->k_x * w->ch_in, length = (filter + 3) & ~3u;
  const int direct = w->ch_in % 4 == 0 || (w->k_x == 1 && w->k_y == 1);
  const pulp_part_t part = direct ? pulp_direct_part(w) : pulp_im2col_part(w);
  c->filters.channels = part.channels;
  if (direct) {
    pulp_convolve_direct(c, part.pixels);
  } else if (4 * length <= STACK_BYTES && c->filters.form != PULP_SUMS) { /* sums are no room for windows */
    through_stack(c, part.pixels, length);
  } else {
    by_output(c, part.pixels);
  }
  pulp_barrier();
}
