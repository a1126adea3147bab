/* What the functional models of engines that compute windows have in common. */
#ifndef WINDOW_MODEL_H
#define WINDOW_MODEL_H

#include "pulp_window_jobs.h"

/* What an engine can do, `name` for messages. */
typedef struct {
  const char *name;
  uint32_t kernel_area; /* of the largest window, 0 for any */
  uint32_t weight_bytes;
  int32_t largest_weight;
  uint8_t largest_input, largest_outputs[2]; /* either of these */
  uint8_t scales, depthwise_only;
} window_engine_t;

/* Checks the job; computes it with PULP_ENGINES=early. */
void window_model_start(const window_engine_t *engine, pulp_window_job_t *job);

/* Computes the job if that hasn't been done, as late as possible. */
void window_model_wait(const window_engine_t *engine, pulp_window_job_t *job);

#endif
