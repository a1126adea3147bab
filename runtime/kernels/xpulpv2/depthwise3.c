/* pulp_depthwise3_*: what depthwise3_asm.S does, in C. */
#include "depthwise3.h"

#include "form.h"
#include "xpulp.h"

#if !XPULP_ASM

typedef struct {
  uint32_t weights[2][3]; /* by channel and column; lane = row */
  const uint8_t *k, *lambda;
  pulp_form_t form;
} pair_t;

static void load_weights(const int8_t *weight, pair_t *pair) {
  for (int channel = 0; channel < 2; channel++) {
    const uint8_t *const w = (const uint8_t *)weight + 9 * channel;
    for (int x = 0; x < 3; x++) {
      pair->weights[channel][x] = xp_pack4(w[x], w[3 + x], w[6 + x], 0);
    }
  }
}

/* The products of one column with the weights of column kx, for both channels. */
static void add_column(const pair_t *pair, const pulp_rows_t *run, const uint8_t *p, int kx, int32_t *acc) {
  const uint32_t c = xp_load_h(p + 2 * run->pitch), ab = xp_pack_h(xp_load_h(p + run->pitch), xp_load_h(p));
  const uint32_t second = xp_shuffle2(c, ab, run->second_lanes);
  acc[0] = xp_sdotusp(acc[0], xp_shuffle2(ab, second, run->first_lanes), pair->weights[0][kx]);
  acc[1] = xp_sdotusp(acc[1], second, pair->weights[1][kx]);
}

static uint8_t output(const pulp_depthwise3_t *j, const pair_t *pair, int channel, int32_t acc) {
  if (pair->form == PULP_WIDE) {
    const int64_t *const k = (const int64_t *)(const void *)pair->k;
    const int64_t *const lambda = (const int64_t *)(const void *)pair->lambda;
    return (uint8_t)xp_requant_wide(acc, k[channel], lambda[channel], j->shift + 32);
  }
  const int32_t *const k = (const int32_t *)(const void *)pair->k;
  const int32_t *const lambda = (const int32_t *)(const void *)pair->lambda;
  if (pair->form == PULP_SPLIT) {
    return (uint8_t)xp_requant_split(acc, k[channel], lambda[channel], j->low_bits, j->shift);
  }
  return (uint8_t)xp_requant(acc, k[channel], lambda[channel], j->shift);
}

/* One output row; the window columns of output x begin at stride * x - 1 + first. */
static uint8_t *walk(const pulp_depthwise3_t *j, const pair_t *pair, const pulp_rows_t *run,
                     const uint8_t *row, int stride, uint8_t *out) {
  const int32_t pixel = 2 * run->pitch + run->to_next;
  const int first = j->flags & DEPTHWISE3_FIRST ? 1 : 0;
  const int whole = stride == 1 ? 2 * (int)j->steps - (j->flags & DEPTHWISE3_ODD ? 1 : 0) : (int)j->steps;
  for (int x = 0; x < whole + (j->flags & DEPTHWISE3_LAST ? 1 : 0); x++, out += j->out_stride) {
    int32_t acc[2] = {0, 0};
    for (int kx = x == 0 && !first ? 1 : 0; kx < (x == whole ? 2 : 3); kx++) {
      add_column(pair, run, row + (stride * x - 1 + first + kx) * pixel, kx, acc);
    }
    if (!j->again) {
      out[0] = output(j, pair, 0, acc[0]);
    }
    out[1] = output(j, pair, 1, acc[1]);
  }
  return out;
}

/* From an output row's window columns to the next row's. */
static int32_t row_step(const pulp_depthwise3_t *j, const pulp_rows_t *run, int stride) {
  const uint32_t windows =
      stride == 1 ? 2 * j->steps - (j->flags & DEPTHWISE3_ODD ? 1 : 0) + 1 : 2 * j->steps;
  const uint32_t last = stride == 2 && j->flags & DEPTHWISE3_LAST ? 1 : 0;
  const uint32_t columns = windows + (j->flags & DEPTHWISE3_FIRST) + last;
  return (int32_t)columns * (2 * run->pitch + run->to_next) + j->row_gap;
}

static void one_pair(pulp_depthwise3_t *j, const pair_t *pair, int stride) {
  uint8_t *out = j->out;
  for (const pulp_rows_t *run = j->runs; run < j->runs_end; run++) {
    const int32_t step = row_step(j, run, stride);
    for (uint32_t y = 0; y < run->rows; y++) {
      out = walk(j, pair, run, run->in + (int32_t)y * step + j->channel, stride, out);
    }
  }
}

static void all_pairs(pulp_depthwise3_t *j, int stride, pulp_form_t form) {
  const uint32_t entries = 2 * pulp_entry_bytes(form);
  pair_t pair = {.k = j->k, .lambda = j->lambda, .form = form};
  for (; j->pairs > 0; j->pairs--) {
    load_weights(j->weight, &pair);
    one_pair(j, &pair, stride);
    j->weight += 18;
    j->channel += 2;
    j->out += 2;
    j->again = 0;
    pair.k += entries;
    pair.lambda += entries;
  }
}

void pulp_depthwise3_stride1(pulp_depthwise3_t *job) { all_pairs(job, 1, PULP_NARROW); }
void pulp_depthwise3_stride2(pulp_depthwise3_t *job) { all_pairs(job, 2, PULP_NARROW); }
void pulp_depthwise3_split_stride1(pulp_depthwise3_t *job) { all_pairs(job, 1, PULP_SPLIT); }
void pulp_depthwise3_split_stride2(pulp_depthwise3_t *job) { all_pairs(job, 2, PULP_SPLIT); }
void pulp_depthwise3_wide_stride1(pulp_depthwise3_t *job) { all_pairs(job, 1, PULP_WIDE); }
void pulp_depthwise3_wide_stride2(pulp_depthwise3_t *job) { all_pairs(job, 2, PULP_WIDE); }

#endif
