/* pulp_nn_depthwise_*: depthwise convolution from CHW to HWC.
 *
 * A core takes a channel and walks over the output's columns. The k_x input columns under the window, padded
 * above and below, are copied to the core's buffer; all windows of that column of outputs lie in it, each
 * contiguous. */
#include <string.h>

#include "dot.h"
#include "pulp_nn_kernels.h"
#include "requant.h"
#include "share.h"

typedef struct {
  const uint8_t *in;
  uint8_t *buffer, *out;
  const int8_t *bias, *weight;
  uint32_t in_x, in_y, out_x, out_y, channels, k_x, k_y, pad_top, pad_bottom, pad_left, stride_x, stride_y;
  pulp_nn_output_t output;
} depthwise_t;

#define DEPTHWISE_OF_ARGS                        \
  ((void)buffer_b, (void)ch_in, (void)pad_right, \
   (depthwise_t){in,                             \
                 buffer_c,                       \
                 out,                            \
                 bias,                           \
                 weight,                         \
                 in_x,                           \
                 in_y,                           \
                 out_x,                          \
                 out_y,                          \
                 ch_out,                         \
                 k_x,                            \
                 k_y,                            \
                 pad_top,                        \
                 pad_bottom,                     \
                 pad_left,                       \
                 stride_x,                       \
                 stride_y,                       \
                 {k, lambda, out_mult, out_shift, flag_relu, flag_bn}})

/* Fills `buffer`, pad_top + in_y + pad_bottom rows of k_x bytes, for output column `ox`. */
static void gather(const depthwise_t *d, const uint8_t *plane, uint32_t ox, uint8_t *buffer) {
  const int32_t x0 = (int32_t)(ox * d->stride_x) - (int32_t)d->pad_left;
  memset(buffer, 0, d->pad_top * d->k_x);
  uint8_t *to = buffer + d->pad_top * d->k_x;
  for (uint32_t y = 0; y < d->in_y; y++) {
    for (int32_t x = x0; x < x0 + (int32_t)d->k_x; x++) {
      *to++ = x >= 0 && x < (int32_t)d->in_x ? plane[y * d->in_x + (uint32_t)x] : 0;
    }
  }
  memset(to, 0, d->pad_bottom * d->k_x);
}

/* `scratch` is what each core has of buffer_c, in bytes. */
static void convolve(const depthwise_t *d, uint32_t scratch) {
  uint8_t *const buffer = d->buffer + pulp_core_id() * scratch;
  const pulp_share_t channels = pulp_my_share(d->channels);
  for (uint32_t c = channels.begin; c < channels.end; c++) {
    const int8_t *const weight = d->weight + c * d->k_y * d->k_x;
    for (uint32_t ox = 0; ox < d->out_x; ox++) {
      gather(d, d->in + c * d->in_y * d->in_x, ox, buffer);
      for (uint32_t oy = 0; oy < d->out_y; oy++) {
        const uint8_t *const window = buffer + oy * d->stride_y * d->k_x;
        const int32_t acc = pulp_dot(window, weight, d->k_y * d->k_x, d->bias ? d->bias[c] : 0);
        d->out[(oy * d->out_x + ox) * d->channels + c] = pulp_nn_output(&d->output, acc, c);
      }
    }
  }
  pulp_barrier();
}

void pulp_nn_depthwise_generic(PULP_NN_DEPTHWISE_ARGS) {
  const depthwise_t d = DEPTHWISE_OF_ARGS;
  convolve(&d, d.k_x * (d.in_y + d.pad_top + d.pad_bottom) + d.k_x);
}

void pulp_nn_depthwise_generic_less_4_weights(PULP_NN_DEPTHWISE_ARGS) {
  const depthwise_t d = DEPTHWISE_OF_ARGS;
  const uint32_t k_x_rounded = (d.k_x + 3) & ~3u;
  convolve(&d, d.k_x * (d.in_y + d.pad_top + d.pad_bottom) + k_x_rounded);
}
