/* pulp_pairs*: what pairs_asm.S does, in C. */
#include "pairs.h"

#include "form.h"
#include "xpulp.h"

#if !XPULP_ASM

static uint32_t output(const pulp_pairs_t *j, uint32_t channel, int32_t acc, pulp_form_t form) {
  if (form == PULP_SPLIT) {
    return xp_requant_split(acc, j->k[channel], j->lambda[channel], j->low_bits, j->shift);
  }
  return xp_requant(acc, j->k[channel], j->lambda[channel], j->shift);
}

static void all_pairs(const pulp_pairs_t *j, pulp_form_t form) {
  for (uint32_t channel = 0; channel < PAIR_CHANNELS * j->pairs; channel++) {
    const int8_t *const w = j->w + (int32_t)channel * j->w_stride;
    for (uint32_t pixel = 0; pixel < j->pixels; pixel++) {
      const int32_t acc = xp_dot_words(j->x + sizeof(uint32_t) * PAIR_WORDS * pixel, w, PAIR_WORDS, 0);
      j->out[(int32_t)pixel * j->out_stride + (int32_t)channel] = (uint8_t)output(j, channel, acc, form);
    }
  }
}

void pulp_pairs(const pulp_pairs_t *job) { all_pairs(job, PULP_NARROW); }
void pulp_pairs_split(const pulp_pairs_t *job) { all_pairs(job, PULP_SPLIT); }

#endif
