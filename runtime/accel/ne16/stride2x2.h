/* Tiles of 2 x 2 outputs, into which a convolution with stride 2 is cut. */
#ifndef NE16_STRIDE2X2_H
#define NE16_STRIDE2X2_H

#include "pulp_nnx_ne16.h"

/* The first of a tile's two outputs on an axis of `size`: an odd last one is computed with the one before. */
static inline uint32_t ne16_first_output(uint32_t tile, uint32_t size) {
  return tile > 0 && size % 2 ? 2 * tile - 1 : 2 * tile;
}

/* Makes the task of tile (i, j) of rows x columns from that of the whole. */
static inline void ne16_set_tile(ne16_task_t *task, const ne16_task_data_t *whole, uint32_t i, uint32_t j,
                                 uint32_t h_out, uint32_t w_out) {
  const ne16_stride_t in = whole->cfg.input_stride, out = whole->cfg.output_stride;
  const uint32_t y = ne16_first_output(i, h_out), x = ne16_first_output(j, w_out);
  task->data.infeat_addr = whole->infeat_addr + 2 * (y * in.d1 + x * in.d0);
  task->data.outfeat_addr = whole->outfeat_addr + 2 * (y * out.d2 + x * out.d1);
  task->data.cfg.padding = ne16_get_tile_padding(whole->cfg.padding, i, j, (h_out + 1) / 2, (w_out + 1) / 2);
}

#endif
