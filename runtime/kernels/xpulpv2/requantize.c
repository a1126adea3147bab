/* pulp_requantize and its wider forms: four channels of one pixel after the other, whose multipliers and
 * offsets stay in registers. Pixels times groups of four channels are divided over the cores. */
#include "../portable/share.h"
#include "form.h"
#include "pulp_kernels.h"
#include "xpulp.h"

#define GROUP 4

/* A run of pixels of some channels; both pointers are those of its first channel's first pixel. */
typedef struct {
  const int32_t *sums;
  uint8_t *out;
  uint32_t pixels, channels; /* of all channels: from a pixel to the next */
} run_t;

typedef struct {
  uint32_t low_bits, shift; /* low_bits only of split multipliers */
} shifts_t;

#if XPULP_ASM

#define LOADS            \
  "lw t0, 0(%[sums])\n"  \
  "lw t1, 4(%[sums])\n"  \
  "lw t2, 8(%[sums])\n"  \
  "lw t3, 12(%[sums])\n" \
  "add %[sums], %[sums], %[step]\n"
#define STORE \
  XP_PACKLO_B("t0", "t1", "t0") XP_PACKHI_B("t0", "t3", "t2") XP_SW("t0", "%[out]", "%[channels]") XP_END
#define OPERANDS(run, s) \
  [step] "r"(sizeof(int32_t) * (run)->channels), [channels] "r"((run)->channels), [shift] "r"(s)
#define ENTRIES(name, values)                                                         \
  [name##0] "r"((values)[0]), [name##1] "r"((values)[1]), [name##2] "r"((values)[2]), \
      [name##3] "r"((values)[3])

#define NARROW(sum, k, lambda) \
  "mul " sum ", " sum ", " k "\n" XP_ADD_N(sum, lambda, "%[shift]") XP_CLIP_U8(sum)

static void narrow_run(const run_t *run, const int32_t *k, const int32_t *lambda, uint32_t shift) {
  const int32_t *sums = run->sums;
  uint8_t *out = run->out;
  __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[n]", 20) LOADS NARROW("t0", "%[k0]", "%[l0]")
                       NARROW("t1", "%[k1]", "%[l1]") NARROW("t2", "%[k2]", "%[l2]")
                           NARROW("t3", "%[k3]", "%[l3]") STORE
                   : [sums] "+r"(sums), [out] "+r"(out)
                   : [n] "r"(run->pixels), OPERANDS(run, shift), ENTRIES(k, k), ENTRIES(l, lambda)
                   : "t0", "t1", "t2", "t3", "memory");
}

/* The number of pixels, once the loop is set up, is a place for the product's parts. */
#define SPLIT(sum, low, high, lambda)                                                            \
  "mul %[n], " sum ", " low                                                                      \
  "\n"                                                                                           \
  "sra %[n], %[n], %[low_bits]\n" XP_MAC("%[n]", sum, high) XP_ADD_N("%[n]", lambda, "%[shift]") \
      XP_CLIP_U8_TO(sum, "%[n]")

static void split_run(const run_t *run, const int32_t *k, const int32_t *lambda, shifts_t shifts) {
  const int32_t *sums = run->sums;
  uint8_t *out = run->out;
  uint32_t n = run->pixels;
  const int32_t mask = (int32_t)((1u << shifts.low_bits) - 1);
  const int32_t low[GROUP] = {k[0] & mask, k[1] & mask, k[2] & mask, k[3] & mask};
  const int32_t high[GROUP] = {k[0] >> shifts.low_bits, k[1] >> shifts.low_bits, k[2] >> shifts.low_bits,
                               k[3] >> shifts.low_bits};
  __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[n]", 28) LOADS SPLIT("t0", "%[k0]", "%[h0]", "%[l0]")
                       SPLIT("t1", "%[k1]", "%[h1]", "%[l1]") SPLIT("t2", "%[k2]", "%[h2]", "%[l2]")
                           SPLIT("t3", "%[k3]", "%[h3]", "%[l3]") STORE
                   : [sums] "+r"(sums), [out] "+r"(out), [n] "+r"(n)
                   : [low_bits] "r"(shifts.low_bits), OPERANDS(run, shifts.shift), ENTRIES(k, low),
                     ENTRIES(h, high), ENTRIES(l, lambda)
                   : "t0", "t1", "t2", "t3", "memory");
}

#else

static void narrow_run(const run_t *run, const int32_t *k, const int32_t *lambda, uint32_t shift) {
  for (uint32_t i = 0; i < run->pixels; i++) {
    for (uint32_t c = 0; c < GROUP; c++) {
      const uint32_t at = i * run->channels + c;
      run->out[at] = (uint8_t)xp_requant(run->sums[at], k[c], lambda[c], shift);
    }
  }
}

static void split_run(const run_t *run, const int32_t *k, const int32_t *lambda, shifts_t shifts) {
  for (uint32_t i = 0; i < run->pixels; i++) {
    for (uint32_t c = 0; c < GROUP; c++) {
      const uint32_t at = i * run->channels + c;
      run->out[at] = (uint8_t)xp_requant_split(run->sums[at], k[c], lambda[c], shifts.low_bits, shifts.shift);
    }
  }
}

#endif

/* What all runs have in common; the entries of k and lambda are as wide as the form says. */
typedef struct {
  const int32_t *sums;
  uint8_t *out;
  const void *k, *lambda;
  shifts_t shifts;
  uint32_t pixels, channels;
} task_t;

static uint32_t requantized(const task_t *task, pulp_form_t form, int32_t sum, uint32_t channel) {
  const int32_t *const k = task->k, *const lambda = task->lambda;
  const int64_t *const wide_k = task->k, *const wide_lambda = task->lambda;
  const shifts_t shifts = task->shifts;
  if (form == PULP_WIDE) {
    return xp_requant_wide(sum, wide_k[channel], wide_lambda[channel], shifts.shift);
  }
  if (form == PULP_SPLIT) {
    return xp_requant_split(sum, k[channel], lambda[channel], shifts.low_bits, shifts.shift);
  }
  return xp_requant(sum, k[channel], lambda[channel], shifts.shift);
}

/* `count` channels from `first` on. */
static void few_channels(const task_t *task, pulp_form_t form, const run_t *run, uint32_t first,
                         uint32_t count) {
  for (uint32_t c = 0; c < count; c++) {
    for (uint32_t i = 0; i < run->pixels; i++) {
      const uint32_t at = i * run->channels + c;
      run->out[at] = (uint8_t)requantized(task, form, run->sums[at], first + c);
    }
  }
}

static void channels_run(const task_t *task, pulp_form_t form, const run_t *run, uint32_t first) {
  const int32_t *const k = task->k, *const lambda = task->lambda;
  const uint32_t count = task->channels - first < GROUP ? task->channels - first : GROUP;
  if (form == PULP_WIDE || count < GROUP) {
    few_channels(task, form, run, first, count);
  } else if (form == PULP_SPLIT) {
    split_run(run, k + first, lambda + first, task->shifts);
  } else {
    narrow_run(run, k + first, lambda + first, task->shifts.shift);
  }
}

static void requantize(const task_t *task, pulp_form_t form) {
  const pulp_share_t mine = pulp_my_share((task->channels + GROUP - 1) / GROUP * task->pixels);
  uint32_t group = mine.begin / task->pixels, pixel = mine.begin - group * task->pixels;
  for (uint32_t left = mine.end - mine.begin; left > 0; group++, pixel = 0) {
    const uint32_t rest = task->pixels - pixel, pixels = left < rest ? left : rest;
    const uint32_t at = pixel * task->channels + GROUP * group;
    const run_t run = {task->sums + at, task->out + at, pixels, task->channels};
    channels_run(task, form, &run, GROUP * group);
    left -= pixels;
  }
  pulp_barrier();
}

void pulp_requantize(const int32_t *sums, uint8_t *out, const int32_t *k, const int32_t *lambda,
                     uint16_t shift, uint32_t pixels, uint32_t channels) {
  requantize(&(task_t){sums, out, k, lambda, {0, shift}, pixels, channels}, PULP_NARROW);
}

void pulp_requantize_split(const int32_t *sums, uint8_t *out, const int32_t *k, const int32_t *lambda,
                           uint16_t low_bits, uint16_t shift, uint32_t pixels, uint32_t channels) {
  requantize(&(task_t){sums, out, k, lambda, {low_bits, shift}, pixels, channels}, PULP_SPLIT);
}

void pulp_requantize_wide(const int32_t *sums, uint8_t *out, const int64_t *k, const int64_t *lambda,
                          uint16_t shift, uint32_t pixels, uint32_t channels) {
  requantize(&(task_t){sums, out, k, lambda, {0, shift}, pixels, channels}, PULP_WIDE);
}
