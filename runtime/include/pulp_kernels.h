/* Kernels of our own, for what the PULP-NN API does not offer or gets wrong. Same conventions: every core of
 * the team calls, each kernel ends with a barrier, activations uint8 HWC.
 *
 * `wide` kernels take int64 k and lambda: clip_u8((k[c] * acc + lambda[c]) >> shift) in 64-bit arithmetic.
 * `split` kernels take multipliers in two parts, k = high * 2^low_bits + low with low_bits from 1 to 12, and
 * lambda in units of the upper one: clip_u8((high * acc + (low * acc >> low_bits) + lambda[c]) >> shift) in
 * 32-bit arithmetic, which low * acc must fit. The sum may wrap on the way. */
#ifndef PULP_KERNELS_H
#define PULP_KERNELS_H

#include <stdint.h>

/* Sizes of a sliding window over an HWC map; x is horizontal. Outside the map the input counts as 0. */
typedef struct {
  uint16_t in_x, in_y, ch_in;
  uint16_t out_x, out_y, ch_out;
  uint16_t k_x, k_y;
  uint16_t pad_top, pad_bottom, pad_left, pad_right;
  uint16_t stride_x, stride_y;
} pulp_window_t;

/* Convolution, weights Co-Ky-Kx-Ci; also pointwise; pulp_conv is PULP-NN's without a buffer for im2col. The
 * XpulpV2 kernels read up to 3 bytes behind the weights, without using them. */
void pulp_conv(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k, const int32_t *lambda,
               uint16_t shift, const pulp_window_t *window);
void pulp_conv_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                    const int64_t *lambda, uint16_t shift, const pulp_window_t *window);
void pulp_conv_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                     const int32_t *lambda, uint16_t low_bits, uint16_t shift, const pulp_window_t *window);

/* Depthwise convolution straight from HWC, weights C-Ky-Kx, any kernel, stride and padding; ch_out = ch_in.
 */
void pulp_depthwise(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                    const int32_t *lambda, uint16_t shift, const pulp_window_t *window);
void pulp_depthwise_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                         const int64_t *lambda, uint16_t shift, const pulp_window_t *window);
void pulp_depthwise_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                          const int32_t *lambda, uint16_t low_bits, uint16_t shift,
                          const pulp_window_t *window);

/* Groups and dilation of a convolution: output channel c, counted from channel `first` of the whole layer,
 * reads the `ch_in` input channels of group (first + c) / ch_out. `weight_offset` is added to each weight. */
typedef struct {
  uint16_t dilation_x, dilation_y;
  uint16_t ch_in, ch_out; /* of one group */
  uint16_t first;
  int16_t weight_offset;
} pulp_groups_t;

/* Convolution with groups and dilation; weights Co-Ky-Kx-Ci where Ci are the channels of a group. */
void pulp_conv_direct(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                      const int32_t *lambda, uint16_t shift, const pulp_window_t *window,
                      const pulp_groups_t *groups);
void pulp_conv_direct_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                           const int64_t *lambda, uint16_t shift, const pulp_window_t *window,
                           const pulp_groups_t *groups);
void pulp_conv_direct_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                            const int32_t *lambda, uint16_t low_bits, uint16_t shift,
                            const pulp_window_t *window, const pulp_groups_t *groups);

/* The same without requantization: the sums, with bias[c] added. */
void pulp_conv_sums(const uint8_t *in, int32_t *out, const int8_t *weight, const int32_t *bias,
                    const pulp_window_t *window, const pulp_groups_t *groups);

/* num_out outputs of dim_vec inputs each, weights N-K. */
void pulp_linear_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                      const int64_t *lambda, uint16_t shift, uint32_t dim_vec, uint32_t num_out);
void pulp_linear_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                       const int32_t *lambda, uint16_t low_bits, uint16_t shift, uint32_t dim_vec,
                       uint32_t num_out);

/* Sums of a part of the input channels (`ch_in`, or the `dim_vec` inputs), int32 of pixels x channels: the
 * first part's become `sums`, those of the others are added to them. The weights are those of the part only.
 * Make bytes of them with pulp_requantize. */
void pulp_conv_add(const uint8_t *in, int32_t *sums, const int8_t *weight, int first,
                   const pulp_window_t *window);
void pulp_linear_add(const uint8_t *in, int32_t *sums, const int8_t *weight, int first, uint32_t dim_vec,
                     uint32_t num_out);

/* out = clip_u8((k1 * a + k2 * b + lambda) >> shift), element by element. */
void pulp_add(const uint8_t *a, const uint8_t *b, uint8_t *out, int32_t k1, int32_t k2, int32_t lambda,
              uint16_t shift, uint32_t elements);

/* out = clip_u8((k * (a - zero_a) * (b - zero_b) + lambda) >> shift), element by element; b may be one pixel
 * of `channels` channels for all. */
void pulp_mul(const uint8_t *a, const uint8_t *b, uint8_t *out, uint8_t zero_a, uint8_t zero_b, int32_t k,
              int32_t lambda, uint16_t shift, uint32_t elements);
void pulp_mul_pixel(const uint8_t *a, const uint8_t *b, uint8_t *out, uint8_t zero_a, uint8_t zero_b,
                    int32_t k, int32_t lambda, uint16_t shift, uint32_t elements, uint16_t channels);

/* Sums of an accelerator, or of input channels in parts, int32 of `pixels x channels`, to bytes: out =
 * clip_u8((k[c] * sum + lambda[c]) >> shift). */
void pulp_requantize(const int32_t *sums, uint8_t *out, const int32_t *k, const int32_t *lambda,
                     uint16_t shift, uint32_t pixels, uint32_t channels);
void pulp_requantize_split(const int32_t *sums, uint8_t *out, const int32_t *k, const int32_t *lambda,
                           uint16_t low_bits, uint16_t shift, uint32_t pixels, uint32_t channels);
void pulp_requantize_wide(const int32_t *sums, uint8_t *out, const int64_t *k, const int64_t *lambda,
                          uint16_t shift, uint32_t pixels, uint32_t channels);

/* out = table[in], element by element; the table has 256 entries. */
void pulp_table(const uint8_t *in, uint8_t *out, const uint8_t *table, uint32_t elements);

/* out = in. */
void pulp_copy(const uint8_t *in, uint8_t *out, uint32_t elements);

/* out[c][r] = in[r][c] for a matrix of `rows x cols`. */
void pulp_transpose(const uint8_t *in, uint8_t *out, uint32_t rows, uint32_t cols);

/* How the bits of a float give its byte or one less: with e its exponent, m the leading 16 bits of its
 * mantissa, clip_u16((+-m * multiplier >> (exponent - e)) + offset) >> 8, the shift between 0 and 31. With
 * multiplier 0 the bounds are searched instead. */
typedef struct {
  int32_t multiplier, exponent, offset;
} pulp_estimator_t;

/* The byte in floating-point arithmetic, for cores that have it: clip_u8(round(in * factor) + zero_point),
 * halves away from 0, where `factor` holds the bits of a float32. With factor 0 there is no such formula. */
typedef struct {
  int32_t factor, zero_point;
} pulp_scaling_t;

/* out[i][plane] = how many of the 255 ascending `bounds` are below the float32 whose bits are in
 * in[plane][i], for `planes` planes of `elements`; 255 if it is not a number. Bounds are integers that sort
 * as the floats do (the bits, of a negative number all but the sign inverted), one less than that of the
 * least float that gives the byte; entry 255 is the largest integer. `estimator` and `scaling` say the same.
 */
void pulp_quantize(const int32_t *in, uint8_t *out, const int32_t *bounds, const pulp_estimator_t *estimator,
                   const pulp_scaling_t *scaling, uint32_t planes, uint32_t elements);

/* out = the bits of table[in], 256 float32, element by element. */
void pulp_dequantize(const uint8_t *in, int32_t *out, const int32_t *table, uint32_t elements);

/* `pixels` of `channels` bytes each, of which outputs `first` to first + count - 1 are computed. */
typedef struct {
  uint32_t pixels, channels, first, count;
} pulp_softmax_t;

/* out = the bits of f / (float)(sum of all t of the pixel), where t = table[d], from 0 to 2^30, and f the
 * float whose bits are table[256 + d], for d = largest byte - in. `quotients` has room for 256 words, or is
 * NULL, which is slower where `count` is larger. */
void pulp_softmax(const uint8_t *in, int32_t *out, const int32_t *table, int32_t *quotients,
                  const pulp_softmax_t *softmax);

/* out = clip_u8((k * sum over the window + lambda) >> shift). */
void pulp_avgpool(const uint8_t *in, uint8_t *out, int32_t k, int32_t lambda, uint16_t shift,
                  const pulp_window_t *window);

/* The same over the part of the window inside the map; k and lambda have an entry for each number of its
 * elements, from 1 to the window's. */
void pulp_avgpool_inside(const uint8_t *in, uint8_t *out, const int32_t *k, const int32_t *lambda,
                         uint16_t shift, const pulp_window_t *window);

/* The largest element of the window inside the map. Leaves its input alone. */
void pulp_maxpool(const uint8_t *in, uint8_t *out, const pulp_window_t *window);

/* A pixel for each window: its k_y x k_x pixels one after the other, ch_out bytes. Outside the map they are
 * `value`. */
void pulp_im2col(const uint8_t *in, uint8_t *out, const pulp_window_t *window, uint8_t value);

/* Fills the border of a map of `rows x cols x channels` bytes (border included) with `value`; HWC or CHW. */
typedef struct {
  uint16_t rows, cols, channels;
  uint16_t top, bottom, left, right;
} pulp_border_t;
void pulp_pad(uint8_t *map, const pulp_border_t *border, uint8_t value);
void pulp_pad_chw(uint8_t *map, const pulp_border_t *border, uint8_t value);

/* data[i] = min(max(data[i], lo), hi). */
void pulp_clip(uint8_t *data, uint32_t elements, uint8_t lo, uint8_t hi);

#endif
