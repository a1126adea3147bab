/* pulp_quantize, pulp_dequantize: elements divided over the cores. */
#include "../portable/float_bits.h"
#include "../portable/share.h"
#include "pulp_kernels.h"
#include "xpulp.h"

typedef struct {
  const int32_t *bounds;
  pulp_estimator_t estimator;
  pulp_scaling_t scaling;
} quantizer_t;

/* The bytes of `count` elements, `pitch` apart. */
static void quantize_any(const quantizer_t *quantizer, const int32_t *in, uint32_t count, uint8_t *out,
                         uint32_t pitch) {
  for (uint32_t i = 0; i < count; i++, out += pitch) {
    *out = pulp_float_byte(in[i], quantizer->bounds, &quantizer->estimator);
  }
}

#if XPULP_ASM

/* Of two elements in turn: the estimate in `m`, `key` from the float's bits. */
#define SHIFT(e) "sub " e ", %[exponent], " e "\n" XP_CLIP_U5(e)
#define ESTIMATE(m, e) "sra " m ", " m ", " e "\n" XP_ADD_N(m, "%[offset]", "%[eight]") XP_CLIP_U8(m)

/* quantize_any of pairs of elements with an estimator, if all are finite. Returns false if some aren't. */
static uint32_t quantize_pairs(const quantizer_t *quantizer, const int32_t *in, uint32_t pairs, uint8_t *out,
                               uint32_t pitch) {
  const pulp_estimator_t e = quantizer->estimator;
  uint32_t exponents = 0; /* the largest */
  __asm__ volatile(
      XP_BEGIN XP_LOOP(0, "%[pairs]", 40)
      /* bits, exponent, mantissa, sign */
      XP_LWI("t0", "%[in]", "4") XP_LWI("t1", "%[in]", "4")
      XP_BITS_23_TO_30("t2", "t0") XP_BITS_23_TO_30("t3", "t1")
      XP_BITS_8_TO_22("t4", "t0") XP_BITS_8_TO_22("t5", "t1")
      XP_MAXU_32("%[exponents]", "%[exponents]", "t2") XP_MAXU_32("%[exponents]", "%[exponents]", "t3")
      "or t4, t4, %[leading]\nor t5, t5, %[leading]\n"
      "mul t4, t4, %[multiplier]\nmul t5, t5, %[multiplier]\n"
      SHIFT("t2") SHIFT("t3")
      "srai t6, t0, 31\nsrai a7, t1, 31\n"
      "xor t4, t4, t6\nxor t5, t5, a7\n"
      ESTIMATE("t4", "t2") ESTIMATE("t5", "t3")
      "srli t6, t6, 1\nsrli a7, a7, 1\n"
      "slli t2, t4, 2\nslli t3, t5, 2\n"
      XP_LWR("t2", "%[bounds]", "t2") XP_LWR("t3", "%[bounds]", "t3")
      "xor t0, t0, t6\nxor t1, t1, a7\n"
      "slt t2, t2, t0\nslt t3, t3, t1\n"
      "add t4, t4, t2\nadd t5, t5, t3\n"
      XP_SB("t4", "%[out]", "%[pitch]") XP_SB("t5", "%[out]", "%[pitch]") XP_END
      : [in] "+r"(in), [out] "+r"(out), [exponents] "+r"(exponents)
      : [pairs] "r"(pairs), [pitch] "r"(pitch), [bounds] "r"(quantizer->bounds),
        [multiplier] "r"(e.multiplier), [exponent] "r"(e.exponent), [offset] "r"(e.offset), [eight] "r"(8),
        [leading] "r"(0x8000)
      : "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a7", "memory");
  return exponents < 255;
}

#if PULP_FLOAT_UNIT

/* What overflows, and what is not a number, becomes the largest or least integer: it is clipped twice, for
 * the zero point comes in between. */
#define BYTE(e) XP_CLIP_17(e) "add " e ", " e ", %[zero_point]\n" XP_CLIP_U8(e)

/* quantize_any of pairs of elements that are scaled. */
static void scale_pairs(const quantizer_t *quantizer, const int32_t *in, uint32_t pairs, uint8_t *out,
                        uint32_t pitch) {
  __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[pairs]", 14) XP_LWI("t0", "%[in]", "4") XP_LWI("t1", "%[in]", "4")
                       XP_FMUL("t0", "t0", "%[factor]") XP_FMUL("t1", "t1", "%[factor]") XP_FROUND("t0", "t0")
                           XP_FROUND("t1", "t1") BYTE("t0") BYTE("t1") XP_SB("t0", "%[out]", "%[pitch]")
                               XP_SB("t1", "%[out]", "%[pitch]") XP_END
                   : [in] "+r"(in), [out] "+r"(out)
                   : [pairs] "r"(pairs), [pitch] "r"(pitch), [factor] "r"(quantizer->scaling.factor),
                     [zero_point] "r"(quantizer->scaling.zero_point)
                   : "t0", "t1", "memory");
}

#endif

/* The same by whichever way there is. */
static uint32_t pairs_done(const quantizer_t *quantizer, const int32_t *in, uint32_t pairs, uint8_t *out,
                           uint32_t pitch) {
#if PULP_FLOAT_UNIT
  if (quantizer->scaling.factor != 0) {
    scale_pairs(quantizer, in, pairs, out, pitch);
    return 1;
  }
#endif
  return quantizer->estimator.multiplier != 0 && quantize_pairs(quantizer, in, pairs, out, pitch);
}

static void quantize(const quantizer_t *quantizer, const int32_t *in, uint32_t count, uint8_t *out,
                     uint32_t pitch) {
  uint32_t done = 0;
  if (count >= 2 && pairs_done(quantizer, in, count / 2, out, pitch)) {
    done = count & ~1u;
  }
  quantize_any(quantizer, in + done, count - done, out + done * pitch, pitch);
}

#else

#define quantize quantize_any

#endif

void pulp_quantize(const int32_t *in, uint8_t *out, const int32_t *bounds, const pulp_estimator_t *estimator,
                   const pulp_scaling_t *scaling, uint32_t planes, uint32_t elements) {
  const quantizer_t quantizer = {bounds, *estimator, *scaling};
  const pulp_share_t share = pulp_my_share(elements);
  for (uint32_t plane = 0; plane < planes; plane++) {
    quantize(&quantizer, in + plane * elements + share.begin, share.end - share.begin,
             out + share.begin * planes + plane, planes);
  }
  pulp_barrier();
}

void pulp_dequantize(const uint8_t *in, int32_t *out, const int32_t *table, uint32_t elements) {
  const pulp_share_t words = pulp_my_share(elements / 4);
  const uint32_t end = 4 * words.end;
  for (uint32_t i = 4 * words.begin; i < end; i += 4) {
    const int32_t a = table[in[i]], b = table[in[i + 1]], c = table[in[i + 2]], d = table[in[i + 3]];
    out[i] = a;
    out[i + 1] = b;
    out[i + 2] = c;
    out[i + 3] = d;
  }
  for (uint32_t i = elements & ~3u; i < elements && pulp_core_id() == 0; i++) {
    out[i] = table[in[i]];
  }
  pulp_barrier();
}
