/* pulp_nn_pointwise_*: 1x1 convolution. As upstream, kernel size, stride, padding and scratch are ignored:
 * output pixel (y, x) is made of input pixel (y, x). */
#include "dot.h"
#include "pulp_nn_kernels.h"
#include "requant.h"
#include "share.h"

typedef struct {
  const uint8_t *in;
  uint8_t *out;
  const int8_t *bias, *weight;
  uint32_t in_x, ch_in, out_x, out_y, ch_out;
  pulp_nn_output_t output;
} pointwise_t;

#define POINTWISE_OF_ARGS                                                                           \
  ((void)im2col, (void)in_y, (void)k_x, (void)k_y, (void)pad_top, (void)pad_bottom, (void)pad_left, \
   (void)pad_right, (void)stride_x, (void)stride_y,                                                 \
   (pointwise_t){in,                                                                                \
                 out,                                                                               \
                 bias,                                                                              \
                 weight,                                                                            \
                 in_x,                                                                              \
                 ch_in,                                                                             \
                 out_x,                                                                             \
                 out_y,                                                                             \
                 ch_out,                                                                            \
                 {k, lambda, out_mult, out_shift, flag_relu, flag_bn}})

static void multiply(const pointwise_t *p, pulp_share_t pixels, pulp_share_t channels) {
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    const uint8_t *const x = p->in + (pixel / p->out_x * p->in_x + pixel % p->out_x) * p->ch_in;
    for (uint32_t co = channels.begin; co < channels.end; co++) {
      const int32_t acc = pulp_dot(x, p->weight + co * p->ch_in, p->ch_in, p->bias ? p->bias[co] : 0);
      p->out[pixel * p->ch_out + co] = pulp_nn_output(&p->output, acc, co);
    }
  }
  pulp_barrier();
}

void pulp_nn_pointwise_Ho_parallel(PULP_NN_CONV_ARGS) {
  const pointwise_t p = POINTWISE_OF_ARGS;
  multiply(&p, pulp_my_rows(p.out_y, p.out_x), (pulp_share_t){0, p.ch_out});
}

void pulp_nn_pointwise_HoWo_parallel(PULP_NN_CONV_ARGS) {
  const pointwise_t p = POINTWISE_OF_ARGS;
  multiply(&p, pulp_my_share(p.out_y * p.out_x), (pulp_share_t){0, p.ch_out});
}

void pulp_nn_pointwise_Co_parallel(PULP_NN_CONV_ARGS) {
  const pointwise_t p = POINTWISE_OF_ARGS;
  multiply(&p, (pulp_share_t){0, p.out_y * p.out_x}, pulp_my_share(p.ch_out));
}
