/* pulp_avgpool, pulp_maxpool: four channels at a time. Output pixels times groups of
 * channels are divided over the cores. */
#include "../portable/requant.h"
#include "../portable/share.h"
#include "../portable/window.h"
#include "pulp_kernels.h"
#include "xpulp.h"

/* Adds `count` words at distances of `stride` bytes, lane by lane. */
XPULP_INLINE void sum_lanes(const uint8_t *p, int32_t stride, uint32_t count, uint32_t *sums) {
  const uint32_t one = 1;
#if XPULP_ASM
  uint32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
  __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[n]", 6) XP_LW("t0", "%[p]", "%[stride]") "nop\n" XP_SDOTU(
                       "%[s0]", "t0", "%[e0]") XP_SDOTU("%[s1]", "t0", "%[e1]")
                       XP_SDOTU("%[s2]", "t0", "%[e2]") XP_SDOTU("%[s3]", "t0", "%[e3]") XP_END
                   : [p] "+r"(p), [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3)
                   : [n] "r"(count), [stride] "r"(stride), [e0] "r"(one), [e1] "r"(one << 8),
                     [e2] "r"(one << 16), [e3] "r"(one << 24)
                   : "t0", "memory");
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
#else
  for (uint32_t i = 0; i < count; i++, p += stride) {
    for (int lane = 0; lane < 4; lane++) {
      sums[lane] = xp_sdotup(sums[lane], xp_load(p), one << (8 * lane));
    }
  }
#endif
}

/* The largest of `max` and `count` words, lane by lane. */
XPULP_INLINE uint32_t max_lanes(const uint8_t *p, int32_t stride, uint32_t count, uint32_t max) {
#if XPULP_ASM
  __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[n]", 3)
                       XP_LW("t0", "%[p]", "%[stride]") "nop\n" XP_MAXU("%[max]", "%[max]", "t0") XP_END
                   : [p] "+r"(p), [max] "+r"(max)
                   : [n] "r"(count), [stride] "r"(stride)
                   : "t0", "memory");
#else
  for (uint32_t i = 0; i < count; i++, p += stride) {
    max = xp_maxu_b(max, xp_load(p));
  }
#endif
  return max;
}

typedef struct {
  const uint8_t *in;
  uint8_t *out;
  const pulp_window_t *window;
  int32_t k, lambda;
  uint32_t shift;
} pool_t;

/* The outputs of `count` (1 to 4) channels of a pixel from the window's first channel on; `at` is its first
 * element. */
typedef void pool_function_t(const pool_t *pool, const pulp_extent_t *extent, const uint8_t *at, uint8_t *out,
                             uint32_t count);

static void average(const pool_t *p, const pulp_extent_t *e, const uint8_t *at, uint8_t *out,
                    uint32_t count) {
  const int32_t pixel = p->window->ch_in, row = pixel * p->window->in_x;
  uint32_t sums[4] = {0, 0, 0, 0};
  for (int32_t y = e->y0; y < e->y1 && e->x0 < e->x1; y++, at += row) {
    if (count == 4) {
      sum_lanes(at, pixel, (uint32_t)(e->x1 - e->x0), sums);
    } else {
      for (int32_t x = 0; x < e->x1 - e->x0; x++) {
        for (uint32_t i = 0; i < count; i++) {
          sums[i] += at[x * pixel + (int32_t)i];
        }
      }
    }
  }
  for (uint32_t i = 0; i < count; i++) {
    out[i] = (uint8_t)xp_requant((int32_t)sums[i], p->k, p->lambda, p->shift);
  }
}

static void maximum(const pool_t *p, const pulp_extent_t *e, const uint8_t *at, uint8_t *out,
                    uint32_t count) {
  const int32_t pixel = p->window->ch_in, row = pixel * p->window->in_x;
  uint32_t max = 0;
  for (int32_t y = e->y0; y < e->y1 && e->x0 < e->x1; y++, at += row) {
    if (count == 4) {
      max = max_lanes(at, pixel, (uint32_t)(e->x1 - e->x0), max);
    } else {
      for (int32_t x = 0; x < e->x1 - e->x0; x++) {
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < count; i++) {
          bytes |= (uint32_t)at[x * pixel + (int32_t)i] << (8 * i);
        }
        max = xp_maxu_b(max, bytes);
      }
    }
  }
  if (count == 4) {
    xp_store(out, max);
  } else {
    for (uint32_t i = 0; i < count; i++) {
      out[i] = (uint8_t)(max >> (8 * i));
    }
  }
}

static void pool(const pool_t *p, pool_function_t *function) {
  const pulp_window_t *const w = p->window;
  const uint32_t channels = w->ch_out, groups = (channels + 3) / 4;
  const pulp_share_t units = pulp_my_share(pulp_out_pixels(w) * groups);
  uint32_t pixel = units.begin / groups, group = units.begin - pixel * groups;
  for (uint32_t left = units.end - units.begin; left > 0; pixel++, group = 0) {
    const pulp_extent_t extent = pulp_extent(w, pixel);
    const uint8_t *const at = pulp_in_pixel(w, p->in, extent.y0, extent.x0);
    for (; group < groups && left > 0; group++, left--) {
      const uint32_t c = 4 * group, count = channels - c < 4 ? channels - c : 4;
      function(p, &extent, at + c, p->out + pixel * channels + c, count);
    }
  }
  pulp_barrier();
}

void pulp_avgpool(const uint8_t *in, uint8_t *out, int32_t k, int32_t lambda, uint16_t shift,
                  const pulp_window_t *window) {
  const pool_t p = {in, out, window, k, lambda, shift};
  pool(&p, average);
}

void pulp_maxpool(const uint8_t *in, uint8_t *out, const pulp_window_t *window) {
  const pool_t p = {in, out, window, 0, 0, 0};
  pool(&p, maximum);
}
