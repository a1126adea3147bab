/* How a kernel's output, pixels times channels, is divided over the team. */
#ifndef PULP_TEAM_H
#define PULP_TEAM_H

#include "../portable/share.h"
#include "block.h"

typedef struct {
  pulp_share_t pixels, channels;
} pulp_part_t;

/* The channels of some blocks, the last of which may not be whole. */
static inline pulp_share_t pulp_block_channels(pulp_share_t blocks, uint32_t channels) {
  const uint32_t begin = BLOCK_CHANNELS * blocks.begin, end = BLOCK_CHANNELS * blocks.end;
  return (pulp_share_t){begin < channels ? begin : channels, end < channels ? end : channels};
}

/* Cycles of `pixels` pixels with `blocks` blocks of channels of `words` words each: what block_asm.S takes.
 */
static inline uint32_t pulp_block_cycles(uint32_t pixels, uint32_t blocks, uint32_t words) {
  const uint32_t groups = (pixels + BLOCK_PIXELS - 1) / BLOCK_PIXELS;
  return blocks * (pixels * (5 * words + 20) + groups * (4 * words + 30));
}

/* The parts are rectangles of pixels and blocks of channels: 2^n cores share the channels, the others the
 * pixels, such that the largest part takes least time. A pixel costs its reader `pixel_cycles` more. */
static inline pulp_part_t pulp_my_part(uint32_t pixels, uint32_t channels, uint32_t filter_bytes,
                                       uint32_t pixel_cycles) {
  const uint32_t cores = pulp_num_cores(), core = pulp_core_id();
  const uint32_t blocks = (channels + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS;
  uint32_t best_log = 0, best_cycles = UINT32_MAX;
  const int even = pixels % (BLOCK_PIXELS * cores) == 0; /* then nothing is better */
  for (uint32_t log = 0; !even && cores >> log << log == cores && cores >> log > 0; log++) {
    const uint32_t sharers = cores >> log;
    const uint32_t own_pixels = sharers == 1 ? pixels : (pixels + sharers - 1) / sharers;
    const uint32_t own_blocks = (blocks + (1u << log) - 1) >> log;
    const uint32_t cycles =
        pulp_block_cycles(own_pixels, own_blocks, filter_bytes / 4) + own_pixels * pixel_cycles;
    if (cycles < best_cycles) {
      best_cycles = cycles;
      best_log = log;
    }
  }
  const pulp_share_t own = pulp_share(blocks, core & ((1u << best_log) - 1), 1u << best_log);
  return (pulp_part_t){pulp_share(pixels, core >> best_log, cores >> best_log),
                       pulp_block_channels(own, channels)};
}

/* Cycles of a word of one pixel and of `outputs` channels: blocks, then single outputs. */
static inline uint32_t pulp_word_cycles(uint32_t outputs) {
  return outputs / BLOCK_CHANNELS * 9 + outputs % BLOCK_CHANNELS * 3;
}

/* The calling core's part of the outputs for one pixel: whole blocks, unless some cores would get too many.
 */
static inline pulp_share_t pulp_my_outputs(uint32_t outputs) {
  const pulp_share_t blocks = pulp_my_share((outputs + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS);
  const uint32_t cores = pulp_num_cores();
  const uint32_t most_blocks = (outputs + BLOCK_CHANNELS * cores - 1) / (BLOCK_CHANNELS * cores);
  if (pulp_word_cycles((outputs + cores - 1) / cores) < pulp_word_cycles(BLOCK_CHANNELS * most_blocks)) {
    return pulp_my_share(outputs);
  }
  return pulp_block_channels(blocks, outputs);
}

#endif
