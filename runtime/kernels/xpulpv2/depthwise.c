/* pulp_depthwise, pulp_depthwise_wide: depthwise convolution from HWC. 3x3 with stride 1 or 2 goes through
 * depthwise3.h, two channels at a time, rows of pairs of channels divided over the cores. A layer calls this
 * with the instruction cache cold, so the code is short. */
#include "depthwise.h"

#include "depthwise3.h"
#include "pulp_kernels.h"

enum { MOST_RUNS = 3 };

/* Windows of 3 along one axis: the first may lack its first element, the last one its third. */
typedef struct {
  uint32_t whole; /* have their third element in the map */
  int fits;       /* no others lack any element, and no other elements are lacking */
} windows_t;

static windows_t windows_along(uint32_t size, uint32_t before, uint32_t stride, uint32_t count) {
  uint32_t whole = size + before < 3 ? 0 : ((size + before - 3) >> (stride - 1)) + 1;
  whole = whole < count ? whole : count;
  const int last = whole == count || (whole + 1 == count && whole * stride + 1 < size + before);
  return (windows_t){whole, size >= 3 && before <= 1 && stride <= 2 && last};
}

/* A 3x3 convolution. The job lacks what depends on the part of it that is computed. */
typedef struct {
  const pulp_depthwise_t *d;
  uint32_t whole; /* output rows whose windows have their third row in the map */
  pulp_depthwise3_t job;
  pulp_rows_t runs[MOST_RUNS];
} three_t;

/* Groups rows: the first by itself if its window begins above the map, the last if its window ends below.
 * Those read a third row all the same, which lies in the map, and take a zero instead. */
static uint32_t group_rows(three_t *t, pulp_share_t rows) {
  const pulp_window_t *const w = t->d->window;
  const uint8_t *const in = t->d->in;
  const int32_t pixel = w->ch_in, pitch = pixel * w->in_x;
  const uint32_t top = rows.begin < w->pad_top ? w->pad_top : rows.begin;
  const uint32_t bottom = rows.end > t->whole ? t->whole : rows.end;
  uint32_t n = 0;
  if (rows.begin < top) { /* lanes: 0, first row, second row */
    t->runs[n++] = (pulp_rows_t){in, 1, pitch, pixel - 2 * pitch, 0x02070502, 0x00020004};
  }
  if (top < bottom) {
    t->runs[n++] = (pulp_rows_t){in + ((int32_t)(top * w->stride_y) - w->pad_top) * pitch,
                                 bottom - top,
                                 pitch,
                                 pixel - 2 * pitch,
                                 0x00010705,
                                 0x00070200};
  }
  if (rows.end > bottom && rows.end > top) { /* from the last row up; lanes: second row, first row, 0 */
    t->runs[n++] =
        (pulp_rows_t){in + (w->in_y - 1) * pitch, 1, -pitch, pixel + 2 * pitch, 0x02020507, 0x00060002};
  }
  return n;
}

static void run_job(const pulp_depthwise_t *d, pulp_depthwise3_t *job) {
  const int unit_stride = d->window->stride_x == 1;
  if (d->form == PULP_NARROW) {
    (unit_stride ? pulp_depthwise3_stride1 : pulp_depthwise3_stride2)(job);
  } else if (d->form == PULP_SPLIT) {
    (unit_stride ? pulp_depthwise3_split_stride1 : pulp_depthwise3_split_stride2)(job);
  } else {
    (unit_stride ? pulp_depthwise3_wide_stride1 : pulp_depthwise3_wide_stride2)(job);
  }
}

/* Output rows of some channels; of an odd number of them the first is computed again, with the one before it.
 */
static void rows_of_channels(three_t *t, pulp_share_t channels, pulp_share_t rows) {
  const pulp_depthwise_t *const d = t->d;
  const pulp_window_t *const w = d->window;
  const uint32_t entry = pulp_entry_bytes(d->form), odd = (channels.end - channels.begin) % 2;
  if (!pulp_depthwise_is_fast(d, channels)) {
    pulp_depthwise_by_output(d, (pulp_share_t){rows.begin * w->out_x, rows.end * w->out_x}, channels);
    return;
  }
  const uint32_t first = channels.begin - odd;
  pulp_depthwise3_t *const job = &t->job;
  job->runs_end = t->runs + group_rows(t, rows);
  job->pairs = (channels.end - first) / 2;
  job->weight = d->weight + 9 * first;
  job->k = (const uint8_t *)d->k + entry * first;
  job->lambda = (const uint8_t *)d->lambda + entry * first;
  job->channel = first;
  job->out = d->out + rows.begin * w->out_x * w->ch_out + first;
  job->again = odd;
  run_job(d, job);
}
/* The same of pairs of channels, the last of which may be one channel. */
static void rows_of_pairs(three_t *t, uint32_t pair, uint32_t pairs, pulp_share_t rows) {
  const uint32_t all = t->d->window->ch_in, end = 2 * (pair + pairs);
  pulp_share_t channels = {2 * pair, end < all ? end : all};
  if (pair == 0 && channels.end % 2 != 0) { /* no channel is before them */
    rows_of_channels(t, (pulp_share_t){0, 2}, rows);
    channels.begin = 2;
  }
  rows_of_channels(t, channels, rows);
}

/* Whole pairs if all cores get as many; else rows of them, unit u being row u % out_y of pair u / out_y. */
static void my_pairs(three_t *t, uint32_t pairs) {
  const uint32_t rows = t->d->window->out_y, part = pulp_divide_up(pairs, pulp_num_cores());
  if (part * pulp_num_cores() == pairs) {
    rows_of_pairs(t, pulp_core_id() * part, part, (pulp_share_t){0, rows});
    return;
  }
  const pulp_share_t units = pulp_my_share(pairs * rows);
  uint32_t pair = xp_opaque(units.begin / rows), row = units.begin - pair * rows;
  for (uint32_t left = units.end - units.begin; left > 0;) {
    const uint32_t end = row + left < rows ? row + left : rows;
    const uint32_t whole = left < 2 * rows || row > 0 ? 1 : left / rows;
    rows_of_pairs(t, pair, whole, (pulp_share_t){row, end});
    left -= whole * (end - row);
    pair += whole;
    row = 0;
  }
}

static void three_by_three(const pulp_depthwise_t *d, uint32_t whole_x, uint32_t whole_y) {
  const pulp_window_t *const w = d->window;
  const uint32_t first = w->pad_left == 0, last = w->out_x - whole_x;
  three_t t; /* no initializer: it would fill all of it */
  t.d = d;
  t.whole = whole_y;
  t.job.runs = t.runs;
  t.job.out_stride = w->ch_out;
  t.job.shift = d->form == PULP_WIDE ? d->shift - 32 : d->shift;
  t.job.low_bits = d->low_bits;
  uint32_t columns = first + 1 + whole_x;
  t.job.flags = first * DEPTHWISE3_FIRST | last * DEPTHWISE3_LAST;
  t.job.steps = whole_x;
  if (w->stride_x == 1) {
    t.job.flags |= (whole_x & 1) * DEPTHWISE3_ODD;
    t.job.steps = (whole_x + 1) / 2;
  } else {
    columns = first + 2 * whole_x + last;
  }
  t.job.row_gap = ((int32_t)w->stride_y * w->in_x - (int32_t)columns) * w->ch_in;
  my_pairs(&t, (w->ch_in + 1u) / 2);
}

/* True if that was all. A function of its own: other windows need the stack. */
static __attribute__((noinline)) int in_pairs(const pulp_depthwise_t *d) {
  const pulp_window_t *const w = d->window;
  if (w->k_x != 3 || w->k_y != 3 || w->ch_in < 2) {
    return 0;
  }
  const windows_t x = windows_along(w->in_x, w->pad_left, w->stride_x, w->out_x);
  const windows_t y = windows_along(w->in_y, w->pad_top, w->stride_y, w->out_y);
  if (!x.fits || !y.fits || x.whole == 0) {
    return 0;
  }
  three_by_three(d, x.whole, y.whole);
  return 1;
}

void pulp_depthwise_all(const pulp_depthwise_t *d) {
  if (!in_pairs(d)) {
    pulp_depthwise_any(d);
  }
  pulp_barrier();
}

void pulp_depthwise(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                    const int32_t *lambda, uint16_t shift, const pulp_window_t *window) {
  const pulp_depthwise_t d = {in, out, weight, k, lambda, shift, PULP_NARROW, window, 0};
  pulp_depthwise_all(&d);
}

void pulp_depthwise_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                         const int64_t *lambda, uint16_t shift, const pulp_window_t *window) {
  const pulp_depthwise_t d = {in, out, weight, k, lambda, shift, PULP_WIDE, window, 0};
  pulp_depthwise_all(&d);
}
