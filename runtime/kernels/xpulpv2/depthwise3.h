/* Depthwise 3x3 with stride 1 or 2 for pairs of channels, walking along the rows.
 *
 * A column of the window, three input pixels of two channels, becomes two vectors of three lanes (one a
 * channel) that meet the weights of that column. Stride 1: a column serves three outputs, of which two are
 * under way at a time. Stride 2: a column serves one output or two. */
#ifndef PULP_DEPTHWISE3_H
#define PULP_DEPTHWISE3_H

#include <stdint.h>

/* Output rows of which the same window rows lie in the map. The assembly knows the offsets. */
typedef struct {
  const uint8_t *in; /* first pixel of the first row that is read, channel 0 */
  uint32_t rows;     /* at least 1 */
  int32_t pitch;     /* to the second row that is read, and from there to the third */
  int32_t to_next;   /* from the third row to the first one's next column */
  /* Where the lanes come from. The second channel's vector is made of the third row's two bytes and two zeros
   * (0 to 3) and of the first two rows' bytes, channel by channel (4 to 7); the first channel's is made of
   * the first two rows' bytes (0 to 3) and the second channel's vector (4 to 7). */
  uint32_t second_lanes, first_lanes;
} pulp_rows_t;

enum { DEPTHWISE3_FIRST = 1, DEPTHWISE3_ODD = 2, DEPTHWISE3_LAST = 4 };

typedef struct {
  const pulp_rows_t *runs, *runs_end; /* at least one */
  uint32_t pairs;                     /* of channels, at least 1 */
  const int8_t *weight;               /* of the first channel */
  const void *k, *lambda;             /* of the first channel: int32, wide: int64 */
  uint32_t channel;                   /* the first */
  uint8_t *out;                       /* its first output */
  int32_t out_stride;                 /* from a pixel's outputs to the next pixel's */
  int32_t row_gap;                    /* from behind the columns of an output row to the next one's */
  uint32_t flags;         /* FIRST: the first window has its left column in the map; LAST: after the
                             whole windows comes one without its right column; ODD: see steps */
  uint32_t steps;         /* at least 1. Windows with their right column in the map (but perhaps not the
                             left): stride 1: 2 * steps, if ODD one less; stride 2: steps */
  uint32_t shift;         /* wide: beyond 32 */
  const pulp_rows_t *run; /* the assembly's */
  uint32_t low_bits;      /* split only: at most 12 */
  uint32_t again;         /* 1: another core computes the first channel, too, and may store it by itself */
} pulp_depthwise3_t;

/* All leave the job changed. `wide`: with 64-bit requantization, `split`: with multipliers in two parts. */
void pulp_depthwise3_stride1(pulp_depthwise3_t *job);
void pulp_depthwise3_stride2(pulp_depthwise3_t *job);
void pulp_depthwise3_split_stride1(pulp_depthwise3_t *job);
void pulp_depthwise3_split_stride2(pulp_depthwise3_t *job);
void pulp_depthwise3_wide_stride1(pulp_depthwise3_t *job);
void pulp_depthwise3_wide_stride2(pulp_depthwise3_t *job);

#endif
