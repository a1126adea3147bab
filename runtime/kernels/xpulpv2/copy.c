/* pulp_copy: words divided over the cores; core 0 also copies the last bytes. */
#include "../portable/share.h"
#include "pulp_kernels.h"
#include "xpulp.h"

void pulp_copy(const uint8_t *in, uint8_t *out, uint32_t elements) {
  const pulp_share_t words = pulp_my_share(elements / 4);
  if (words.begin < words.end) {
    xp_copy_rows(out + 4 * words.begin, in + 4 * words.begin, 1, 4 * (words.end - words.begin), 0, 0);
  }
  for (uint32_t i = elements & ~3u; i < elements && pulp_core_id() == 0; i++) {
    out[i] = in[i];
  }
  pulp_barrier();
}
