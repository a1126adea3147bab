/* pulp_nn_pointwise_*: 1x1 convolution. As upstream, kernel size, stride, padding and scratch are ignored:
 * output pixel (y, x) is made of input pixel (y, x). Whatever its name, a kernel divides its work in the way
 * that balances the cores best. */
#include <stddef.h>

#include "multiply.h"
#include "pulp_nn_kernels.h"
#include "team.h"

static void pointwise(PULP_NN_CONV_ARGS) {
  (void)im2col, (void)in_y, (void)k_x, (void)k_y, (void)pad_top, (void)pad_bottom, (void)pad_left;
  (void)pad_right, (void)stride_x, (void)stride_y;
  const pulp_part_t part = pulp_my_part((uint32_t)out_x * out_y, ch_out, ch_in, 0);
  const pulp_filters_t filters = {
      bias,       {k, lambda, out_mult, out_shift, flag_relu, flag_bn}, NULL, NULL, ch_out, part.channels,
      PULP_NARROW};
  const pulp_segments_t segments = {ch_in / 4, 1, ch_in % 4, ch_in, ch_in, 0, 0};
  /* Rows that follow one another without a gap are one row. */
  const uint32_t row = in_x == out_x ? (uint32_t)out_x * out_y : out_x;
  uint32_t pixel = part.pixels.begin, y = pixel / row, x = pixel - y * row;
  while (pixel < part.pixels.end) {
    uint32_t count = part.pixels.end - pixel < row - x ? part.pixels.end - pixel : row - x;
    pulp_multiply(&filters, &segments, in + (y * in_x + x) * ch_in, weight, out + pixel * ch_out, count);
    pixel += count;
    x += count;
    if (x == row) {
      x = 0;
      y++;
    }
  }
  pulp_barrier();
}

#define POINTWISE_CALL                                                                                      \
  pointwise(in, im2col, bias, out, weight, k, lambda, out_mult, out_shift, in_x, in_y, ch_in, out_x, out_y, \
            ch_out, k_x, k_y, pad_top, pad_bottom, pad_left, pad_right, stride_x, stride_y, flag_relu,      \
            flag_bn)

void pulp_nn_pointwise_Ho_parallel(PULP_NN_CONV_ARGS) { POINTWISE_CALL; }
void pulp_nn_pointwise_HoWo_parallel(PULP_NN_CONV_ARGS) { POINTWISE_CALL; }
void pulp_nn_pointwise_Co_parallel(PULP_NN_CONV_ARGS) { POINTWISE_CALL; }
