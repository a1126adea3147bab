/* Counters of DMA traffic, and where there is a clock of cycles, by layer, over the whole run of a program.
 */
#ifndef PULP_STATS_H
#define PULP_STATS_H

#include <stdint.h>

#include "pulp_runtime.h"

typedef enum { PULP_DMA_L2_TO_L1, PULP_DMA_L1_TO_L2, PULP_L3_TO_L2, PULP_L2_TO_L3 } pulp_dma_direction_t;
#define PULP_DMA_DIRECTIONS 4

typedef struct {
  const pulp_layer_info_t *layer;
  uint64_t runs, commands[PULP_DMA_DIRECTIONS], bytes[PULP_DMA_DIRECTIONS]; /* by pulp_dma_direction_t */
  uint64_t cycles, dma_wait_cycles, l3_wait_cycles; /* all, and those in which core 0 waited for DMA or L3 */
} pulp_layer_stats_t;

/* Following commands count for `layer`. A layer is known by its address; name and address must stay valid. */
void pulp_stats_begin_layer(const pulp_layer_info_t *layer);

void pulp_stats_count(pulp_dma_direction_t direction, uint32_t commands, uint32_t bytes);

/* Around each inference. */
void pulp_stats_begin_inference(void);
void pulp_stats_end_inference(void);

/* Writes all counters as JSON:
 *
 *   {"network": "net", "inferences": 2,
 *    "layers": [{"name": "conv", "runs": 2, "commands_in": 8, "commands_out": 4, "bytes_in": 96, "bytes_out":
 * 64}], "total": {"runs": 2, "commands_in": 8, "commands_out": 4, "bytes_in": 96, "bytes_out": 64}}
 *
 * Layers in the order of their first run; numbers are sums over all inferences. A platform that counts cycles
 * adds "cycles" and "dma_wait_cycles" to each layer and to the total, and the network's "inference_cycles"
 * and "cluster_cycles": from the call to the return of the network, and of its regions on the cluster. 0, or
 * not 0 if the file can't be written.
 *
 * A layer during which L3 was used has also "l3_commands_in", "l3_commands_out", "l3_bytes_in" (to L2) and
 * "l3_bytes_out", of transfers that it started; where cycles are counted every layer has "l3_wait_cycles". */
int pulp_stats_write(const char *path, const char *network, uint32_t inferences);

#endif
