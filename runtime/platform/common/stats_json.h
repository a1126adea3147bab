/* The text of pulp_stats_write. */
#ifndef PULP_STATS_JSON_H
#define PULP_STATS_JSON_H

#include "stats.h"

typedef struct {
  const char *network;
  uint32_t inferences;
  const pulp_layer_stats_t *layers;
  unsigned n_layers;
  int has_cycles;
  uint64_t inference_cycles, cluster_cycles; /* if has_cycles */
} pulp_run_stats_t;

/* 0, or not 0 if the file can't be written. */
int pulp_stats_write_json(const char *path, const pulp_run_stats_t *run);

#endif
