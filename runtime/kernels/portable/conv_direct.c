/* pulp_conv_direct, pulp_conv_direct_wide: groups and dilation; pixels divided over the cores. */
#include "pulp_kernels.h"
#include "requant.h"
#include "share.h"
#include "sums.h"

void pulp_conv_direct(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                      const int32_t *lambda, uint16_t shift, const pulp_window_t *window,
                      const pulp_groups_t *groups) {
  const uint32_t filter = (uint32_t)window->k_y * window->k_x * groups->ch_in;
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    pulp_place_t place = pulp_place_of(window, pixel);
    for (uint32_t co = 0; co < window->ch_out; co++) {
      const int32_t acc = pulp_direct_sum(window, groups, in, weight + co * filter, co, &place);
      out[pixel * window->ch_out + co] = pulp_requant(acc, k[co], lambda[co], shift);
    }
  }
  pulp_barrier();
}

void pulp_conv_direct_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                           const int64_t *lambda, uint16_t shift, const pulp_window_t *window,
                           const pulp_groups_t *groups) {
  const uint32_t filter = (uint32_t)window->k_y * window->k_x * groups->ch_in;
  const pulp_share_t pixels = pulp_my_share(pulp_out_pixels(window));
  for (uint32_t pixel = pixels.begin; pixel < pixels.end; pixel++) {
    pulp_place_t place = pulp_place_of(window, pixel);
    for (uint32_t co = 0; co < window->ch_out; co++) {
      const int32_t acc = pulp_direct_sum(window, groups, in, weight + co * filter, co, &place);
      out[pixel * window->ch_out + co] = pulp_requant_wide(acc, k[co], lambda[co], shift);
    }
  }
  pulp_barrier();
}
