/* pulp_pad, pulp_pad_chw: rows of the map divided over the cores. */
#include <string.h>

#include "pulp_kernels.h"
#include "share.h"

/* One row of `cols` pixels of `pixel` bytes: all of it in the top and bottom border, its ends elsewhere. */
static void pad_row(uint8_t *row, uint32_t y, const pulp_border_t *b, uint32_t pixel, uint8_t value) {
  if (y < b->top || y + b->bottom >= b->rows) {
    memset(row, value, b->cols * pixel);
  } else {
    memset(row, value, b->left * pixel);
    memset(row + (b->cols - b->right) * pixel, value, b->right * pixel);
  }
}

void pulp_pad(uint8_t *map, const pulp_border_t *border, uint8_t value) {
  const uint32_t row_bytes = (uint32_t)border->cols * border->channels;
  const pulp_share_t rows = pulp_my_share(border->rows);
  for (uint32_t y = rows.begin; y < rows.end; y++) {
    pad_row(map + y * row_bytes, y, border, border->channels, value);
  }
  pulp_barrier();
}

void pulp_pad_chw(uint8_t *map, const pulp_border_t *border, uint8_t value) {
  const pulp_share_t rows = pulp_my_share((uint32_t)border->channels * border->rows);
  for (uint32_t i = rows.begin; i < rows.end; i++) {
    pad_row(map + i * border->cols, i % border->rows, border, 1, value);
  }
  pulp_barrier();
}
