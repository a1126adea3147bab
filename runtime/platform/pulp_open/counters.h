/* Counters of the layer that runs. */
#ifndef PULP_COUNTERS_H
#define PULP_COUNTERS_H

#include <stdint.h>

typedef struct {
  uint32_t begin, dma_wait;       /* cycles */
  uint32_t commands[2], bytes[2]; /* by pulp_dma_direction_t */
} pulp_counters_t;

/* Only core 0 writes it. */
extern pulp_counters_t pulp_counters;

/* The fabric controller calls these around a region. */
void pulp_counters_begin_cluster(void);
void pulp_counters_end_cluster(void);

#endif
