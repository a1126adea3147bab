/* pulp_depthwise, pulp_depthwise_wide: depthwise convolution from HWC, pairs of channels and rows divided
 * over the cores. */
#include <stddef.h>

#include "../portable/requant.h"
#include "../portable/share.h"
#include "../portable/window.h"
#include "depthwise3.h"
#include "pulp_kernels.h"
#include "xpulp.h"

/* Outputs of which the wide kernel keeps the accumulators on the stack; longer rows take the slow way. */
enum { WIDE_PIXELS = 64 };

typedef struct {
  const uint8_t *in;
  uint8_t *out;
  const int8_t *weight;
  const int32_t *k, *lambda;           /* or NULL */
  const int64_t *wide_k, *wide_lambda; /* or NULL */
  uint32_t shift;
  const pulp_window_t *window;
  uint32_t above;      /* 3x3: 1 if the first row's windows begin above the map */
  uint32_t whole_rows; /* 3x3: output rows whose windows end in the map */
} depthwise_t;

static uint8_t output(const depthwise_t *d, int32_t acc, uint32_t channel) {
  if (d->wide_k != NULL) {
    return (uint8_t)xp_requant_wide(acc, d->wide_k[channel], d->wide_lambda[channel], d->shift);
  }
  return pulp_requant(acc, d->k[channel], d->lambda[channel], d->shift);
}

/* ---- Any window, one output at a time ---------------------------------------------------------------------
 */

static int32_t window_dot(const pulp_window_t *w, const uint8_t *in, const int8_t *weight,
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

static void any_window(const depthwise_t *d, pulp_share_t pixels, pulp_share_t channels) {
  const pulp_window_t *const w = d->window;
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(w, pixel);
    for (uint32_t c = channels.begin; c < channels.end; c++) {
      const int32_t acc = window_dot(w, d->in, d->weight, &extent, c);
      d->out[pixel * w->ch_out + c] = output(d, acc, c);
    }
  }
}

/* ---- 3x3, two channels at a time --------------------------------------------------------------------------
 */

/* How many of `count` windows of 3 have their last element inside `size` elements; stride 1 or 2. */
static uint32_t whole_windows(uint32_t size, uint32_t before, uint32_t stride, uint32_t count) {
  const uint32_t whole = size + before < 3 ? 0 : ((size + before - 3) >> (stride - 1)) + 1;
  return whole < count ? whole : count;
}

/* True if at most the first window lacks its first element, and only the last one its third. */
static int fits(uint32_t size, uint32_t before, uint32_t stride, uint32_t count) {
  const uint32_t whole = whole_windows(size, before, stride, count);
  return before <= 1 && (whole == count || (whole + 1 == count && whole * stride + 1 < size + before));
}

/* Output row y by itself. */
static pulp_rows_t one_row(const depthwise_t *d, uint32_t y) {
  const pulp_window_t *const w = d->window;
  const pulp_extent_t e = pulp_extent_at(w, y, 0);
  const int32_t pitch = (int32_t)w->in_x * w->ch_in;
  const int has_first = e.ky0 == 0, has_third = e.y1 - e.y0 + e.ky0 == 3;
  const int32_t to_second = has_first ? pitch : 0, to_third = has_third ? pitch : 0;
  const uint32_t lanes = (has_first ? 0xffu : 0) | 0xff00u | (has_third ? 0xff0000u : 0);
  return (pulp_rows_t){pulp_in_pixel(w, d->in, e.y0, 0),         1,    to_second, to_third,
                       (int32_t)w->ch_in - to_second - to_third, lanes};
}

/* Groups rows: the first by itself if its window begins above the map, the last if its window ends below. */
static uint32_t group_rows(const depthwise_t *d, pulp_share_t rows, pulp_rows_t *runs) {
  const uint32_t top = rows.begin < d->above ? d->above : rows.begin;
  const uint32_t bottom = rows.end > d->whole_rows ? d->whole_rows : rows.end;
  uint32_t n = 0;
  if (rows.begin < top) {
    runs[n++] = one_row(d, rows.begin);
  }
  if (top < bottom) {
    runs[n] = one_row(d, top);
    runs[n++].rows = bottom - top;
  }
  if (rows.end > bottom && rows.end - 1 >= top) {
    runs[n++] = one_row(d, rows.end - 1);
  }
  return n;
}

/* Nine weights by rows become three words by columns; lane 3 is anything. */
static void load_channel(const depthwise_t *d, uint32_t channel, uint32_t i, pulp_depthwise3_t *job) {
  const uint8_t *const w = (const uint8_t *)d->weight + 9 * channel;
  const uint32_t w0 = xp_load(w), w4 = xp_load(w + 4), w8 = w[8];
  job->weights[i][0] = xp_shuffle2(w0, w4, 0x00060300);
  job->weights[i][1] = xp_shuffle2(w0, w4, 0x00070401);
  job->weights[i][2] = xp_packhi_b(xp_shuffle2(w0, w4, 0x00000502), 0, w8);
  if (d->wide_k == NULL) {
    job->k[i] = d->k[channel];
    job->lambda[i] = d->lambda[channel];
  }
}

/* The outputs of `pixels` pixels from `out` on, from accumulators of two channels each. */
static void wide_outputs(const depthwise_t *d, const pulp_depthwise3_t *job, const int32_t *acc,
                         uint32_t pixels, uint8_t *out) {
  for (uint32_t i = 0; i < 2; i++) {
    const int64_t k = d->wide_k[job->channel + i], lambda = d->wide_lambda[job->channel + i];
    uint8_t *to = out + i;
    for (uint32_t pixel = 0; pixel < pixels; pixel++, to += job->out_stride) {
      *to = (uint8_t)xp_requant_wide(acc[2 * pixel + i], k, lambda, d->shift);
    }
  }
}

/* As many rows at a time as the accumulators have room for. */
static void wide_rows(const depthwise_t *d, pulp_share_t rows, const pulp_depthwise3_t *job) {
  int32_t acc[2 * WIDE_PIXELS];
  const uint32_t columns = d->window->out_x, most = WIDE_PIXELS / columns;
  pulp_rows_t runs[3];
  pulp_depthwise3_t part = *job;
  part.out = (uint8_t *)acc;
  uint8_t *out = job->out;
  for (uint32_t y = rows.begin; y < rows.end; y += most) {
    const uint32_t count = rows.end - y < most ? rows.end - y : most;
    if (count < rows.end - rows.begin) {
      part.runs = runs;
      part.n_runs = group_rows(d, (pulp_share_t){y, y + count}, runs);
    }
    (d->window->stride_x == 1 ? pulp_depthwise3_raw_stride1 : pulp_depthwise3_raw_stride2)(&part);
    wide_outputs(d, job, acc, count * columns, out);
    out += count * columns * (uint32_t)job->out_stride;
  }
}

/* Rows of pairs of channels: unit u is row u % out_y of pair u / out_y. */
static void three_by_three(const depthwise_t *d, pulp_share_t units) {
  const pulp_window_t *const w = d->window;
  const uint32_t whole = whole_windows(w->in_x, w->pad_left, w->stride_x, w->out_x);
  pulp_rows_t runs[3];
  pulp_depthwise3_t job = {.runs = runs,
                           .out_stride = w->ch_out,
                           .row_step = (int32_t)w->stride_y * w->in_x * w->ch_in,
                           .first = w->pad_left == 0,
                           .whole = whole,
                           .last = w->out_x - whole,
                           .shift = d->shift};
  uint32_t pair = units.begin / w->out_y, row = units.begin - pair * w->out_y;
  pulp_share_t grouped = {0, 0};
  for (uint32_t left = units.end - units.begin; left > 0; pair++, row = 0) {
    const pulp_share_t rows = {row, left < w->out_y - row ? row + left : w->out_y};
    if (rows.begin != grouped.begin || rows.end != grouped.end) {
      job.n_runs = group_rows(d, rows, runs);
      grouped = rows;
    }
    job.channel = 2 * pair;
    job.out = d->out + rows.begin * w->out_x * w->ch_out + job.channel;
    load_channel(d, job.channel, 0, &job);
    load_channel(d, job.channel + 1, 1, &job);
    if (d->wide_k == NULL) {
      (w->stride_x == 1 ? pulp_depthwise3_stride1 : pulp_depthwise3_stride2)(&job);
    } else {
      wide_rows(d, rows, &job);
    }
    left -= rows.end - rows.begin;
  }
}

static void depthwise(depthwise_t *d) {
  const pulp_window_t *const w = d->window;
  const int is_3x3 = w->k_x == 3 && w->k_y == 3 && w->stride_x <= 2 && w->stride_y <= 2 &&
                     fits(w->in_x, w->pad_left, w->stride_x, w->out_x) &&
                     fits(w->in_y, w->pad_top, w->stride_y, w->out_y);
  const int has_room = d->wide_k == NULL || w->out_x <= WIDE_PIXELS;
  const uint32_t pairs = is_3x3 && has_room ? w->ch_in / 2 : 0;
  if (pairs > 0) {
    d->above = w->pad_top;
    d->whole_rows = whole_windows(w->in_y, w->pad_top, w->stride_y, w->out_y);
    three_by_three(d, pulp_my_share(pairs * w->out_y));
  }
  if (2 * pairs < w->ch_in) {
    any_window(d, pulp_my_share(pulp_out_pixels(w)), (pulp_share_t){2 * pairs, w->ch_in});
  }
  pulp_barrier();
}

void pulp_depthwise(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                    const int32_t *lambda, uint16_t shift, const pulp_window_t *window) {
  depthwise_t d = {
      .in = in, .out = out, .weight = weight, .k = k, .lambda = lambda, .shift = shift, .window = window};
  depthwise(&d);
}

void pulp_depthwise_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                         const int64_t *lambda, uint16_t shift, const pulp_window_t *window) {
  depthwise_t d = {.in = in,
                   .out = out,
                   .weight = weight,
                   .wide_k = k,
                   .wide_lambda = lambda,
                   .shift = shift,
                   .window = window};
  depthwise(&d);
}
