/* Products of 2 output channels with pixels whose windows are 7 words, for windows of 25 to 28 bytes: the
 * first layer's, 3x3 of 3 channels. The weights stay in registers. */
#ifndef PULP_PAIRS_H
#define PULP_PAIRS_H

#include <stdint.h>

enum { PAIR_CHANNELS = 2, PAIR_WORDS = 7 };

/* The assembly knows the offsets. */
typedef struct {
  const uint8_t *x;          /* the first pixel's window, word-aligned; the others follow */
  const int8_t *w;           /* the first channel's weights; up to 3 bytes behind the last are read */
  uint8_t *out;              /* the first pixel's first output */
  const int32_t *k, *lambda; /* of the first channel */
  uint32_t pairs, pixels;    /* at least 1 */
  int32_t w_stride;          /* from a channel's weights to the next channel's */
  int32_t out_stride;        /* from a pixel's outputs to the next pixel's */
  uint32_t shift;
  uint32_t low_bits; /* split only */
} pulp_pairs_t;

void pulp_pairs(const pulp_pairs_t *job);
void pulp_pairs_split(const pulp_pairs_t *job);

#endif
