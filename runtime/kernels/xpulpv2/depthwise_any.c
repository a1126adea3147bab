/* Depthwise convolution with any window, four channels at a time.
 *
 * The rows of the windows of an output row are copied channel by channel; the next output row needs few more.
 * Their sums come from strip.h. Wide rows are cut into strips for which there is room. */
#include "../portable/sums.h"
#include "depthwise.h"
#include "strip.h"

enum {
  GROUP = 4,          /* channels */
  MOST_ROWS = 11,     /* of a window */
  ROW_WORDS = 168,    /* of all channels of a group and rows of a window */
  WEIGHT_WORDS = 108, /* of the channels of a group that are computed */
  WORD = sizeof(uint32_t)
};

/* Sizes of what is computed at a time. */
typedef struct {
  uint32_t words;  /* that the windows touch that begin in a word */
  uint32_t filter; /* words of weights of a channel */
  uint32_t blocks; /* of a strip; 0: no strips */
  uint32_t pitch;  /* bytes of a channel's row */
} sizes_t;

typedef struct {
  const pulp_depthwise_t *d;
  sizes_t sizes;
  uint32_t first;                         /* channel of the group, so that the group's four are in the map */
  pulp_share_t used;                      /* of the group's four, those that are computed */
  const uint8_t *rows[2 * MOST_ROWS + 2]; /* places for the rows of a window, twice */
  uint32_t top;                           /* the place of its first row */
  pulp_strip_t strip;
  uint32_t weights[WEIGHT_WORDS];
  uint32_t copies[ROW_WORDS];
} group_t;

/* ---- One output at a time, for what strips don't know ------------------------------------------------ */

static uint32_t output(const pulp_depthwise_t *d, int32_t acc, uint32_t channel) {
  if (d->form == PULP_WIDE) {
    const int64_t *const k = (const int64_t *)d->k, *const lambda = (const int64_t *)d->lambda;
    return xp_requant_wide(acc, k[channel], lambda[channel], d->shift);
  }
  const int32_t *const k = (const int32_t *)d->k, *const lambda = (const int32_t *)d->lambda;
  if (d->form == PULP_SPLIT) {
    return xp_requant_split(acc, k[channel], lambda[channel], d->low_bits, d->shift);
  }
  return xp_requant(acc, k[channel], lambda[channel], d->shift);
}

void pulp_depthwise_by_output(const pulp_depthwise_t *d, pulp_share_t pixels, pulp_share_t channels) {
  const pulp_window_t *const w = d->window;
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const pulp_extent_t extent = pulp_extent(w, pixel);
    for (uint32_t c = channels.begin; c < channels.end; c++) {
      const int32_t acc = pulp_depthwise_sum(w, d->in, d->weight, &extent, c);
      d->out[pixel * w->ch_out + c] = (uint8_t)output(d, acc, c);
    }
  }
}

/* ---- Groups ---------------------------------------------------------------------------------------------
 */

static sizes_t sizes_of(const pulp_window_t *w) {
  const uint32_t stride = w->stride_x, windows = pulp_windows_in_word(stride);
  const uint32_t words = ((windows - 1) * stride + w->k_x + 3) / WORD;
  sizes_t s = {words, w->k_y * words * windows, 0, 0};
  if (stride > 2 || w->k_y > MOST_ROWS || s.filter > WEIGHT_WORDS || w->ch_in < GROUP) {
    return s;
  }
  uint32_t row = words + STRIP_OUTPUTS / windows - 1; /* words that a block reads */
  while (STRIP_OUTPUTS * s.blocks < w->out_x && GROUP * w->k_y * row <= ROW_WORDS) {
    s.pitch = WORD * row;
    s.blocks++;
    row += STRIP_OUTPUTS / WORD * stride;
  }
  return s;
}

/* A channel's weights, a row as words and each word moved by lanes for each of the windows that begin in a
 * word. */
static void load_weights(const pulp_window_t *w, const sizes_t *s, const uint8_t *weight, uint32_t *to) {
  const uint32_t stride = w->stride_x;
  for (uint32_t y = 0; y < w->k_y; y++) {
    uint32_t before = 0;
    for (uint32_t word = 0, x = 0; word < s->words; word++) {
      uint32_t own = 0;
      for (uint32_t lane = 0; lane < WORD && x < w->k_x; lane++, x++) {
        own |= (uint32_t)*weight++ << (8 * lane);
      }
      *to++ = own;
      for (uint32_t bits = 8 * stride; bits < 32; bits += 8 * stride) {
        *to++ = own << bits | before >> (32 - bits);
      }
      before = own;
    }
  }
}

/* Four pixels of four channels, `count` (at least 1) times: a word for each channel. */
XPULP_INLINE void transpose(const uint8_t *from, int32_t pixel, uint32_t count, uint8_t *to,
                            int32_t channel) {
  const uint32_t even = 0x06040200, odd = 0x07050301, high = 0x07060302;
#if XPULP_ASM
  __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[n]", 18) XP_LW("t0", "%[from]", "%[pixel]")
                       XP_LW("t1", "%[from]", "%[pixel]") XP_LW("t2", "%[from]", "%[pixel]")
                           XP_LW("t3", "%[from]", "%[pixel]") XP_PACK_H("t4", "t1", "t0")
                               XP_SHUFFLE2("t0", "t1", "%[high]") XP_PACK_H("t5", "t3", "t2")
                                   XP_SHUFFLE2("t2", "t3", "%[high]") "mv t1, t4\n"
                                   "mv t3, t0\n" XP_SHUFFLE2("t1", "t5", "%[even]")
                                       XP_SHUFFLE2("t4", "t5", "%[odd]") XP_SHUFFLE2("t3", "t2", "%[even]")
                                           XP_SHUFFLE2("t0", "t2", "%[odd]") XP_SW("t1", "%[to]", "%[channel]")
                                               XP_SW("t4", "%[to]", "%[channel]")
                                                   XP_SW("t3", "%[to]", "%[channel]")
                                                       XP_SW("t0", "%[to]", "%[back]") XP_END
                   : [from] "+r"(from), [to] "+r"(to)
                   : [n] "r"(count), [pixel] "r"(pixel), [channel] "r"(channel), [back] "r"(4 - 3 * channel),
                     [high] "r"(high), [even] "r"(even), [odd] "r"(odd)
                   : "t0", "t1", "t2", "t3", "t4", "t5", "memory");
#else
  for (uint32_t i = 0; i < count; i++, from += 4 * pixel, to += 4) {
    const uint32_t a = xp_load(from), b = xp_load(from + pixel);
    const uint32_t c = xp_load(from + 2 * pixel), d = xp_load(from + 3 * pixel);
    const uint32_t ab = xp_pack_h(b, a), cd = xp_pack_h(d, c);
    const uint32_t ab_high = xp_shuffle2(a, b, high), cd_high = xp_shuffle2(c, d, high);
    xp_store(to, xp_shuffle2(ab, cd, even));
    xp_store(to + channel, xp_shuffle2(ab, cd, odd));
    xp_store(to + 2 * channel, xp_shuffle2(ab_high, cd_high, even));
    xp_store(to + 3 * channel, xp_shuffle2(ab_high, cd_high, odd));
  }
#endif
}

/* Copies `count` (at least 1) pixels; the last four may overlap those before them. */
static void copy_pixels(const uint8_t *from, int32_t pixel, uint32_t count, uint8_t *to, int32_t channel) {
  if (count >= 4) {
    transpose(from, pixel, count / 4, to, channel);
    if (count % 4 != 0) {
      transpose(from + (int32_t)(count - 4) * pixel, pixel, 1, to + count - 4, channel);
    }
    return;
  }
  for (uint32_t i = 0; i < count; i++, from += pixel, to++) {
    for (int32_t c = 0; c < GROUP; c++) {
      to[c * channel] = from[c];
    }
  }
}

/* Columns of a strip's windows: `left` outside the map, `inside` from column x of the map on. */
typedef struct {
  uint32_t left, inside;
  int32_t x;
} columns_t;

static columns_t columns_of(const pulp_window_t *w, uint32_t out_x, uint32_t outputs) {
  const int32_t x = (int32_t)(out_x * w->stride_x) - w->pad_left;
  const int32_t end = x + (int32_t)((outputs - 1) * w->stride_x) + w->k_x;
  const int32_t begin = x > 0 ? x : 0, last = end < w->in_x ? end : w->in_x;
  return (columns_t){(uint32_t)(begin - x), last > begin ? (uint32_t)(last - begin) : 0, begin};
}

/* Row y of the map, 0 outside; the columns outside the map are 0 already. */
static void copy_row(group_t *g, const columns_t *c, int32_t y, uint32_t place) {
  const pulp_window_t *const w = g->d->window;
  uint8_t *const to = (uint8_t *)g->copies + place * GROUP * g->sizes.pitch;
  if (y < 0 || y >= w->in_y) {
    xp_zero(to, GROUP * g->sizes.pitch);
  } else if (c->inside > 0) {
    copy_pixels(pulp_in_pixel(w, g->d->in, y, c->x) + g->first, w->ch_in, c->inside, to + c->left,
                (int32_t)g->sizes.pitch);
  }
}

static void run_strip(const pulp_depthwise_t *d, const pulp_strip_t *strip) {
  const int unit_stride = d->window->stride_x == 1;
  if (d->form == PULP_NARROW) {
    (unit_stride ? pulp_strip_stride1 : pulp_strip_stride2)(strip);
  } else if (d->form == PULP_SPLIT) {
    (unit_stride ? pulp_strip_split_stride1 : pulp_strip_split_stride2)(strip);
  } else {
    (unit_stride ? pulp_strip_wide_stride1 : pulp_strip_wide_stride2)(strip);
  }
}

/* No rows yet; where columns of the strip lie outside the map, they are zero. */
static void begin_strip(group_t *g) {
  const uint32_t rows = g->d->window->k_y, words = GROUP / WORD * g->sizes.pitch;
  for (uint32_t i = 0; i < rows; i++) {
    g->rows[i] = g->rows[rows + i] = (uint8_t *)(g->copies + i * words);
  }
  g->top = 0;
  xp_zero((uint8_t *)g->copies, rows * words * WORD);
}

/* `count` outputs from column x on of some rows. */
static void rows_of_strip(group_t *g, pulp_share_t rows, uint32_t x, uint32_t count) {
  const pulp_depthwise_t *const d = g->d;
  const pulp_window_t *const w = d->window;
  const columns_t c = columns_of(w, x, count);
  begin_strip(g);
  g->strip.count = count;
  g->strip.out = d->out + (rows.begin * w->out_x + x) * w->ch_out + g->first + g->used.begin;
  int32_t known = INT32_MIN; /* rows of the map before this one are there, or not needed any more */
  for (uint32_t y = rows.begin; y < rows.end; y++) {
    const int32_t top = (int32_t)(y * w->stride_y) - w->pad_top, end = top + w->k_y;
    for (int32_t row = known > top ? known : top; row < end; row++) {
      copy_row(g, &c, row, g->top);
      g->top = g->top + 1 < w->k_y ? g->top + 1 : 0;
    }
    known = end;
    g->strip.rows = g->rows + g->top;
    run_strip(d, &g->strip);
    g->strip.out += w->out_x * w->ch_out;
  }
}

/* Prepares some channels, at most 4. */
static void begin_group(group_t *g, pulp_share_t channels) {
  const pulp_window_t *const w = g->d->window;
  const uint32_t first = w->ch_in - (uint32_t)GROUP, window = (uint32_t)w->k_y * w->k_x;
  const uint8_t *const weight = (const uint8_t *)g->d->weight;
  uint32_t *to = g->weights;
  g->first = channels.begin < first ? channels.begin : first;
  g->used = (pulp_share_t){channels.begin - g->first, channels.end - g->first};
  for (uint32_t c = channels.begin; c < channels.end; c++, to += g->sizes.filter) {
    load_weights(w, &g->sizes, weight + c * window, to);
  }
  const pulp_depthwise_t *const d = g->d;
  const uint32_t entries = pulp_entry_bytes(d->form) * channels.begin;
  g->strip.weights = g->weights;
  g->strip.offset = g->used.begin * g->sizes.pitch;
  g->strip.height = w->k_y;
  g->strip.words = g->sizes.words;
  g->strip.out_stride = w->ch_out;
  g->strip.k = (const uint8_t *)d->k + entries;
  g->strip.lambda = (const uint8_t *)d->lambda + entries;
  g->strip.shift = d->form == PULP_WIDE ? d->shift - 32 : d->shift;
  g->strip.low_bits = d->low_bits;
  g->strip.channels = channels.end - channels.begin;
  g->strip.filter = WORD * g->sizes.filter;
  g->strip.pitch = g->sizes.pitch;
}

/* Unit u is row u % out_y of group u / out_y. */
void pulp_depthwise_any(const pulp_depthwise_t *d) {
  const pulp_window_t *const w = d->window;
  group_t g; /* no initializer: it would fill the buffers */
  g.d = d;
  g.sizes = sizes_of(w);
  if (g.sizes.blocks == 0) {
    pulp_depthwise_by_output(d, pulp_my_share(pulp_out_pixels(w)), (pulp_share_t){0, w->ch_in});
    return;
  }
  const uint32_t fit = WEIGHT_WORDS / g.sizes.filter, size = fit < GROUP ? fit : GROUP;
  const uint32_t groups = (w->ch_in + size - 1) / size, most = STRIP_OUTPUTS * g.sizes.blocks;
  const pulp_share_t units = pulp_my_share(groups * w->out_y);
  uint32_t group = xp_opaque(units.begin / w->out_y), y = units.begin - group * w->out_y;
  for (uint32_t unit = units.begin; unit < units.end; group++, y = 0) {
    const uint32_t channel = group * size, left = w->ch_in - channel;
    const uint32_t end = y + units.end - unit < w->out_y ? y + units.end - unit : w->out_y;
    const pulp_share_t channels = {channel, channel + (left < size ? left : size)};
    if (!pulp_depthwise_is_fast(d, channels)) {
      pulp_depthwise_by_output(d, (pulp_share_t){y * w->out_x, end * w->out_x}, channels);
    } else {
      begin_group(&g, channels);
      for (uint32_t x = 0; x < w->out_x; x += most) {
        rows_of_strip(&g, (pulp_share_t){y, end}, x, w->out_x - x < most ? w->out_x - x : most);
      }
    }
    unit += end - y;
  }
}
