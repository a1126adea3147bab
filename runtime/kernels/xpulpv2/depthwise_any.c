/* Depthwise convolution with any window, four channels at a time.
 *
 * For an output row, the columns of the windows are copied channel by channel: four elements of a column, one
 * above the other, become a word, and ceil(k_y / 4) words a column. A kernel row that is left over isn't
 * taken apart: its word holds the four channels' elements. With the weights in the same order an output is
 * the product of k_x columns that follow one another. */
#include "../portable/sums.h"
#include "columns.h"
#include "depthwise.h"

enum {
  GROUP = 4,         /* channels */
  COLUMN_WORDS = 48, /* of a channel that are there at a time */
  WEIGHT_WORDS = 64  /* of all channels of a group */
};

typedef struct {
  const pulp_depthwise_t *d;
  uint32_t words;    /* of a column */
  uint32_t filter;   /* words of a window */
  int has_border;    /* the columns outside the map are zero: all rows have the same */
  uint32_t first;    /* channel of the group, so that the group's four are in the map */
  pulp_share_t used; /* of the group's four, those that are computed */
  uint32_t weights[WEIGHT_WORDS];
  uint32_t columns[GROUP][COLUMN_WORDS];
} group_t;

/* ---- One output at a time, for what the others can't do
 * -----------------------------------------------------
 */

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

/* ---- Groups
 * ------------------------------------------------------------------------------------------------ */

/* The weights of channel c of the group as words of columns, 0 below the last kernel row. The last kernel row
 * by itself is in lane c. */
static void load_weights(const pulp_window_t *w, const uint8_t *weight, uint32_t c, uint32_t *to) {
  for (uint32_t x = 0; x < w->k_x; x++) {
    const uint8_t *p = weight + x;
    uint32_t left = w->k_y;
    for (; left >= 4; left -= 4, p += 4 * w->k_x) {
      *to++ = xp_pack4(p[0], p[w->k_x], p[2 * w->k_x], p[3 * w->k_x]);
    }
    if (left == 1) {
      *to++ = (uint32_t)p[0] << (8 * c);
    } else if (left > 0) {
      const uint32_t second = p[w->k_x], third = left > 2 ? p[2 * w->k_x] : 0;
      *to++ = xp_pack4(p[0], second, third, 0);
    }
  }
}

/* Four rows of four channels: words of columns for `count` (at least 1) columns. */
XPULP_INLINE void transpose(const uint8_t *const *rows, int32_t pixel, uint32_t lanes, uint32_t count,
                            uint8_t *to, int32_t column) {
  const int32_t channel = sizeof(uint32_t) * COLUMN_WORDS;
  const uint32_t even = 0x06040200, odd = 0x07050301, high = 0x07060302;
#if XPULP_ASM
  const uint8_t *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
  __asm__ volatile(
      XP_BEGIN XP_LOOP(0, "%[n]", 22) XP_LW("t0", "%[r0]", "%[pixel]") XP_LW("t1", "%[r1]", "%[pixel]")
          XP_LW("t2", "%[r2]", "%[pixel]") XP_LW("t3", "%[r3]", "%[pixel]") XP_PACK_H("t4", "t1", "t0")
              XP_SHUFFLE2("t0", "t1", "%[high]") XP_PACK_H("t5", "t3", "t2")
                  XP_SHUFFLE2("t2", "t3", "%[high]") "mv t1, t4\n"
                  "mv t3, t0\n" XP_SHUFFLE2("t1", "t5", "%[even]") XP_SHUFFLE2("t4", "t5", "%[odd]")
                      XP_SHUFFLE2("t3", "t2", "%[even]") XP_SHUFFLE2("t0", "t2", "%[odd]")
                  "and t1, t1, %[lanes]\n"
                  "and t4, t4, %[lanes]\n"
                  "and t3, t3, %[lanes]\n"
                  "and t0, t0, %[lanes]\n" XP_SW("t1", "%[to]", "%[channel]") XP_SW("t4", "%[to]", "%[channel]")
                      XP_SW("t3", "%[to]", "%[channel]") XP_SW("t0", "%[to]", "%[back]") XP_END
      : [r0] "+r"(r0), [r1] "+r"(r1), [r2] "+r"(r2), [r3] "+r"(r3), [to] "+r"(to)
      : [n] "r"(count), [pixel] "r"(pixel), [lanes] "r"(lanes), [channel] "r"(channel),
        [back] "r"(column - 3 * channel), [high] "r"(high), [even] "r"(even), [odd] "r"(odd)
      : "t0", "t1", "t2", "t3", "t4", "t5", "memory");
#else
  for (uint32_t i = 0; i < count; i++, to += column) {
    const uint32_t a = xp_load(rows[0] + (int32_t)i * pixel), b = xp_load(rows[1] + (int32_t)i * pixel);
    const uint32_t c = xp_load(rows[2] + (int32_t)i * pixel), d = xp_load(rows[3] + (int32_t)i * pixel);
    const uint32_t ab = xp_pack_h(b, a), cd = xp_pack_h(d, c);
    const uint32_t ab_high = xp_shuffle2(a, b, high), cd_high = xp_shuffle2(c, d, high);
    xp_store(to, xp_shuffle2(ab, cd, even) & lanes);
    xp_store(to + channel, xp_shuffle2(ab, cd, odd) & lanes);
    xp_store(to + 2 * channel, xp_shuffle2(ab_high, cd_high, even) & lanes);
    xp_store(to + 3 * channel, xp_shuffle2(ab_high, cd_high, odd) & lanes);
  }
#endif
}

/* One row: a word is the four channels' elements, the same for each of them. */
XPULP_INLINE void spread(const uint8_t *row, int32_t pixel, uint32_t lanes, uint32_t count, uint8_t *to,
                         int32_t column) {
  const int32_t channel = sizeof(uint32_t) * COLUMN_WORDS;
#if XPULP_ASM
  __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[n]", 6) XP_LW(
                       "t0", "%[row]", "%[pixel]") "and t0, t0, %[lanes]\n" XP_SW("t0", "%[to]", "%[channel]")
                       XP_SW("t0", "%[to]", "%[channel]") XP_SW("t0", "%[to]", "%[channel]")
                           XP_SW("t0", "%[to]", "%[back]") XP_END
                   : [row] "+r"(row), [to] "+r"(to)
                   : [n] "r"(count), [pixel] "r"(pixel), [lanes] "r"(lanes), [channel] "r"(channel),
                     [back] "r"(column - 3 * channel)
                   : "t0", "memory");
#else
  for (uint32_t i = 0; i < count; i++, row += pixel, to += column) {
    for (int c = 0; c < GROUP; c++) {
      xp_store(to + c * channel, xp_load(row) & lanes);
    }
  }
#endif
}

/* Zeros columns from `begin` to `end`. */
static void zero_columns(group_t *g, uint32_t begin, uint32_t end) {
  for (uint32_t i = begin * g->words; i < end * g->words; i++) {
    g->columns[0][i] = g->columns[1][i] = g->columns[2][i] = g->columns[3][i] = 0;
  }
}

/* The columns of a row's windows that lie in the map, from column x of the map on. */
typedef struct {
  int32_t x;
  uint32_t count, left, right; /* right - left of `count` columns are in the map */
} columns_t;

static columns_t columns_from(const pulp_window_t *w, int32_t x, uint32_t count) {
  const int32_t end = (int32_t)count, inside = w->in_x - x;
  const int32_t left = x >= 0 ? 0 : -x < end ? -x : end;
  const int32_t right = inside > end ? end : inside > left ? inside : left;
  return (columns_t){x, count, (uint32_t)left, (uint32_t)right};
}

/* Columns that lie in the map, of the windows of output row `out_y`. */
static void load_columns(group_t *g, uint32_t out_y, const columns_t *c) {
  const pulp_window_t *const w = g->d->window;
  const int32_t pitch = (int32_t)w->in_x * w->ch_in, pixel = w->ch_in;
  const uint32_t columns = c->right - c->left, column = sizeof(uint32_t) * g->words;
  const uint8_t *const top = g->d->in + (c->x + (int32_t)c->left) * pixel + (int32_t)g->first;
  uint32_t y = out_y * w->stride_y - w->pad_top; /* beyond in_y if above the map */
  const uint8_t *row = top + (int32_t)y * pitch;
  uint8_t *to = (uint8_t *)(g->columns[0] + c->left * g->words);
  for (int32_t left = w->k_y; left > 0; left -= 4, to += sizeof(uint32_t)) {
    const uint8_t *rows[4];
    uint32_t lanes = 0;
    for (uint32_t i = 0; i < 4; i++, y++, row += pitch) {
      const int inside = y < w->in_y; /* below the last kernel row anything: its weight is 0 */
      rows[i] = inside ? row : top;
      lanes |= inside ? 0xffu << (8 * i) : 0;
    }
    if (left == 1) {
      spread(rows[0], pixel, lanes & 1 ? 0xffffffffu : 0, columns, to, (int32_t)column);
    } else {
      transpose(rows, pixel, lanes, columns, to, (int32_t)column);
    }
  }
}

/* `count` outputs of the group's channel c from `out` on. */
static void outputs(const group_t *g, uint32_t c, uint32_t count, uint8_t *out) {
  const pulp_depthwise_t *const d = g->d;
  const uint32_t entry = pulp_entry_bytes(d->form) * (g->first + c);
  const pulp_columns_t columns = {.columns = g->columns[c],
                                  .weights = g->weights + (c - g->used.begin) * g->filter,
                                  .out = out,
                                  .count = count,
                                  .k = (const uint8_t *)d->k + entry,
                                  .lambda = (const uint8_t *)d->lambda + entry,
                                  .words = g->filter,
                                  .step = (int32_t)(sizeof(uint32_t) * d->window->stride_x * g->words),
                                  .out_stride = d->window->ch_out,
                                  .shift = d->form == PULP_WIDE ? d->shift - 32 : d->shift,
                                  .low_bits = d->low_bits};
  if (d->form == PULP_WIDE) {
    pulp_columns_wide(&columns);
  } else if (d->form == PULP_SPLIT) {
    pulp_columns_split(&columns);
  } else {
    pulp_columns(&columns);
  }
}

/* Outputs of row y, as many at a time as there is room for. */
static void one_row(group_t *g, uint32_t y, uint32_t most) {
  const pulp_window_t *const w = g->d->window;
  for (uint32_t x = 0; x < w->out_x; x += most) {
    const uint32_t count = w->out_x - x < most ? w->out_x - x : most;
    const columns_t c =
        columns_from(w, (int32_t)(x * w->stride_x) - w->pad_left, (count - 1) * w->stride_x + w->k_x);
    if (most < w->out_x || !g->has_border) {
      zero_columns(g, 0, c.left);
      zero_columns(g, c.right, c.count);
      g->has_border = 1;
    }
    if (c.left < c.right) {
      load_columns(g, y, &c);
    }
    for (uint32_t i = g->used.begin; i < g->used.end; i++) {
      outputs(g, i, count, g->d->out + (y * w->out_x + x) * w->ch_out + g->first + i);
    }
  }
}

/* Prepares up to 4 channels. */
static void begin_group(group_t *g, pulp_share_t channels) {
  const pulp_window_t *const w = g->d->window;
  const uint32_t first = w->ch_in - (uint32_t)GROUP, window = (uint32_t)w->k_y * w->k_x;
  const uint8_t *const weight = (const uint8_t *)g->d->weight;
  g->first = channels.begin < first ? channels.begin : first;
  g->used = (pulp_share_t){channels.begin - g->first, channels.end - g->first};
  for (uint32_t c = g->used.begin; c < g->used.end; c++) {
    load_weights(w, weight + (g->first + c) * window, c, g->weights + (c - g->used.begin) * g->filter);
  }
}

/* Unit u is row u % out_y of group u / out_y. */
void pulp_depthwise_any(const pulp_depthwise_t *d) {
  const pulp_window_t *const w = d->window;
  group_t g; /* no initializer: it would fill the buffers */
  g.d = d;
  g.words = (w->k_y + 3u) / 4;
  g.filter = g.words * w->k_x;
  g.has_border = 0;
  if (w->ch_in < GROUP || g.filter > COLUMN_WORDS) {
    pulp_depthwise_by_output(d, pulp_my_share(pulp_out_pixels(w)), (pulp_share_t){0, w->ch_in});
    return;
  }
  const uint32_t size = GROUP * g.filter <= WEIGHT_WORDS ? GROUP : 1;
  const uint32_t most = (COLUMN_WORDS / g.words - w->k_x) / w->stride_x + 1;
  const uint32_t groups = (w->ch_in + size - 1) / size;
  const pulp_share_t units = pulp_my_share(groups * w->out_y);
  uint32_t group = xp_opaque(units.begin / w->out_y), y = units.begin - group * w->out_y;
  for (uint32_t unit = units.begin; unit < units.end; group++, y = 0) {
    const uint32_t channel = group * size, left = w->ch_in - channel;
    const uint32_t end = y + units.end - unit < w->out_y ? y + units.end - unit : w->out_y;
    const pulp_share_t channels = {channel, channel + (left < size ? left : size)};
    if (pulp_depthwise_is_fast(d, channels)) {
      begin_group(&g, channels);
      for (uint32_t row = y; row < end; row++) {
        one_row(&g, row, most);
      }
    } else {
      pulp_depthwise_by_output(d, (pulp_share_t){y * w->out_x, end * w->out_x}, channels);
    }
    unit += end - y;
  }
}
