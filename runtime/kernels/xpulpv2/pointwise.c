/* pulp_nn_pointwise_*: 1x1 convolution. As upstream, kernel size, stride, padding and scratch are ignored:
 * output pixel (y, x) is made of input pixel (y, x). Whatever its name, a kernel divides its work in the way
 * that balances the cores best. */
#include <stddef.h>

#include "multiply.h"
#include "pulp_nn_kernels.h"
#include "team.h"

void pulp_nn_pointwise_Ho_parallel(PULP_NN_CONV_ARGS) {
  (void)im2col, (void)in_y, (void)k_x, (void)k_y, (void)pad_top, (void)pad_bottom, (void)pad_left;
  (void)pad_right, (void)stride_x, (void)stride_y;
  const pulp_part_t part = pulp_my_part((uint32_t)out_x * out_y, ch_out, ch_in, 0);
  const pulp_filters_t filters = {bias,        {k, lambda, out_mult, out_shift, flag_relu, flag_bn},
                                  NULL,        NULL,
                                  ch_out,      part.channels,
                                  PULP_NARROW, 0};
  const pulp_segments_t segments = {ch_in / 4, 1, ch_in % 4, ch_in, ch_in, 0, 0};
  uint32_t left = part.pixels.end - part.pixels.begin, y = 0, x = part.pixels.begin, row = x + left;
  if (in_x != out_x) { /* else rows follow one another without a gap and are one */
    row = out_x;
    y = x / row;
    x -= y * row;
  }
  for (out += part.pixels.begin * ch_out; left > 0; y++, x = 0) {
    const uint32_t count = left < row - x ? left : row - x;
    pulp_multiply(&filters, &segments, in + (y * in_x + x) * ch_in, weight, out, count);
    out += count * ch_out;
    left -= count;
  }
  pulp_barrier();
}

/* The arguments are many: no call that passes them on. */
#define SAME __attribute__((alias("pulp_nn_pointwise_Ho_parallel")))
void pulp_nn_pointwise_HoWo_parallel(PULP_NN_CONV_ARGS) SAME;
void pulp_nn_pointwise_Co_parallel(PULP_NN_CONV_ARGS) SAME;
