/* The adder's driver. One job runs, one may wait. */
#ifndef ADDER_H
#define ADDER_H

#include <stdint.h>

/* y[i] = clip((k1 * x[i] + k2 * x2[i] + lambda) >> shift, 0, 255) */
typedef struct {
  const uint8_t *x, *x2;
  uint8_t *y;
  uint32_t elements, shift;
  int32_t k1, k2, lambda;
} adder_job_t;

void adder_start(const adder_job_t *job);
void adder_wait(const adder_job_t *job);

#endif
