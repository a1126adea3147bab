/* pulp_block_*: what block_asm.S does, in C. */
#include "block.h"

#include "form.h"
#include "xpulp.h"

#if !XPULP_ASM

typedef struct {
  const uint8_t *x;
  const int8_t *w;
  uint8_t *out;
  uint32_t channel;
} place_t;

static uint32_t output(const pulp_block_t *b, uint32_t channel, int32_t acc, pulp_form_t form) {
  if (form == PULP_WIDE) {
    const int64_t *const k = (const int64_t *)b->k, *const lambda = (const int64_t *)b->lambda;
    return xp_requant_wide(acc, k[channel], lambda[channel], b->shift + 32);
  }
  const int32_t *const k = (const int32_t *)b->k, *const lambda = (const int32_t *)b->lambda;
  if (form == PULP_SPLIT) {
    return xp_requant_split(acc, k[channel], lambda[channel], b->low_bits, b->shift);
  }
  return xp_requant(acc, k[channel], lambda[channel], b->shift);
}

static void store_pixel(const pulp_block_t *b, uint32_t channel, const int32_t *acc, pulp_form_t form,
                        uint8_t *out) {
  if (form == PULP_SUMS) {
    int32_t *const sums = (int32_t *)(void *)out + channel;
    for (unsigned i = 0; i < BLOCK_CHANNELS; i++) {
      sums[i] = (int32_t)((uint32_t)sums[i] + (uint32_t)acc[i]);
    }
    return;
  }
  for (unsigned i = 0; i < BLOCK_CHANNELS; i++) {
    out[channel + i] = (uint8_t)output(b, channel + i, acc[i], form);
  }
}

typedef int32_t accumulators_t[BLOCK_PIXELS][BLOCK_CHANNELS];

/* Leaves the next block's weights in the place. */
static void accumulate(const pulp_block_t *b, place_t *at, int pixels, accumulators_t acc) {
  memset(acc, 0, sizeof(accumulators_t));
  const uint8_t *x = at->x;
  for (uint32_t row = 0; row < b->rows; row++, x += b->x_skip, at->w += b->w_skip) {
    for (uint32_t word = 0; word < b->words; word++, x += 4, at->w += 4) {
      for (int p = 0; p < pixels; p++) {
        for (int c = 0; c < BLOCK_CHANNELS; c++) {
          acc[p][c] = xp_sdotusp(acc[p][c], xp_load(x + p * b->x_stride), xp_load(at->w + c * b->w_stride));
        }
      }
    }
  }
  at->w += b->w_step;
}

static void one_block(const pulp_block_t *b, place_t *at, int pixels, pulp_form_t form) {
  accumulators_t acc;
  accumulate(b, at, pixels, acc);
  for (int p = 0; p < pixels; p++) {
    store_pixel(b, at->channel, acc[p], form, at->out + p * b->out_stride);
  }
}

static void one_line(const pulp_block_t *b, place_t at, int pixels, pulp_form_t form) {
  for (uint32_t group = 0; group < b->groups; group++) {
    at.w = b->w;
    for (at.channel = 0; at.channel < BLOCK_CHANNELS * b->blocks; at.channel += BLOCK_CHANNELS) {
      one_block(b, &at, pixels, form);
    }
    at.x += pixels * b->x_stride;
    at.out += pixels * b->out_stride;
  }
}

static void all_blocks(const pulp_block_t *b, int pixels, pulp_form_t form) {
  for (int32_t line = 0; line < (int32_t)b->lines; line++) {
    const place_t at = {b->x + line * b->x_line, b->w, b->out + line * b->out_line, 0};
    one_line(b, at, pixels, form);
  }
}

static void raw(const pulp_block_t *b, int pixels) {
  place_t at = {b->x, b->w, b->out, 0};
  accumulators_t acc;
  accumulate(b, &at, pixels, acc);
  memcpy(b->out, acc, (size_t)pixels * sizeof acc[0]);
}

void pulp_block_1(const pulp_block_t *block) { all_blocks(block, 1, PULP_NARROW); }
void pulp_block_2(const pulp_block_t *block) { all_blocks(block, 2, PULP_NARROW); }
void pulp_block_3(const pulp_block_t *block) { all_blocks(block, 3, PULP_NARROW); }
void pulp_block_4(const pulp_block_t *block) { all_blocks(block, 4, PULP_NARROW); }
void pulp_block_row_4(const pulp_block_t *block) { all_blocks(block, 4, PULP_NARROW); }
void pulp_block_split_1(const pulp_block_t *block) { all_blocks(block, 1, PULP_SPLIT); }
void pulp_block_split_2(const pulp_block_t *block) { all_blocks(block, 2, PULP_SPLIT); }
void pulp_block_split_3(const pulp_block_t *block) { all_blocks(block, 3, PULP_SPLIT); }
void pulp_block_split_4(const pulp_block_t *block) { all_blocks(block, 4, PULP_SPLIT); }
void pulp_block_split_row_4(const pulp_block_t *block) { all_blocks(block, 4, PULP_SPLIT); }
void pulp_block_wide_1(const pulp_block_t *block) { all_blocks(block, 1, PULP_WIDE); }
void pulp_block_wide_2(const pulp_block_t *block) { all_blocks(block, 2, PULP_WIDE); }
void pulp_block_wide_3(const pulp_block_t *block) { all_blocks(block, 3, PULP_WIDE); }
void pulp_block_wide_4(const pulp_block_t *block) { all_blocks(block, 4, PULP_WIDE); }
void pulp_block_add_1(const pulp_block_t *block) { all_blocks(block, 1, PULP_SUMS); }
void pulp_block_add_2(const pulp_block_t *block) { all_blocks(block, 2, PULP_SUMS); }
void pulp_block_add_3(const pulp_block_t *block) { all_blocks(block, 3, PULP_SUMS); }
void pulp_block_add_4(const pulp_block_t *block) { all_blocks(block, 4, PULP_SUMS); }
void pulp_block_add_row_4(const pulp_block_t *block) { all_blocks(block, 4, PULP_SUMS); }
void pulp_block_raw_1(const pulp_block_t *block) { raw(block, 1); }
void pulp_block_raw_2(const pulp_block_t *block) { raw(block, 2); }
void pulp_block_raw_3(const pulp_block_t *block) { raw(block, 3); }
void pulp_block_raw_4(const pulp_block_t *block) { raw(block, 4); }

#endif
