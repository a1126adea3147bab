#include "box.h"

#include <stddef.h>
#include <string.h>

const char *pulp_box_flaw(const pulp_box_t *box, pulp_l1_layout_t layout) {
  if (!box->rows || !box->cols || !box->channels) {
    return "empty transfer";
  }
  const uint64_t l2_row = (uint64_t)(box->cols - 1) * box->l2_pixel + box->channels;
  const uint64_t l1_row = layout == PULP_HWC ? (uint64_t)box->cols * box->channels : box->cols;
  const uint64_t l1_plane = (uint64_t)(box->rows - 1) * box->l1_row + box->cols;
  if ((box->cols > 1 && box->l2_pixel < box->channels) || (box->rows > 1 && box->l2_row < l2_row)) {
    return "pixels or rows overlap in L2";
  }
  if ((box->rows > 1 && box->l1_row < l1_row) ||
      (layout == PULP_CHW && box->channels > 1 && box->l1_plane < l1_plane)) {
    return "rows or planes overlap in L1";
  }
  return NULL;
}

uint64_t pulp_box_l1_span(const pulp_box_t *box, pulp_l1_layout_t layout) {
  const uint64_t rows = (uint64_t)(box->rows - 1) * box->l1_row;
  if (layout == PULP_HWC) {
    return rows + (uint64_t)box->cols * box->channels;
  }
  return (uint64_t)(box->channels - 1) * box->l1_plane + rows + box->cols;
}

uint64_t pulp_box_l2_span(const pulp_box_t *box) {
  return (uint64_t)(box->rows - 1) * box->l2_row + (uint64_t)(box->cols - 1) * box->l2_pixel + box->channels;
}

uint32_t pulp_box_bytes(const pulp_box_t *box) { return box->rows * box->cols * box->channels; }

static void gather_pixel(uint8_t *l1, const uint8_t *l2, const pulp_box_t *box) {
  for (uint32_t c = 0; c < box->channels; c++) {
    l1[c * box->l1_plane] = l2[c];
  }
}

void pulp_box_copy_in(uint8_t *l1, const uint8_t *l2, const pulp_box_t *box, pulp_l1_layout_t layout) {
  for (uint32_t y = 0; y < box->rows; y++) {
    for (uint32_t x = 0; x < box->cols; x++) {
      const uint8_t *const from = l2 + y * box->l2_row + x * box->l2_pixel;
      if (layout == PULP_HWC) {
        memcpy(l1 + y * box->l1_row + x * box->channels, from, box->channels);
      } else {
        gather_pixel(l1 + y * box->l1_row + x, from, box);
      }
    }
  }
}

void pulp_box_copy_out(uint8_t *l2, const uint8_t *l1, const pulp_box_t *box) {
  for (uint32_t y = 0; y < box->rows; y++) {
    for (uint32_t x = 0; x < box->cols; x++) {
      memcpy(l2 + y * box->l2_row + x * box->l2_pixel, l1 + y * box->l1_row + x * box->channels,
             box->channels);
    }
  }
}

void pulp_box_fill_l1(uint8_t *l1, const pulp_box_t *box, pulp_l1_layout_t layout, uint8_t value) {
  const uint32_t planes = layout == PULP_HWC ? 1 : box->channels;
  const uint32_t row = layout == PULP_HWC ? box->cols * box->channels : box->cols;
  for (uint32_t p = 0; p < planes; p++) {
    for (uint32_t y = 0; y < box->rows; y++) {
      memset(l1 + p * box->l1_plane + y * box->l1_row, value, row);
    }
  }
}

void pulp_box_fill_l2(uint8_t *l2, const pulp_box_t *box, uint8_t value) {
  for (uint32_t y = 0; y < box->rows; y++) {
    for (uint32_t x = 0; x < box->cols; x++) {
      memset(l2 + y * box->l2_row + x * box->l2_pixel, value, box->channels);
    }
  }
}

/* Commands for `lines` lines of `line_bytes` each, evenly spaced in L2. */
static uint32_t line_commands(uint32_t lines, uint32_t line_bytes) {
  if (line_bytes > PULP_MCHAN_MAX_BYTES) {
    return lines * ((line_bytes - 1) / PULP_MCHAN_MAX_BYTES + 1);
  }
  const uint32_t lines_each = PULP_MCHAN_MAX_BYTES / line_bytes;
  return (lines - 1) / lines_each + 1;
}

/* Commands for a box whose pixels have `pixel_bytes` and follow one another in L1. */
static uint32_t plane_commands(const pulp_box_t *box, uint32_t pixel_bytes) {
  const uint32_t row_bytes = box->cols * pixel_bytes;
  const int contiguous_l1 = box->rows == 1 || box->l1_row == row_bytes;
  const int contiguous_rows = box->cols == 1 || box->l2_pixel == pixel_bytes;
  if (contiguous_rows && contiguous_l1) {
    const int contiguous_l2 = box->rows == 1 || box->l2_row == row_bytes;
    return contiguous_l2 ? line_commands(1, box->rows * row_bytes) : line_commands(box->rows, row_bytes);
  }
  if (contiguous_rows) {
    return box->rows * line_commands(1, row_bytes);
  }
  const int even_pixels = box->rows == 1 || box->l2_row == box->cols * box->l2_pixel;
  if (even_pixels && contiguous_l1) {
    return line_commands(box->rows * box->cols, pixel_bytes);
  }
  return box->rows * line_commands(box->cols, pixel_bytes);
}

uint32_t pulp_box_commands(const pulp_box_t *box, pulp_l1_layout_t layout) {
  return layout == PULP_HWC ? plane_commands(box, box->channels) : box->channels * plane_commands(box, 1);
}
