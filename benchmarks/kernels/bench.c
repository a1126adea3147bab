/* Cycles of one call of each kernel on PULP-open, data in L1. One line per case: its index, cycles of the
 * best of three calls, 1 if the result is that of the portable kernel. The cases are in the generated
 * cases.h. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "pulp_kernels.h"
#include "pulp_nn_kernels.h"
#include "pulp_runtime.h"
#include "registers.h"

typedef struct {
  int kind;
  pulp_window_t window;
  unsigned cores;
} bench_case_t;

#include "cases.h"

#define L1_BYTES 44032u
#define WIDE_SHIFT 40
#define SPLIT_SHIFT 12
#define SPLIT_BITS 10

/* Where a case's data lie in L1, and what it runs. */
typedef struct {
  bench_case_t what;
  uint8_t *in, *second, *out, *scratch;
  int8_t *weight;
  int32_t *k, *lambda;
  int64_t *wide_k, *wide_lambda;
  uint32_t in_bytes, out_bytes, weight_bytes;
  int reference;
  uint32_t cycles;
} run_t;

#define CONV_ARGS(r, w)                                                                                   \
  (r)->in, (r)->scratch, NULL, (r)->out, (r)->weight, (r)->k, (r)->lambda, 1, 12, (w)->in_x, (w)->in_y,   \
      (w)->ch_in, (w)->out_x, (w)->out_y, (w)->ch_out, (w)->k_x, (w)->k_y, (w)->pad_top, (w)->pad_bottom, \
      (w)->pad_left, (w)->pad_right, (w)->stride_x, (w)->stride_y, 1, 1

/* The portable kernels, under names of their own. */
void ref_pulp_nn_conv_HoWo_parallel(PULP_NN_CONV_ARGS);
void ref_pulp_nn_pointwise_HoWo_parallel(PULP_NN_CONV_ARGS);
void ref_pulp_depthwise(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                        const int32_t *lambda, uint16_t shift, const pulp_window_t *window);
void ref_pulp_depthwise_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                             const int64_t *lambda, uint16_t shift, const pulp_window_t *window);
void ref_pulp_conv_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                        const int64_t *lambda, uint16_t shift, const pulp_window_t *window);
void ref_pulp_conv_direct(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                          const int32_t *lambda, uint16_t shift, const pulp_window_t *window,
                          const pulp_groups_t *groups);
void ref_pulp_linear_wide(const uint8_t *in, uint8_t *out, const int8_t *weight, const int64_t *k,
                          const int64_t *lambda, uint16_t shift, uint32_t dim_vec, uint32_t num_out);
void ref_pulp_conv_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                         const int32_t *lambda, uint16_t low_bits, uint16_t shift,
                         const pulp_window_t *window);
void ref_pulp_depthwise_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                              const int32_t *lambda, uint16_t low_bits, uint16_t shift,
                              const pulp_window_t *window);
void ref_pulp_linear_split(const uint8_t *in, uint8_t *out, const int8_t *weight, const int32_t *k,
                           const int32_t *lambda, uint16_t low_bits, uint16_t shift, uint32_t dim_vec,
                           uint32_t num_out);
void ref_pulp_nn_linear(uint8_t *in, int8_t *bias, uint8_t *out, int8_t *weight, int32_t *k, int32_t *lambda,
                        uint16_t out_mult, int8_t out_shift, uint16_t dim_vec, uint16_t num_out, int relu,
                        int bn);
void ref_pulp_add(const uint8_t *a, const uint8_t *b, uint8_t *out, int32_t k1, int32_t k2, int32_t lambda,
                  uint16_t shift, uint32_t elements);
void ref_pulp_avgpool(const uint8_t *in, uint8_t *out, int32_t k, int32_t lambda, uint16_t shift,
                      const pulp_window_t *window);
void ref_pulp_maxpool(const uint8_t *in, uint8_t *out, const pulp_window_t *window);
void ref_pulp_clip(uint8_t *data, uint32_t elements, uint8_t lo, uint8_t hi);
void ref_pulp_mul(const uint8_t *a, const uint8_t *b, uint8_t *out, uint8_t zero_a, uint8_t zero_b, int32_t k,
                  int32_t lambda, uint16_t shift, uint32_t elements);
void ref_pulp_table(const uint8_t *in, uint8_t *out, const uint8_t *table, uint32_t elements);
void ref_pulp_copy(const uint8_t *in, uint8_t *out, uint32_t elements);
void ref_pulp_im2col(const uint8_t *in, uint8_t *out, const pulp_window_t *window, uint8_t value);
void ref_pulp_pad(uint8_t *map, const pulp_border_t *border, uint8_t value);

static void call(const run_t *r) {
  const pulp_window_t *const w = &r->what.window;
  const uint32_t inputs = (uint32_t)w->in_x * w->in_y * w->ch_in;
  switch (r->what.kind) {
    case BENCH_CONV:
      (r->reference ? ref_pulp_nn_conv_HoWo_parallel : pulp_nn_conv_HoWo_parallel)(CONV_ARGS(r, w));
      break;
    case BENCH_POINTWISE:
      (r->reference ? ref_pulp_nn_pointwise_HoWo_parallel : pulp_nn_pointwise_HoWo_parallel)(CONV_ARGS(r, w));
      break;
    case BENCH_DEPTHWISE:
      (r->reference ? ref_pulp_depthwise : pulp_depthwise)(r->in, r->out, r->weight, r->k, r->lambda, 12, w);
      break;
    case BENCH_LINEAR:
      (r->reference ? ref_pulp_nn_linear : pulp_nn_linear)(r->in, NULL, r->out, r->weight, r->k, r->lambda, 1,
                                                           12, (uint16_t)inputs, w->ch_out, 1, 1);
      break;
    case BENCH_CONV_WIDE:
      (r->reference ? ref_pulp_conv_wide : pulp_conv_wide)(r->in, r->out, r->weight, r->wide_k,
                                                           r->wide_lambda, WIDE_SHIFT, w);
      break;
    case BENCH_CONV_DIRECT: { /* two groups */
      const pulp_groups_t groups = {1, 1, w->ch_in / 2, w->ch_out / 2, 0, 0};
      (r->reference ? ref_pulp_conv_direct : pulp_conv_direct)(r->in, r->out, r->weight, r->k, r->lambda, 12,
                                                               w, &groups);
      break;
    }
    case BENCH_DEPTHWISE_WIDE:
      (r->reference ? ref_pulp_depthwise_wide : pulp_depthwise_wide)(r->in, r->out, r->weight, r->wide_k,
                                                                     r->wide_lambda, WIDE_SHIFT, w);
      break;
    case BENCH_LINEAR_WIDE:
      (r->reference ? ref_pulp_linear_wide : pulp_linear_wide)(r->in, r->out, r->weight, r->wide_k,
                                                               r->wide_lambda, WIDE_SHIFT, inputs, w->ch_out);
      break;
    case BENCH_CONV_SPLIT:
      (r->reference ? ref_pulp_conv_split : pulp_conv_split)(r->in, r->out, r->weight, r->k, r->lambda,
                                                             SPLIT_BITS, SPLIT_SHIFT, w);
      break;
    case BENCH_DEPTHWISE_SPLIT:
      (r->reference ? ref_pulp_depthwise_split : pulp_depthwise_split)(r->in, r->out, r->weight, r->k,
                                                                       r->lambda, SPLIT_BITS, SPLIT_SHIFT, w);
      break;
    case BENCH_LINEAR_SPLIT:
      (r->reference ? ref_pulp_linear_split : pulp_linear_split)(r->in, r->out, r->weight, r->k, r->lambda,
                                                                 SPLIT_BITS, SPLIT_SHIFT, inputs, w->ch_out);
      break;
    case BENCH_MUL:
      (r->reference ? ref_pulp_mul : pulp_mul)(r->in, r->second, r->out, 3, 120, 40, 700000, 14, inputs);
      break;
    case BENCH_TABLE:
      (r->reference ? ref_pulp_table : pulp_table)(r->in, r->out, (const uint8_t *)r->weight, inputs);
      break;
    case BENCH_COPY:
      (r->reference ? ref_pulp_copy : pulp_copy)(r->in, r->out, inputs);
      break;
    case BENCH_IM2COL:
      (r->reference ? ref_pulp_im2col : pulp_im2col)(r->in, r->out, w, 77);
      break;
    case BENCH_PAD: {
      const pulp_border_t border = {w->in_y, w->in_x, w->ch_in, 1, 1, 1, 1};
      (r->reference ? ref_pulp_pad : pulp_pad)(r->out, &border, 77);
      break;
    }
    case BENCH_ADD:
      (r->reference ? ref_pulp_add : pulp_add)(r->in, r->second, r->out, 1100, 2300, -7000, 12, inputs);
      break;
    case BENCH_AVGPOOL:
      (r->reference ? ref_pulp_avgpool : pulp_avgpool)(r->in, r->out, 1000, 2048, 16, w);
      break;
    case BENCH_MAXPOOL:
      (r->reference ? ref_pulp_maxpool : pulp_maxpool)(r->in, r->out, w);
      break;
    default:
      (r->reference ? ref_pulp_clip : pulp_clip)(r->out, r->out_bytes, 17, 201);
  }
}

static void run(void *arg) {
  run_t *const r = arg;
  for (int repeat = 0; repeat < (r->reference ? 1 : 3);
       repeat++) { /* the first fills the instruction cache */
    pulp_barrier();
    const uint32_t start = pulp_cycles();
    call(r);
    const uint32_t cycles = pulp_cycles() - start;
    if (pulp_core_id() == 0) {
      r->cycles = repeat > 0 && r->cycles < cycles ? r->cycles : cycles;
    }
  }
}

static uint32_t random_state = 1;
static uint32_t random_u32(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return random_state >> 8;
}

static uint8_t *take(uint8_t **free, uint32_t bytes) {
  uint8_t *const start = *free;
  *free += (bytes + 11) & ~7u; /* 8-byte aligned, 4 bytes of slack */
  return start;
}

/* Bytes of a channel's weights; 0 for kernels without any. */
static uint32_t filter_bytes(const bench_case_t *c) {
  const uint32_t window = (uint32_t)c->window.k_x * c->window.k_y;
  if (c->kind == BENCH_LINEAR || c->kind == BENCH_LINEAR_WIDE || c->kind == BENCH_LINEAR_SPLIT) {
    return (uint32_t)c->window.in_x * c->window.in_y * c->window.ch_in;
  }
  if (c->kind >= BENCH_DEPTHWISE && c->kind <= BENCH_DEPTHWISE_WIDE) {
    return window;
  }
  if (c->kind == BENCH_CONV_DIRECT) {
    return window * c->window.ch_in / 2;
  }
  return c->kind <= BENCH_CONV_WIDE ? window * c->window.ch_in : 0;
}

static int has_second(const bench_case_t *c) { return c->kind == BENCH_ADD || c->kind == BENCH_MUL; }

/* A run in the arena, in front of its data; NULL if it needs more. In L1, so that the cores' reads of it are
 * not measured. */
static run_t *place(const bench_case_t *c) {
  const pulp_window_t *const w = &c->window;
  uint8_t *const arena = pulp_l1_arena(L1_BYTES), *free = arena;
  run_t *const r = (run_t *)(void *)take(&free, sizeof(run_t));
  const uint32_t filter = filter_bytes(c), padded = (filter + 3) & ~3u;
  const uint32_t batch = padded <= 32 ? 16 : padded <= 64 ? 8 : 4;
  memset(r, 0, sizeof *r);
  r->what = *c;
  r->in_bytes = (uint32_t)w->in_x * w->in_y * w->ch_in;
  r->out_bytes = (uint32_t)w->out_x * w->out_y * w->ch_out;
  r->weight_bytes = c->kind == BENCH_TABLE ? 256 : filter * w->ch_out;
  r->in = take(&free, r->in_bytes);
  r->second = take(&free, has_second(c) ? r->in_bytes : 0);
  r->out = take(&free, r->out_bytes);
  r->weight = (int8_t *)take(&free, r->weight_bytes);
  r->k = (int32_t *)(void *)take(&free, 4u * w->ch_out);
  r->lambda = (int32_t *)(void *)take(&free, 4u * w->ch_out);
  if (c->kind == BENCH_CONV_WIDE || c->kind == BENCH_DEPTHWISE_WIDE || c->kind == BENCH_LINEAR_WIDE) {
    r->wide_k = (int64_t *)(void *)take(&free, 8u * w->ch_out);
    r->wide_lambda = (int64_t *)(void *)take(&free, 8u * w->ch_out);
  }
  r->scratch = take(&free, c->kind == BENCH_CONV ? batch * c->cores * padded : 0);
  return free > arena + L1_BYTES ? NULL : r;
}

static void fill(const run_t *r) {
  for (uint32_t i = 0; i < r->in_bytes; i++) {
    r->in[i] = (uint8_t)random_u32();
    if (has_second(&r->what)) {
      r->second[i] = (uint8_t)random_u32();
    }
  }
  for (uint32_t i = 0; i < r->weight_bytes; i++) {
    r->weight[i] = (int8_t)random_u32();
  }
  for (uint32_t i = 0; i < r->what.window.ch_out; i++) {
    r->k[i] = (int32_t)(random_u32() % 40);
    r->lambda[i] = (int32_t)(random_u32() % 1000000) - 250000;
    if (r->what.kind == BENCH_CONV_SPLIT || r->what.kind == BENCH_DEPTHWISE_SPLIT ||
        r->what.kind == BENCH_LINEAR_SPLIT) {
      r->k[i] = r->k[i] << SPLIT_BITS | (int32_t)(random_u32() % (1u << SPLIT_BITS));
    }
    if (r->wide_k != NULL) { /* k is below 2^31 */
      r->wide_k[i] = (int64_t)(r->k[i] % 8) << 28 | (int64_t)random_u32();
      r->wide_lambda[i] = (int64_t)r->lambda[i] << 28 | (int64_t)random_u32();
    }
  }
}

/* Bytes that no kernel leaves by chance; clip works on them. */
static void fill_output(const run_t *r) {
  for (uint32_t i = 0; i < r->out_bytes; i++) {
    r->out[i] = (uint8_t)(i * 31);
  }
}

static void run_case(unsigned index) {
  static uint8_t expected[L1_BYTES];
  run_t *const r = place(&bench_cases[index]);
  if (r == NULL) {
    printf("case %u needs more L1\n", index);
    return;
  }
  fill(r);
  for (r->reference = 1; r->reference >= 0; r->reference--) {
    fill_output(r);
    pulp_cluster_run(run, r, r->what.cores);
    if (r->reference) {
      memcpy(expected, r->out, r->out_bytes);
    }
  }
  printf("%u %u %d\n", index, (unsigned)r->cycles, memcmp(expected, r->out, r->out_bytes) == 0);
}

int main(void) {
  for (unsigned i = 0; i < sizeof bench_cases / sizeof bench_cases[0]; i++) {
    run_case(i);
  }
  return 0;
}
