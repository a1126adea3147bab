/* Counters by layer. So that they cost the cluster little, core 0 only keeps a log of the layers that have
 * run, the first ones in L1; after each region the fabric controller adds it to the table, outside of all
 * timing. */
#include "counters.h"

#include "cluster.h"
#include "fault.h"
#include "profile.h"
#include "registers.h"
#include "stats.h"
#include "stats_json.h"

#define L1_RECORDS 16
#define MAX_RECORDS 256 /* layers of a region */
#define MAX_LAYERS 256  /* of the network */

pulp_counters_t pulp_counters PULP_L1_DATA;

static struct {
  pulp_counters_t records[L1_RECORDS];
  unsigned n_records;
} log_in_l1 PULP_L1_DATA;

static pulp_counters_t log_in_l2[MAX_RECORDS - L1_RECORDS];

static struct {
  pulp_layer_stats_t layers[MAX_LAYERS];
  unsigned n_layers;
  uint64_t inference_cycles, cluster_cycles;
  uint32_t inference_begin, cluster_begin, uncounted;
} table;

void pulp_layer_begin(const pulp_layer_info_t *layer, const pulp_l2_range_t *l2, unsigned n_l2) {
  (void)l2;
  (void)n_l2;
  pulp_counters = (pulp_counters_t){.layer = layer, .cycles = pulp_cycles()};
}

void pulp_layer_end(void) {
  pulp_profile_add_layer(pulp_counters.layer, pulp_counters.cycles);
  pulp_counters.cycles = pulp_cycles() - pulp_counters.cycles;
  const unsigned n = log_in_l1.n_records++;
  if (n < L1_RECORDS) {
    log_in_l1.records[n] = pulp_counters;
  } else if (n < MAX_RECORDS) {
    log_in_l2[n - L1_RECORDS] = pulp_counters;
  }
}

static pulp_layer_stats_t *find(const pulp_layer_info_t *layer) {
  unsigned i = 0;
  while (i < table.n_layers && table.layers[i].layer != layer) {
    i++;
  }
  if (i == MAX_LAYERS) {
    pulp_fault(PULP_EXIT_FAULT, "the network has more than %d layers, too many to count", MAX_LAYERS);
  }
  if (i == table.n_layers) {
    table.layers[table.n_layers++].layer = layer;
  }
  return &table.layers[i];
}

static void add_record(const pulp_counters_t *record) {
  pulp_layer_stats_t *const layer = find(record->layer);
  layer->runs++;
  for (int i = 0; i < PULP_DMA_DIRECTIONS; i++) {
    layer->commands[i] += record->commands[i];
    layer->bytes[i] += record->bytes[i];
  }
  layer->cycles += record->cycles;
  layer->dma_wait_cycles += record->dma_wait;
  layer->l3_wait_cycles += record->l3_wait;
}

static void empty_log(void) {
  const unsigned n = log_in_l1.n_records;
  if (n > MAX_RECORDS) {
    pulp_fault(PULP_EXIT_FAULT, "a region has %u layers; no more than %d can be counted", n, MAX_RECORDS);
  }
  for (unsigned i = 0; i < n; i++) {
    add_record(i < L1_RECORDS ? &log_in_l1.records[i] : &log_in_l2[i - L1_RECORDS]);
  }
  log_in_l1.n_records = 0;
}

void pulp_counters_begin_cluster(void) { table.cluster_begin = pulp_cycles(); }

void pulp_counters_end_cluster(void) {
  const uint32_t end = pulp_cycles();
  table.cluster_cycles += end - table.cluster_begin;
  pulp_profile_end_region(table.cluster_begin, end);
  empty_log();
  table.uncounted += pulp_cycles() - end;
}

void pulp_stats_begin_inference(void) {
  table.uncounted = 0;
  pulp_profile_begin_inference();
  table.inference_begin = pulp_cycles();
}

void pulp_stats_end_inference(void) {
  table.inference_cycles += pulp_cycles() - table.inference_begin - table.uncounted;
  pulp_profile_end_inference(table.inference_begin);
}

#if PULP_PROFILE
static unsigned index_of(const pulp_layer_info_t *layer) { return (unsigned)(find(layer) - table.layers); }
#endif

int pulp_stats_write(const char *path, const char *network, uint32_t inferences) {
#if PULP_PROFILE
  if (pulp_profile_write(index_of)) {
    pulp_fault(PULP_EXIT_FAULT, "the profile is too long for the memory that is left, or can't be written");
  }
#endif
  return pulp_stats_write_json(path, &(pulp_run_stats_t){.network = network,
                                                         .inferences = inferences,
                                                         .layers = table.layers,
                                                         .n_layers = table.n_layers,
                                                         .has_cycles = 1,
                                                         .inference_cycles = table.inference_cycles,
                                                         .cluster_cycles = table.cluster_cycles});
}
