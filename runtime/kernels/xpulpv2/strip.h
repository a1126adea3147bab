/* Outputs of a depthwise convolution along a row, from copies of its windows' rows that have one channel
 * each.
 *
 * A word of a row serves all outputs whose windows it touches: with stride 1 four windows begin in a word,
 * with stride 2 two. Each has weights of its own, moved to the lanes where its window begins. */
#ifndef PULP_STRIP_H
#define PULP_STRIP_H

#include <stdint.h>

enum { STRIP_OUTPUTS = 8 }; /* that are computed at a time; more than `count` are not stored */

/* Windows that begin in a word. */
static inline uint32_t pulp_windows_in_word(uint32_t stride) { return stride == 1 ? 4 : 2; }

/* The assembly knows the offsets. */
typedef struct {
  const uint8_t *const *rows; /* of the windows, word-aligned; two more entries are read and not used */
  const uint32_t *weights;    /* by row, word of the row, window that begins in the first word */
  uint32_t offset;            /* from where `rows` points to the first channel's first window */
  uint32_t height, words;     /* of the windows that begin in a word, together; at least 1 */
  uint8_t *out;
  uint32_t out_stride;    /* from an output to the next */
  uint32_t count;         /* of a channel's outputs, at least 1 */
  const void *k, *lambda; /* of the first channel: int32, wide: int64 */
  uint32_t shift;         /* wide: beyond 32 */
  uint32_t low_bits;      /* split only */
  uint32_t channels;      /* at least 1 */
  uint32_t filter, pitch; /* from a channel's weights, and rows, to the next channel's; bytes */
} pulp_strip_t;

void pulp_strip_stride1(const pulp_strip_t *strip);
void pulp_strip_stride2(const pulp_strip_t *strip);
void pulp_strip_split_stride1(const pulp_strip_t *strip);
void pulp_strip_split_stride2(const pulp_strip_t *strip);
void pulp_strip_wide_stride1(const pulp_strip_t *strip);
void pulp_strip_wide_stride2(const pulp_strip_t *strip);

#endif
