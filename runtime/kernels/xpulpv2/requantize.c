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

#if XPULP_ASM

/* For each pixel four sums: loads, products, the sum with the offset and its shift, clipping, one store. */
#define RUN_TEXT(multiply) \
  XP_BEGIN XP_LOOP(0, "%[n]", 20) "lw t0, 0(%[sums])\n"                                                      \
                                  "lw t1, 4(%[sums])\n"                                                      \
                                  "lw t2, 8(%[sums])\n"                                                      \
                                  "lw t3, 12(%[sums])\n"                                                     \
                                  "add %[sums], %[sums], %[step]\n" multiply " t0, t0, %[k0]\n" multiply     \
                                  " t1, t1, %[k1]\n" multiply " t2, t2, %[k2]\n" multiply " t3, t3, %[k3]\n" \
      XP_ADD_N("t0", "%[l0]", "%[shift]") XP_ADD_N("t1", "%[l1]", "%[shift]")                                \
          XP_ADD_N("t2", "%[l2]", "%[shift]") XP_ADD_N("t3", "%[l3]", "%[shift]") XP_CLIP_U8("t0")           \
              XP_CLIP_U8("t1") XP_CLIP_U8("t2") XP_CLIP_U8("t3") XP_PACKLO_B("t0", "t1", "t0")               \
                  XP_PACKHI_B("t0", "t3", "t2") XP_SW("t0", "%[out]", "%[channels]") XP_END

#define RUN(multiply, run, k, lambda, s)                                                                    \
  do {                                                                                                      \
    const int32_t *sums = (run)->sums;                                                                      \
    uint8_t *out = (run)->out;                                                                              \
    __asm__ volatile(RUN_TEXT(multiply)                                                                     \
                     : [sums] "+r"(sums), [out] "+r"(out)                                                   \
                     : [n] "r"((run)->pixels), [step] "r"(sizeof(int32_t) * (run)->channels),               \
                       [channels] "r"((run)->channels), [shift] "r"(s), [k0] "r"((k)[0]), [k1] "r"((k)[1]), \
                       [k2] "r"((k)[2]), [k3] "r"((k)[3]), [l0] "r"((lambda)[0]), [l1] "r"((lambda)[1]),    \
                       [l2] "r"((lambda)[2]), [l3] "r"((lambda)[3])                                         \
                     : "t0", "t1", "t2", "t3", "memory");                                                   \
  } while (0)

static void narrow_run(const run_t *run, const int32_t *k, const int32_t *lambda, uint32_t shift) {
  RUN("mul", run, k, lambda, shift);
}

static void high_run(const run_t *run, const int32_t *k, const int32_t *lambda, uint32_t shift) {
  RUN("mulh", run, k, lambda, shift);
}

#else

#define RUN(requant, run, k, lambda, s)                                           \
  for (uint32_t i = 0; i < (run)->pixels; i++) {                                  \
    for (uint32_t c = 0; c < GROUP; c++) {                                        \
      const uint32_t at = i * (run)->channels + c;                                \
      (run)->out[at] = (uint8_t)requant((run)->sums[at], (k)[c], (lambda)[c], s); \
    }                                                                             \
  }

static void narrow_run(const run_t *run, const int32_t *k, const int32_t *lambda, uint32_t shift) {
  RUN(xp_requant, run, k, lambda, shift)
}

static void high_run(const run_t *run, const int32_t *k, const int32_t *lambda, uint32_t shift) {
  RUN(xp_requant_high, run, k, lambda, shift)
}

#endif

/* What all runs have in common; the entries of k and lambda are as wide as the form says. */
typedef struct {
  const int32_t *sums;
  uint8_t *out;
  const void *k, *lambda;
  uint32_t shift, pixels, channels;
} task_t;

/* `count` channels from `first` on, which are 4 only where the form is none of those above. */
static void few_channels(const task_t *task, pulp_form_t form, const run_t *run, uint32_t first,
                         uint32_t count) {
  const int32_t *const k = task->k, *const lambda = task->lambda;
  const int64_t *const wide_k = task->k, *const wide_lambda = task->lambda;
  for (uint32_t c = 0; c < count; c++) {
    for (uint32_t i = 0; i < run->pixels; i++) {
      const uint32_t at = i * run->channels + c, channel = first + c;
      const int32_t sum = run->sums[at];
      run->out[at] =
          (uint8_t)(form == PULP_WIDE
                        ? xp_requant_wide(sum, wide_k[channel], wide_lambda[channel], task->shift)
                    : form == PULP_HIGH ? xp_requant_high(sum, k[channel], lambda[channel], task->shift)
                                        : xp_requant(sum, k[channel], lambda[channel], task->shift));
    }
  }
}

static void channels_run(const task_t *task, pulp_form_t form, const run_t *run, uint32_t first) {
  const int32_t *const k = (const int32_t *)task->k + first, *const lambda =
                                                                 (const int32_t *)task->lambda + first;
  const uint32_t count = task->channels - first < GROUP ? task->channels - first : GROUP;
  if (form == PULP_WIDE || count < GROUP) {
    few_channels(task, form, run, first, count);
  } else if (form == PULP_HIGH) {
    high_run(run, k, lambda, task->shift);
  } else {
    narrow_run(run, k, lambda, task->shift);
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
  requantize(&(task_t){sums, out, k, lambda, shift, pixels, channels}, PULP_NARROW);
}

void pulp_requantize_high(const int32_t *sums, uint8_t *out, const int32_t *k, const int32_t *lambda,
                          uint16_t shift, uint32_t pixels, uint32_t channels) {
  requantize(&(task_t){sums, out, k, lambda, shift, pixels, channels}, PULP_HIGH);
}

void pulp_requantize_wide(const int32_t *sums, uint8_t *out, const int64_t *k, const int64_t *lambda,
                          uint16_t shift, uint32_t pixels, uint32_t channels) {
  requantize(&(task_t){sums, out, k, lambda, shift, pixels, channels}, PULP_WIDE);
}
