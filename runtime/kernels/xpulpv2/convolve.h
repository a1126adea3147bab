/* A convolution and the pixels and channels that the calling core computes of it. */
#ifndef PULP_CONVOLVE_H
#define PULP_CONVOLVE_H

#include <stddef.h>

#include "multiply.h"
#include "pulp_kernels.h"
#include "team.h"

typedef struct {
  const uint8_t *in;
  uint8_t *im2col, *out;
  const int8_t *weight;
  const pulp_window_t *window;
  pulp_filters_t filters;
} pulp_convolution_t;

/* All but the requantization, of a convolution without bias and im2col buffer; an initializer would fill what
 * isn't read, too. */
static inline void pulp_set_convolution(pulp_convolution_t *c, const uint8_t *in, uint8_t *out,
                                        const int8_t *weight, const pulp_window_t *window, pulp_form_t form) {
  c->in = in;
  c->out = out;
  c->weight = weight;
  c->window = window;
  c->filters.bias = NULL;
  c->filters.out_stride = window->ch_out * pulp_output_bytes(form);
  c->filters.form = form;
}

/* The calling core's part of pulp_convolve_direct's work. */
pulp_part_t pulp_direct_part(const pulp_window_t *window);

/* The same of pulp_convolve_im2col's. */
pulp_part_t pulp_im2col_part(const pulp_window_t *window);

/* Output pixels, counted row by row, of a convolution whose input channels are whole words or whose kernel is
 * 1x1; im2col isn't used. */
void pulp_convolve_direct(const pulp_convolution_t *convolution, pulp_share_t pixels);

/* The same of any convolution: the windows of `batch` pixels at a time are copied to `columns`, word-aligned,
 * each padded with zeros to whole words. Up to 3 bytes behind the weights are read. */
void pulp_convolve_im2col(const pulp_convolution_t *convolution, pulp_share_t pixels, uint32_t batch,
                          uint8_t *columns);

/* All of a convolution of 1x1 windows without stride and padding, but for `filters.channels`, and the
 * barrier. */
void pulp_convolve_pointwise(pulp_convolution_t *convolution);

/* All of a convolution that has no im2col buffer, but for `filters.channels`, and the barrier. */
void pulp_convolve_without_buffer(pulp_convolution_t *convolution);

#endif
