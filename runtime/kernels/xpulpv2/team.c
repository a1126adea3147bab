/* pulp_my_part: this is done for every tile, so it does without division. */
#include "team.h"

/* The windows that the core with most of them needn't compute. */
static uint32_t least_saved(const pulp_load_t *load, uint32_t sharers) {
  const uint32_t least = load->top < load->bottom ? load->top : load->bottom;
  return sharers == 1 ? load->top + load->bottom : sharers == 2 ? least : 0;
}

/* The part of core `index` of those that share `items` items, `part` each. */
static pulp_share_t part_of(uint32_t items, uint32_t part, uint32_t index) {
  const uint32_t begin = part * index < items ? part * index : items;
  return (pulp_share_t){begin, begin + part < items ? begin + part : items};
}

/* 2^n cores share the channels, the others the pixels. What takes least time is known from block_asm.S. */
static __attribute__((noinline)) pulp_part_t best_part(const pulp_load_t *load) {
  const uint32_t cores = pulp_num_cores(), core = pulp_core_id(), pixels = load->pixels;
  const uint32_t blocks = (load->channels + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS;
  const uint32_t words = load->filter_bytes / 4, block_pixel = 5 * words + 19, block = 4 * words + 64;
  const int is_power = (cores & (cores - 1)) == 0 && cores <= 8;
  const uint32_t cores_log = is_power ? (cores >> 1) - (cores >> 3) : 0;
  uint32_t best_cycles = UINT32_MAX, best_log = 0, best_pixels = pixels, best_blocks = blocks;
  for (uint32_t log = 0; log <= cores_log; log++) {
    const uint32_t sharers = cores >> log;
    const uint32_t own_pixels =
        is_power ? (pixels + sharers - 1) >> (cores_log - log) : (pixels + sharers - 1) / sharers;
    const uint32_t own_blocks = (blocks + (1u << log) - 1) >> log;
    const uint32_t groups = (own_pixels + BLOCK_PIXELS - 1) / BLOCK_PIXELS;
    const uint32_t used_pixels = own_pixels - least_saved(load, sharers);
    const uint32_t cycles = own_blocks * (used_pixels * block_pixel + groups * block) + groups * 45 +
                            own_pixels * load->pixel_cycles;
    if (cycles < best_cycles) {
      best_cycles = cycles;
      best_log = log;
      best_pixels = own_pixels;
      best_blocks = own_blocks;
    }
  }
  return (pulp_part_t){
      part_of(pixels, best_pixels, core >> best_log),
      pulp_block_channels(part_of(blocks, best_blocks, core & ((1u << best_log) - 1)), load->channels)};
}

/* Whole groups of pixels for every core need no comparison. */
pulp_part_t pulp_my_part(const pulp_load_t *load) {
  const uint32_t cores = pulp_num_cores(), pixels = load->pixels;
  const int is_even = (cores & (cores - 1)) == 0 && (pixels & (BLOCK_PIXELS * cores - 1)) == 0;
  if (!is_even || load->top + load->bottom > 0) {
    return best_part(load);
  }
  const uint32_t own = pulp_divide_up(pixels, cores), first = own * pulp_core_id();
  return (pulp_part_t){{first, first + own}, {0, load->channels}};
}
