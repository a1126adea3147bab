/* Blocks of 4 channels x 4 pixels, then what is left over. */
#include "multiply.h"

#include <stddef.h>

#include "block.h"
#include "xpulp.h"

typedef void block_function_t(const pulp_block_t *block);

/* Groups of so many pixels. */
static void multiply_groups(const pulp_block_t *block, uint32_t pixels, pulp_form_t form) {
  enum { ROW = BLOCK_PIXELS }; /* the place of what is faster for one row of several words */
  static block_function_t *const functions[][ROW + 1] = {
      {pulp_block_1, pulp_block_2, pulp_block_3, pulp_block_4, pulp_block_row_4},
      {pulp_block_split_1, pulp_block_split_2, pulp_block_split_3, pulp_block_split_4,
       pulp_block_split_row_4},
      {pulp_block_wide_1, pulp_block_wide_2, pulp_block_wide_3, pulp_block_wide_4, pulp_block_wide_4},
      {pulp_block_add_1, pulp_block_add_2, pulp_block_add_3, pulp_block_add_4, pulp_block_add_row_4},
  };
  const int row = pixels == BLOCK_PIXELS && block->rows == 1 && block->words > 1;
  functions[form][row ? ROW : pixels - 1](block);
}

/* True if the blocks' output stage is what is asked for. */
static int requantizes(const pulp_filters_t *f) {
  if (f->form != PULP_NARROW) {
    return f->form != PULP_WIDE || f->output.shift >= 32;
  }
  return f->bias == NULL && f->output.relu && f->output.batch_norm;
}

int pulp_has_pairs(const pulp_filters_t *f) {
  return f->form <= PULP_SPLIT && f->channels.end - f->channels.begin >= 2 && requantizes(f);
}

static inline uint32_t begin_blocks(pulp_block_t *b, const pulp_filters_t *f, int32_t w_stride) {
  const uint32_t channel = f->channels.begin, blocks = (f->channels.end - channel) / BLOCK_CHANNELS;
  const int wide = f->form == PULP_WIDE;
  if (blocks == 0 || !requantizes(f)) {
    return 0;
  }
  b->k = wide ? (const void *)(f->wide_k + channel) : f->output.k + channel;
  b->lambda = wide ? (const void *)(f->wide_lambda + channel) : f->output.lambda + channel;
  b->blocks = blocks;
  b->w_stride = w_stride;
  b->w_back = 4 - (BLOCK_CHANNELS - 1) * w_stride;
  b->shift = wide ? f->output.shift - 32 : f->output.shift;
  b->low_bits = f->low_bits;
  return blocks;
}

static inline void run_blocks(pulp_block_t *b, pulp_form_t form, uint32_t pixels) {
  const uint32_t left = pixels % BLOCK_PIXELS, done = pixels - left;
  b->groups = pixels / BLOCK_PIXELS;
  if (done > 0) {
    b->x_back = 4 - (BLOCK_PIXELS - 1) * b->x_stride;
    multiply_groups(b, BLOCK_PIXELS, form);
  }
  if (left > 0) {
    b->x += (int32_t)done * b->x_stride;
    b->out += (int32_t)done * b->out_stride;
    b->x_back = 4 - ((int32_t)left - 1) * b->x_stride;
    b->groups = 1;
    multiply_groups(b, left, form);
  }
}

uint32_t pulp_begin_blocks(pulp_block_t *b, const pulp_filters_t *f, int32_t w_stride) {
  return begin_blocks(b, f, w_stride);
}

void pulp_run_blocks(pulp_block_t *b, pulp_form_t form, uint32_t pixels) { run_blocks(b, form, pixels); }

/* All whole blocks of channels; returns the first channel that is left. */
static uint32_t multiply_blocks(const pulp_filters_t *f, const pulp_segments_t *s, const uint8_t *x,
                                const int8_t *w, uint8_t *out, uint32_t pixels) {
  const uint32_t channel = f->channels.begin;
  pulp_block_t block;
  const uint32_t blocks = begin_blocks(&block, f, s->w_stride);
  if (blocks > 0) {
    block.x = x;
    block.w = w + (int32_t)channel * s->w_stride;
    block.out = out + channel * pulp_output_bytes(f->form);
    block.x_stride = s->x_stride;
    block.out_stride = (int32_t)f->out_stride;
    block.words = s->words;
    block.rows = s->rows;
    block.x_skip = s->x_skip;
    block.w_skip = s->w_skip;
    block.w_step = BLOCK_CHANNELS * s->w_stride - (int32_t)s->rows * (4 * (int32_t)s->words + s->w_skip);
    block.lines = 1;
    run_blocks(&block, f->form, pixels);
  }
  return channel + BLOCK_CHANNELS * blocks;
}

/* The same; the last 1 to 3 channels make a block with those before them that are this core's, too, whose
 * outputs come out the same once more, unless they are added to what is there. */
static uint32_t multiply_in_blocks(const pulp_filters_t *f, const pulp_segments_t *s, const uint8_t *x,
                                   const int8_t *w, uint8_t *out, uint32_t pixels) {
  const uint32_t channel = multiply_blocks(f, s, x, w, out, pixels), end = f->channels.end;
  const int no_blocks = channel + BLOCK_CHANNELS <= end || end < f->channels.begin + BLOCK_CHANNELS;
  if (channel == end || no_blocks || f->form == PULP_SUMS) {
    return channel;
  }
  pulp_filters_t last = *f;
  last.channels.begin = end - BLOCK_CHANNELS;
  return multiply_blocks(&last, s, x, w, out, pixels);
}

/* Any bias and output stage. */
static uint8_t output(const pulp_filters_t *f, int32_t acc, uint32_t channel) {
  if (f->form == PULP_WIDE) {
    return (uint8_t)xp_requant_wide(acc, f->wide_k[channel], f->wide_lambda[channel], f->output.shift);
  }
  if (f->form == PULP_SPLIT) {
    return (uint8_t)xp_requant_split(acc, f->output.k[channel], f->output.lambda[channel], f->low_bits,
                                     f->output.shift);
  }
  return pulp_nn_output(&f->output, f->bias ? acc + f->bias[channel] : acc, channel);
}

static inline void put(const pulp_filters_t *f, int32_t acc, uint8_t *out, uint32_t channel) {
  if (f->form == PULP_SUMS) {
    int32_t *const sum = (int32_t *)(void *)out + channel;
    *sum = pulp_wrap_add(*sum, acc);
  } else {
    out[channel] = output(f, acc, channel);
  }
}

void pulp_put(const pulp_filters_t *f, int32_t acc, uint8_t *out, uint32_t channel) {
  put(f, acc, out, channel);
}

/* The sums of one block of channels for up to 4 pixels, pixel by pixel; the tails aside. */
static void accumulate(const pulp_segments_t *s, const uint8_t *x, const int8_t *w, uint32_t pixels,
                       int32_t *acc) {
  if (s->words == 0 || s->rows == 0) {
    for (uint32_t i = 0; i < pixels * BLOCK_CHANNELS; i++) {
      acc[i] = 0;
    }
    return;
  }
  pulp_block_t block; /* no initializer: it would fill all of it */
  block.x = x;
  block.w = w;
  block.out = (uint8_t *)acc;
  block.blocks = 1;
  block.groups = 1;
  block.lines = 1;
  block.x_stride = s->x_stride;
  block.w_stride = s->w_stride;
  block.x_back = 4 - ((int32_t)pixels - 1) * s->x_stride;
  block.w_back = 4 - (BLOCK_CHANNELS - 1) * s->w_stride;
  block.words = s->words;
  block.rows = s->rows;
  block.x_skip = s->x_skip;
  block.w_skip = s->w_skip;
  if (pixels == 4) {
    pulp_block_raw_4(&block);
  } else if (pixels == 3) {
    pulp_block_raw_3(&block);
  } else if (pixels == 2) {
    pulp_block_raw_2(&block);
  } else {
    pulp_block_raw_1(&block);
  }
}

/* Adds the products of the tails. */
static void add_tails(const pulp_segments_t *s, const uint8_t *x, const int8_t *w, uint32_t pixels,
                      int32_t *acc) {
  for (uint32_t i = 0; i < pixels * BLOCK_CHANNELS; i++) {
    const uint8_t *const x_tail = x + (int32_t)(i / BLOCK_CHANNELS) * s->x_stride + 4 * s->words;
    const int8_t *const w_tail = w + (int32_t)(i % BLOCK_CHANNELS) * s->w_stride + 4 * s->words;
    for (uint32_t tail = 0; tail < s->tail; tail++) {
      acc[i] += x_tail[tail] * w_tail[tail];
    }
  }
}

/* One block of channels for up to 4 pixels, of which `x` is the first. */
static void multiply_any(const pulp_filters_t *f, const pulp_segments_t *s, const uint8_t *x, const int8_t *w,
                         uint8_t *out, uint32_t pixels, uint32_t channel) {
  int32_t acc[BLOCK_PIXELS * BLOCK_CHANNELS];
  accumulate(s, x, w, pixels, acc);
  if (s->tail > 0) {
    add_tails(s, x, w, pixels, acc);
  }
  for (uint32_t c = 0; c < BLOCK_CHANNELS; c++, channel++) {
    for (uint32_t pixel = 0; pixel < pixels; pixel++) {
      put(f, acc[BLOCK_CHANNELS * pixel + c], out + pixel * f->out_stride, channel);
    }
  }
}

/* All whole blocks of channels from `channel` on; returns the first channel that is left. */
static uint32_t multiply_any_blocks(const pulp_filters_t *f, const pulp_segments_t *s, const uint8_t *x,
                                    const int8_t *w, uint8_t *out, uint32_t pixels, uint32_t channel) {
  for (; channel + BLOCK_CHANNELS <= f->channels.end; channel += BLOCK_CHANNELS) {
    for (uint32_t pixel = 0; pixel < pixels; pixel += BLOCK_PIXELS) {
      const uint32_t count = pixels - pixel < BLOCK_PIXELS ? pixels - pixel : BLOCK_PIXELS;
      multiply_any(f, s, x + (int32_t)pixel * s->x_stride, w + (int32_t)channel * s->w_stride,
                   out + pixel * f->out_stride, count, channel);
    }
  }
  return channel;
}

/* The product of one pixel with one channel. */
static int32_t product(const pulp_segments_t *s, const uint8_t *x, const int8_t *w) {
  int32_t acc = 0;
  for (uint32_t row = 0; row < s->rows; row++) {
    acc = xp_dot_words(x, w, s->words, acc);
    x += 4 * s->words;
    w += 4 * s->words;
    for (uint32_t i = 0; i < s->tail; i++) {
      acc += x[i] * w[i];
    }
    x += s->x_skip;
    w += s->w_skip;
  }
  return acc;
}

/* The last 1 to 3 channels. */
static void multiply_channels(const pulp_filters_t *f, const pulp_segments_t *s, const uint8_t *x,
                              const int8_t *w, uint8_t *out, uint32_t pixels, uint32_t channel) {
  for (; channel < f->channels.end; channel++) {
    for (uint32_t pixel = 0; pixel < pixels; pixel++) {
      const int32_t acc = product(s, x + (int32_t)pixel * s->x_stride, w + (int32_t)channel * s->w_stride);
      put(f, acc, out + pixel * f->out_stride, channel);
    }
  }
}

void pulp_multiply(const pulp_filters_t *f, const pulp_segments_t *s, const uint8_t *x, const int8_t *w,
                   uint8_t *out, uint32_t pixels) {
  uint32_t channel = f->channels.begin;
  if (s->tail == 0 && s->words > 0 && s->rows > 0) {
    channel = multiply_in_blocks(f, s, x, w, out, pixels);
  }
  if (channel < f->channels.end) {
    channel = multiply_any_blocks(f, s, x, w, out, pixels, channel);
    multiply_channels(f, s, x, w, out, pixels, channel);
  }
}

void pulp_multiply_padded(const pulp_filters_t *f, uint32_t length, const uint8_t *x, const int8_t *w,
                          uint8_t *out, uint32_t pixels) {
  const int32_t padded = (int32_t)((length + 3) & ~3u);
  const pulp_segments_t blocks = {(uint32_t)padded / 4, 1, 0, padded, (int32_t)length, 0, 0};
  const pulp_segments_t exact = {length / 4, 1, length % 4, padded, (int32_t)length, 0, 0};
  uint32_t channel = multiply_in_blocks(f, &blocks, x, w, out, pixels);
  if (channel < f->channels.end) {
    channel = multiply_any_blocks(f, &exact, x, w, out, pixels, channel);
    multiply_channels(f, &exact, x, w, out, pixels, channel);
  }
}
