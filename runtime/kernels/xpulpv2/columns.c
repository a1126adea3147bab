/* pulp_columns*: what columns_asm.S does, in C. */
#include "columns.h"

#include "xpulp.h"

#if !XPULP_ASM

static int32_t sum(const pulp_columns_t *c, uint32_t i) {
  const uint8_t *const x = (const uint8_t *)c->columns + (int32_t)i * c->step;
  return xp_dot_words(x, (const int8_t *)c->weights, c->words, 0);
}

void pulp_columns(const pulp_columns_t *c) {
  const int32_t *const k = (const int32_t *)c->k, *const lambda = (const int32_t *)c->lambda;
  for (uint32_t i = 0; i < c->count; i++) {
    c->out[(int32_t)i * c->out_stride] = (uint8_t)xp_requant(sum(c, i), *k, *lambda, c->shift);
  }
}

void pulp_columns_split(const pulp_columns_t *c) {
  const int32_t *const k = (const int32_t *)c->k, *const lambda = (const int32_t *)c->lambda;
  for (uint32_t i = 0; i < c->count; i++) {
    c->out[(int32_t)i * c->out_stride] =
        (uint8_t)xp_requant_split(sum(c, i), *k, *lambda, c->low_bits, c->shift);
  }
}

void pulp_columns_wide(const pulp_columns_t *c) {
  const int64_t *const k = (const int64_t *)c->k, *const lambda = (const int64_t *)c->lambda;
  for (uint32_t i = 0; i < c->count; i++) {
    c->out[(int32_t)i * c->out_stride] = (uint8_t)xp_requant_wide(sum(c, i), *k, *lambda, c->shift + 32);
  }
}

#endif
