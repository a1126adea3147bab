/* Counters of the layer that runs. */
#ifndef PULP_COUNTERS_H
#define PULP_COUNTERS_H

#include <stdint.h>

#include "pulp_runtime.h"
#include "stats.h"

typedef struct {
  const pulp_layer_info_t *layer;
  uint32_t cycles, dma_wait, l3_wait; /* while the layer runs, `cycles` is when it began */
  uint32_t commands[PULP_DMA_DIRECTIONS], bytes[PULP_DMA_DIRECTIONS];
} pulp_counters_t;

/* Only core 0 writes it. */
extern pulp_counters_t pulp_counters;

/* The fabric controller calls these around a region. */
void pulp_counters_begin_cluster(void);
void pulp_counters_end_cluster(void);

#endif
