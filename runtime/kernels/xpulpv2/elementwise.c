/* pulp_add, pulp_clip: four elements at a time, words divided over the cores; core 0 also does the last
 * bytes. */
#include "../portable/requant.h"
#include "../portable/share.h"
#include "pulp_kernels.h"
#include "xpulp.h"

typedef struct {
  int32_t k1, k2, lambda;
  uint32_t shift;
} sum_t;

XPULP_INLINE uint32_t sum(const sum_t *s, uint32_t a, uint32_t b) {
  const int32_t scaled = xp_mac((int32_t)(a * (uint32_t)s->k1), (int32_t)b, s->k2);
  return xp_clip_u8(xp_add_n(scaled, s->lambda, s->shift));
}

void pulp_add(const uint8_t *a, const uint8_t *b, uint8_t *out, int32_t k1, int32_t k2, int32_t lambda,
              uint16_t shift, uint32_t elements) {
  const sum_t s = {k1, k2, lambda, shift};
  const pulp_share_t words = pulp_my_share(elements / 4);
  const uint32_t end = 4 * words.end;
  for (uint32_t i = 4 * words.begin; i < end; i += 4) {
    const uint32_t s0 = sum(&s, a[i], b[i]), s1 = sum(&s, a[i + 1], b[i + 1]);
    const uint32_t s2 = sum(&s, a[i + 2], b[i + 2]), s3 = sum(&s, a[i + 3], b[i + 3]);
    xp_store(out + i, xp_pack4(s0, s1, s2, s3));
  }
  for (uint32_t i = elements & ~3u; i < elements && pulp_core_id() == 0; i++) {
    out[i] = (uint8_t)sum(&s, a[i], b[i]);
  }
  pulp_barrier();
}

void pulp_clip(uint8_t *data, uint32_t elements, uint8_t lo, uint8_t hi) {
  const uint32_t los = lo * 0x01010101u, his = hi * 0x01010101u;
  const pulp_share_t words = pulp_my_share(elements / 4);
  for (uint8_t *p = data + 4 * words.begin; p < data + 4 * words.end; p += 4) {
    xp_store(p, xp_minu_b(xp_maxu_b(xp_load(p), los), his));
  }
  for (uint32_t i = elements & ~3u; i < elements && pulp_core_id() == 0; i++) {
    data[i] = (uint8_t)xp_minu_b(xp_maxu_b(data[i], lo), his);
  }
  pulp_barrier();
}
