/* pulp_nn_conv_*: convolution without im2col where the input's channels are whole words: a row of the window
 * is contiguous in the input. Whatever its name, a kernel divides its work in the way that balances the cores
 * best.
 *
 * Otherwise a core copies the windows of up to 4 pixels to its part of the im2col buffer, each padded with
 * zeros to whole words: 4 * cores * ceil4(ch_in * k_x * k_y) bytes. */
#include "../portable/window.h"
#include "multiply.h"
#include "pulp_nn_kernels.h"
#include "team.h"
#include "xpulp.h"

typedef struct {
  const uint8_t *in;
  uint8_t *im2col, *out;
  const int8_t *weight;
  pulp_window_t window;
  pulp_filters_t filters;
} conv_t;

/* Output columns whose windows have all their columns in the map. */
static pulp_share_t inner_columns(const pulp_window_t *w) {
  const int32_t room = (int32_t)w->in_x + w->pad_left - w->k_x;
  const uint32_t begin = ((uint32_t)w->pad_left + w->stride_x - 1) / w->stride_x;
  const uint32_t end = room < 0 ? 0 : (uint32_t)room / w->stride_x + 1;
  return (pulp_share_t){begin, end < w->out_x ? end : w->out_x};
}

/* `count` pixels of one output row from column x on; all their windows have the columns of the first's in the
 * map. */
static void multiply_direct(const conv_t *c, uint32_t y, uint32_t x, uint32_t count) {
  const pulp_window_t *const w = &c->window;
  const pulp_extent_t e = pulp_extent_at(w, y, x);
  const int32_t ch_in = w->ch_in, filter = w->k_x * w->k_y * ch_in;
  const int32_t cols = e.x1 > e.x0 ? e.x1 - e.x0 : 0, rows = e.y1 > e.y0 ? e.y1 - e.y0 : 0;
  const pulp_segments_t segments = {(uint32_t)(cols * ch_in) / 4, (uint32_t)rows, 0,
                                    w->stride_x * ch_in,          filter,         (w->in_x - cols) * ch_in,
                                    (w->k_x - cols) * ch_in};
  const uint8_t *const from = rows && cols ? pulp_in_pixel(w, c->in, e.y0, e.x0) : c->in;
  pulp_multiply(&c->filters, &segments, from, c->weight + (e.ky0 * w->k_x + e.kx0) * ch_in,
                c->out + (y * w->out_x + x) * w->ch_out, count);
}

static void convolve_direct(const conv_t *c, pulp_share_t pixels) {
  const pulp_window_t *const w = &c->window;
  const pulp_share_t inner = inner_columns(w);
  uint32_t y = pixels.begin / w->out_x, x = pixels.begin - y * w->out_x;
  for (uint32_t left = pixels.end - pixels.begin; left > 0;) {
    uint32_t count = 1;
    if (x >= inner.begin && x < inner.end) {
      count = left < inner.end - x ? left : inner.end - x;
      count = count < BLOCK_PIXELS ? count : BLOCK_PIXELS;
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

/* Copies the window of an output pixel into `column`, 0 outside the map, `length` bytes. */
static void gather(const conv_t *c, uint32_t y, uint32_t x, uint8_t *column, uint32_t length) {
  const pulp_window_t *const w = &c->window;
  const pulp_extent_t e = pulp_extent_at(w, y, x);
  const uint32_t row = (uint32_t)w->k_x * w->ch_in;
  const uint32_t bytes = e.x1 > e.x0 ? (uint32_t)(e.x1 - e.x0) * w->ch_in : 0;
  const int whole = bytes == row && e.y1 - e.y0 == w->k_y;
  if (whole) {
    xp_store(column + length - 4, 0);
  } else {
    xp_zero(column, length);
  }
  uint8_t *to = column + (uint32_t)e.ky0 * row + (uint32_t)e.kx0 * w->ch_in;
  for (int32_t iy = e.y0; iy < e.y1 && bytes > 0; iy++, to += row) {
    xp_copy(to, pulp_in_pixel(w, c->in, iy, e.x0), bytes);
  }
}

static void convolve_im2col(const conv_t *c, pulp_share_t pixels) {
  const pulp_window_t *const w = &c->window;
  const uint32_t filter = (uint32_t)w->k_x * w->k_y * w->ch_in, length = (filter + 3) & ~3u;
  uint8_t *const columns = c->im2col + BLOCK_PIXELS * pulp_core_id() * length;
  uint32_t y = pixels.begin / w->out_x, x = pixels.begin - y * w->out_x;
  for (uint32_t pixel = pixels.begin; pixel < pixels.end;) {
    const uint32_t first = pixel;
    for (; pixel < pixels.end && pixel < first + BLOCK_PIXELS; pixel++) {
      gather(c, y, x, columns + (pixel - first) * length, length);
      if (++x == w->out_x) {
        x = 0;
        y++;
      }
    }
    pulp_multiply_padded(&c->filters, filter, columns, c->weight, c->out + first * w->ch_out, pixel - first);
  }
}

static void conv(PULP_NN_CONV_ARGS) {
  const pulp_part_t part = pulp_my_part((uint32_t)out_x * out_y, ch_out);
  const conv_t c = {in,
                    im2col,
                    out,
                    weight,
                    {in_x, in_y, ch_in, out_x, out_y, ch_out, k_x, k_y, pad_top, pad_bottom, pad_left,
                     pad_right, stride_x, stride_y},
                    {bias, {k, lambda, out_mult, out_shift, flag_relu, flag_bn}, ch_out, part.channels}};
  if (ch_in % 4 == 0) {
    convolve_direct(&c, part.pixels);
  } else {
    convolve_im2col(&c, part.pixels);
  }
  pulp_barrier();
}

#define CONV_CALL                                                                                      \
  conv(in, im2col, bias, out, weight, k, lambda, out_mult, out_shift, in_x, in_y, ch_in, out_x, out_y, \
       ch_out, k_x, k_y, pad_top, pad_bottom, pad_left, pad_right, stride_x, stride_y, flag_relu, flag_bn)

void pulp_nn_conv_Ho_parallel(PULP_NN_CONV_ARGS) { CONV_CALL; }
void pulp_nn_conv_HoWo_parallel(PULP_NN_CONV_ARGS) { CONV_CALL; }
void pulp_nn_conv_Co_parallel(PULP_NN_CONV_ARGS) { CONV_CALL; }
