/* pulp_conv_add: see convolve.h. */
#include "../portable/window.h"
#include "convolve.h"
#include "xpulp.h"

/* Zeros for the calling core's share of words. */
static void begin_sums(int32_t *sums, uint32_t count) {
  const pulp_share_t mine = pulp_my_share(count);
  xp_zero((uint8_t *)(sums + mine.begin), sizeof *sums * (mine.end - mine.begin));
  pulp_barrier();
}

void pulp_conv_add(const uint8_t *in, int32_t *sums, const int8_t *weight, int first,
                   const pulp_window_t *window) {
  pulp_convolution_t c;
  pulp_set_convolution(&c, in, (uint8_t *)sums, weight, window, PULP_SUMS);
  c.filters.output.k = c.filters.output.lambda = sums; /* not read */
  c.filters.output.shift = 0;
  if (first) {
    begin_sums(sums, pulp_out_pixels(window) * window->ch_out);
  }
  pulp_convolve_without_buffer(&c);
}
