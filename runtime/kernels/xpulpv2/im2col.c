/* pulp_im2col: output pixels divided over the cores. Windows that lie inside the map between left and right
 * are copied a row of all of them after the other, the others one by one. */
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

static void fill(uint8_t *to, uint8_t value, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; i++) {
    to[i] = value;
  }
}

/* The window of pixel (y, x), part of which is outside. */
static void border_pixel(const task_t *task, uint32_t y, uint32_t x, uint8_t *to) {
  const pulp_window_t *const w = task->window;
  const pulp_extent_t e = pulp_extent_at(w, y, x);
  const uint32_t before = (uint32_t)e.kx0 * w->ch_in;
  fill(to, task->value, w->ch_out);
  if (e.y0 < e.y1 && e.x0 < e.x1) {
    xp_copy_rows(to + (uint32_t)e.ky0 * task->row + before, pulp_in_pixel(w, task->in, e.y0, e.x0),
                 (uint32_t)(e.y1 - e.y0), (uint32_t)(e.x1 - e.x0) * w->ch_in, (int32_t)task->row,
                 w->in_x * w->ch_in);
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
    const uint32_t run = x >= inner && x < border ? least(border - x, left_over) : 1;
    if (x >= inner && x < border) {
      inner_pixels(&task, y, x, run, to);
    } else {
      border_pixel(&task, y, x, to);
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
