/* Products of 4 output channels with 1 to 4 pixels, the accumulators in registers, requantized.
 *
 * A window is `rows` segments of `words` words. A segment is contiguous in the input, where the next pixel's
 * window lies `x_stride` bytes further, and in the weights, where the next channel's lie `w_stride` bytes
 * further. */
#ifndef PULP_BLOCK_H
#define PULP_BLOCK_H

#include <stdint.h>

enum { BLOCK_CHANNELS = 4, BLOCK_PIXELS = 4 };

/* The assembly knows the offsets. */
typedef struct {
  const uint8_t *x;       /* the first pixel's window */
  const int8_t *w;        /* the first channel's weights */
  uint8_t *out;           /* the first pixel's first output */
  const void *k, *lambda; /* of the first channel: int32, wide: int64 */
  uint32_t blocks;        /* of 4 channels, at least 1 */
  uint32_t groups;        /* of pixels in a line, at least 1; only pulp_block_4 knows more than one */
  int32_t x_stride, w_stride;
  int32_t x_back, w_back; /* from the last pixel's (channel's) word to the first's next word */
  uint32_t words, rows;   /* at least 1 */
  int32_t x_skip, w_skip; /* from a segment's end to the next segment */
  int32_t w_step;         /* from where the last segment's skip leads to the next block's weights */
  int32_t out_stride;     /* from a pixel's outputs to the next pixel's */
  uint32_t shift;         /* wide: beyond 32 */
  uint32_t low_bits;      /* split only */
  uint32_t lines;         /* of groups, at least 1 */
  int32_t x_line;         /* from a line's first window to the next line's */
  int32_t out_line;       /* the same of outputs */
} pulp_block_t;

/* Groups of 1, 2, 3, 4 pixels. */
void pulp_block_1(const pulp_block_t *block);
void pulp_block_2(const pulp_block_t *block);
void pulp_block_3(const pulp_block_t *block);
void pulp_block_4(const pulp_block_t *block);

/* The same as pulp_block_4 for windows of one row of at least two words: faster. */
void pulp_block_row_4(const pulp_block_t *block);

/* With multipliers in two parts. */
void pulp_block_split_1(const pulp_block_t *block);
void pulp_block_split_2(const pulp_block_t *block);
void pulp_block_split_3(const pulp_block_t *block);
void pulp_block_split_4(const pulp_block_t *block);
void pulp_block_split_row_4(const pulp_block_t *block);

/* With 64-bit requantization. */
void pulp_block_wide_1(const pulp_block_t *block);
void pulp_block_wide_2(const pulp_block_t *block);
void pulp_block_wide_3(const pulp_block_t *block);
void pulp_block_wide_4(const pulp_block_t *block);

/* Not requantized, but added to the int32 that are at `out`: `k` isn't read, and `lambda`, `shift` and
 * `low_bits` aren't used. */
void pulp_block_add_1(const pulp_block_t *block);
void pulp_block_add_2(const pulp_block_t *block);
void pulp_block_add_3(const pulp_block_t *block);
void pulp_block_add_4(const pulp_block_t *block);
void pulp_block_add_row_4(const pulp_block_t *block);

/* One group of pixels and one block of channels, not requantized: `out` is an array of int32, the
 * accumulators of the first pixel's 4 channels, then the next pixel's. `k`, `lambda`, `out_stride`, `shift`,
 * `low_bits` and what leads to other lines aren't used. */
void pulp_block_raw_1(const pulp_block_t *block);
void pulp_block_raw_2(const pulp_block_t *block);
void pulp_block_raw_3(const pulp_block_t *block);
void pulp_block_raw_4(const pulp_block_t *block);

#endif
