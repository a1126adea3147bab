/* pulp_conv_wide: see convolve.h. */
#include <stddef.h>

#include "convolve.h"

void pulp_conv_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                    const int64_t *lambda, uint16_t shift, const pulp_window_t *window) {
  pulp_convolution_t c = {in,
                          NULL,
                          out,
                          weight,
                          window,
                          {.output = {.shift = shift},
                           .wide_k = k,
                           .wide_lambda = lambda,
                           .out_stride = window->ch_out,
                           .form = PULP_WIDE}};
  pulp_convolve_without_buffer(&c);
}
