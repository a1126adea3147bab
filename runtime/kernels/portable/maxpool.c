/* PULP-NN's max pooling, which unlike upstream's leaves its input alone. */
#include "pulp_kernels.h"
#include "pulp_nn_kernels.h"

void pulp_nn_maxpool(uint8_t *in, uint8_t *out, uint16_t in_x, uint16_t in_y, uint16_t ch, uint16_t out_x,
                     uint16_t out_y, uint16_t k_x, uint16_t k_y, uint16_t pad_t, uint16_t pad_b,
                     uint16_t pad_l, uint16_t pad_r, uint16_t stride_x, uint16_t stride_y) {
  const pulp_window_t window = {in_x, in_y,  ch,    out_x, out_y, ch,       k_x,
                                k_y,  pad_t, pad_b, pad_l, pad_r, stride_x, stride_y};
  pulp_maxpool(in, out, &window);
}
