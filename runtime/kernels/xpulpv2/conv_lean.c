/* pulp_conv: see convolve.h. */
#include "convolve.h"

void pulp_conv(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k, const int32_t *lambda,
               uint16_t shift, const pulp_window_t *window) {
  pulp_convolution_t c;
  pulp_set_convolution(&c, in, out, weight, window, PULP_NARROW);
  c.filters.output.k = k;
  c.filters.output.lambda = lambda;
  c.filters.output.shift = shift;
  c.filters.output.relu = c.filters.output.batch_norm = 1;
  pulp_convolve_without_buffer(&c);
}
