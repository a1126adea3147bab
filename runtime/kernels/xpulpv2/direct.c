/* Convolution straight from the input: a row of a window is contiguous in it.
 *
 * Pixels are taken in pieces: in x those whose windows lie in the map together and each other by itself, in y
 * likewise. */
#include <stddef.h>

#include "../portable/window.h"
#include "convolve.h"
#include "inner.h"
#include "multiply.h"

/* A convolution, which windows lie in the map, and the blocks of channels, perhaps none, with what all pieces
 * have in common. */
typedef struct {
  const pulp_convolution_t *c;
  pulp_share_t inner_x, inner_y;
  uint32_t blocks;
  pulp_block_t block;
} work_t;

/* `count` pixels of each of `lines` output rows. */
typedef struct {
  uint32_t y, x, count, lines;
} piece_t;

/* What a piece's first window has in the map: rows of `bytes` bytes, and where they begin. */
typedef struct {
  const uint8_t *x;
  const int8_t *w;
  uint32_t bytes, rows;
  int32_t x_skip, w_skip;
} part_t;

static part_t part_of(const pulp_convolution_t *c, const piece_t *piece) {
  const pulp_window_t *const w = c->window;
  const pulp_extent_t e = pulp_extent_at(w, piece->y, piece->x);
  const int32_t ch_in = w->ch_in, cols = e.x1 - e.x0;
  if (cols <= 0 || e.y1 <= e.y0) {
    return (part_t){.x = c->in, .w = c->weight};
  }
  return (part_t){pulp_in_pixel(w, c->in, e.y0, e.x0),
                  c->weight + (e.ky0 * w->k_x + e.kx0) * ch_in,
                  (uint32_t)(cols * ch_in),
                  (uint32_t)(e.y1 - e.y0),
                  (w->in_x - cols) * ch_in,
                  (w->k_x - cols) * ch_in};
}

/* The channels from `begin` on, line by line. */
static void multiply_rest(const pulp_convolution_t *c, const piece_t *piece, const part_t *part,
                          uint32_t begin) {
  const pulp_window_t *const w = c->window;
  const int32_t ch_in = w->ch_in;
  const pulp_segments_t segments = {
      part->bytes / 4,         part->rows,   part->bytes % 4, w->stride_x * ch_in,
      w->k_x * w->k_y * ch_in, part->x_skip, part->w_skip};
  pulp_filters_t rest = c->filters;
  rest.channels.begin = begin;
  for (uint32_t line = 0; line < piece->lines; line++) {
    pulp_multiply(&rest, &segments, part->x + line * w->stride_y * w->in_x * w->ch_in, part->w,
                  c->out + ((piece->y + line) * w->out_x + piece->x) * c->filters.out_stride, piece->count);
  }
}

/* Along one axis, pixels and what lies between them. */
typedef struct {
  uint32_t count;
  int32_t x, out;
} axis_t;

/* Groups of pixels on one axis, line after line on the other. */
static void run(work_t *work, const axis_t *along, const axis_t *across) {
  pulp_block_t *const b = &work->block;
  b->x_stride = along->x;
  b->out_stride = along->out;
  b->lines = across->count;
  b->x_line = across->x;
  b->out_line = across->out;
  pulp_run_blocks(b, work->c->filters.form, along->count);
}

/* Groups of 4 pixels of a line; what they leave of the lines in groups of pixels below each other, if these
 * are fewer. */
static void multiply_blocks(work_t *work, const piece_t *piece) {
  const pulp_window_t *const w = work->c->window;
  pulp_block_t *const b = &work->block;
  const uint8_t *const x = b->x;
  uint8_t *const out = b->out;
  const int32_t out_stride = (int32_t)work->c->filters.out_stride;
  axis_t columns = {piece->count, w->stride_x * w->ch_in, out_stride};
  const axis_t lines = {piece->lines, w->stride_y * w->in_x * w->ch_in, w->out_x * out_stride};
  const uint32_t rest = columns.count % BLOCK_PIXELS;
  if (rest * ((lines.count + BLOCK_PIXELS - 1) / BLOCK_PIXELS) >= lines.count) {
    run(work, &columns, &lines);
    return;
  }
  columns.count -= rest;
  if (columns.count > 0) {
    run(work, &columns, &lines);
  }
  if (rest > 0) {
    b->x = x + (int32_t)columns.count * columns.x;
    b->out = out + (int32_t)columns.count * columns.out;
    columns.count = rest;
    run(work, &lines, &columns);
  }
}

static void multiply(work_t *work, const piece_t *piece) {
  const pulp_convolution_t *const c = work->c;
  const pulp_window_t *const w = c->window;
  const part_t part = part_of(c, piece);
  pulp_block_t *const b = &work->block;
  uint32_t channel = c->filters.channels.begin;
  if (work->blocks > 0 && part.bytes > 0 && part.bytes % 4 == 0) {
    b->x = part.x;
    b->w = part.w + (int32_t)channel * b->w_stride;
    b->out = c->out + (piece->y * w->out_x + piece->x) * c->filters.out_stride +
             channel * pulp_output_bytes(c->filters.form);
    b->words = part.bytes / 4;
    b->rows = part.rows;
    b->x_skip = part.x_skip;
    b->w_skip = part.w_skip;
    b->w_step = BLOCK_CHANNELS * b->w_stride - (int32_t)part.rows * ((int32_t)part.bytes + part.w_skip);
    multiply_blocks(work, piece);
    channel += BLOCK_CHANNELS * work->blocks;
  }
  if (channel < c->filters.channels.end) {
    multiply_rest(c, piece, &part, channel);
  }
}

/* How many of the outputs from `at` to `end` make a piece. */
static uint32_t together(pulp_share_t inner, uint32_t at, uint32_t end) {
  if (at < inner.begin || at >= inner.end) {
    return 1;
  }
  return (end < inner.end ? end : inner.end) - at;
}

static void rectangle(work_t *work, pulp_share_t rows, pulp_share_t columns) {
  piece_t piece;
  for (piece.y = rows.begin; piece.y < rows.end; piece.y += piece.lines) {
    piece.lines = together(work->inner_y, piece.y, rows.end);
    for (piece.x = columns.begin; piece.x < columns.end; piece.x += piece.count) {
      piece.count = together(work->inner_x, piece.x, columns.end);
      multiply(work, &piece);
    }
  }
}

/* A row's end, whole rows, a row's beginning. */
static void pieces(work_t *work, pulp_share_t pixels) {
  const uint32_t width = work->c->window->out_x;
  uint32_t y = pixels.begin / width, x = pixels.begin - y * width, left = pixels.end - pixels.begin;
  if (x > 0) {
    const uint32_t end = x + left < width ? x + left : width;
    rectangle(work, (pulp_share_t){y, y + 1}, (pulp_share_t){x, end});
    left -= end - x;
    y++;
  }
  const uint32_t rows = left / width;
  rectangle(work, (pulp_share_t){y, y + rows}, (pulp_share_t){0, width});
  rectangle(work, (pulp_share_t){y + rows, y + rows + 1}, (pulp_share_t){0, left - rows * width});
}

pulp_part_t pulp_direct_part(const pulp_window_t *w) {
  pulp_load_t load = {pulp_out_pixels(w), w->ch_out, (uint32_t)w->k_y * w->k_x * w->ch_in, 0, 0, 0};
  if (w->pad_top > 0 || w->pad_bottom > 0) { /* a row of the kernel is outside, seldom more */
    const pulp_share_t inner_y = pulp_inner(w->in_y, w->k_y, w->stride_y, w->pad_top, w->out_y);
    if (inner_y.begin < inner_y.end) {
      load.top = inner_y.begin * w->out_x / w->k_y;
      load.bottom = (w->out_y - inner_y.end) * w->out_x / w->k_y;
    }
  }
  return pulp_my_part(&load);
}

void pulp_convolve_direct(const pulp_convolution_t *c, pulp_share_t pixels) {
  const pulp_window_t *const w = c->window;
  const int32_t ch_in = w->ch_in;
  if (w->k_x == 1 && w->k_y == 1 && w->stride_x == 1 && w->stride_y == 1 && w->in_x == w->out_x &&
      w->in_y == w->out_y) {
    const pulp_segments_t segments = {(uint32_t)ch_in / 4, 1, (uint32_t)ch_in % 4, ch_in, ch_in, 0, 0};
    pulp_multiply(&c->filters, &segments, c->in + pixels.begin * w->ch_in, c->weight,
                  c->out + pixels.begin * c->filters.out_stride, pixels.end - pixels.begin);
    return;
  }
  work_t work;
  work.c = c;
  work.inner_x = pulp_inner(w->in_x, w->k_x, w->stride_x, w->pad_left, w->out_x);
  work.inner_y = pulp_inner(w->in_y, w->k_y, w->stride_y, w->pad_top, w->out_y);
  work.blocks = pulp_begin_blocks(&work.block, &c->filters, w->k_x * w->k_y * ch_in);
  pieces(&work, pixels);
}
