/* pulp_nn_pointwise_*: 1x1 convolution. As upstream, kernel size, stride, padding and scratch are ignored:
 * output pixel (y, x) is made of input pixel (y, x). Whatever its name, a kernel divides its work in the way
 * that balances the cores best. */
#include <stddef.h>

#include "../portable/window.h"
#include "convolve.h"
#include "pulp_nn_kernels.h"

void pulp_convolve_pointwise(pulp_convolution_t *c) {
  const pulp_window_t *const w = c->window;
  const uint32_t ch_in = w->ch_in, ch_out = w->ch_out;
  const pulp_load_t load = {pulp_out_pixels(w), ch_out, ch_in, 0, 0, 0};
  const pulp_part_t part = pulp_my_part(&load);
  const uint32_t first = part.pixels.begin;
  c->filters.channels = part.channels;
  if (w->in_x == w->out_x) { /* rows follow one another without a gap */
    const pulp_segments_t segments = {ch_in / 4, 1, ch_in % 4, (int32_t)ch_in, (int32_t)ch_in, 0, 0};
    pulp_multiply(&c->filters, &segments, c->in + first * ch_in, c->weight,
                  c->out + first * c->filters.out_stride, part.pixels.end - first);
  } else {
    pulp_convolve_direct(c, part.pixels);
  }
  pulp_barrier();
}

void pulp_nn_pointwise_Ho_parallel(PULP_NN_CONV_ARGS) {
  (void)in_y, (void)k_x, (void)k_y, (void)pad_top, (void)pad_bottom, (void)pad_left;
  (void)pad_right, (void)stride_x, (void)stride_y;
  const pulp_window_t window = {in_x, out_y, ch_in, out_x, out_y, ch_out, 1, 1, 0, 0, 0, 0, 1, 1};
  const pulp_filters_t filters = {
      bias, {k, lambda, out_mult, out_shift, flag_relu, flag_bn}, NULL, NULL, ch_out, {0, 0}, PULP_NARROW, 0};
  pulp_convolution_t c = {in, im2col, out, weight, &window, filters};
  pulp_convolve_pointwise(&c);
}

/* The arguments are many: no call that passes them on. */
#define SAME __attribute__((alias("pulp_nn_pointwise_Ho_parallel")))
void pulp_nn_pointwise_HoWo_parallel(PULP_NN_CONV_ARGS) SAME;
void pulp_nn_pointwise_Co_parallel(PULP_NN_CONV_ARGS) SAME;
