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
  const int32_t scaled = xp_mac(xp_mac(s->lambda, (int32_t)a, s->k1), (int32_t)b, s->k2);
  return xp_clip_u8(scaled >> s->shift);
}

/* Sums of four elements, `words` times. */
static void sums(const sum_t *s, const uint8_t *a, const uint8_t *b, uint8_t *out, uint32_t words) {
#if XPULP_ASM
  if (words > 0) {
    __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[n]", 31) XP_LBUI("t0", "%[a]", "1") XP_LBUI("t1", "%[a]", "1")
                         XP_LBUI("t2", "%[a]", "1") XP_LBUI("t3", "%[a]", "1") XP_LBUI("t4", "%[b]", "1")
                             XP_LBUI("t5", "%[b]", "1") "mv a6, %[lambda]\n" XP_MAC("a6", "t0", "%[k1]")
                     "mv a7, %[lambda]\n" XP_MAC("a7", "t1", "%[k1]") XP_MAC("a6", "t4", "%[k2]")
                         XP_LBUI("t4", "%[b]", "1") XP_MAC("a7", "t5", "%[k2]") XP_LBUI("t5", "%[b]", "1")
                     "mv t0, %[lambda]\n" XP_MAC("t0", "t2", "%[k1]") "mv t1, %[lambda]\n"
                         XP_MAC("t1", "t3", "%[k1]") XP_MAC("t0", "t4", "%[k2]") XP_MAC("t1", "t5", "%[k2]")
                     "sra a6, a6, %[shift]\n"
                     "sra a7, a7, %[shift]\n"
                     "sra t0, t0, %[shift]\n"
                     "sra t1, t1, %[shift]\n" XP_CLIP_U8("a6") XP_CLIP_U8("a7") XP_CLIP_U8("t0")
                         XP_CLIP_U8("t1") XP_PACKLO_B("a6", "a7", "a6") XP_PACKHI_B("a6", "t1", "t0")
                             XP_SWI("a6", "%[out]", "4") XP_END
                     : [a] "+r"(a), [b] "+r"(b), [out] "+r"(out)
                     : [n] "r"(words), [k1] "r"(s->k1), [k2] "r"(s->k2), [lambda] "r"(s->lambda),
                       [shift] "r"(s->shift)
                     : "t0", "t1", "t2", "t3", "t4", "t5", "a6", "a7", "memory");
  }
#else
  for (uint32_t i = 0; i < 4 * words; i++) {
    out[i] = (uint8_t)sum(s, a[i], b[i]);
  }
#endif
}

void pulp_add(const uint8_t *a, const uint8_t *b, uint8_t *out, int32_t k1, int32_t k2, int32_t lambda,
              uint16_t shift, uint32_t elements) {
  const sum_t s = {k1, k2, lambda, shift};
  const pulp_share_t words = pulp_my_share(elements / 4);
  const uint32_t begin = 4 * words.begin;
  sums(&s, a + begin, b + begin, out + begin, words.end - words.begin);
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
