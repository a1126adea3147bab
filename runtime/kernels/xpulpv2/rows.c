/* pulp_any_rows; pulp_whole_rows: what rows_asm.S does, in C. */
#include "rows.h"

#include "dot.h"
#include "xpulp.h"

#if !XPULP_ASM

void pulp_whole_rows(const uint8_t *x, const int8_t *w, uint32_t words, uint32_t stride, int32_t *sums,
                     uint32_t first, uint32_t count) {
  for (uint32_t i = 0; i < count; i++, w += stride) {
    const int32_t acc = xp_dot_words(x + 4 * first, w + 4 * first, words - first, 0);
    sums[i] = xp_dot_words(x, w, first, acc);
  }
}

#endif

void pulp_any_rows(const pulp_product_t *p, uint32_t begin, uint32_t count, int32_t *sums) {
  const int8_t *w = p->matrix + begin * p->length;
  const uint32_t words = count == 1 ? 0 : p->words, bytes = 4 * words;
  if (words > 0) {
    pulp_whole_rows(p->x, w, words, p->length, sums, p->first, count);
  }
  for (uint32_t i = 0; i < count; i++, w += p->length) {
    sums[i] = pulp_dot(p->x + bytes, w + bytes, p->length - bytes, words > 0 ? sums[i] : 0);
  }
}
