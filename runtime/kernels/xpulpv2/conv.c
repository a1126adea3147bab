/* pulp_nn_conv_*: convolution without im2col where the input's channels are whole words: a row of the window
 * is contiguous in the input. Whatever its name, a kernel divides its work in the way that balances the cores
 * best.
 *
 * Otherwise a core copies the windows of some pixels to its part of the im2col buffer, each padded with zeros
 * to n = ceil4(ch_in * k_x * k_y) bytes: 16 if n <= 32, 8 if n <= 64, else 4. */
#include <stddef.h>

#include "../portable/window.h"
#include "convolve.h"
#include "multiply.h"
#include "pulp_nn_kernels.h"
#include "team.h"
#include "xpulp.h"

enum { GATHER_CYCLES = 60 }; /* for a window, beside 1 a byte */

/* Strides are small, and divisions slow. */
static uint32_t divided(uint32_t a, uint32_t stride) {
  return stride == 1 ? a : stride == 2 ? a / 2 : a / stride;
}

/* Along one axis: the outputs whose windows of `k` elements lie in the map of `in` elements. */
static pulp_share_t inner(uint32_t in, uint32_t k, uint32_t stride, uint32_t before, uint32_t out) {
  const uint32_t begin = divided(before + stride - 1, stride);
  const uint32_t end = in + before < k ? 0 : divided(in + before - k, stride) + 1;
  return (pulp_share_t){begin, end < out ? end : out};
}

/* `count` pixels of one output row from column x on; all their windows have the columns of the first's in the
 * map. */
static void multiply_direct(const pulp_convolution_t *c, uint32_t y, uint32_t x, uint32_t count) {
  const pulp_window_t *const w = c->window;
  const pulp_extent_t e = pulp_extent_at(w, y, x);
  const int32_t ch_in = w->ch_in, filter = w->k_x * w->k_y * ch_in;
  const int empty = e.x1 <= e.x0 || e.y1 <= e.y0;
  const int32_t cols = empty ? 0 : e.x1 - e.x0, rows = empty ? 0 : e.y1 - e.y0;
  const uint32_t bytes = (uint32_t)(cols * ch_in);
  const pulp_segments_t segments = {bytes / 4,
                                    (uint32_t)rows,
                                    bytes % 4,
                                    w->stride_x * ch_in,
                                    filter,
                                    (w->in_x - cols) * ch_in,
                                    (w->k_x - cols) * ch_in};
  const uint8_t *const from = empty ? c->in : pulp_in_pixel(w, c->in, e.y0, e.x0);
  pulp_multiply(&c->filters, &segments, from,
                empty ? c->weight : c->weight + (e.ky0 * w->k_x + e.kx0) * ch_in,
                c->out + (y * w->out_x + x) * w->ch_out, count);
}

void pulp_convolve_direct(const pulp_convolution_t *c, pulp_share_t pixels) {
  const pulp_window_t *const w = c->window;
  if (w->k_x == 1 && w->k_y == 1 && w->stride_x == 1 && w->stride_y == 1 && w->in_x == w->out_x &&
      w->in_y == w->out_y) {
    const int32_t pixel = w->ch_in;
    const pulp_segments_t segments = {(uint32_t)pixel / 4, 1, (uint32_t)pixel % 4, pixel, pixel, 0, 0};
    pulp_multiply(&c->filters, &segments, c->in + pixels.begin * w->ch_in, c->weight,
                  c->out + pixels.begin * w->ch_out, pixels.end - pixels.begin);
    return;
  }
  const pulp_share_t whole = inner(w->in_x, w->k_x, w->stride_x, w->pad_left, w->out_x);
  uint32_t y = pixels.begin / w->out_x, x = pixels.begin - y * w->out_x;
  for (uint32_t left = pixels.end - pixels.begin; left > 0;) {
    uint32_t count = 1;
    if (x >= whole.begin && x < whole.end) {
      count = left < whole.end - x ? left : whole.end - x;
    }
    multiply_direct(c, y, x, count);
    left -= count;
    x += count;
    if (x == w->out_x) {
      x = 0;
      y++;
    }
  }
}

/* Copies the part of a window in the map into `column`, 0 elsewhere, `length` bytes. */
static void gather_border(const pulp_window_t *w, const uint8_t *in, uint32_t y, uint32_t x, uint8_t *column,
                          uint32_t length) {
  const pulp_extent_t e = pulp_extent_at(w, y, x);
  const uint32_t row = (uint32_t)w->k_x * w->ch_in;
  uint8_t *to = column + (uint32_t)e.ky0 * row + (uint32_t)e.kx0 * w->ch_in;
  xp_zero(column, length);
  if (e.y0 < e.y1 && e.x0 < e.x1) {
    xp_copy_rows(to, pulp_in_pixel(w, in, e.y0, e.x0), (uint32_t)(e.y1 - e.y0),
                 (uint32_t)(e.x1 - e.x0) * w->ch_in, (int32_t)row, w->in_x * w->ch_in);
  }
}

/* Copies `count` windows that lie in the map, the first of which begins at `from` and each other `step` bytes
 * further. */
static void gather_inner(const pulp_window_t *w, const uint8_t *from, uint32_t step, uint8_t *column,
                         uint32_t length, uint32_t count) {
  const int32_t row = w->k_x * w->ch_in, pitch = w->in_x * w->ch_in;
  const uint32_t rows = w->k_y;
  for (; count > 0; count--, from += step, column += length) {
    xp_store(column + length - 4, 0);
    xp_copy_rows(column, from, rows, (uint32_t)row, row, pitch);
  }
}

/* Copies the windows of `count` pixels, of which (y, x) is the first, and leaves there the place of the next.
 */
static void gather(const pulp_convolution_t *c, pulp_share_t inner_x, pulp_share_t inner_y, uint32_t *y,
                   uint32_t *x, uint8_t *column, uint32_t length, uint32_t count) {
  const pulp_window_t *const w = c->window;
  while (count > 0) {
    uint32_t run = 1;
    if (*x >= inner_x.begin && *x < inner_x.end && *y >= inner_y.begin && *y < inner_y.end) {
      run = inner_x.end - *x < count ? inner_x.end - *x : count;
      const uint8_t *const from = pulp_in_pixel(w, c->in, (int32_t)(*y * w->stride_y) - w->pad_top,
                                                (int32_t)(*x * w->stride_x) - w->pad_left);
      gather_inner(w, from, (uint32_t)w->stride_x * w->ch_in, column, length, run);
    } else {
      gather_border(w, c->in, *y, *x, column, length);
    }
    column += run * length;
    count -= run;
    *x += run;
    if (*x == w->out_x) {
      *x = 0;
      (*y)++;
    }
  }
}

void pulp_convolve_im2col(const pulp_convolution_t *c, pulp_share_t pixels, uint32_t batch,
                          uint8_t *columns) {
  const pulp_window_t *const w = c->window;
  const uint32_t filter = (uint32_t)w->k_x * w->k_y * w->ch_in, length = (filter + 3) & ~3u;
  const pulp_share_t inner_x = inner(w->in_x, w->k_x, w->stride_x, w->pad_left, w->out_x);
  const pulp_share_t inner_y = inner(w->in_y, w->k_y, w->stride_y, w->pad_top, w->out_y);
  uint32_t y = pixels.begin / w->out_x, x = pixels.begin - y * w->out_x;
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel += batch) {
    const uint32_t count = pixels.end - pixel < batch ? pixels.end - pixel : batch;
    gather(c, inner_x, inner_y, &y, &x, columns, length, count);
    pulp_multiply_padded(&c->filters, filter, columns, c->weight, c->out + pixel * w->ch_out, count);
  }
}

void pulp_nn_conv_Ho_parallel(PULP_NN_CONV_ARGS) {
  const uint32_t filter = (uint32_t)k_x * k_y * ch_in;
  const pulp_part_t part =
      pulp_my_part((uint32_t)out_x * out_y, ch_out, filter, ch_in % 4 == 0 ? 0 : GATHER_CYCLES + filter);
  const pulp_window_t window = {in_x, in_y,    ch_in,      out_x,    out_y,     ch_out,   k_x,
                                k_y,  pad_top, pad_bottom, pad_left, pad_right, stride_x, stride_y};
  const pulp_filters_t filters = {bias,        {k, lambda, out_mult, out_shift, flag_relu, flag_bn},
                                  NULL,        NULL,
                                  ch_out,      part.channels,
                                  PULP_NARROW, 0};
  const pulp_convolution_t c = {in, im2col, out, weight, &window, filters};
  if (ch_in % 4 == 0) {
    pulp_convolve_direct(&c, part.pixels);
  } else {
    const uint32_t length = (filter + 3) & ~3u, batch = length <= 32 ? 16 : length <= 64 ? 8 : 4;
    pulp_convolve_im2col(&c, part.pixels, batch, im2col + batch * pulp_core_id() * length);
  }
  pulp_barrier();
}

/* The arguments are many: no call that passes them on. */
#define SAME __attribute__((alias("pulp_nn_conv_Ho_parallel")))
void pulp_nn_conv_HoWo_parallel(PULP_NN_CONV_ARGS) SAME;
void pulp_nn_conv_Co_parallel(PULP_NN_CONV_ARGS) SAME;
