/* The PULP-NN kernel API (names, argument order and layouts of pulp-platform/pulp-nn, 32bit).
 *
 * Every core of the team calls a kernel with the same arguments; each kernel ends with a barrier. Activations
 * are uint8 HWC (depthwise input: CHW), weights int8 Co-Ky-Kx-Ci (depthwise: C-Ky-Kx, linear: N-K). With
 * flag_relu and flag_batch_norm the result is clip_u8((int32_t)(k[c] * acc + lambda[c]) >> out_shift). Link
 * these, or the genuine library. */
#ifndef PULP_NN_KERNELS_H
#define PULP_NN_KERNELS_H

#include <stdint.h>

#define PULP_NN_CONV_ARGS                                                                                   \
  const uint8_t *in, uint8_t *im2col, const int8_t *bias, uint8_t *out, const int8_t *weight, int32_t *k,   \
      int32_t *lambda, uint16_t out_mult, uint16_t out_shift, uint16_t in_x, uint16_t in_y, uint16_t ch_in, \
      uint16_t out_x, uint16_t out_y, uint16_t ch_out, uint16_t k_x, uint16_t k_y, uint16_t pad_top,        \
      uint16_t pad_bottom, uint16_t pad_left, uint16_t pad_right, uint16_t stride_x, uint16_t stride_y,     \
      int flag_relu, int flag_bn

#define PULP_NN_DEPTHWISE_ARGS                                                                             \
  const uint8_t *in, uint8_t *buffer_c, const int8_t *bias, uint8_t *out, const int8_t *weight,            \
      int8_t *buffer_b, int32_t *k, int32_t *lambda, uint16_t out_mult, uint16_t out_shift, uint16_t in_x, \
      uint16_t in_y, uint16_t ch_in, uint16_t out_x, uint16_t out_y, uint16_t ch_out, uint16_t k_x,        \
      uint16_t k_y, uint16_t pad_top, uint16_t pad_bottom, uint16_t pad_left, uint16_t pad_right,          \
      uint16_t stride_x, uint16_t stride_y, int8_t flag_relu, int8_t flag_bn

/* im2col: 2 * cores * ch_in * k_x * k_y bytes (pointwise: unused, may be NULL). The XpulpV2 kernels use none
 * if ch_in is a multiple of 4. Else, with n = ceil4(ch_in * k_x * k_y), they need cores * n * (n <= 32 ? 16 :
 * n <= 64 ? 8 : 4) bytes, word-aligned, and read up to 3 bytes behind the weights. */
void pulp_nn_conv_Ho_parallel(PULP_NN_CONV_ARGS);
void pulp_nn_conv_HoWo_parallel(PULP_NN_CONV_ARGS);
void pulp_nn_conv_Co_parallel(PULP_NN_CONV_ARGS);
void pulp_nn_pointwise_Ho_parallel(PULP_NN_CONV_ARGS);
void pulp_nn_pointwise_HoWo_parallel(PULP_NN_CONV_ARGS);
void pulp_nn_pointwise_Co_parallel(PULP_NN_CONV_ARGS);

/* buffer_c: cores * (k_x * (in_y + pad_top + pad_bottom) + k_x) bytes, less_4_weights: + roundup4(k_x) - k_x
 * a core. buffer_b unused, may be NULL. */
void pulp_nn_depthwise_generic(PULP_NN_DEPTHWISE_ARGS);
void pulp_nn_depthwise_generic_less_4_weights(PULP_NN_DEPTHWISE_ARGS);

void pulp_nn_linear(uint8_t *in, int8_t *bias, uint8_t *out, int8_t *weight, int32_t *k, int32_t *lambda,
                    uint16_t out_mult, int8_t out_shift, uint16_t dim_vec, uint16_t num_out, int flag_relu,
                    int flag_bn);

/* int32 results; the bias is int32 behind the int8 pointer. */
void pulp_nn_linear_out_32(uint8_t *in, int8_t *bias, int32_t *out, int8_t *weight, uint16_t dim_vec,
                           uint16_t num_out);

/* Destroys its input in upstream's version. */
void pulp_nn_maxpool(uint8_t *in, uint8_t *out, uint16_t in_x, uint16_t in_y, uint16_t ch, uint16_t out_x,
                     uint16_t out_y, uint16_t k_x, uint16_t k_y, uint16_t pad_t, uint16_t pad_b,
                     uint16_t pad_l, uint16_t pad_r, uint16_t stride_x, uint16_t stride_y);

#endif
