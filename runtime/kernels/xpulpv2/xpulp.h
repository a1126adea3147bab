/* XpulpV2 instructions for a compiler that doesn't know them: `.insn` on RISC-V, the same in C elsewhere.
 *
 * Vectors are four bytes in a word, lane 0 lowest. The functions that touch memory allow any alignment; a
 * word across a word boundary costs a second cycle. */
#ifndef PULP_XPULP_H
#define PULP_XPULP_H

#include <stdint.h>
#include <string.h>

#define XPULP_INLINE static inline __attribute__((always_inline))

#if defined(__riscv)
#define XPULP_ASM 1
#else
#define XPULP_ASM 0
#endif

#if XPULP_ASM

/* Text of instructions inside an asm block; the operands are strings. The increment of a load or store is a
 * register. */
#define XP_LW(rd, base, inc) ".insn r 0x0b, 7, 0x10, " rd ", " base ", " inc "\n"
#define XP_LHU(rd, base, inc) ".insn r 0x0b, 7, 0x28, " rd ", " base ", " inc "\n"
#define XP_LWI(rd, base, inc) ".insn i 0x0b, 2, " rd ", " inc "(" base ")\n"
#define XP_LBUI(rd, base, inc) ".insn i 0x0b, 4, " rd ", " inc "(" base ")\n"
#define XP_MAC(rd, a, b) ".insn r 0x33, 0, 0x21, " rd ", " a ", " b "\n"
#define XP_ADD_N(rd, a, shift) ".insn r 0x5b, 2, 0x20, " rd ", " a ", " shift "\n"
#define XP_CLIP_U8(rd) ".insn r 0x33, 2, 0x0a, " rd ", " rd ", x9\n"
#define XP_CLIP_U8_TO(rd, a) ".insn r 0x33, 2, 0x0a, " rd ", " a ", x9\n"
#define XP_CLIP_U5(rd) ".insn r 0x33, 2, 0x0a, " rd ", " rd ", x6\n"
/* To 17 bits with a sign. */
#define XP_CLIP_17(rd) ".insn r 0x33, 1, 0x0a, " rd ", " rd ", x17\n"
#define XP_BITS_8_TO_22(rd, a) ".insn r 0x33, 1, 0x6e, " rd ", " a ", x8\n"
#define XP_BITS_23_TO_30(rd, a) ".insn r 0x33, 1, 0x67, " rd ", " a ", x23\n"
#define XP_MAXU_32(rd, a, b) ".insn r 0x33, 7, 0x02, " rd ", " a ", " b "\n"
#define XP_PACKLO_B(rd, b1, b0) ".insn r 0x57, 1, 0x70, " rd ", " b1 ", " b0 "\n"
#define XP_PACKHI_B(rd, b3, b2) ".insn r 0x57, 1, 0x6c, " rd ", " b3 ", " b2 "\n"
#define XP_SDOT(rd, u, s) ".insn r 0x57, 1, 0x54, " rd ", " u ", " s "\n"
#define XP_SWI(src, base, inc) ".insn s 0x2b, 2, " src ", " inc "(" base ")\n"
#define XP_LBI(rd, base, inc) ".insn i 0x0b, 4, " rd ", " inc "(" base ")\n"
#define XP_SB(src, base, inc) ".insn r 0x2b, 4, 0, " inc ", " base ", " src "\n"
/* Without increment, at base + offset (a register). */
#define XP_LWR(rd, base, offset) ".insn r 0x03, 7, 0x10, " rd ", " base ", " offset "\n"
#define XP_SWR(src, base, offset) ".insn r 0x23, 6, 0, " offset ", " base ", " src "\n"
#define XP_SW(src, base, inc) ".insn r 0x2b, 6, 0, " inc ", " base ", " src "\n"
#define XP_SHUFFLE2(rd, a, mask) ".insn r 0x57, 1, 0x64, " rd ", " a ", " mask "\n"
#define XP_PACK_H(rd, high, low) ".insn r 0x57, 0, 0x68, " rd ", " high ", " low "\n"
#define XP_SDOTU(rd, a, b) ".insn r 0x57, 1, 0x50, " rd ", " a ", " b "\n"
#define XP_MAXU(rd, a, b) ".insn r 0x57, 1, 0x1c, " rd ", " a ", " b "\n"
/* float32 in integer registers: a product, and the nearest integer, halves away from 0. */
#define XP_FMUL(rd, a, b) ".insn r 0x53, 0, 0x08, " rd ", " a ", " b "\n"
#define XP_FROUND(rd, a) ".insn r 0x53, 4, 0x60, " rd ", " a ", x0\n"
/* Repeats the next `words` 4-byte instructions `count` (a register, at least 1) times; level 0 lies inside
 * level 1 and must not end with the same instruction. */
#define XP_LOOP(level, count, words) XP_LOOP_TEXT(level, count, words)
#define XP_LOOP_TEXT(level, count, words) ".insn i 0x7b, 4, x" #level ", " count ", 2*(" #words ")\n"
/* Around a block with loops: their bodies are 4-byte aligned 4-byte instructions. */
#define XP_BEGIN ".balign 4\n.option push\n.option norvc\n"
#define XP_END ".option pop\n"

typedef uint32_t __attribute__((may_alias)) xp_word_t;
typedef uint16_t __attribute__((may_alias)) xp_half_t;

#define XP_RRR(name, type, a_type, b_type, code)                         \
  XPULP_INLINE type name(a_type a, b_type b) {                           \
    type rd;                                                             \
    __asm__(".insn r " code ", %0, %1, %2" : "=r"(rd) : "r"(a), "r"(b)); \
    return rd;                                                           \
  }
#define XP_RRRR(name, type, a_type, b_type, code)                        \
  XPULP_INLINE type name(type rd, a_type a, b_type b) {                  \
    __asm__(".insn r " code ", %0, %1, %2" : "+r"(rd) : "r"(a), "r"(b)); \
    return rd;                                                           \
  }

XP_RRRR(xp_sdotusp, int32_t, uint32_t, uint32_t, "0x57, 1, 0x54")
XP_RRRR(xp_sdotup, uint32_t, uint32_t, uint32_t, "0x57, 1, 0x50")
XP_RRRR(xp_shuffle2, uint32_t, uint32_t, uint32_t, "0x57, 1, 0x64")
XP_RRRR(xp_packlo_b, uint32_t, uint32_t, uint32_t, "0x57, 1, 0x70")
XP_RRRR(xp_packhi_b, uint32_t, uint32_t, uint32_t, "0x57, 1, 0x6c")
XP_RRRR(xp_add_n, int32_t, int32_t, uint32_t, "0x5b, 2, 0x20")
XP_RRRR(xp_mac, int32_t, int32_t, int32_t, "0x33, 0, 0x21")
XP_RRR(xp_pack_h, uint32_t, uint32_t, uint32_t, "0x57, 0, 0x68")
XP_RRR(xp_maxu_b, uint32_t, uint32_t, uint32_t, "0x57, 1, 0x1c")
XP_RRR(xp_minu_b, uint32_t, uint32_t, uint32_t, "0x57, 1, 0x14")

#define XP_RR(name, type, a_type, code, immediate)                       \
  XPULP_INLINE type name(a_type a) {                                     \
    type rd;                                                             \
    __asm__(".insn r " code ", %0, %1, " immediate : "=r"(rd) : "r"(a)); \
    return rd;                                                           \
  }

XP_RR(xp_clip_u8, uint32_t, int32_t, "0x33, 2, 0x0a", "x9")

XPULP_INLINE uint32_t xp_load(const void *p) { return *(const xp_word_t *)p; }
XPULP_INLINE uint32_t xp_load_h(const void *p) { return *(const xp_half_t *)p; }
XPULP_INLINE void xp_store(void *p, uint32_t value) { *(xp_word_t *)p = value; }
XPULP_INLINE void xp_store_h(void *p, uint32_t value) { *(xp_half_t *)p = (xp_half_t)value; }

#else

XPULP_INLINE uint32_t xp_lane(uint32_t v, unsigned lane) { return v >> (8 * lane) & 0xff; }

/* rd + sum of unsigned lanes of a times signed lanes of b. */
XPULP_INLINE int32_t xp_sdotusp(int32_t rd, uint32_t a, uint32_t b) {
  for (unsigned i = 0; i < 4; i++) {
    rd = (int32_t)((uint32_t)rd + xp_lane(a, i) * (uint32_t)(int8_t)xp_lane(b, i));
  }
  return rd;
}

/* The same of unsigned lanes. */
XPULP_INLINE uint32_t xp_sdotup(uint32_t rd, uint32_t a, uint32_t b) {
  for (unsigned i = 0; i < 4; i++) {
    rd += xp_lane(a, i) * xp_lane(b, i);
  }
  return rd;
}

/* Lane i is lane mask[i] & 3 of rd, or of a where bit 2 of mask[i] is set. */
XPULP_INLINE uint32_t xp_shuffle2(uint32_t rd, uint32_t a, uint32_t mask) {
  uint32_t result = 0;
  for (unsigned i = 0; i < 4; i++) {
    const uint32_t from = xp_lane(mask, i);
    result |= xp_lane(from & 4 ? a : rd, from & 3) << (8 * i);
  }
  return result;
}

/* Lanes 1 and 0 of rd replaced by the lowest bytes of b1 and b0; the upper function: lanes 3 and 2. */
XPULP_INLINE uint32_t xp_packlo_b(uint32_t rd, uint32_t b1, uint32_t b0) {
  return (rd & 0xffff0000u) | (b1 & 0xff) << 8 | (b0 & 0xff);
}
XPULP_INLINE uint32_t xp_packhi_b(uint32_t rd, uint32_t b3, uint32_t b2) {
  return (rd & 0xffffu) | (b3 & 0xff) << 24 | (b2 & 0xff) << 16;
}

/* (rd + a) >> shift, wrapping at 32 bits, floor. */
XPULP_INLINE int32_t xp_add_n(int32_t rd, int32_t a, uint32_t shift) {
  return (int32_t)((uint32_t)rd + (uint32_t)a) >> (shift & 31);
}

/* rd + a * b, wrapping at 32 bits. */
XPULP_INLINE int32_t xp_mac(int32_t rd, int32_t a, int32_t b) {
  return (int32_t)((uint32_t)rd + (uint32_t)a * (uint32_t)b);
}

/* The lower halves of two words in one. */
XPULP_INLINE uint32_t xp_pack_h(uint32_t high, uint32_t low) { return high << 16 | (low & 0xffffu); }

XPULP_INLINE uint32_t xp_maxu_b(uint32_t a, uint32_t b) {
  uint32_t result = 0;
  for (unsigned i = 0; i < 4; i++) {
    const uint32_t x = xp_lane(a, i), y = xp_lane(b, i);
    result |= (x > y ? x : y) << (8 * i);
  }
  return result;
}
XPULP_INLINE uint32_t xp_minu_b(uint32_t a, uint32_t b) { return ~xp_maxu_b(~a, ~b); }

/* min(max(a, 0), the largest number of so many bits). */
XPULP_INLINE uint32_t xp_clip_u8(int32_t a) { return (uint32_t)(a < 0 ? 0 : a > 255 ? 255 : a); }

XPULP_INLINE uint32_t xp_load(const void *p) {
  uint32_t value;
  memcpy(&value, p, sizeof value);
  return value;
}
XPULP_INLINE uint32_t xp_load_h(const void *p) {
  uint16_t value;
  memcpy(&value, p, sizeof value);
  return value;
}
XPULP_INLINE void xp_store(void *p, uint32_t value) { memcpy(p, &value, sizeof value); }
XPULP_INLINE void xp_store_h(void *p, uint32_t value) {
  const uint16_t half = (uint16_t)value;
  memcpy(p, &half, sizeof half);
}

#endif

/* acc + the product of `words` words of x and w. */
XPULP_INLINE int32_t xp_dot_words(const uint8_t *x, const int8_t *w, uint32_t words, int32_t acc) {
#if XPULP_ASM
  if (words > 1) {
    __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[pairs]", 6) XP_LWI("t0", "%[x]", "4") XP_LWI("t1", "%[w]", "4")
                         XP_LWI("t2", "%[x]", "4") XP_LWI("t3", "%[w]", "4") XP_SDOT("%[acc]", "t0", "t1")
                             XP_SDOT("%[acc]", "t2", "t3") XP_END
                     : [acc] "+r"(acc), [x] "+r"(x), [w] "+r"(w)
                     : [pairs] "r"(words / 2)
                     : "t0", "t1", "t2", "t3", "memory");
  }
  if (words % 2 != 0) {
    acc = xp_sdotusp(acc, xp_load(x), xp_load(w));
  }
#else
  for (uint32_t i = 0; i < words; i++) {
    acc = xp_sdotusp(acc, xp_load(x + 4 * i), xp_load(w + 4 * i));
  }
#endif
  return acc;
}

/* Copies `rows` (at least 1) rows of `bytes` bytes that begin `to_pitch` and `from_pitch` bytes apart. */
XPULP_INLINE void xp_copy_rows(uint8_t *to, const uint8_t *from, uint32_t rows, uint32_t bytes,
                               int32_t to_pitch, int32_t from_pitch) {
#if XPULP_ASM
  if (bytes >= 4) { /* the last word of a row overlaps the one before it */
    const int32_t words = (int32_t)bytes & ~3, last = (int32_t)bytes - words - 4;
    __asm__ volatile(XP_BEGIN XP_LOOP(1, "%[rows]", 9) XP_LOOP(0, "%[n]", 2) XP_LWI("t0", "%[from]", "4")
                         XP_SWI("t0", "%[to]", "4") XP_LWR("t0", "%[from]", "%[last]") "nop\n" XP_SWR(
                             "t0", "%[to]", "%[last]") "add %[from], %[from], %[from_gap]\n"
                                                       "add %[to], %[to], %[to_gap]\nnop\n" XP_END
                     : [from] "+r"(from), [to] "+r"(to)
                     : [rows] "r"(rows), [n] "r"(words / 4), [last] "r"(last), [from_gap] "r"(from_pitch - words),
                       [to_gap] "r"(to_pitch - words)
                     : "t0", "memory");
    return;
  }
#endif
  for (uint32_t row = 0; row < rows; row++, to += to_pitch, from += from_pitch) {
    for (uint32_t i = 0; i < bytes; i++) {
      to[i] = from[i];
    }
  }
}

/* Stores `bytes` (at least 1) bytes, one every `pitch` bytes. */
XPULP_INLINE void xp_scatter(uint8_t *to, uint32_t pitch, const uint8_t *from, uint32_t bytes) {
#if XPULP_ASM
  if (bytes >= 4) {
    const uint32_t fours = bytes / 4;
    __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[fours]", 8) XP_LBI("t0", "%[from]", "1") XP_LBI(
                         "t1", "%[from]", "1") XP_LBI("t2", "%[from]", "1") XP_LBI("t3", "%[from]", "1")
                         XP_SB("t0", "%[to]", "%[pitch]") XP_SB("t1", "%[to]", "%[pitch]")
                             XP_SB("t2", "%[to]", "%[pitch]") XP_SB("t3", "%[to]", "%[pitch]") XP_END
                     : [from] "+r"(from), [to] "+r"(to)
                     : [pitch] "r"(pitch), [fours] "r"(fours)
                     : "t0", "t1", "t2", "t3", "memory");
    bytes &= 3;
  }
#endif
  for (uint32_t i = 0; i < bytes; i++) {
    to[i * pitch] = from[i];
  }
}

/* memset to 0 of whole words. */
XPULP_INLINE void xp_zero(uint8_t *to, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; i += 4) {
    xp_store(to + i, 0);
  }
}

/* clip_u8((k * acc + lambda) >> shift), wrapping at 32 bits. */
XPULP_INLINE uint32_t xp_requant(int32_t acc, int32_t k, int32_t lambda, uint32_t shift) {
  const int32_t product = (int32_t)((uint32_t)acc * (uint32_t)k);
  return xp_clip_u8(xp_add_n(product, lambda, shift));
}

/* xp_requant of `count` (at least 1) sums; `step` is the distance of their multipliers, and offsets, in
 * bytes, and `pitch` that of the outputs. */
XPULP_INLINE void xp_requant_row(const int32_t *sums, uint32_t count, const int32_t *k, const int32_t *lambda,
                                 uint32_t step, uint32_t shift, uint8_t *out, uint32_t pitch) {
#if XPULP_ASM
  __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[n]", 7) XP_LWI("t0", "%[sums]", "4") XP_LW("t1", "%[k]", "%[step]")
                       XP_LW("t2", "%[lambda]", "%[step]") "mul t0, t0, t1\n" XP_ADD_N("t0", "t2", "%[shift]")
                           XP_CLIP_U8("t0") XP_SB("t0", "%[out]", "%[pitch]") XP_END
                   : [sums] "+r"(sums), [k] "+r"(k), [lambda] "+r"(lambda), [out] "+r"(out)
                   : [n] "r"(count), [step] "r"(step), [shift] "r"(shift), [pitch] "r"(pitch)
                   : "t0", "t1", "t2", "memory");
#else
  for (uint32_t i = 0; i < count; i++, out += pitch) {
    const uint32_t entry = i * step / sizeof *k;
    *out = (uint8_t)xp_requant(sums[i], k[entry], lambda[entry], shift);
  }
#endif
}

/* clip_u8(((k * acc >> low_bits) + lambda) >> shift): k in two parts, of which the lower has `low_bits` bits
 * and a product that fits 32 bits. */
XPULP_INLINE uint32_t xp_requant_split(int32_t acc, int32_t k, int32_t lambda, uint32_t low_bits,
                                       uint32_t shift) {
  const uint32_t low = (uint32_t)k & ((1u << low_bits) - 1);
  const int32_t product = (int32_t)((uint32_t)acc * low) >> low_bits;
  return xp_clip_u8(xp_add_n(xp_mac(product, acc, k >> low_bits), lambda, shift));
}

/* clip_u8((k * acc + lambda) >> shift) with k and lambda of 64 bits in 64-bit arithmetic, from 32-bit halves:
 * the compiler's own calls a function to shift. */
XPULP_INLINE uint32_t xp_requant_wide(int32_t acc, int64_t k, int64_t lambda, uint32_t shift) {
  const uint32_t k_low = (uint32_t)k, k_high = (uint32_t)((uint64_t)k >> 32);
  const int64_t partial = (int64_t)acc * (int64_t)(uint64_t)k_low;
  const uint32_t low = (uint32_t)partial + (uint32_t)lambda;
  const uint32_t carry = low < (uint32_t)partial;
  const uint32_t lambda_high = (uint32_t)((uint64_t)lambda >> 32),
                 partial_high = (uint32_t)((uint64_t)partial >> 32);
  const int32_t high = (int32_t)(partial_high + (uint32_t)acc * k_high + lambda_high + carry);
  if (shift >= 32) {
    return xp_clip_u8(high >> (shift - 32));
  }
  const uint32_t value = shift == 0 ? low : low >> shift | (uint32_t)high << (32 - shift);
  const int32_t above = high >> shift;
  return above < 0 ? 0 : above > 0 || value > 255 ? 255 : value;
}

/* The same value, of which the compiler doesn't know where it is from: of a quotient, that the remainder
 * follows from it without a second division. */
XPULP_INLINE uint32_t xp_opaque(uint32_t value) {
  __asm__("" : "+r"(value));
  return value;
}

/* Four bytes as a word, b0 lowest. */
XPULP_INLINE uint32_t xp_pack4(uint32_t b0, uint32_t b1, uint32_t b2, uint32_t b3) {
  return xp_packhi_b(xp_packlo_b(0, b1, b0), b3, b2);
}

#endif
