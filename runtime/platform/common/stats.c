#include "stats.h"

#include <stdlib.h>

#include "fault.h"
#include "stats_json.h"

static struct {
  pulp_layer_stats_t *layers;
  unsigned n_layers, current;
} stats;

static void release(void) {
  free(stats.layers);
  stats.layers = NULL;
  stats.n_layers = 0;
}

static void append(const pulp_layer_info_t *layer) {
  if (!stats.layers) {
    atexit(release);
  }
  pulp_layer_stats_t *const layers = realloc(stats.layers, (stats.n_layers + 1) * sizeof(*layers));
  if (!layers) {
    pulp_fault(PULP_EXIT_FAULT, "layer '%s': out of memory for its counters", layer->name);
  }
  layers[stats.n_layers++] = (pulp_layer_stats_t){.layer = layer};
  stats.layers = layers;
}

void pulp_stats_begin_layer(const pulp_layer_info_t *layer) {
  stats.current = 0;
  while (stats.current < stats.n_layers && stats.layers[stats.current].layer != layer) {
    stats.current++;
  }
  if (stats.current == stats.n_layers) {
    append(layer);
  }
  stats.layers[stats.current].runs++;
}

void pulp_stats_count(pulp_dma_direction_t direction, uint32_t commands, uint32_t bytes) {
  stats.layers[stats.current].commands[direction] += commands;
  stats.layers[stats.current].bytes[direction] += bytes;
}

/* Nothing is timed: cycles of these platforms would say nothing about a device. */
void pulp_stats_begin_inference(void) {}

void pulp_stats_end_inference(void) {}

int pulp_stats_write(const char *path, const char *network, uint32_t inferences) {
  return pulp_stats_write_json(
      path,
      &(pulp_run_stats_t){
          .network = network, .inferences = inferences, .layers = stats.layers, .n_layers = stats.n_layers});
}
