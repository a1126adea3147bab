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

/* What is to be divided: windows of `filter_bytes`, each of which costs its reader `pixel_cycles` more. The
 * windows of the first and last rows leave the map: what lies outside makes as much as `top` and `bottom`
 * windows. */
typedef struct {
  uint32_t pixels, channels, filter_bytes, pixel_cycles, top, bottom;
} pulp_load_t;

/* The calling core's part: rectangles of pixels and blocks of channels, such that the largest takes least
 * time. */
pulp_part_t pulp_my_part(const pulp_load_t *load);

#endif
