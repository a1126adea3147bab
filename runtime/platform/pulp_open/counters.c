/* Counters by layer. What runs is counted in L1 by core 0; the table of all layers is in L2. */
#include "counters.h"

#include "cluster.h"
#include "fault.h"
#include "registers.h"
#include "stats.h"
#include "stats_json.h"

#define MAX_LAYERS 256

pulp_counters_t pulp_counters PULP_L1_DATA;

static struct {
  pulp_layer_stats_t layers[MAX_LAYERS];
  unsigned n_layers, current;
  uint64_t inference_cycles, cluster_cycles;
  uint32_t inference_begin, cluster_begin;
} table;

/* Layers mostly follow one another as in the inference before. A layer beyond the table stays uncounted,
 * which pulp_stats_write reports. */
static unsigned find(const pulp_layer_info_t *layer) {
  const unsigned next = table.current + 1;
  if (next < table.n_layers && table.layers[next].layer == layer) {
    return next;
  }
  unsigned i = 0;
  while (i < table.n_layers && table.layers[i].layer != layer) {
    i++;
  }
  if (i == table.n_layers) {
    table.n_layers++;
    if (i < MAX_LAYERS) {
      table.layers[i].layer = layer;
    }
  }
  return i;
}

void pulp_layer_begin(const pulp_layer_info_t *layer, const pulp_l2_range_t *l2, unsigned n_l2) {
  (void)l2;
  (void)n_l2;
  table.current = find(layer);
  pulp_counters = (pulp_counters_t){.begin = pulp_cycles()};
}

void pulp_layer_end(void) {
  const uint32_t cycles = pulp_cycles() - pulp_counters.begin;
  if (table.current >= MAX_LAYERS) {
    return;
  }
  pulp_layer_stats_t *const layer = &table.layers[table.current];
  layer->runs++;
  for (int i = 0; i < 2; i++) {
    layer->commands[i] += pulp_counters.commands[i];
    layer->bytes[i] += pulp_counters.bytes[i];
  }
  layer->cycles += cycles;
  layer->dma_wait_cycles += pulp_counters.dma_wait;
}

void pulp_stats_begin_inference(void) { table.inference_begin = pulp_cycles(); }

void pulp_stats_end_inference(void) { table.inference_cycles += pulp_cycles() - table.inference_begin; }

void pulp_counters_begin_cluster(void) { table.cluster_begin = pulp_cycles(); }

void pulp_counters_end_cluster(void) { table.cluster_cycles += pulp_cycles() - table.cluster_begin; }

int pulp_stats_write(const char *path, const char *network, uint32_t inferences) {
  if (table.n_layers > MAX_LAYERS) {
    pulp_fault(PULP_EXIT_FAULT, "the network has more than %d layers, too many to count", MAX_LAYERS);
  }
  return pulp_stats_write_json(path, &(pulp_run_stats_t){.network = network,
                                                         .inferences = inferences,
                                                         .layers = table.layers,
                                                         .n_layers = table.n_layers,
                                                         .has_cycles = 1,
                                                         .inference_cycles = table.inference_cycles,
                                                         .cluster_cycles = table.cluster_cycles});
}
