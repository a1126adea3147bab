/* pulp_conv_wide: see convolve.h. */
#include "convolve.h"

void pulp_conv_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                    const int64_t *lambda, uint16_t shift, const pulp_window_t *window) {
  pulp_convolution_t c;
  pulp_set_convolution(&c, in, out, weight, window, PULP_WIDE);
  c.filters.wide_k = k;
  c.filters.wide_lambda = lambda;
  c.filters.output.shift = shift;
  pulp_convolve_without_buffer(&c);
}
