/* pulp_strip_*: what strip_asm.S does, in C. */
#include "strip.h"

#include "form.h"
#include "xpulp.h"

#if !XPULP_ASM

static int32_t sum(const pulp_strip_t *s, uint32_t channel, uint32_t output, uint32_t stride) {
  const uint32_t windows = pulp_windows_in_word(stride), word = sizeof(uint32_t);
  const uint32_t offset = s->offset + channel * s->pitch + output / windows * word;
  const uint32_t *weight = s->weights + channel * s->filter / word + output % windows;
  int32_t acc = 0;
  for (uint32_t y = 0; y < s->height; y++) {
    for (uint32_t i = 0; i < s->words; i++, weight += windows) {
      acc = xp_sdotusp(acc, xp_load(s->rows[y] + offset + word * i), *weight);
    }
  }
  return acc;
}

static uint32_t requantized(const pulp_strip_t *s, uint32_t channel, int32_t acc, pulp_form_t form) {
  if (form == PULP_WIDE) {
    const int64_t *const k = (const int64_t *)s->k, *const lambda = (const int64_t *)s->lambda;
    return xp_requant_wide(acc, k[channel], lambda[channel], s->shift + 32);
  }
  const int32_t *const k = (const int32_t *)s->k, *const lambda = (const int32_t *)s->lambda;
  return form == PULP_SPLIT ? xp_requant_split(acc, k[channel], lambda[channel], s->low_bits, s->shift)
                            : xp_requant(acc, k[channel], lambda[channel], s->shift);
}

static void outputs(const pulp_strip_t *s, uint32_t stride, pulp_form_t form) {
  for (uint32_t channel = 0; channel < s->channels; channel++) {
    for (uint32_t i = 0; i < s->count; i++) {
      s->out[i * s->out_stride + channel] =
          (uint8_t)requantized(s, channel, sum(s, channel, i, stride), form);
    }
  }
}

void pulp_strip_stride1(const pulp_strip_t *strip) { outputs(strip, 1, PULP_NARROW); }
void pulp_strip_stride2(const pulp_strip_t *strip) { outputs(strip, 2, PULP_NARROW); }
void pulp_strip_split_stride1(const pulp_strip_t *strip) { outputs(strip, 1, PULP_SPLIT); }
void pulp_strip_split_stride2(const pulp_strip_t *strip) { outputs(strip, 2, PULP_SPLIT); }
void pulp_strip_wide_stride1(const pulp_strip_t *strip) { outputs(strip, 1, PULP_WIDE); }
void pulp_strip_wide_stride2(const pulp_strip_t *strip) { outputs(strip, 2, PULP_WIDE); }

#endif
