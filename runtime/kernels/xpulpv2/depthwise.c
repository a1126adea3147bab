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

/* Groups rows: the first by itself if its window begins above the map, the last if its window ends below.
 * Those read a third row all the same, which lies in the map, and take a zero instead. */
static uint32_t group_rows(const pulp_depthwise_t *d, uint32_t whole, pulp_share_t rows, pulp_rows_t *runs) {
  const pulp_window_t *const w = d->window;
  const int32_t pixel = w->ch_in, pitch = pixel * w->in_x;
  const uint32_t top = rows.begin < w->pad_top ? w->pad_top : rows.begin;
  const uint32_t bottom = rows.end > whole ? whole : rows.end;
  uint32_t n = 0;
  if (rows.begin < top) { /* lanes: 0, first row, second row */
    runs[n++] = (pulp_rows_t){d->in, 1, pitch, pixel - 2 * pitch, 0x02070502, 0x00020004};
  }
  if (top < bottom) {
    runs[n++] = (pulp_rows_t){pulp_in_pixel(w, d->in, (int32_t)(top * w->stride_y) - w->pad_top, 0),
                              bottom - top,
                              pitch,
                              pixel - 2 * pitch,
                              0x00010705,
                              0x00070200};
  }
  if (rows.end > bottom && rows.end > top) { /* from the last row up; lanes: second row, first row, 0 */
    runs[n++] = (pulp_rows_t){
        pulp_in_pixel(w, d->in, w->in_y - 1, 0), 1, -pitch, pixel + 2 * pitch, 0x02020507, 0x00060002};
  }
  return n;
}

/* Unit u is row u % out_y of pair u / out_y. Whole pairs go together. */
static void three_by_three(const pulp_depthwise_t *d, pulp_share_t units, uint32_t whole_x,
                           uint32_t whole_y) {
  const pulp_window_t *const w = d->window;
  const uint32_t first = w->pad_left == 0, last = w->out_x - whole_x;
  const int unit_stride = w->stride_x == 1;
  const uint32_t columns = first + (unit_stride ? 1 + whole_x : 2 * whole_x + last);
  const uint32_t entry = pulp_entry_bytes(d->form);
  pulp_rows_t runs[MOST_RUNS];
  uint32_t pair = units.begin / w->out_y, row = units.begin - pair * w->out_y;
  for (uint32_t left = units.end - units.begin; left > 0;) {
    const uint32_t end = row + left < w->out_y ? row + left : w->out_y;
    const uint32_t pairs = left < 2u * w->out_y || row > 0 ? 1 : left / w->out_y;
    const uint32_t channel = 2 * pair;
    pulp_depthwise3_t job;
    job.runs = runs;
    job.runs_end = runs + group_rows(d, whole_y, (pulp_share_t){row, end}, runs);
    job.pairs = pairs;
    job.weight = d->weight + 9 * channel;
    job.k = (const uint8_t *)d->k + entry * channel;
    job.lambda = (const uint8_t *)d->lambda + entry * channel;
    job.channel = channel;
    job.out = d->out + row * w->out_x * w->ch_out + channel;
    job.out_stride = w->ch_out;
    job.row_gap = ((int32_t)w->stride_y * w->in_x - (int32_t)columns) * w->ch_in;
    job.flags =
        first * DEPTHWISE3_FIRST | last * DEPTHWISE3_LAST | (unit_stride ? whole_x & 1 : 0) * DEPTHWISE3_ODD;
    job.steps = unit_stride ? whole_x / 2 : whole_x;
    job.shift = d->form == PULP_WIDE ? d->shift - 32 : d->shift;
    job.low_bits = d->low_bits;
    const pulp_share_t channels = {channel, channel + 2 * pairs};
    if (!pulp_depthwise_is_fast(d, channels)) {
      pulp_depthwise_by_output(d, (pulp_share_t){row * w->out_x, end * w->out_x}, channels);
    } else if (d->form == PULP_SPLIT) {
      (unit_stride ? pulp_depthwise3_split_stride1 : pulp_depthwise3_split_stride2)(&job);
    } else if (d->form == PULP_WIDE) {
      (unit_stride ? pulp_depthwise3_wide_stride1 : pulp_depthwise3_wide_stride2)(&job);
    } else {
      (unit_stride ? pulp_depthwise3_stride1 : pulp_depthwise3_stride2)(&job);
    }
    left -= pairs * (end - row);
    pair += pairs;
    row = 0;
  }
}

void pulp_depthwise_all(const pulp_depthwise_t *d) {
  const pulp_window_t *const w = d->window;
  uint32_t pairs = 0;
  if (w->k_x == 3 && w->k_y == 3) {
    const windows_t x = windows_along(w->in_x, w->pad_left, w->stride_x, w->out_x);
    const windows_t y = windows_along(w->in_y, w->pad_top, w->stride_y, w->out_y);
    if (x.fits && y.fits && x.whole >= (w->stride_x == 1 ? 2u : 1u)) {
      pairs = w->ch_in / 2;
      three_by_three(d, pulp_my_share(pairs * w->out_y), x.whole, y.whole);
    }
  }
  if (2 * pairs < w->ch_in) {
    pulp_depthwise_any(d, 2 * pairs);
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
