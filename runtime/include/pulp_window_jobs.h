/* Jobs of the engines of DIANA and Darkside: one tile of a convolution, operands in L1. Core 0 starts a job,
 * may start the next one, and waits for the first; jobs are done in the order in which they were started.
 * Only a functional model exists of these engines (runtime/accel/window/model): it computes what a job says,
 * without its timing. */
#ifndef PULP_WINDOW_JOBS_H
#define PULP_WINDOW_JOBS_H

#include <stdint.h>

#include "pulp_kernels.h"

/* y = clip((k[c] * acc + bias[c]) >> shift, 0, largest); where `k` is NULL it counts as 1. Maps are HWC,
 * weights Co-Ky-Kx-Ci, or C-Ky-Kx if `depthwise`; outside the map the input counts as 0. */
typedef struct {
  const uint8_t *x;
  const int8_t *weights;
  const int32_t *k, *bias;
  uint8_t *y;
  pulp_window_t window;
  uint16_t shift;
  uint8_t largest;
  uint8_t depthwise;
  uint8_t is_done; /* the model's */
} pulp_window_job_t;

/* Darkside's depthwise engine: 3x3, int8 weights, scaled in 32 bits, outputs up to 255. */
void darkside_depthwise_start(pulp_window_job_t *job);
void darkside_depthwise_wait(pulp_window_job_t *job);

/* DIANA's digital array: int8 weights, at most 64 KiB of them, outputs up to 255 or 63, no scale. */
void diana_digital_start(pulp_window_job_t *job);
void diana_digital_wait(pulp_window_job_t *job);

/* DIANA's analog array: weights -1, 0 and 1, inputs up to 127, outputs up to 63, no scale. */
void diana_analog_start(pulp_window_job_t *job);
void diana_analog_wait(pulp_window_job_t *job);

#endif
