/* pulp_mul, pulp_mul_pixel: four elements at a time. Words or pixels are divided over the cores; core 0 also
 * does the last bytes. */
#include "../portable/share.h"
#include "pulp_kernels.h"
#include "xpulp.h"

typedef struct {
  int32_t zero_a, zero_b, k, lambda;
  uint32_t shift;
} product_t;

XPULP_INLINE uint32_t product(const product_t *p, uint32_t a, uint32_t b) {
  const int32_t acc = ((int32_t)a - p->zero_a) * ((int32_t)b - p->zero_b);
  return xp_requant(acc, p->k, p->lambda, p->shift);
}

static void products(const product_t *p, const uint8_t *a, const uint8_t *b, uint8_t *out, uint32_t count) {
  for (uint32_t i = 0; i + 4 <= count; i += 4) {
    const uint32_t p0 = product(p, a[i], b[i]), p1 = product(p, a[i + 1], b[i + 1]);
    const uint32_t p2 = product(p, a[i + 2], b[i + 2]), p3 = product(p, a[i + 3], b[i + 3]);
    xp_store(out + i, xp_pack4(p0, p1, p2, p3));
  }
  for (uint32_t i = count & ~3u; i < count; i++) {
    out[i] = (uint8_t)product(p, a[i], b[i]);
  }
}

void pulp_mul(const uint8_t *a, const uint8_t *b, uint8_t *out, uint8_t zero_a, uint8_t zero_b, int32_t k,
              int32_t lambda, uint16_t shift, uint32_t elements) {
  const product_t p = {zero_a, zero_b, k, lambda, shift};
  const pulp_share_t words = pulp_my_share(elements / 4);
  const uint32_t begin = 4 * words.begin, tail = elements & ~3u;
  products(&p, a + begin, b + begin, out + begin, 4 * words.end - begin);
  if (pulp_core_id() == 0) {
    products(&p, a + tail, b + tail, out + tail, elements - tail);
  }
  pulp_barrier();
}

void pulp_mul_pixel(const uint8_t *a, const uint8_t *b, uint8_t *out, uint8_t zero_a, uint8_t zero_b,
                    int32_t k, int32_t lambda, uint16_t shift, uint32_t elements, uint16_t channels) {
  const product_t p = {zero_a, zero_b, k, lambda, shift};
  const pulp_share_t pixels = pulp_my_share(elements / channels);
  for (uint32_t i = pixels.begin * channels; i < pixels.end * channels; i += channels) {
    products(&p, a + i, b, out + i, channels);
  }
  pulp_barrier();
}
