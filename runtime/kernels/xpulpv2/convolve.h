/* A convolution and the pixels and channels that the calling core computes of it. */
#ifndef PULP_CONVOLVE_H
#define PULP_CONVOLVE_H

#include "multiply.h"
#include "pulp_kernels.h"

typedef struct {
  const uint8_t *in;
  uint8_t *im2col, *out;
  const int8_t *weight;
  const pulp_window_t *window;
  pulp_filters_t filters;
} pulp_convolution_t;

/* Cycles to copy a window of `filter` bytes, which isn't needed where channels are whole words. */
static inline uint32_t pulp_gather_cycles(uint32_t ch_in, uint32_t filter) {
  return ch_in % 4 == 0 ? 0 : 60 + filter;
}

/* Output pixels, counted row by row, of a convolution whose input channels are whole words or whose kernel is
 * 1x1; im2col isn't used. */
void pulp_convolve_direct(const pulp_convolution_t *convolution, pulp_share_t pixels);

/* The same of any convolution: the windows of `batch` pixels at a time are copied to `columns`, word-aligned,
 * each padded with zeros to whole words. Up to 3 bytes behind the weights are read. */
void pulp_convolve_im2col(const pulp_convolution_t *convolution, pulp_share_t pixels, uint32_t batch,
                          uint8_t *columns);

/* All of a convolution that has no im2col buffer, but for `filters.channels`, and the barrier. */
void pulp_convolve_without_buffer(pulp_convolution_t *convolution);

#endif
