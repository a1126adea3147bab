/* pulp_conv_split: see convolve.h. */
#include <stddef.h>

#include "convolve.h"

void pulp_conv_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                     const int32_t *lambda, uint16_t low_bits, uint16_t shift, const pulp_window_t *window) {
  pulp_convolution_t c = {in,
                          NULL,
                          out,
                          weight,
                          window,
                          {.output = {.k = k, .lambda = lambda, .shift = shift},
                           .out_stride = window->ch_out,
                           .form = PULP_SPLIT,
                           .low_bits = low_bits}};
  pulp_convolve_without_buffer(&c);
}
