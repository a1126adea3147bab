/* pulp_conv_wide: see convolve.h. */
#include <stddef.h>

#include "convolve.h"

void pulp_conv_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                    const int64_t *lambda, uint16_t shift, const pulp_window_t *window) {
  pulp_convolution_t c; /* no initializer: it would fill all of it */
  c.in = in;
  c.out = out;
  c.weight = weight;
  c.window = window;
  c.filters.bias = NULL;
  c.filters.wide_k = k;
  c.filters.wide_lambda = lambda;
  c.filters.output.shift = shift;
  c.filters.out_stride = window->ch_out;
  c.filters.form = PULP_WIDE;
  pulp_convolve_without_buffer(&c);
}
