/* How a kernel's output, pixels times channels, is divided over the team. */
#ifndef PULP_TEAM_H
#define PULP_TEAM_H

#include "../portable/share.h"
#include "block.h"

typedef struct {
  pulp_share_t pixels, channels;
} pulp_part_t;

/* The parts are rectangles of pixels and blocks of channels: cores are divided into those that share the
 * pixels and those that share the channels such that the largest part takes least time. */
static inline pulp_part_t pulp_my_part(uint32_t pixels, uint32_t channels) {
  const uint32_t cores = pulp_num_cores(), core = pulp_core_id();
  const uint32_t blocks = (channels + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS;
  uint32_t best_log = 0, best_cost = UINT32_MAX;
  for (uint32_t log = 0; cores >> log << log == cores && cores >> log > 0; log++) { /* 2^log share channels */
    const uint32_t own_pixels = (pixels + (cores >> log) - 1) / (cores >> log);
    const uint32_t own_blocks = (blocks + (1u << log) - 1) >> log;
    /* cycles of an inner loop for these pixels, see block.h */
    const uint32_t cost =
        (5 * own_pixels + 4 * ((own_pixels + BLOCK_PIXELS - 1) / BLOCK_PIXELS)) * own_blocks;
    if (cost < best_cost) {
      best_cost = cost;
      best_log = log;
    }
  }
  pulp_share_t own = pulp_share(blocks, core & ((1u << best_log) - 1), 1u << best_log);
  own.begin *= BLOCK_CHANNELS;
  own.end = own.end * BLOCK_CHANNELS < channels ? own.end * BLOCK_CHANNELS : channels;
  return (pulp_part_t){pulp_share(pixels, core >> best_log, cores >> best_log), own};
}

#endif
