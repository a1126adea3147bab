/* pulp_depthwise3_*: what depthwise3_asm.S does, in C. */
#include "depthwise3.h"

#include "xpulp.h"

#if !XPULP_ASM

/* The products of one column with the weights of column kx, for both channels. */
static void add_column(const pulp_depthwise3_t *j, const pulp_rows_t *run, const uint8_t *p, int kx,
                       int32_t *acc) {
  const uint32_t a = xp_load_h(p), b = xp_load_h(p + run->to_second);
  const uint32_t c = xp_load_h(p + run->to_second + run->to_third);
  const uint32_t v0 = xp_pack4(a, b, c, 0), v1 = xp_pack4(a >> 8, b >> 8, c >> 8, 0);
  acc[0] = xp_sdotusp(acc[0], v0, j->weights[0][kx] & run->lanes);
  acc[1] = xp_sdotusp(acc[1], v1, j->weights[1][kx] & run->lanes);
}

/* One output row; the window columns of output x begin at stride * x - 1 + first. */
static uint8_t *walk(const pulp_depthwise3_t *j, const pulp_rows_t *run, const uint8_t *row, int stride,
                     int raw, uint8_t *out) {
  const int32_t pixel = run->to_second + run->to_third + run->to_next;
  for (int x = 0; x < (int)(j->whole + j->last); x++) {
    int32_t acc[2] = {0, 0};
    for (int kx = 0; kx < 3; kx++) {
      if ((x == 0 && kx == 0 && !j->first) || (x == (int)j->whole && kx == 2)) {
        continue;
      }
      add_column(j, run, row + (stride * x - 1 + (int)j->first + kx) * pixel, kx, acc);
    }
    if (raw) {
      memcpy(out, acc, sizeof acc);
      out += sizeof acc;
    } else {
      const uint32_t low = xp_requant(acc[0], j->k[0], j->lambda[0], j->shift);
      const uint32_t high = xp_requant(acc[1], j->k[1], j->lambda[1], j->shift);
      xp_store_h(out, high << 8 | low);
      out += j->out_stride;
    }
  }
  return out;
}

static void all_rows(const pulp_depthwise3_t *j, int stride, int raw) {
  uint8_t *out = j->out;
  for (const pulp_rows_t *run = j->runs; run < j->runs + j->n_runs; run++) {
    for (uint32_t y = 0; y < run->rows; y++) {
      out = walk(j, run, run->in + (int32_t)y * j->row_step + j->channel, stride, raw, out);
    }
  }
}

void pulp_depthwise3_stride1(const pulp_depthwise3_t *job) { all_rows(job, 1, 0); }
void pulp_depthwise3_stride2(const pulp_depthwise3_t *job) { all_rows(job, 2, 0); }
void pulp_depthwise3_raw_stride1(const pulp_depthwise3_t *job) { all_rows(job, 1, 1); }
void pulp_depthwise3_raw_stride2(const pulp_depthwise3_t *job) { all_rows(job, 2, 1); }

#endif
