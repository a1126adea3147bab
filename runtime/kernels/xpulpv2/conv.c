/* pulp_nn_conv_*: convolution without im2col where the input's channels are whole words: a row of the window
 * is contiguous in the input. Whatever its name, a kernel divides its work in the way that balances the cores
 * best.
 *
 * Otherwise a core copies the windows of some pixels to its part of the im2col buffer, each padded with zeros
 * to n = ceil4(ch_in * k_x * k_y) bytes: 16 if n <= 32, 8 if n <= 64, else 4. */
#include <stddef.h>

#include "../portable/window.h"
#include "convolve.h"
#include "inner.h"
#include "multiply.h"
#include "pairs.h"
#include "pulp_nn_kernels.h"
#include "team.h"
#include "xpulp.h"

enum { GATHER_CYCLES = 60 }; /* for a window, beside 1 a byte */

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

/* Copies `count` (at least 1) windows of three rows of 9 bytes, each padded with a zero to 7 words. Row i of
 * the first window begins at rows[i], the next window's `steps[i]` bytes further. */
static void gather_3x9(const uint8_t *const *rows, const uint32_t *steps, uint8_t *column, uint32_t count) {
  const uint8_t *r0 = rows[0], *r1 = rows[1], *r2 = rows[2];
#if XPULP_ASM
  __asm__ volatile(
      XP_BEGIN XP_LOOP(0, "%[n]", 20) "lw t1, 4(%[r0])\n"
                                      "lbu t2, 8(%[r0])\n" XP_LW("t0", "%[r0]", "%[s0]") "lw t4, 3(%[r1])\n"
                                      "lhu t5, 7(%[r1])\n" XP_LW("t3", "%[r1]", "%[s1]") "lw a7, 2(%[r2])\n"
                                      "lw t6, 5(%[r2])\n" XP_LHU("a6", "%[r2]", "%[s2]") "slli t3, t3, 8\n"
                                      "or t2, t2, t3\n" XP_PACK_H("t5", "a6", "t5")
                                      "srli t6, t6, 8\n" XP_SWI("t0", "%[to]", "4") XP_SWI("t1", "%[to]", "4")
          XP_SWI("t2", "%[to]", "4") XP_SWI("t4", "%[to]", "4") XP_SWI("t5", "%[to]", "4")
              XP_SWI("a7", "%[to]", "4") XP_SWI("t6", "%[to]", "4") XP_END
      : [r0] "+r"(r0), [r1] "+r"(r1), [r2] "+r"(r2), [to] "+r"(column)
      : [n] "r"(count), [s0] "r"(steps[0]), [s1] "r"(steps[1]), [s2] "r"(steps[2])
      : "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a6", "a7", "memory");
#else
  for (; count > 0; count--, r0 += steps[0], r1 += steps[1], r2 += steps[2], column += 28) {
    memcpy(column, r0, 9);
    memcpy(column + 9, r1, 9);
    memcpy(column + 18, r2, 9);
    column[27] = 0;
  }
#endif
}

/* A convolution whose windows are copied, and which of them lie in the map. */
typedef struct {
  const pulp_convolution_t *c;
  pulp_share_t inner_x, inner_y;
  uint32_t length; /* of a copy */
  int is_3x9;
} copies_t;

/* Copies `count` windows of row y from column x on, which have all their columns in the map. */
static void gather_run(const copies_t *copies, uint32_t y, uint32_t x, uint8_t *column, uint32_t count) {
  const pulp_window_t *const w = copies->c->window;
  const uint32_t step = (uint32_t)w->stride_x * w->ch_in;
  const int32_t top = (int32_t)(y * w->stride_y) - w->pad_top;
  const int32_t left = (int32_t)(x * w->stride_x) - w->pad_left;
  if (!copies->is_3x9) {
    gather_inner(w, pulp_in_pixel(w, copies->c->in, top, left), step, column, copies->length, count);
    return;
  }
  static const uint8_t zeros[12] __attribute__((aligned(4))) = {0};
  const uint8_t *rows[3];
  uint32_t steps[3];
  for (int32_t i = 0; i < 3; i++) {
    const int inside = (uint32_t)(top + i) < w->in_y;
    rows[i] = inside ? pulp_in_pixel(w, copies->c->in, top + i, left) : zeros;
    steps[i] = inside ? step : 0;
  }
  gather_3x9(rows, steps, column, count);
}

/* Copies the windows of `count` pixels, of which (y, x) is the first, and leaves there the place of the next.
 */
static void gather(const copies_t *copies, uint32_t *y, uint32_t *x, uint8_t *column, uint32_t count) {
  const pulp_window_t *const w = copies->c->window;
  const pulp_share_t inner_x = copies->inner_x, inner_y = copies->inner_y;
  while (count > 0) {
    uint32_t run = 1;
    if (*x >= inner_x.begin && *x < inner_x.end &&
        (copies->is_3x9 || (*y >= inner_y.begin && *y < inner_y.end))) {
      run = inner_x.end - *x < count ? inner_x.end - *x : count;
      gather_run(copies, *y, *x, column, run);
    } else {
      gather_border(w, copies->c->in, *y, *x, column, copies->length);
    }
    column += run * copies->length;
    count -= run;
    *x += run;
    if (*x == w->out_x) {
      *x = 0;
      (*y)++;
    }
  }
}

/* Outputs of `count` pixels whose windows are copied. */
static void multiply(const pulp_convolution_t *c, uint32_t filter, const uint8_t *columns, uint8_t *out,
                     uint32_t count) {
  pulp_filters_t rest = c->filters;
  if ((filter + 3) / 4 == PAIR_WORDS && pulp_has_pairs(&rest)) {
    const pulp_filters_t *const f = &c->filters;
    const uint32_t channel = f->channels.begin, pairs = (f->channels.end - channel) / PAIR_CHANNELS;
    const pulp_pairs_t job = {columns,
                              c->weight + channel * filter,
                              out + channel,
                              f->output.k + channel,
                              f->output.lambda + channel,
                              pairs,
                              count,
                              (int32_t)filter,
                              (int32_t)f->out_stride,
                              f->output.shift,
                              f->low_bits};
    (f->form == PULP_SPLIT ? pulp_pairs_split : pulp_pairs)(&job);
    rest.channels.begin += PAIR_CHANNELS * pairs;
  }
  if (rest.channels.begin < rest.channels.end) {
    pulp_multiply_padded(&rest, filter, columns, c->weight, out, count);
  }
}

/* Of the last `left` pixels of a core's part: how many windows have room at the end of where these pixels'
 * outputs go, behind their own outputs. */
static uint32_t fit_behind_outputs(const pulp_convolution_t *c, uint32_t left, uint32_t length) {
  const uint32_t channels = c->window->ch_out, own = c->filters.channels.end - c->filters.channels.begin;
  return own < channels || left * channels < 4 ? 0 : (left * channels - 3) / (channels + length);
}

void pulp_convolve_im2col(const pulp_convolution_t *c, pulp_share_t pixels, uint32_t batch,
                          uint8_t *columns) {
  const pulp_window_t *const w = c->window;
  const uint32_t filter = (uint32_t)w->k_x * w->k_y * w->ch_in, length = (filter + 3) & ~3u;
  const copies_t copies = {c, pulp_inner(w->in_x, w->k_x, w->stride_x, w->pad_left, w->out_x),
                           pulp_inner(w->in_y, w->k_y, w->stride_y, w->pad_top, w->out_y), length,
                           w->k_y == 3 && w->k_x == 3 && w->ch_in == 3};
  uint32_t y = pixels.begin / w->out_x, x = pixels.begin - y * w->out_x, count;
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel += count) {
    const uint32_t left = pixels.end - pixel, roomy = fit_behind_outputs(c, left, length);
    uint8_t *place = columns;
    if (roomy > batch) {
      count = roomy;
      place = c->out + pixels.end * w->ch_out - count * length;
      place -= (uintptr_t)place % 4;
    } else {
      count = left < batch ? left : batch;
    }
    gather(&copies, &y, &x, place, count);
    multiply(c, filter, place, c->out + pixel * w->ch_out, count);
  }
}

pulp_part_t pulp_im2col_part(const pulp_window_t *w) {
  const uint32_t filter = (uint32_t)w->k_y * w->k_x * w->ch_in;
  const pulp_load_t load = {pulp_out_pixels(w), w->ch_out, filter, GATHER_CYCLES + filter, 0, 0};
  return pulp_my_part(&load);
}

void pulp_nn_conv_Ho_parallel(PULP_NN_CONV_ARGS) {
  const pulp_window_t window = {in_x, in_y,    ch_in,      out_x,    out_y,     ch_out,   k_x,
                                k_y,  pad_top, pad_bottom, pad_left, pad_right, stride_x, stride_y};
  const pulp_part_t part = ch_in % 4 == 0 ? pulp_direct_part(&window) : pulp_im2col_part(&window);
  const pulp_filters_t filters = {bias,        {k, lambda, out_mult, out_shift, flag_relu, flag_bn},
                                  NULL,        NULL,
                                  ch_out,      part.channels,
                                  PULP_NARROW, 0};
  const pulp_convolution_t c = {in, im2col, out, weight, &window, filters};
  if (ch_in % 4 == 0) {
    pulp_convolve_direct(&c, part.pixels);
  } else {
    const uint32_t length = ((uint32_t)k_x * k_y * ch_in + 3) & ~3u, batch = length <= 32   ? 16
                                                                             : length <= 64 ? 8
                                                                                            : 4;
    pulp_convolve_im2col(&c, part.pixels, batch, im2col + batch * pulp_core_id() * length);
  }
  pulp_barrier();
}

/* The arguments are many: no call that passes them on. */
#define SAME __attribute__((alias("pulp_nn_conv_Ho_parallel")))
void pulp_nn_conv_HoWo_parallel(PULP_NN_CONV_ARGS) SAME;
void pulp_nn_conv_Co_parallel(PULP_NN_CONV_ARGS) SAME;
