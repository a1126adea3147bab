/* pulp_pad, pulp_pad_chw: the rows above and below the map are one piece of memory each, divided evenly over
 * the cores; the ends of the others go row by row. */
#include "../portable/share.h"
#include "pulp_kernels.h"
#include "xpulp.h"

/* memset with a byte that is in all lanes of `value`. */
static void fill(uint8_t *to, uint32_t value, uint32_t bytes) {
  uint8_t *const end = to + bytes;
#if XPULP_ASM
  if (bytes >= 4) {
    __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[n]", 2) XP_SWI("%[value]", "%[to]", "4") "nop\n" XP_END
                     : [to] "+r"(to)
                     : [n] "r"(bytes / 4), [value] "r"(value)
                     : "memory");
  }
#endif
  while (to < end) {
    *to++ = (uint8_t)value;
  }
}

static void fill_share(uint8_t *to, uint32_t value, uint32_t bytes) {
  const pulp_share_t words = pulp_my_share((bytes + 3) / 4);
  if (words.begin < words.end) {
    const uint32_t end = 4 * words.end < bytes ? 4 * words.end : bytes;
    fill(to + 4 * words.begin, value, end - 4 * words.begin);
  }
}

/* A map of `pixel` bytes a pixel; `rows` are the calling core's of the rows between top and bottom. */
static void pad(uint8_t *map, const pulp_border_t *b, uint32_t pixel, uint32_t value, pulp_share_t rows) {
  const uint32_t row = b->cols * pixel, left = b->left * pixel, right = b->right * pixel;
  uint8_t *p = map + (b->top + rows.begin) * row;
  for (uint32_t y = rows.begin; y < rows.end; y++, p += row) {
    fill(p, value, left);
    fill(p + row - right, value, right);
  }
}

void pulp_pad(uint8_t *map, const pulp_border_t *border, uint8_t value) {
  const uint32_t values = value * 0x01010101u, row = (uint32_t)border->cols * border->channels;
  fill_share(map, values, border->top * row);
  fill_share(map + (uint32_t)(border->rows - border->bottom) * row, values, border->bottom * row);
  if (border->left + border->right > 0) {
    const uint32_t rows = (uint32_t)border->rows - border->top - border->bottom;
    pad(map, border, border->channels, values, pulp_my_share(rows));
  }
  pulp_barrier();
}

void pulp_pad_chw(uint8_t *map, const pulp_border_t *border, uint8_t value) {
  const uint32_t values = value * 0x01010101u, row = border->cols, plane = row * border->rows;
  const pulp_share_t channels = pulp_my_share(border->channels);
  const pulp_share_t rows = {0, (uint32_t)border->rows - border->top - border->bottom};
  for (uint32_t c = channels.begin; c < channels.end; c++) {
    fill(map + c * plane, values, border->top * row);
    fill(map + (c + 1) * plane - border->bottom * row, values, border->bottom * row);
    pad(map + c * plane, border, 1, values, rows);
  }
  pulp_barrier();
}
