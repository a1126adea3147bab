#include "window.h"

#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "l1_arena.h"
#include "layer.h"

static uint32_t x_bytes(const pulp_window_t *w) { return (uint32_t)w->in_x * w->in_y * w->ch_in; }
static uint32_t y_bytes(const pulp_window_t *w) { return (uint32_t)w->out_x * w->out_y * w->ch_out; }
static uint32_t filter_bytes(const pulp_window_job_t *job) {
  const pulp_window_t *const w = &job->window;
  return (uint32_t)w->k_x * w->k_y * (job->depthwise ? 1 : w->ch_in);
}

static void require(const window_engine_t *engine, int fine, const char *what) {
  if (!fine) {
    pulp_layer_fault(engine->name, "%s", what);
  }
}

static int is_in_l1(const void *start, uint32_t bytes) {
  const int64_t offset = pulp_l1_offset(start);
  return offset >= 0 && offset + bytes <= pulp_l1_size();
}

static void check_job(const window_engine_t *engine, const pulp_window_job_t *job) {
  const pulp_window_t *const w = &job->window;
  const uint32_t channels = 4u * w->ch_out;
  require(engine, is_in_l1(job->x, x_bytes(w)), "the input is not in L1");
  require(engine, is_in_l1(job->y, y_bytes(w)), "the output is not in L1");
  require(engine, is_in_l1(job->weights, filter_bytes(job) * w->ch_out), "the weights are not in L1");
  require(engine, is_in_l1(job->bias, channels), "the biases are not in L1");
  require(engine, !job->k || is_in_l1(job->k, channels), "the scales are not in L1");
  require(engine, engine->scales || !job->k, "it has no scales");
  require(engine, !engine->depthwise_only || job->depthwise, "it computes depthwise convolutions only");
  require(engine, engine->kernel_area == 0 || (uint32_t)w->k_x * w->k_y == engine->kernel_area,
          "a filter of another size");
  require(engine, filter_bytes(job) * w->ch_out <= engine->weight_bytes, "more weights than it holds");
  require(engine, job->shift < 32, "a shift above 31");
  require(engine, job->largest == engine->largest_outputs[0] || job->largest == engine->largest_outputs[1],
          "another bound of its outputs");
}

static int32_t product(const window_engine_t *engine, uint8_t x, int8_t weight) {
  require(engine, x <= engine->largest_input, "an input beyond its bits");
  require(engine, abs(weight) <= engine->largest_weight, "a weight beyond its bits");
  return x * weight;
}

/* The sum of output channel `channel` for the window whose first element is at (top, left). */
static int32_t sum(const window_engine_t *engine, const pulp_window_job_t *job, int32_t top, int32_t left,
                   uint32_t channel) {
  const pulp_window_t *const w = &job->window;
  const uint32_t depth = job->depthwise ? 1 : w->ch_in, first = job->depthwise ? channel : 0;
  const int8_t *weight = job->weights + channel * filter_bytes(job);
  int32_t acc = 0;
  for (int32_t row = top; row < top + w->k_y; row++) {
    for (int32_t column = left; column < left + w->k_x; column++, weight += depth) {
      if (row < 0 || row >= w->in_y || column < 0 || column >= w->in_x) {
        continue;
      }
      const uint8_t *const pixel = job->x + (row * w->in_x + column) * w->ch_in + first;
      for (uint32_t c = 0; c < depth; c++) {
        acc += product(engine, pixel[c], weight[c]);
      }
    }
  }
  return acc;
}

static void run(const window_engine_t *engine, pulp_window_job_t *job) {
  const pulp_window_t *const w = &job->window;
  uint8_t *y = job->y;
  for (int32_t row = 0; row < w->out_y; row++) {
    for (int32_t column = 0; column < w->out_x; column++) {
      const int32_t top = row * w->stride_y - w->pad_top, left = column * w->stride_x - w->pad_left;
      for (uint32_t c = 0; c < w->ch_out; c++) {
        const int32_t acc = sum(engine, job, top, left, c);
        const int32_t value = ((job->k ? job->k[c] : 1) * acc + job->bias[c]) >> job->shift;
        *y++ = (uint8_t)(value < 0 ? 0 : value > job->largest ? job->largest : value);
      }
    }
  }
  job->is_done = 1;
}

static int is_early(void) {
  const char *const mode = getenv("PULP_ENGINES");
  if (!mode || !strcmp(mode, "late")) {
    return 0;
  }
  if (strcmp(mode, "early")) {
    pulp_fault(PULP_EXIT_USAGE, "PULP_ENGINES is '%s'; it may be 'late' or 'early'", mode);
  }
  return 1;
}

void window_model_start(const window_engine_t *engine, pulp_window_job_t *job) {
  pulp_require_core_0(engine->name);
  check_job(engine, job);
  job->is_done = 0;
  if (is_early()) {
    run(engine, job);
  }
}

void window_model_wait(const window_engine_t *engine, pulp_window_job_t *job) {
  pulp_require_core_0(engine->name);
  if (!job->is_done) {
    run(engine, job);
  }
}
