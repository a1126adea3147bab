/* pulp_conv_sums: int32 outputs; those of all pixels and channels divided over the cores. */
#include "pulp_kernels.h"
#include "share.h"
#include "sums.h"

void pulp_conv_sums(const uint8_t *in, int32_t *out, const int8_t *weight, const int32_t *bias,
                    const pulp_window_t *window, const pulp_groups_t *groups) {
  const uint32_t filter = (uint32_t)window->k_y * window->k_x * groups->ch_in, channels = window->ch_out;
  const pulp_share_t share = pulp_my_share(pulp_out_pixels(window) * channels);
  uint32_t pixel = share.begin / channels, co = share.begin % channels;
  pulp_place_t place = pulp_place_of(window, pixel);
  for (uint32_t i = share.begin; i < share.end; i++) {
    out[i] = pulp_direct_sum(window, groups, in, weight + co * filter, co, &place) + bias[co];
    if (++co == channels) {
      co = 0;
      place = pulp_place_of(window, ++pixel);
    }
  }
  pulp_barrier();
}
