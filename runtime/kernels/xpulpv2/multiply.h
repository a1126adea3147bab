/* Windows times filters: what convolution and pointwise kernels have in common. */
#ifndef PULP_MULTIPLY_H
#define PULP_MULTIPLY_H

#include <stdint.h>

#include "../portable/requant.h"
#include "../portable/share.h"
#include "block.h"
#include "form.h"

/* A window is `rows` segments of `words` words and, if there is one segment, `tail` more bytes; see block.h.
 */
typedef struct {
  uint32_t words, rows, tail;
  int32_t x_stride, w_stride, x_skip, w_skip;
} pulp_segments_t;

typedef struct {
  const int8_t *bias; /* or NULL */
  pulp_nn_output_t output;
  const int64_t *wide_k, *wide_lambda; /* PULP_WIDE's, else NULL */
  uint32_t out_stride;                 /* bytes from a pixel's outputs to the next pixel's */
  pulp_share_t channels;               /* the calling core's */
  pulp_form_t form;                    /* of `output`, which if not narrow isn't PULP-NN's, or not read */
  uint32_t low_bits;                   /* PULP_SPLIT's */
} pulp_filters_t;

/* What becomes of the sum of one channel of a pixel whose outputs are at `out`. */
void pulp_put(const pulp_filters_t *filters, int32_t acc, uint8_t *out, uint32_t channel);

/* True if pairs.h has the output stage that is asked for, and there are two channels. */
int pulp_has_pairs(const pulp_filters_t *filters);

/* Outputs of some pixels: the windows at `x`, the weights of channel 0 at `w`, the first pixel's channel 0
 * at `out`. */
void pulp_multiply(const pulp_filters_t *filters, const pulp_segments_t *segments, const uint8_t *x,
                   const int8_t *w, uint8_t *out, uint32_t pixels);

/* The steps of that for whole blocks of channels, for a caller that has many pieces of work with the same
 * filters. pulp_begin_blocks fills in what follows from the filters and returns the number of blocks: 0 if
 * there are none, or not that output stage. pulp_run_blocks is for `pixels` pixels a line, the caller having
 * filled in the rest but for `groups` and `x_back`. */
uint32_t pulp_begin_blocks(pulp_block_t *block, const pulp_filters_t *filters, int32_t w_stride);
void pulp_run_blocks(pulp_block_t *block, pulp_form_t form, uint32_t pixels);

/* The same for windows of `length` bytes, one after the other from `x` on (word-aligned), each padded with
 * zeros to whole words. The weights are not padded: up to 3 bytes behind the last are read and have no
 * effect. */
void pulp_multiply_padded(const pulp_filters_t *filters, uint32_t length, const uint8_t *x, const int8_t *w,
                          uint8_t *out, uint32_t pixels);

#endif
