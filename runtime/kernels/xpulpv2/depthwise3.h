/* Depthwise 3x3 with stride 1 or 2 for two channels, walking along the rows.
 *
 * A column of the window, three input pixels of two channels, becomes two vectors of three lanes (one a
 * channel) that meet the weights of that column. Stride 1: a column serves three outputs, of which two are
 * under way at a time. Stride 2: a column serves one output or two. */
#ifndef PULP_DEPTHWISE3_H
#define PULP_DEPTHWISE3_H

#include <stdint.h>

/* Output rows of which the same window rows lie in the map. The assembly knows the offsets. */
typedef struct {
  const uint8_t *in;           /* first pixel of the first window row in the map, channel 0 */
  uint32_t rows;               /* at least 1 */
  int32_t to_second, to_third; /* from window row to window row; 0 where the next one lies outside */
  int32_t to_next;             /* from the last window row to the first one's next column */
  uint32_t lanes;              /* 0xff in the lanes of the window rows in the map */
} pulp_rows_t;

typedef struct {
  const pulp_rows_t *runs;
  uint32_t n_runs;    /* at least 1 */
  uint32_t channel;   /* the first of the two */
  uint8_t *out;       /* its first output */
  int32_t out_stride; /* from a pixel's outputs to the next pixel's */
  int32_t row_step;   /* between the input rows of two output rows */
  uint32_t first;     /* 1: the first window has its left column in the map */
  uint32_t whole;     /* windows with their right column in the map (but perhaps not the left) */
  uint32_t last;      /* 1: one more window without its right column */
  uint32_t shift;
  int32_t k[2], lambda[2];
  uint32_t weights[2][3]; /* by channel and column; lane = row, lane 3 is anything */
} pulp_depthwise3_t;

void pulp_depthwise3_stride1(const pulp_depthwise3_t *job);
void pulp_depthwise3_stride2(const pulp_depthwise3_t *job);

/* Not requantized: `out` is an array of int32, the two channels' accumulators of each output in turn. */
void pulp_depthwise3_raw_stride1(const pulp_depthwise3_t *job);
void pulp_depthwise3_raw_stride2(const pulp_depthwise3_t *job);

#endif
