/* pulp_table: four elements at a time, words divided over the cores; core 0 also does the last bytes. */
#include "../portable/share.h"
#include "pulp_kernels.h"
#include "xpulp.h"

void pulp_table(const uint8_t *in, uint8_t *out, const uint8_t *table, uint32_t elements) {
  const pulp_share_t words = pulp_my_share(elements / 4);
  for (uint32_t i = 4 * words.begin; i < 4 * words.end; i += 4) {
    const uint32_t a = in[i], b = in[i + 1], c = in[i + 2], d = in[i + 3];
    xp_store(out + i, xp_pack4(table[a], table[b], table[c], table[d]));
  }
  for (uint32_t i = elements & ~3u; i < elements && pulp_core_id() == 0; i++) {
    out[i] = table[in[i]];
  }
  pulp_barrier();
}
