/* pulp_block_*: what block_asm.S does, in C. */
#include "block.h"

#include "xpulp.h"

#if !XPULP_ASM

static void store_pixel(const pulp_block_t *b, const int32_t *acc, uint8_t *out) {
  uint32_t word = 0;
  for (unsigned i = 0; i < BLOCK_CHANNELS; i++) {
    word |= xp_requant(acc[i], b->k[i], b->lambda[i], b->shift) << (8 * i);
  }
  xp_store(out, word);
}

static void one_block(pulp_block_t *b, int pixels) {
  int32_t acc[BLOCK_PIXELS][BLOCK_CHANNELS] = {{0}};
  const uint8_t *x = b->x;
  for (uint32_t row = 0; row < b->rows; row++, x += b->x_skip, b->w += b->w_skip) {
    for (uint32_t word = 0; word < b->words; word++, x += 4, b->w += 4) {
      for (int p = 0; p < pixels; p++) {
        for (int c = 0; c < BLOCK_CHANNELS; c++) {
          acc[p][c] = xp_sdotusp(acc[p][c], xp_load(x + p * b->x_stride), xp_load(b->w + c * b->w_stride));
        }
      }
    }
  }
  for (int p = 0; p < pixels; p++) {
    store_pixel(b, acc[p], b->out + p * b->out_stride);
  }
}

static void blocks(pulp_block_t *b, int pixels) {
  for (; b->blocks > 0; b->blocks--) {
    one_block(b, pixels);
    b->w += b->w_step;
    b->out += BLOCK_CHANNELS;
    b->k += BLOCK_CHANNELS;
    b->lambda += BLOCK_CHANNELS;
  }
}

void pulp_block_1(pulp_block_t *block) { blocks(block, 1); }
void pulp_block_2(pulp_block_t *block) { blocks(block, 2); }
void pulp_block_3(pulp_block_t *block) { blocks(block, 3); }
void pulp_block_4(pulp_block_t *block) { blocks(block, 4); }

#endif
