/* pulp_nn_conv_*: convolution through im2col, two output pixels at a time. */
#include <string.h>

#include "dot.h"
#include "pulp_nn_kernels.h"
#include "requant.h"
#include "share.h"

typedef struct {
  const uint8_t *in;
  uint8_t *im2col, *out;
  const int8_t *bias, *weight;
  uint32_t in_x, in_y, ch_in, out_x, out_y, ch_out, k_x, k_y, pad_top, pad_left, stride_x, stride_y;
  pulp_nn_output_t output;
} conv_t;

/* The kernels' arguments as a structure; bottom and right padding follow from the other sizes. */
#define CONV_OF_ARGS                  \
  ((void)pad_bottom, (void)pad_right, \
   (conv_t){in,                       \
            im2col,                   \
            out,                      \
            bias,                     \
            weight,                   \
            in_x,                     \
            in_y,                     \
            ch_in,                    \
            out_x,                    \
            out_y,                    \
            ch_out,                   \
            k_x,                      \
            k_y,                      \
            pad_top,                  \
            pad_left,                 \
            stride_x,                 \
            stride_y,                 \
            {k, lambda, out_mult, out_shift, flag_relu, flag_bn}})

/* Copies the window of output pixel `pixel` into `column`, k_y * k_x * ch_in bytes, 0 outside the map. */
static void gather(const conv_t *c, uint32_t pixel, uint8_t *column) {
  const int32_t y0 = (int32_t)(pixel / c->out_x * c->stride_y) - (int32_t)c->pad_top;
  const int32_t x0 = (int32_t)(pixel % c->out_x * c->stride_x) - (int32_t)c->pad_left;
  for (int32_t y = y0; y < y0 + (int32_t)c->k_y; y++) {
    for (int32_t x = x0; x < x0 + (int32_t)c->k_x; x++) {
      if (y >= 0 && y < (int32_t)c->in_y && x >= 0 && x < (int32_t)c->in_x) {
        memcpy(column, c->in + ((uint32_t)y * c->in_x + (uint32_t)x) * c->ch_in, c->ch_in);
      } else {
        memset(column, 0, c->ch_in);
      }
      column += c->ch_in;
    }
  }
}

/* One output pixel's channels from its im2col column. */
static void multiply(const conv_t *c, const uint8_t *column, uint32_t pixel, pulp_share_t channels) {
  const uint32_t length = c->k_y * c->k_x * c->ch_in;
  for (uint32_t co = channels.begin; co < channels.end; co++) {
    const int32_t acc = pulp_dot(column, c->weight + co * length, length, c->bias ? c->bias[co] : 0);
    c->out[pixel * c->ch_out + co] = pulp_nn_output(&c->output, acc, co);
  }
}

/* A rectangle of the output: pixels (row by row) times channels. */
static void convolve(const conv_t *c, pulp_share_t pixels, pulp_share_t channels) {
  const uint32_t length = c->k_y * c->k_x * c->ch_in;
  uint8_t *const columns = c->im2col + 2 * pulp_core_id() * length;
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel += 2) {
    const uint32_t count = pixels.end - pixel < 2 ? 1 : 2;
    for (uint32_t i = 0; i < count; i++) {
      gather(c, pixel + i, columns + i * length);
    }
    for (uint32_t i = 0; i < count; i++) {
      multiply(c, columns + i * length, pixel + i, channels);
    }
  }
  pulp_barrier();
}

void pulp_nn_conv_Ho_parallel(PULP_NN_CONV_ARGS) {
  const conv_t c = CONV_OF_ARGS;
  convolve(&c, pulp_my_rows(c.out_y, c.out_x), (pulp_share_t){0, c.ch_out});
}

void pulp_nn_conv_HoWo_parallel(PULP_NN_CONV_ARGS) {
  const conv_t c = CONV_OF_ARGS;
  convolve(&c, pulp_my_share(c.out_y * c.out_x), (pulp_share_t){0, c.ch_out});
}

void pulp_nn_conv_Co_parallel(PULP_NN_CONV_ARGS) {
  const conv_t c = CONV_OF_ARGS;
  convolve(&c, (pulp_share_t){0, c.out_y * c.out_x}, pulp_my_share(c.ch_out));
}
