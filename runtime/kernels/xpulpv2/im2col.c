/* pulp_im2col: output pixels divided over the cores. Where more windows than a window has rows lie beside
 * each other inside the map between left and right, they are copied a row of all of them after the other, the
 * others one by one. */
#include "../portable/share.h"
#include "../portable/window.h"
#include "pulp_kernels.h"
#include "xpulp.h"

typedef struct {
  const pulp_window_t *window;
  const uint8_t *in;
  uint32_t row; /* bytes of a window's row */
  uint8_t value;
} task_t;

/* The last word overlaps the one before it. */
static void fill(uint8_t *to, uint8_t value, uint32_t bytes) {
  const uint32_t word = value * 0x01010101u;
  if (bytes < sizeof word) {
    for (uint32_t i = 0; i < bytes; i++) {
      to[i] = value;
    }
    return;
  }
  for (uint32_t i = 0; i + sizeof word < bytes; i += sizeof word) {
    xp_store(to + i, word);
  }
  xp_store(to + bytes - sizeof word, word);
}

/* The window of pixel (y, x), part of which may be outside. */
static void one_pixel(const task_t *task, uint32_t y, uint32_t x, uint8_t *to) {
  const pulp_window_t *const w = task->window;
  const pulp_extent_t e = pulp_extent_at(w, y, x);
  const int32_t rows = e.y1 - e.y0, columns = e.x1 - e.x0;
  if (rows < w->k_y || columns < w->k_x) {
    fill(to, task->value, w->ch_out);
  }
  if (rows > 0 && columns > 0) {
    const uint32_t before = (uint32_t)e.kx0 * w->ch_in;
    xp_copy_rows(to + (uint32_t)e.ky0 * task->row + before, pulp_in_pixel(w, task->in, e.y0, e.x0),
                 (uint32_t)rows, (uint32_t)columns * w->ch_in, (int32_t)task->row, w->in_x * w->ch_in);
  }
}

/* The windows of `pixels` (at least 1) pixels from (y, x), which reach beyond the map above and below only.
 */
static void inner_pixels(const task_t *task, uint32_t y, uint32_t x, uint32_t pixels, uint8_t *to) {
  const pulp_window_t *const w = task->window;
  const int32_t from_x = (int32_t)(x * w->stride_x) - w->pad_left, step = w->stride_x * w->ch_in;
  for (uint32_t i = 0; i < w->k_y; i++, to += task->row) {
    const int32_t from_y = (int32_t)(y * w->stride_y + i) - w->pad_top;
    if (from_y >= 0 && from_y < w->in_y) {
      xp_copy_rows(to, pulp_in_pixel(w, task->in, from_y, from_x), pixels, task->row, w->ch_out, step);
    } else {
      for (uint32_t pixel = 0; pixel < pixels; pixel++) {
        fill(to + pixel * w->ch_out, task->value, task->row);
      }
    }
  }
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

void pulp_im2col(const uint8_t *in, uint8_t *out, const pulp_window_t *window, uint8_t value) {
  const task_t task = {window, in, (uint32_t)window->k_x * window->ch_in, value};
  const uint32_t stride = window->stride_x, left = window->pad_left, width = window->out_x;
  /* The windows from `inner` and before `border` are inside. */
  const uint32_t inner = (left + stride - 1) / stride;
  const uint32_t reach = left + window->in_x;
  const uint32_t border = reach < window->k_x ? 0 : least(width, (reach - window->k_x) / stride + 1);
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  uint32_t y = pixels.begin / width, x = pixels.begin - y * width, left_over = pixels.end - pixels.begin;
  uint8_t *to = out + pixels.begin * window->ch_out;
  while (left_over > 0) {
    const uint32_t inside = x >= inner && x < border ? least(border - x, left_over) : 0;
    const uint32_t run = inside > window->k_y ? inside : 1;
    if (run > 1) {
      inner_pixels(&task, y, x, run, to);
    } else {
      one_pixel(&task, y, x, to);
    }
    to += run * window->ch_out;
    left_over -= run;
    x += run;
    if (x == width) {
      x = 0;
      y++;
    }
  }
  pulp_barrier();
}
